/*
 * stats.h - statistics: the few of the stand-in itself, and those that modules export.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_STATS_H
#define STANDIN_STATS_H

#include "abi.h"

enum core_stat { STAT_CORE_RECEIVED, STAT_CORE_BAD, STAT_CORE_SENT, STAT_CORE_N };

bool stats_init(void);
void stats_add(enum core_stat which, unsigned long n);
/* Makes the variables that a module exports, in shared memory. */
bool stats_register(const char *module, const struct stat_export *table);
/* By "module:name" or by the name alone. */
bool stats_value(str name, unsigned long *value);
/* Calls `f` for each one of `filter`: "all", "module:" or a name. False where none matched. */
bool stats_each(str filter, void (*f)(const char *full_name, unsigned long value, void *arg), void *arg);
bool stats_reset(str name);

#endif
