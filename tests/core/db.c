/*
 * db.c - binds a URL to a backend, and keeps results. Only what a module needs that asks with
 * `query` alone is there; the other functions of the interface are NULL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "db.h"

#include "modules.h"

/* Symbols of the ABI; global parameters of these names set them. */
char *db_version_table = "version";
char *db_default_url;

static const struct db_backend *const backends[] = {&db_sqlite_backend, &db_text_backend, &db_fault_backend};

int db_use_table(struct db_con *con, const str *table)
{
	if (!con || !table || !table->s) {
		LOG_ERR("invalid parameter value\n");
		return -1;
	}
	con->table = table;
	return 0;
}

int db_bind_mod(const str *mod, struct db_func *out)
{
	if (!mod || !mod->s || !out) {
		LOG_CRIT("null parameter\n");
		return -1;
	}
	char *colon = mod->len ? memchr(mod->s, ':', (size_t)mod->len) : NULL;
	str scheme = {mod->s, colon ? (int)(colon - mod->s) : mod->len};
	memset(out, 0, db_func_size());
	for (size_t i = 0; i < COUNT_OF(backends); i++) {
		if (!str_is(scheme, backends[i]->scheme))
			continue;
		struct buf name = {0};
		buf_addf(&name, "db_%s", backends[i]->scheme);
		bool loaded = module_loaded(name.s);
		buf_free(&name);
		if (!loaded)
			break;
		struct db_func f = {
			.cap = DB_CAP_QUERY,
			.use_table = db_use_table,
			.init = backends[i]->init,
			.close = backends[i]->close,
			.query = backends[i]->query,
			.free_result = db_free_result,
		};
		memcpy(out, &f, db_func_size());
		return 0;
	}
	LOG_ERR("module db_%.*s is not loaded, or the stand-in does not have it\n", FMT_STR(scheme));
	return -1;
}

int db_table_version(const struct db_func *f, struct db_con *con, const str *table)
{
	str version = str_of(db_version_table), name_col = STR("table_name"), version_col = STR("table_version");
	str *keys[] = {&name_col}, *cols[] = {&version_col};
	struct db_val val = {.type = DB_STR, .val.s = *table};
	struct db_res *res = NULL;
	int ret = -1;

	if (f->use_table(con, &version) < 0 || f->query(con, keys, NULL, &val, cols, 1, 1, NULL, &res) < 0) {
		LOG_ERR("error in db_query\n");
		return -1;
	}
	if (res->n == 0) {
		ret = -2;
	} else if (res->n != 1) {
		LOG_ERR("invalid number of rows received: %d, %.*s\n", res->n, FMT_STR(*table));
	} else {
		const struct db_val *v = res->rows[0].values;
		if (v->nul || (v->type != DB_INT && v->type != DB_BIGINT))
			LOG_ERR("invalid type (%d) or nul (%d) version columns for %.*s\n", v->type, v->nul,
				FMT_STR(*table));
		else
			ret = v->type == DB_INT ? v->val.i : (int)v->val.ll;
	}
	f->free_result(con, res);
	/* The name lay on this stack. */
	con->table = table;
	return ret;
}

int db_check_table_version(struct db_func *f, struct db_con *con, const str *table, unsigned int version)
{
	int v = db_table_version(f, con, table);
	if (v == -2) {
		LOG_ERR("'%.*s' record not found in '%s' table, expected ver %u\n", FMT_STR(*table),
			db_version_table, version);
		return -2;
	}
	if (v < 0) {
		LOG_ERR("querying version for table %.*s\n", FMT_STR(*table));
		return -1;
	}
	if ((unsigned)v != version) {
		LOG_ERR("invalid version %d for table %.*s found, expected %u\n", v, FMT_STR(*table), version);
		return -1;
	}
	return 0;
}

/* ---- for backends ---- */

struct db_con *db_con_new(const str *url, void *tail)
{
	struct db_con *c = xcalloc(1, sizeof *c);
	c->url = str_dup(*url);
	c->tail = (unsigned long)tail;
	return c;
}

char *db_url_path(const str *url, const char *scheme)
{
	str s = *url;
	size_t n = strlen(scheme);
	if (str_has_prefix(s, scheme)) {
		s.s += n;
		s.len -= (int)n;
	}
	if (str_has_prefix(s, "://")) {
		s.s += 3;
		s.len -= 3;
	}
	return str_dupz(s);
}

struct db_res *db_res_new(int columns)
{
	struct db_res *r = xcalloc(1, sizeof *r);
	r->col.n = columns;
	r->col.names = xcalloc((size_t)columns, sizeof *r->col.names);
	r->col.types = xcalloc((size_t)columns, sizeof *r->col.types);
	return r;
}

void db_res_name(struct db_res *r, int column, str name, int type)
{
	str *s = xmalloc(sizeof *s);
	*s = str_dup(name);
	r->col.names[column] = s;
	r->col.types[column] = type;
}

struct db_row *db_res_add(struct db_res *r)
{
	/* Room grows by doubling: the number of rows is a power of two when it is used up. */
	if ((r->n & (r->n - 1)) == 0)
		r->rows = xrealloc(r->rows, (size_t)(r->n ? r->n * 2 : 1) * sizeof *r->rows);
	struct db_row *row = &r->rows[r->n++];
	row->n = r->col.n;
	row->values = xcalloc((size_t)row->n, sizeof *row->values);
	for (int i = 0; i < row->n; i++) {
		row->values[i].nul = 1;
		row->values[i].type = r->col.types[i];
	}
	r->res_rows = r->last_row = r->n;
	return row;
}

void db_val_text(struct db_val *v, int type, str s)
{
	char *z = str_dupz(s);
	v->type = type;
	v->nul = 0;
	v->free = 1;
	if (type == DB_STRING)
		v->val.z = z;
	else
		v->val.s = (str){z, s.len};
}

int db_free_result(struct db_con *con, struct db_res *r)
{
	(void)con;
	if (!r)
		return -1;
	for (int i = 0; i < r->n; i++) {
		for (int k = 0; k < r->rows[i].n; k++) {
			struct db_val *v = &r->rows[i].values[k];
			if (v->free)
				free(v->type == DB_STRING ? (char *)v->val.z : v->val.s.s);
		}
		free(r->rows[i].values);
	}
	for (int i = 0; i < r->col.n; i++) {
		if (r->col.names[i])
			free(r->col.names[i]->s);
		free(r->col.names[i]);
	}
	free(r->col.names);
	free(r->col.types);
	free(r->rows);
	free(r);
	return 0;
}
