/*
 * parser.h - shared by the parts of the parser: the current token, and one function for each
 * grammar rule. After an error every function returns at once with something harmless.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_PARSER_H
#define STANDIN_PARSER_H

#include "lexer.h"
#include "script.h"

extern struct lexer lx;
extern bool parse_failed;

/* Logs the first error with its line; from then on there are no more tokens. */
void fail(const char *what);
void next_token(void);
/* Is this operator, or this word, the current token? */
bool at(const char *op);
bool at_word(const char *word);
/* Consumes the operator if it is the current token. */
bool accept_op(const char *op);
/* Consumes the operator, or fails. */
void expect(const char *op);
struct pv_spec *take_var(void);
int signed_number(void);
str take_string(void);
/* A name: a word or a string. */
char *take_name(void);

/* parse_expr.c */
struct expr *parse_expr(void);
struct expr *new_expr(enum expr_kind kind, struct expr *l, struct expr *r);
/* The arguments after a function's name. */
struct call *parse_call(str name, int line);

/* parse_stmt.c */
/* The statements up to the closing brace, which is consumed too. */
struct stmt *parse_block(void);

#endif
