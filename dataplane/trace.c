/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace - following chosen packets, and handing their walks to control.
 *
 * Nothing here is locked and nobody waits; each piece of memory has one owner at a time:
 *
 *  - A filter is posted in mail. The worker takes it out, and puts the one it had on the list
 *    retired, from which control frees it. Control frees what it finds in mail when it posts
 *    the next. So a filter is never freed while the worker may run it, without a grace period.
 *  - A slot is FREE or FOLLOWED, and then the worker's, until the worker makes it FINISHED;
 *    from then on it is control's, until control makes it FREE.
 *
 * Every arming has a number. It says whether the filter the worker holds is still the wanted
 * one, and whether a finished walk is. The worker lowers armed when it finds nothing to do;
 * control raises it after posting, so the worker looks in mail once more after lowering.
 *
 * A frame that is taken back without an end (its port vanished) leaves its slot FOLLOWED.
 * When the frame is used again its packet->trace says otherwise, and the slot is free again.
 */
#include "trace.h"

#include <errno.h>
#include <limits.h>
#include <pcap.h>
#include <stdlib.h>

enum slot_state { FREE, FOLLOWED, FINISHED };

struct slot {
	uint32_t state;		     /* enum slot_state */
	uint32_t arming;	     /* whose filter chose it */
	uint64_t order;		     /* of arrival */
	const struct packet *packet; /* while FOLLOWED */
	struct trace_walk walk;
};

struct filter {
	struct filter *next; /* on the retired list */
	uint32_t arming;
	unsigned count;
	unsigned n; /* 0: accepts every packet */
	struct bpf_insn program[];
};

struct trace_set {
	bool armed;		/* raised by control, lowered by the worker */
	uint32_t wanted;	/* control: the arming in force, 0: none */
	struct filter *mail;	/* control puts it in, either takes it out */
	struct filter *retired; /* worker adds, control takes all */

	/* the worker's */
	struct filter *filter;
	unsigned left;	   /* packets it may still choose */
	uint32_t followed; /* a bit for each slot */
	uint64_t n_chosen; /* ever */

	/* control's */
	uint32_t arming; /* the newest */

	struct slot slots[TRACE_SLOTS];
};
static_assert(TRACE_SLOTS <= 32, "a bit for each in followed");
static_assert(TRACE_SLOTS < UINT8_MAX, "struct packet.trace is a slot plus one");

struct trace_set *trace_set_new(void)
{
	return calloc(1, sizeof(struct trace_set));
}

static void free_filters(struct filter *list)
{
	while (list) {
		struct filter *next = list->next;
		free(list);
		list = next;
	}
}

void trace_set_free(struct trace_set *set)
{
	if (!set)
		return;
	free(set->filter);
	free(set->mail);
	free_filters(set->retired);
	free(set);
}

/* -- control -- */

static void free_retired(struct trace_set *set)
{
	free_filters(__atomic_exchange_n(&set->retired, NULL, __ATOMIC_ACQUIRE));
}

static bool is_finished(const struct slot *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == FINISHED;
}

static void release_slot(struct slot *slot)
{
	__atomic_store_n(&slot->state, FREE, __ATOMIC_RELEASE);
}

int trace_arm(struct trace_set *set, const void *program, unsigned n, unsigned count)
{
	if (!count || count > TRACE_SLOTS || n > INT_MAX || (n && !bpf_validate(program, (int)n)))
		return -EINVAL;
	size_t program_size = n * sizeof(struct bpf_insn);
	struct filter *filter = malloc(sizeof(*filter) + program_size);
	if (!filter)
		return -ENOMEM;
	if (++set->arming == 0)
		set->arming = 1;
	*filter = (struct filter){.arming = set->arming, .count = count, .n = n};
	if (n)
		memcpy(filter->program, program, program_size);
	for (unsigned i = 0; i < TRACE_SLOTS; i++)
		if (is_finished(&set->slots[i]))
			release_slot(&set->slots[i]);
	store_shared(&set->wanted, set->arming);
	/* Nobody else has the one that was never taken out. */
	free(__atomic_exchange_n(&set->mail, filter, __ATOMIC_SEQ_CST));
	__atomic_store_n(&set->armed, true, __ATOMIC_SEQ_CST);
	free_retired(set);
	return 0;
}

void trace_disarm(struct trace_set *set)
{
	store_shared(&set->wanted, 0);
	free_retired(set);
}

bool trace_collect(struct trace_set *set, struct trace_walk *walk)
{
	struct slot *first = NULL;
	free_retired(set);
	for (unsigned i = 0; i < TRACE_SLOTS; i++) {
		struct slot *slot = &set->slots[i];
		if (!is_finished(slot))
			continue;
		if (slot->arming != set->arming)
			release_slot(slot);
		else if (!first || slot->order < first->order)
			first = slot;
	}
	if (!first)
		return false;
	*walk = first->walk;
	release_slot(first);
	return true;
}

/* -- worker -- */

bool trace_armed(const struct trace_set *set)
{
	return load_shared(&set->armed);
}

static void retire(struct trace_set *set, struct filter *filter)
{
	filter->next = load_shared(&set->retired);
	while (!__atomic_compare_exchange_n(&set->retired, &filter->next, filter, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void take_mail(struct trace_set *set)
{
	if (!load_shared(&set->mail))
		return;
	struct filter *filter = __atomic_exchange_n(&set->mail, NULL, __ATOMIC_ACQUIRE);
	if (!filter)
		return;
	if (set->filter)
		retire(set, set->filter);
	set->filter = filter;
	set->left = filter->count;
}

/* Nothing is looked for or followed: the packet path need not call until control arms again. */
static void lower(struct trace_set *set)
{
	__atomic_store_n(&set->armed, false, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&set->mail, __ATOMIC_SEQ_CST))
		__atomic_store_n(&set->armed, true, __ATOMIC_SEQ_CST);
}

static void leave_slot(struct trace_set *set, struct slot *slot, enum slot_state state)
{
	set->followed &= ~(1u << (slot - set->slots));
	slot->packet = NULL;
	__atomic_store_n(&slot->state, state, __ATOMIC_RELEASE);
}

static void leave_lost_slots(struct trace_set *set)
{
	for (uint32_t rest = set->followed; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctz(rest);
		if (set->slots[i].packet->trace != i + 1)
			leave_slot(set, &set->slots[i], FREE);
	}
}

static bool accepts(const struct filter *filter, const struct packet *p)
{
	return !filter->n || bpf_filter(filter->program, p->data, packet_len(p), p->len);
}

/* As much of the frame as a walk keeps. */
static void copy_frame(uint8_t *bytes, uint32_t *len, const struct packet *p)
{
	*len = packet_len(p);
	memcpy(bytes, p->data, min_u32(p->len, TRACE_BYTES));
}

static void follow(struct trace_set *set, unsigned i, struct packet *p, uint64_t now_ns)
{
	struct slot *slot = &set->slots[i];
	slot->arming = set->filter->arming;
	slot->order = set->n_chosen++;
	slot->packet = p;
	slot->walk = (struct trace_walk){
		.arrived_ns = now_ns,
		.port_in = p->port_in,
		.flags = p->flags,
	};
	copy_frame(slot->walk.first, &slot->walk.first_len, p);
	store_shared(&slot->state, FOLLOWED);
	set->followed |= 1u << i;
	set->left--;
	p->trace = (uint8_t)(i + 1);
}

/* A free slot's number, or TRACE_SLOTS. */
static unsigned find_slot(const struct trace_set *set)
{
	unsigned i = 0;
	while (i < TRACE_SLOTS && __atomic_load_n(&set->slots[i].state, __ATOMIC_ACQUIRE) != FREE)
		i++;
	return i;
}

void trace_arrivals(struct trace_set *set, const struct vector *v, uint64_t now_ns)
{
	take_mail(set);
	leave_lost_slots(set);
	if (set->filter && set->filter->arming != load_shared(&set->wanted))
		set->left = 0;
	for (unsigned i = 0; i < v->n && set->left; i++) {
		if (!accepts(set->filter, v->p[i]))
			continue;
		unsigned slot = find_slot(set);
		if (slot == TRACE_SLOTS)
			break;
		follow(set, slot, v->p[i], now_ns);
	}
	if (!set->left && !set->followed)
		lower(set);
}

static uint8_t ttl_of(const struct packet *p)
{
	bool is_ip4 = p->len >= sizeof(struct eth_hdr) + sizeof(struct ip4_hdr) &&
		      be16_host(packet_eth(p)->type) == ETH_IPV4;
	return is_ip4 ? packet_ip4(p)->ttl : 0;
}

static void add_step(struct trace_walk *walk, enum verdict room, const struct packet *p,
		     uint64_t now_ns)
{
	if (walk->n_steps == TRACE_STEPS) /* how it ends matters more than the step before */
		walk->n_steps--;
	walk->steps[walk->n_steps++] = (struct trace_step){
		.at_ns = now_ns - walk->arrived_ns,
		.room = (uint8_t)room,
		.verdict = p->verdict,
		.ttl = ttl_of(p),
		.len = packet_len(p),
		.decision = p->decision,
	};
}

static struct slot *slot_of(struct trace_set *set, const struct packet *p)
{
	assert(p->trace && p->trace <= TRACE_SLOTS && set->slots[p->trace - 1].packet == p);
	return &set->slots[p->trace - 1];
}

void trace_steps(struct trace_set *set, enum verdict room, const struct vector *v, uint64_t now_ns)
{
	if (!set->followed)
		return;
	for (unsigned i = 0; i < v->n; i++)
		if (v->p[i]->trace)
			add_step(&slot_of(set, v->p[i])->walk, room, v->p[i], now_ns);
}

void trace_follow(struct trace_set *set, struct packet *p, struct packet *to)
{
	slot_of(set, p)->packet = to;
	to->trace = p->trace;
	p->trace = 0;
}

void trace_end(struct trace_set *set, struct packet *p, uint64_t now_ns)
{
	if (!p->trace)
		return;
	struct slot *slot = slot_of(set, p);
	struct trace_walk *walk = &slot->walk;
	/* The room that ended it is the door the step before named. */
	enum verdict door = walk->n_steps ? walk->steps[walk->n_steps - 1].verdict : TO_ETH;
	if (!walk->n_steps || door != p->verdict)
		add_step(walk, door, p, now_ns);
	copy_frame(walk->last, &walk->last_len, p);
	p->trace = 0;
	leave_slot(set, slot, FINISHED);
}
