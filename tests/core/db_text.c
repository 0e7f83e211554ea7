/*
 * db_text.c - text:///folder: a file per table. The first line names the columns, `name(type,opts)`
 * divided by blanks; each further line is a row, its fields divided by colons, with \n \r \t \\ \:
 * \0 as escapes and an empty field for NULL. Files are read anew for each query.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
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

static int type_of(str t)
{
	if (str_has_prefix(t, "string"))
		return DB_STRING;
	switch (t.len ? t.s[0] | 0x20 : 0) {
	case 's':
		return DB_STR;
	case 'i':
		return DB_INT;
	case 'l':
		return DB_BIGINT;
	case 'd':
		return DB_DOUBLE;
	case 'b':
		return DB_BLOB;
	case 't':
		return DB_DATETIME;
	default:
		return -1;
	}
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
		c->type = type_of(str_trim((str){open + 1, (int)(close - open - 1)}));
		if (c->type < 0 || !c->name.len)
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

/* Reads one field; its escapes are done within the text. False at a malformed row. */
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
			switch (c) {
			case 'n':
				c = '\n';
				break;
			case 'r':
				c = '\r';
				break;
			case 't':
				c = '\t';
				break;
			case '0':
				c = 0;
				break;
			case '\\':
			case ':':
				break;
			default:
				return false;
			}
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

static bool convert(str s, int type, struct db_val *v)
{
	long n;

	v->type = type;
	switch (type) {
	case DB_INT:
	case DB_BIGINT:
	case DB_DATETIME:
		if (!str_to_long(s, &n))
			return false;
		if (type == DB_INT)
			v->val.i = (int)n;
		else
			v->val.ll = n;
		v->nul = 0;
		return true;
	case DB_DOUBLE: {
		char *z = str_dupz(s);
		v->val.d = strtod(z, NULL);
		v->nul = 0;
		free(z);
		return true;
	}
	default:
		db_val_text(v, type, s);
		return true;
	}
}

static bool as_number(const struct db_val *v, double *n)
{
	switch (v->type) {
	case DB_INT:
		*n = v->val.i;
		return true;
	case DB_BIGINT:
	case DB_DATETIME:
		*n = (double)v->val.ll;
		return true;
	case DB_DOUBLE:
		*n = v->val.d;
		return true;
	case DB_BITMAP:
		*n = v->val.bits;
		return true;
	default:
		return false;
	}
}

static str as_text(const struct db_val *v)
{
	return v->type == DB_STRING ? str_of(v->val.z) : v->val.s;
}

/* -1, 0, 1; 2 where the two can not be compared. */
static int compare(const struct db_val *a, const struct db_val *b)
{
	double x, y;

	if (a->nul || b->nul)
		return a->nul && b->nul ? 0 : 2;
	bool an = as_number(a, &x), bn = as_number(b, &y);
	if (an != bn)
		return 2;
	if (an)
		return x < y ? -1 : x > y;
	str s = as_text(a), t = as_text(b);
	int n = s.len < t.len ? s.len : t.len;
	int c = n ? memcmp(s.s, t.s, (size_t)n) : 0;
	if (!c)
		c = s.len - t.len;
	return c < 0 ? -1 : c > 0;
}

static bool holds(int c, const char *op)
{
	if (c == 2)
		return op && strcmp(op, "!=") == 0;
	if (!op || strcmp(op, "=") == 0)
		return c == 0;
	if (strcmp(op, "!=") == 0 || strcmp(op, "<>") == 0)
		return c != 0;
	if (strcmp(op, "<") == 0)
		return c < 0;
	if (strcmp(op, ">") == 0)
		return c > 0;
	if (strcmp(op, "<=") == 0)
		return c <= 0;
	return strcmp(op, ">=") == 0 && c >= 0;
}

static int column_of(const struct table *t, str name)
{
	for (int i = 0; i < t->n; i++)
		if (str_eq(t->columns[i].name, name))
			return i;
	LOG_ERR("there is no column <%.*s>\n", FMT_STR(name));
	return -1;
}

static void drop_values(struct db_val *v, int n)
{
	for (int i = 0; i < n; i++)
		if (v[i].free)
			free(v[i].type == DB_STRING ? (char *)v[i].val.z : v[i].val.s.s);
}

static int sort_column;

static int by_column(const void *a, const void *b)
{
	const struct db_row *x = a, *y = b;
	int c = compare(&x->values[sort_column], &y->values[sort_column]);
	return c == 2 ? 0 : c;
}

static bool run(struct table *t, const char *const *ops, const struct db_val *vals, const int *key_at,
		const int *col_at, int n, int nc, bool any, struct db_res *r)
{
	struct db_val row[MAX_COLUMNS];

	for (int line = 2; t->at < t->text + t->len; line++) {
		bool keep = !any || n == 0, ok = true;
		if (*t->at == '\n') {
			t->at++;
			continue;
		}
		memset(row, 0, sizeof row);
		int read = 0;
		for (; ok && read < t->n; read++) {
			str field;
			bool nul;
			row[read].type = t->columns[read].type;
			row[read].nul = 1;
			ok = next_field(t, read == t->n - 1, &field, &nul) &&
			     (nul || convert(field, t->columns[read].type, &row[read]));
		}
		for (int i = 0; ok && i < n; i++) {
			bool h = holds(compare(&row[key_at[i]], &vals[i]), ops ? ops[i] : NULL);
			keep = any ? keep || h : keep && h;
		}
		if (ok && keep) {
			struct db_row *out = db_res_add(r);
			for (int i = 0; i < nc; i++) {
				out->values[i] = row[col_at[i]];
				if (row[col_at[i]].free)
					db_val_text(&out->values[i], row[col_at[i]].type, as_text(&row[col_at[i]]));
			}
		}
		drop_values(row, read);
		if (!ok) {
			LOG_ERR("line %d of the table is malformed\n", line);
			return false;
		}
	}
	return true;
}

static int text_query(const struct db_con *con, str *const *keys, const char *const *ops, const struct db_val *vals,
		      str *const *cols, int n, int nc, str *order, struct db_res **res)
{
	struct table t;
	int key_at[MAX_COLUMNS], col_at[MAX_COLUMNS], ret = -1;
	struct db_res *r = NULL;

	*res = NULL;
	if (!con->table || n > MAX_COLUMNS || nc > MAX_COLUMNS || !open_table(&t, (const char *)con->tail, *con->table))
		return -1;
	if (!cols || !nc)
		nc = t.n;
	for (int i = 0; i < n; i++)
		if ((key_at[i] = column_of(&t, *keys[i])) < 0)
			goto done;
	for (int i = 0; i < nc; i++)
		if ((col_at[i] = cols ? column_of(&t, *cols[i]) : i) < 0)
			goto done;
	r = db_res_new(nc);
	for (int i = 0; i < nc; i++)
		db_res_name(r, i, t.columns[col_at[i]].name, t.columns[col_at[i]].type);
	if (!run(&t, ops, vals, key_at, col_at, n, nc, con->flags & 2, r))
		goto done;
	if (order) {
		for (int i = 0; i < nc; i++)
			if (str_eq(*r->col.names[i], *order)) {
				sort_column = i;
				qsort(r->rows, (size_t)r->n, sizeof *r->rows, by_column);
			}
	}
	*res = r;
	r = NULL;
	ret = 0;
done:
	if (r)
		db_free_result(NULL, r);
	free(t.text);
	return ret;
}

const struct db_backend db_text_backend = {"text", text_init, text_close, text_query};
