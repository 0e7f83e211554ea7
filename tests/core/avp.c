/*
 * avp.c - AVPs, as the ABI lets modules see them: a singly linked list, the newest first, whose
 * names are numbers that this file hands out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "avp.h"

/* That of the request being processed; NULL outside of routes. */
static struct usr_avp **current;

static str *names;
static int names_n, names_cap;

/* A number for each name, starting at 1. */
int parse_avp_spec(const str *name, int *id)
{
	if (!name || !name->s || name->len <= 0)
		return -1;
	int i = 0;
	while (i < names_n && !str_eq(names[i], *name))
		i++;
	if (i == names_n) {
		if (names_n == names_cap) {
			names_cap = names_cap ? names_cap * 2 : 32;
			names = xrealloc(names, (size_t)names_cap * sizeof *names);
		}
		names[names_n++] = (str){str_dupz(*name), name->len};
	}
	*id = i + 1;
	return 0;
}

/* A string value follows the struct: a str where `data` begins, then the bytes and a zero. */
static struct usr_avp *make(unsigned short flags, int id, int_str val)
{
	if (id < 0 || ((flags & AVP_VAL_STR) && (val.s.len < 0 || (val.s.len && !val.s.s)))) {
		LOG_ERR("invalid AVP\n");
		return NULL;
	}
	size_t size = sizeof(struct usr_avp);
	if (flags & AVP_VAL_STR)
		size = offsetof(struct usr_avp, data) + sizeof(str) + (size_t)val.s.len + 1;
	struct usr_avp *a = xcalloc(1, size < sizeof *a ? sizeof *a : size);
	a->id = id;
	a->flags = flags;
	if (flags & AVP_VAL_STR) {
		char *at = (char *)a + offsetof(struct usr_avp, data);
		str s = {at + sizeof(str), val.s.len};
		memcpy(at, &s, sizeof s);
		if (s.len)
			memcpy(s.s, val.s.s, (size_t)s.len);
		s.s[s.len] = 0;
	} else {
		a->data = (void *)(long)val.n;
	}
	return a;
}

int add_avp(unsigned short flags, int id, int_str val)
{
	struct usr_avp *a = current ? make(flags, id, val) : NULL;
	if (!a)
		return -1;
	a->next = *current;
	*current = a;
	return 0;
}

/* The link to the newest one of this name; it points to NULL if there is none. */
static struct usr_avp **link_to(int id)
{
	struct usr_avp **p = current;
	while (*p && (*p)->id != id)
		p = &(*p)->next;
	return p;
}

struct usr_avp *avp_first(int id, int_str *val)
{
	struct usr_avp *a = *link_to(id);
	if (a && (a->flags & AVP_VAL_STR))
		memcpy(&val->s, (char *)a + offsetof(struct usr_avp, data), sizeof val->s);
	else if (a)
		val->n = (int)(long)a->data;
	return a;
}

void avp_drop_first(int id)
{
	struct usr_avp **p = link_to(id), *a = *p;
	if (a) {
		*p = a->next;
		free(a);
	}
}

struct usr_avp **avp_use_list(struct usr_avp **list)
{
	struct usr_avp **old = current;
	current = list;
	return old;
}

void avp_free_list(struct usr_avp **list)
{
	while (*list) {
		struct usr_avp *a = *list;
		*list = a->next;
		free(a);
	}
}
