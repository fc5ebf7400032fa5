/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab_state - the record of a lab that is up.
 *
 * mkdir() of the lab's directory is what makes a second `up` fail, and its lock is what
 * makes `down` wait its turn; both hold however the first one ended, and a crash leaves a
 * record from which `down` can still clean up: namespaces are noted before they are made,
 * processes as soon as they run.
 */
#include "lab_state.h"
#include "lab.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char *join(const char *a, const char *b, const char *c)
{
	char *text = NULL;
	return asprintf(&text, "%s%s%s", a, b, c) < 0 ? NULL : text;
}

char *lab_state_path(const struct lab_state *state, const char *node, const char *suffix)
{
	char *name = join("/", node, suffix);
	char *path = name ? join(state->directory, name, "") : NULL;
	free(name);
	return path;
}

char *lab_state_mark(const struct lab_state *state)
{
	return join("TSUJI_LAB=", json_string_value(json_object_get(state->root, "lab")), "");
}

static int make_directory(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

/* Opens and locks the directory. */
static int take_lock(struct lab_state *state)
{
	state->lock_fd = open(state->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state->lock_fd < 0)
		return errno == ENOENT ? LAB_STATE_NONE : LAB_STATE_BROKEN;
	return flock(state->lock_fd, LOCK_EX | LOCK_NB) ? LAB_STATE_BUSY : 0;
}

static int fill(struct lab_state *state, const struct lab *lab, const char *file)
{
	char *whole = realpath(file, NULL);
	state->root = json_pack("{s:s, s:s, s:b, s:[], s:[]}", "lab", lab->name, "file",
				whole ? whole : file, "complete", 0, "namespaces", "processes");
	free(whole);
	for (unsigned i = 0; state->root && i < lab->n_nodes; i++) {
		char *netns = lab_netns(lab, i);
		json_t *interfaces = json_array();
		for (unsigned k = 0; k < lab->nodes[i].n_interfaces; k++)
			json_array_append_new(interfaces,
					      json_string(lab->nodes[i].interfaces[k].name));
		json_array_append_new(json_object_get(state->root, "namespaces"),
				      json_pack("{s:s, s:s, s:i, s:o}", "node", lab->nodes[i].name,
						"name", netns, "inode", 0, "interfaces",
						interfaces));
		free(netns);
	}
	return state->root && !lab_state_save(state) ? 0 : LAB_STATE_BROKEN;
}

int lab_state_new(struct lab_state *state, const struct lab *lab, const char *file)
{
	memset(state, 0, sizeof(*state));
	state->lock_fd = -1;
	state->directory = join(LAB_STATE_ROOT, "/", lab->name);
	if (!state->directory || make_directory("/run/tsuji") || make_directory(LAB_STATE_ROOT))
		return LAB_STATE_BROKEN;
	if (mkdir(state->directory, 0700))
		return errno == EEXIST ? LAB_STATE_EXISTS : LAB_STATE_BROKEN;
	int error = take_lock(state);
	if (!error)
		error = fill(state, lab, file);
	if (error)
		lab_state_remove(state);
	return error;
}

static int load(struct lab_state *state)
{
	char *path = lab_state_path(state, "state", ".json");
	state->root = json_load_file(path, 0, NULL);
	free(path);
	if (!json_is_string(json_object_get(state->root, "lab")))
		return LAB_STATE_BROKEN;
	return 0;
}

int lab_state_peek(struct lab_state *state, const char *lab)
{
	memset(state, 0, sizeof(*state));
	state->lock_fd = -1;
	state->directory = join(LAB_STATE_ROOT, "/", lab);
	if (access(state->directory, F_OK))
		return errno == ENOENT ? LAB_STATE_NONE : LAB_STATE_BROKEN;
	return load(state);
}

int lab_state_open(struct lab_state *state, const char *lab)
{
	memset(state, 0, sizeof(*state));
	state->lock_fd = -1;
	state->directory = join(LAB_STATE_ROOT, "/", lab);
	int error = take_lock(state);
	return error ? error : load(state);
}

void lab_state_close(struct lab_state *state)
{
	if (state->directory && state->lock_fd >= 0)
		close(state->lock_fd);
	json_decref(state->root);
	free(state->directory);
	memset(state, 0, sizeof(*state));
}

int lab_state_save(const struct lab_state *state)
{
	char *path = lab_state_path(state, "state", ".json"),
	     *draft = lab_state_path(state, "state", ".new");
	int error = path && draft ? 0 : -ENOMEM;
	if (!error && json_dump_file(state->root, draft, JSON_INDENT(2)))
		error = -EIO;
	if (!error && rename(draft, path))
		error = -errno;
	free(path);
	free(draft);
	return error;
}

void lab_state_note_namespaces(struct lab_state *state)
{
	size_t i;
	json_t *namespace;
	json_array_foreach(json_object_get(state->root, "namespaces"), i, namespace) {
		const char *name = json_string_value(json_object_get(namespace, "name"));
		json_object_set_new(namespace, "inode",
				    json_integer((json_int_t)process_named_netns(name)));
	}
}

void lab_state_note_process(struct lab_state *state, const char *node, const char *command,
			    bool router, pid_t pid)
{
	json_array_append_new(json_object_get(state->root, "processes"),
			      json_pack("{s:s, s:b, s:s, s:i, s:I}", "node", node, "router", router,
					"command", command, "pid", (int)pid, "started",
					(json_int_t)process_started(pid)));
}

void lab_state_remove(struct lab_state *state)
{
	DIR *directory = opendir(state->directory);
	struct dirent *entry;
	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(state->directory);
}

pid_t lab_state_router(const struct lab_state *state, const char *node)
{
	size_t i;
	json_t *process;
	json_array_foreach(json_object_get(state->root, "processes"), i, process) {
		const char *name = json_string_value(json_object_get(process, "node"));
		pid_t pid = (pid_t)json_integer_value(json_object_get(process, "pid"));
		json_int_t started = json_integer_value(json_object_get(process, "started"));
		if (json_is_true(json_object_get(process, "router")) && name &&
		    !strcmp(name, node) && started && process_started(pid) == (uint64_t)started)
			return pid;
	}
	return 0;
}
