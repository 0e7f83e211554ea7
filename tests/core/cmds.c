/*
 * cmds.c - the built-in functions: replies, looks at the request, flags, the cache, a registrar
 * that only answers, and sleeping.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cmds.h"

#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "cachedb.h"
#include "modules.h"
#include "reply.h"
#include "sip.h"
#include "txn.h"

#define UNUSED __attribute__((unused))
#define CMD(name) static int name(struct sip_msg *msg UNUSED, const struct builtin_args *a UNUSED)

static str text_arg(const struct builtin_args *a, int i)
{
	return i < a->n && a->v[i] ? a->v[i]->rs : STR_NONE;
}

static int int_arg(const struct builtin_args *a, int i, int otherwise)
{
	return i < a->n && a->v[i] && (a->v[i]->flags & PV_VAL_INT) ? a->v[i]->ri : otherwise;
}

/* ---- replies ---- */

static int code_arg(const struct builtin_args *a)
{
	long n;
	if (!(a->v[0]->flags & PV_VAL_INT) && str_to_long(a->v[0]->rs, &n) && n > 0 && n < 1000)
		return (int)n;
	return int_arg(a, 0, -1);
}

CMD(sl_send_reply)
{
	return reply_stateless(msg, code_arg(a), text_arg(a, 1)) ? 1 : -1;
}

CMD(send_reply)
{
	return reply_send(msg, code_arg(a), text_arg(a, 1)) ? 1 : -1;
}

CMD(t_reply)
{
	if (msg->txn == TXN_NONE && !txn_open(msg))
		return 0;
	return reply_send(msg, code_arg(a), text_arg(a, 1)) ? 1 : -1;
}

CMD(sl_reply_error)
{
	return reply_stateless(msg, 500, STR("Server error occurred (stand-in)")) ? 1 : -1;
}

CMD(t_newtran)
{
	if (msg->txn != TXN_NONE)
		return -1;
	if (!txn_open(msg))
		return 0;
	if (str_is(msg->method, "INVITE"))
		reply_send(msg, 100, STR("Giving it a try"));
	return 1;
}

/* A retransmission never comes this far. */
CMD(never)
{
	return -1;
}

CMD(always)
{
	return 1;
}

CMD(append_to_reply)
{
	str s = text_arg(a, 0);
	if (!s.len)
		return -1;
	buf_adds(&msg->reply_hdrs, s);
	if (s.s[s.len - 1] != '\n')
		buf_addz(&msg->reply_hdrs, "\r\n");
	return 1;
}

/* ---- looks at the request ---- */

CMD(is_method)
{
	str rest = text_arg(a, 0);
	while (rest.len) {
		char *bar = memchr(rest.s, '|', (size_t)rest.len);
		str one = {rest.s, bar ? (int)(bar - rest.s) : rest.len};
		if (str_ieq(str_trim(one), msg->method))
			return 1;
		rest = bar ? (str){bar + 1, (int)(rest.s + rest.len - bar - 1)} : STR_NONE;
	}
	return -1;
}

CMD(has_totag)
{
	struct nameaddr to;
	str tag;
	return nameaddr_parse(sip_header_body(msg, "To"), &to) && param_find(to.params, "tag", ';', &tag) && tag.len
		       ? 1
		       : -1;
}

CMD(is_present_hf)
{
	return sip_header(msg, text_arg(a, 0), 0) ? 1 : -1;
}

CMD(remove_hf)
{
	struct header *h;
	int n = 0;
	for (; (h = sip_header(msg, text_arg(a, 0), n)); n++)
		h->removed = true;
	return n ? 1 : -1;
}

CMD(has_body)
{
	return msg->body.len ? 1 : -1;
}

CMD(is_myself)
{
	str host = text_arg(a, 0);
	int port = int_arg(a, 1, 0);
	for (const struct listener *l = listeners; l; l = l->next)
		if (str_iis(host, l->ip) && (!port || port == l->port))
			return 1;
	return -1;
}

CMD(force_rport)
{
	msg->force_rport = true;
	return 1;
}

/* Flags are known by names of any kind; each gets a bit as it is first used. */
static unsigned int flag_bit(const struct builtin_args *a)
{
	static str names[32];
	str name = text_arg(a, 0);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (!names[i].s)
			names[i] = (str){str_dupz(name), name.len};
		if (str_eq(names[i], name))
			return 1u << i;
	}
	return 0;
}

CMD(setflag)
{
	msg->flags |= flag_bit(a);
	return 1;
}

CMD(resetflag)
{
	msg->flags &= ~flag_bit(a);
	return 1;
}

CMD(isflagset)
{
	return msg->flags & flag_bit(a) ? 1 : -1;
}

CMD(options_reply)
{
	if (!str_is(msg->method, "OPTIONS"))
		return -1;
	return reply_send(msg, 200, STR("OK")) ? 1 : -1;
}

/* ---- cache_*: (id, key, ...) on cachedb_local ---- */

static struct cdb_con *cache_of(const struct builtin_args *a)
{
	str id = text_arg(a, 0);
	if (!str_is(id, "local") && !str_has_prefix(id, "local:")) {
		LOG_ERR("the stand-in has no cache <%.*s>\n", FMT_STR(id));
		return NULL;
	}
	return cachedb_script_con(id);
}

CMD(cache_store)
{
	struct cdb_con *c = cache_of(a);
	str key = text_arg(a, 1), value = text_arg(a, 2);
	return c && cachedb_local.set(c, &key, &value, int_arg(a, 3, 0)) > 0 ? 1 : -1;
}

CMD(cache_remove)
{
	struct cdb_con *c = cache_of(a);
	str key = text_arg(a, 1);
	return c && cachedb_local.remove(c, &key) >= 0 ? 1 : -1;
}

CMD(cache_fetch)
{
	struct cdb_con *c = cache_of(a);
	str key = text_arg(a, 1), value;
	if (!c || !a->var[2] || cachedb_local.get(c, &key, &value) < 0)
		return -1;
	struct pv_value v = {.rs = value, .flags = PV_VAL_STR};
	int ret = pv_set_value(msg, a->var[2], OP_ASSIGN, &v) >= 0 ? 1 : -1;
	free(value.s);
	return ret;
}

static int put_number(struct sip_msg *msg, struct pv_spec *var, int n)
{
	struct pv_value v;
	pv_put_int(&v, n);
	return !var || pv_set_value(msg, var, OP_ASSIGN, &v) >= 0 ? 1 : -1;
}

CMD(cache_counter_fetch)
{
	struct cdb_con *c = cache_of(a);
	str key = text_arg(a, 1);
	int n;
	if (!c || cachedb_local.get_counter(c, &key, &n) < 0)
		return -1;
	return put_number(msg, a->var[2], n);
}

CMD(cache_add)
{
	struct cdb_con *c = cache_of(a);
	str key = text_arg(a, 1);
	int n;
	if (!c || cachedb_local.add(c, &key, int_arg(a, 2, 0), int_arg(a, 3, 0), &n) < 0)
		return -1;
	return put_number(msg, a->n > 4 ? a->var[4] : NULL, n);
}

/* ---- save(): answers as a registrar does, and keeps nothing ---- */

static long number_param(const char *name, long otherwise)
{
	const char *s = module_builtin_param("registrar", name);
	long n;
	return s && str_to_long(str_of(s), &n) ? n : otherwise;
}

static bool flag_number(str flags, const char *name, long *n)
{
	str v;
	return param_find(flags, name, ',', &v) && str_to_long(v, n);
}

CMD(save)
{
	str flags = text_arg(a, 1), item, v;
	long min = number_param("min_expires", 60), max = number_param("max_expires", 0);
	long by_header = number_param("default_expires", 3600), n;
	struct buf contacts = {0};
	int ret = 4;

	flag_number(flags, "min-expires", &min);
	flag_number(flags, "max-expires", &max);
	if (str_to_long(sip_header_body(msg, "Expires"), &n) && n >= 0)
		by_header = n;
	for (int i = 0;; i++) {
		struct header *h = sip_header(msg, STR("Contact"), i);
		if (!h)
			break;
		for (str rest = h->body; list_next(&rest, &item);) {
			struct nameaddr c;
			if (!nameaddr_parse(item, &c) || str_is(c.uri, "*")) {
				ret = 3;
				continue;
			}
			long expires = by_header;
			if (param_find(c.params, "expires", ';', &v) && str_to_long(v, &n) && n >= 0)
				expires = n;
			if (expires && expires < min)
				expires = min;
			if (max && expires > max)
				expires = max;
			if (!expires) {
				ret = 3;
				continue;
			}
			ret = 1;
			buf_addf(&contacts, "%s<%.*s>;expires=%ld", contacts.len ? ", " : "Contact: ", FMT_STR(c.uri),
				 expires);
		}
	}
	if (!param_find(flags, "no-reply", ',', &v)) {
		if (contacts.len) {
			buf_adds(&msg->reply_hdrs, buf_str(&contacts));
			buf_addz(&msg->reply_hdrs, "\r\n");
		}
		if (!reply_send(msg, 200, STR("OK")))
			ret = -1;
	}
	buf_free(&contacts);
	return ret;
}

/* ---- sleeping ---- */

static int do_sleep(int n, long usec_each)
{
	if (n < 0)
		return -1;
	long long us = (long long)n * usec_each;
	struct timespec t = {us / 1000000, us % 1000000 * 1000};
	nanosleep(&t, NULL);
	return 1;
}

CMD(sleep_s)
{
	return do_sleep(int_arg(a, 0, 0), 1000000);
}

CMD(sleep_us)
{
	return do_sleep(int_arg(a, 0, 0), 1);
}

extern int async_status;

static int slept(int fd, struct sip_msg *msg, void *param)
{
	(void)msg, (void)param;
	uint64_t n;
	(void)!read(fd, &n, sizeof n);
	async_status = ASYNC_DONE_CLOSE_FD;
	return 1;
}

static int begin_sleep(union async_ctx *ctx, const int *n, long usec_each)
{
	long long us = (long long)*n * usec_each;
	struct itimerspec t = {.it_value = {us / 1000000, us % 1000000 * 1000 + 1}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (*n < 0 || fd < 0 || timerfd_settime(fd, 0, &t, NULL) != 0)
		return -1;
	if (abi.async_has_name)
		ctx->v40 = (struct async_ctx_40){.resume_f = (void *)slept, .resume_f_name = "slept"};
	else
		ctx->v34 = (struct async_ctx_34){.resume_f = (void *)slept};
	async_status = fd;
	return 1;
}

static int async_sleep(struct sip_msg *msg, void *ctx, int *n)
{
	(void)msg;
	return begin_sleep(ctx, n, 1000000);
}

static int async_usleep(struct sip_msg *msg, void *ctx, int *n)
{
	(void)msg;
	return begin_sleep(ctx, n, 1);
}

static const struct acmd_export async_table[] = {
	{"sleep", (acmd_fn)(void *)async_sleep, {{CMD_INT, NULL, NULL}}},
	{"usleep", (acmd_fn)(void *)async_usleep, {{CMD_INT, NULL, NULL}}},
};

const struct acmd_export *cmds_find_async(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(async_table); i++)
		if (strcmp(async_table[i].name, name) == 0 && module_loaded("cfgutils"))
			return &async_table[i];
	return NULL;
}

/* ---- the table ---- */

static const struct builtin table[] = {
	{"sl", "sl_send_reply", 2, 2, sl_send_reply, ROUTE_REQUEST | ROUTE_ERROR},
	{"sl", "sl_reply_error", 0, 0, sl_reply_error, ROUTE_REQUEST},
	{"signaling", "send_reply", 2, 2, send_reply, ROUTE_REQUEST | ROUTE_ERROR | ROUTE_FAILURE},
	{"tm", "t_reply", 2, 2, t_reply, ROUTE_REQUEST | ROUTE_FAILURE},
	{"tm", "t_newtran", 0, 0, t_newtran, ROUTE_REQUEST},
	{"tm", "t_check_trans", 0, 0, never, ROUTE_REQUEST | ROUTE_BRANCH},
	{"sipmsgops", "append_to_reply", 1, 1, append_to_reply, ROUTE_REQUEST | ROUTE_BRANCH | ROUTE_FAILURE | ROUTE_ERROR},
	{"sipmsgops", "is_method", 1, 1, is_method, 0},
	{"sipmsgops", "has_totag", 0, 0, has_totag, 0},
	{"sipmsgops", "is_present_hf", 1, 1, is_present_hf, 0},
	{"sipmsgops", "remove_hf", 1, 2, remove_hf, 0},
	{"sipmsgops", "append_hf", 1, 2, always, 0},
	{"sipmsgops", "has_body", 0, 1, has_body, 0},
	{"maxfwd", "mf_process_maxfwd_header", 1, 1, always, ROUTE_REQUEST},
	{"maxfwd", "is_maxfwd_lt", 1, 1, never, 0},
	{"rr", "record_route", 0, 1, always, 0},
	{"rr", "loose_route", 0, 0, never, ROUTE_REQUEST},
	{"options", "options_reply", 0, 0, options_reply, ROUTE_REQUEST},
	{"registrar", "save", 1, 4, save, ROUTE_REQUEST | ROUTE_ONREPLY},
	{"cfgutils", "sleep", 1, 1, sleep_s, 0},
	{"cfgutils", "usleep", 1, 1, sleep_us, 0},
	{"", "force_rport", 0, 0, force_rport, 0},
	{"", "add_local_rport", 0, 0, always, 0},
	{"", "set_via_handling", 1, 1, always, 0},
	{"", "setflag", 1, 1, setflag, 0},
	{"", "resetflag", 1, 1, resetflag, 0},
	{"", "isflagset", 1, 1, isflagset, 0},
	{"", "is_myself", 1, 2, is_myself, 0},
	{"", "cache_store", 3, 4, cache_store, 0},
	{"", "cache_remove", 2, 2, cache_remove, 0},
	{"", "cache_fetch", 3, 3, cache_fetch, 0},
	{"", "cache_counter_fetch", 3, 3, cache_counter_fetch, 0},
	{"", "cache_add", 4, 5, cache_add, 0},
};

const struct builtin *cmds_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (strcmp(table[i].name, name) == 0 && (!*table[i].module || module_loaded(table[i].module)))
			return &table[i];
	return NULL;
}

int cmds_call(struct call *c, struct sip_msg *msg)
{
	struct builtin_args a = {.n = c->args_n};
	struct pv_value values[CMD_MAX_PARAMS];

	for (int i = 0; i < c->args_n; i++) {
		struct arg *arg = &c->args[i];
		values[i] = (struct pv_value){.rs = arg->s, .flags = PV_VAL_STR};
		a.v[i] = &values[i];
		switch (arg->kind) {
		case ARG_NONE:
			a.v[i] = NULL;
			break;
		case ARG_INT:
			pv_put_int(&values[i], arg->n);
			break;
		case ARG_STR:
			if (arg->format && pv_printf_s(msg, arg->format, &values[i].rs) != 0)
				return -1;
			break;
		case ARG_VAR:
			a.var[i] = arg->var;
			if (pv_get_spec_value(msg, arg->var, &values[i]) != 0)
				return -1;
			break;
		}
		if (i < c->builtin->min && !a.v[i]) {
			LOG_ERR("a parameter of %s was left out, line %d\n", c->name, c->line);
			return -1;
		}
	}
	return c->builtin->run(msg, &a);
}
