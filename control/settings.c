/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settings - the settings of `tsuji set`: each a place in struct config_lanes with the
 * words that its value is written in, or a number with its bounds. The words are those of
 * the router file.
 */
#include "settings.h"

#include <ctype.h>
#include <stdlib.h>

enum { TRANSMIT, BURST_MIN, GSO, FLOW_CACHE, FAR_END, N_SETTINGS };

static const char *const switch_words[] = {"off", "on", NULL};

static const struct {
	const char *name;
	const char *const *words; /* NULL: a number */
	unsigned least, most;	  /* of a number */
} settings[] = {
	[TRANSMIT] = {"lanes.transmit", config_transmit_words, 0, 0},
	[BURST_MIN] = {"lanes.burst-min", NULL, 1, BURST_MIN_MOST},
	[GSO] = {"lanes.gso", switch_words, 0, 0},
	[FLOW_CACHE] = {"lanes.flow-cache", switch_words, 0, 0},
	[FAR_END] = {"lanes.far-end", config_far_end_words, 0, 0},
};

static unsigned get(const struct config_lanes *lanes, unsigned setting)
{
	switch (setting) {
	case TRANSMIT:
		return lanes->transmit;
	case BURST_MIN:
		return lanes->burst_min;
	case GSO:
		return lanes->gso;
	case FLOW_CACHE:
		return lanes->flow_cache;
	default:
		return lanes->far_end_prepare;
	}
}

static void put(struct config_lanes *lanes, unsigned setting, unsigned value)
{
	switch (setting) {
	case TRANSMIT:
		lanes->transmit = value;
		break;
	case BURST_MIN:
		lanes->burst_min = value;
		break;
	case GSO:
		lanes->gso = value;
		break;
	case FLOW_CACHE:
		lanes->flow_cache = value;
		break;
	case FAR_END:
		lanes->far_end_prepare = value;
		break;
	}
}

/* "auto|socket|burst", "1-2048" */
static void describe(unsigned setting, char *text, size_t size)
{
	size_t len = 0;

	if (!settings[setting].words)
		snprintf(text, size, "%u-%u", settings[setting].least, settings[setting].most);
	for (unsigned i = 0; settings[setting].words && settings[setting].words[i]; i++)
		len += snprintf(text + len, size - len, "%s%s", i ? "|" : "",
				settings[setting].words[i]);
}

static bool parse(unsigned setting, const char *text, unsigned *value)
{
	const char *const *words = settings[setting].words;
	char *end;

	for (unsigned i = 0; words && words[i]; i++) {
		if (!strcmp(words[i], text)) {
			*value = i;
			return true;
		}
	}
	if (words || !isdigit((unsigned char)*text) || strlen(text) > 9)
		return false;
	*value = strtoul(text, &end, 10);
	return !*end && *value >= settings[setting].least && *value <= settings[setting].most;
}

static int find(const char *name)
{
	for (unsigned i = 0; i < N_SETTINGS; i++)
		if (!strcmp(settings[i].name, name))
			return (int)i;
	return -1;
}

bool settings_check_name(const char *name, struct complaint *complaint)
{
	const char *names[N_SETTINGS + 1] = {0};
	const char *nearest;
	char hint[64];

	if (find(name) >= 0)
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

json_t *settings_rows(const struct config_lanes *lanes)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < N_SETTINGS; i++) {
		unsigned value = get(lanes, i);
		json_t *text = settings[i].words ? json_string(settings[i].words[value])
						 : json_sprintf("%u", value);
		char accepts[64];

		describe(i, accepts, sizeof(accepts));
		json_array_append_new(rows, json_pack("{s:s, s:o, s:s}", "name", settings[i].name,
						      "value", text, "accepts", accepts));
	}
	return rows;
}
