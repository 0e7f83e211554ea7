/*
 * net.c - receiving and sending. Each datagram is a message; a request runs through route{}.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "modules.h"
#include "reactor.h"
#include "reply.h"
#include "run.h"
#include "txn.h"

enum { MAX_DATAGRAM = 65535, BATCH = 16 };

static struct sockaddr_in address;
static int socket_fd = -1;
static struct route *main_route;

const struct sockaddr_in *net_address(void)
{
	return &address;
}

/* Exported to modules. */
int check_self(str *host, unsigned short port, unsigned short proto)
{
	char ip[INET_ADDRSTRLEN] = "";

	(void)proto;
	inet_ntop(AF_INET, &address.sin_addr, ip, sizeof ip);
	return str_is(*host, ip) && (!port || port == ntohs(address.sin_port));
}

bool net_set_socket(const char *spec)
{
	char host[64] = "";
	unsigned short port;

	if (address.sin_port || sscanf(spec, "udp:%63[0-9.]:%hu", host, &port) != 2 || !port ||
	    inet_pton(AF_INET, host, &address.sin_addr) != 1) {
		LOG_ERR("the stand-in listens on one socket, such as udp:127.0.0.1:5060, and not on %s\n", spec);
		return false;
	}
	address.sin_family = AF_INET;
	address.sin_port = htons(port);
	return true;
}

bool net_open(void)
{
	int one = 1, size = 4 << 20;

	if (!address.sin_port || !module_loaded("proto_udp")) {
		LOG_CRIT("no socket to listen on, or no proto_udp.so that could\n");
		return false;
	}
	socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(socket_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (bind(socket_fd, (struct sockaddr *)&address, sizeof address) != 0) {
		LOG_ERR("can't listen on udp:%s:%d: %s\n", inet_ntoa(address.sin_addr), ntohs(address.sin_port),
			strerror(errno));
		return false;
	}
	main_route = script_route("0");
	return true;
}

static void handle(const char *data, int len, const struct peer *peer)
{
	const char *why;
	struct sip_msg *m = sip_parse(data, len, peer, &why);

	if (!m) {
		LOG_DBG("dropped a message from %s:%d: %s\n", peer->ip, peer->port, why);
		return;
	}
	if (!reply_is_own_ack(m) && !txn_absorbs(m) && main_route)
		run_top_route(main_route, m);
	sip_free(m);
}

static void on_datagram(int fd, void *arg)
{
	(void)arg;
	static char data[MAX_DATAGRAM];

	for (int i = 0; i < BATCH; i++) {
		struct peer peer = {0};
		socklen_t addr_len = sizeof peer.addr;
		ssize_t n = recvfrom(fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&peer.addr, &addr_len);
		if (n < 0)
			return;
		inet_ntop(AF_INET, &peer.addr.sin_addr, peer.ip, sizeof peer.ip);
		peer.port = ntohs(peer.addr.sin_port);
		if (n > 0)
			handle(data, (int)n, &peer);
	}
}

bool net_start(void)
{
	return reactor_add(socket_fd, on_datagram, NULL, true);
}

bool net_send(const struct peer *to, str data)
{
	ssize_t n;

	do
		n = sendto(socket_fd, data.s, (size_t)data.len, 0, (const struct sockaddr *)&to->addr, sizeof to->addr);
	while (n < 0 && errno == EINTR);
	if (n != data.len)
		LOG_ERR("sending to %s:%d failed: %s\n", to->ip, to->port, strerror(errno));
	return n == data.len;
}
