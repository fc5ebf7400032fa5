/* SPDX-License-Identifier: BSD-2-Clause */
/* test_settings - what `tsuji set` changes, accepts and refuses. */
#include "../../control/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct config_lanes before = {
	.transmit = TRANSMIT_AUTO, .burst_min = 40, .flow_cache = true,
	.read_depth = 2048, .spin_us = 50};

static void each_setting_changes_itself_only(void **state)
{
	(void)state;
	struct complaint complaint;
	struct config_lanes lanes = before;
	assert_true(settings_set(&lanes, "lanes.transmit", "burst", &complaint));
	assert_int_equal(lanes.transmit, TRANSMIT_BURST);
	assert_true(settings_set(&lanes, "lanes.burst-min", "2048", &complaint));
	assert_int_equal(lanes.burst_min, 2048);
	assert_true(settings_set(&lanes, "lanes.far-end", "prepare", &complaint));
	assert_true(lanes.far_end_prepare);
	assert_true(settings_set(&lanes, "lanes.far-end", "leave", &complaint));
	assert_false(lanes.far_end_prepare);
	assert_true(settings_set(&lanes, "lanes.punt-rate", "1000000", &complaint));
	assert_int_equal(lanes.punt_rate, 1000000);
	assert_true(settings_set(&lanes, "lanes.punt-rate", "unlimited", &complaint));
	assert_int_equal(lanes.punt_rate, 0);
	assert_true(settings_set(&lanes, "lanes.read-depth", "1", &complaint));
	assert_int_equal(lanes.read_depth, 1);
	assert_true(settings_set(&lanes, "lanes.spin", "0", &complaint));
	assert_int_equal(lanes.spin_us, 0);
	assert_true(settings_set(&lanes, "lanes.spin", "1000000", &complaint));
	assert_int_equal(lanes.spin_us, 1000000);
	assert_false(lanes.busy_poll);
	assert_true(settings_set(&lanes, "lanes.busy-poll", "on", &complaint));
	assert_true(lanes.busy_poll);
	assert_int_equal(lanes.punt_rate, 0);
	assert_int_equal(lanes.transmit, TRANSMIT_BURST);
	assert_int_equal(lanes.burst_min, 2048);
	assert_true(lanes.flow_cache);
	assert_true(settings_set(&lanes, "lanes.flow-cache", "off", &complaint));
	assert_false(lanes.flow_cache);
	assert_int_equal(lanes.burst_min, 2048);
	assert_true(settings_set(&lanes, "lanes.burst-min", "auto", &complaint));
	assert_int_equal(lanes.burst_min, BURST_MIN_AUTO);
}

static void refused(const char *name, const char *value, const char *hint)
{
	struct config_lanes lanes = before;
	struct complaint complaint;
	assert_false(settings_set(&lanes, name, value, &complaint));
	assert_int_equal(complaint.status, 2);
	if (!strstr(complaint.hint, hint))
		fail_msg("%s %s: hints at %s", name, value, complaint.hint);
	assert_int_equal(lanes.transmit, before.transmit);
	assert_int_equal(lanes.burst_min, before.burst_min);
	assert_int_equal(lanes.far_end_prepare, before.far_end_prepare);
}

static void what_does_not_fit_is_refused_with_what_does(void **state)
{
	(void)state;
	refused("lanes.transmit", "warp", "auto|socket|burst");
	refused("lanes.transmit", "", "auto|socket|burst");
	refused("lanes.transmit", "burs", "auto|socket|burst");
	refused("lanes.far-end", "on", "leave|prepare");
	static const char *const numbers[] = {"0", "2049", "-1", "+4", "4x", "", " 4", "4294967297",
					      "99999999999999999999"};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		refused("lanes.burst-min", numbers[i], "1-2048");
	refused("lanes.read-depth", "0", "1-2048");
	refused("lanes.read-depth", "2049", "1-2048");
	refused("lanes.spin", "1000001", "0-1000000");
	refused("lanes.spin", "", "0-1000000");
	refused("lanes.busy-poll", "true", "off|on");
	refused("lanes.punt-rate", "1000001", "unlimited|0-1000000");
	refused("lanes.punt-rate", "unlimite", "unlimited|0-1000000");
	refused("lanes.burst-min", "unlimited", "auto|1-2048");
}

static void unknown_setting_is_refused_with_the_nearest(void **state)
{
	(void)state;
	refused("lanes.transmt", "burst", "lanes.transmit");
	refused("frames", "1024", "tsuji set lists them");
	refused("", "", "tsuji set lists them");
}

static void rows_tell_values_and_what_is_accepted(void **state)
{
	(void)state;
	json_t *rows = settings_rows(&before, 33);
	char *text = json_dumps(rows, JSON_COMPACT);
	assert_string_equal(
		text,
		"[{\"name\":\"lanes.transmit\",\"value\":\"auto\",\"now\":\"auto\",\"accepts\":"
		"\"auto|socket|burst\"},"
		"{\"name\":\"lanes.burst-min\",\"value\":\"40\",\"now\":\"40\",\"accepts\":\"auto|1-2048\"},"
		"{\"name\":\"lanes.gso\",\"value\":\"off\",\"now\":\"off\",\"accepts\":\"off|on\"},"
		"{\"name\":\"lanes.flow-cache\",\"value\":\"on\",\"now\":\"on\",\"accepts\":\"off|on\"},"
		"{\"name\":\"lanes.far-end\",\"value\":\"leave\",\"now\":\"leave\",\"accepts\":\"leave|prepare\"},"
		"{\"name\":\"lanes.punt-rate\",\"value\":\"unlimited\",\"now\":\"unlimited\",\"accepts\":"
		"\"unlimited|0-1000000\"},"
		"{\"name\":\"lanes.read-depth\",\"value\":\"2048\",\"now\":\"2048\",\"accepts\":\"1-2048\"},"
		"{\"name\":\"lanes.spin\",\"value\":\"50\",\"now\":\"50\",\"accepts\":\"0-1000000\"},"
		"{\"name\":\"lanes.busy-poll\",\"value\":\"off\",\"now\":\"off\",\"accepts\":\"off|on\"}]");
	free(text);
	json_decref(rows);
	struct config_lanes measured = before;
	measured.burst_min = BURST_MIN_AUTO;
	rows = settings_rows(&measured, 33);
	text = json_dumps(json_array_get(rows, 1), JSON_COMPACT);
	assert_string_equal(text, "{\"name\":\"lanes.burst-min\",\"value\":\"auto\","
				  "\"now\":\"33\",\"accepts\":\"auto|1-2048\"}");
	free(text);
	json_decref(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_setting_changes_itself_only),
		cmocka_unit_test(what_does_not_fit_is_refused_with_what_does),
		cmocka_unit_test(unknown_setting_is_refused_with_the_nearest),
		cmocka_unit_test(rows_tell_values_and_what_is_accepted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
