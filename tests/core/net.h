/*
 * net.h - the UDP socket. What arrives there goes through route{}.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_NET_H
#define STANDIN_NET_H

#include "sip.h"

/* "udp:127.0.0.1:5060"; false (and logged) if it is malformed, or a socket exists already. */
bool net_set_socket(const char *spec);
/* Opens and binds it; in the parent, so that workers share it. */
bool net_open(void);
/* Starts receiving in this worker. */
bool net_start(void);
/* The address of the socket. */
const struct sockaddr_in *net_address(void);
/* Whether a host and a port, or any if it is 0, is that socket. */
int check_self(str *host, unsigned short port, unsigned short proto);
bool net_send(const struct peer *to, str data);

#endif
