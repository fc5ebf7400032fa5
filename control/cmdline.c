/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmdline.c - `tsuji route -j show -n lab-r1` and `tsuji -n lab-r1 route show -j` are the
 * same. Options that belong to one command (`-c FILE` of run) stay among the words.
 */
#include "cmdline.h"

#include "grammar.h"

/* Whether the words so far are `lab exec FILE NODE`; what follows is somebody else's command line.
 */
static bool is_lab_exec(const struct cmdline *cmdline)
{
	static const char *const lab[] = {"lab", NULL};

	return cmdline->argc == 4 && grammar_match(cmdline->argv[0], lab) == 0 &&
	       !strcmp(cmdline->argv[1], "exec");
}

static bool take_netns(struct cmdline *cmdline, const char *name, struct complaint *complaint)
{
	if (!name || !*name)
		return complain(complaint, 2, "-n NAME, -n /PATH or -n pid:NUMBER",
				"-n wants a namespace after it");
	if (cmdline->options.netns)
		return complain(complaint, 2, NULL, "-n is given twice");
	cmdline->options.netns = name;
	return true;
}

/* Notes the option if it is one of ours without a value; false: it is not. */
static bool take_flag(struct cmdline *cmdline, const char *word)
{
	const struct {
		const char *shorter, *longer;
		bool *flag;
	} flags[] = {
		{"-j", "--json", &cmdline->options.json},
		{"-s", "--statistics", &cmdline->options.statistics},
		{"-h", "--help", &cmdline->help},
		{"-V", "--version", &cmdline->version},
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strcmp(word, flags[i].shorter) && strcmp(word, flags[i].longer))
			continue;
		*flags[i].flag = true;
		return true;
	}
	return false;
}

bool cmdline_read(struct cmdline *cmdline, int argc, char **argv, struct complaint *complaint)
{
	bool stopped = false;

	*cmdline = (struct cmdline){.argv = argv};
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		stopped = stopped || !strcmp(word, "--") || is_lab_exec(cmdline);
		if (!stopped && take_flag(cmdline, word))
			continue;
		if (!stopped && (!strcmp(word, "-n") || !strcmp(word, "--netns"))) {
			if (!take_netns(cmdline, ++i < argc ? argv[i] : NULL, complaint))
				return false;
			continue;
		}
		if (!stopped && !strncmp(word, "--netns=", 8)) {
			if (!take_netns(cmdline, word + 8, complaint))
				return false;
			continue;
		}
		cmdline->argv[cmdline->argc++] = argv[i];
	}
	cmdline->argv[cmdline->argc] = NULL;
	return true;
}
