/*
 * log.c - writes log lines to stderr, each in one write(2), so that the lines of several processes
 * never mix. Modules call dprint() and its helpers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "log.h"

#include <stdio.h>
#include <sys/types.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static int own_level = L_NOTICE;
static int own_pid;

/* Symbols of the ABI. */
int *log_level = &own_level;
int log_facility = LOG_DAEMON;
char *log_prefix = "";

static const char *level_name(int level)
{
	switch (level) {
	case L_ALERT:
		return "ALERT";
	case L_CRIT:
		return "CRITICAL";
	case L_ERR:
		return "ERROR";
	case L_WARN:
		return "WARNING";
	case L_NOTICE:
		return "NOTICE";
	case L_INFO:
		return "INFO";
	default:
		return "DBG";
	}
}

void log_set_level(int level)
{
	own_level = level;
}

int dp_my_pid(void)
{
	if (!own_pid)
		own_pid = (int)getpid();
	return own_pid;
}

void log_forked(void)
{
	own_pid = (int)getpid();
}

static void write_all(const char *s, size_t n)
{
	while (n) {
		ssize_t w = write(STDERR_FILENO, s, n);
		if (w <= 0)
			return;
		s += w;
		n -= (size_t)w;
	}
}

/* "Nov 21 00:40:04 [123] " */
static int print_head(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;
	char when[32] = "";

	if (localtime_r(&now, &tm))
		strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
	return snprintf(out, size, "%s [%d] ", when, dp_my_pid());
}

static void write_line(char *line, int n, size_t size)
{
	if (n < 0)
		return;
	if ((size_t)n >= size)
		n = (int)size - 1;
	if (n == 0 || line[n - 1] != '\n') {
		if ((size_t)n >= size - 1)
			n = (int)size - 2;
		line[n++] = '\n';
	}
	write_all(line, (size_t)n);
}

void log_core(int level, const char *func, const char *fmt, ...)
{
	char line[8192];
	int n = print_head(line, sizeof line);
	n += snprintf(line + n, sizeof line - (size_t)n, "%s:core:%s: ", level_name(level), func);
	va_list ap;
	va_start(ap, fmt);
	int m = vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
	va_end(ap);
	write_line(line, m < 0 ? n : n + m, sizeof line);
}

void log_script(int level, str text)
{
	if (level > XLOG_LEVEL)
		return;
	char head[64];
	struct buf b = {0};
	buf_add(&b, head, (size_t)print_head(head, sizeof head));
	buf_addf(&b, "%s:", level_name(level));
	buf_adds(&b, text);
	if (b.s[b.len - 1] != '\n')
		buf_addz(&b, "\n");
	write_all(b.s, b.len);
	buf_free(&b);
}

/* As in the ABI, the first three arguments of stderr_fmt are time, process id and prefix. */
void dprint(int level, int facility, const char *module, const char *func, char *stderr_fmt, char *syslog_fmt,
	    char *format, ...)
{
	(void)level, (void)facility, (void)module, (void)func, (void)syslog_fmt;
	char line[16384];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(line, sizeof line, stderr_fmt, ap);
	va_end(ap);
	write_line(line, n, sizeof line);
}
