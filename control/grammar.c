/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * grammar.c - the words of each command.
 *
 * grammar[] lists each command's verbs with the function that reads the words after the
 * verb into arguments, in iproute2's order: a keyword and its value, in any order, once.
 * Values are checked here with request.h as the server will check them again: a mistake
 * in spelling never depends on whether a daemon runs.
 */
#include "grammar.h"

#include "routes.h"
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* -- words -- */

struct words {
	int n;
	char **word;
};

static const char *next_word(struct words *words)
{
	if (!words->n)
		return NULL;
	words->n--;
	return *words->word++;
}

int grammar_match(const char *word, const char *const *names)
{
	size_t len = strlen(word);

	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], word))
			return i;
	for (int i = 0; len && names[i]; i++)
		if (!strncmp(names[i], word, len))
			return i;
	return -1;
}

static bool complain_word(const char *word, const char *const *known, struct complaint *complaint)
{
	const char *nearest = diag_nearest(word, known);
	char hint[256] = "one of ";

	if (nearest)
		snprintf(hint, sizeof(hint), "did you mean %s?", nearest);
	for (size_t i = 0; !nearest && known[i]; i++)
		snprintf(hint + strlen(hint), sizeof(hint) - strlen(hint), "%s%s", i ? ", " : "",
			 known[i]);
	return complain(complaint, 2, hint, "\"%s\" is not expected here", word);
}

/* The value after keyword, once, under key. */
static bool take_value(struct words *words, const char *keyword, json_t *arguments, const char *key,
		       struct complaint *complaint)
{
	const char *value = next_word(words);

	if (!value)
		return complain(complaint, 2, NULL, "%s wants a value after it", keyword);
	if (json_object_get(arguments, key))
		return complain(complaint, 2, NULL, "%s is given twice", keyword);
	return json_object_set_new(arguments, key, json_string(value)) == 0 ||
	       complain(complaint, 2, NULL, "the value of %s is not text", keyword);
}

static bool take_number(struct words *words, const char *keyword, json_int_t least,
			json_t *arguments, const char *key, struct complaint *complaint)
{
	const char *value = next_word(words);
	char *end = NULL;
	unsigned long long number;

	if (json_object_get(arguments, key))
		return complain(complaint, 2, NULL, "%s is given twice", keyword);
	errno = 0;
	number = value && isdigit((unsigned char)*value) ? strtoull(value, &end, 10) : 0;
	if (!end || *end || errno || number > UINT32_MAX || (json_int_t)number < least)
		return complain(complaint, 2, NULL, "%s wants a number from %d to 4294967295",
				keyword, (int)least);
	json_object_set_new(arguments, key, json_integer(number));
	return true;
}

static bool is_port_word(const char *word)
{
	return !strcmp(word, "port") || !strcmp(word, "dev");
}

/* Whether word can be an address or a prefix, going by its looks. */
static bool is_prefix_word(const char *word)
{
	return isdigit((unsigned char)*word) || !strcmp(word, "default");
}

static bool no_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	const char *word = next_word(words);

	(void)arguments;
	return !word || complain(complaint, 2, NULL, "\"%s\" is not expected here", word);
}

/* -- the words after each verb -- */

static bool port_show_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	const char *name = next_word(words);

	if (name && is_port_word(name) && words->n) /* ip link show dev NAME */
		name = next_word(words);
	if (name && json_object_set_new(arguments, "name", json_string(name)))
		return complain(complaint, 2, NULL, "the name is not text");
	return no_words(words, arguments, complaint);
}

static bool route_show_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	static const char *const known[] = {"port", "limit", NULL};
	const char *word;
	be32 prefix;
	uint8_t len;

	while ((word = next_word(words))) {
		if (is_port_word(word)) {
			if (!take_value(words, word, arguments, "port", complaint))
				return false;
		} else if (!strcmp(word, "limit")) {
			if (!take_number(words, word, 0, arguments, "limit", complaint))
				return false;
		} else if (!is_prefix_word(word) || json_object_get(arguments, "to")) {
			return complain_word(word, known, complaint);
		} else if (!request_prefix(word, &prefix, &len)) {
			return complain(complaint, 2, "such as 10.9.0.0/16, 192.168.1.7 or default",
					"\"%s\" is not an IPv4 prefix", word);
		} else {
			json_object_set_new(arguments, "to", json_string(word));
		}
	}
	return true;
}

static bool route_get_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	const char *address = next_word(words);
	be32 value;

	if (!address || !config_parse_address(address, &value))
		return complain(complaint, 2, "such as 192.168.0.2",
				"route get wants an IPv4 address");
	json_object_set_new(arguments, "address", json_string(address));
	return no_words(words, arguments, complaint);
}

/* One step of the words of a route; false: complained. */
static bool route_word(const char *word, struct words *words, json_t *arguments,
		       struct complaint *complaint)
{
	static const char *const known[] = {"via",	"port",	   "metric",	"type",
					    "to",	"unicast", "blackhole", "unreachable",
					    "prohibit", NULL};

	if (is_port_word(word))
		return take_value(words, word, arguments, "port", complaint);
	if (!strcmp(word, "via") || !strcmp(word, "type") || !strcmp(word, "to"))
		return take_value(words, word, arguments, word, complaint);
	if (!strcmp(word, "metric"))
		return take_number(words, word, 0, arguments, word, complaint);
	for (unsigned i = ROUTE_UNICAST; i <= ROUTE_PROHIBIT; i++)
		if (!strcmp(word, route_type_name(i)) && !json_object_get(arguments, "type"))
			return json_object_set_new(arguments, "type", json_string(word)) == 0;
	if (!is_prefix_word(word) || json_object_get(arguments, "to"))
		return complain_word(word, known, complaint);
	return json_object_set_new(arguments, "to", json_string(word)) == 0;
}

static bool route_words(struct words *words, json_t *arguments, bool whole,
			struct complaint *complaint)
{
	struct config_route route;
	const char *word;

	while ((word = next_word(words)))
		if (!route_word(word, words, arguments, complaint))
			return false;
	if (!json_object_get(arguments, "to"))
		return complain(complaint, 2, "route add PREFIX via ADDRESS",
				"which route? A prefix is missing");
	return request_route(arguments, whole, &route, complaint);
}

static bool route_add_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	return route_words(words, arguments, true, complaint);
}

static bool route_del_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	return route_words(words, arguments, false, complaint);
}

static bool neigh_word(const char *word, struct words *words, json_t *arguments,
		       struct complaint *complaint)
{
	static const char *const known[] = {"mac", "lladdr", "port", "dev", NULL};

	if (is_port_word(word))
		return take_value(words, word, arguments, "port", complaint);
	if (!strcmp(word, "mac") || !strcmp(word, "lladdr"))
		return take_value(words, word, arguments, "mac", complaint);
	if (!is_prefix_word(word) || json_object_get(arguments, "address"))
		return complain_word(word, known, complaint);
	return json_object_set_new(arguments, "address", json_string(word)) == 0;
}

static bool neigh_words(struct words *words, json_t *arguments, bool whole,
			struct complaint *complaint)
{
	struct config_neigh neigh;
	const char *word;

	while ((word = next_word(words)))
		if (!neigh_word(word, words, arguments, complaint))
			return false;
	if (!json_object_get(arguments, "address"))
		return complain(complaint, 2, "neigh add ADDRESS mac MAC port NAME",
				"which neighbour? An address is missing");
	return request_neigh(arguments, whole, &neigh, complaint);
}

static bool neigh_add_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	return neigh_words(words, arguments, true, complaint);
}

static bool neigh_del_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	return neigh_words(words, arguments, false, complaint);
}

static bool neigh_show_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	const char *word;
	be32 address;

	while ((word = next_word(words))) {
		if (!neigh_word(word, words, arguments, complaint))
			return false;
		if (json_object_get(arguments, "mac"))
			return complain(complaint, 2, NULL,
					"neigh show chooses by address and port");
	}
	word = json_string_value(json_object_get(arguments, "address"));
	return !word || config_parse_address(word, &address) ||
	       complain(complaint, 2, "such as 192.168.1.2", "\"%s\" is not an IPv4 address", word);
}

static bool neigh_flush_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	const char *word = next_word(words);

	if (!word)
		return true;
	if (!is_port_word(word))
		return complain(complaint, 2, "neigh flush [port NAME]",
				"\"%s\" is not expected here", word);
	return take_value(words, word, arguments, "port", complaint) &&
	       no_words(words, arguments, complaint);
}

static bool is_bridge_word(const char *word)
{
	return !strcmp(word, "bridge") || !strcmp(word, "br");
}

static bool take_station_mac(const char *word, json_t *arguments, struct complaint *complaint)
{
	struct mac mac;

	if (!config_parse_mac(word, &mac))
		return complain(complaint, 2, "such as 02:00:00:00:01:02",
				"\"%s\" is not a MAC address", word);
	return json_object_set_new(arguments, "mac", json_string(word)) == 0;
}

/* A MAC, port NAME, bridge NAME; and the words that bridge(8) has between them. */
static bool fdb_word(const char *word, struct words *words, json_t *arguments,
		     struct complaint *complaint)
{
	static const char *const known[] = {"port", "dev", "bridge", "br", NULL};

	if (is_port_word(word) || !strcmp(word, "brport"))
		return take_value(words, word, arguments, "port", complaint);
	if (is_bridge_word(word))
		return take_value(words, word, arguments, "bridge", complaint);
	if (!strchr(word, ':') || json_object_get(arguments, "mac"))
		return complain_word(word, known, complaint);
	return take_station_mac(word, arguments, complaint);
}

static bool fdb_show_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	const char *word;

	while ((word = next_word(words)))
		if (!fdb_word(word, words, arguments, complaint))
			return false;
	return true;
}

/* Both fdb add and fdb del; bridge(8) says there where an entry goes and of what kind it is. */
static bool station_words(struct words *words, json_t *arguments, bool whole,
			  struct complaint *complaint)
{
	struct request_station station;
	const char *word;

	while ((word = next_word(words))) {
		if (!strcmp(word, "master") || !strcmp(word, "static"))
			continue;
		if (!fdb_word(word, words, arguments, complaint))
			return false;
	}
	if (!json_object_get(arguments, "mac"))
		return complain(complaint, 2, "fdb add MAC port NAME",
				"which station? A MAC address is missing");
	return request_station(arguments, whole, &station, complaint);
}

static bool fdb_add_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	return station_words(words, arguments, true, complaint);
}

static bool fdb_del_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	return station_words(words, arguments, false, complaint);
}

static bool fdb_flush_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	if (!fdb_show_words(words, arguments, complaint))
		return false;
	if (json_object_get(arguments, "mac"))
		return complain(complaint, 2, "fdb del MAC deletes one",
				"fdb flush chooses by port or bridge");
	return json_object_size(arguments) < 2 ||
	       complain(complaint, 2, NULL, "port and bridge are both given");
}

static bool bridge_show_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	const char *name = next_word(words);

	if (name && is_bridge_word(name) && words->n)
		name = next_word(words);
	if (name && json_object_set_new(arguments, "name", json_string(name)))
		return complain(complaint, 2, NULL, "the name is not text");
	return no_words(words, arguments, complaint);
}

static bool drops_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	static const char *const known[] = {"-a", "--all", NULL};
	const char *word;

	while ((word = next_word(words))) {
		if (strcmp(word, "-a") && strcmp(word, "--all"))
			return complain_word(word, known, complaint);
		json_object_set_new(arguments, "all", json_true());
	}
	return true;
}

/* tcp, udp or icmp, an ADDRESS, port N; limit N if it is asked for. */
static bool session_words(struct words *words, json_t *arguments, bool limited,
			  struct complaint *complaint)
{
	static const char *const protocols[] = {"tcp", "udp", "icmp", NULL};
	const char *const known[] = {"tcp", "udp", "icmp", "port", limited ? "limit" : NULL, NULL};
	struct nat_filter filter;
	json_int_t limit;
	const char *word;

	while ((word = next_word(words))) {
		bool is_protocol = false;

		for (size_t i = 0; protocols[i]; i++)
			is_protocol |= !strcmp(word, protocols[i]);
		if (!strcmp(word, "port") || (limited && !strcmp(word, "limit"))) {
			if (!take_number(words, word, 0, arguments, word, complaint))
				return false;
		} else if (is_protocol && !json_object_get(arguments, "protocol")) {
			json_object_set_new(arguments, "protocol", json_string(word));
		} else if (is_prefix_word(word) && !json_object_get(arguments, "address")) {
			json_object_set_new(arguments, "address", json_string(word));
		} else {
			return complain_word(word, known, complaint);
		}
	}
	return request_sessions(arguments, &filter, limited ? &limit : NULL, complaint);
}

static bool nat_show_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	return session_words(words, arguments, true, complaint);
}

static bool nat_flush_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	return session_words(words, arguments, false, complaint);
}

static bool nat_age_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	const char *by = next_word(words);
	uint64_t ns;

	if (!by)
		return complain(complaint, 2, "nat age 5m", "nat age wants a duration");
	if (!request_duration(by, &ns, complaint))
		return false;
	json_object_set_new(arguments, "by", json_string(by));
	return no_words(words, arguments, complaint);
}

/* Nothing, a NAME, or NAME VALUE. */
static bool set_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	const char *name = next_word(words), *value = next_word(words);
	struct config_lanes lanes = {0};

	if (name && !settings_check_name(name, complaint))
		return false;
	if (value && !settings_set(&lanes, name, value, complaint))
		return false;
	if (name)
		json_object_set_new(arguments, "name", json_string(name));
	if (value)
		json_object_set_new(arguments, "value", json_string(value));
	return no_words(words, arguments, complaint);
}

/* Options, then an expression in as many words as its author likes. */
static bool trace_words(struct words *words, json_t *arguments, struct complaint *complaint)
{
	char expression[4096] = "";
	size_t len = 0;
	const char *word;

	while (words->n && words->word[0][0] == '-') {
		word = next_word(words);
		if (!strcmp(word, "--"))
			break;
		if (strcmp(word, "-c"))
			return complain(complaint, 2, "trace [-c COUNT] [EXPRESSION]",
					"trace has no option %s", word);
		if (!take_number(words, word, 1, arguments, "count", complaint))
			return false;
	}
	while ((word = next_word(words))) {
		len += snprintf(expression + len, sizeof(expression) - len, "%s%s", len ? " " : "",
				word);
		if (len >= sizeof(expression))
			return complain(complaint, 2, NULL, "the expression is too long");
	}
	return json_object_set_new(arguments, "expression", json_string(expression)) == 0 ||
	       complain(complaint, 2, NULL, "the expression is not text");
}

/* -- requests -- */

struct verb {
	const char *name, *verb; /* as typed, as asked */
	bool (*read)(struct words *words, json_t *arguments, struct complaint *complaint);
};

#define VERBS_MAX 8

static const struct {
	const char *command;
	struct verb verbs[VERBS_MAX]; /* the first is the default; one without a name: no verbs */
} grammar[] = {
	{"port",
	 {{"show", "show", port_show_words},
	  {"list", "show", port_show_words},
	  {"ls", "show", port_show_words}}},
	{"route",
	 {{"show", "show", route_show_words},
	  {"add", "add", route_add_words},
	  {"delete", "del", route_del_words},
	  {"flush", "flush", no_words},
	  {"get", "get", route_get_words},
	  {"list", "show", route_show_words},
	  {"ls", "show", route_show_words}}},
	{"neigh",
	 {{"show", "show", neigh_show_words},
	  {"add", "add", neigh_add_words},
	  {"delete", "del", neigh_del_words},
	  {"flush", "flush", neigh_flush_words},
	  {"list", "show", neigh_show_words},
	  {"ls", "show", neigh_show_words}}},
	{"fdb",
	 {{"show", "show", fdb_show_words},
	  {"add", "add", fdb_add_words},
	  {"delete", "del", fdb_del_words},
	  {"flush", "flush", fdb_flush_words},
	  {"watch", "watch", no_words},
	  {"list", "show", fdb_show_words},
	  {"ls", "show", fdb_show_words}}},
	{"bridge",
	 {{"show", "show", bridge_show_words},
	  {"list", "show", bridge_show_words},
	  {"ls", "show", bridge_show_words}}},
	{"nat",
	 {{"show", "show", nat_show_words},
	  {"rules", "rules", no_words},
	  {"flush", "flush", nat_flush_words},
	  {"age", "age", nat_age_words},
	  {"list", "show", nat_show_words},
	  {"ls", "show", nat_show_words}}},
	{"filter",
	 {{"show", "show", no_words}, {"list", "show", no_words}, {"ls", "show", no_words}}},
	{"drops",
	 {{"show", "show", drops_words},
	  {"list", "show", drops_words},
	  {"ls", "show", drops_words}}},
	{"stats",
	 {{"show", "show", no_words}, {"list", "show", no_words}, {"ls", "show", no_words}}},
	{"set", {{NULL, "now", set_words}}},
	{"trace", {{NULL, "show", trace_words}}},
	{"reload", {{NULL, "now", no_words}}},
};

/* The verb that the first word names, taking the word; the default if there is none. */
static const struct verb *find_verb(const struct verb *verbs, struct words *words,
				    struct complaint *complaint)
{
	const char *names[VERBS_MAX + 1] = {0};
	int found;

	for (unsigned i = 0; i < VERBS_MAX; i++)
		names[i] = verbs[i].name;
	if (!names[0] || !words->n || words->word[0][0] == '-')
		return verbs;
	found = grammar_match(words->word[0], names);
	if (found >= 0) {
		next_word(words);
		return &verbs[found];
	}
	complain_word(words->word[0], names, complaint);
	snprintf(complaint->text, sizeof(complaint->text), "\"%s\" is not a verb here",
		 words->word[0]);
	return NULL;
}

json_t *grammar_request(int argc, char **argv, struct complaint *complaint)
{
	struct words words = {argc - 1, argv + 1};
	const struct verb *verb = NULL;
	json_t *arguments;

	for (size_t i = 0; i < ARRAY_SIZE(grammar); i++) {
		if (strcmp(grammar[i].command, argv[0]))
			continue;
		verb = find_verb(grammar[i].verbs, &words, complaint);
		if (!verb)
			return NULL;
	}
	if (!verb) {
		complain(complaint, 2, NULL, "\"%s\" is not a command", argv[0]);
		return NULL;
	}
	arguments = json_object();
	if (verb->read(&words, arguments, complaint))
		return json_pack("{s:s, s:s, s:o}", "command", argv[0], "verb", verb->verb,
				 "arguments", arguments);
	json_decref(arguments);
	return NULL;
}
