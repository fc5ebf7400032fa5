/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gate.h - the gate (bpf/gate.bpf.c) on memory: the very source, compiled for this machine, so
 * that unit tests see what XDP would do with a frame and the flow cache.
 */
#ifndef TSUJI_TEST_GATE_H
#define TSUJI_TEST_GATE_H

#include "../../bpf/shared.h"

#include <stdbool.h>

#define GATE_FRAME_MAX 4096

struct gate_cache { /* as struct flow_config has it; its header and the program do not mix */
	struct flow_head *head;
	struct flow_bucket *buckets;
	uint32_t n_buckets;
	uint64_t secret[2];
};

/*
 * A frame with a whole checksum arrives on that port. The port it leaves by, its bytes changed;
 * or -1: the long way, not a byte is changed. bridged: the port is.
 */
int gate_repeat(const struct gate_cache *cache, uint16_t port, bool bridged, uint8_t *frame,
		uint32_t len);

#endif
