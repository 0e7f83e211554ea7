/*
 * sip.h - SIP messages: parsing of requests, and the pieces of URIs and name-addrs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_SIP_H
#define STANDIN_SIP_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "abi.h"
#include "avp.h"

/* Where a request came from, and where its replies go. */
struct peer {
	struct sockaddr_in addr;
	char ip[INET_ADDRSTRLEN];
	int port; /* 0: nowhere */
};

struct header {
	str name, body;
};

/* State of the transaction of a request. */
enum txn_state { TXN_NONE, TXN_OPEN, TXN_REPLIED };

struct sip_msg {
	str raw;
	str method, ruri;
	struct header *headers;
	int headers_n;
	str body;
	struct peer peer;

	/* What the script and modules added. */
	struct buf reply_hdrs; /* headers for the next reply */
	struct usr_avp *avps;

	enum txn_state txn;
	int txn_slot; /* -1: not remembered for retransmissions */
};

/*
 * Parses a request; copies the bytes. NULL if it is not a request that can be answered (`why` gives
 * the reason), which includes responses.
 */
struct sip_msg *sip_parse(const char *data, int len, const struct peer *peer, const char **why);
/* A second message with the same content and state; AVPs and reply headers move to it. */
struct sip_msg *sip_move(struct sip_msg *m);
void sip_free(struct sip_msg *m);

/* The header with this name, in long or compact form, in any case; `index` counts from 0. */
struct header *sip_header(struct sip_msg *m, str name, int index);
int sip_header_count(struct sip_msg *m, str name);
str sip_header_body(struct sip_msg *m, const char *name);
bool header_name_is(str a, str b);

/* The user and the host of a sip: or sips: URI; the user is empty if there is none. */
bool uri_parse(str s, str *user, str *host);
/* The value of a parameter (empty if it has none); false if there is no such parameter. */
bool param_find(str params, const char *name, char sep, str *value);

struct nameaddr {
	str uri, params; /* params begins after the first ';' following the address */
};

bool nameaddr_parse(str s, struct nameaddr *out);
/* Takes the next element off a comma-separated list, respecting quotes and <>. */
bool list_next(str *rest, str *item);
/* The username of the Digest credentials, preferring those for a proxy, without quotes. */
bool sip_digest_username(struct sip_msg *m, str *value);

#endif
