/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_cpu - the generator and the router under test get a CPU each, always the same
 * ones, so that the scheduler's choice is no part of the figures. A program that is
 * confined to some CPUs (taskset, a container) takes the first two of those.
 */
#include "bench_cpu.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

int bench_cpus_find(struct bench_cpus *cpus)
{
	*cpus = (struct bench_cpus){0};
	if (sched_getaffinity(0, sizeof(cpus->usable), &cpus->usable))
		return -errno;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &cpus->usable))
			continue;
		if (cpus->n == 0)
			cpus->generator = cpu;
		if (cpus->n < 2)
			cpus->worker = cpu;
		cpus->n++;
	}
	return 0;
}

static void set_of(int cpu, cpu_set_t *set)
{
	CPU_ZERO(set);
	CPU_SET(cpu, set);
}

void bench_cpu_pin(int cpu)
{
	cpu_set_t set;

	set_of(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int keep_to(pid_t pid, const cpu_set_t *set)
{
	const struct dirent *entry;
	char path[64];
	int code = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *threads = opendir(path);
	if (!threads)
		return -errno;
	while (!code && (entry = readdir(threads)))
		if (entry->d_name[0] != '.' &&
		    sched_setaffinity((pid_t)atoi(entry->d_name), sizeof(*set), set))
			code = -errno;
	closedir(threads);
	return code;
}

int bench_cpu_pin_process(pid_t pid, int cpu)
{
	cpu_set_t set;

	set_of(cpu, &set);
	return keep_to(pid, &set);
}

void bench_cpu_unpin(const struct bench_cpus *cpus)
{
	sched_setaffinity(0, sizeof(cpus->usable), &cpus->usable);
}

void bench_cpu_unpin_process(pid_t pid, const struct bench_cpus *cpus)
{
	keep_to(pid, &cpus->usable);
}

/* proc(5), /proc/stat: user, nice and system, then idle and waiting, then irq and softirq. */
double bench_cpu_busy_s(void)
{
	double t[7] = {0};
	FILE *f = fopen("/proc/stat", "re");
	int n = f ? fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1], &t[2], &t[3], &t[4],
			   &t[5], &t[6])
		  : 0;

	if (f)
		fclose(f);
	return n == 7 ? (t[0] + t[1] + t[2] + t[5] + t[6]) / (double)sysconf(_SC_CLK_TCK) : 0;
}

double bench_cpu_load(void)
{
	double load;

	return getloadavg(&load, 1) == 1 ? load : 0;
}

char *bench_cpu_model(char *buf, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	struct utsname name;
	char line[256];

	snprintf(buf, size, "%s", uname(&name) ? "unknown" : name.machine);
	while (f && fgets(line, sizeof(line), f)) {
		const char *value = strchr(line, ':');
		if (!value || strncmp(line, "model name", 10))
			continue;
		value += 1 + strspn(value + 1, " ");
		snprintf(buf, size, "%.*s", (int)strcspn(value, "\n"), value);
		break;
	}
	if (f)
		fclose(f);
	return buf;
}
