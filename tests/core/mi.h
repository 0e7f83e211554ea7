/*
 * mi.h - the management interface: commands of modules and of the stand-in, as JSON-RPC or as plain
 * words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_MI_H
#define STANDIN_MI_H

#include "abi.h"
#include "json.h"

/*
 * Runs one request: a JSON-RPC object, or `command arg arg`. The answer is a line of JSON without a
 * line end: the JSON-RPC response; for plain words, the result alone or {"error":...}.
 */
void mi_handle(str request, struct buf *answer);
/* Is there any way in: a --mi path, or the parameters of mi_datagram or mi_fifo? */
bool mi_wanted(const char *control_path);
/* Opens what was asked for and serves it in this process until the process ends. */
bool mi_start(const char *control_path);
/* Removes the files of sockets and fifos; in the parent, at the end. */
void mi_cleanup(const char *control_path);
/* The init functions of all commands, in the process that serves them. */
bool mi_child_init(void);

#endif
