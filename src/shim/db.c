/*
 * SQL databases through the core's DB API, using only query, so that every driver will do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 64
#define MAX_KEYS 2

struct aw_db {
	osips_db_func functions;
};

aw_db *aw_db_bind(aw_str url)
{
	osips_str in = osips_of(url);
	aw_db *db = calloc(1, sizeof *db);

	if (!db)
		return NULL;
	if (db_bind_mod(&in, &db->functions) < 0 || !db->functions.init || !db->functions.query
			|| !db->functions.use_table || !db->functions.free_result) {
		free(db);
		return NULL;
	}
	return db;
}

void *aw_db_open(aw_db *db, aw_str url)
{
	osips_str in = osips_of(url);

	return db->functions.init(&in);
}

void aw_db_close(aw_db *db, void *con)
{
	if (con && db->functions.close)
		db->functions.close(con);
}

int aw_db_query(aw_db *db, void *con, aw_str table, const aw_str *columns, int n_columns,
	const aw_str *keys, const aw_str *key_values, int n_keys, void **result)
{
	osips_str names[MAX_COLUMNS], *pointers[MAX_COLUMNS];
	/* Drivers keep the pointer to the table's name in the connection. */
	static osips_str table_name;
	osips_str key_names[MAX_KEYS], *key_pointers[MAX_KEYS];
	const char *ops[MAX_KEYS];
	osips_db_val values[MAX_KEYS];
	osips_db_res *rows = NULL;
	int i;

	*result = NULL;
	if (!con || n_columns <= 0 || n_columns > MAX_COLUMNS || n_keys < 0 || n_keys > MAX_KEYS)
		return -1;
	for (i = 0; i < n_columns; i++) {
		names[i] = osips_of(columns[i]);
		pointers[i] = &names[i];
	}
	memset(values, 0, sizeof values);
	for (i = 0; i < n_keys; i++) {
		key_names[i] = osips_of(keys[i]);
		key_pointers[i] = &key_names[i];
		ops[i] = "=";
		values[i].type = OSIPS_DB_STR;
		values[i].val.str_val = osips_of(key_values[i]);
		if (!values[i].val.str_val.s)
			values[i].val.str_val.s = (char *)"";
	}
	table_name = osips_of(table);
	if (db->functions.use_table(con, &table_name) < 0)
		return -1;
	if (db->functions.query(con, n_keys ? key_pointers : NULL, n_keys ? ops : NULL,
			n_keys ? values : NULL, pointers, n_keys, n_columns, NULL, &rows) < 0)
		return -1;
	*result = rows;
	return 0;
}

int aw_db_rows(const void *result)
{
	const osips_db_res *res = result;

	return res && res->rows && res->n > 0 ? res->n : 0;
}

int aw_db_cell(const void *result, int row, int column, aw_cell *out)
{
	const osips_db_res *res = result;
	const osips_db_val *value;

	*out = (aw_cell){ AW_CELL_NULL, 0, 0, { NULL, 0 } };
	if (!res || row < 0 || row >= aw_db_rows(res) || column < 0 || column >= res->rows[row].n)
		return -1;
	value = &res->rows[row].values[column];
	if (value->nul)
		return 0;
	switch (value->type) {
	case OSIPS_DB_INT:
		out->kind = AW_CELL_INT;
		out->number = value->val.int_val;
		break;
	case OSIPS_DB_BIGINT:
		out->kind = AW_CELL_INT;
		out->number = value->val.bigint_val;
		break;
	case OSIPS_DB_BITMAP:
		out->kind = AW_CELL_INT;
		out->number = value->val.bitmap_val;
		break;
	case OSIPS_DB_DOUBLE:
		out->kind = AW_CELL_DOUBLE;
		out->real = value->val.double_val;
		break;
	case OSIPS_DB_DATETIME:
		out->kind = AW_CELL_TIME;
		out->number = value->val.time_val;
		break;
	case OSIPS_DB_STRING:
		if (!value->val.string_val)
			return 0;
		out->kind = AW_CELL_TEXT;
		out->text.s = value->val.string_val;
		out->text.len = strlen(value->val.string_val);
		break;
	case OSIPS_DB_STR:
	case OSIPS_DB_BLOB:
		if (!value->val.str_val.s)
			return 0;
		out->kind = AW_CELL_TEXT;
		out->text = aw_of(&value->val.str_val);
		break;
	default:
		return -1;
	}
	return 0;
}

void aw_db_free(aw_db *db, void *con, void *result)
{
	if (result)
		db->functions.free_result(con, result);
}

const char *aw_db_version_table(void)
{
	return &db_version_table && db_version_table ? db_version_table : "version";
}
