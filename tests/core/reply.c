/*
 * reply.c - replies, after RFC 3261, 8.2.6. They go to where the request came from, as if the Via
 * had asked for that with rport (RFC 3581).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "reply.h"

#include "net.h"
#include "txn.h"

/* Tags with this prefix were made for stateless replies; their ACKs end here. */
#define SL_TAG "standin-sl-"
#define TM_TAG "standin-tm-"

/* A tag that is the same for every reply to a request: derived from what identifies it. */
static void add_tag(struct buf *b, struct sip_msg *msg, bool stateless)
{
	str parts[] = {sip_header_body(msg, "Call-ID"), sip_header_body(msg, "From"), sip_header_body(msg, "CSeq")};
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < COUNT_OF(parts); i++)
		for (int k = 0; k < parts[i].len; k++)
			h = (h ^ (unsigned char)parts[i].s[k]) * 1099511628211u;
	buf_addf(b, ";tag=%s%016llx", stateless ? SL_TAG : TM_TAG, (unsigned long long)h);
}

static void build(struct buf *b, struct sip_msg *msg, int code, str reason, bool stateless)
{
	static const char *const copied[] = {"Via", "From", "To", "Call-ID", "CSeq"};

	buf_addf(b, "SIP/2.0 %d %.*s\r\n", code, FMT_STR(reason));
	for (int i = 0; i < msg->headers_n; i++) {
		struct header *h = &msg->headers[i];
		struct nameaddr a;
		str tag;
		size_t k = 0;
		while (k < COUNT_OF(copied) && !header_name_is(h->name, str_of(copied[k])))
			k++;
		if (k == COUNT_OF(copied))
			continue;
		buf_addf(b, "%.*s: %.*s", FMT_STR(h->name), FMT_STR(h->body));
		if (header_name_is(h->name, STR("To")) && code > 100 &&
		    !(nameaddr_parse(h->body, &a) && param_find(a.params, "tag", ';', &tag)))
			add_tag(b, msg, stateless);
		buf_addz(b, "\r\n");
	}
	buf_adds(b, buf_str(&msg->reply_hdrs));
	buf_addf(b, "Server: stand-in (as %s)\r\nContent-Length: 0\r\n\r\n", abi_version());
}

bool reply_send(struct sip_msg *msg, int code, str reason)
{
	bool stateless = msg->txn == TXN_NONE;
	struct buf b = {0};

	if (msg->txn == TXN_REPLIED) {
		LOG_ERR("this request has its final reply already\n");
		return false;
	}
	if (code < 100 || code > 699 || !msg->peer.port) {
		LOG_ERR("no reply can be sent with code %d here\n", code);
		return false;
	}
	if (str_is(msg->method, "ACK"))
		return true;
	build(&b, msg, code, reason, stateless);
	/* Stored before it is sent: a fast peer's next message may reach another worker. */
	if (!stateless)
		txn_replied(msg, buf_str(&b), code >= 200);
	bool ok = net_send(&msg->peer, buf_str(&b));
	buf_free(&b);
	buf_free(&msg->reply_hdrs);
	return ok;
}

bool reply_is_own_ack(struct sip_msg *msg)
{
	struct nameaddr a;
	str tag;

	return str_is(msg->method, "ACK") && nameaddr_parse(sip_header_body(msg, "To"), &a) &&
	       param_find(a.params, "tag", ';', &tag) && str_has_prefix(tag, SL_TAG);
}
