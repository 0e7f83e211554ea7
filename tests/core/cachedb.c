/*
 * cachedb.c - a hash table in shared memory under one lock. Memory comes from size classes of
 * powers of two; offsets instead of pointers keep it independent of where it is mapped. Only the
 * functions for counters are implemented.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cachedb.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#include "modules.h"
#include "reactor.h"

enum { BUCKETS = 65536, CLASSES = 17, MIN_SHIFT = 6, SWEEP = 2 };
/* Reserved address space; memory is only used as needed. */
#define POOL_SIZE ((size_t)512 << 20)

struct entry {
	uint32_t next; /* in units of 64 bytes; 0 = none */
	uint32_t key_len, value_len;
	uint32_t cls;
	uint64_t until; /* milliseconds; 0 = forever */
	char data[];
};

static struct pool {
	pthread_mutex_t lock;
	uint32_t used; /* units */
	uint32_t sweep;
	uint32_t free_list[CLASSES];
	uint32_t buckets[BUCKETS];
} *pool;

static struct entry *at(uint32_t unit)
{
	return (struct entry *)((char *)pool + ((size_t)unit << MIN_SHIFT));
}

bool cachedb_init(void)
{
	pthread_mutexattr_t attr;

	pool = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool == MAP_FAILED)
		return false;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&pool->lock, &attr);
	pool->used = (uint32_t)((sizeof *pool >> MIN_SHIFT) + 1);
	return true;
}

static uint32_t entry_alloc(size_t size)
{
	uint32_t cls = 0;
	while (cls < CLASSES && ((size_t)1 << (cls + MIN_SHIFT)) < size)
		cls++;
	if (cls == CLASSES)
		return 0;
	uint32_t unit = pool->free_list[cls];
	if (unit) {
		pool->free_list[cls] = at(unit)->next;
	} else {
		unit = pool->used;
		if (((size_t)(unit + (1u << cls)) << MIN_SHIFT) > POOL_SIZE)
			return 0;
		pool->used += 1u << cls;
	}
	at(unit)->cls = cls;
	return unit;
}

static void entry_free(uint32_t unit)
{
	struct entry *e = at(unit);
	e->next = pool->free_list[e->cls];
	pool->free_list[e->cls] = unit;
}

static uint32_t bucket_of(str key)
{
	uint64_t h = 1469598103934665603u;
	for (int i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.s[i]) * 1099511628211u;
	return (uint32_t)(h ^ h >> 32) % BUCKETS;
}

/* Frees expired entries in one chain. */
static void sweep(uint32_t bucket)
{
	uint64_t now = now_ms();
	uint32_t *link = &pool->buckets[bucket];
	while (*link) {
		uint32_t unit = *link;
		struct entry *e = at(unit);
		if (e->until && e->until <= now) {
			*link = e->next;
			entry_free(unit);
		} else {
			link = &e->next;
		}
	}
}

/* The link to the entry of this key, or NULL. */
static uint32_t *find(str key)
{
	uint32_t b = bucket_of(key);
	sweep(b);
	for (int i = 0; i < SWEEP; i++)
		sweep(pool->sweep++ % BUCKETS);
	uint32_t *link = &pool->buckets[b];
	while (*link) {
		struct entry *e = at(*link);
		if (e->key_len == (uint32_t)key.len && memcmp(e->data, key.s, (size_t)key.len) == 0)
			return link;
		link = &e->next;
	}
	return NULL;
}

static bool put(str key, str value, uint64_t until)
{
	uint32_t *link = find(key);
	if (link) {
		uint32_t old = *link;
		*link = at(old)->next;
		entry_free(old);
	}
	uint32_t unit = entry_alloc(sizeof(struct entry) + (size_t)key.len + (size_t)value.len);
	if (!unit) {
		LOG_ERR("no more memory for the cache, or a value that is too long\n");
		return false;
	}
	struct entry *e = at(unit);
	e->key_len = (uint32_t)key.len;
	e->value_len = (uint32_t)value.len;
	e->until = until;
	if (key.len)
		memcpy(e->data, key.s, (size_t)key.len);
	if (value.len)
		memcpy(e->data + key.len, value.s, (size_t)value.len);
	uint32_t b = bucket_of(key);
	e->next = pool->buckets[b];
	pool->buckets[b] = unit;
	return true;
}

static uint64_t until_of(int expires)
{
	return expires > 0 ? now_ms() + (uint64_t)expires * 1000 : 0;
}

static str value_of(struct entry *e)
{
	return (str){e->data + e->key_len, (int)e->value_len};
}

/* ---- the interface ---- */

/* Keys of different groups are separated by the group's name as prefix. */
static str full_key(const struct cdb_con *con, const str *attr)
{
	struct buf b = {0};
	buf_addf(&b, "%s|", (const char *)con->data);
	buf_adds(&b, *attr);
	return buf_str(&b);
}

static struct cdb_con *local_init(str *url)
{
	struct cdb_con *c = xcalloc(1, sizeof *c);
	str rest = *url;
	char *colon = rest.len ? memchr(rest.s, ':', (size_t)rest.len) : NULL;

	/* "local://", "local:group://", "local:///collection" */
	c->data = colon ? xstrndup(colon + 1, (size_t)(rest.s + rest.len - colon - 1)) : strdup("//");
	c->url = str_dup(*url);
	return c;
}

static void local_destroy(struct cdb_con *con)
{
	if (!con)
		return;
	free(con->data);
	free(con->url.s);
	free(con);
}

static int local_get_counter(struct cdb_con *con, str *attr, int *val)
{
	str key = full_key(con, attr);
	int ret = -2;
	long n;

	pthread_mutex_lock(&pool->lock);
	uint32_t *link = find(key);
	if (link) {
		ret = -3;
		if (str_to_long(value_of(at(*link)), &n)) {
			if (val)
				*val = (int)n;
			ret = 1;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	free(key.s);
	return ret;
}

static int local_set(struct cdb_con *con, str *attr, str *val, int expires)
{
	str key = full_key(con, attr);

	pthread_mutex_lock(&pool->lock);
	bool ok = put(key, *val, until_of(expires));
	pthread_mutex_unlock(&pool->lock);
	free(key.s);
	return ok ? 1 : -1;
}

static int local_remove(struct cdb_con *con, str *attr)
{
	str key = full_key(con, attr);

	pthread_mutex_lock(&pool->lock);
	uint32_t *link = find(key);
	if (link) {
		uint32_t unit = *link;
		*link = at(unit)->next;
		entry_free(unit);
	}
	pthread_mutex_unlock(&pool->lock);
	free(key.s);
	return 0;
}

static int local_add(struct cdb_con *con, str *attr, int val, int expires, int *new_val)
{
	str key = full_key(con, attr);
	long n = 0;
	char text[24];
	int ret = -1;

	pthread_mutex_lock(&pool->lock);
	uint32_t *link = find(key);
	/* An existing key keeps its own expiry; only a new one takes the given one. */
	uint64_t until = link ? at(*link)->until : until_of(expires);
	if (link && !str_to_long(value_of(at(*link)), &n)) {
		LOG_ERR("not an integer\n");
	} else {
		int sum = (int)((unsigned)n + (unsigned)val);
		if (put(key, (str){text, snprintf(text, sizeof text, "%d", sum)}, until)) {
			if (new_val)
				*new_val = sum;
			ret = 0;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	free(key.s);
	return ret;
}

static const struct cdb_base functions = {
	.init = local_init,
	.destroy = local_destroy,
	.get_counter = local_get_counter,
	.set = local_set,
	.remove = local_remove,
	.add = local_add,
};

int cachedb_bind_mod(str *url, void *funcs)
{
	enum { SET = 2, REMOVE = 4, ADD = 8 };

	if (!url || !url->s || !funcs) {
		LOG_CRIT("null parameter\n");
		return -1;
	}
	char *colon = url->len ? memchr(url->s, ':', (size_t)url->len) : NULL;
	str scheme = {url->s, colon ? (int)(colon - url->s) : url->len};
	if (!str_is(scheme, "local") || !module_loaded("cachedb_local")) {
		LOG_ERR("module cachedb_%.*s is not loaded, or the stand-in does not have it\n", FMT_STR(scheme));
		return -1;
	}
	abi_put_cdb_funcs(funcs, &functions, SET | REMOVE | ADD);
	return 0;
}
