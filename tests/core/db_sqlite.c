/*
 * db_sqlite.c - sqlite:///path: values by the declared type of their column, as db_sqlite hands
 * them out.
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
	static const struct {
		const char *prefix;
		int type;
	} types[] = {
		{"bigi", DB_BIGINT}, {"char", DB_STRING},  {"varc", DB_STRING}, {"vary", DB_STRING}, {"ncha", DB_STRING},
		{"nati", DB_STRING}, {"nvar", DB_STRING},  {"text", DB_STRING}, {"clob", DB_STRING}, {"blob", DB_BLOB},
		{"real", DB_DOUBLE}, {"doub", DB_DOUBLE},  {"floa", DB_DOUBLE}, {"date", DB_DATETIME}, {"int", DB_INT},
		{"tiny", DB_INT},    {"smal", DB_INT},	   {"medi", DB_INT},	{"unsi", DB_INT},     {"nume", DB_INT},
		{"bool", DB_INT},    {"deci", DB_INT},
	};
	for (size_t i = 0; decl && i < COUNT_OF(types); i++)
		if (strncasecmp(decl, types[i].prefix, strlen(types[i].prefix)) == 0)
			return types[i].type;
	return DB_STRING;
}

static int bind_value(sqlite3_stmt *st, int i, const struct db_val *v)
{
	if (v->nul)
		return sqlite3_bind_null(st, i);
	switch (v->type) {
	case DB_INT:
		return sqlite3_bind_int(st, i, v->val.i);
	case DB_BIGINT:
		return sqlite3_bind_int64(st, i, v->val.ll);
	case DB_DOUBLE:
		return sqlite3_bind_double(st, i, v->val.d);
	case DB_STRING:
		return sqlite3_bind_text(st, i, v->val.z, -1, SQLITE_TRANSIENT);
	case DB_STR:
		return sqlite3_bind_text(st, i, v->val.s.s, v->val.s.len, SQLITE_TRANSIENT);
	case DB_BLOB:
		return sqlite3_bind_blob(st, i, v->val.s.s, v->val.s.len, SQLITE_TRANSIENT);
	case DB_DATETIME:
		return sqlite3_bind_int64(st, i, v->val.t);
	default:
		return sqlite3_bind_int64(st, i, (sqlite3_int64)v->val.bits);
	}
}

static void read_value(sqlite3_stmt *st, int col, struct db_val *v)
{
	if (sqlite3_column_type(st, col) == SQLITE_NULL)
		return;
	v->nul = 0;
	switch (v->type) {
	case DB_INT:
		/* The core's backend stores the wide number here as well. */
		v->val.ll = sqlite3_column_int64(st, col);
		break;
	case DB_BIGINT:
		v->val.ll = sqlite3_column_int64(st, col);
		break;
	case DB_DOUBLE:
		v->val.d = sqlite3_column_double(st, col);
		break;
	case DB_DATETIME:
		v->val.t = (long)sqlite3_column_int64(st, col);
		break;
	default: {
		const char *s = v->type == DB_BLOB ? sqlite3_column_blob(st, col)
						   : (const char *)sqlite3_column_text(st, col);
		db_val_text(v, v->type, (str){(char *)s, s ? sqlite3_column_bytes(st, col) : 0});
	}
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
	if (!con->table) {
		LOG_ERR("no table was chosen\n");
		return -1;
	}
	buf_addz(&q, "select ");
	for (int i = 0; i < nc && cols; i++)
		buf_addf(&q, "%s%.*s", i ? "," : "", FMT_STR(*cols[i]));
	if (!cols || !nc)
		buf_addz(&q, "*");
	buf_addf(&q, " from %.*s", FMT_STR(*con->table));
	for (int i = 0; i < n; i++)
		buf_addf(&q, "%s%.*s%s?", i ? (con->flags & 2 ? " OR " : " AND ") : " where ", FMT_STR(*keys[i]),
			 ops && ops[i] ? ops[i] : "=");
	if (order)
		buf_addf(&q, " order by %.*s", FMT_STR(*order));
	rc = sqlite3_prepare_v2(db, q.s, (int)q.len, &st, NULL);
	for (int i = 0; rc == SQLITE_OK && i < n; i++)
		rc = bind_value(st, i + 1, &vals[i]);
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
