/*
 * log.h - the log: lines on stderr in the shape that the core and its modules share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_LOG_H
#define STANDIN_LOG_H

#include "base.h"

/* Sets the level of this process. */
void log_set_level(int level);
/* The level at which xlog() lines are printed. */
extern int xlog_level;
/* One line of the script's xlog(); only xlog_level decides whether it is printed. */
void log_script(int level, str text);
/* Called in each process after fork. */
void log_forked(void);

#endif
