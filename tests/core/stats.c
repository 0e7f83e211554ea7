/*
 * stats.c - the statistics of modules.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "stats.h"

#include <stdio.h>
#include <sys/mman.h>

enum { MAX_STATS = 1024 };

static struct entry {
	const char *module, *name;
	struct stat_var var;
} entries[MAX_STATS];
static int entries_n;

/* One number for each, in memory that is shared. */
static _Atomic(unsigned long) *counters;

bool stats_register(const char *module, const struct stat_export *t)
{
	if (!counters) {
		void *memory = mmap(NULL, MAX_STATS * sizeof *counters, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			return false;
		counters = memory;
	}
	for (; t && t->name; t++) {
		if (entries_n == MAX_STATS) {
			LOG_ERR("the stand-in takes %d statistics\n", MAX_STATS);
			return false;
		}
		struct entry *entry = &entries[entries_n];
		*entry = (struct entry){module, t->name, {.flags = t->flags}};
		if (t->flags & STAT_IS_FUNC) {
			entry->var.u.f = (unsigned long (*)(void *))t->pointer;
		} else {
			entry->var.u.val = &counters[entries_n];
			*(struct stat_var **)t->pointer = &entry->var;
		}
		entries_n++;
	}
	return true;
}

int __register_module_stats(const char *module, const struct stat_export *table, int unsafe)
{
	(void)unsafe;
	return stats_register(module, table) ? 0 : -1;
}

bool stats_value(str name, char full[256], unsigned long *value)
{
	for (int i = 0; i < entries_n; i++) {
		const struct entry *entry = &entries[i];

		snprintf(full, 256, "%s:%s", entry->module, entry->name);
		if (!str_is(name, entry->name) && !str_is(name, full))
			continue;
		*value = entry->var.flags & STAT_IS_FUNC ? entry->var.u.f(NULL) : *entry->var.u.val;
		return true;
	}
	return false;
}
