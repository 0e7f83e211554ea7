/*
 * stats.h - the statistics that modules export, each a function that is asked for the number.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_STATS_H
#define STANDIN_STATS_H

#include "abi.h"

bool stats_register(const char *module, const struct stat_export *table);
/* The number of the statistic of this name, and `full`, "module:name"; false where there is none. */
bool stats_value(str name, char full[256], unsigned long *value);

#endif
