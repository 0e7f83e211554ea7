/*
 * config.c - the top level of a configuration: global parameters, modules and their parameters,
 * routes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>

#include "log.h"
#include "modules.h"
#include "net.h"
#include "parser.h"

struct script script = {.udp_workers = 8};

static void parse_route(void)
{
	struct route *r = xcalloc(1, sizeof *r), **tail = &script.routes;

	r->name = "0";
	next_token();
	if (accept_op("[")) {
		r->name = take_name();
		expect("]");
	}
	expect("{");
	if (!parse_failed && script_route(r->name))
		fail("a route of this name is there already");
	while (*tail)
		tail = &(*tail)->next;
	*tail = r;
	r->body = parse_block();
}

static void parse_loadmodule(void)
{
	next_token();
	str file = take_string();
	if (!parse_failed && !module_load(file.s))
		fail("failed to load module");
}

static void parse_modparam(void)
{
	bool ok = false;

	next_token();
	expect("(");
	str module = take_string();
	expect(",");
	str name = take_string();
	expect(",");
	if (lx.tok == T_STRING) {
		str value = take_string();
		ok = !parse_failed && module_set_param(module.s, name.s, PARAM_STR, value.s, 0);
	} else {
		int n = signed_number();
		ok = !parse_failed && module_set_param(module.s, name.s, PARAM_INT, NULL, n);
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

	if (str_is(name, "log_level") && is_number) {
		log_set_level((int)n);
	} else if (str_is(name, "udp_workers") && is_number && n > 0) {
		script.udp_workers = (int)n;
	} else if (str_is(name, "socket")) {
		char *z = str_dupz(value);
		if (!net_set_socket(z))
			fail("can't listen on this socket");
		free(z);
	} else if (!str_is(name, "stderror_enabled") && !str_is(name, "syslog_enabled")) {
		LOG_WARN("global parameter %.*s is not known to the stand-in and was skipped\n", FMT_STR(name));
	}
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

bool script_parse(const char *file)
{
	size_t len;
	char *text = read_file(file, &len);

	script.file = file;
	if (!text) {
		LOG_CRIT("cannot read configuration file '%s'\n", file);
		return false;
	}
	lexer_init(&lx, file, text, len);
	next_token();
	while (!parse_failed && lx.tok != T_END) {
		if (at_word("loadmodule")) {
			parse_loadmodule();
		} else if (at_word("modparam")) {
			parse_modparam();
		} else if (at_word("route")) {
			parse_route();
		} else if (lx.tok == T_IDENT) {
			str name = lx.text;
			next_token();
			if (!at("="))
				fail("expected '=' behind a global parameter");
			else
				set_global(name);
		} else {
			fail("expected a parameter, loadmodule, modparam or a route");
		}
	}
	free(text);
	return !parse_failed;
}

struct route *script_route(const char *name)
{
	struct route *r = script.routes;
	while (r && strcmp(r->name, name) != 0)
		r = r->next;
	return r;
}
