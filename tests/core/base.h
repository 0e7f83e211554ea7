/*
 * base.h - small things that every file of the stand-in core uses: the counted string, checked
 * allocation, growing buffers and log macros.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_BASE_H
#define STANDIN_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A counted string; as in the ABI it carries no terminating zero. */
typedef struct {
	char *s;
	int len;
} str;

#define STR(lit) ((str){(char *)(lit), (int)sizeof(lit) - 1})
#define STR_NONE ((str){NULL, 0})
/* Arguments for a "%.*s". */
#define FMT_STR(x) (x).len, (x).s ? (x).s : ""
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static inline str str_of(const char *z)
{
	return (str){(char *)z, z ? (int)strlen(z) : 0};
}

static inline bool str_eq(str a, str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, (size_t)a.len) == 0);
}

static inline bool str_ieq(str a, str b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.s, b.s, (size_t)a.len) == 0);
}

static inline bool str_is(str a, const char *z)
{
	return str_eq(a, str_of(z));
}

static inline bool str_iis(str a, const char *z)
{
	return str_ieq(a, str_of(z));
}

static inline bool str_has_prefix(str a, const char *z)
{
	size_t n = strlen(z);
	return (size_t)a.len >= n && memcmp(a.s, z, n) == 0;
}

/* Trims blanks, tabs and line ends at both ends. */
str str_trim(str a);
/* Reads the whole string as a decimal number; false if it is not one or does not fit. */
bool str_to_long(str a, long *out);

/* Allocation that never returns NULL: out of memory, a test server exits at once. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrndup(const char *s, size_t n);
/* A copy with a terminating zero, for the file system and the like. */
char *str_dupz(str a);
/* A copy whose memory ends exactly where the string ends, so that a sanitizer detects over-reads. */
str str_dup(str a);

/* A growable string. */
struct buf {
	char *s;
	size_t len, cap;
};

void buf_add(struct buf *b, const char *s, size_t n);
void buf_addz(struct buf *b, const char *z);
void buf_adds(struct buf *b, str s);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_free(struct buf *b);
static inline str buf_str(const struct buf *b)
{
	return (str){b->s, (int)b->len};
}

/* Log levels as numbered by the core. */
enum { L_ALERT = -3, L_CRIT = -2, L_ERR = -1, L_WARN = 1, L_NOTICE = 2, L_INFO = 3, L_DBG = 4 };

extern int *log_level;

void log_core(int level, const char *func, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define LOG_AT(lev, ...)                                   \
	do {                                               \
		if (*log_level >= (lev))                   \
			log_core(lev, __func__, __VA_ARGS__); \
	} while (0)
#define LOG_CRIT(...) LOG_AT(L_CRIT, __VA_ARGS__)
#define LOG_ERR(...) LOG_AT(L_ERR, __VA_ARGS__)
#define LOG_WARN(...) LOG_AT(L_WARN, __VA_ARGS__)
#define LOG_NOTICE(...) LOG_AT(L_NOTICE, __VA_ARGS__)
#define LOG_DBG(...) LOG_AT(L_DBG, __VA_ARGS__)

#endif
