/*
 * txn.h - transactions, shared by all workers, so that a retransmission gets the reply again (or
 * nothing, while there is none) whichever process receives it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_TXN_H
#define STANDIN_TXN_H

#include "sip.h"

/* Called before the workers are forked. */
bool txn_init(void);
/*
 * Opens a transaction for the request. False if it is a retransmission of an open one, whose last
 * reply, if any, was sent again.
 */
bool txn_open(struct sip_msg *msg);
/*
 * Is this request a retransmission of, or an ACK to, a remembered transaction? If so, its last
 * reply was sent again.
 */
bool txn_absorbs(struct sip_msg *msg);
/* Stores the bytes of a reply that was sent. */
void txn_replied(struct sip_msg *msg, str reply, bool final);

#endif
