/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktgen_script - what pktgen must be told.
 *
 * "flag !SHARED" (Linux 6.7) has it make a new skb for every frame instead of sending one skb
 * over and over: that costs some rate, and makes it as harmless as other senders are.
 */
#include "pktgen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGE_MAX  32768u /* of ports, from PKTGEN_PORT or from half of them all */
#define SPREAD_MAX 256u	  /* destination ports tried to reach a number of flows */

struct script {
	struct pktgen_command *commands;
	unsigned n;
	char file[24]; /* that add() writes to */
};

static struct pktgen_command *add(struct script *script, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static struct pktgen_command *add(struct script *script, const char *format, ...)
{
	struct pktgen_command *command = &script->commands[script->n++];
	va_list args;

	*command = (struct pktgen_command){0};
	memcpy(command->file, script->file, sizeof(command->file));
	va_start(args, format);
	vsnprintf(command->text, sizeof(command->text), format, args);
	va_end(args);
	return command;
}

static unsigned common_divisor(unsigned a, unsigned b)
{
	while (b) {
		unsigned rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

void pktgen_ports(unsigned flows, unsigned *sources, unsigned *destinations)
{
	unsigned best = 0;

	for (unsigned d = 1; d <= SPREAD_MAX && best < flows; d++) {
		unsigned s = flows / d < RANGE_MAX ? flows / d : RANGE_MAX;
		if (!s || common_divisor(s, d) > 1 || s * d <= best)
			continue;
		best = s * d;
		*sources = s;
		*destinations = d;
	}
}

static void add_ports(struct script *script, const struct pktgen_plan *plan)
{
	unsigned sources = 1, destinations = 1;

	/* The end of a range is not part of it, unless it is also its beginning. */
	pktgen_ports(plan->flows, &sources, &destinations);
	add(script, "udp_src_min %u", PKTGEN_PORT);
	add(script, "udp_src_max %u", PKTGEN_PORT + (sources > 1 ? sources : 0));
	add(script, "udp_dst_min %u", plan->to_port);
	add(script, "udp_dst_max %u", plan->to_port + (destinations > 1 ? destinations : 0));
}

unsigned pktgen_commands(const struct pktgen_plan *plan,
			 struct pktgen_command commands[PKTGEN_COMMANDS_MAX])
{
	struct script script = {.commands = commands};
	char address[18], mac[18];

	snprintf(script.file, sizeof(script.file), "kpktgend_%d", plan->cpu);
	add(&script, "rem_device_all");
	add(&script, "add_device %s", plan->interface);
	snprintf(script.file, sizeof(script.file), "%s", plan->interface);
	add(&script, "clone_skb 0");
	add(&script, "flag !SHARED")->optional = true;
	add(&script, "pkt_size %u", plan->size);
	add(&script, "count %llu", (unsigned long long)plan->count);
	if (plan->pps > 0)
		add(&script, "ratep %.0f", plan->pps);
	else
		add(&script, "delay 0");
	add(&script, "dst_mac %s", config_format_mac(plan->to_mac, mac));
	if (plan->from.raw) {
		add(&script, "src_min %s", config_format_address(plan->from, address));
		add(&script, "src_max %s", config_format_address(plan->from, address));
	}
	add(&script, "dst_min %s", config_format_address(plan->to, address));
	add(&script, "dst_max %s", config_format_address(plan->to, address));
	add_ports(&script, plan);
	return script.n;
}

bool pktgen_result(const char *said, char *text, size_t size)
{
	const char *result = strstr(said, "Result: ");

	result = result ? result + strlen("Result: ") : "";
	snprintf(text, size, "%.*s", (int)strcspn(result, "\n"), result);
	return !strncmp(text, "OK", 2);
}

bool pktgen_read_count(const char *said, struct pktgen_count *count)
{
	static const char made_key[] = "pkts-sofar: ", errors_key[] = "errors: ";
	static const char took_key[] = "Result: OK: ";
	const char *made = strstr(said, made_key);
	const char *errors = made ? strstr(made, errors_key) : NULL;
	const char *took = strstr(said, took_key);
	char *end;

	*count = (struct pktgen_count){0};
	if (!errors)
		return false;
	count->made = strtoull(made + strlen(made_key), NULL, 10);
	count->errors = strtoull(errors + strlen(errors_key), NULL, 10);
	/* "Result: OK: 1000208(c999000+d1208) usec, 1000 (60byte,0frags)" */
	double took_us = took ? strtod(took + strlen(took_key), &end) : 0;
	if (took && *end == '(')
		count->took_s = took_us / 1e6;
	return true;
}
