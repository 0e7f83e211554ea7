/*
 * stats.c - statistics in shared memory, so that every process counts into the same cells.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "stats.h"

#include <stdio.h>
#include <sys/mman.h>

enum { MAX_STATS = 512 };

struct entry {
	char *module, *name;
	unsigned short flags;
	unsigned long *val;
	unsigned long (*f)(void *);
};

static struct entry entries[MAX_STATS];
static int entries_n;
static unsigned long *cells;

static struct entry *add(const char *module, const char *name)
{
	if (entries_n == MAX_STATS)
		return NULL;
	struct entry *e = &entries[entries_n];
	e->module = strdup(module);
	e->name = strdup(name);
	e->val = &cells[entries_n++];
	return e;
}

bool stats_init(void)
{
	static const char *const names[] = {"rcv_requests", "bad_msgs", "sent_replies"};

	cells = mmap(NULL, MAX_STATS * sizeof *cells, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cells == MAP_FAILED)
		return false;
	for (int i = 0; i < STAT_CORE_N; i++)
		add("core", names[i]);
	return true;
}

void stats_add(enum core_stat which, unsigned long n)
{
	__atomic_add_fetch(entries[which].val, n, __ATOMIC_RELAXED);
}

bool stats_register(const char *module, const struct stat_export *t)
{
	for (; t && t->name; t++) {
		struct entry *e = add(module, t->name);
		if (!e) {
			LOG_ERR("too many statistics\n");
			return false;
		}
		e->flags = t->flags;
		if (t->flags & STAT_IS_FUNC) {
			e->f = (unsigned long (*)(void *))(void *)t->pointer;
			continue;
		}
		struct stat_var *v = xcalloc(1, sizeof *v);
		v->name = str_of(e->name);
		v->flags = t->flags;
		v->u.val = e->val;
		*t->pointer = v;
	}
	return true;
}

static unsigned long value_of(const struct entry *e)
{
	return e->f ? e->f(NULL) : __atomic_load_n(e->val, __ATOMIC_RELAXED);
}

static bool matches(const struct entry *e, str filter)
{
	size_t m = strlen(e->module);

	if (str_is(filter, "all") || str_is(filter, e->name))
		return true;
	if (!str_has_prefix(filter, e->module) || (size_t)filter.len <= m || filter.s[m] != ':')
		return false;
	str rest = {filter.s + m + 1, filter.len - (int)m - 1};
	return rest.len == 0 || str_is(rest, e->name);
}

bool stats_value(str name, unsigned long *value)
{
	for (int i = 0; i < entries_n; i++)
		if (matches(&entries[i], name)) {
			*value = value_of(&entries[i]);
			return true;
		}
	return false;
}

bool stats_each(str filter, void (*f)(const char *, unsigned long, void *), void *arg)
{
	bool any = false;
	char full[256];

	for (int i = 0; i < entries_n; i++) {
		if (!matches(&entries[i], filter))
			continue;
		any = true;
		snprintf(full, sizeof full, "%s:%s", entries[i].module, entries[i].name);
		f(full, value_of(&entries[i]), arg);
	}
	return any;
}

bool stats_reset(str name)
{
	bool any = false;

	for (int i = 0; i < entries_n; i++)
		if (matches(&entries[i], name) && !(entries[i].flags & (STAT_NO_RESET | STAT_IS_FUNC))) {
			__atomic_store_n(entries[i].val, 0, __ATOMIC_RELAXED);
			any = true;
		}
	return any;
}
