/*
 * log.h - the log: lines on stderr in the format that the core and its modules share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_LOG_H
#define STANDIN_LOG_H

#include "base.h"

/* Sets the level of this process. */
void log_set_level(int level);
/* The highest level of xlog() lines that are printed, whatever log_level is: the core's default. */
enum { XLOG_LEVEL = L_NOTICE };
/* One line of the script's xlog(). */
void log_script(int level, str text);
/* Called in each process after fork. */
void log_forked(void);

#endif
