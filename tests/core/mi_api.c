/*
 * mi_api.c - the functions with which modules take parameters and build responses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>

#include "mi.h"

static struct mi_item *result(struct mi_item *value)
{
	struct mi_item *r = json_new(J_OBJECT);
	json_add(r, STR("jsonrpc"), json_string(STR("2.0")));
	json_add(r, STR("result"), value);
	return r;
}

struct mi_item *init_mi_result_array(struct mi_item **out)
{
	*out = json_new(J_ARRAY);
	return result(*out);
}

struct mi_item *init_mi_result_object(struct mi_item **out)
{
	*out = json_new(J_OBJECT);
	return result(*out);
}

struct mi_item *init_mi_result_string(const char *value, int len)
{
	return result(json_string((str){(char *)value, len}));
}

struct mi_item *init_mi_result_number(double value)
{
	return result(json_number(value));
}

struct mi_item *init_mi_result_bool(int b)
{
	return result(json_new(b ? J_TRUE : J_FALSE));
}

struct mi_item *init_mi_result_null(void)
{
	return result(json_new(J_NULL));
}

struct mi_item *init_mi_error_extra(int code, const char *msg, int msg_len, const char *details, int details_len)
{
	struct mi_item *r = json_new(J_OBJECT);
	json_add(r, STR("jsonrpc"), json_string(STR("2.0")));
	struct mi_item *e = json_add(r, STR("error"), json_new(J_OBJECT));
	json_add(e, STR("code"), json_number(code));
	json_add(e, STR("message"), json_string((str){(char *)msg, msg_len}));
	if (details && details_len)
		json_add(e, STR("data"), json_string((str){(char *)details, details_len}));
	return r;
}

void free_mi_response(struct mi_item *r)
{
	json_free(r);
}

static struct mi_item *add(struct mi_item *to, char *name, int len, struct mi_item *item)
{
	return json_add(to, (str){name, len}, item);
}

struct mi_item *add_mi_array(struct mi_item *to, char *name, int len)
{
	return add(to, name, len, json_new(J_ARRAY));
}

struct mi_item *add_mi_object(struct mi_item *to, char *name, int len)
{
	return add(to, name, len, json_new(J_OBJECT));
}

int add_mi_string(struct mi_item *to, char *name, int len, const char *value, int value_len)
{
	add(to, name, len, json_string((str){(char *)value, value ? value_len : 0}));
	return 0;
}

int add_mi_string_fmt(struct mi_item *to, char *name, int len, char *fmt, ...)
{
	char text[4096];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	return add_mi_string(to, name, len, text, n < (int)sizeof text ? n : (int)sizeof text - 1);
}

int add_mi_number(struct mi_item *to, char *name, int len, double value)
{
	add(to, name, len, json_number(value));
	return 0;
}

int add_mi_bool(struct mi_item *to, char *name, int len, int b)
{
	add(to, name, len, json_new(b ? J_TRUE : J_FALSE));
	return 0;
}

int add_mi_null(struct mi_item *to, char *name, int len)
{
	add(to, name, len, json_new(J_NULL));
	return 0;
}

/* ---- parameters ---- */

enum { ERR_MISSING = -1, ERR_TYPE = -2, ERR_EMPTY = -3, ERR_ARRAY_TYPE = -4 };

static int last_error;
static const char *last_name = "";

static struct mi_item *find(const struct mi_params *p, const char *name)
{
	last_name = name;
	last_error = ERR_MISSING;
	if (!p->item)
		return NULL;
	if (p->item->type == J_OBJECT)
		return json_get(p->item, name);
	for (int i = 0; p->list[i]; i++)
		if (strcmp(p->list[i], name) == 0)
			return json_at(p->item, i);
	return NULL;
}

static int fail(int error)
{
	last_error = error;
	return error;
}

static int as_int(const struct mi_item *v, int *value)
{
	long n;
	if (v->type == J_NUMBER)
		*value = (int)v->number;
	else if (v->type == J_STRING && str_to_long(v->string, &n))
		*value = (int)n;
	else
		return fail(ERR_TYPE);
	return 0;
}

static int as_string(const struct mi_item *v, char **value, int *len)
{
	static char number[32];
	if (v->type == J_NUMBER) {
		*len = snprintf(number, sizeof number, "%d", (int)v->number);
		*value = number;
	} else if (v->type == J_STRING) {
		*value = v->string.s;
		*len = v->string.len;
	} else {
		return fail(ERR_TYPE);
	}
	return 0;
}

int try_get_mi_int_param(const struct mi_params *p, char *name, int *value)
{
	struct mi_item *v = find(p, name);
	return v ? as_int(v, value) : fail(ERR_MISSING);
}

int try_get_mi_string_param(const struct mi_params *p, char *name, char **value, int *len)
{
	struct mi_item *v = find(p, name);
	return v ? as_string(v, value, len) : fail(ERR_MISSING);
}

int try_get_mi_array_param(const struct mi_params *p, char *name, struct mi_item **value, int *n)
{
	struct mi_item *v = find(p, name);
	if (!v)
		return fail(ERR_MISSING);
	if (v->type != J_ARRAY)
		return fail(ERR_TYPE);
	*value = v;
	*n = json_size(v);
	return *n ? 0 : fail(ERR_EMPTY);
}

int try_get_mi_arr_param_string(const struct mi_item *array, int pos, char **value, int *len)
{
	struct mi_item *v = json_at(array, pos);
	return v && as_string(v, value, len) == 0 ? 0 : fail(ERR_ARRAY_TYPE);
}

int try_get_mi_arr_param_int(const struct mi_item *array, int pos, int *value)
{
	struct mi_item *v = json_at(array, pos);
	return v && as_int(v, value) == 0 ? 0 : fail(ERR_ARRAY_TYPE);
}

static int logged(int error)
{
	if (error == 0)
		return 0;
	LOG_ERR("parameter %s is %s\n", last_name, error == ERR_MISSING ? "not found" : "of a bad type");
	return -1;
}

int get_mi_int_param(const struct mi_params *p, char *name, int *value)
{
	return logged(try_get_mi_int_param(p, name, value));
}

int get_mi_string_param(const struct mi_params *p, char *name, char **value, int *len)
{
	return logged(try_get_mi_string_param(p, name, value, len));
}

int get_mi_array_param(const struct mi_params *p, char *name, struct mi_item **value, int *n)
{
	return logged(try_get_mi_array_param(p, name, value, n));
}

int get_mi_arr_param_string(const struct mi_item *array, int pos, char **value, int *len)
{
	return logged(try_get_mi_arr_param_string(array, pos, value, len));
}

int get_mi_arr_param_int(const struct mi_item *array, int pos, int *value)
{
	return logged(try_get_mi_arr_param_int(array, pos, value));
}

int get_mi_bool_like_param(const struct mi_params *p, char *name, int otherwise)
{
	char *s;
	int n;
	if (try_get_mi_string_param(p, name, &s, &n) != 0 || n != 1)
		return otherwise;
	return strchr("0nN", *s) ? 0 : strchr("1yY", *s) ? 1 : otherwise;
}

struct mi_item *init_mi_param_error(void)
{
	struct buf b = {0};
	buf_addf(&b, "%s: %s", last_error == ERR_MISSING ? "Missing parameter" : "Bad type of parameter", last_name);
	struct mi_item *r = init_mi_error_extra(-32602, "Invalid params", 14, b.s, (int)b.len);
	buf_free(&b);
	return r;
}
