/*
 * reply.h - builds and sends replies.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_REPLY_H
#define STANDIN_REPLY_H

#include "sip.h"

/*
 * Sends a reply: with the transaction where one is open, without one else. False where it could not
 * be sent, or the transaction has its final reply already.
 */
bool reply_send(struct sip_msg *msg, int code, str reason);
/* Was this ACK sent to a reply of ours that no transaction remembers? */
bool reply_is_own_ack(struct sip_msg *msg);

#endif
