/*
 * The exported statistics. Counters are the core's own, which it shows, resets and exports; they are
 * counted up without calling it, since threads of ours may not. Gauges are functions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

/* Loaded as auth_jwt.so, the module has them under both of its names. */
enum { NAMES = 2 };

static struct osips_stat_var *counters[NAMES][AW_STATISTICS_COUNT];

#define GAUGE(name) \
	static unsigned long get_##name(void *context) \
	{ \
		(void)context; \
		return aw_rs_gauge(AW_GAUGE_##name); \
	}
AW_GAUGES
#undef GAUGE

#define GAUGE(name) \
	{ #name, OSIPS_STAT_IS_FUNC | OSIPS_STAT_NO_RESET, (void *)get_##name },

#define STATISTIC(name) { #name, 0, &counters[0][AW_STATISTIC_##name] },
const struct osips_stat_export aw_statistics[] = {
	AW_STATISTICS
	AW_GAUGES
	{ NULL, 0, NULL },
};
#undef STATISTIC

#define STATISTIC(name) { #name, 0, &counters[1][AW_STATISTIC_##name] },
static const struct osips_stat_export own_statistics[] = {
	AW_STATISTICS
	AW_GAUGES
	{ NULL, 0, NULL },
};
#undef STATISTIC

int aw_register_own_statistics(void)
{
	/* Not there where the core has no statistics. */
	if (!&__register_module_stats)
		return 0;
	return __register_module_stats(AW_OWN_NAME, own_statistics, 0);
}

unsigned long *aw_counter(unsigned int name, unsigned int statistic)
{
	const struct osips_stat_var *counter;

	if (name >= NAMES || statistic >= AW_STATISTICS_COUNT)
		return NULL;
	counter = counters[name][statistic];
	return counter ? counter->u.val : NULL;
}
