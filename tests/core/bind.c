/*
 * bind.c - ties the tree of a script together: calls to functions, their arguments to what the
 * functions take, route names to routes.
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

/* Turns text that holds variables into a format; plain text stays as it is. */
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

/* The constant arguments get their fixup once, here; the others on each call. */
static void fix_constant(struct call *c, int i, const struct cmd_param *p, void *value)
{
	struct arg *a = &c->args[i];
	char msg[64];

	if (!p->fixup || !fixups)
		return;
	void *h = value;
	if (p->fixup(&h) < 0) {
		snprintf(msg, sizeof msg, "Fixup failed for param [%d] of", i + 1);
		complain(c->line, msg, c->name);
		return;
	}
	/* A fixup may leave its argument as it is, to be handed over anew on each call. */
	if (h != value || (p->flags & CMD_VAR)) {
		a->fixed = h;
		a->has_fixed = true;
	}
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
			else if (p->flags & CMD_FIX_NULL)
				fix_constant(c, i, p, NULL);
			continue;
		}
		if (a->kind == ARG_VAR && (p->flags & CMD_STATIC))
			want = "this parameter takes no variables, in";
		else if (p->flags & CMD_INT)
			want = a->kind == ARG_STR ? "expected an integer or variable in" : NULL;
		else if (p->flags & (CMD_STR | CMD_REGEX))
			want = a->kind == ARG_INT ? "expected a string or variable in" : NULL;
		else if (p->flags & CMD_VAR)
			want = a->kind != ARG_VAR ? "expected a variable in" : NULL;
		if (want) {
			complain(c->line, want, c->name);
			continue;
		}
		if ((p->flags & CMD_STR) && a->kind == ARG_STR && !(p->flags & CMD_NO_EXPAND) && !a->format) {
			a->format = format_of(a->s, c->line);
			if (a->format && (p->flags & CMD_STATIC))
				complain(c->line, "this parameter takes no formatted strings, in", c->name);
		}
		if (p->flags & CMD_VAR)
			fix_constant(c, i, p, a->var);
		else if (a->kind == ARG_STR && !a->format && (p->flags & CMD_STR))
			fix_constant(c, i, p, &a->s);
		else if (a->kind == ARG_INT)
			fix_constant(c, i, p, &a->n);
	}
}

static void bind_builtin(struct call *c, const struct builtin *b)
{
	c->builtin = b;
	if (c->args_n < b->min || c->args_n > b->max)
		complain(c->line, "wrong number of parameters for command", c->name);
	for (int i = 0; i < c->args_n; i++)
		if (c->args[i].kind == ARG_STR && !c->args[i].format)
			c->args[i].format = format_of(c->args[i].s, c->line);
}

static void bind_call(struct call *c, int route_type)
{
	const struct builtin *b = cmds_find(c->name);

	if (b) {
		if (b->routes && !(b->routes & route_type))
			complain(c->line, "this command cannot be used in this kind of route:", c->name);
		bind_builtin(c, b);
		return;
	}
	c->cmd = module_find_cmd(c->name);
	if (!c->cmd) {
		complain(c->line, "unknown command, missing loadmodule?", c->name);
		return;
	}
	if (!(c->cmd->flags & route_type))
		complain(c->line, "this command cannot be used in this kind of route:", c->name);
	bind_args(c, c->cmd->params);
}

static void bind_list(struct stmt *s, int route_type);
static void bind_stmt(struct stmt *s, int route_type);

static void bind_expr(struct expr *e, int route_type)
{
	if (!e)
		return;
	if (e->kind == X_CALL)
		bind_call(e->call, route_type);
	if (e->kind == X_ROUTE)
		bind_stmt(e->route, route_type);
	if (e->kind == X_CMP && (e->op == OP_MATCH || e->op == OP_NOMATCH) && e->r->kind == X_STR && !e->regex) {
		e->regex = xcalloc(1, sizeof *e->regex);
		if (regcomp(e->regex, e->r->s.s, REG_EXTENDED | REG_ICASE | REG_NEWLINE | REG_NOSUB) != 0)
			complain(e->line, "a bad regular expression", e->r->s.s);
	}
	bind_expr(e->l, route_type);
	bind_expr(e->r, route_type);
}

static struct route *resume_route(const char *name)
{
	return script_route(ROUTE_REQUEST, name);
}

static void bind_async(struct stmt *s)
{
	struct call *c = s->call;

	c->acmd = cmds_find_async(c->name);
	if (!c->acmd)
		c->acmd = module_find_acmd(c->name);
	if (!c->acmd) {
		complain(s->line, "unknown async command", c->name);
		return;
	}
	if (!module_loaded("tm"))
		complain(s->line, "async statements need the module tm, for", c->name);
	bind_args(c, c->acmd->params);
}

static void bind_stmt(struct stmt *s, int route_type)
{
	if (s->kind == S_CALL)
		bind_call(s->call, route_type);
	if (s->kind == S_ASYNC || s->kind == S_LAUNCH)
		bind_async(s);
	if (s->route_name) {
		s->route = resume_route(s->route_name);
		if (!s->route)
			complain(s->line, "no such route", s->route_name);
	}
	for (int i = 0; i < s->route_args_n; i++)
		bind_expr(s->route_args[i], route_type);
	bind_expr(s->expr, route_type);
	bind_list(s->body, route_type);
	bind_list(s->other, route_type);
	for (struct switch_case *c = s->cases; c; c = c->next)
		bind_list(c->body, route_type);
}

static void bind_list(struct stmt *s, int route_type)
{
	for (; s; s = s->next)
		bind_stmt(s, route_type);
}

bool script_bind(bool with_fixups)
{
	ok = true;
	fixups = with_fixups;
	for (struct route *r = script.routes; r; r = r->next)
		bind_list(r->body, r->type);
	return ok;
}
