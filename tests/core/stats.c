/*
 * stats.c - the statistics of modules.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "stats.h"

#include <stdio.h>

enum { MAX_STATS = 512 };

static struct entry {
	const char *module, *name;
	unsigned long (*f)(void *);
} entries[MAX_STATS];
static int entries_n;

bool stats_register(const char *module, const struct stat_export *t)
{
	for (; t && t->name; t++) {
		if (entries_n == MAX_STATS || !(t->flags & STAT_IS_FUNC)) {
			LOG_ERR("the stand-in takes %d statistics, and functions only: %s\n", MAX_STATS, t->name);
			return false;
		}
		entries[entries_n++] = (struct entry){module, t->name, (unsigned long (*)(void *))t->pointer};
	}
	return true;
}

bool stats_value(str name, char full[256], unsigned long *value)
{
	for (int i = 0; i < entries_n; i++)
		if (str_is(name, entries[i].name)) {
			snprintf(full, 256, "%s:%s", entries[i].module, entries[i].name);
			*value = entries[i].f(NULL);
			return true;
		}
	return false;
}
