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

struct stmt *parse_route_call(int line)
{
	struct stmt *s = new_stmt(S_ROUTE, line);
	next_token();
	expect("(");
	s->route_name = take_name();
	while (accept_op(",")) {
		s->route_args = xrealloc(s->route_args, (size_t)(s->route_args_n + 1) * sizeof *s->route_args);
		s->route_args[s->route_args_n++] = parse_expr();
	}
	expect(")");
	return s;
}

static struct stmt *parse_switch(int line)
{
	struct stmt *s = new_stmt(S_SWITCH, line);
	struct switch_case **tail = &s->cases;

	next_token();
	expect("(");
	if (lx.tok != T_VAR) {
		fail("switch() takes a variable");
		return s;
	}
	s->var = take_var();
	expect(")");
	expect("{");
	while (!parse_failed && !at("}")) {
		struct switch_case *c = xcalloc(1, sizeof *c);
		if (at_word("case")) {
			next_token();
			if (lx.tok == T_STRING) {
				c->s = lx.text;
				next_token();
			} else {
				c->is_int = true;
				c->n = signed_number();
			}
		} else if (at_word("default")) {
			c->is_default = true;
			next_token();
		} else {
			fail("expected 'case' or 'default'");
		}
		expect(":");
		struct stmt **body = &c->body;
		while (!parse_failed && !at("}") && !at_word("case") && !at_word("default")) {
			struct stmt *one = parse_stmt();
			if (one) {
				*body = one;
				body = &one->next;
			}
		}
		*tail = c;
		tail = &c->next;
	}
	expect("}");
	return s;
}

static struct stmt *parse_async(bool launch, int line)
{
	struct stmt *s = new_stmt(launch ? S_LAUNCH : S_ASYNC, line);

	script.async_used = true;
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
	if (!launch || at(",")) {
		expect(",");
		s->route_name = take_name();
		if (accept_op(","))
			s->timeout = (unsigned)signed_number();
	}
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
	str text = STR_NONE;

	s->level = L_NOTICE;
	next_token();
	expect("(");
	/* A level may be written as a word or as a string. */
	if (lx.tok == T_IDENT || lx.tok == T_STRING) {
		size_t i = 0;
		while (i < COUNT_OF(level_names) && !str_is(lx.text, level_names[i].name))
			i++;
		bool level = i < COUNT_OF(level_names);
		if (level)
			s->level = level_names[i].level;
		else if (lx.tok == T_IDENT)
			fail("not a level of xlog()");
		text = lx.text;
		next_token();
		if (level && accept_op(",")) {
			text = lx.text;
			if (lx.tok != T_STRING)
				fail("xlog() takes a string");
			next_token();
		}
	} else {
		fail("xlog() takes a string");
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
	if (lx.tok == T_PUNCT && (strcmp(lx.op, "=") == 0 || (lx.op[0] && lx.op[1] == '=' && !strchr("=!<>", lx.op[0]))))
		s->op = lx.op[0];
	else
		fail("expected an assignment");
	next_token();
	s->expr = parse_expr();
	expect(";");
	return s;
}

static struct stmt *parse_stmt(void)
{
	int line = lx.tok_line;
	struct stmt *s;

	if (accept_op(";"))
		return NULL;
	if (accept_op("{")) {
		s = new_stmt(S_BLOCK, line);
		s->body = parse_block();
		return s;
	}
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
	if (at_word("for")) {
		s = new_stmt(S_FOR, line);
		next_token();
		expect("(");
		s->var = take_var();
		if (!at_word("in"))
			fail("expected 'in'");
		next_token();
		s->expr = new_expr(X_VAR, NULL, NULL);
		s->expr->var = take_var();
		expect(")");
		s->body = parse_body();
		return s;
	}
	if (at_word("switch"))
		return parse_switch(line);
	if (at_word("route")) {
		s = parse_route_call(line);
		expect(";");
		return s;
	}
	if (at_word("async") || at_word("launch"))
		return parse_async(at_word("launch"), line);
	if (at_word("xlog"))
		return parse_xlog(line);
	if (at_word("exit") || at_word("drop") || at_word("break") || at_word("return")) {
		s = new_stmt(at_word("exit")	? S_EXIT
			     : at_word("drop")	? S_DROP
			     : at_word("break") ? S_BREAK
						: S_RETURN,
			     line);
		next_token();
		if (accept_op("(")) {
			if (s->kind == S_RETURN && !at(")"))
				s->expr = parse_expr();
			expect(")");
		}
		expect(";");
		return s;
	}
	str name = lx.text;
	next_token();
	s = new_stmt(S_CALL, line);
	s->call = parse_call(name, line);
	expect(";");
	return s;
}
