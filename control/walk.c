/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * walk - what became of a packet, in words, and the calls of router.h about traces.
 *
 * A walk holds the frame as it came, the decision after each room, and the frame as it
 * left. Each room has its own way to say what it found; a room that dropped the packet
 * says nothing but the drop's own sentence, so that a reason reads the same here as in
 * `tsuji drops`.
 */
#include "walk.h"
#include "state.h"

#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdio.h>

struct telling {
	const struct trace_walk *walk;
	const struct port_table *ports;
	const struct fib *fib;
	const struct rules *rules;
	json_t *lines;
	be32 src, dst;	   /* as the packet goes now: a reply's are the other way round */
	be16 sport, dport; /* or an ICMP query's identifier, the other being zero */
	uint8_t protocol;
	uint8_t nat; /* enum nat_flag: what translation has been told */
	uint8_t ttl;
	bool flooded; /* by the bridge, to all but the port it came from */
	uint64_t at_ns;
};

__attribute__((format(printf, 3, 4))) static void say(struct telling *t, const char *room,
						      const char *format, ...)
{
	char line[320];
	int len = snprintf(line, sizeof(line), "  %-8s ", room);
	va_list args;
	va_start(args, format);
	vsnprintf(line + len, sizeof(line) - len, format, args);
	va_end(args);
	json_array_append_new(t->lines, json_string(line));
}

static const char *port_name(const struct port_table *ports, uint16_t number)
{
	const struct port *port = port_get(ports, number);
	return port ? port->name : number == PORT_NONE ? "tsuji" : "a port that is gone";
}

/* -- the packet as it came -- */

static const char *icmp_name(uint8_t type)
{
	switch (type) {
	case ICMP_ECHO_REPLY:
		return "echo reply";
	case ICMP_UNREACHABLE:
		return "destination unreachable";
	case ICMP_REDIRECT:
		return "redirect";
	case ICMP_ECHO:
		return "echo request";
	case ICMP_TIME_EXCEEDED:
		return "time exceeded";
	case ICMP_PARAMETER:
		return "parameter problem";
	}
	return "message";
}

/* As session.h has them: the identifier is where the port of whoever asked would be. */
static void note_identifier(struct telling *t, const struct icmp_hdr *icmp)
{
	be16 identifier = {(uint16_t)icmp->rest.raw}; /* its first two bytes */
	if (icmp->type == ICMP_ECHO)
		t->sport = identifier;
	else if (icmp->type == ICMP_ECHO_REPLY)
		t->dport = identifier;
}

static void describe_transport(struct telling *t, const struct ip4_hdr *ip, const uint8_t *end,
			       char *text, size_t size)
{
	const uint8_t *next = (const uint8_t *)ip + ip4_header_len(ip);
	bool first = ip4_offset(ip) == 0 && ip4_header_len(ip) >= sizeof(*ip);
	if (ip->protocol == PROTO_ICMP && first && next + sizeof(struct icmp_hdr) <= end) {
		snprintf(text, size, "ICMP %s", icmp_name(((const struct icmp_hdr *)next)->type));
		note_identifier(t, (const struct icmp_hdr *)next);
	} else if ((ip->protocol == PROTO_TCP || ip->protocol == PROTO_UDP) && first &&
		   next + 4 <= end) {
		const struct udp_hdr *ports =
			(const struct udp_hdr *)next; /* TCP's ports lie alike */
		snprintf(text, size, "%s %u -> %u", ip->protocol == PROTO_TCP ? "TCP" : "UDP",
			 be16_host(ports->sport), be16_host(ports->dport));
		t->sport = ports->sport;
		t->dport = ports->dport;
	} else if (ip4_offset(ip)) {
		snprintf(text, size, "fragment at %u of protocol %u", ip4_offset(ip), ip->protocol);
	} else {
		snprintf(text, size, "protocol %u", ip->protocol);
	}
}

static void describe_ip4(struct telling *t, const struct ip4_hdr *ip, const uint8_t *end,
			 char *text, size_t size)
{
	char src[20], dst[20], transport[64];
	describe_transport(t, ip, end, transport, sizeof(transport));
	snprintf(text, size, "%s -> %s, %s, TTL %u", config_format_address(ip->src, src),
		 config_format_address(ip->dst, dst), transport, ip->ttl);
	t->src = ip->src;
	t->dst = ip->dst;
	t->protocol = ip->protocol;
	t->ttl = ip->ttl;
}

static void describe_arp(const struct arp_hdr *arp, char *text, size_t size)
{
	char sender[20], target[20];
	bool request = be16_host(arp->operation) == ARP_REQUEST;
	snprintf(text, size, "ARP %s %s, %s %s", request ? "request for" : "reply to",
		 config_format_address(arp->target, target), request ? "asked by" : "from",
		 config_format_address(arp->sender, sender));
}

/* What is bridged and not routed; a tag is four bytes in front of the type proper. */
static void describe_other(uint16_t type, const uint8_t *payload, const uint8_t *end, char *text,
			   size_t size)
{
	const be16 *tag = (const be16 *)payload;
	if (type == ETH_IPV6)
		snprintf(text, size, "IPv6");
	else if (type == ETH_VLAN && payload + 4 <= end)
		snprintf(text, size, "VLAN %u, Ethernet type 0x%04x", be16_host(tag[0]) & 0xfff,
			 be16_host(tag[1]));
	else
		snprintf(text, size, "Ethernet type 0x%04x", type);
}

static void tell_arrival(struct telling *t)
{
	const struct trace_walk *walk = t->walk;
	const uint8_t *end = walk->first + min_u32(walk->first_len, TRACE_BYTES);
	const struct eth_hdr *eth = (const struct eth_hdr *)walk->first;
	const uint8_t *payload = walk->first + sizeof(*eth);
	char text[160] = "too short for a header", line[320];
	if (payload <= end) {
		uint16_t type = be16_host(eth->type);
		if (type == ETH_IPV4 && payload + sizeof(struct ip4_hdr) <= end)
			describe_ip4(t, (const struct ip4_hdr *)payload, end, text, sizeof(text));
		else if (type == ETH_ARP && payload + sizeof(struct arp_hdr) <= end)
			describe_arp((const struct arp_hdr *)payload, text, sizeof(text));
		else
			describe_other(type, payload, end, text, sizeof(text));
	}
	snprintf(line, sizeof(line), "%s: %s, %u bytes%s", port_name(t->ports, walk->port_in), text,
		 walk->first_len, walk->flags & PACKET_PARTIAL ? ", checksum left to us" : "");
	json_array_append_new(t->lines, json_string(line));
}

/* -- the rooms -- */

static const struct eth_hdr *arrived_as(const struct telling *t)
{
	return (const struct eth_hdr *)t->walk->first;
}

static const char *type_name(const struct eth_hdr *eth)
{
	switch (be16_host(eth->type)) {
	case ETH_ARP:
		return "ARP";
	case ETH_IPV4:
		return "IPv4";
	}
	return "neither IPv4 nor ARP";
}

static void tell_eth(struct telling *t, const struct trace_step *step)
{
	const struct eth_hdr *eth = arrived_as(t);
	const struct port *port = port_get(t->ports, t->walk->port_in);
	char mac[20];
	config_format_mac(eth->src, mac);
	if (step->verdict == TO_BRIDGE)
		say(t, "eth", "%s, from %s on a port of %s", type_name(eth), mac,
		    port_name(t->ports,
			      port && port->bridge != PORT_NONE ? port->bridge : PORT_MAX));
	else
		say(t, "eth", "%s, from %s to %s", type_name(eth), mac,
		    mac_is_broadcast(eth->dst) ? "everybody"
		    : mac_is_group(eth->dst)   ? "a group"
					       : "us");
}

/* The leg as the way out means a flood. */
static void tell_bridge(struct telling *t, const struct trace_step *step)
{
	const struct mac to = arrived_as(t)->dst;
	const struct port *out = port_get(t->ports, step->decision.port_out);
	const char *name = port_name(t->ports, step->decision.port_out);
	char mac[20];
	config_format_mac(to, mac);
	t->flooded = step->verdict == TO_EGRESS && out && port_is_leg(out);
	if (step->verdict != TO_EGRESS)
		say(t, "bridge", "%s: up to the bridge itself",
		    mac_is_broadcast(to) ? "for everybody"
		    : mac_is_group(to)	 ? "for a group"
					 : "for a MAC of its own");
	else if (!t->flooded)
		say(t, "bridge", "%s is on %s", mac, name);
	else if (mac_is_group(to))
		say(t, "bridge", "for %s: flooded to %s",
		    mac_is_broadcast(to) ? "everybody" : "a group", name);
	else
		say(t, "bridge", "%s is on no port that is known: flooded to %s", mac, name);
}

static void tell_egress(struct telling *t, const struct trace_step *step)
{
	const char *out = port_name(t->ports, step->decision.port_out);
	if (t->flooded)
		say(t, "egress", "every port of %s but %s, %u bytes", out,
		    port_name(t->ports, t->walk->port_in), step->len);
	else
		say(t, "egress", "%s, %u bytes", out, step->len);
}

static void tell_arp(struct telling *t, const struct trace_step *step)
{
	if (step->verdict == TO_EGRESS)
		say(t, "arp", "for an address of ours: the frame becomes the answer");
	else if (step->verdict == TAKEN)
		say(t, "arp", "noted");
	else
		say(t, "arp", "for the kernel");
}

/* For whom it is: valid is what was found out before. */
static void tell_delivery(struct telling *t, const char *room, const char *valid,
			  const struct trace_step *step)
{
	char dst[20];
	config_format_address(t->dst, dst);
	if (step->verdict == TO_FIB)
		say(t, room, "%sin transit", valid);
	else if (step->verdict == TO_LOCAL)
		say(t, room, "%sfor us: %s is an address of this router", valid, dst);
	else
		say(t, room, "%sfor the kernel: it alone has %s", valid, dst);
}

static void tell_ip4(struct telling *t, const struct trace_step *step)
{
	if (step->verdict == TO_NAT)
		say(t, "ip4", "valid");
	else
		tell_delivery(t, "ip4", "valid, ", step);
}

/* -- the rooms of translation -- */

static char *format_endpoint(be32 address, be16 port, char *text, size_t size)
{
	char buf[20];
	config_format_address(address, buf);
	snprintf(text, size, be16_host(port) ? "%s:%u" : "%s", buf, be16_host(port));
	return text;
}

/* end: "source" or "destination"; rule: that says so, NULL: otherwise says it. */
static void tell_translation(struct telling *t, const char *room, const char *end,
			     const char *before, const char *after, const struct nat_rule *rule,
			     const char *otherwise)
{
	if (rule)
		say(t, room, "%s %s -> %s (%s, rule %u)", end, before, after,
		    nat_action_name(rule->action), (unsigned)(rule - t->rules->nat) + 1);
	else
		say(t, room, "%s %s -> %s (%s)", end, before, after, otherwise);
}

/* The dnat rule that makes of the destination what became of it; NULL: it was a session. */
static const struct nat_rule *dnat_of(const struct telling *t, const struct nat_decision *n)
{
	const struct nat_rule *rule =
		nat_rules_destination(t->rules, t->ports, t->dst, t->protocol, t->dport);
	if (!rule || be32_host(n->dst) < be32_host(rule->to_first) ||
	    be32_host(n->dst) > be32_host(rule->to_last))
		return NULL;
	bool same = rule->to_ports.first ? rule_ports_hold(rule->to_ports, n->dport)
					 : be16_equal(n->dport, t->dport);
	return same ? rule : NULL;
}

static void tell_source(struct telling *t, const char *room, const struct nat_decision *n,
			const struct nat_rule *rule, const char *otherwise)
{
	char before[32], after[32];
	tell_translation(t, room, "source",
			 format_endpoint(t->src, t->sport, before, sizeof(before)),
			 format_endpoint(n->src, n->sport, after, sizeof(after)), rule, otherwise);
	t->nat |= NAT_SOURCE;
}

static void tell_nat(struct telling *t, const struct trace_step *step)
{
	const struct nat_decision *n = &step->decision.nat;
	char before[32], after[32];
	if (step->verdict == HELD) {
		say(t, "nat", "a fragment that came before its first: it waits");
		return;
	}
	if (n->flags & NAT_DESTINATION)
		tell_translation(t, "nat", "destination",
				 format_endpoint(t->dst, t->dport, before, sizeof(before)),
				 format_endpoint(n->dst, n->dport, after, sizeof(after)),
				 dnat_of(t, n), "its session");
	if (n->flags & NAT_SOURCE)
		tell_source(t, "nat", n, NULL, "its session");
	if (!(n->flags & (NAT_SOURCE | NAT_DESTINATION)))
		say(t, "nat", "its destination stays");
	if (n->flags & NAT_QUOTED)
		say(t, "nat", "an error about a session: what it quotes is translated, too");
	if (n->flags & NAT_DESTINATION)
		t->dst = n->dst;
}

/* Here a session begins, unless room nat has found it. */
static void tell_nat_out(struct telling *t, const struct trace_step *step)
{
	const struct decision *d = &step->decision;
	if (d->nat.flags & NAT_SOURCE & ~t->nat)
		tell_source(t, "nat-out", &d->nat, nat_rules_source(t->rules, t->src, d->port_out),
			    "hairpin");
	else
		say(t, "nat-out", t->nat & NAT_SOURCE ? "as its session says" : "its source stays");
}

static void tell_local(struct telling *t, const struct trace_step *step)
{
	be32 src = t->src;
	be16 sport = t->sport;
	if (step->verdict != TO_FIB) {
		say(t, "local", "not ours to answer: the kernel has the address too");
		return;
	}
	t->src = t->dst;
	t->dst = src;
	t->sport = t->dport;
	t->dport = sport;
	t->ttl = step->ttl;
	say(t, "local", "echo request: the datagram becomes the reply, TTL %u", step->ttl);
}

/* The route with that index, if the table is still the one that was asked. */
static const struct fib_route *route_of(const struct telling *t, const struct decision *d)
{
	if (d->route == ROUTE_NONE || d->route >= fib_count(t->fib))
		return NULL;
	const struct fib_route *route = fib_route(t->fib, d->route);
	bool same = route->port == d->port_out &&
		    ip4_in_prefix(t->dst, route->prefix, route->prefix_len) &&
		    be32_equal(d->next_hop, be32_is_zero(route->via) ? t->dst : route->via);
	return same ? route : NULL;
}

static void tell_fib(struct telling *t, const struct trace_step *step)
{
	const struct decision *d = &step->decision;
	const struct fib_route *route = route_of(t, d);
	char dst[20], hop[20], prefix[20], why[64] = "";
	bool on_link = be32_equal(d->next_hop, t->dst);
	config_format_address(t->dst, dst);
	config_format_address(d->next_hop, hop);
	if (route && route->prefix_len)
		snprintf(why, sizeof(why), " (route %s/%u%s)",
			 config_format_address(route->prefix, prefix), route->prefix_len,
			 on_link ? ", on link" : "");
	else if (route)
		snprintf(why, sizeof(why), " (default route)");
	if (on_link)
		say(t, "fib", "%s -> %s%s", dst, port_name(t->ports, d->port_out), why);
	else
		say(t, "fib", "%s -> %s via %s%s", dst, port_name(t->ports, d->port_out), hop, why);
}

static void tell_neigh(struct telling *t, const struct trace_step *step)
{
	char hop[20], mac[20];
	config_format_address(step->decision.next_hop, hop);
	if (step->verdict == TO_REWRITE)
		say(t, "neigh", "%s is at %s", hop,
		    config_format_mac(step->decision.link.dst, mac));
	else
		say(t, "neigh", "%s: asked for by ARP, the packet waits", hop);
}

static void tell_rewrite(struct telling *t, const struct trace_step *step)
{
	char src[20], dst[20], ttl[32] = "TTL unchanged";
	if (step->ttl != t->ttl)
		snprintf(ttl, sizeof(ttl), "TTL %u -> %u", t->ttl, step->ttl);
	say(t, "rewrite", "%s%s, %s -> %s", step->decision.nat.flags ? "translated, " : "", ttl,
	    config_format_mac(step->decision.link.src, src),
	    config_format_mac(step->decision.link.dst, dst));
	t->ttl = step->ttl;
}

static void tell_step(struct telling *t, const struct trace_step *step)
{
	if (step->at_ns > t->at_ns)
		say(t, "", "%.3f ms later", (double)(step->at_ns - t->at_ns) / NS_PER_MS);
	t->at_ns = step->at_ns;
	if (verdict_is_drop(step->verdict))
		return; /* the end says it */
	switch ((enum verdict)step->room) {
	case TO_ETH:
		tell_eth(t, step);
		break;
	case TO_BRIDGE:
		tell_bridge(t, step);
		break;
	case TO_ARP:
		tell_arp(t, step);
		break;
	case TO_IP4:
		tell_ip4(t, step);
		break;
	case TO_NAT:
		tell_nat(t, step);
		break;
	case TO_DELIVER:
		tell_delivery(t, "deliver", "", step);
		break;
	case TO_LOCAL:
		tell_local(t, step);
		break;
	case TO_FIB:
		tell_fib(t, step);
		break;
	case TO_FILTER:
		say(t, "filter", "accepted");
		break;
	case TO_NAT_OUT:
		tell_nat_out(t, step);
		break;
	case TO_NEIGH:
		tell_neigh(t, step);
		break;
	case TO_REWRITE:
		tell_rewrite(t, step);
		break;
	case TO_EGRESS:
		tell_egress(t, step);
		break;
	default: /* an end is no room */
		break;
	}
}

static void tell_end(struct telling *t, const struct trace_step *last)
{
	uint8_t code;
	if (!verdict_is_drop(last->verdict)) {
		say(t, verdict_name(last->verdict), "%s", verdict_text(last->verdict));
		return;
	}
	say(t, verdict_name(last->room), "%s", verdict_text(last->verdict));
	int type = verdict_icmp(last->verdict, &code);
	if (type >= 0)
		say(t, "dropped", "%s; asks for ICMP %s, code %u", verdict_name(last->verdict),
		    icmp_name(type), code);
	else
		say(t, "dropped", "%s", verdict_name(last->verdict));
}

/* -- rows -- */

static json_t *hex(const uint8_t *bytes, uint32_t len)
{
	char text[2 * TRACE_BYTES + 1] = "";
	for (uint32_t i = 0; i < min_u32(len, TRACE_BYTES); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_string(text);
}

json_t *walk_row(const struct trace_walk *walk, const struct walk_tables *tables)
{
	struct telling t = {.walk = walk,
			    .ports = tables->ports,
			    .fib = tables->fib,
			    .rules = tables->rules,
			    .lines = json_array()};
	unsigned n = min_u32(walk->n_steps, TRACE_STEPS);
	tell_arrival(&t);
	for (unsigned i = 0; i < n; i++)
		tell_step(&t, &walk->steps[i]);
	if (n)
		tell_end(&t, &walk->steps[n - 1]);
	return json_pack("{s:o, s:s, s:s, s:o, s:o}", "lines", t.lines, "end",
			 n ? verdict_name(walk->steps[n - 1].verdict) : "held", "port_in",
			 walk->port_in == PORT_NONE ? "-" : port_name(tables->ports, walk->port_in),
			 "first", hex(walk->first, walk->first_len), "last",
			 hex(walk->last, walk->last_len));
}

/* -- router.h -- */

int router_trace_arm(struct router *router, const char *expression, unsigned count,
		     struct refusal *why)
{
	struct trace_set *traces = worker_traces(router->worker);
	struct bpf_program program = {0};
	int error;
	if (!count)
		return refusal_set(why, REFUSED_CONFIG, "a trace of no packets shows nothing");
	count = min_u32(count, TRACE_SLOTS);
	if (!*expression) {
		error = trace_arm(traces, NULL, 0, count);
	} else {
		pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
		if (!pcap)
			return refusal_set(why, REFUSED_FAILED, "no memory for the filter");
		if (pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
			refusal_set(why, REFUSED_CONFIG,
				    "filter \"%.200s\": %s; pcap-filter(7) has the grammar",
				    expression, pcap_geterr(pcap));
			pcap_close(pcap);
			return -1;
		}
		error = trace_arm(traces, program.bf_insns, program.bf_len, count);
		pcap_freecode(&program);
		pcap_close(pcap);
	}
	if (error)
		return refusal_set(why, REFUSED_FAILED, "cannot arm the trace: %s",
				   strerror(-error));
	worker_wake(router->worker); /* for the flow cache to stand aside */
	return 0;
}

json_t *router_trace_collect(struct router *router)
{
	const struct walk_tables tables = {.ports = worker_ports(router->worker),
					   .fib = worker_fib(router->worker),
					   .rules = router->nat.rules};
	json_t *rows = json_array();
	struct trace_walk walk;
	while (trace_collect(worker_traces(router->worker), &walk))
		json_array_append_new(rows, walk_row(&walk, &tables));
	return rows;
}

void router_trace_disarm(struct router *router)
{
	trace_disarm(worker_traces(router->worker));
}
