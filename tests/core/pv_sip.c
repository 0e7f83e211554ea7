/*
 * pv_sip.c - the pseudo-variables that read the request being processed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <arpa/inet.h>
#include <strings.h>

#include "net.h"
#include "pvar.h"
#include "sip.h"

#define MAX_ITEMS 64

#define GETTER(name) static int name(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)

static int put_nonempty(struct pv_value *res, str s)
{
	return s.len ? pv_put_str(res, s) : pv_put_null(res);
}

static int iname(const struct pv_param *p)
{
	return p->pvn.u.isname.name.n;
}

/* ---- request line, From and To ---- */

enum { URI_WHOLE, URI_USER, URI_HOST };

static int put_uri_part(struct pv_value *res, str uri, int part)
{
	str user, host;

	if (part == URI_WHOLE)
		return put_nonempty(res, uri);
	if (!uri_parse(uri, &user, &host))
		return pv_put_null(res);
	return put_nonempty(res, part == URI_USER ? user : host);
}

static int put_address(struct pv_value *res, str body, int part)
{
	struct nameaddr a;
	return body.len && nameaddr_parse(body, &a) ? put_uri_part(res, a.uri, part) : pv_put_null(res);
}

GETTER(get_method)
{
	(void)p;
	return put_nonempty(res, msg->method);
}

GETTER(get_ruri)
{
	return put_uri_part(res, msg->ruri, iname(p));
}

GETTER(get_from)
{
	return put_address(res, sip_header_body(msg, "From"), iname(p));
}

GETTER(get_from_tag)
{
	str body = sip_header_body(msg, "From");
	struct nameaddr a;
	str tag;

	(void)p;
	if (!body.len || !nameaddr_parse(body, &a) || !param_find(a.params, "tag", ';', &tag))
		return pv_put_null(res);
	return put_nonempty(res, tag);
}

GETTER(get_to)
{
	return put_address(res, sip_header_body(msg, "To"), iname(p));
}

GETTER(get_call_id)
{
	(void)p;
	return put_nonempty(res, sip_header_body(msg, "Call-ID"));
}

/* ---- headers ---- */

GETTER(get_hdr)
{
	str items[MAX_ITEMS];
	int n = 0;

	for (struct header *h; n < MAX_ITEMS && (h = sip_header(msg, p->pvn.u.isname.name.s, n)); n++)
		items[n] = h->body;
	return pv_put_indexed(msg, p, res, items, n);
}

GETTER(get_hdrcnt)
{
	return pv_put_int(res, sip_header_count(msg, p->pvn.u.isname.name.s));
}

GETTER(get_hdr_name)
{
	str items[MAX_ITEMS];
	int n = 0;
	for (; n < msg->headers_n && n < MAX_ITEMS; n++)
		items[n] = msg->headers[n].name;
	return pv_put_indexed(msg, p, res, items, n);
}

/* ---- contacts ---- */

static int contacts(struct sip_msg *msg, str *items)
{
	int n = 0;

	for (struct header *h; n < MAX_ITEMS && (h = sip_header(msg, STR("Contact"), n)); n++)
		items[n] = h->body;
	int headers = n;
	str all[MAX_ITEMS];
	memcpy(all, items, sizeof *all * (size_t)headers);
	n = 0;
	for (int i = 0; i < headers; i++)
		for (str rest = all[i]; n < MAX_ITEMS && list_next(&rest, &items[n]);)
			n++;
	return n;
}

GETTER(get_contact)
{
	str items[MAX_ITEMS];
	int n = contacts(msg, items);
	return pv_put_indexed(msg, p, res, items, n);
}

/* As it is written; of contacts in angle brackets only. */
static str contact_expires(str contact)
{
	static const char name[] = ";expires=";
	int len = (int)sizeof name - 1, at = 0, end;

	while (at < contact.len && contact.s[at] != '>')
		at++;
	while (at + len <= contact.len && strncasecmp(contact.s + at, name, (size_t)len))
		at++;
	if (at + len > contact.len)
		return (str){NULL, 0};
	for (end = at += len; end < contact.len && !strchr("; \t", contact.s[end]);)
		end++;
	return (str){contact.s + at, end - at};
}

GETTER(get_contact_field)
{
	str items[MAX_ITEMS];

	int n = contacts(msg, items);
	int at = p->pvi.type == PV_IDX_INT ? p->pvi.u.ival : 0;
	if (at < 0 || at >= n || str_is(items[at], "*"))
		return pv_put_null(res);
	if (str_is(p->pvn.u.isname.name.s, "expires"))
		return put_nonempty(res, contact_expires(items[at]));
	if (!str_is(p->pvn.u.isname.name.s, "uri"))
		return pv_put_null(res);
	return put_address(res, items[at], URI_WHOLE);
}

/* ---- credentials ---- */

/* $aU is the whole username, $au the part before its @. */
GETTER(get_username)
{
	str v;

	if (str_is(msg->method, "ACK") || str_is(msg->method, "CANCEL") || !sip_digest_username(msg, &v))
		return pv_put_null(res);
	char *at = v.len && iname(p) == URI_USER ? memchr(v.s, '@', (size_t)v.len) : NULL;
	return put_nonempty(res, (str){v.s, at ? (int)(at - v.s) : v.len});
}

/* ---- where it came from, and all of it ---- */

GETTER(get_source_ip)
{
	(void)p;
	return put_nonempty(res, str_of(msg->peer.ip));
}

GETTER(get_source_port)
{
	(void)p;
	return pv_put_int(res, msg->peer.port);
}

GETTER(get_socket)
{
	str field = p->pvn.u.isname.name.s;
	const struct sockaddr_in *here = net_address();
	char *ip = pv_scratch(INET_ADDRSTRLEN);

	(void)msg;
	if (str_is(field, "proto"))
		return pv_put_str(res, STR("udp"));
	if (str_is(field, "port"))
		return pv_put_int(res, ntohs(here->sin_port));
	if (!str_is(field, "ip") || !inet_ntop(AF_INET, &here->sin_addr, ip, INET_ADDRSTRLEN))
		return pv_put_null(res);
	return pv_put_str(res, str_of(ip));
}

GETTER(get_whole)
{
	(void)p;
	return put_nonempty(res, msg->raw);
}

#define PLAIN(n, getf, i) {STR(n), PVT_OTHER, getf, NULL, NULL, NULL, pv_init_iname, i}

const struct pv_export pv_sip_table[] = {
	PLAIN("rm", get_method, 0),
	PLAIN("rU", get_ruri, URI_USER),
	PLAIN("ru", get_ruri, URI_WHOLE),
	PLAIN("rd", get_ruri, URI_HOST),
	PLAIN("ou", get_ruri, URI_WHOLE),
	PLAIN("od", get_ruri, URI_HOST),
	PLAIN("fu", get_from, URI_WHOLE),
	PLAIN("fU", get_from, URI_USER),
	PLAIN("fd", get_from, URI_HOST),
	PLAIN("ft", get_from_tag, 0),
	PLAIN("tu", get_to, URI_WHOLE),
	PLAIN("tU", get_to, URI_USER),
	PLAIN("td", get_to, URI_HOST),
	{STR("hdr"), PVT_HDR, get_hdr, NULL, pv_parse_name, pv_parse_index, NULL, 0},
	{STR("hdrcnt"), PVT_OTHER, get_hdrcnt, NULL, pv_parse_name, NULL, NULL, 0},
	{STR("hdr_name"), PVT_OTHER, get_hdr_name, NULL, NULL, pv_parse_index, NULL, 0},
	{STR("ct"), PVT_OTHER, get_contact, NULL, NULL, pv_parse_index, NULL, 0},
	{STR("ct.fields"), PVT_OTHER, get_contact_field, NULL, pv_parse_name, pv_parse_index, NULL, 0},
	{STR("socket_in"), PVT_OTHER, get_socket, NULL, pv_parse_name, NULL, NULL, 0},
	PLAIN("ci", get_call_id, 0),
	PLAIN("au", get_username, URI_USER),
	PLAIN("aU", get_username, URI_WHOLE),
	PLAIN("si", get_source_ip, 0),
	PLAIN("sp", get_source_port, 0),
	PLAIN("mb", get_whole, 0),
	{.name = {NULL, 0}},
};
