/*
 * pv_trans.c - transformations: in braces after a variable, applied to its value, such as
 * $(hdr(X){s.int}); those that test scripts use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "pvar.h"
#include "sip.h"

struct trans {
	/* Transforms a value; -1 if that is not possible. */
	int (*run)(struct sip_msg *msg, const struct trans *t, struct pv_value *val);
	/* Parameters after the name: constants or variables. */
	struct {
		str text;
		struct pv_spec *spec;
	} params[2];
	int params_n;
	struct trans *next;
};

static str param_str(struct sip_msg *msg, const struct trans *t, int i)
{
	struct pv_value v;
	if (!t->params[i].spec)
		return t->params[i].text;
	return pv_get_spec_value(msg, t->params[i].spec, &v) == 0 && (v.flags & PV_VAL_STR) ? v.rs : STR_NONE;
}

static int to_int(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	(void)msg, (void)t;
	str s = val->rs;
	bool neg = s.len && s.s[0] == '-';
	long n = 0;
	for (int i = neg; i < s.len && s.s[i] >= '0' && s.s[i] <= '9' && n < INT32_MAX; i++)
		n = n * 10 + s.s[i] - '0';
	return pv_put_int(val, (int)(neg ? -n : n));
}

static int to_lower(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	(void)msg, (void)t;
	char *out = pv_scratch((size_t)val->rs.len);
	for (int i = 0; i < val->rs.len; i++) {
		char c = val->rs.s[i];
		out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return pv_put_str(val, (str){out, val->rs.len});
}

/* The user of a URI: what is neither a letter nor a digit is escaped. */
static int escaped_user(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	(void)msg, (void)t;
	static const char hex[] = "0123456789abcdef";
	char *out = pv_scratch(3 * (size_t)val->rs.len + 1), *p = out;
	for (int i = 0; i < val->rs.len; i++) {
		unsigned char c = (unsigned char)val->rs.s[i];
		if ((c | 32) >= 'a' && (c | 32) <= 'z')
			*p++ = (char)c;
		else if (c >= '0' && c <= '9')
			*p++ = (char)c;
		else
			*p++ = '%', *p++ = hex[c >> 4], *p++ = hex[c & 15];
	}
	return pv_put_str(val, (str){out, (int)(p - out)});
}

/* The element with that number, from 0, in a list with that separator. */
static int selected(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	str sep = param_str(msg, t, 1), list = val->rs;
	long n;
	int from = 0;

	if (!str_to_long(str_trim(param_str(msg, t, 0)), &n) || !sep.len)
		return -1;
	for (int i = 0; i <= list.len; i++)
		if (i == list.len || list.s[i] == sep.s[0]) {
			if (n-- == 0)
				return pv_put_str(val, (str){list.s + from, i - from});
			from = i + 1;
		}
	return -1;
}

/* That many bytes from an offset, or those that there are. */
static int substring(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	long from, length;
	str s = val->rs;

	if (!str_to_long(str_trim(param_str(msg, t, 0)), &from) || from < 0 || from >= s.len ||
	    !str_to_long(str_trim(param_str(msg, t, 1)), &length) || length < 0)
		return -1;
	if (length > s.len - from)
		length = s.len - from;
	return pv_put_str(val, (str){s.s + from, (int)length});
}

static int from_base64(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	(void)msg, (void)t;
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	str s = val->rs;
	char *out = pv_scratch((size_t)s.len + 4), *p = out;
	unsigned acc = 0;
	int bits = 0;
	for (int i = 0; i < s.len; i++) {
		const char *at = s.s[i] ? strchr(digits, s.s[i]) : NULL;
		if (!at)
			continue;
		acc = acc << 6 | (unsigned)(at - digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*p++ = (char)(acc >> bits);
		}
	}
	return pv_put_str(val, (str){out, (int)(p - out)});
}

static int length(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	(void)msg, (void)t;
	return pv_put_int(val, val->rs.len);
}

static int uri_host(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	(void)msg, (void)t;
	str user, host;
	return uri_parse(val->rs, &user, &host) ? pv_put_str(val, host) : -1;
}

static int uri_schema(struct sip_msg *msg, const struct trans *t, struct pv_value *val)
{
	(void)msg, (void)t;
	str user, host;
	const char *colon = val->rs.len ? memchr(val->rs.s, ':', (size_t)val->rs.len) : NULL;
	bool is_uri = colon && (uri_parse(val->rs, &user, &host) || !strncasecmp(val->rs.s, "tel:", 4));
	return is_uri ? pv_put_str(val, (str){val->rs.s, (int)(colon - val->rs.s)}) : -1;
}

static const struct {
	const char *name;
	int (*run)(struct sip_msg *msg, const struct trans *t, struct pv_value *val);
	int params_n;
} known[] = {
	{"uri.host", uri_host, 0},
	{"uri.schema", uri_schema, 0},
	{"s.int", to_int, 0},
	{"s.len", length, 0},
	{"s.tolower", to_lower, 0},
	{"s.escape.user", escaped_user, 0},
	{"s.select", selected, 2},
	{"s.substr", substring, 2},
	{"s.b64decode", from_base64, 0},
};

static bool parse_one(str body, struct trans *t)
{
	int i = 0;

	while (i < body.len && body.s[i] != ',')
		i++;
	str name = {body.s, i};
	while (i < body.len && t->params_n < (int)COUNT_OF(t->params)) {
		int from = ++i, depth = 0;
		while (i < body.len && (body.s[i] != ',' || depth)) {
			depth += body.s[i] == '(';
			depth -= body.s[i] == ')';
			i++;
		}
		str v = {body.s + from, i - from};
		if (v.len && v.s[0] == '$') {
			t->params[t->params_n].spec = xcalloc(1, sizeof(struct pv_spec));
			if (!pv_parse_spec(&v, t->params[t->params_n].spec))
				return false;
		} else {
			t->params[t->params_n].text = str_dup(v);
		}
		t->params_n++;
	}
	for (size_t k = 0; k < COUNT_OF(known); k++)
		if (str_is(name, known[k].name) && t->params_n == known[k].params_n) {
			t->run = known[k].run;
			return true;
		}
	LOG_ERR("the stand-in has no transformation {%.*s}\n", FMT_STR(body));
	return false;
}

struct trans *trans_parse(str text)
{
	struct trans *first = NULL, **tail = &first;
	int i = 0;

	while (i < text.len) {
		int depth = 0, from = i + 1;
		do {
			depth += text.s[i] == '{';
			depth -= text.s[i] == '}';
			i++;
		} while (i < text.len && depth);
		*tail = xcalloc(1, sizeof **tail);
		if (!parse_one((str){text.s + from, i - 1 - from}, *tail))
			return NULL;
		tail = &(*tail)->next;
	}
	return first;
}

int trans_run(struct sip_msg *msg, struct trans *t, struct pv_value *val)
{
	for (; t; t = t->next)
		if (!(val->flags & PV_VAL_STR) || t->run(msg, t, val) != 0)
			return -1;
	return 0;
}
