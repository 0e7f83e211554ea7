/*
 * avp.c - AVPs, as the ABI lets modules see them: a singly linked list, the newest first, whose
 * names are numbers that this file hands out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "avp.h"

static struct usr_avp *outside_list;
static struct usr_avp **current = &outside_list;

static str *names;
static int names_n, names_cap;

/* A number from 1 on for each name. */
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
	if (id)
		*id = i + 1;
	return 0;
}

int get_avp_id(str *name)
{
	int id;
	return parse_avp_spec(name, &id) == 0 ? id : -1;
}

str *get_avp_name_id(int id)
{
	return id >= 1 && id <= names_n ? &names[id - 1] : NULL;
}

/* A string value lies behind the struct: a str where `data` begins, then the bytes and a zero. */
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
	} else if (!(flags & AVP_VAL_NULL)) {
		a->data = (void *)(long)val.n;
	}
	return a;
}

int add_avp(unsigned short flags, int id, int_str val)
{
	struct usr_avp *a = make(flags, id, val);
	if (!a)
		return -1;
	a->next = *current;
	*current = a;
	return 0;
}

int add_avp_last(unsigned short flags, int id, int_str val)
{
	struct usr_avp *a = make(flags, id, val);
	if (!a)
		return -1;
	struct usr_avp **p = current;
	while (*p)
		p = &(*p)->next;
	*p = a;
	return 0;
}

void get_avp_val(struct usr_avp *a, int_str *val)
{
	if (!a || !val)
		return;
	if (a->flags & AVP_VAL_STR)
		memcpy(&val->s, (char *)a + offsetof(struct usr_avp, data), sizeof val->s);
	else
		val->n = (int)(long)a->data;
}

static struct usr_avp *find_from(struct usr_avp *a, int id, unsigned short flags, int_str *val)
{
	flags &= AVP_SCRIPT_FLAGS;
	for (; a; a = a->next)
		if (a->id == id && (!flags || (flags & a->flags)))
			break;
	get_avp_val(a, val);
	return a;
}

struct usr_avp *search_first_avp(unsigned short flags, int id, int_str *val, struct usr_avp *start)
{
	return find_from(start ? start->next : *current, id, flags, val);
}

struct usr_avp *search_next_avp(struct usr_avp *a, int_str *val)
{
	return a ? find_from(a->next, a->id, a->flags, val) : NULL;
}

struct usr_avp *search_index_avp(unsigned short flags, int id, int_str *val, unsigned int index)
{
	struct usr_avp *a = NULL;
	do
		a = search_first_avp(flags, id, val, a);
	while (a && index--);
	return a;
}

int count_avps(unsigned short flags, int id)
{
	int n = 0;
	for (struct usr_avp *a = NULL; (a = search_first_avp(flags, id, NULL, a));)
		n++;
	return n;
}

static struct usr_avp **link_to(const struct usr_avp *a)
{
	struct usr_avp **p = current;
	while (*p && *p != a)
		p = &(*p)->next;
	return *p ? p : NULL;
}

void destroy_avp(struct usr_avp *a)
{
	struct usr_avp **p = link_to(a);
	if (p) {
		*p = a->next;
		free(a);
	}
}

static struct usr_avp *at_index(unsigned short flags, int id, int index)
{
	if (index < 0)
		index += count_avps(flags, id);
	return index < 0 ? NULL : search_index_avp(flags, id, NULL, (unsigned)index);
}

int replace_avp(unsigned short flags, int id, int_str val, int index)
{
	struct usr_avp *old = at_index(flags, id, index), *a;

	if (!old || !(a = make(flags, id, val)))
		return -1;
	*link_to(old) = a;
	a->next = old->next;
	free(old);
	return 0;
}

void destroy_index_avp(unsigned short flags, int id, int index)
{
	struct usr_avp *a = at_index(flags, id, index);
	if (a)
		destroy_avp(a);
}

int destroy_avps(unsigned short flags, int id, int all)
{
	int n = 0;
	struct usr_avp *a;
	while ((a = search_first_avp(flags, id, NULL, NULL))) {
		destroy_avp(a);
		n++;
		if (!all)
			break;
	}
	return n;
}

void destroy_avp_list(struct usr_avp **list)
{
	while (*list) {
		struct usr_avp *a = *list;
		*list = a->next;
		free(a);
	}
}

struct usr_avp **set_avp_list(struct usr_avp **list)
{
	struct usr_avp **old = current;
	current = list ? list : &outside_list;
	return old;
}

struct usr_avp **get_avp_list(void)
{
	return current;
}

void avp_reset_global(void)
{
	destroy_avp_list(&outside_list);
}
