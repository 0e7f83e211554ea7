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

extern const struct db_backend db_sqlite_backend, db_text_backend, db_fault_backend;

extern char *db_version_table, *db_default_url;

/* ABI functions. */
int db_bind_mod(const str *mod, struct db_func *out);
int db_use_table(struct db_con *con, const str *table);
int db_table_version(const struct db_func *f, struct db_con *con, const str *table);
int db_check_table_version(struct db_func *f, struct db_con *con, const str *table, unsigned int version);

/* For backends. */
struct db_con *db_con_new(const str *url, void *tail);
/* The part of the URL behind the scheme, as a path. */
char *db_url_path(const str *url, const char *scheme);
struct db_res *db_res_new(int columns);
void db_res_name(struct db_res *r, int column, str name, int type);
/* Adds a row of NULLs and returns it. */
struct db_row *db_res_add(struct db_res *r);
int db_free_result(struct db_con *con, struct db_res *r);
/* A string value that the result owns, with a zero behind it, as DB_STRING, DB_STR or DB_BLOB. */
void db_val_text(struct db_val *v, int type, str s);

#endif
