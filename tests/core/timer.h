/*
 * timer.h - what modules and scripts want done every so many seconds, in a process of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_TIMER_H
#define STANDIN_TIMER_H

#include <stdbool.h>

/* Is there anything to do? Otherwise no process is needed. */
bool timer_wanted(void);
/* Arms everything in the reactor of this process. */
void timer_start(void);

#endif
