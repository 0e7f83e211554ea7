/*
 * net.h - sockets: UDP, and TCP with its connections. What arrives goes through route{}.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_NET_H
#define STANDIN_NET_H

#include "sip.h"

/* "udp:127.0.0.1:5060", perhaps with further words behind it. */
bool net_add_socket(const char *spec);
/* Opens and binds everything; in the parent, so that workers share the sockets. */
bool net_open(void);
bool net_has(int proto);
/* Begins to receive in this worker: the sockets of one protocol. */
bool net_start(int proto);
bool net_send(const struct peer *to, str data);
/* Closes the TCP connections of this worker. */
void net_stop(void);

#endif
