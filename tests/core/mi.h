/*
 * mi.h - the management interface: commands of modules and get_statistics, as JSON-RPC over the
 * datagram socket of mi_datagram.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_MI_H
#define STANDIN_MI_H

#include "abi.h"

/* Was a socket requested by the parameter socket_name of mi_datagram? */
bool mi_wanted(void);
/* Opens it and serves it until this process ends. */
bool mi_start(void);
/* Removes its file; in the parent, at the end. */
void mi_cleanup(void);

/* ABI functions. */
struct mi_item *init_mi_result_string(const char *value, int len);
struct mi_item *init_mi_error_extra(int code, const char *msg, int msg_len, const char *details, int details_len);

#endif
