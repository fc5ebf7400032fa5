/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lanes - chooses each port's lanes, and prepares far ends for the burst lane.
 *
 * What the far end takes is asked of our own end (netdev.h), which is exact and needs no
 * rights elsewhere; the far end itself (farend.h) is looked for only where that says no. A
 * kernel that does not tell would leave us guessing when a host changes its mind, and
 * frames would vanish: no bursts then, and nothing to prepare.
 */
#include "lanes.h"
#include "log.h"
#include "state.h"
#include "../dataplane/epoch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Whether rp is in force and open. */
static bool is_open(const struct router_port *rp)
{
	return rp && rp->config && rp->lanes;
}

static bool wants_bursts(const struct router *router)
{
	return router->config->lanes.transmit != TRANSMIT_SOCKET;
}

static bool wants_flows(const struct router *router)
{
	return router->flow && router->config->lanes.flow_cache;
}

/* Both send XDP frames to a far end, which must be able to take them. */
static bool wants_far_ends(const struct router *router)
{
	return wants_bursts(router) || wants_flows(router);
}

static bool far_end_takes_bursts(const struct router *router, const struct router_port *rp)
{
	return router->burst && router->netdev && netdev_transmits(router->netdev, rp->ifindex);
}

/* -- far ends -- */

/* Of all ports that could burst but for their far ends. */
static void find_far_ends(struct router *router, bool anew)
{
	struct router_port *sought[PORT_MAX];
	struct farend found[PORT_MAX];
	unsigned n = 0;
	if (!router->burst || !router->netdev || !wants_far_ends(router))
		return;
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct router_port *rp = router->ports.port[i];
		if (!is_open(rp) || rp->takes_bursts || (rp->far_sought && !anew))
			continue;
		found[n] = (struct farend){.near = rp->ifindex};
		sought[n++] = rp;
	}
	if (n)
		farend_find(found, n);
	while (n--) {
		sought[n]->far = found[n];
		sought[n]->far_gro = farend_gro(&found[n]);
		sought[n]->far_sought = true;
		sought[n]->far_error = 0;
	}
}

static void prepare(struct router *router, struct router_port *rp)
{
	char place[160];
	if (rp->takes_bursts || rp->prepared || rp->far_error)
		return; /* no need, done, tried */
	if (!rp->far.ifindex || !*rp->far.netns || rp->far_gro > 0)
		return; /* nowhere to do it, or nothing to do */
	rp->far_error = rp->far_gro < 0 ? rp->far_gro : farend_set_gro(&rp->far, true);
	if (rp->far_error)
		return;
	rp->prepared = true;
	rp->far_gro = 1;
	rp->takes_bursts = far_end_takes_bursts(router, rp);
	log_info("port %s: GRO switched on at its far end %s, off again at exit", rp->config->name,
		 farend_place(&rp->far, place, sizeof(place)));
}

void lanes_restore(struct router_port *rp)
{
	struct farend far = {.near = rp->ifindex};
	char place[160];
	if (!rp->prepared)
		return;
	rp->prepared = false;
	farend_find(&far, 1); /* it may have been moved or renamed */
	if (!far.ifindex || farend_gro(&far) == 0)
		return; /* the interface is gone, or somebody has done it already */
	int code = farend_set_gro(&far, false);
	farend_place(&far, place, sizeof(place));
	if (code)
		log_warning("GRO stays on at %s: %s", place, strerror(-code));
	else
		log_info("GRO is off again at %s", place);
}

/* The worker sends no more bursts before GRO goes, or they would vanish. */
static void restore_all(struct router *router)
{
	bool any = false;
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct router_port *rp = router->ports.port[i];
		if (!is_open(rp) || !rp->prepared)
			continue;
		lane_port_set(rp->lanes, LANE_SOCKET, BURST_MIN_MOST);
		any = true;
	}
	if (!any)
		return;
	epoch_wait();
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct router_port *rp = router->ports.port[i];
		if (!is_open(rp) || !rp->prepared)
			continue;
		lanes_restore(rp);
		rp->takes_bursts = far_end_takes_bursts(router, rp);
		rp->far_sought = false;
	}
}

/* -- why not -- */

/* Of a far end that takes no bursts; with the command that changes it. */
static void explain_far_end(const struct router_port *rp, char *text, size_t size)
{
	const struct farend *far = &rp->far;
	char place[160], command[256];
	farend_place(far, place, sizeof(place));
	farend_command(far, command, sizeof(command));
	if (!far->ifindex)
		snprintf(text, size, "its driver takes no bursts; that of a veth does");
	else if (!*far->netns)
		snprintf(text, size,
			 "its far end %s has GRO off, in a namespace without a name or a process: "
			 "%s, there", place, command);
	else if (rp->far_gro > 0)
		snprintf(text, size, "its far end %s takes none, although GRO is on there", place);
	else if (rp->far_error)
		snprintf(text, size, "its far end %s has GRO off, and switching it on failed (%s): %s",
			 place, strerror(-rp->far_error), command);
	else if (rp->prepared)
		snprintf(text, size,
			 "at its far end %s GRO was switched off after tsuji had switched it on: %s",
			 place, command);
	else
		snprintf(text, size, "its far end %s has GRO off: %s", place, command);
}

/* Empty: it may, or nobody wants it to. */
static void why_no_burst(const struct router *router, const struct router_port *rp, char *text,
			 size_t size)
{
	*text = 0;
	if (!rp->lanes || !wants_far_ends(router))
		return;
	if (rp->takes_bursts && wants_bursts(router) && burst_lane_rests(router->burst))
		snprintf(text, size,
			 "the burst lane rests, because its calls were slow: the kernel has 48 places "
			 "for XDP programs (bpftool link lists them), and all may be taken");
	if (rp->takes_bursts)
		return;
	if (!router->burst)
		snprintf(text, size, "this kernel has no burst lane");
	else if (!router->netdev)
		snprintf(text, size, "this kernel does not tell whether the far end takes bursts; "
				     "Linux 6.3 does");
	else
		explain_far_end(rp, text, size);
}

/* -- the burst lane's place in the kernel's dispatcher -- */

#define RENEW_NS (3 * NS_PER_S) /* at least between two tries: each holds up the whole machine's XDP */

static void renew_burst_lane(struct router *router)
{
	uint64_t now_ns = state_now_ns();
	unsigned n = router->burst ? burst_lane_n_rests(router->burst) : 0;
	if (n == router->n_rests || now_ns < router->renewed_ns + RENEW_NS)
		return;
	router->n_rests = n;
	router->renewed_ns = now_ns;
	int code = burst_lane_renew(router->burst);
	log_warning("the burst lane's calls have become slow; attaching its program anew%s%s",
		    code ? ": " : "", code ? strerror(-code) : "");
}

/* -- the flow cache -- */

static void choose_flows(const struct router *router, struct router_port *rp)
{
	struct flow_cache *cache = worker_flows(router->worker);
	bool may = cache && rp->lanes && wants_flows(router);
	bool out = may && rp->takes_bursts &&
		   flow_lane_set_port(router->flow, rp->number, rp->ifindex) == 0;
	rp->repeats = may && xsk_port_repeats(rp->xsk);
	if (cache)
		flow_set_port(cache, rp->number, rp->repeats, out);
}

void lanes_leave(const struct router *router, struct router_port *rp)
{
	struct flow_cache *cache = worker_flows(router->worker);
	struct xsk_gate_counts gate;
	if (!cache)
		return;
	flow_set_port(cache, rp->number, false, false);
	flow_lane_set_port(router->flow, rp->number, 0);
	lanes_count(router);
	xsk_port_gate_counts(rp->xsk, &gate);
	count_add(&stats_port(worker_stats(router->worker), rp->number)->flow_lost, gate.lost);
}

void lanes_count(const struct router *router)
{
	if (router->flow)
		flow_lane_refresh_stats(router->flow, worker_stats(router->worker));
}

/* -- choosing -- */

static void choose(struct router *router, struct router_port *rp)
{
	const struct config_lanes *lanes = &router->config->lanes;
	enum lane_choice wanted = lanes->transmit == TRANSMIT_BURST ? LANE_BURST : LANE_AUTO;
	char reason[sizeof(rp->lane_reason)];
	bool may = wants_bursts(router) && rp->takes_bursts;
	if (rp->lanes)
		lane_port_set(rp->lanes, may ? wanted : LANE_SOCKET,
			      lanes->burst_min == BURST_MIN_AUTO ? router->break_even
								 : lanes->burst_min);
	choose_flows(router, rp);
	rp->gso = rp->lanes && lane_port_coalesce(rp->lanes, lanes->gso && lanes->transmit == TRANSMIT_AUTO);
	why_no_burst(router, rp, reason, sizeof(reason));
	if (strcmp(reason, rp->lane_reason) == 0)
		return;
	if (*reason)
		log_info("port %s: socket lane only: %s", rp->config->name, reason);
	else if (may)
		log_info("port %s: takes the burst lane now", rp->config->name);
	memcpy(rp->lane_reason, reason, sizeof(reason));
}

void lanes_choose(struct router *router, bool anew)
{
	struct router_port *rp;
	renew_burst_lane(router);
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (is_open(rp = router->ports.port[i]))
			rp->takes_bursts = far_end_takes_bursts(router, rp);
	if (!router->config->lanes.far_end_prepare)
		restore_all(router);
	find_far_ends(router, anew);
	for (unsigned i = 0; i < PORT_MAX; i++) {
		rp = router->ports.port[i];
		if (is_open(rp) && router->config->lanes.far_end_prepare && wants_far_ends(router))
			prepare(router, rp);
		if (rp && rp->config)
			choose(router, rp);
	}
}

struct worker_settings lanes_worker_settings(const struct config_lanes *lanes)
{
	return (struct worker_settings){
		.punt_rate = lanes->punt_rate,
		.read_depth = lanes->read_depth,
		.spin_ns = lanes->spin_us * NS_PER_US,
		.busy_poll = lanes->busy_poll,
	};
}

void lanes_renew(struct router *router)
{
	struct worker_settings settings = lanes_worker_settings(&router->config->lanes);
	worker_set(router->worker, &settings);
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct router_port *rp = router->ports.port[i];
		if (is_open(rp) && rp->prepared && !far_end_takes_bursts(router, rp))
			rp->prepared = false; /* somebody has switched it off: there is nothing to restore */
	}
	lanes_choose(router, true);
}
