/*
 * reply.c - replies, after RFC 3261, 8.2.6, and RFC 3581 for where they go.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "reply.h"

#include <stdio.h>

#include "net.h"
#include "txn.h"

/* Tags that begin so were made for stateless replies; their ACKs end here. */
#define SL_TAG "standin-sl-"
#define TM_TAG "standin-tm-"

/* A tag that is the same for every reply to one request: made of what identifies it. */
static void add_tag(struct buf *b, struct sip_msg *msg, bool stateless)
{
	str parts[] = {sip_header_body(msg, "Call-ID"), sip_header_body(msg, "From"), sip_header_body(msg, "CSeq")};
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		for (int k = 0; k < parts[i].len; k++)
			h = (h ^ (unsigned char)parts[i].s[k]) * 1099511628211u;
	buf_addf(b, ";tag=%s%016llx", stateless ? SL_TAG : TM_TAG, (unsigned long long)h);
}

/* The topmost Via with `received` and the value of `rport` filled in. */
static void add_top_via(struct buf *b, struct sip_msg *msg, str body)
{
	str rest = body, first, item;

	list_next(&rest, &first);
	buf_addz(b, "Via: ");
	for (bool head = true; first.len; head = false) {
		char *semi = memchr(first.s, ';', (size_t)first.len);
		item = (str){first.s, semi ? (int)(semi - first.s) : first.len};
		first = semi ? (str){semi + 1, (int)(first.s + first.len - semi - 1)} : STR_NONE;
		if (!head)
			buf_addz(b, ";");
		if (!head && str_iis(str_trim(item), "rport"))
			buf_addf(b, "rport=%d", msg->peer.port);
		else
			buf_adds(b, item);
	}
	str known;
	if (!param_find(body, "received", ';', &known))
		buf_addf(b, ";received=%s", msg->peer.ip);
	buf_addz(b, "\r\n");
	if (rest.len)
		buf_addf(b, "Via: %.*s\r\n", FMT_STR(rest));
}

static void build(struct buf *b, struct sip_msg *msg, int code, str reason, bool stateless)
{
	bool first_via = true;

	buf_addf(b, "SIP/2.0 %d %.*s\r\n", code, FMT_STR(reason));
	for (int i = 0; i < msg->headers_n; i++) {
		struct header *h = &msg->headers[i];
		if (header_name_is(h->name, STR("Via"))) {
			if (first_via)
				add_top_via(b, msg, h->body);
			else
				buf_addf(b, "Via: %.*s\r\n", FMT_STR(h->body));
			first_via = false;
		} else if (header_name_is(h->name, STR("From")) || header_name_is(h->name, STR("Call-ID")) ||
			   header_name_is(h->name, STR("CSeq")) || header_name_is(h->name, STR("To"))) {
			struct nameaddr a;
			str tag;
			buf_addf(b, "%.*s: %.*s", FMT_STR(h->name), FMT_STR(h->body));
			if (header_name_is(h->name, STR("To")) && code > 100 &&
			    !(nameaddr_parse(h->body, &a) && param_find(a.params, "tag", ';', &tag)))
				add_tag(b, msg, stateless);
			buf_addz(b, "\r\n");
		} else if (header_name_is(h->name, STR("Record-Route")) && code > 100 && code < 300) {
			buf_addf(b, "Record-Route: %.*s\r\n", FMT_STR(h->body));
		}
	}
	buf_add(b, msg->reply_hdrs.s ? msg->reply_hdrs.s : "", msg->reply_hdrs.len);
	buf_addf(b, "Server: stand-in (as %s)\r\nContent-Length: 0\r\n\r\n", abi_version());
}

/* RFC 3581: with rport (or forced) to the source port, else to the port of the Via. */
static struct peer destination(struct sip_msg *msg)
{
	struct peer to = msg->peer;
	str via = sip_header_body(msg, "Via"), first, v;

	if (to.sock->proto != PROTO_UDP || msg->force_rport || !list_next(&via, &first))
		return to;
	char *semi = first.len ? memchr(first.s, ';', (size_t)first.len) : NULL;
	if (semi && param_find((str){semi + 1, (int)(first.s + first.len - semi - 1)}, "rport", ';', &v))
		return to;
	str sent_by = str_trim((str){first.s, semi ? (int)(semi - first.s) : first.len});
	long port = 5060;
	int colon = sent_by.len;
	while (colon > 0 && sent_by.s[colon - 1] >= '0' && sent_by.s[colon - 1] <= '9')
		colon--;
	if (colon > 0 && colon < sent_by.len && sent_by.s[colon - 1] == ':')
		str_to_long((str){sent_by.s + colon, sent_by.len - colon}, &port);
	if (port < 1 || port > 65535)
		return to;
	if (to.addr.ss_family == AF_INET)
		((struct sockaddr_in *)&to.addr)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)&to.addr)->sin6_port = htons((uint16_t)port);
	return to;
}

static bool send_reply(struct sip_msg *msg, int code, str reason, bool stateless)
{
	struct buf b = {0};

	if (code < 100 || code > 699 || !msg->peer.sock) {
		LOG_ERR("no reply can be sent with code %d here\n", code);
		return false;
	}
	if (str_is(msg->method, "ACK"))
		return true;
	build(&b, msg, code, reason, stateless);
	struct peer to = destination(msg);
	/* Kept before it is sent: the peer may be quick, and another worker receive what it sends. */
	if (!stateless)
		txn_replied(msg, buf_str(&b), code >= 200);
	bool ok = net_send(&to, buf_str(&b));
	buf_free(&b);
	buf_free(&msg->reply_hdrs);
	return ok;
}

bool reply_stateless(struct sip_msg *msg, int code, str reason)
{
	return send_reply(msg, code, reason, true);
}

bool reply_send(struct sip_msg *msg, int code, str reason)
{
	if (msg->txn == TXN_REPLIED) {
		LOG_ERR("this request has its final reply already\n");
		return false;
	}
	return send_reply(msg, code, reason, msg->txn == TXN_NONE);
}

bool reply_is_own_ack(struct sip_msg *msg)
{
	struct nameaddr a;
	str tag;

	return str_is(msg->method, "ACK") && nameaddr_parse(sip_header_body(msg, "To"), &a) &&
	       param_find(a.params, "tag", ';', &tag) && str_has_prefix(tag, SL_TAG);
}
