/*
 * stats.h - the statistics that modules export: functions that return the number, and counters in memory
 * that all processes share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_STATS_H
#define STANDIN_STATS_H

#include "abi.h"

bool stats_register(const char *module, const struct stat_export *table);
/* The value of the statistic with this name, and `full`, "module:name"; false if there is none. */
bool stats_value(str name, char full[256], unsigned long *value);

#endif
