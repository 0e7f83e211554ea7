/*
 * sip.c - parsing of SIP requests. Its input is untrusted, so each step works on counted strings
 * within the one copy of the message.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sip.h"

static const struct {
	char compact;
	const char *name;
} compact_forms[] = {
	{'a', "Accept-Contact"}, {'b', "Referred-By"},	    {'c', "Content-Type"}, {'d', "Request-Disposition"},
	{'e', "Content-Encoding"}, {'f', "From"},	    {'i', "Call-ID"},	   {'j', "Reject-Contact"},
	{'k', "Supported"},	   {'l', "Content-Length"}, {'m', "Contact"},	   {'o', "Event"},
	{'r', "Refer-To"},	   {'s', "Subject"},	    {'t', "To"},	   {'u', "Allow-Events"},
	{'v', "Via"},		   {'x', "Session-Expires"}, {'y', "Identity"},
};

static str long_form(str name)
{
	if (name.len == 1)
		for (size_t i = 0; i < COUNT_OF(compact_forms); i++)
			if ((name.s[0] | 0x20) == compact_forms[i].compact)
				return str_of(compact_forms[i].name);
	return name;
}

bool header_name_is(str a, str b)
{
	return str_ieq(long_form(a), long_form(b));
}

/* Cuts one line (with its folded continuations) off `rest`, without the line end. */
static bool next_line(str *rest, str *line, bool folds)
{
	int i = 0;
	if (rest->len <= 0)
		return false;
	for (;;) {
		while (i < rest->len && rest->s[i] != '\n')
			i++;
		if (folds && i > 0 && i + 1 < rest->len && (rest->s[i + 1] == ' ' || rest->s[i + 1] == '\t') &&
		    !(i == 1 && rest->s[0] == '\r')) {
			i++;
			continue;
		}
		break;
	}
	*line = (str){rest->s, i};
	if (line->len > 0 && line->s[line->len - 1] == '\r')
		line->len--;
	int used = i < rest->len ? i + 1 : i;
	rest->s += used;
	rest->len -= used;
	return true;
}

static str next_word(str *rest)
{
	while (rest->len > 0 && *rest->s == ' ') {
		rest->s++;
		rest->len--;
	}
	str w = {rest->s, 0};
	while (w.len < rest->len && rest->s[w.len] != ' ')
		w.len++;
	rest->s += w.len;
	rest->len -= w.len;
	return w;
}

static bool is_token(str s)
{
	for (int i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];
		if (c <= ' ' || c >= 127 || strchr("()<>@,;:\\\"/[]?={}", c))
			return false;
	}
	return s.len > 0;
}

static const char *parse_into(struct sip_msg *m)
{
	str rest = m->raw, line;

	while (rest.len && (*rest.s == '\r' || *rest.s == '\n')) {
		rest.s++;
		rest.len--;
	}
	if (!next_line(&rest, &line, false))
		return "empty";
	if (str_has_prefix(line, "SIP/2.0 "))
		return "a response";
	m->method = next_word(&line);
	m->ruri = next_word(&line);
	if (!is_token(m->method) || !m->ruri.len || !str_iis(str_trim(line), "SIP/2.0"))
		return "no SIP request line";

	int cap = 0;
	for (;;) {
		if (!next_line(&rest, &line, true))
			return "no empty line after the headers";
		if (line.len == 0)
			break;
		char *colon = memchr(line.s, ':', (size_t)line.len);
		if (!colon)
			return "a header without a colon";
		str name = str_trim((str){line.s, (int)(colon - line.s)});
		if (!is_token(name))
			return "a header without a name";
		if (m->headers_n == cap) {
			cap = cap ? cap * 2 : 24;
			m->headers = xrealloc(m->headers, (size_t)cap * sizeof *m->headers);
		}
		m->headers[m->headers_n++] = (struct header){
			.name = name,
			.body = str_trim((str){colon + 1, (int)(line.s + line.len - colon - 1)}),
		};
	}
	m->body = rest;
	long clen;
	str cl = sip_header_body(m, "Content-Length");
	if (cl.s) {
		if (!str_to_long(cl, &clen) || clen < 0)
			return "a bad Content-Length";
		if (clen > rest.len)
			return "a body shorter than its Content-Length";
		m->body.len = (int)clen;
	}
	/* Without a Via no reply can be sent; anything else that is missing is up to the script. */
	if (!sip_header_body(m, "Via").len)
		return "no Via";
	return NULL;
}

struct sip_msg *sip_parse(const char *data, int len, const struct peer *peer, const char **why)
{
	struct sip_msg *m = xcalloc(1, sizeof *m);

	m->raw = str_dup((str){(char *)data, len});
	m->peer = *peer;
	m->txn_slot = -1;
	*why = parse_into(m);
	if (*why) {
		sip_free(m);
		return NULL;
	}
	return m;
}

struct sip_msg *sip_move(struct sip_msg *m)
{
	struct sip_msg *c = xcalloc(1, sizeof *c);

	*c = *m;
	c->headers = NULL;
	c->headers_n = 0;
	c->raw = str_dup(m->raw);
	parse_into(c);
	m->avps = NULL;
	m->reply_hdrs = (struct buf){0};
	return c;
}

void sip_free(struct sip_msg *m)
{
	if (!m)
		return;
	avp_free_list(&m->avps);
	buf_free(&m->reply_hdrs);
	free(m->headers);
	free(m->raw.s);
	free(m);
}

struct header *sip_header(struct sip_msg *m, str name, int index)
{
	for (int i = 0; i < m->headers_n; i++)
		if (header_name_is(m->headers[i].name, name) && index-- == 0)
			return &m->headers[i];
	return NULL;
}

int sip_header_count(struct sip_msg *m, str name)
{
	int n = 0;
	for (int i = 0; i < m->headers_n; i++)
		n += header_name_is(m->headers[i].name, name);
	return n;
}

str sip_header_body(struct sip_msg *m, const char *name)
{
	struct header *h = sip_header(m, str_of(name), 0);
	return h ? h->body : STR_NONE;
}

bool uri_parse(str s, str *user, str *host)
{
	*user = STR_NONE;
	if (!(s.len > 4 && strncasecmp(s.s, "sip:", 4) == 0) && !(s.len > 5 && strncasecmp(s.s, "sips:", 5) == 0))
		return false;
	char *colon = memchr(s.s, ':', (size_t)s.len);
	str rest = {colon + 1, (int)(s.s + s.len - colon - 1)};
	/* The user part may contain ';' and '?', so look for the '@' first. A password is not part of it. */
	char *at = memchr(rest.s, '@', (size_t)rest.len);
	if (at) {
		char *password = memchr(rest.s, ':', (size_t)(at - rest.s));
		*user = (str){rest.s, (int)((password ? password : at) - rest.s)};
		rest = (str){at + 1, (int)(rest.s + rest.len - at - 1)};
	}
	int i = 0;
	if (rest.len && rest.s[0] == '[')
		while (i < rest.len && rest.s[i] != ']')
			i++;
	while (i < rest.len && !(rest.s[i] && strchr(":;?", rest.s[i])))
		i++;
	*host = (str){rest.s, i};
	return host->len > 0;
}

/* The next element up to `sep`, respecting quotes and, for commas, <>. */
static bool next_element(str *rest, char sep, str *item)
{
	bool quoted = false, angle = false;
	int i;

	if (rest->len <= 0)
		return false;
	for (i = 0; i < rest->len; i++) {
		char c = rest->s[i];
		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '<') {
			angle = true;
		} else if (c == '>') {
			angle = false;
		} else if (c == sep && !angle) {
			break;
		}
	}
	if (i > rest->len)
		i = rest->len;
	*item = str_trim((str){rest->s, i});
	int used = i < rest->len ? i + 1 : i;
	rest->s += used;
	rest->len -= used;
	return true;
}

bool list_next(str *rest, str *item)
{
	return next_element(rest, ',', item);
}

static str unquoted(str v)
{
	if (v.len >= 2 && v.s[0] == '"' && v.s[v.len - 1] == '"')
		return (str){v.s + 1, v.len - 2};
	return v;
}

bool param_find(str params, const char *name, char sep, str *value)
{
	str item;
	while (next_element(&params, sep, &item)) {
		char *eq = item.len ? memchr(item.s, '=', (size_t)item.len) : NULL;
		str n = eq ? str_trim((str){item.s, (int)(eq - item.s)}) : item;
		if (str_iis(n, name)) {
			*value = eq ? unquoted(str_trim((str){eq + 1, (int)(item.s + item.len - eq - 1)}))
				    : (str){item.s + item.len, 0};
			return true;
		}
	}
	return false;
}

bool nameaddr_parse(str s, struct nameaddr *out)
{
	memset(out, 0, sizeof *out);
	s = str_trim(s);
	int i = 0;
	bool quoted = false;
	for (; i < s.len; i++) {
		if (quoted) {
			if (s.s[i] == '\\')
				i++;
			else if (s.s[i] == '"')
				quoted = false;
		} else if (s.s[i] == '"') {
			quoted = true;
		} else if (s.s[i] == '<') {
			break;
		}
	}
	str after;
	if (i < s.len) {
		char *end = memchr(s.s + i, '>', (size_t)(s.len - i));
		if (!end)
			return false;
		out->uri = (str){s.s + i + 1, (int)(end - s.s) - i - 1};
		after = (str){end + 1, (int)(s.s + s.len - end - 1)};
	} else {
		char *semi = s.len ? memchr(s.s, ';', (size_t)s.len) : NULL;
		int n = semi ? (int)(semi - s.s) : s.len;
		out->uri = str_trim((str){s.s, n});
		after = (str){s.s + n, s.len - n};
	}
	after = str_trim(after);
	if (after.len && after.s[0] == ';')
		out->params = (str){after.s + 1, after.len - 1};
	return out->uri.len > 0;
}

bool sip_digest_username(struct sip_msg *m, str *value)
{
	str header = sip_header_body(m, "Proxy-Authorization");
	if (!header.s)
		header = sip_header_body(m, "Authorization");
	int i = 0;
	while (i < header.len && header.s[i] != ' ' && header.s[i] != '\t')
		i++;
	return str_iis((str){header.s, i}, "Digest") &&
	       param_find((str){header.s + i, header.len - i}, "username", ',', value);
}
