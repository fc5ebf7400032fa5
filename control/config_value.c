/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_value - values of router and lab files, with their rules and the hints for those
 * who broke one.
 */
#include "config_value.h"

#include <stdlib.h>

#define HINT_OCTETS "four numbers up to 255, without leading zeros"

void *config_alloc(struct diag *diag, size_t n, size_t size)
{
	void *p = n ? calloc(n, size) : NULL;
	if (n && !p)
		diag_error(diag, (struct place){0}, NULL, "out of memory");
	return p;
}

bool config_is_subnet_end(be32 address, be32 subnet, unsigned prefix_len)
{
	uint32_t hosts = ~ip4_mask(prefix_len).raw;
	if (prefix_len >= 31 || !ip4_in_prefix(address, subnet, prefix_len))
		return false;
	return (address.raw & hosts) == 0 || (address.raw & hosts) == hosts;
}

const char *config_unusable(be32 address)
{
	uint32_t first = be32_host(address) >> 24;
	if (first == 0)
		return "addresses in 0.0.0.0/8 mean \"this network\" and name no host";
	if (first == 127)
		return "addresses in 127.0.0.0/8 never leave a host";
	if (first >= 224 && first < 240)
		return "addresses in 224.0.0.0/4 are multicast groups";
	if (first >= 240)
		return "addresses in 240.0.0.0/4 are reserved";
	return NULL;
}

static bool check_usable(struct diag *diag, const struct yaml_node *node, const char *what,
			 be32 address)
{
	const char *why = config_unusable(address);
	if (why)
		diag_error(diag, yaml_place(node), why, "%s: %s cannot be a host's address", what,
			   node->text);
	return !why;
}

bool config_read_interface(struct diag *diag, const struct yaml_node *node, const char *what,
			   struct config_address *value)
{
	const char *text = yaml_read_text(diag, node, what);
	char hint[96], buf[18];
	if (!text)
		return false;
	value->at = yaml_place(node);
	if (config_parse_address(text, &value->address)) {
		snprintf(hint, sizeof(hint), "add the length of its subnet, such as %s/24", text);
		diag_error(diag, value->at, hint, "\"%s\" lacks a prefix length", text);
		return false;
	}
	if (!config_parse_interface(text, &value->address, &value->prefix_len)) {
		diag_error(diag, value->at,
			   HINT_OCTETS ", and a length up to 32, such as 192.168.1.1/24",
			   "\"%.40s\" is not an IPv4 prefix", text);
		return false;
	}
	if (!check_usable(diag, node, what, value->address))
		return false;
	if (value->prefix_len == 0) {
		diag_error(diag, value->at,
			   "a default route is written under routes:, as to: default",
			   "%s: no subnet is as large as /0", text);
		return false;
	}
	be32 subnet = {value->address.raw & ip4_mask(value->prefix_len).raw};
	if (config_is_subnet_end(value->address, subnet, value->prefix_len)) {
		bool network = be32_equal(value->address, subnet);
		snprintf(hint, sizeof(hint), "give it an address inside %s/%u",
			 config_format_address(subnet, buf), value->prefix_len);
		diag_error(diag, value->at, hint, "%s is its subnet's %s address", text,
			   network ? "network" : "broadcast");
		return false;
	}
	return true;
}

struct config_address *config_read_interfaces(struct diag *diag, const struct yaml_node *node,
					      const char *what, unsigned *n)
{
	const struct yaml_node *item = yaml_first_item(diag, node, what);
	struct config_address *addresses = config_alloc(diag, yaml_count(item), sizeof(*addresses));
	*n = 0;
	for (; addresses && item; item = item->next)
		*n += config_read_interface(diag, item, what, &addresses[*n]);
	return addresses;
}

bool config_read_prefix(struct diag *diag, const struct yaml_node *node, const char *what,
			be32 *prefix, uint8_t *prefix_len)
{
	const char *text = yaml_read_text(diag, node, what);
	if (!text)
		return false;
	if (config_parse_prefix(text, prefix, prefix_len))
		return true;
	if (config_parse_interface(text, prefix, prefix_len)) {
		char hint[64], buf[18];
		be32 right = {prefix->raw & ip4_mask(*prefix_len).raw};
		snprintf(hint, sizeof(hint), "the prefix is %s/%u",
			 config_format_address(right, buf), *prefix_len);
		diag_error(diag, yaml_place(node), hint, "\"%s\" has host bits set", text);
		return false;
	}
	diag_error(diag, yaml_place(node),
		   HINT_OCTETS ", and a length up to 32, such as 10.9.0.0/16; or default",
		   "\"%.40s\" is not an IPv4 prefix", text);
	return false;
}

bool config_read_address(struct diag *diag, const struct yaml_node *node, const char *what,
			 be32 *address)
{
	const char *text = yaml_read_text(diag, node, what);
	uint8_t prefix_len;
	if (!text)
		return false;
	if (config_parse_address(text, address))
		return check_usable(diag, node, what, *address);
	bool has_len = config_parse_interface(text, address, &prefix_len);
	diag_error(diag, yaml_place(node),
		   has_len ? "leave the length away" : HINT_OCTETS ", such as 192.168.1.254",
		   "\"%.40s\" is not an IPv4 address", text);
	return false;
}

bool config_read_mac(struct diag *diag, const struct yaml_node *node, const char *what,
		     struct mac *mac)
{
	const char *text = yaml_read_text(diag, node, what);
	if (!text)
		return false;
	if (!config_parse_mac(text, mac)) {
		diag_error(diag, yaml_place(node),
			   "six pairs of hexadecimal digits, such as \"02:00:00:00:01:02\"",
			   "\"%.40s\" is not a MAC address", text);
		return false;
	}
	if (mac_is_group(*mac) || mac_is_zero(*mac)) {
		diag_error(diag, yaml_place(node),
			   "a single station's first byte is even; 02 marks one of your own making",
			   "%s: %s is %s", what, text,
			   mac_is_group(*mac) ? "a group's address" : "no station's address");
		return false;
	}
	return true;
}

/* dev_valid_name() of the kernel, and no control characters. */
static const char *name_problem(const char *name)
{
	if (strlen(name) >= CONFIG_NAME_SIZE)
		return "is longer than 15 characters";
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return "is not a name the kernel allows";
	for (; *name; name++) {
		if (*name == '/' || *name == ':')
			return "holds a slash or colon";
		if ((unsigned char)*name <= ' ' || *name == 0x7f)
			return "holds a space or control character";
	}
	return NULL;
}

bool config_read_name(struct diag *diag, const struct yaml_node *node, const char *what, char *name)
{
	const char *text = yaml_read_text(diag, node, what);
	const char *problem = text ? name_problem(text) : NULL;
	if (problem)
		diag_error(diag, yaml_place(node),
			   "an interface's name has 1 to 15 characters, no slash, colon or space",
			   "%s: \"%.40s\" %s", what, text, problem);
	if (!text || problem)
		return false;
	memcpy(name, text, strlen(text) + 1);
	return true;
}
