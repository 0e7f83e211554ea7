/*
 * config.c - the top level of a configuration: global parameters, modules and what is set in them,
 * routes, and files that include others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>

#include "db.h"
#include "log.h"
#include "modules.h"
#include "net.h"
#include "parser.h"

struct script script = {.udp_workers = 8, .tcp_workers = 8};

static const struct {
	const char *word;
	int type;
} route_words[] = {
	{"route", ROUTE_REQUEST},	  {"failure_route", ROUTE_FAILURE}, {"onreply_route", ROUTE_ONREPLY},
	{"branch_route", ROUTE_BRANCH},	  {"error_route", ROUTE_ERROR},	    {"local_route", ROUTE_LOCAL},
	{"startup_route", ROUTE_STARTUP}, {"timer_route", ROUTE_TIMER},	    {"event_route", ROUTE_EVENT},
};

static bool parse_route(void)
{
	for (size_t i = 0; i < COUNT_OF(route_words); i++) {
		if (!at_word(route_words[i].word))
			continue;
		struct route *r = xcalloc(1, sizeof *r);
		r->type = route_words[i].type;
		r->name = "0";
		next_token();
		if (accept_op("[")) {
			r->name = take_name();
			if (accept_op(","))
				r->interval = (unsigned)signed_number();
			expect("]");
		}
		expect("{");
		if (!parse_failed && script_route(r->type, r->name))
			fail("a route of this name is there already");
		/* Linked first, so that order in the file does not matter to error messages. */
		struct route **tail = &script.routes;
		while (*tail)
			tail = &(*tail)->next;
		*tail = r;
		r->body = parse_block();
		return true;
	}
	return false;
}

static void parse_loadmodule(void)
{
	next_token();
	if (lx.tok != T_STRING)
		fail("loadmodule takes a string");
	else if (!module_load(lx.text.s))
		fail("parse_failed to load module");
	else
		next_token();
}

static void parse_modparam(void)
{
	next_token();
	expect("(");
	str modules = lx.text;
	if (lx.tok != T_STRING)
		fail("modparam takes the module's name as a string");
	next_token();
	expect(",");
	str name = lx.text;
	if (lx.tok != T_STRING)
		fail("modparam takes the parameter's name as a string");
	next_token();
	expect(",");
	bool ok = false;
	if (lx.tok == T_STRING) {
		str value = lx.text;
		ok = !parse_failed && module_set_param(modules.s, name.s, PARAM_STR, value.s, 0);
		if (ok)
			next_token();
	} else if (lx.tok == T_INT || at("-")) {
		int n = signed_number();
		ok = !parse_failed && module_set_param(modules.s, name.s, PARAM_INT, NULL, n);
	} else {
		fail("modparam takes a string or a number as value");
	}
	if (!ok)
		fail("can't set this parameter of the module");
	expect(")");
}

static void set_global(str name)
{
	str value = lexer_rest_of_line(&lx);
	long n = 0;
	bool is_number = str_to_long(value, &n);
	bool quoted = value.len >= 2 && (value.s[0] == '"' || value.s[0] == '\'');
	char *z = quoted ? xstrndup(value.s + 1, (size_t)value.len - 2) : str_dupz(value);

	if (str_is(name, "log_level") && is_number) {
		log_set_level((int)n);
	} else if (str_is(name, "xlog_level") && is_number) {
		xlog_level = (int)n;
	} else if ((str_is(name, "udp_workers") || str_is(name, "children")) && is_number && n > 0) {
		script.udp_workers = (int)n;
	} else if (str_is(name, "tcp_workers") && is_number && n > 0) {
		script.tcp_workers = (int)n;
	} else if (str_is(name, "pv_print_buf_size") && is_number && n > 0) {
		pv_print_buf_size = (int)n;
	} else if (str_is(name, "db_version_table")) {
		db_version_table = strdup(z);
	} else if (str_is(name, "db_default_url")) {
		db_default_url = strdup(z);
	} else if (str_is(name, "mpath")) {
		module_add_path(z);
	} else if (str_is(name, "socket") || str_is(name, "listen")) {
		if (!net_add_socket(z))
			fail("can't listen on this socket");
	} else {
		static const char *const quiet[] = {
			"stderror_enabled", "syslog_enabled", "log_stderror", "log_stdout", "debug_mode",
			"log_facility",	    "syslog_facility", "memlog",      "memdump",    "check_via",
			"auto_aliases",	    "alias",	      "server_signature", "disable_core_dump",
			"open_files_limit", "wdir", "dns_try_ipv6", "tcp_max_connections",
			"log_prefix",	    "stderror_level_filter", "maxbuffer", "children",
		};
		bool known = false;
		for (size_t i = 0; i < COUNT_OF(quiet); i++)
			known |= str_is(name, quiet[i]);
		if (!known)
			LOG_WARN("global parameter %.*s is not known to the stand-in and was skipped\n",
				 FMT_STR(name));
	}
	free(z);
	if (!parse_failed)
		next_token();
}

static char *read_file(const char *file, size_t *len)
{
	FILE *f = fopen(file, "rb");
	struct buf b = {0};
	char tmp[8192];
	size_t n;

	if (!f)
		return NULL;
	buf_add(&b, "", 0);
	while ((n = fread(tmp, 1, sizeof tmp, f)) > 0)
		buf_add(&b, tmp, n);
	bool bad = ferror(f);
	fclose(f);
	if (bad) {
		buf_free(&b);
		return NULL;
	}
	*len = b.len;
	return b.s;
}

static bool parse_file(const char *file, int depth)
{
	size_t len;
	char *text = depth < 10 ? read_file(file, &len) : NULL;
	struct lexer outer = lx;

	if (!text) {
		LOG_CRIT("cannot read configuration file '%s'\n", file);
		return false;
	}
	lexer_init(&lx, file, text, len);
	next_token();
	while (!parse_failed && lx.tok != T_END) {
		if (lx.tok != T_IDENT) {
			fail("expected a parameter, loadmodule, modparam or a route");
		} else if (at_word("loadmodule")) {
			parse_loadmodule();
		} else if (at_word("modparam")) {
			parse_modparam();
		} else if (at_word("include_file") || at_word("import_file")) {
			next_token();
			if (lx.tok != T_STRING)
				fail("include_file takes a string");
			else if (!parse_file(lx.text.s, depth + 1))
				parse_failed = true;
			else
				next_token();
		} else if (!parse_route()) {
			str name = lx.text;
			next_token();
			if (!at("="))
				fail("expected '=' behind a global parameter");
			else
				set_global(name);
		}
	}
	/* The text stays: the strings of the tree point to copies, messages to the file name. */
	free(text);
	lx = outer;
	return !parse_failed;
}

bool script_parse(const char *file)
{
	script.file = file;
	return parse_file(file, 0);
}

struct route *script_route(int type, const char *name)
{
	struct route *r = script.routes;
	while (r && !(r->type == type && strcmp(r->name, name) == 0))
		r = r->next;
	return r;
}
