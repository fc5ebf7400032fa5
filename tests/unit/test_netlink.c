/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror of this namespace, as far as every namespace is alike: it has a loopback. */
#include "../../control/netlink.h"

#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void loopback_is_there_and_carries_no_ethernet(void **state)
{
	(void)state;
	struct netlink *nl = netlink_open();
	assert_non_null(nl);
	const struct link *lo = netlink_link(nl, "lo");
	assert_non_null(lo);
	assert_int_equal(lo->ifindex, if_nametoindex("lo"));
	assert_false(lo->ethernet);
	assert_false(lo->xdp);
	assert_true(lo->mtu >= 68);
	assert_null(netlink_link(nl, "no-such-link"));
	netlink_close(nl);
}

static void refresh_finds_what_is_there_once(void **state)
{
	(void)state;
	struct netlink *nl = netlink_open();
	unsigned links = 0, after = 0, addresses = 0, addresses_after = 0;
	assert_non_null(nl);
	for (const struct link *l = netlink_links(nl); l; l = l->next)
		links++;
	for (const struct kernel_address *a = netlink_addresses(nl); a; a = a->next)
		addresses++;
	assert_int_equal(netlink_refresh(nl), 0);
	for (const struct link *l = netlink_links(nl); l; l = l->next)
		after++;
	for (const struct kernel_address *a = netlink_addresses(nl); a; a = a->next)
		addresses_after++;
	assert_int_equal(links, after);
	assert_int_equal(addresses, addresses_after);
	netlink_close(nl);
}

static void update_without_news_returns_at_once(void **state)
{
	(void)state;
	struct netlink *nl = netlink_open();
	assert_non_null(nl);
	assert_true(netlink_update(nl) >= 0);
	assert_true(netlink_fd(nl) >= 0);
	netlink_close(nl);
}

static void names_are_cut_to_the_buffer(void **state)
{
	(void)state;
	struct netlink *nl = netlink_open();
	char buf[256];
	assert_non_null(nl);
	assert_non_null(strstr(netlink_names(nl, buf, sizeof(buf)), "lo"));
	for (size_t size = 8; size < 40; size++) {
		memset(buf, 'x', sizeof(buf));
		assert_true(strlen(netlink_names(nl, buf, size)) < size);
	}
	netlink_close(nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_is_there_and_carries_no_ethernet),
		cmocka_unit_test(refresh_finds_what_is_there_once),
		cmocka_unit_test(update_without_news_returns_at_once),
		cmocka_unit_test(names_are_cut_to_the_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
