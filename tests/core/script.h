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

	/* Filled in by bind.c: what is handed over, or what it is made from on each call. */
	struct pv_elem *format; /* ARG_STR with variables in it */
	void *fixed;            /* what a fixup made of a constant */
	bool has_fixed;
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
	X_ROUTE,
};

enum expr_op { OP_EQ, OP_NE, OP_LT, OP_GT, OP_LE, OP_GE, OP_MATCH, OP_NOMATCH, OP_SHL, OP_SHR };

struct expr {
	enum expr_kind kind;
	int op; /* expr_op, or for X_ARITH its character */
	struct expr *l, *r;
	int n;
	str s;
	struct pv_spec *var;
	struct call *call;
	struct stmt *route; /* X_ROUTE */
	regex_t *regex;
	int line;
};

enum stmt_kind {
	S_CALL,
	S_ASSIGN,
	S_IF,
	S_WHILE,
	S_FOR,
	S_SWITCH,
	S_ROUTE,
	S_ASYNC,
	S_LAUNCH,
	S_XLOG,
	S_EXIT,
	S_DROP,
	S_RETURN,
	S_BREAK,
	S_BLOCK,
};

struct switch_case {
	bool is_default;
	bool is_int;
	int n;
	str s;
	struct stmt *body;
	struct switch_case *next;
};

struct route;

struct stmt {
	enum stmt_kind kind;
	int line;
	struct call *call;
	struct expr *expr;       /* condition, right side, return value */
	struct pv_spec *var;     /* left side, switch variable */
	char op;                 /* '=' ':' '+' '-' ... of an assignment */
	struct stmt *body, *other;
	struct switch_case *cases;
	char *route_name;        /* S_ROUTE, S_ASYNC, S_LAUNCH */
	struct route *route;
	unsigned int timeout;    /* S_ASYNC, seconds */
	struct expr **route_args;
	int route_args_n;
	int level;               /* S_XLOG */
	struct pv_elem *format;  /* S_XLOG */
	struct stmt *next;
};

struct route {
	int type; /* ROUTE_... */
	char *name; /* "0" for the one that requests begin in */
	unsigned int interval; /* timer_route, seconds */
	struct stmt *body;
	struct route *next;
};

struct script {
	const char *file;
	struct route *routes;
	int udp_workers, tcp_workers;
	bool async_used;
};

extern struct script script;

/*
 * Reads the file. Sockets are opened and modules loaded as their lines come by. False after an
 * error, which was logged.
 */
bool script_parse(const char *file);
struct route *script_route(int type, const char *name);

/* bind.c: finds every function and route that is called, and runs the fixups of modules. */
bool script_bind(bool with_fixups);

#endif
