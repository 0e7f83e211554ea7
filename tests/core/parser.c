/*
 * parser.c - the current token, and the small steps that every part of the parser takes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "parser.h"

#include <stdio.h>

struct lexer lx;
bool parse_failed;

void fail(const char *what)
{
	if (!parse_failed)
		LOG_CRIT("parse error in %s:%d: %s\n", lx.file, lx.tok_line, what);
	parse_failed = true;
	lx.tok = T_END;
	lx.p = lx.end;
}

void next_token(void)
{
	lexer_next(&lx);
	if (lx.tok == T_BAD)
		fail("a string, number or variable that does not end as it should");
}

bool at(const char *op)
{
	return lx.tok == T_PUNCT && strcmp(lx.op, op) == 0;
}

bool at_word(const char *word)
{
	return lx.tok == T_IDENT && str_is(lx.text, word);
}

bool accept_op(const char *op)
{
	if (!at(op))
		return false;
	next_token();
	return true;
}

void expect(const char *op)
{
	char msg[64];
	if (!accept_op(op)) {
		snprintf(msg, sizeof msg, "expected '%s'", op);
		fail(msg);
	}
}

struct pv_spec *take_var(void)
{
	struct pv_spec *sp = xcalloc(1, sizeof *sp);
	char *end = pv_parse_spec(&lx.text, sp);
	if (!end || end != lx.text.s + lx.text.len)
		fail("not a variable");
	next_token();
	return sp;
}

int signed_number(void)
{
	bool neg = accept_op("-");
	long n = lx.n;
	if (lx.tok != T_INT) {
		fail("expected a number");
		return 0;
	}
	if (n > INT32_MAX)
		fail("a number that is too large");
	next_token();
	return (int)(neg ? -n : n);
}

str take_string(void)
{
	str s = lx.text;
	if (lx.tok != T_STRING) {
		fail("expected a string");
		return STR("");
	}
	next_token();
	return s;
}

char *take_name(void)
{
	char *name = lx.text.s;
	if (lx.tok != T_IDENT && lx.tok != T_STRING) {
		fail("expected a name");
		return "";
	}
	next_token();
	return name;
}
