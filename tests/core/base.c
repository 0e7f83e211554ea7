/*
 * base.c - strings, allocation and growing buffers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base.h"

#include <stdio.h>

str str_trim(str a)
{
	while (a.len > 0 && strchr(" \t\r\n", a.s[0]) && a.s[0]) {
		a.s++;
		a.len--;
	}
	while (a.len > 0 && strchr(" \t\r\n", a.s[a.len - 1]) && a.s[a.len - 1])
		a.len--;
	return a;
}

bool str_to_long(str a, long *out)
{
	bool neg = false;
	long v = 0;
	int i = 0;

	if (a.len > 0 && (a.s[0] == '-' || a.s[0] == '+')) {
		neg = a.s[0] == '-';
		i = 1;
	}
	if (i >= a.len)
		return false;
	for (; i < a.len; i++) {
		if (a.s[i] < '0' || a.s[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10L, &v) || __builtin_add_overflow(v, (long)(a.s[i] - '0'), &v))
			return false;
	}
	*out = neg ? -v : v;
	return true;
}

static void *checked(void *p)
{
	if (!p) {
		static const char msg[] = "stand-in: out of memory\n";
		fwrite(msg, 1, sizeof msg - 1, stderr);
		abort();
	}
	return p;
}

void *xmalloc(size_t n)
{
	return checked(malloc(n ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1));
}

char *xstrndup(const char *s, size_t n)
{
	char *p = xmalloc(n + 1);
	if (n)
		memcpy(p, s, n);
	p[n] = 0;
	return p;
}

char *str_dupz(str a)
{
	return xstrndup(a.s, (size_t)a.len);
}

str str_dup(str a)
{
	str r = {xmalloc((size_t)a.len), a.len};
	if (a.len)
		memcpy(r.s, a.s, (size_t)a.len);
	return r;
}

void buf_add(struct buf *b, const char *s, size_t n)
{
	if (b->len + n + 1 > b->cap) {
		b->cap = (b->len + n + 1) * 2;
		b->s = xrealloc(b->s, b->cap);
	}
	if (n)
		memcpy(b->s + b->len, s, n);
	b->len += n;
	b->s[b->len] = 0;
}

void buf_addz(struct buf *b, const char *z)
{
	buf_add(b, z, strlen(z));
}

void buf_adds(struct buf *b, str s)
{
	buf_add(b, s.s, (size_t)s.len);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	char tmp[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(tmp, sizeof tmp, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n < sizeof tmp) {
		buf_add(b, tmp, (size_t)n);
		return;
	}
	char *big = xmalloc((size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(big, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_add(b, big, (size_t)n);
	free(big);
}

void buf_free(struct buf *b)
{
	free(b->s);
	*b = (struct buf){0};
}
