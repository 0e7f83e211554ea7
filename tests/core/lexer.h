/*
 * lexer.h - cuts a script into tokens.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_LEXER_H
#define STANDIN_LEXER_H

#include "base.h"

enum token {
	T_END,
	T_IDENT,
	T_INT,
	T_STRING,
	T_VAR,   /* a whole pseudo-variable, including the dollar */
	T_PUNCT, /* one of the operators below, or a single character */
	T_BAD,
};

struct lexer {
	const char *file;
	const char *p, *end;
	int line;
	/* The current token. */
	enum token tok;
	int tok_line;
	str text; /* T_STRING: the value, unescaped */
	long n;
	char op[4];
};

void lexer_init(struct lexer *lx, const char *file, const char *text, size_t len);
/* Advances to the next token. */
void lexer_next(struct lexer *lx);
/* The rest of the current line after the current token, without comment. */
str lexer_rest_of_line(struct lexer *lx);

#endif
