/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check - reads a file as `run` and `lab up` would, and says what they would say.
 */
#include "check.h"
#include "labfile.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void summarize(const struct config *config, char *summary, size_t size)
{
	char bridges[32] = "";
	if (config->n_bridges)
		snprintf(bridges, sizeof(bridges), ", %u bridge%s", config->n_bridges,
			 plural(config->n_bridges));
	snprintf(summary, size, "%u port%s%s, %zu route%s", config->n_ports,
		 plural(config->n_ports), bridges, config->n_routes, plural(config->n_routes));
}

/* True if the file is right; then what is in it, for the line that says so. */
static bool check_file(struct diag *diag, char *summary, size_t size)
{
	if (lab_is_lab_file(diag)) {
		struct lab *lab = lab_read(diag);
		if (lab)
			snprintf(summary, size, "%u node%s, %u link%s, %u check%s", lab->n_nodes,
				 plural(lab->n_nodes), lab->n_links, plural(lab->n_links),
				 lab->n_checks, plural(lab->n_checks));
		lab_free(lab);
		return lab;
	}
	struct config *config = config_read(diag);
	if (config)
		summarize(config, summary, size);
	config_free(config);
	return config;
}

static void print_json(const struct diag *diag)
{
	json_t *array = json_array();
	char *file = strdup(diag->file ? diag->file : "");
	if (file)
		diag_clean(file); /* JSON is UTF-8; a file's name need not be */
	for (unsigned i = 0; i < diag->n_entries; i++) {
		const struct diag_entry *e = &diag->entries[i];
		json_array_append_new(array,
				      json_pack("{s:s, s:i, s:i, s:s, s:s?}", "file", file, "line",
						(int)e->at.line, "column", (int)e->at.column,
						"message", e->message, "hint", e->hint));
	}
	free(file);
	json_dumpf(array, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(array);
}

int check_main(int argc, char **argv, bool json)
{
	if (argc != 2) {
		fprintf(stderr, "usage: tsuji check FILE\n");
		return 2;
	}
	struct diag diag;
	char summary[96];
	bool good = diag_open(&diag, argv[1]) == 0 && check_file(&diag, summary, sizeof(summary));
	if (json)
		print_json(&diag);
	else if (good)
		printf("%s: ok: %s\n", argv[1], summary);
	else
		diag_print(&diag, stderr);
	diag_fini(&diag);
	return good ? 0 : 2;
}
