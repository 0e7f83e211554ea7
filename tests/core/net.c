/*
 * net.c - receiving and sending. A datagram, or a message cut out of a TCP stream by its
 * Content-Length, becomes a request that runs through route{}.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "modules.h"
#include "reactor.h"
#include "reply.h"
#include "run.h"
#include "stats.h"
#include "txn.h"

enum { MAX_DATAGRAM = 65535, MAX_STREAM = 262144, BATCH = 16 };

struct tcp_conn {
	int fd;
	uint64_t id;
	const struct listener *sock;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	struct buf in;
	struct tcp_conn *next;
};

static struct tcp_conn *conns;
static struct route *main_route;

bool net_add_socket(const char *spec)
{
	struct listener *l = xcalloc(1, sizeof *l);
	char proto[8] = "", host[64] = "", port[8] = "5060";
	struct addrinfo hints = {.ai_flags = AI_PASSIVE}, *ai = NULL;

	if (sscanf(spec, "%7[a-z]:[%63[^]]]:%7[0-9]", proto, host, port) < 2 &&
	    sscanf(spec, "%7[a-z]:%63[^: \t]:%7[0-9]", proto, host, port) < 2) {
		LOG_ERR("not a socket: %s\n", spec);
		goto error;
	}
	if (strcmp(proto, "udp") == 0) {
		l->proto = PROTO_UDP;
		hints.ai_socktype = SOCK_DGRAM;
	} else if (strcmp(proto, "tcp") == 0) {
		l->proto = PROTO_TCP;
		hints.ai_socktype = SOCK_STREAM;
	} else {
		LOG_ERR("the stand-in does not speak %s\n", proto);
		goto error;
	}
	if (getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints, &ai) != 0 || !ai) {
		LOG_ERR("not an address to listen on: %s\n", spec);
		goto error;
	}
	memcpy(&l->addr, ai->ai_addr, ai->ai_addrlen);
	l->addr_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	snprintf(l->ip, sizeof l->ip, "%s", host);
	l->port = atoi(port);
	l->fd = -1;
	struct listener **tail = &listeners;
	while (*tail)
		tail = &(*tail)->next;
	*tail = l;
	return true;
error:
	free(l);
	return false;
}

static void address_text(const struct sockaddr_storage *a, char ip[64], int *port)
{
	ip[0] = 0;
	*port = 0;
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)a;
		inet_ntop(AF_INET, &in->sin_addr, ip, 64);
		*port = ntohs(in->sin_port);
	} else if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)a;
		inet_ntop(AF_INET6, &in->sin6_addr, ip, 64);
		*port = ntohs(in->sin6_port);
	}
}

bool net_open(void)
{
	for (struct listener *l = listeners; l; l = l->next) {
		const char *mod = l->proto == PROTO_UDP ? "proto_udp" : "proto_tcp";
		if (!module_loaded(mod)) {
			LOG_ERR("a socket for %s, but no module can handle it: load %s.so\n", mod + 6, mod);
			return false;
		}
		int one = 1, size = 4 << 20;
		l->fd = socket(l->addr.ss_family,
			       (l->proto == PROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (l->fd < 0) {
			LOG_ERR("socket: %s\n", strerror(errno));
			return false;
		}
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
		if (bind(l->fd, (struct sockaddr *)&l->addr, l->addr_len) != 0 ||
		    (l->proto == PROTO_TCP && listen(l->fd, 512) != 0)) {
			LOG_ERR("can't listen on %s:%s:%d: %s\n", mod + 6, l->ip, l->port, strerror(errno));
			return false;
		}
		socklen_t len = sizeof l->addr;
		getsockname(l->fd, (struct sockaddr *)&l->addr, &len);
		address_text(&l->addr, l->ip, &l->port);
		snprintf(l->name, sizeof l->name, "%s:%s:%d", mod + 6, l->ip, l->port);
		LOG_INFO("listening on %s\n", l->name);
	}
	if (!listeners) {
		LOG_CRIT("no socket to listen on\n");
		return false;
	}
	main_route = script_route(ROUTE_REQUEST, "0");
	return true;
}

bool net_has(int proto)
{
	const struct listener *l = listeners;
	while (l && l->proto != proto)
		l = l->next;
	return l != NULL;
}

static void handle(const char *data, int len, const struct peer *peer)
{
	const char *why;
	struct sip_msg *m = sip_parse(data, len, peer, &why);

	if (!m) {
		stats_add(STAT_CORE_BAD, 1);
		LOG_DBG("dropped a message from %s:%d: %s\n", peer->ip, peer->port, why);
		return;
	}
	stats_add(STAT_CORE_RECEIVED, 1);
	if (!reply_is_own_ack(m) && !txn_absorbs(m) && main_route)
		run_top_route(main_route, m);
	sip_free(m);
}

static void on_datagram(int fd, void *arg)
{
	static char data[MAX_DATAGRAM];
	struct listener *l = arg;

	for (int i = 0; i < BATCH; i++) {
		struct peer peer = {.sock = l, .addr_len = sizeof peer.addr};
		ssize_t n = recvfrom(fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&peer.addr, &peer.addr_len);
		if (n < 0)
			return;
		address_text(&peer.addr, peer.ip, &peer.port);
		if (n > 0)
			handle(data, (int)n, &peer);
	}
}

/* ---- TCP ---- */

static void conn_close(struct tcp_conn *c)
{
	struct tcp_conn **p = &conns;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	reactor_del(c->fd);
	close(c->fd);
	buf_free(&c->in);
	free(c);
}

static struct tcp_conn *conn_find(uint64_t id)
{
	struct tcp_conn *c = conns;
	while (c && c->id != id)
		c = c->next;
	return c;
}

/* How long the message is that the stream begins with; 0 where more is needed, -1 where it is bad. */
static long frame_length(const struct buf *in)
{
	char *end = in->len ? memmem(in->s, in->len, "\r\n\r\n", 4) : NULL;
	if (!end)
		return in->len > 65536 ? -1 : 0;
	size_t head = (size_t)(end - in->s) + 4;
	long body = 0;
	str rest = {in->s, (int)head};
	while (rest.len > 0) {
		char *nl = memchr(rest.s, '\n', (size_t)rest.len);
		int n = nl ? (int)(nl - rest.s) + 1 : rest.len;
		str line = str_trim((str){rest.s, n});
		char *colon = line.len ? memchr(line.s, ':', (size_t)line.len) : NULL;
		if (colon && header_name_is(str_trim((str){line.s, (int)(colon - line.s)}), STR("Content-Length"))) {
			str v = str_trim((str){colon + 1, (int)(line.s + line.len - colon - 1)});
			if (!str_to_long(v, &body) || body < 0 || body > MAX_STREAM)
				return -1;
		}
		rest = (str){rest.s + n, rest.len - n};
	}
	return head + (size_t)body <= in->len ? (long)head + body : 0;
}

static void on_stream(int fd, void *arg)
{
	struct tcp_conn *c = arg;
	uint64_t id = c->id;
	char data[16384];
	ssize_t n = recv(fd, data, sizeof data, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	buf_add(&c->in, data, (size_t)n);
	for (;;) {
		size_t blank = 0;
		while (blank < c->in.len && (c->in.s[blank] == '\r' || c->in.s[blank] == '\n'))
			blank++;
		/* RFC 5626: a double line end is a ping, and a single one its answer. */
		if (blank >= 4)
			(void)!send(fd, "\r\n", 2, MSG_DONTWAIT | MSG_NOSIGNAL);
		memmove(c->in.s, c->in.s + blank, c->in.len - blank);
		c->in.len -= blank;
		long len = frame_length(&c->in);
		if (len < 0) {
			conn_close(c);
			return;
		}
		if (len == 0)
			return;
		struct peer peer = {.sock = c->sock, .addr = c->addr, .addr_len = c->addr_len, .conn = c, .conn_id = id};
		address_text(&peer.addr, peer.ip, &peer.port);
		handle(c->in.s, (int)len, &peer);
		/* Sending a reply may have found the connection broken. */
		if (!conn_find(id))
			return;
		memmove(c->in.s, c->in.s + len, c->in.len - (size_t)len);
		c->in.len -= (size_t)len;
	}
}

static void on_accept(int fd, void *arg)
{
	static uint64_t count;
	struct tcp_conn *c = xcalloc(1, sizeof *c);
	int one = 1;

	c->addr_len = sizeof c->addr;
	c->fd = accept4(fd, (struct sockaddr *)&c->addr, &c->addr_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (c->fd < 0) {
		free(c);
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->id = ++count;
	c->sock = arg;
	c->next = conns;
	conns = c;
	if (!reactor_add(c->fd, on_stream, c, false))
		conn_close(c);
}

static bool stream_send(uint64_t id, str data)
{
	struct tcp_conn *c = conn_find(id);

	if (!c) {
		LOG_ERR("the connection of this request is gone\n");
		return false;
	}
	while (data.len) {
		ssize_t n = send(c->fd, data.s, (size_t)data.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			/* A peer that reads nothing loses its connection rather than stop this worker. */
			LOG_ERR("sending on a connection failed: %s\n", strerror(errno));
			shutdown(c->fd, SHUT_RDWR);
			return false;
		}
		data.s += n;
		data.len -= (int)n;
	}
	return true;
}

bool net_start(int proto)
{
	for (struct listener *l = listeners; l; l = l->next) {
		if (l->proto != proto)
			continue;
		if (!reactor_add(l->fd, proto == PROTO_UDP ? on_datagram : on_accept, l, true))
			return false;
	}
	return true;
}

bool net_send(const struct peer *to, str data)
{
	stats_add(STAT_CORE_SENT, 1);
	if (to->sock->proto == PROTO_TCP)
		return stream_send(to->conn_id, data);
	for (;;) {
		ssize_t n = sendto(to->sock->fd, data.s, (size_t)data.len, 0, (const struct sockaddr *)&to->addr,
				   to->addr_len);
		if (n == data.len)
			return true;
		if (n < 0 && errno == EINTR)
			continue;
		LOG_ERR("sending to %s:%d failed: %s\n", to->ip, to->port, strerror(errno));
		return false;
	}
}

void net_stop(void)
{
	while (conns)
		conn_close(conns);
}
