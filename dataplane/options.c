/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options - IPv4 options, the way Linux treats them.
 *
 * An option is type, length, and for those that collect entries a pointer: the place of the
 * next entry, counted from 1 at the type byte. Entry i of a record route is an address; of
 * a timestamp, by its flags, a time, an address and a time, or a time for an address that
 * the sender named. A pointer past the length means that the option is full.
 *
 * options_check() only reads, so that an ICMP error can quote the datagram as it arrived;
 * the other functions trust what it found. Options it does not know are carried on.
 *
 * An answer to a datagram (echo reply, ICMP error) shows the router twice in a record
 * route, as Linux does: it records the address when it receives, and again when it sends.
 *
 * The time of day is read here and nowhere else in the rooms: it is not what the turn's
 * clock tells, and no packet without a timestamp option pays for it.
 */
#include "options.h"

#include <time.h>

enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_RECORD_ROUTE = 7,
	OPTION_TIMESTAMP = 68,
	OPTION_LOOSE_ROUTE = 131,
	OPTION_STRICT_ROUTE = 137,
	OPTION_ROUTER_ALERT = 148, /* RFC 2113 */
	OPTION_COPIED = 0x80,	   /* in every fragment */
};
enum { AT_LEN = 1, AT_POINTER = 2, AT_FLAGS = 3 }; /* bytes of an option */
enum { TIME_ONLY = 0, TIME_AND_ADDRESS = 1, TIME_PRESPECIFIED = 3, TIME_FLAGS = 15 };
#define OVERFLOW_MAX 15
#define FIRST_OFFSET sizeof(struct ip4_hdr)

/* -- checking --------------------------------------------------------------------- */

/* These return the offset in the option of the byte that is wrong, or -1. */
static int check_route(const uint8_t *option)
{
	if (option[AT_LEN] < 3)
		return AT_LEN;
	if (option[AT_POINTER] < 4)
		return AT_POINTER;
	return -1;
}

static int check_record_route(const uint8_t *option)
{
	int wrong = check_route(option);
	if (wrong >= 0)
		return wrong;
	bool full = option[AT_POINTER] > option[AT_LEN];
	return full || option[AT_POINTER] + 3 <= option[AT_LEN] ? -1 : AT_POINTER;
}

static int check_timestamp(const uint8_t *option)
{
	if (option[AT_LEN] < 4)
		return AT_LEN;
	if (option[AT_POINTER] < 5)
		return AT_POINTER;
	unsigned flags = option[AT_FLAGS] & TIME_FLAGS;
	if (option[AT_POINTER] > option[AT_LEN]) {
		bool counts = flags != TIME_PRESPECIFIED;
		return counts && option[AT_FLAGS] >> 4 == OVERFLOW_MAX ? AT_FLAGS : -1;
	}
	bool pairs = flags == TIME_AND_ADDRESS || flags == TIME_PRESPECIFIED;
	return option[AT_POINTER] + (pairs ? 7 : 3) > option[AT_LEN] ? AT_POINTER : -1;
}

/* One option at offset at: notes where it is; a second one of a kind is wrong altogether. */
static int check_option(const uint8_t *option, unsigned at, struct options *found)
{
	uint8_t *place;
	int wrong;
	switch (option[0]) {
	case OPTION_LOOSE_ROUTE:
	case OPTION_STRICT_ROUTE:
		place = &found->source_route;
		wrong = check_route(option);
		break;
	case OPTION_RECORD_ROUTE:
		place = &found->record_route;
		wrong = check_record_route(option);
		break;
	case OPTION_TIMESTAMP:
		place = &found->timestamp;
		wrong = check_timestamp(option);
		break;
	case OPTION_ROUTER_ALERT:
		return option[AT_LEN] < 4 ? AT_LEN : -1;
	default:
		return -1;
	}
	/* Of a second source route Linux looks at the form first, of the others at the number. */
	if (*place && (wrong < 0 || place != &found->source_route))
		return 0;
	if (wrong < 0)
		*place = (uint8_t)at;
	return wrong;
}

bool options_check(const struct ip4_hdr *h, struct options *found)
{
	const uint8_t *bytes = (const uint8_t *)h;
	unsigned end = ip4_header_len(h);

	*found = (struct options){0};
	for (unsigned at = FIRST_OFFSET; at < end;) {
		const uint8_t *option = bytes + at;
		if (option[0] == OPTION_END) {
			found->end = (uint8_t)(at + 1);
			return true;
		}
		if (option[0] == OPTION_NOP) {
			at++;
			continue;
		}
		int wrong = 0;
		if (end - at >= 2 && option[AT_LEN] >= 2 && option[AT_LEN] <= end - at)
			wrong = check_option(option, at, found);
		if (wrong >= 0) {
			found->bad = (uint8_t)(at + (unsigned)wrong);
			return false;
		}
		at += option[AT_LEN];
	}
	return true;
}

/* -- stamping --------------------------------------------------------------------- */

/* Milliseconds since midnight UT: RFC 791 3.1. */
static be32 time_of_day(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return be32_from((uint32_t)(now.tv_sec % 86400 * 1000 + now.tv_nsec / (long)NS_PER_MS));
}

/* Whether the entry a sender prepared is for this router; zero and groups count, as in Linux. */
static bool named_us(const struct port_table *ports, const uint8_t *entry)
{
	be32 address;
	memcpy(&address, entry, sizeof(address));
	uint32_t host = be32_host(address);
	return host >> 24 == 0 || host >> 24 == 127 || host >> 28 == 14 || host == UINT32_MAX ||
	       port_local(ports, address);
}

/* The next entry of an option that has room for it; the pointer moves behind it. */
static uint8_t *take_entry(uint8_t *option, unsigned len)
{
	uint8_t *entry = option + option[AT_POINTER] - 1;
	option[AT_POINTER] = (uint8_t)(option[AT_POINTER] + len);
	return entry;
}

static bool stamp_route(uint8_t *option, be32 route)
{
	if (option[AT_POINTER] > option[AT_LEN])
		return false;
	memcpy(take_entry(option, 4), &route, 4);
	return true;
}

static bool stamp_time(const struct port_table *ports, uint8_t *option, be32 address,
		       enum options_moment moment)
{
	unsigned flags = option[AT_FLAGS] & TIME_FLAGS;
	if (option[AT_POINTER] > option[AT_LEN]) {
		if (moment != OPTIONS_PASSING || flags == TIME_PRESPECIFIED)
			return false;
		option[AT_FLAGS] = (uint8_t)(option[AT_FLAGS] + (1 << 4));
		return true;
	}
	be32 now = time_of_day();
	if (flags == TIME_ONLY) {
		memcpy(take_entry(option, 4), &now, 4);
		return true;
	}
	/* A prepared entry that is not ours stays; so does an option with flags unknown to us. */
	bool ours = flags == TIME_AND_ADDRESS || (flags == TIME_PRESPECIFIED &&
						  named_us(ports, option + option[AT_POINTER] - 1));
	if (!ours || option[AT_POINTER] + 7 > option[AT_LEN])
		return false;
	uint8_t *entry = take_entry(option, 8);
	if (flags == TIME_AND_ADDRESS)
		memcpy(entry, &address, 4);
	memcpy(entry + 4, &now, 4);
	return true;
}

/* Nothing behind an end-of-list means anything; Linux sends zeroes there. */
static bool clear_rest(struct ip4_hdr *h, unsigned from)
{
	bool changed = false;
	for (uint8_t *byte = (uint8_t *)h + from; byte < (uint8_t *)h + ip4_header_len(h); byte++) {
		changed |= *byte != OPTION_END;
		*byte = OPTION_END;
	}
	return changed;
}

bool options_stamp(const struct port_table *ports, struct ip4_hdr *h, const struct options *found,
		   be32 route, be32 address, enum options_moment moment)
{
	uint8_t *bytes = (uint8_t *)h;
	bool changed = false;
	if (found->record_route)
		changed |= stamp_route(bytes + found->record_route, route);
	if (found->timestamp)
		changed |= stamp_time(ports, bytes + found->timestamp, address, moment);
	if (found->end)
		changed |= clear_rest(h, found->end);
	return changed;
}

/* -- answering -------------------------------------------------------------------- */

/*
 * Whether the option, once stamped on receipt, has room for a whole entry of ours or none
 * at all. What Linux's ip_options_echo() gives up on is an option that is neither.
 */
static bool answers_fit(const struct port_table *ports, const uint8_t *option)
{
	unsigned len = option[AT_LEN], place = option[AT_POINTER], entry = 4;
	if (place > len)
		return true;
	if (option[0] == OPTION_TIMESTAMP) {
		unsigned flags = option[AT_FLAGS] & TIME_FLAGS;
		if (flags == TIME_PRESPECIFIED) {
			/* The next address is looked at only if all of it is there. */
			place += 8;
			return !named_us(ports, option + place - 9) || place > len ||
			       place + 3 <= len;
		}
		if (flags == TIME_AND_ADDRESS)
			entry = 8;
		else if (flags != TIME_ONLY)
			return true;
	}
	place += entry;
	return place > len || place + entry - 1 <= len;
}

int options_echo(const struct port_table *ports, const struct ip4_hdr *h,
		 const struct options *found, uint8_t out[OPTIONS_MAX])
{
	const uint8_t places[] = {found->record_route, found->timestamp};
	int len = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		const uint8_t *option = (const uint8_t *)h + places[i];
		if (!places[i])
			continue;
		if (!answers_fit(ports, option))
			return -1;
		memcpy(out + len, option, option[AT_LEN]);
		len += option[AT_LEN];
	}
	while (len & 3)
		out[len++] = OPTION_END;
	return len;
}

/* -- fragmenting ------------------------------------------------------------------ */

void options_fragment(struct ip4_hdr *h)
{
	uint8_t *at = (uint8_t *)h + FIRST_OFFSET, *end = (uint8_t *)h + ip4_header_len(h);
	while (at < end && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		unsigned len = at[AT_LEN]; /* options_check() has seen it */
		if (!(*at & OPTION_COPIED))
			memset(at, OPTION_NOP, len);
		at += len;
	}
}
