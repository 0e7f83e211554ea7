/*
 * The exported statistics: functions over counters that the processes share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

#define STATISTIC(name) \
	static unsigned long get_##name(void *context) \
	{ \
		(void)context; \
		return aw_rs_statistic(AW_STATISTIC_##name); \
	}
AW_STATISTICS
#undef STATISTIC

#define STATISTIC(name) \
	{ #name, OSIPS_STAT_IS_FUNC | OSIPS_STAT_NO_RESET, (void *)get_##name },
const struct osips_stat_export aw_statistics[] = {
	AW_STATISTICS
	{ NULL, 0, NULL },
};
