/*
 * parse_expr.c - calls and expressions, by recursive descent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "parser.h"

/* ---- calls ---- */

static void parse_args(struct call *c)
{
	expect("(");
	if (accept_op(")"))
		return;
	do {
		if (c->args_n == CMD_MAX_PARAMS) {
			fail("too many arguments");
			return;
		}
		struct arg *a = &c->args[c->args_n++];
		if (lx.tok == T_STRING) {
			a->kind = ARG_STR;
			a->s = lx.text;
			next_token();
		} else if (lx.tok == T_VAR) {
			a->kind = ARG_VAR;
			a->var = take_var();
		} else if (lx.tok == T_INT || at("-")) {
			a->kind = ARG_INT;
			a->n = signed_number();
		} else if (at(",") || at(")")) {
			a->kind = ARG_NONE;
		} else {
			fail("expected a string, a number or a variable as argument");
		}
	} while (accept_op(","));
	expect(")");
}

struct call *parse_call(str name, int line)
{
	struct call *c = xcalloc(1, sizeof *c);
	c->name = name.s;
	c->line = line;
	parse_args(c);
	return c;
}

/* ---- expressions ---- */

struct expr *new_expr(enum expr_kind kind, struct expr *l, struct expr *r)
{
	struct expr *e = xcalloc(1, sizeof *e);
	e->kind = kind;
	e->l = l;
	e->r = r;
	e->line = lx.tok_line;
	return e;
}

static struct expr *parse_primary(void)
{
	struct expr *e = new_expr(X_NULL, NULL, NULL);
	if (lx.tok == T_INT || at("-")) {
		e->kind = X_INT;
		e->n = signed_number();
	} else if (lx.tok == T_STRING) {
		e->kind = X_STR;
		e->s = lx.text;
		next_token();
	} else if (lx.tok == T_VAR) {
		e->kind = X_VAR;
		e->var = take_var();
	} else if (lx.tok == T_IDENT) {
		str name = lx.text;
		int line = lx.tok_line;
		if (str_iis(name, "null")) {
			next_token();
		} else {
			next_token();
			e->kind = X_CALL;
			e->call = parse_call(name, line);
		}
	} else {
		fail("expected an expression");
	}
	return e;
}

static struct expr *parse_unary(void)
{
	if (at("!")) {
		next_token();
		return new_expr(X_NOT, parse_unary(), NULL);
	}
	return parse_primary();
}

/*
 * Binary operators, the loosest first. This language has few levels: && binds like ||, each from
 * left to right.
 */
static const struct level {
	struct {
		const char *text;
		enum expr_kind kind;
		int op;
	} ops[5];
} levels[] = {
	{{{"||", X_OR, 0}, {"&&", X_AND, 0}}},
	{{{"==", X_CMP, OP_EQ},
	  {"!=", X_CMP, OP_NE},
	  {"=~", X_CMP, OP_MATCH},
	  {"<", X_CMP, OP_LT},
	  {">", X_CMP, OP_GT}}},
	{{{"+", X_ARITH, OP_PLUS}, {"-", X_ARITH, OP_MINUS}}},
};

static struct expr *parse_level(size_t level)
{
	if (level == COUNT_OF(levels))
		return parse_unary();
	struct expr *l = parse_level(level + 1);
	for (;;) {
		size_t i = 0;
		while (i < COUNT_OF(levels[level].ops) && levels[level].ops[i].text &&
		       !at(levels[level].ops[i].text))
			i++;
		if (i == COUNT_OF(levels[level].ops) || !levels[level].ops[i].text)
			return l;
		next_token();
		struct expr *e = new_expr(levels[level].ops[i].kind, l, NULL);
		e->op = levels[level].ops[i].op;
		e->r = parse_level(level + 1);
		l = e;
	}
}

struct expr *parse_expr(void)
{
	return parse_level(0);
}
