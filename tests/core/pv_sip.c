/*
 * pv_sip.c - the pseudo-variables that read (a few also write) the request being processed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "pvar.h"
#include "sip.h"

#define MAX_ITEMS 64

#define GETTER(name) static int name(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)

static int put_nonempty(struct pv_value *res, str s)
{
	return s.len ? pv_put_str(res, s) : pv_get_null(NULL, NULL, res);
}

static int iname(const struct pv_param *p)
{
	return p->pvn.u.isname.name.n;
}

/* ---- request line ---- */

enum { URI_WHOLE, URI_USER, URI_HOST, URI_PORT, URI_PROTO, URI_TAG, URI_DISPLAY };

static int put_uri_part(struct pv_value *res, str uri, int part)
{
	struct uri u;
	str v;

	if (part == URI_WHOLE)
		return put_nonempty(res, uri);
	if (!uri_parse(uri, &u))
		return pv_get_null(NULL, NULL, res);
	switch (part) {
	case URI_USER:
		return put_nonempty(res, u.user);
	case URI_HOST:
		return put_nonempty(res, u.host);
	case URI_PORT: {
		long port = 5060;
		if (u.port.len && (!str_to_long(u.port, &port) || port > 65535))
			return pv_get_null(NULL, NULL, res);
		return pv_put_int(res, (int)port);
	}
	default:
		return pv_put_str(res, param_find(u.params, "transport", ';', &v) ? v : STR("UDP"));
	}
}

GETTER(get_method)
{
	(void)p;
	return put_nonempty(res, msg->method);
}

GETTER(get_ruri)
{
	return put_uri_part(res, sip_ruri(msg), iname(p));
}

GETTER(get_original_ruri)
{
	return put_uri_part(res, msg->ruri, iname(p));
}

static int set_ruri(struct sip_msg *msg, struct pv_param *p, int op, struct pv_value *val)
{
	(void)op;
	struct uri u;

	if (!val || (val->flags & PV_VAL_NULL) || !(val->flags & PV_VAL_STR)) {
		if (iname(p) != URI_USER)
			return -1;
	}
	str v = val && (val->flags & PV_VAL_STR) ? val->rs : STR_NONE;
	if (iname(p) == URI_WHOLE) {
		sip_set_ruri(msg, v);
		return 0;
	}
	if (!uri_parse(sip_ruri(msg), &u))
		return -1;
	str *part = iname(p) == URI_USER ? &u.user : iname(p) == URI_HOST ? &u.host : &u.port;
	*part = v;
	struct buf b = {0};
	buf_addf(&b, "%.*s:", FMT_STR(u.scheme));
	if (u.user.len)
		buf_addf(&b, "%.*s@", FMT_STR(u.user));
	buf_adds(&b, u.host);
	if (u.port.len)
		buf_addf(&b, ":%.*s", FMT_STR(u.port));
	if (u.params.len)
		buf_addf(&b, ";%.*s", FMT_STR(u.params));
	sip_set_ruri(msg, buf_str(&b));
	buf_free(&b);
	return 0;
}

/* ---- From and To ---- */

static int put_address(struct pv_value *res, str body, int part)
{
	struct nameaddr a;
	str tag;

	if (!body.len || !nameaddr_parse(body, &a))
		return pv_get_null(NULL, NULL, res);
	if (part == URI_DISPLAY)
		return put_nonempty(res, a.display);
	if (part == URI_TAG)
		return param_find(a.params, "tag", ';', &tag) ? put_nonempty(res, tag)
							      : pv_get_null(NULL, NULL, res);
	return put_uri_part(res, a.uri, part);
}

GETTER(get_from)
{
	return put_address(res, sip_header_body(msg, "From"), iname(p));
}

GETTER(get_to)
{
	return put_address(res, sip_header_body(msg, "To"), iname(p));
}

/* ---- headers ---- */

static const char *const plain_names[] = {"Call-ID", "User-Agent", "Content-Type", "Content-Length"};

GETTER(get_plain_header)
{
	return pv_put_str(res, sip_header_body(msg, plain_names[iname(p)]));
}

GETTER(get_cseq)
{
	(void)p;
	str b = sip_header_body(msg, "CSeq");
	int i = 0;
	while (i < b.len && b.s[i] >= '0' && b.s[i] <= '9')
		i++;
	return put_nonempty(res, (str){b.s, i});
}

GETTER(get_hdr)
{
	struct pv_value name;
	str items[MAX_ITEMS];
	int n = 0;

	if (pv_get_spec_name(msg, p, &name) != 0 || !(name.flags & PV_VAL_STR))
		return pv_get_null(NULL, NULL, res);
	for (struct header *h; n < MAX_ITEMS && (h = sip_header(msg, name.rs, n)); n++)
		items[n] = h->body;
	return pv_put_indexed(msg, p, res, items, n);
}

GETTER(get_hdrcnt)
{
	struct pv_value name;
	if (pv_get_spec_name(msg, p, &name) != 0 || !(name.flags & PV_VAL_STR))
		return pv_get_null(NULL, NULL, res);
	return pv_put_int(res, sip_header_count(msg, name.rs));
}

GETTER(get_hdr_name)
{
	str items[MAX_ITEMS];
	int n = 0;
	for (; n < msg->headers_n && n < MAX_ITEMS; n++)
		items[n] = msg->headers[n].name;
	return pv_put_indexed(msg, p, res, items, n);
}

/* ---- Contact ---- */

static const char *const contact_fields[] = {"name", "uri", "q", "expires", "methods", "received", "params"};

static int parse_contact_field(struct pv_spec *sp, const str *in)
{
	for (size_t i = 0; i < COUNT_OF(contact_fields); i++)
		if (str_iis(*in, contact_fields[i]))
			return pv_init_iname(sp, (int)i + 1);
	LOG_ERR("unsupported CT field <%.*s>\n", FMT_STR(*in));
	return -1;
}

static str contact_field(str contact, int field)
{
	struct nameaddr a;
	str v;

	if (field == 0)
		return contact;
	if (!nameaddr_parse(contact, &a))
		return STR_NONE;
	switch (field) {
	case 1:
		return a.display;
	case 2:
		return a.uri;
	case 7:
		return a.params;
	default:
		return param_find(a.params, contact_fields[field - 1], ';', &v) ? v : STR_NONE;
	}
}

GETTER(get_contact)
{
	str items[MAX_ITEMS], rest, item;
	int n = 0, field = p->pvn.type == PV_NAME_INTSTR ? iname(p) : 0;

	for (int i = 0; n < MAX_ITEMS; i++) {
		struct header *h = sip_header(msg, STR("Contact"), i);
		if (!h)
			break;
		rest = h->body;
		while (n < MAX_ITEMS && list_next(&rest, &item)) {
			str v = contact_field(item, field);
			if (v.s || n == 0)
				items[n++] = v;
		}
	}
	return pv_put_indexed(msg, p, res, items, n);
}

/* ---- credentials ---- */

enum { AUTH_USER = 100, AUTH_DOMAIN, AUTH_WHOLE };

static const char *const auth_fields[] = {"realm", "uri",  "nonce", "response", "cnonce",
					  "opaque", "algorithm", "qop",   "nc"};

GETTER(get_auth)
{
	str cred = sip_credentials(msg), v;
	int which = iname(p);

	if (!cred.s || str_is(msg->method, "ACK") || str_is(msg->method, "CANCEL"))
		return pv_get_null(NULL, NULL, res);
	if (!digest_field(cred, which >= AUTH_USER ? "username" : auth_fields[which], &v))
		return pv_get_null(NULL, NULL, res);
	if (which >= AUTH_USER && which != AUTH_WHOLE) {
		char *at = v.len ? memchr(v.s, '@', (size_t)v.len) : NULL;
		if (which == AUTH_USER && at)
			v.len = (int)(at - v.s);
		else if (which == AUTH_DOMAIN)
			v = at ? (str){at + 1, (int)(v.s + v.len - at - 1)} : STR_NONE;
	}
	return put_nonempty(res, v);
}

/* ---- where it came from ---- */

enum { AT_SRC_IP, AT_SRC_PORT, AT_RCV_IP, AT_RCV_PORT, AT_PROTO, AT_FAMILY, AT_SOCKET };

GETTER(get_peer)
{
	const struct listener *l = msg->peer.sock;
	switch (iname(p)) {
	case AT_SRC_IP:
		return put_nonempty(res, str_of(msg->peer.ip));
	case AT_SRC_PORT:
		return pv_put_int(res, msg->peer.port);
	case AT_RCV_IP:
		return l ? put_nonempty(res, str_of(l->ip)) : pv_get_null(NULL, NULL, res);
	case AT_RCV_PORT:
		return l ? pv_put_int(res, l->port) : pv_get_null(NULL, NULL, res);
	case AT_PROTO:
		return l ? pv_put_str(res, str_of(l->proto == PROTO_UDP ? "udp" : "tcp"))
			 : pv_get_null(NULL, NULL, res);
	case AT_FAMILY:
		return pv_put_str(res, str_of(strchr(msg->peer.ip, ':') ? "INET6" : "INET"));
	default:
		return l ? pv_put_str(res, str_of(l->name)) : pv_get_null(NULL, NULL, res);
	}
}

static int parse_socket_field(struct pv_spec *sp, const str *in)
{
	static const struct {
		const char *name;
		int at;
	} fields[] = {{"ip", AT_RCV_IP}, {"port", AT_RCV_PORT}, {"proto", AT_PROTO}, {"af", AT_FAMILY}};
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (str_iis(*in, fields[i].name))
			return pv_init_iname(sp, fields[i].at);
	return -1;
}

/* ---- the message as a whole ---- */

GETTER(get_whole)
{
	switch (iname(p)) {
	case 0:
		return put_nonempty(res, msg->raw);
	case 1:
		return pv_put_int(res, msg->raw.len);
	case 2:
		return put_nonempty(res, msg->body);
	case 3:
		return pv_put_int(res, (int)msg->id);
	case 4:
		return pv_put_int(res, (int)msg->flags);
	default:
		return pv_put_int(res, 1);
	}
}

GETTER(get_nothing)
{
	(void)p;
	return pv_get_null(msg, NULL, res);
}

/* A colour of xlog: nothing is printed for it. */
GETTER(get_color)
{
	(void)msg, (void)p;
	return pv_put_str(res, STR(""));
}

static int parse_any(struct pv_spec *sp, const str *in)
{
	(void)in;
	return pv_init_iname(sp, 0);
}

#define PLAIN(n, getf, i) {STR(n), PVT_OTHER, getf, NULL, NULL, NULL, pv_init_iname, i}
#define WRITABLE(n, getf, setf, i) {STR(n), PVT_OTHER, getf, setf, NULL, NULL, pv_init_iname, i}

const struct pv_export pv_sip_table[] = {
	PLAIN("rm", get_method, 0),
	WRITABLE("ru", get_ruri, set_ruri, URI_WHOLE),
	WRITABLE("ruri", get_ruri, set_ruri, URI_WHOLE),
	WRITABLE("rU", get_ruri, set_ruri, URI_USER),
	WRITABLE("ruri.user", get_ruri, set_ruri, URI_USER),
	WRITABLE("rd", get_ruri, set_ruri, URI_HOST),
	WRITABLE("ruri.domain", get_ruri, set_ruri, URI_HOST),
	WRITABLE("rp", get_ruri, set_ruri, URI_PORT),
	PLAIN("rP", get_ruri, URI_PROTO),
	PLAIN("ou", get_original_ruri, URI_WHOLE),
	PLAIN("oU", get_original_ruri, URI_USER),
	PLAIN("od", get_original_ruri, URI_HOST),
	PLAIN("op", get_original_ruri, URI_PORT),
	PLAIN("fu", get_from, URI_WHOLE),
	PLAIN("from", get_from, URI_WHOLE),
	PLAIN("fU", get_from, URI_USER),
	PLAIN("from.user", get_from, URI_USER),
	PLAIN("fd", get_from, URI_HOST),
	PLAIN("from.domain", get_from, URI_HOST),
	PLAIN("ft", get_from, URI_TAG),
	PLAIN("fn", get_from, URI_DISPLAY),
	PLAIN("tu", get_to, URI_WHOLE),
	PLAIN("to", get_to, URI_WHOLE),
	PLAIN("tU", get_to, URI_USER),
	PLAIN("to.user", get_to, URI_USER),
	PLAIN("td", get_to, URI_HOST),
	PLAIN("to.domain", get_to, URI_HOST),
	PLAIN("tt", get_to, URI_TAG),
	PLAIN("tn", get_to, URI_DISPLAY),
	PLAIN("ci", get_plain_header, 0),
	PLAIN("ua", get_plain_header, 1),
	PLAIN("cT", get_plain_header, 2),
	PLAIN("cl", get_plain_header, 3),
	PLAIN("cs", get_cseq, 0),
	{STR("hdr"), PVT_HDR, get_hdr, NULL, pv_parse_name, pv_parse_index, NULL, 0},
	{STR("hdrcnt"), PVT_OTHER, get_hdrcnt, NULL, pv_parse_name, NULL, NULL, 0},
	{STR("hdr_name"), PVT_OTHER, get_hdr_name, NULL, NULL, pv_parse_index, NULL, 0},
	{STR("ct"), PVT_OTHER, get_contact, NULL, NULL, pv_parse_index, pv_init_iname, 0},
	{STR("ct.fields"), PVT_OTHER, get_contact, NULL, parse_contact_field, pv_parse_index, NULL, 0},
	PLAIN("ar", get_auth, 0),
	PLAIN("adu", get_auth, 1),
	PLAIN("an", get_auth, 2),
	PLAIN("auth.nonce", get_auth, 2),
	PLAIN("auth.resp", get_auth, 3),
	PLAIN("auth.cnonce", get_auth, 4),
	PLAIN("auth.opaque", get_auth, 5),
	PLAIN("auth.alg", get_auth, 6),
	PLAIN("auth.qop", get_auth, 7),
	PLAIN("auth.nc", get_auth, 8),
	PLAIN("au", get_auth, AUTH_USER),
	PLAIN("ad", get_auth, AUTH_DOMAIN),
	PLAIN("aU", get_auth, AUTH_WHOLE),
	PLAIN("si", get_peer, AT_SRC_IP),
	PLAIN("src_ip", get_peer, AT_SRC_IP),
	PLAIN("sp", get_peer, AT_SRC_PORT),
	PLAIN("socket_in", get_peer, AT_SOCKET),
	{STR("socket_in"), PVT_OTHER, get_peer, NULL, parse_socket_field, NULL, NULL, 0},
	PLAIN("mb", get_whole, 0),
	PLAIN("ml", get_whole, 1),
	PLAIN("rb", get_whole, 2),
	PLAIN("mi", get_whole, 3),
	PLAIN("mf", get_whole, 4),
	PLAIN("msg.is_request", get_whole, 5),
	PLAIN("rs", get_nothing, 0),
	PLAIN("rr", get_nothing, 0),
	PLAIN("du", get_nothing, 0),
	{STR("C"), PVT_OTHER, get_color, NULL, parse_any, NULL, NULL, 0},
	{.name = {NULL, 0}},
};
