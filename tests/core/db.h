/*
 * db.h - the database interface: backends by URL scheme, and results.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_DB_H
#define STANDIN_DB_H

#include "abi.h"

struct db_backend {
	const char *scheme; /* "sqlite" of "sqlite:///tmp/x.db"; its module is db_<scheme> */
	struct db_con *(*init)(const str *url);
	void (*close)(struct db_con *);
	db_query_fn query;
};

extern const struct db_backend db_sqlite_backend, db_text_backend;

/* ABI functions. */
int db_bind_mod(const str *mod, struct db_func *out);

/* For backends. */
enum { DB_MAX_KEYS = 2 };
/* Is this the only supported kind of query: columns of all rows, or those where one column or two are a text? */
bool db_is_simple(const char *const *ops, const struct db_val *vals, int n, int nc, const str *order);
struct db_con *db_con_new(const str *url, void *tail);
/* The part of the URL after the scheme, as a path. */
char *db_url_path(const str *url, const char *scheme);
struct db_res *db_res_new(int columns);
void db_res_name(struct db_res *r, int column, str name, int type);
/* Adds a row of NULLs and returns it. */
struct db_row *db_res_add(struct db_res *r);
int db_free_result(struct db_con *con, struct db_res *r);
/* A DB_STRING that the result owns. */
void db_val_text(struct db_val *v, str s);

#endif
