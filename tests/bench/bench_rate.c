/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_rate - packets per second from one host to another, through whatever lies between:
 * control/bench_rate.h as a command, for labs that `tsuji bench` does not build.
 *
 *   bench_rate [-s SOURCES] [-d DESTINATIONS] FROM-NETNS FROM-IF FROM-IP TO-NETNS TO-IFS TO-IP
 *              TO-MAC FLOWS SIZE SECONDS
 *
 * TO-MAC is the router's, a station's on the same bridge, or broadcast. TO-IFS are counted
 * together ("e0,e1"). With -s or -d frames come from and go to that many MACs, counted up from
 * FROM-IF's and TO-MAC; the destinations are introduced first, by a broadcast each from the
 * first of TO-IFS. FROM-NETNS has an idle veth called keeper0.
 *
 * Prints "PPS-RECEIVED PPS-MADE CPU-SECONDS-PER-MILLION"; the last is what the whole machine
 * spent, the generator and the receiver included.
 */
#include "../../control/bench_rate.h"

#include <stdlib.h>
#include <unistd.h>

static int usage(void)
{
	fprintf(stderr,
		"usage: bench_rate [-s SOURCES] [-d DESTINATIONS] FROM-NETNS FROM-IF FROM-IP "
		"TO-NETNS TO-IFS TO-IP TO-MAC FLOWS SIZE SECONDS\n");
	return 2;
}

static bool read_words(char **word, struct bench_ends *ends, struct bench_load *load)
{
	ends->from_netns = word[0], ends->from_if = word[1];
	ends->to_netns = word[3], ends->to_ifs = word[4];
	*load = (struct bench_load){.flows = (unsigned)atoi(word[7]),
				    .size = (unsigned)atoi(word[8]),
				    .seconds = atof(word[9])};
	return config_parse_address(word[2], &ends->from) &&
	       config_parse_address(word[5], &ends->to) &&
	       config_parse_mac(word[6], &ends->to_mac) && load->flows > 0 && load->seconds > 0 &&
	       load->size >= BENCH_FRAME_MIN && load->size <= BENCH_FRAME_MAX;
}

int main(int argc, char **argv)
{
	struct bench_ends ends = {.cpu = 0};
	struct bench_rate_figures figures;
	struct bench_load load;
	struct refusal why;
	int option;

	while ((option = getopt(argc, argv, "+s:d:")) != -1) {
		if (option == 's')
			ends.sources = (unsigned)atoi(optarg);
		else if (option == 'd')
			ends.destinations = (unsigned)atoi(optarg);
		else
			return usage();
	}
	if (argc - optind != 10 || !read_words(argv + optind, &ends, &load))
		return usage();
	struct bench_bpf *programs = bench_programs_open(&why);
	struct bench_rate *rate = programs ? bench_rate_open(programs, &ends, &why) : NULL;
	int code = rate ? bench_rate_measure(rate, &load, -1, &figures, &why) : -1;
	bench_rate_close(rate);
	bench_programs_close(programs);
	if (code) {
		fprintf(stderr, "bench_rate: %s\n", why.text);
		return 1;
	}
	printf("%.0f %.0f %.3f\n", figures.received_pps, figures.made_pps,
	       figures.cpu_s_per_million);
	return 0;
}
