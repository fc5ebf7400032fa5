/* SPDX-License-Identifier: BSD-2-Clause */
/* seed - random sequences that can be had again. */
#include "seed.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void seed_rand(void)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);

	printf("SEED=%u\n", seed);
	srand(seed);
}
