/*
 * reactor.h - one event loop per process: file descriptors, timeouts, and the end of the process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_REACTOR_H
#define STANDIN_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

typedef void (*reactor_fn)(int fd, void *arg);

/* Creates the loop of this process. From then on, SIGTERM and SIGINT end it. */
bool reactor_init(void);
/* Watches `fd` for reading. `shared`: other processes watch it too, and one is enough to wake. */
bool reactor_add(int fd, reactor_fn f, void *arg, bool shared);
/* Ends the watch; the descriptor stays open (or may be closed already). */
void reactor_del(int fd);
/* Calls `f` once after so many milliseconds; returns an ID for cancelling it. */
uint64_t reactor_timer(uint64_t ms, void (*f)(void *arg), void *arg);
void reactor_cancel(uint64_t timer);
/* Runs until the process is told to exit. */
void reactor_run(void);
/* Milliseconds of a monotonic clock. */
uint64_t now_ms(void);

#endif
