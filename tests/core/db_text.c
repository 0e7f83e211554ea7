/*
 * db_text.c - text:///folder: a file per table. The first line names the columns, `name(type,opts)`
 * separated by blanks, with types int and string; each further line is a row, its fields separated
 * by colons, with \n \\ \: as escapes and an empty field for NULL. Files are reread for each query.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <sys/stat.h>

#include "db.h"

enum { MAX_COLUMNS = 64 };

struct column {
	str name;
	int type;
};

struct table {
	char *text;
	size_t len;
	struct column columns[MAX_COLUMNS];
	int n;
	char *at; /* where the next row begins */
};

static struct db_con *text_init(const str *url)
{
	char *folder = db_url_path(url, "text");
	struct stat st;

	if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
		LOG_ERR("database [%s] does not exist\n", folder);
		free(folder);
		return NULL;
	}
	return db_con_new(url, folder);
}

static void text_close(struct db_con *con)
{
	if (!con)
		return;
	free((char *)con->tail);
	free(con->url.s);
	free(con);
}

static bool parse_head(struct table *t)
{
	char *end = memchr(t->text, '\n', t->len);
	if (!end)
		end = t->text + t->len;
	char *p = t->text;
	while (p < end) {
		while (p < end && (*p == ' ' || *p == '\r'))
			p++;
		if (p == end)
			break;
		char *open = memchr(p, '(', (size_t)(end - p)), *close = memchr(p, ')', (size_t)(end - p));
		if (!open || !close || close < open || t->n == MAX_COLUMNS)
			return false;
		struct column *c = &t->columns[t->n++];
		c->name = str_trim((str){p, (int)(open - p)});
		str type = {open + 1, (int)(close - open - 1)};
		c->type = str_has_prefix(type, "int") ? DB_INT : DB_STRING;
		if (!c->name.len || (c->type == DB_STRING && !str_has_prefix(type, "string")))
			return false;
		p = close + 1;
	}
	t->at = end < t->text + t->len ? end + 1 : end;
	return t->n > 0;
}

static bool open_table(struct table *t, const char *folder, str name)
{
	struct buf path = {0}, text = {0};
	char block[4096];
	size_t n;

	memset(t, 0, sizeof *t);
	buf_addf(&path, "%s/%.*s", folder, FMT_STR(name));
	FILE *f = fopen(path.s, "rb");
	if (!f) {
		LOG_ERR("table %s does not exist\n", path.s);
		buf_free(&path);
		return false;
	}
	buf_add(&text, "", 0);
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(&text, block, n);
	fclose(f);
	t->text = text.s;
	t->len = text.len;
	bool ok = parse_head(t);
	if (!ok) {
		LOG_ERR("the first line of %s does not describe columns\n", path.s);
		free(t->text);
	}
	buf_free(&path);
	return ok;
}

/* Reads one field, unescaping it in place. False if the row is malformed. */
static bool next_field(struct table *t, bool last, str *out, bool *nul)
{
	const char *end = t->text + t->len;
	char *w = t->at;

	*nul = t->at >= end || *t->at == '\n' || *t->at == ':';
	out->s = t->at;
	while (t->at < end && *t->at != ':' && *t->at != '\n') {
		char c = *t->at++;
		if (c == '\\' && t->at < end) {
			c = *t->at++;
			if (c == 'n')
				c = '\n';
			else if (c != '\\' && c != ':')
				return false;
		}
		*w++ = c;
	}
	out->len = (int)(w - out->s);
	bool at_end = t->at >= end || *t->at == '\n';
	if (at_end != last)
		return false;
	if (t->at < end)
		t->at++;
	return true;
}

static int column_of(const struct table *t, str name)
{
	for (int i = 0; i < t->n; i++)
		if (str_eq(t->columns[i].name, name))
			return i;
	LOG_ERR("there is no column <%.*s>\n", FMT_STR(name));
	return -1;
}

/* Reads a row, field by field, into `fields`; NULL fields have no text. */
static bool next_row(struct table *t, str *fields)
{
	for (int i = 0; i < t->n; i++) {
		bool nul;
		if (!next_field(t, i == t->n - 1, &fields[i], &nul))
			return false;
		if (nul)
			fields[i] = STR_NONE;
	}
	return true;
}

static bool put(struct db_val *v, int type, str field)
{
	long n;

	if (!field.s)
		return true;
	if (type == DB_STRING) {
		db_val_text(v, field);
		return true;
	}
	v->nul = 0;
	if (!str_to_long(field, &n))
		return false;
	v->val.i = (int)n;
	return true;
}

static int text_query(const struct db_con *con, str *const *keys, const char *const *ops, const struct db_val *vals,
		      str *const *cols, int n, int nc, str *order, struct db_res **res)
{
	struct table t;
	str fields[MAX_COLUMNS];
	int key_at[DB_MAX_KEYS], col_at[MAX_COLUMNS];

	*res = NULL;
	if (!db_is_simple(ops, vals, n, nc, order) || nc > MAX_COLUMNS ||
	    !open_table(&t, (const char *)con->tail, *con->table))
		return -1;
	bool ok = true;
	for (int i = 0; ok && i < n; i++)
		ok = (key_at[i] = column_of(&t, *keys[i])) >= 0;
	for (int i = 0; ok && i < nc; i++)
		ok = (col_at[i] = column_of(&t, *cols[i])) >= 0;
	struct db_res *r = db_res_new(nc);
	for (int i = 0; ok && i < nc; i++)
		db_res_name(r, i, t.columns[col_at[i]].name, t.columns[col_at[i]].type);
	for (int line = 2; ok && t.at < t.text + t.len; line++) {
		ok = next_row(&t, fields);
		bool is_of = ok;
		for (int i = 0; is_of && i < n; i++)
			is_of = fields[key_at[i]].s && str_eq(fields[key_at[i]], vals[i].val.s);
		if (is_of) {
			struct db_row *row = db_res_add(r);
			for (int i = 0; ok && i < nc; i++)
				ok = put(&row->values[i], t.columns[col_at[i]].type, fields[col_at[i]]);
		}
		if (!ok)
			LOG_ERR("line %d of the table is malformed\n", line);
	}
	if (ok)
		*res = r;
	else
		db_free_result(NULL, r);
	free(t.text);
	return ok ? 0 : -1;
}

const struct db_backend db_text_backend = {"text", text_init, text_close, text_query};
