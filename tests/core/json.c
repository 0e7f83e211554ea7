/*
 * json.c - a small JSON reader and writer. It does not support \u, which no user of the stand-in
 * sends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "json.h"

#include <math.h>
#include <stdio.h>

enum { MAX_DEPTH = 64 };

struct mi_item *json_new(enum json_type type)
{
	struct mi_item *v = xcalloc(1, sizeof *v);
	v->type = type;
	return v;
}

struct mi_item *json_string(str s)
{
	struct mi_item *v = json_new(J_STRING);
	v->string = (str){str_dupz(s), s.len};
	return v;
}

struct mi_item *json_number(double n)
{
	struct mi_item *v = json_new(J_NUMBER);
	v->number = n;
	return v;
}

struct mi_item *json_add(struct mi_item *to, str name, struct mi_item *item)
{
	if (to->type == J_OBJECT)
		item->name = (str){str_dupz(name), name.len};
	if (to->last)
		to->last->next = item;
	else
		to->child = item;
	to->last = item;
	return item;
}

struct mi_item *json_get(const struct mi_item *object, const char *name)
{
	struct mi_item *v = object && object->type == J_OBJECT ? object->child : NULL;
	while (v && !str_is(v->name, name))
		v = v->next;
	return v;
}

void json_free(struct mi_item *v)
{
	while (v) {
		struct mi_item *next = v->next;
		json_free(v->child);
		free(v->name.s);
		free(v->string.s);
		free(v);
		v = next;
	}
}

/* ---- reading ---- */

struct reader {
	const char *p, *end;
	int depth;
};

static void blanks(struct reader *r)
{
	while (r->p < r->end && strchr(" \t\r\n", *r->p) && *r->p)
		r->p++;
}

static bool take(struct reader *r, char c)
{
	blanks(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool read_string(struct reader *r, str *out)
{
	struct buf b = {0};

	if (!take(r, '"'))
		return false;
	buf_add(&b, "", 0);
	while (r->p < r->end && *r->p != '"') {
		char c = *r->p++;
		if (c != '\\') {
			buf_add(&b, &c, 1);
			continue;
		}
		if (r->p == r->end)
			break;
		c = *r->p++;
		static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
		const char *at = c ? strchr(from, c) : NULL;
		if (!at)
			break;
		buf_add(&b, &to[at - from], 1);
	}
	if (r->p == r->end || *r->p != '"') {
		buf_free(&b);
		return false;
	}
	r->p++;
	*out = buf_str(&b);
	return true;
}

static struct mi_item *read_value(struct reader *r);

static struct mi_item *read_list(struct reader *r, bool object)
{
	struct mi_item *v = json_new(object ? J_OBJECT : J_ARRAY);
	char close = object ? '}' : ']';

	r->p++;
	if (take(r, close))
		return v;
	do {
		str name = STR_NONE;
		if (object && (!read_string(r, &name) || !take(r, ':'))) {
			free(name.s);
			goto bad;
		}
		struct mi_item *item = read_value(r);
		if (!item) {
			free(name.s);
			goto bad;
		}
		json_add(v, name, item);
		free(name.s);
	} while (take(r, ','));
	if (take(r, close))
		return v;
bad:
	json_free(v);
	return NULL;
}

static bool word(struct reader *r, const char *w)
{
	size_t n = strlen(w);
	if ((size_t)(r->end - r->p) < n || memcmp(r->p, w, n) != 0)
		return false;
	r->p += n;
	return true;
}

static struct mi_item *read_value(struct reader *r)
{
	struct mi_item *v = NULL;
	str s;

	blanks(r);
	if (r->p == r->end || ++r->depth > MAX_DEPTH)
		return NULL;
	switch (*r->p) {
	case '{':
	case '[':
		v = read_list(r, *r->p == '{');
		break;
	case '"':
		if (read_string(r, &s)) {
			v = json_new(J_STRING);
			v->string = s;
		}
		break;
	default:
		if (word(r, "null")) {
			v = json_new(J_NULL);
		} else if (word(r, "true")) {
			v = json_new(J_TRUE);
		} else if (word(r, "false")) {
			v = json_new(J_FALSE);
		} else {
			char num[64], *end;
			size_t n = 0;
			while (r->p + n < r->end && n < sizeof num - 1 && r->p[n] && strchr("+-0123456789.eE", r->p[n])) {
				num[n] = r->p[n];
				n++;
			}
			num[n] = 0;
			double d = strtod(num, &end);
			if (n && *end == 0) {
				v = json_number(d);
				r->p += n;
			}
		}
	}
	r->depth--;
	return v;
}

struct mi_item *json_parse(str text)
{
	struct reader r = {text.s, text.s + text.len, 0};
	return read_value(&r);
}

/* ---- writing ---- */

static void print_string(str s, struct buf *out)
{
	buf_addz(out, "\"");
	for (int i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];
		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c == '\n')
			buf_addz(out, "\\n");
		else if (c < 0x20)
			buf_addf(out, "\\u%04x", c);
		else
			buf_add(out, &s.s[i], 1);
	}
	buf_addz(out, "\"");
}

void json_print(const struct mi_item *v, struct buf *out)
{
	static const char *const words[] = {"null", "false", "true"};
	bool object = v->type == J_OBJECT;

	switch (v->type) {
	case J_NUMBER:
		if (v->number == floor(v->number) && fabs(v->number) < 1e15)
			buf_addf(out, "%.0f", v->number);
		else
			buf_addf(out, "%.17g", v->number);
		break;
	case J_STRING:
		print_string(v->string, out);
		break;
	case J_ARRAY:
	case J_OBJECT:
		buf_addz(out, object ? "{" : "[");
		for (const struct mi_item *c = v->child; c; c = c->next) {
			if (c != v->child)
				buf_addz(out, ",");
			if (object) {
				print_string(c->name, out);
				buf_addz(out, ":");
			}
			json_print(c, out);
		}
		buf_addz(out, object ? "}" : "]");
		break;
	default:
		buf_addz(out, words[v->type]);
	}
}
