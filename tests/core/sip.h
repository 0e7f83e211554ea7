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

enum { PROTO_UDP = 1, PROTO_TCP = 2 };

/* A socket that requests are received on. */
struct listener {
	int proto;
	char ip[64];
	int port;
	int fd;
	char name[96]; /* "udp:127.0.0.1:5060" */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	struct listener *next;
};

extern struct listener *listeners;

struct tcp_conn;

/* Where a request came from, and so where its replies go. */
struct peer {
	const struct listener *sock;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	/* For TCP: the connection and its number, which tells whether it is still the same one. */
	struct tcp_conn *conn;
	uint64_t conn_id;
	char ip[64];
	int port;
};

struct header {
	str name, body;
	bool removed;
};

/* State of the transaction of a request. */
enum txn_state { TXN_NONE, TXN_OPEN, TXN_REPLIED };

struct sip_msg {
	str raw;
	str method, ruri, version;
	struct header *headers;
	int headers_n;
	str body;
	struct peer peer;

	/* What the script and modules changed. */
	str new_ruri;          /* owned; s is NULL while the Request-URI is as received */
	struct buf reply_hdrs; /* headers for the next reply */
	struct usr_avp *avps;
	unsigned int flags;
	bool force_rport;

	enum txn_state txn;
	int txn_slot;          /* -1: not remembered for retransmissions */
	uint64_t id;           /* $mi */
	time_t received;
};

/*
 * Parses a request; takes a copy of the bytes. NULL where it is no request that could be answered
 * (`why` says so), a response included.
 */
struct sip_msg *sip_parse(const char *data, int len, const struct peer *peer, const char **why);
/* A second message of the same content and state; AVPs and reply headers move to it. */
struct sip_msg *sip_move(struct sip_msg *m);
void sip_free(struct sip_msg *m);

/* The header of this name, in long or compact form, any case; `index` counts from 0. */
struct header *sip_header(struct sip_msg *m, str name, int index);
int sip_header_count(struct sip_msg *m, str name);
str sip_header_body(struct sip_msg *m, const char *name);
bool header_name_is(str a, str b);

struct uri {
	str scheme, user, password, host, port, params, headers;
};

bool uri_parse(str s, struct uri *out);
/* The value of a parameter (empty where it has none); false where there is none of that name. */
bool param_find(str params, const char *name, char sep, str *value);

struct nameaddr {
	str display, uri, params; /* params begins after the first ';' behind the address */
};

bool nameaddr_parse(str s, struct nameaddr *out);
/* Takes the next element off a comma separated list, with regard to quotes and <>. */
bool list_next(str *rest, str *item);
/* The value of one member of a Digest header such as `realm`, without its quotes. */
bool digest_field(str header, const char *name, str *value);
/* The Authorization header, or else the Proxy-Authorization header. */
str sip_credentials(struct sip_msg *m);

static inline str sip_ruri(const struct sip_msg *m)
{
	return m->new_ruri.s ? m->new_ruri : m->ruri;
}

void sip_set_ruri(struct sip_msg *m, str uri);

#endif
