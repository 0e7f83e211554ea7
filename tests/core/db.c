/*
 * db.c - binds a URL to a backend, and holds results. Only what a module needs that only uses
 * `query` is implemented; the other functions of the interface are NULL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "db.h"

#include "modules.h"

/* A symbol of the ABI. */
char *db_version_table = "version";

static const struct db_backend *const backends[] = {&db_sqlite_backend, &db_text_backend};

static int use_table(struct db_con *con, const str *table)
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
			.use_table = use_table,
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

/* ---- for backends ---- */

bool db_is_simple(const char *const *ops, const struct db_val *vals, int n, int nc, const str *order)
{
	bool by_text = n >= 0 && n <= DB_MAX_KEYS;
	for (int i = 0; by_text && i < n; i++)
		by_text = vals[i].type == DB_STR && !vals[i].nul && (!ops || strcmp(ops[i], "=") == 0);
	if (nc > 0 && !order && by_text)
		return true;
	LOG_ERR("a query of a kind that the stand-in does not answer\n");
	return false;
}

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
	/* Capacity grows by doubling: the number of rows is a power of two when it is used up. */
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

void db_val_text(struct db_val *v, str s)
{
	char *z = str_dupz(s);
	v->type = DB_STRING;
	v->nul = 0;
	v->free = 1;
	v->val.z = z;
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
				free((char *)v->val.z);
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
