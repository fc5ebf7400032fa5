/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_pipeline - any bytes as frames through the whole pipeline. The oracle: both sums
 * of the house (pipeline_balanced) after every turn, and whatever ASan and UBSan find.
 *
 * Input: records of port and flags (1 byte), length (2 bytes), frame; a zero length lets
 * time pass instead.
 */
#include "../unit/world.h"

#include <stdlib.h>

static const struct mac ours = {{2, 0, 0, 0, 0, 0}};

static void one_record(struct world *w, uint8_t head, const uint8_t *bytes, uint32_t len)
{
	uint8_t frame[WORLD_FRAME_SIZE - FRAME_HEADROOM], flags = 0;
	unsigned port = head % 3;

	memcpy(frame, bytes, len);
	/* Most random destinations would not get past the first room. */
	if ((head & 0x10) && len >= sizeof(ours)) {
		memcpy(frame, ours.b, sizeof(ours));
		frame[5] = (uint8_t)port;
	}
	if (head & 0x20)
		flags = PACKET_UNKNOWN;
	world_arrive(w, port, frame, len, flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *w;

	if (!w) {
		w = world_new(false);
		world_neighbour(w, 1, 2, "192.168.0.2");
	}
	while (size >= 3) {
		uint32_t len = (uint32_t)(data[1] << 8 | data[2]) % (WORLD_FRAME_SIZE - FRAME_HEADROOM);
		uint8_t head = data[0];
		data += 3, size -= 3;
		if (len > size)
			len = (uint32_t)size;
		if (len)
			one_record(w, head, data, len);
		else
			w->now_ns += (uint64_t)head * 100 * NS_PER_MS;
		data += len, size -= len;
		if (head & 0x40)
			world_turn(w);
	}
	world_turn(w);
	if (!pipeline_balanced(&w->pipeline))
		abort();
	return 0;
}
