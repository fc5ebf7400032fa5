/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settings.h - what `tsuji set` changes while the router runs, by name: the lanes, for
 * experiments. A change lasts until the next reload or restart, which go by the file.
 */
#ifndef TSUJI_SETTINGS_H
#define TSUJI_SETTINGS_H

#include "request.h"

/* Changes the setting of that name in lanes. False with *complaint set: nothing changed. */
bool settings_set(struct config_lanes *lanes, const char *name, const char *value,
		  struct complaint *complaint);
/* False with *complaint set, with the nearest name. */
bool settings_check_name(const char *name, struct complaint *complaint);
/*
 * setting: name ("lanes.transmit"), value, now (what the value comes to: break_even for a burst-min
 * of auto), accepts ("auto|socket|burst", "1-2048"): text.
 */
json_t *settings_rows(const struct config_lanes *lanes, unsigned break_even);

#endif
