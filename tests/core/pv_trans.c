/*
 * pv_trans.c - transformations: what stands in braces behind a variable and works on its value,
 * such as $(hdr(X){s.len}) or $(fu{uri.user}). A useful part of those that the core has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>

#include "pvar.h"
#include "sip.h"

struct trans {
	str cls, name;
	/* Parameters behind the name: constants, or variables. */
	struct {
		str text;
		struct pv_spec *spec;
	} params[4];
	int params_n;
	struct trans *next;
};

static const char *const known[] = {
	"s.len",	"s.int",       "s.tolower",   "s.toupper",   "s.substr",      "s.select",
	"s.index",	"s.trim",      "s.trimr",     "s.triml",     "s.encode.hexa", "s.decode.hexa",
	"s.b64encode",	"s.b64decode", "s.reverse",   "s.escape.common", "uri.user",  "uri.host",
	"uri.port",	"uri.transport", "uri.params", "uri.param",  "uri.schema",    "param.value",
	"param.valueat", "param.name", "param.count", "param.exist", "nameaddr.name", "nameaddr.uri",
	"nameaddr.param", "nameaddr.params", "nameaddr.len", "csv.value", "csv.count",
};

static bool parse_one(str body, struct trans *t)
{
	struct buf full = {0};
	bool ok = false;
	char *dot = body.len ? memchr(body.s, '.', (size_t)body.len) : NULL;

	if (!dot)
		return false;
	t->cls = str_trim((str){body.s, (int)(dot - body.s)});
	str rest = {dot + 1, (int)(body.s + body.len - dot - 1)};
	int i = 0;
	while (i < rest.len && rest.s[i] != ',')
		i++;
	t->name = str_trim((str){rest.s, i});
	while (i < rest.len && t->params_n < (int)COUNT_OF(t->params)) {
		int from = ++i, depth = 0;
		while (i < rest.len && (rest.s[i] != ',' || depth)) {
			depth += rest.s[i] == '(';
			depth -= rest.s[i] == ')';
			i++;
		}
		str v = {rest.s + from, i - from};
		if (v.len && v.s[0] == '$') {
			t->params[t->params_n].spec = xcalloc(1, sizeof(struct pv_spec));
			if (!pv_parse_spec(&v, t->params[t->params_n].spec))
				return false;
		}
		t->params[t->params_n++].text = v;
	}
	buf_addf(&full, "%.*s.%.*s", FMT_STR(t->cls), FMT_STR(t->name));
	for (size_t k = 0; k < COUNT_OF(known); k++)
		ok |= strcmp(full.s, known[k]) == 0;
	if (!ok)
		LOG_ERR("the stand-in has no transformation {%s}\n", full.s);
	buf_free(&full);
	return ok;
}

struct trans *trans_parse(str text)
{
	struct trans *first = NULL, **tail = &first;
	str copy = {str_dupz(text), text.len};
	int i = 0;

	while (i < copy.len) {
		int depth = 0, from = i + 1;
		do {
			depth += copy.s[i] == '{';
			depth -= copy.s[i] == '}';
			i++;
		} while (i < copy.len && depth);
		*tail = xcalloc(1, sizeof **tail);
		if (!parse_one(str_trim((str){copy.s + from, i - 1 - from}), *tail))
			return NULL;
		tail = &(*tail)->next;
	}
	return first;
}

static str param_str(struct sip_msg *msg, const struct trans *t, int i)
{
	struct pv_value v;
	if (i >= t->params_n)
		return STR_NONE;
	if (!t->params[i].spec)
		return t->params[i].text;
	return pv_get_spec_value(msg, t->params[i].spec, &v) == 0 && (v.flags & PV_VAL_STR) ? v.rs : STR_NONE;
}

static bool param_int(struct sip_msg *msg, const struct trans *t, int i, long *n)
{
	return str_to_long(str_trim(param_str(msg, t, i)), n);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static str b64_encode(str s)
{
	char *out = pv_scratch((size_t)s.len * 4 / 3 + 8), *p = out;
	const unsigned char *u = (const unsigned char *)s.s;
	for (int i = 0; i < s.len; i += 3) {
		unsigned v = (unsigned)u[i] << 16;
		if (i + 1 < s.len)
			v |= (unsigned)u[i + 1] << 8;
		if (i + 2 < s.len)
			v |= u[i + 2];
		*p++ = b64[v >> 18];
		*p++ = b64[v >> 12 & 63];
		*p++ = i + 1 < s.len ? b64[v >> 6 & 63] : '=';
		*p++ = i + 2 < s.len ? b64[v & 63] : '=';
	}
	return (str){out, (int)(p - out)};
}

static str b64_decode(str s)
{
	char *out = pv_scratch((size_t)s.len + 4), *p = out;
	unsigned acc = 0;
	int bits = 0;
	for (int i = 0; i < s.len; i++) {
		const char *at = s.s[i] ? strchr(b64, s.s[i]) : NULL;
		if (!at)
			continue;
		acc = acc << 6 | (unsigned)(at - b64);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*p++ = (char)(acc >> bits);
		}
	}
	return (str){out, (int)(p - out)};
}

/* The element number `n` of a list, negative ones from its end. */
static str element(str list, char sep, long n)
{
	long count = 1;
	for (int i = 0; i < list.len; i++)
		count += list.s[i] == sep;
	if (n < 0)
		n += count;
	int from = 0;
	for (int i = 0; i <= list.len; i++) {
		if (i == list.len || list.s[i] == sep) {
			if (n-- == 0)
				return (str){list.s + from, i - from};
			from = i + 1;
		}
	}
	return STR_NONE;
}

static int run_string(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	str s = val->rs;
	long a, b;

	if (str_is(t->name, "len"))
		return pv_put_int(val, s.len);
	if (str_is(t->name, "int")) {
		long n = 0;
		bool neg = s.len && s.s[0] == '-';
		for (int i = neg; i < s.len && s.s[i] >= '0' && s.s[i] <= '9' && n < INT32_MAX; i++)
			n = n * 10 + s.s[i] - '0';
		return pv_put_int(val, (int)(neg ? -n : n));
	}
	if (str_is(t->name, "tolower") || str_is(t->name, "toupper")) {
		char *out = pv_scratch((size_t)s.len);
		bool up = str_is(t->name, "toupper");
		for (int i = 0; i < s.len; i++) {
			char c = s.s[i];
			if (up && c >= 'a' && c <= 'z')
				c = (char)(c - 32);
			else if (!up && c >= 'A' && c <= 'Z')
				c = (char)(c + 32);
			out[i] = c;
		}
		return pv_put_str(val, (str){out, s.len});
	}
	if (str_is(t->name, "substr")) {
		if (!param_int(msg, t, 0, &a) || !param_int(msg, t, 1, &b))
			return -1;
		if (a < 0)
			a += s.len;
		if (a < 0 || a >= s.len || b < 0)
			return -1;
		if (b == 0 || b > s.len - a)
			b = s.len - a;
		return pv_put_str(val, (str){s.s + a, (int)b});
	}
	if (str_is(t->name, "select")) {
		str sep = param_str(msg, t, 1);
		if (!param_int(msg, t, 0, &a) || !sep.len)
			return -1;
		return pv_put_str(val, element(s, sep.s[0], a));
	}
	if (str_is(t->name, "index")) {
		str needle = param_str(msg, t, 0);
		char *at = needle.len && s.len ? memmem(s.s, (size_t)s.len, needle.s, (size_t)needle.len) : NULL;
		return pv_put_int(val, at ? (int)(at - s.s) : -1);
	}
	if (str_has_prefix(t->name, "trim"))
		return pv_put_str(val, str_trim(s));
	if (str_is(t->name, "encode.hexa")) {
		char *out = pv_scratch((size_t)s.len * 2 + 1);
		for (int i = 0; i < s.len; i++)
			snprintf(out + 2 * i, 3, "%02x", (unsigned char)s.s[i]);
		return pv_put_str(val, (str){out, s.len * 2});
	}
	if (str_is(t->name, "decode.hexa")) {
		char *out = pv_scratch((size_t)s.len / 2 + 1);
		for (int i = 0; i + 1 < s.len; i += 2) {
			int hi = hex_digit(s.s[i]), lo = hex_digit(s.s[i + 1]);
			if (hi < 0 || lo < 0)
				return -1;
			out[i / 2] = (char)(hi << 4 | lo);
		}
		return pv_put_str(val, (str){out, s.len / 2});
	}
	if (str_is(t->name, "b64encode"))
		return pv_put_str(val, b64_encode(s));
	if (str_is(t->name, "b64decode"))
		return pv_put_str(val, b64_decode(s));
	if (str_is(t->name, "reverse")) {
		char *out = pv_scratch((size_t)s.len);
		for (int i = 0; i < s.len; i++)
			out[i] = s.s[s.len - 1 - i];
		return pv_put_str(val, (str){out, s.len});
	}
	/* escape.common */
	char *out = pv_scratch((size_t)s.len * 2), *q = out;
	for (int i = 0; i < s.len; i++) {
		if (s.s[i] && strchr("'\"\\", s.s[i]))
			*q++ = '\\';
		*q++ = s.s[i];
	}
	return pv_put_str(val, (str){out, (int)(q - out)});
}

static int run_uri(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	struct uri u;
	str v = STR_NONE;

	if (!uri_parse(val->rs, &u))
		return -1;
	if (str_is(t->name, "user"))
		v = u.user;
	else if (str_is(t->name, "host"))
		v = u.host;
	else if (str_is(t->name, "schema"))
		v = u.scheme;
	else if (str_is(t->name, "params"))
		v = u.params;
	else if (str_is(t->name, "port")) {
		long port = 5060;
		str_to_long(u.port, &port);
		return pv_put_int(val, (int)port);
	} else {
		char *z = str_is(t->name, "transport") ? strdup("transport") : str_dupz(param_str(msg, t, 0));
		if (!param_find(u.params, z, ';', &v))
			v = STR_NONE;
		free(z);
	}
	return pv_put_str(val, v.s ? v : STR(""));
}

static int run_params(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	str v = STR_NONE;
	long n;

	if (str_is(t->name, "count")) {
		n = val->rs.len > 0;
		for (int i = 0; i < val->rs.len; i++)
			n += val->rs.s[i] == ';';
		return pv_put_int(val, (int)n);
	}
	if (str_is(t->name, "value") || str_is(t->name, "exist")) {
		str sep = param_str(msg, t, 1);
		char *z = str_dupz(str_trim(param_str(msg, t, 0)));
		bool found = param_find(val->rs, z, sep.len ? sep.s[0] : ';', &v);
		free(z);
		if (str_is(t->name, "exist"))
			return pv_put_int(val, found);
		return pv_put_str(val, found ? v : STR(""));
	}
	str sep = param_str(msg, t, 1);
	if (!param_int(msg, t, 0, &n))
		return -1;
	v = str_trim(element(val->rs, sep.len ? sep.s[0] : ';', n));
	char *eq = v.len ? memchr(v.s, '=', (size_t)v.len) : NULL;
	if (str_is(t->name, "name") && eq)
		v.len = (int)(eq - v.s);
	else if (str_is(t->name, "valueat"))
		v = eq ? (str){eq + 1, (int)(v.s + v.len - eq - 1)} : STR("");
	return pv_put_str(val, v);
}

static int run_nameaddr(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	struct nameaddr a;
	str v = STR_NONE;

	if (!nameaddr_parse(val->rs, &a))
		return -1;
	if (str_is(t->name, "name"))
		v = a.display;
	else if (str_is(t->name, "uri"))
		v = a.uri;
	else if (str_is(t->name, "params"))
		v = a.params;
	else if (str_is(t->name, "len"))
		return pv_put_int(val, val->rs.len);
	else {
		char *z = str_dupz(str_trim(param_str(msg, t, 0)));
		if (!param_find(a.params, z, ';', &v))
			v = STR_NONE;
		free(z);
	}
	return pv_put_str(val, v.s ? v : STR(""));
}

static int run_csv(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	str rest = val->rs, item;
	long want, n = 0, total = 0;

	while (list_next(&rest, &item))
		total++;
	if (str_is(t->name, "count"))
		return pv_put_int(val, (int)total);
	if (!param_int(msg, t, 0, &want))
		return -1;
	if (want < 0)
		want += total;
	for (rest = val->rs; list_next(&rest, &item); n++)
		if (n == want)
			return pv_put_str(val, item);
	return -1;
}

int trans_run(struct sip_msg *msg, struct trans *t, struct pv_value *val)
{
	for (; t; t = t->next) {
		int ret;
		if ((val->flags & PV_VAL_NULL) || !(val->flags & PV_VAL_STR))
			return pv_get_null(msg, NULL, val);
		if (str_is(t->cls, "s"))
			ret = run_string(msg, t, val);
		else if (str_is(t->cls, "uri"))
			ret = run_uri(msg, t, val);
		else if (str_is(t->cls, "param"))
			ret = run_params(msg, t, val);
		else if (str_is(t->cls, "nameaddr"))
			ret = run_nameaddr(msg, t, val);
		else
			ret = run_csv(msg, t, val);
		if (ret != 0)
			return ret;
	}
	return 0;
}
