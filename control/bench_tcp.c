/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_tcp - iperf3 at both hosts, left to the scheduler: on two CPUs, pinning it would
 * decide which contender it disturbs.
 */
#include "bench_tcp.h"

#include <jansson.h>

#define LISTEN_TIMEOUT_MS 5000
#define CONNECT_TIMEOUT	  "2000" /* milliseconds */
#define GRACE_MS	  5000	 /* beyond the measured time */

/* The figure in what `iperf3 -J` said. 0, or -1 with *why: iperf3's own words if it has any. */
static int read_report(const struct process_result *result, double *bits_per_s, struct refusal *why)
{
	json_t *report = json_loads(result->out.text ? result->out.text : "", 0, NULL);
	const json_t *end = json_object_get(report, "end");
	const json_t *sum = json_object_get(end, "sum_received");
	const char *error = json_string_value(json_object_get(report, "error"));
	int code = 0;

	*bits_per_s = json_number_value(json_object_get(sum, "bits_per_second"));
	if (result->interrupted)
		code = refusal_set(why, REFUSED_FAILED, "interrupted");
	else if (result->timed_out)
		code = refusal_set(why, REFUSED_FAILED, "iperf3 did not end in time");
	else if (error || *bits_per_s <= 0)
		code = refusal_set(why, REFUSED_FAILED, "iperf3: %s", error ? error : "no figure");
	json_decref(report);
	return code;
}

static int run_client(const struct bench_lab *lab, unsigned seconds, double *bits_per_s,
		      struct refusal *why)
{
	char address[18], time[16];
	char *argv[] = {"iperf3",
			"-J",
			"-c",
			config_format_address(lab->to_address, address),
			"-t",
			time,
			"--connect-timeout",
			CONNECT_TIMEOUT,
			NULL};
	struct process_options options = {.netns = lab->from};
	struct process_result result;

	snprintf(time, sizeof(time), "%u", seconds);
	int error =
		process_run(argv, &options, seconds * 1000 + GRACE_MS, lab->place.stop_fd, &result);
	int code = error ? refusal_set(why, REFUSED_FAILED, "iperf3: %s", strerror(-error))
			 : read_report(&result, bits_per_s, why);
	process_result_fini(&result);
	return code;
}

int bench_tcp(const struct bench_lab *lab, unsigned seconds, double *bits_per_s,
	      struct refusal *why)
{
	char *argv[] = {"iperf3", "-s", "-1", "--forceflush", NULL};
	struct process_options options = {.netns = lab->to};
	struct process_result result;
	struct process server;
	int code = 0, error = process_open(&server, argv, &options);

	*bits_per_s = 0;
	if (error)
		return refusal_set(why, REFUSED_FAILED, "iperf3: %s", strerror(-error));
	if (!bench_await(&server, "listening", LISTEN_TIMEOUT_MS, lab->place.stop_fd))
		code = refusal_set(why, REFUSED_FAILED, "iperf3 -s does not listen");
	if (!code)
		code = run_client(lab, seconds, bits_per_s, why);
	process_finish(&server, 0, -1,
		       &result); /* it has ended by itself, or has no one to serve */
	process_result_fini(&result);
	return code;
}
