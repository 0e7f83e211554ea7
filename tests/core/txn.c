/*
 * txn.c - transactions in shared memory: a table of slots found by the branch, sent-by and method
 * of the request. If all nearby slots are taken, this is not an error: the request is not
 * remembered.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "txn.h"

#include <pthread.h>
#include <sys/mman.h>

#include "net.h"
#include "reactor.h"

enum { SLOTS = 16384, WINDOW = 32, REPLY_MAX = 2000, KEY_MAX = 200 };
/* How long a replied transaction is remembered (timer "wait" of the core), and an open one. */
enum { KEEP_MS = 5000, KEEP_OPEN_MS = 120000 };

struct slot {
	uint64_t until; /* 0: free */
	short key_len, reply_len;
	char key[KEY_MAX];
	char reply[REPLY_MAX];
};

static struct shared {
	pthread_mutex_t lock;
	struct slot slots[SLOTS];
} *shared;

bool txn_init(void)
{
	pthread_mutexattr_t attr;

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return false;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->lock, &attr);
	return true;
}

/* RFC 3261, 17.2.3: branch, sent-by, and the method (an ACK belongs to its INVITE). */
static int make_key(struct sip_msg *msg, char key[KEY_MAX])
{
	str via = sip_header_body(msg, "Via"), branch = STR_NONE, call_id = sip_header_body(msg, "Call-ID");
	struct buf b = {0};
	str first;

	if (!list_next(&via, &first))
		first = STR_NONE;
	char *semi = first.len ? memchr(first.s, ';', (size_t)first.len) : NULL;
	if (semi)
		param_find((str){semi + 1, (int)(first.s + first.len - semi - 1)}, "branch", ';', &branch);
	str sent_by = {first.s, semi ? (int)(semi - first.s) : first.len};
	str method = str_is(msg->method, "ACK") ? STR("INVITE") : msg->method;
	str cseq = sip_header_body(msg, "CSeq");
	int digits = 0;
	while (digits < cseq.len && cseq.s[digits] != ' ')
		digits++;
	cseq.len = digits;
	buf_addf(&b, "%.*s|%.*s|%.*s|%.*s|%.*s", FMT_STR(branch), FMT_STR(sent_by), FMT_STR(method), FMT_STR(cseq),
		 FMT_STR(call_id));
	int len = b.len <= KEY_MAX ? (int)b.len : -1;
	if (len > 0)
		memcpy(key, b.s, b.len);
	buf_free(&b);
	return len;
}

static uint64_t hash(const char *key, int len)
{
	uint64_t h = 1469598103934665603u;
	for (int i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 1099511628211u;
	return h ^ h >> 29;
}

/* With the lock held: the slot of this key, else (with `spare`) a free one. */
static int find(const char *key, int len, int *spare)
{
	uint64_t now = now_ms();
	uint64_t h = hash(key, len);

	if (spare)
		*spare = -1;
	for (int i = 0; i < WINDOW; i++) {
		int at = (int)((h + (uint64_t)i) % SLOTS);
		struct slot *s = &shared->slots[at];
		if (s->until > now && s->key_len == len && memcmp(s->key, key, (size_t)len) == 0)
			return at;
		if (s->until <= now && spare && *spare < 0)
			*spare = at;
	}
	return -1;
}

static void send_again(struct sip_msg *msg, int at)
{
	const struct slot *s = &shared->slots[at];
	if (s->reply_len && !str_is(msg->method, "ACK"))
		net_send(&msg->peer, (str){(char *)s->reply, s->reply_len});
}

bool txn_absorbs(struct sip_msg *msg)
{
	char key[KEY_MAX];
	int len = make_key(msg, key);

	if (len < 0)
		return false;
	pthread_mutex_lock(&shared->lock);
	int at = find(key, len, NULL);
	if (at >= 0)
		send_again(msg, at);
	pthread_mutex_unlock(&shared->lock);
	return at >= 0;
}

bool txn_open(struct sip_msg *msg)
{
	char key[KEY_MAX];
	int len = make_key(msg, key), spare = -1;

	msg->txn = TXN_OPEN;
	if (len < 0)
		return true;
	pthread_mutex_lock(&shared->lock);
	int at = find(key, len, &spare);
	if (at >= 0) {
		send_again(msg, at);
	} else if (spare >= 0) {
		struct slot *s = &shared->slots[spare];
		s->until = now_ms() + KEEP_OPEN_MS;
		s->key_len = (short)len;
		s->reply_len = 0;
		memcpy(s->key, key, (size_t)len);
		msg->txn_slot = spare;
	}
	pthread_mutex_unlock(&shared->lock);
	return at < 0;
}

void txn_replied(struct sip_msg *msg, str reply, bool final)
{
	if (final)
		msg->txn = TXN_REPLIED;
	if (msg->txn_slot < 0)
		return;
	pthread_mutex_lock(&shared->lock);
	struct slot *s = &shared->slots[msg->txn_slot];
	if (reply.len <= REPLY_MAX) {
		memcpy(s->reply, reply.s, (size_t)reply.len);
		s->reply_len = (short)reply.len;
	}
	if (final)
		s->until = now_ms() + KEEP_MS;
	pthread_mutex_unlock(&shared->lock);
}
