/*
 * parse_stmt.c - statements.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "parser.h"

/* ---- statements ---- */

static struct stmt *parse_stmt(void);

struct stmt *parse_block(void)
{
	struct stmt *first = NULL, **tail = &first;
	while (!parse_failed && !at("}")) {
		if (lx.tok == T_END) {
			fail("a block is not closed");
			break;
		}
		struct stmt *s = parse_stmt();
		if (s) {
			*tail = s;
			tail = &s->next;
		}
	}
	expect("}");
	return first;
}

static struct stmt *new_stmt(enum stmt_kind kind, int line)
{
	struct stmt *s = xcalloc(1, sizeof *s);
	s->kind = kind;
	s->line = line;
	return s;
}

/* A block, or a single statement as one. */
static struct stmt *parse_body(void)
{
	if (accept_op("{"))
		return parse_block();
	return parse_stmt();
}

static struct stmt *parse_route_call(int line)
{
	struct stmt *s = new_stmt(S_ROUTE, line);
	next_token();
	expect("(");
	s->route_name = take_name();
	expect(")");
	expect(";");
	return s;
}

static struct stmt *parse_async(bool launch, int line)
{
	struct stmt *s = new_stmt(launch ? S_LAUNCH : S_ASYNC, line);

	next_token();
	expect("(");
	if (lx.tok != T_IDENT) {
		fail("async() takes a function");
		return s;
	}
	str name = lx.text;
	int at_line = lx.tok_line;
	next_token();
	s->call = parse_call(name, at_line);
	expect(",");
	s->route_name = take_name();
	if (accept_op(","))
		s->timeout = (unsigned)signed_number();
	expect(")");
	expect(";");
	return s;
}

static const struct {
	const char *name;
	int level;
} level_names[] = {{"L_ALERT", L_ALERT},   {"L_CRIT", L_CRIT}, {"L_ERR", L_ERR}, {"L_WARN", L_WARN},
		   {"L_NOTICE", L_NOTICE}, {"L_INFO", L_INFO}, {"L_DBG", L_DBG}};

static struct stmt *parse_xlog(int line)
{
	struct stmt *s = new_stmt(S_XLOG, line);

	s->level = L_NOTICE;
	next_token();
	expect("(");
	str text = take_string();
	/* With two arguments the first one is the level. */
	for (size_t i = 0; i < COUNT_OF(level_names); i++)
		if (at(",") && str_is(text, level_names[i].name)) {
			s->level = level_names[i].level;
			next_token();
			text = take_string();
			break;
		}
	expect(")");
	expect(";");
	if (!parse_failed && pv_parse_format(&text, &s->format) != 0)
		fail("the text of xlog() holds a bad variable");
	return s;
}

static struct stmt *parse_assign(int line)
{
	struct stmt *s = new_stmt(S_ASSIGN, line);
	s->var = take_var();
	if (!parse_failed && !s->var->setf)
		fail("a variable that can not be written");
	expect("=");
	s->expr = parse_expr();
	expect(";");
	return s;
}

static struct stmt *parse_stmt(void)
{
	int line = lx.tok_line;
	struct stmt *s;

	if (lx.tok == T_VAR)
		return parse_assign(line);
	if (lx.tok != T_IDENT) {
		fail("expected a statement");
		return NULL;
	}
	if (at_word("if") || at_word("while")) {
		s = new_stmt(at_word("if") ? S_IF : S_WHILE, line);
		next_token();
		expect("(");
		s->expr = parse_expr();
		expect(")");
		s->body = parse_body();
		if (s->kind == S_IF && at_word("else")) {
			next_token();
			s->other = parse_body();
		}
		return s;
	}
	if (at_word("route"))
		return parse_route_call(line);
	if (at_word("async") || at_word("launch"))
		return parse_async(at_word("launch"), line);
	if (at_word("xlog"))
		return parse_xlog(line);
	/* For a request that is not relayed, drop is the same as exit. */
	if (at_word("exit") || at_word("drop")) {
		next_token();
		expect(";");
		return new_stmt(S_EXIT, line);
	}
	str name = lx.text;
	next_token();
	s = new_stmt(S_CALL, line);
	s->call = parse_call(name, line);
	expect(";");
	return s;
}
