/*
 * Log lines through the core's dprint(), in the form that its own macros give them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

#include <stdio.h>
#include <time.h>

int aw_log_enabled(int level)
{
	return log_level && *log_level >= level;
}

static const char *level_name(int level)
{
	switch (level) {
	case AW_ERR:
		return "ERROR";
	case AW_WARN:
		return "WARNING";
	case AW_NOTICE:
		return "NOTICE";
	case AW_INFO:
		return "INFO";
	default:
		return "DBG";
	}
}

/* "Nov 21 00:50:48": ctime without the name of the day and the year. */
static const char *time_text(char buf[32])
{
	time_t now = time(NULL);

	if (!ctime_r(&now, buf))
		return "";
	buf[19] = 0;
	return buf + 4;
}

void aw_log(int level, const char *function, aw_str msg)
{
	char when[32], to_stderr[64], to_syslog[64];

	if (!aw_log_enabled(level))
		return;
	/* The formats of the core's own log macros, which contain the module's name. The core
	 * passes all of the arguments to the first two, and skips the first four for the third. */
	snprintf(to_stderr, sizeof to_stderr, "%%s [%%d] %%s%s:%s:%%s: %%.*s\n", level_name(level),
		aw_module_name());
	snprintf(to_syslog, sizeof to_syslog, "%%s%s:%s:%%s: %%.*s\n", level_name(level),
		aw_module_name());
	dprint(level, log_facility, aw_module_name(), function, to_stderr, to_syslog,
		(char *)"%.*s\n", time_text(when), dp_my_pid(), log_prefix, function, (int)msg.len, msg.s);
}
