/*
 * db_fault.c - a database that fails, for tests: fault://query lets connections come about and
 * fails each query, fault://connect fails the connection, fault:///path does either while a file
 * of that name says so ("query" or "connect" in its first line), and answers like db_text from the
 * folder text= behind it otherwise: fault:///tmp/state?text=/tmp/tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>

#include "db.h"

struct fault {
	char *path;
	struct db_con *text;
};

static bool fails(const char *path, const char *what)
{
	char line[32] = "";
	FILE *f;

	if (*path != '/')
		return strcmp(path, what) == 0;
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(line, sizeof line, f))
		line[0] = 0;
	fclose(f);
	return strncmp(line, what, strlen(what)) == 0;
}

static struct db_con *fault_init(const str *url)
{
	char *path = db_url_path(url, "fault");
	char *tables = strstr(path, "?text=");

	if (tables) {
		*tables = 0;
		tables += 6;
	}
	if (fails(path, "connect")) {
		LOG_ERR("connecting fails, as it was asked to\n");
		free(path);
		return NULL;
	}
	struct fault *f = xcalloc(1, sizeof *f);
	f->path = path;
	if (tables) {
		struct buf u = {0};
		buf_addf(&u, "text://%s", tables);
		str text_url = buf_str(&u);
		f->text = db_text_backend.init(&text_url);
		buf_free(&u);
	}
	return db_con_new(url, f);
}

static void fault_close(struct db_con *con)
{
	if (!con)
		return;
	struct fault *f = (struct fault *)con->tail;
	if (f->text)
		db_text_backend.close(f->text);
	free(f->path);
	free(f);
	free(con->url.s);
	free(con);
}

static int fault_query(const struct db_con *con, str *const *keys, const char *const *ops, const struct db_val *vals,
		       str *const *cols, int n, int nc, str *order, struct db_res **res)
{
	const struct fault *f = (const struct fault *)con->tail;

	*res = NULL;
	if (fails(f->path, "query") || fails(f->path, "connect") || !f->text) {
		LOG_ERR("the query fails, as it was asked to\n");
		return -1;
	}
	f->text->table = con->table;
	return db_text_backend.query(f->text, keys, ops, vals, cols, n, nc, order, res);
}

const struct db_backend db_fault_backend = {"fault", fault_init, fault_close, fault_query};
