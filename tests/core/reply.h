/*
 * reply.h - builds and sends replies.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_REPLY_H
#define STANDIN_REPLY_H

#include "sip.h"

/*
 * Sends a reply: with the transaction if one is open, otherwise without. False if it could not be
 * sent, or the transaction already has its final reply.
 */
bool reply_send(struct sip_msg *msg, int code, str reason);
/* Is this an ACK to one of our stateless replies? */
bool reply_is_own_ack(struct sip_msg *msg);

#endif
