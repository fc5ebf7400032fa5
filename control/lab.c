/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab - the command line of `tsuji lab`: which verb, which file, and what all verbs share.
 *
 * `down` takes the lab's name as well as its file, so that a lab can be taken down whose
 * file has changed or gone.
 */
#include "lab.h"
#include "lab_state.h"
#include "netns.h"
#include "process.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const verbs[] = {"up", "down", "show", "check", "exec", NULL};

static int usage(void)
{
	fprintf(stderr, "usage: tsuji lab up|down|show|check FILE\n"
			"       tsuji lab exec FILE NODE COMMAND...\n"
			"       tsuji lab show                       the labs that are up\n");
	return 2;
}

int lab_need_privilege(const char *what)
{
	if (!capng_get_caps_process() && capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) &&
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN))
		return 0;
	fprintf(stderr,
		"tsuji: %s works on network namespaces, which takes root: put sudo in front\n",
		what);
	return 4;
}

char *lab_netns(const struct lab *lab, unsigned node)
{
	char *name = NULL;
	return asprintf(&name, "%s-%s", lab->name, lab->nodes[node].name) < 0 ? NULL : name;
}

const struct lab_interface *lab_interface(const struct lab_node *node, const char *name)
{
	for (unsigned i = 0; i < node->n_interfaces; i++)
		if (!strcmp(node->interfaces[i].name, name))
			return &node->interfaces[i];
	return NULL;
}

/* Reads a lab file; NULL after its errors are printed. */
static struct lab *read_lab(const char *file)
{
	struct diag diag;
	struct lab *lab = diag_open(&diag, file) ? NULL : lab_read(&diag);
	if (!lab)
		diag_print(&diag, stderr);
	diag_fini(&diag);
	return lab;
}

int lab_exec(const struct lab *lab, const char *node, char **argv)
{
	unsigned i = 0;
	while (i < lab->n_nodes && strcmp(lab->nodes[i].name, node))
		i++;
	if (i == lab->n_nodes) {
		fprintf(stderr, "tsuji: lab %s has no node %s; it has:", lab->name, node);
		for (i = 0; i < lab->n_nodes; i++)
			fprintf(stderr, " %s", lab->nodes[i].name);
		fputc('\n', stderr);
		return 2;
	}
	int code = lab_need_privilege("lab exec");
	if (code)
		return code;
	char *netns = lab_netns(lab, i);
	struct refusal why;
	if (!process_named_netns(netns)) {
		fprintf(stderr, "tsuji: lab %s is not up\n", lab->name);
		code = 1;
	} else if (netns_enter(netns, &why)) {
		fprintf(stderr, "tsuji: %s\n", why.text);
		code = why.status;
	}
	free(netns);
	if (code)
		return code;
	execvp(argv[0], argv);
	/* The statuses a shell gives: no such command, and one that cannot be run. */
	code = errno == ENOENT ? 127 : 126;
	fprintf(stderr, "tsuji: %s: %s\n", argv[0], strerror(errno));
	return code;
}

static int down(const char *argument, bool quiet)
{
	if (!strchr(argument, '/') && access(argument, F_OK))
		return lab_down(argument, quiet);
	struct lab *lab = read_lab(argument);
	if (!lab)
		fprintf(stderr, "tsuji: `tsuji lab show` lists the labs that are up; "
				"`tsuji lab down NAME` needs no file\n");
	int code = lab ? lab_down(lab->name, quiet) : 2;
	lab_free(lab);
	return code;
}

static int run_verb(const char *verb, int argc, char **argv, bool json)
{
	struct lab *lab = read_lab(argv[0]);
	int code = 2;
	if (!lab)
		return 2;
	struct lab_options options = {.file = argv[0], .quiet = json, .stop_fd = -1};
	if (!strcmp(verb, "exec")) {
		code = argc >= 3 ? lab_exec(lab, argv[1], argv + 2) : usage();
	} else if (argc != 1) {
		code = usage();
	} else if (!strcmp(verb, "show")) {
		code = lab_show(lab, json);
	} else {
		options.stop_fd = process_interrupts();
		code = !strcmp(verb, "up") ? lab_up(lab, &options) : lab_check(lab, &options, json);
		close(options.stop_fd);
	}
	lab_free(lab);
	return code;
}

int lab_main(int argc, char **argv, bool json)
{
	if (argc < 2 || (argc == 2 && !strcmp(argv[1], "show")))
		return lab_list(json);
	unsigned i = 0;
	while (verbs[i] && strcmp(verbs[i], argv[1]))
		i++;
	if (!verbs[i]) {
		const char *nearest = diag_nearest(argv[1], verbs);
		fprintf(stderr, "tsuji: lab has no verb %s%s%s%s\n", argv[1], nearest ? "; " : "",
			nearest ? nearest : "", nearest ? "?" : "");
		return usage();
	}
	if (argc < 3)
		return usage();
	process_extend_path();
	if (!strcmp(argv[1], "down"))
		return argc == 3 ? down(argv[2], json) : usage();
	return run_verb(argv[1], argc - 2, argv + 2, json);
}
