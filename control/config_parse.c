/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_parse - addresses, prefixes and MACs as text, both ways.
 *
 * The forms are strict where inet_aton() and friends are generous: four decimal numbers,
 * no leading zeros (which some read as octal), no octets left out, nothing behind. What a
 * person wrote is either exactly that or an error they are told of.
 */
#include "config.h"

#include <stdio.h>

/* A decimal number up to max without leading zeros; the text behind it, or NULL. */
static const char *parse_number(const char *p, unsigned max, unsigned *value)
{
	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return NULL;
	unsigned v = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (unsigned)(*p - '0');
		if (v > max)
			return NULL;
	}
	*value = v;
	return p;
}

static const char *parse_quad(const char *p, be32 *address)
{
	uint32_t host = 0;
	for (unsigned i = 0; i < 4; i++) {
		unsigned octet;
		if (i > 0 && *p++ != '.')
			return NULL;
		p = parse_number(p, 255, &octet);
		if (!p)
			return NULL;
		host = host << 8 | octet;
	}
	*address = be32_from(host);
	return p;
}

bool config_parse_address(const char *text, be32 *address)
{
	const char *end = parse_quad(text, address);
	return end && *end == '\0';
}

bool config_parse_interface(const char *text, be32 *address, uint8_t *prefix_len)
{
	unsigned len;
	const char *p = parse_quad(text, address);
	if (!p || *p != '/')
		return false;
	p = parse_number(p + 1, 32, &len);
	if (!p || *p != '\0')
		return false;
	*prefix_len = (uint8_t)len;
	return true;
}

bool config_parse_prefix(const char *text, be32 *prefix, uint8_t *prefix_len)
{
	if (!strcmp(text, "default")) {
		*prefix = be32_from(0);
		*prefix_len = 0;
		return true;
	}
	if (config_parse_address(text, prefix)) {
		*prefix_len = 32;
		return true;
	}
	return config_parse_interface(text, prefix, prefix_len) &&
	       (prefix->raw & ~ip4_mask(*prefix_len).raw) == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool config_parse_mac(const char *text, struct mac *mac)
{
	for (unsigned i = 0; i < 6; i++) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac->b[i] = (uint8_t)(high << 4 | low);
		text += 3;
	}
	return true;
}

char *config_format_address(be32 address, char *buf)
{
	uint32_t a = be32_host(address);
	snprintf(buf, 16, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	return buf;
}

char *config_format_mac(struct mac mac, char *buf)
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac.b[0], mac.b[1], mac.b[2], mac.b[3],
		 mac.b[4], mac.b[5]);
	return buf;
}
