/*
 * async.h - async() and launch(): calls whose route resumes when a file descriptor is ready.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_ASYNC_H
#define STANDIN_ASYNC_H

#include "script.h"

/* Runs `async(function(...), route)`; the calling route ends in any case. */
void async_start(struct stmt *s, struct sip_msg *msg);
/* Runs `launch(function(...))`; the calling route continues. */
int async_launch(struct stmt *s, struct sip_msg *msg);

#endif
