/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settings - the settings of `tsuji set`: each a place in struct config_lanes with the
 * words that its value is written in, or a number with its bounds. The words are those of
 * the router file.
 */
#include "settings.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>

static const char *const switch_words[] = {"off", "on", NULL};

#define FIELD(name) offsetof(struct config_lanes, name), sizeof((struct config_lanes){0}.name)

static const struct setting {
	const char *name;
	size_t offset, size;	  /* of its field in struct config_lanes */
	const char *const *words; /* NULL: a number */
	unsigned least, most;	  /* of a number */
	const char *zero;	  /* the word that a number of 0 is written as; NULL: none */
} settings[] = {
	{"lanes.transmit", FIELD(transmit), config_transmit_words, 0, 0, NULL},
	{"lanes.burst-min", FIELD(burst_min), NULL, 1, BURST_MIN_MOST, "auto"},
	{"lanes.gso", FIELD(gso), switch_words, 0, 0, NULL},
	{"lanes.flow-cache", FIELD(flow_cache), switch_words, 0, 0, NULL},
	{"lanes.far-end", FIELD(far_end_prepare), config_far_end_words, 0, 0, NULL},
	{"lanes.punt-rate", FIELD(punt_rate), NULL, 0, PUNT_RATE_MOST, "unlimited"},
	{"lanes.read-depth", FIELD(read_depth), NULL, 1, READ_DEPTH_MOST, NULL},
	{"lanes.spin", FIELD(spin_us), NULL, 0, SPIN_US_MOST, NULL},
	{"lanes.busy-poll", FIELD(busy_poll), switch_words, 0, 0, NULL},
};
enum { N_SETTINGS = ARRAY_SIZE(settings) };

/* A field is a bool or as wide as an unsigned. */
static unsigned get(const struct config_lanes *lanes, const struct setting *setting)
{
	const void *field = (const char *)lanes + setting->offset;

	return setting->size == sizeof(bool) ? *(const bool *)field : *(const unsigned *)field;
}

static void put(struct config_lanes *lanes, const struct setting *setting, unsigned value)
{
	void *field = (char *)lanes + setting->offset;

	if (setting->size == sizeof(bool))
		*(bool *)field = value;
	else
		*(unsigned *)field = value;
}

/* "auto|socket|burst", "1-2048", "unlimited|0-1000000" */
static void describe(const struct setting *setting, char *text, size_t size)
{
	size_t len = 0;

	if (!setting->words)
		snprintf(text, size, "%s%s%u-%u", setting->zero ? setting->zero : "",
			 setting->zero ? "|" : "", setting->least, setting->most);
	for (unsigned i = 0; setting->words && setting->words[i]; i++)
		len += snprintf(text + len, size - len, "%s%s", i ? "|" : "", setting->words[i]);
}

static bool parse(const struct setting *setting, const char *text, unsigned *value)
{
	const char *const *words = setting->words;
	char *end;

	for (unsigned i = 0; words && words[i]; i++) {
		if (!strcmp(words[i], text)) {
			*value = i;
			return true;
		}
	}
	*value = 0;
	if (setting->zero && !strcmp(setting->zero, text))
		return true;
	if (words || !isdigit((unsigned char)*text) || strlen(text) > 9)
		return false;
	*value = strtoul(text, &end, 10);
	return !*end && *value >= setting->least && *value <= setting->most;
}

static const struct setting *find(const char *name)
{
	for (unsigned i = 0; i < N_SETTINGS; i++)
		if (!strcmp(settings[i].name, name))
			return &settings[i];
	return NULL;
}

bool settings_check_name(const char *name, struct complaint *complaint)
{
	const char *names[N_SETTINGS + 1] = {0};
	const char *nearest;
	char hint[64];

	if (find(name))
		return true;
	for (unsigned i = 0; i < N_SETTINGS; i++)
		names[i] = settings[i].name;
	nearest = diag_nearest(name, names);
	if (nearest)
		snprintf(hint, sizeof(hint), "did you mean %s?", nearest);
	else
		snprintf(hint, sizeof(hint), "tsuji set lists them");
	return complain(complaint, 2, hint, "there is no setting \"%s\"", name);
}

bool settings_set(struct config_lanes *lanes, const char *name, const char *value,
		  struct complaint *complaint)
{
	unsigned parsed = 0;
	char hint[64];

	if (!settings_check_name(name, complaint))
		return false;
	if (!parse(find(name), value, &parsed)) {
		describe(find(name), hint, sizeof(hint));
		return complain(complaint, 2, hint, "%s cannot be \"%s\"", name, value);
	}
	put(lanes, find(name), parsed);
	return true;
}

static json_t *value_text(const struct setting *setting, unsigned value)
{
	if (setting->words)
		return json_string(setting->words[value]);
	return !value && setting->zero ? json_string(setting->zero) : json_sprintf("%u", value);
}

/* What "auto" is just now. */
static json_t *now_text(const struct setting *setting, const struct config_lanes *lanes,
			unsigned break_even)
{
	bool is_auto = setting->offset == offsetof(struct config_lanes, burst_min) &&
		       lanes->burst_min == BURST_MIN_AUTO;

	return is_auto ? json_sprintf("%u", break_even) : value_text(setting, get(lanes, setting));
}

json_t *settings_rows(const struct config_lanes *lanes, unsigned break_even)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < N_SETTINGS; i++) {
		const struct setting *setting = &settings[i];
		char accepts[64];

		describe(setting, accepts, sizeof(accepts));
		json_array_append_new(
			rows, json_pack("{s:s, s:o, s:o, s:s}", "name", setting->name, "value",
					value_text(setting, get(lanes, setting)), "now",
					now_text(setting, lanes, break_even), "accepts", accepts));
	}
	return rows;
}
