/*
 * script.h - the configuration as a tree: global parameters, module loads, and routes made of
 * statements and expressions. parser.c builds it, bind.c ties calls to functions, run.c runs it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_SCRIPT_H
#define STANDIN_SCRIPT_H

#include <regex.h>

#include "abi.h"
#include "pvar.h"

struct expr;
struct stmt;
struct builtin;

enum arg_kind { ARG_NONE, ARG_INT, ARG_STR, ARG_VAR };

struct arg {
	enum arg_kind kind;
	int n;
	str s;
	struct pv_spec *var;

	struct pv_elem *format; /* of an ARG_STR containing variables; made by bind.c */
};

struct call {
	char *name;
	struct arg args[CMD_MAX_PARAMS];
	int args_n;
	int line;
	/* One of these after binding. */
	const struct builtin *builtin;
	const struct cmd_export *cmd;
	const struct acmd_export *acmd;
};

enum expr_kind {
	X_INT,
	X_STR,
	X_NULL,
	X_VAR,
	X_CALL,
	X_NOT,
	X_AND,
	X_OR,
	X_CMP,
	X_ARITH,
};

enum expr_op { OP_EQ, OP_NE, OP_LT, OP_GT, OP_MATCH, OP_PLUS, OP_MINUS };

struct expr {
	enum expr_kind kind;
	enum expr_op op;
	struct expr *l, *r;
	int n;
	str s;
	struct pv_spec *var;
	struct call *call;
	regex_t *regex; /* OP_MATCH; made by bind.c */
	int line;
};

enum stmt_kind {
	S_CALL,
	S_ASSIGN,
	S_IF,
	S_WHILE,
	S_ROUTE,
	S_ASYNC,
	S_LAUNCH,
	S_XLOG,
	S_EXIT,
};

struct route;

struct stmt {
	enum stmt_kind kind;
	int line;
	struct call *call;
	struct expr *expr;       /* condition, right side */
	struct pv_spec *var;     /* left side */
	struct stmt *body, *other;
	char *route_name;        /* S_ROUTE, S_ASYNC, S_LAUNCH */
	struct route *route;
	unsigned int timeout;    /* S_ASYNC, seconds */
	int level;               /* S_XLOG */
	struct pv_elem *format;  /* S_XLOG */
	struct stmt *next;
};

struct route {
	char *name; /* "0" for the one where requests begin */
	struct stmt *body;
	struct route *next;
};

struct script {
	const char *file;
	struct route *routes;
	int udp_workers;
};

extern struct script script;

/*
 * Reads the file. Sockets are opened and modules loaded as their lines are read. False after an
 * error, which was logged.
 */
bool script_parse(const char *file);
struct route *script_route(const char *name);

/* bind.c: resolves all called functions and routes, and runs the modules' fixups. */
bool script_bind(bool with_fixups);

#endif
