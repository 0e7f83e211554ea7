/*
 * db_sqlite.c - sqlite:///path: a value is a number if its column was declared as INT..., and text
 * otherwise, which covers the types in our tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <sqlite3.h>
#include <strings.h>

#include "db.h"

static struct db_con *sqlite_init(const str *url)
{
	char *path = db_url_path(url, "sqlite");
	sqlite3 *db = NULL;

	int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
	if (rc != SQLITE_OK)
		LOG_ERR("failed to open sqlite DB [%s]: %s\n", path, db ? sqlite3_errmsg(db) : "out of memory");
	free(path);
	if (rc != SQLITE_OK) {
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, 500);
	return db_con_new(url, db);
}

static void sqlite_close(struct db_con *con)
{
	if (!con)
		return;
	sqlite3_close((sqlite3 *)con->tail);
	free(con->url.s);
	free(con);
}

static int type_of(const char *decl)
{
	return decl && strncasecmp(decl, "int", 3) == 0 ? DB_INT : DB_STRING;
}

static void read_value(sqlite3_stmt *st, int col, struct db_val *v)
{
	if (sqlite3_column_type(st, col) == SQLITE_NULL)
		return;
	if (v->type == DB_INT) {
		v->nul = 0;
		/* The core's backend stores the wide number here as well. */
		v->val.ll = sqlite3_column_int64(st, col);
	} else {
		const char *s = (const char *)sqlite3_column_text(st, col);
		db_val_text(v, (str){(char *)s, s ? sqlite3_column_bytes(st, col) : 0});
	}
}

static int sqlite_query(const struct db_con *con, str *const *keys, const char *const *ops, const struct db_val *vals,
			str *const *cols, int n, int nc, str *order, struct db_res **res)
{
	sqlite3 *db = (sqlite3 *)con->tail;
	sqlite3_stmt *st = NULL;
	struct buf q = {0};
	int ret = -1, rc;

	*res = NULL;
	if (!db_is_simple(ops, vals, n, nc, order))
		return -1;
	buf_addz(&q, "select ");
	for (int i = 0; i < nc; i++)
		buf_addf(&q, "%s%.*s", i ? "," : "", FMT_STR(*cols[i]));
	buf_addf(&q, " from %.*s", FMT_STR(*con->table));
	for (int i = 0; i < n; i++)
		buf_addf(&q, " %s %.*s=?", i ? "and" : "where", FMT_STR(*keys[i]));
	rc = sqlite3_prepare_v2(db, q.s, (int)q.len, &st, NULL);
	for (int i = 0; rc == SQLITE_OK && i < n; i++)
		rc = sqlite3_bind_text(st, i + 1, vals[i].val.s.s, vals[i].val.s.len, SQLITE_TRANSIENT);
	if (rc == SQLITE_OK) {
		int columns = sqlite3_column_count(st);
		struct db_res *r = db_res_new(columns);
		for (int i = 0; i < columns; i++)
			db_res_name(r, i, str_of(sqlite3_column_name(st, i)), type_of(sqlite3_column_decltype(st, i)));
		while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
			struct db_row *row = db_res_add(r);
			for (int i = 0; i < columns; i++)
				read_value(st, i, &row->values[i]);
		}
		if (rc == SQLITE_DONE) {
			*res = r;
			ret = 0;
		} else {
			db_free_result(NULL, r);
		}
	}
	if (ret != 0)
		LOG_ERR("query failed: %s\n", sqlite3_errmsg(db));
	sqlite3_finalize(st);
	buf_free(&q);
	return ret;
}

const struct db_backend db_sqlite_backend = {"sqlite", sqlite_init, sqlite_close, sqlite_query};
