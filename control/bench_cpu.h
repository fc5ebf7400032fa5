/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_cpu.h - the CPUs of a benchmark: which of them make frames and which route them,
 * how busy all of them were, and what they are called.
 */
#ifndef TSUJI_BENCH_CPU_H
#define TSUJI_BENCH_CPU_H

#include <sched.h>
#include <stddef.h>
#include <sys/types.h>

struct bench_cpus {
	int generator;	  /* the first that we may use; the hosts' programs run there too */
	int worker;	  /* the second, or the first again where there is only one */
	int n;		  /* that we may use */
	cpu_set_t usable; /* these */
};

/* 0 or -errno. */
int bench_cpus_find(struct bench_cpus *cpus);
/* Keeps the calling thread on a CPU. */
void bench_cpu_pin(int cpu);
/* The same for every thread that a process has now. 0 or -errno. */
int bench_cpu_pin_process(pid_t pid, int cpu);
/* Both taken back: the scheduler chooses again. */
void bench_cpu_unpin(const struct bench_cpus *cpus);
void bench_cpu_unpin_process(pid_t pid, const struct bench_cpus *cpus);
/* Seconds since boot in which CPUs, all added up, were not idle; in steps of a clock tick. */
double bench_cpu_busy_s(void);
/* Programs that wanted a CPU during the last minute, on average (proc(5), loadavg). */
double bench_cpu_load(void);
/* "Intel(R) Xeon(R) ...", or the machine's architecture, into buf, which is returned. */
char *bench_cpu_model(char *buf, size_t size);

#endif
