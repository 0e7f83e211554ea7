/*
 * bind.c - resolves the tree of a script: calls to functions, their arguments to what the functions
 * take, route names to routes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>

#include "cmds.h"
#include "modules.h"
#include "script.h"

static bool ok;
static bool fixups;

static void complain(int line, const char *what, const char *name)
{
	LOG_ERR("%s:%d: %s <%s>\n", script.file, line, what, name);
	ok = false;
}

/* Turns text that contains variables into a format; plain text is left as it is. */
static struct pv_elem *format_of(str s, int line)
{
	struct pv_elem *el;

	if (pv_parse_format(&s, &el) != 0) {
		complain(line, "a bad variable in the string", s.s);
		return NULL;
	}
	if (pv_elem_is_plain(el)) {
		pv_elem_free_all(el);
		return NULL;
	}
	return el;
}

/* The fixup of an output, once modules are loaded: it decides whether this variable is accepted. */
static void fix_var(struct call *c, int i, const struct cmd_param *p)
{
	void *h = c->args[i].var;
	char msg[64];

	if (!p->fixup || !fixups || (p->fixup(&h) >= 0 && h == c->args[i].var))
		return;
	snprintf(msg, sizeof msg, "Fixup failed for param [%d] of", i + 1);
	complain(c->line, msg, c->name);
}

static void bind_args(struct call *c, const struct cmd_param *params)
{
	int max = 0, min = 0;

	while (max < CMD_MAX_PARAMS && params[max].flags) {
		max++;
		if (!(params[max - 1].flags & CMD_OPT))
			min = max;
	}
	if (c->args_n < min || c->args_n > max) {
		complain(c->line, c->args_n < min ? "too few parameters for command" : "too many parameters for command",
			 c->name);
		return;
	}
	for (int i = 0; i < max; i++) {
		const struct cmd_param *p = &params[i];
		struct arg *a = &c->args[i];
		const char *want = NULL;

		if (i >= c->args_n || a->kind == ARG_NONE) {
			if (!(p->flags & CMD_OPT))
				complain(c->line, "mandatory parameter omitted in", c->name);
			continue;
		}
		if ((p->flags & ~(CMD_INT | CMD_STR | CMD_VAR | CMD_OPT)) || (p->fixup && !(p->flags & CMD_VAR)))
			want = "a kind of parameter that the stand-in does not have, in";
		else if (p->flags & CMD_INT)
			want = a->kind == ARG_STR ? "expected an integer or variable in" : NULL;
		else if (p->flags & CMD_STR)
			want = a->kind == ARG_INT ? "expected a string or variable in" : NULL;
		else if (p->flags & CMD_VAR)
			want = a->kind != ARG_VAR ? "expected a variable in" : NULL;
		if (want) {
			complain(c->line, want, c->name);
			continue;
		}
		if (a->kind == ARG_STR && !a->format)
			a->format = format_of(a->s, c->line);
		if (p->flags & CMD_VAR)
			fix_var(c, i, p);
	}
}

static void bind_builtin(struct call *c, const struct builtin *b)
{
	int max = 0;

	c->builtin = b;
	while (max < BUILTIN_MAX_ARGS && b->kinds[max])
		max++;
	if (c->args_n < b->min || c->args_n > max) {
		complain(c->line, "wrong number of parameters for command", c->name);
		return;
	}
	for (int i = 0; i < c->args_n; i++) {
		struct arg *a = &c->args[i];
		if (a->kind == ARG_NONE && i >= b->min)
			continue;
		if (a->kind == ARG_NONE || (a->kind != ARG_VAR && (a->kind == ARG_INT) != (b->kinds[i] == CMD_INT)))
			complain(c->line, "a parameter of the wrong type for command", c->name);
		if (a->kind == ARG_STR && !a->format)
			a->format = format_of(a->s, c->line);
	}
}

static void bind_call(struct call *c)
{
	const struct builtin *b = cmds_find(c->name);

	if (b) {
		bind_builtin(c, b);
		return;
	}
	c->cmd = module_find_cmd(c->name);
	if (!c->cmd) {
		complain(c->line, "unknown command, missing loadmodule?", c->name);
		return;
	}
	if (!(c->cmd->flags & ROUTE_REQUEST))
		complain(c->line, "this command cannot be used in this kind of route:", c->name);
	bind_args(c, c->cmd->params);
}

static void bind_expr(struct expr *e)
{
	if (!e)
		return;
	if (e->kind == X_CALL)
		bind_call(e->call);
	if (e->kind == X_CMP && e->op == OP_MATCH && !e->regex) {
		e->regex = xcalloc(1, sizeof *e->regex);
		if (e->r->kind != X_STR ||
		    regcomp(e->regex, e->r->s.s, REG_EXTENDED | REG_ICASE | REG_NEWLINE | REG_NOSUB) != 0)
			complain(e->line, "no regular expression behind", "=~");
	}
	bind_expr(e->l);
	bind_expr(e->r);
}

static void bind_async(struct stmt *s)
{
	struct call *c = s->call;

	c->acmd = module_find_acmd(c->name);
	if (!c->acmd) {
		complain(s->line, "unknown async command", c->name);
		return;
	}
	if (!module_loaded("tm"))
		complain(s->line, "async statements need the module tm, for", c->name);
	bind_args(c, c->acmd->params);
}

static void bind_list(struct stmt *s)
{
	for (; s; s = s->next) {
		if (s->kind == S_CALL)
			bind_call(s->call);
		if (s->kind == S_ASYNC || s->kind == S_LAUNCH)
			bind_async(s);
		if (s->route_name && !(s->route = script_route(s->route_name)))
			complain(s->line, "no such route", s->route_name);
		bind_expr(s->expr);
		bind_list(s->body);
		bind_list(s->other);
	}
}

bool script_bind(bool with_fixups)
{
	ok = true;
	fixups = with_fixups;
	for (struct route *r = script.routes; r; r = r->next)
		bind_list(r->body);
	return ok;
}
