/*
 * parser.h - what the parts of the parser share: the token at hand, and one function for each thing
 * of the grammar. After an error every function returns at once with something harmless.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_PARSER_H
#define STANDIN_PARSER_H

#include "lexer.h"
#include "script.h"

extern struct lexer lx;
extern bool parse_failed;

/* Logs the first error with its line; all tokens are used up from then on. */
void fail(const char *what);
void next_token(void);
/* Is this operator, or this word, the token at hand? */
bool at(const char *op);
bool at_word(const char *word);
/* Takes the operator if it is at hand. */
bool accept_op(const char *op);
/* Takes the operator, or fails. */
void expect(const char *op);
struct pv_spec *take_var(void);
int signed_number(void);
str take_string(void);
/* A name: a word or a string. */
char *take_name(void);

/* parse_expr.c */
struct expr *parse_expr(void);
struct expr *new_expr(enum expr_kind kind, struct expr *l, struct expr *r);
/* The arguments behind a function's name. */
struct call *parse_call(str name, int line);

/* parse_stmt.c */
/* The statements up to the closing brace, which is taken too. */
struct stmt *parse_block(void);

#endif
