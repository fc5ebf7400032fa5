/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * request.c - arguments of requests into the structs of config.h.
 *
 * Arguments arrive as a JSON object from the command line or from anybody who may open
 * the control socket. Unknown keys and wrong types are complaints, never ignored: a
 * misspelt "metrik" must not add a route with metric 0.
 */
#include "request.h"

#include "routes.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

bool complain(struct complaint *complaint, int status, const char *hint, const char *format, ...)
{
	va_list ap;

	complaint->status = status;
	va_start(ap, format);
	vsnprintf(complaint->text, sizeof(complaint->text), format, ap);
	va_end(ap);
	snprintf(complaint->hint, sizeof(complaint->hint), "%s", hint ? hint : "");
	return false;
}

bool request_prefix(const char *text, be32 *prefix, uint8_t *prefix_len)
{
	if (!config_parse_address(text, prefix))
		return config_parse_prefix(text, prefix, prefix_len);
	*prefix_len = 32;
	return true;
}

/* A port's name into a field of CONFIG_NAME_SIZE; NULL: left empty. */
static bool take_port(const char *name, char *field, struct complaint *complaint)
{
	if (!name)
		return true;
	if (!*name || strlen(name) >= CONFIG_NAME_SIZE)
		return complain(complaint, 2, "interface names have 1 to 15 characters",
				"\"%s\" is not the name of a port", name);
	memcpy(field, name, strlen(name) + 1);
	return true;
}

static bool take_type(const char *word, enum config_route_type *type, struct complaint *complaint)
{
	for (*type = ROUTE_UNICAST; *type <= ROUTE_PROHIBIT; (*type)++)
		if (!strcmp(word, route_type_name(*type)))
			return true;
	return complain(complaint, 2, "one of unicast, blackhole, unreachable, prohibit",
			"\"%s\" is not a type of route", word);
}

static bool take_prefix(const char *to, struct config_route *route, struct complaint *complaint)
{
	be32 address;
	uint8_t len;

	if (request_prefix(to, &route->prefix, &route->prefix_len))
		return true;
	if (config_parse_interface(to, &address, &len)) {
		char text[18], hint[64];

		address.raw &= ip4_mask(len).raw;
		snprintf(hint, sizeof(hint), "the subnet is %s/%u",
			 config_format_address(address, text), len);
		return complain(complaint, 2, hint, "\"%s\" has bits set beyond its prefix length",
				to);
	}
	return complain(complaint, 2, "such as 10.9.0.0/16, 192.168.1.7 or default",
			"\"%s\" is not an IPv4 prefix", to);
}

/* A unicast route says where to; the others say only what becomes of the packet. */
static bool check_sense(const struct config_route *route, bool whole, struct complaint *complaint)
{
	bool has_way = !be32_is_zero(route->via) || *route->port;

	if (!whole)
		return true;
	if (route->type == ROUTE_UNICAST && !has_way)
		return complain(complaint, 2,
				"add via ADDRESS, or port NAME for neighbours on the link",
				"the route says neither via nor port");
	if (route->type != ROUTE_UNICAST && has_way)
		return complain(complaint, 2, "leave out via and port",
				"a route of type %s leads nowhere", route_type_name(route->type));
	return true;
}

bool request_route(json_t *arguments, bool whole, struct config_route *route,
		   struct complaint *complaint)
{
	const char *to = NULL, *type = NULL, *via = NULL, *port = NULL;
	json_int_t metric = 0;
	json_error_t error;

	*route = (struct config_route){0};
	if (json_unpack_ex(arguments, &error, JSON_STRICT, "{s:s, s?s, s?s, s?s, s?I}", "to", &to,
			   "type", &type, "via", &via, "port", &port, "metric", &metric))
		return complain(complaint, 2, "a route has to, type, via, port and metric",
				"malformed route: %s", error.text);
	if (!take_prefix(to, route, complaint) || !take_port(port, route->port, complaint) ||
	    (type && !take_type(type, &route->type, complaint)))
		return false;
	if (via && (!config_parse_address(via, &route->via) || be32_is_zero(route->via)))
		return complain(complaint, 2, "a gateway is an address such as 192.168.0.9",
				"\"%s\" is not a gateway's IPv4 address", via);
	if (metric < 0 || metric > UINT32_MAX)
		return complain(complaint, 2, "0 (the best) to 4294967295",
				"metric %" JSON_INTEGER_FORMAT " is out of range", metric);
	route->metric = metric;
	return check_sense(route, whole, complaint);
}

static bool take_mac(const char *text, struct mac *mac, struct complaint *complaint)
{
	return (config_parse_mac(text, mac) && !mac_is_group(*mac) && !mac_is_zero(*mac)) ||
	       complain(complaint, 2,
			"six bytes such as 02:00:00:00:01:02, neither zero nor a group's",
			"\"%s\" is not a station's MAC address", text);
}

bool request_neigh(json_t *arguments, bool whole, struct config_neigh *neigh,
		   struct complaint *complaint)
{
	const char *address = NULL, *mac = NULL, *port = NULL;
	json_error_t error;

	*neigh = (struct config_neigh){0};
	if (json_unpack_ex(arguments, &error, JSON_STRICT, "{s:s, s?s, s?s}", "address", &address,
			   "mac", &mac, "port", &port))
		return complain(complaint, 2, "a neighbour has address, mac and port",
				"malformed neighbour: %s", error.text);
	if (!config_parse_address(address, &neigh->address))
		return complain(complaint, 2, "such as 192.168.1.2",
				"\"%s\" is not an IPv4 address", address);
	if (!take_port(port, neigh->port, complaint))
		return false;
	if (mac && !take_mac(mac, &neigh->mac, complaint))
		return false;
	if (whole && (!mac || !port))
		return complain(complaint, 2, "neigh add ADDRESS mac MAC port NAME",
				"the neighbour says no %s", mac ? "port" : "mac");
	return true;
}

bool request_station(json_t *arguments, bool whole, struct request_station *station,
		     struct complaint *complaint)
{
	const char *mac = NULL, *port = NULL, *bridge = NULL;
	json_error_t error;

	*station = (struct request_station){0};
	if (json_unpack_ex(arguments, &error, JSON_STRICT, whole ? "{s:s, s?s}" : "{s:s, s?s, s?s}",
			   "mac", &mac, "port", &port, "bridge", &bridge))
		return complain(complaint, 2,
				whole ? "an entry has mac and port"
				      : "an entry is chosen by mac, and port or bridge",
				"malformed entry: %s", error.text);
	if (!take_mac(mac, &station->mac, complaint) ||
	    !take_port(port, station->port, complaint) ||
	    !take_port(bridge, station->bridge, complaint))
		return false;
	if (whole && !port)
		return complain(complaint, 2, "fdb add MAC port NAME", "the entry says no port");
	if (port && bridge)
		return complain(complaint, 2, "a port is in one bridge only",
				"port and bridge are both given");
	return true;
}

static bool take_protocol(const char *name, uint8_t *protocol, struct complaint *complaint)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} known[] = {{"tcp", PROTO_TCP}, {"udp", PROTO_UDP}, {"icmp", PROTO_ICMP}};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strcmp(known[i].name, name)) {
			*protocol = known[i].protocol;
			return true;
		}
	}
	return complain(complaint, 2, "one of tcp, udp, icmp", "\"%s\" is not a protocol here",
			name);
}

bool request_sessions(json_t *arguments, struct nat_filter *filter, json_int_t *limit,
		      struct complaint *complaint)
{
	const char *protocol = NULL, *address = NULL;
	json_int_t port = 0, most = -1;
	json_error_t error;

	*filter = (struct nat_filter){0};
	if (json_unpack_ex(arguments, &error, JSON_STRICT,
			   limit ? "{s?s, s?s, s?I, s?I}" : "{s?s, s?s, s?I}", "protocol",
			   &protocol, "address", &address, "port", &port, "limit", &most))
		return complain(complaint, 2, "sessions are chosen by protocol, address and port",
				"malformed request: %s", error.text);
	if (protocol && !take_protocol(protocol, &filter->protocol, complaint))
		return false;
	if (address &&
	    (!config_parse_address(address, &filter->address) || be32_is_zero(filter->address)))
		return complain(complaint, 2, "such as 10.0.0.2",
				"\"%s\" is not the IPv4 address of a host", address);
	if (json_object_get(arguments, "port") && (port < 1 || port > UINT16_MAX))
		return complain(complaint, 2, "1 to 65535; of ICMP, the identifier",
				"%" JSON_INTEGER_FORMAT " is not a port", port);
	filter->port = (uint16_t)port;
	if (limit)
		*limit = most;
	return true;
}

bool request_duration(const char *text, uint64_t *ns, struct complaint *complaint)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
	const uint64_t most_s = 366 * 86400;
	char *unit = (char *)text;
	unsigned long long n;

	errno = 0;
	n = isdigit((unsigned char)*text) ? strtoull(text, &unit, 10) : 0;
	for (size_t i = 0; n && !errno && i < ARRAY_SIZE(units); i++) {
		if (strcmp(units[i].name, unit) || n > most_s / units[i].seconds)
			continue;
		*ns = n * units[i].seconds * NS_PER_S;
		return true;
	}
	return complain(complaint, 2, "such as 30s, 5m or 2h, up to a year",
			"\"%s\" is not a duration", text);
}
