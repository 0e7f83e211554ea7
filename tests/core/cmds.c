/*
 * cmds.c - the built-in functions: those of the core's modules that test scripts call.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cmds.h"

#include <time.h>

#include "modules.h"
#include "reply.h"
#include "sip.h"

#define UNUSED __attribute__((unused))
#define CMD(name) static int name(struct sip_msg *msg UNUSED, const struct builtin_args *a UNUSED)

CMD(send_reply)
{
	return reply_send(msg, a->v[0].ri, a->v[1].rs) ? 1 : -1;
}

/* t_check_trans(): a retransmission never reaches the script. t_relay(): nothing is relayed. And what would find a contact: none is stored. */
CMD(never)
{
	return -1;
}

CMD(append_to_reply)
{
	buf_adds(&msg->reply_hdrs, a->v[0].rs);
	return 1;
}

/* Nothing is relayed from here. */
CMD(append_hf)
{
	return 1;
}

/* Nothing is relayed from here, so it only says whether there is such a header. */
CMD(remove_hf)
{
	return sip_header(msg, a->v[0].rs, 0) ? 1 : -1;
}

CMD(wait_us)
{
	struct timespec t = {a->v[0].ri / 1000000, a->v[0].ri % 1000000 * 1000L};
	nanosleep(&t, NULL);
	return 1;
}

/* ---- save(): replies as a registrar does, and stores nothing ---- */

static long number_param(const char *name, long otherwise)
{
	const char *s = module_builtin_param("registrar", name);
	long n;
	return s && str_to_long(str_of(s), &n) ? n : otherwise;
}

CMD(save)
{
	str flags = a->n > 1 ? a->v[1].rs : STR_NONE, item, v;
	long min = number_param("min_expires", 60), max = 0, by_default = number_param("default_expires", 3600);
	struct buf contacts = {0};

	if (param_find(flags, "max-expires", ',', &v))
		str_to_long(v, &max);
	struct header *h;
	for (int i = 0; (h = sip_header(msg, STR("Contact"), i)); i++)
		for (str rest = h->body; list_next(&rest, &item);) {
			struct nameaddr c;
			long expires = by_default;
			if (!nameaddr_parse(item, &c))
				continue;
			if (param_find(c.params, "expires", ';', &v))
				str_to_long(v, &expires);
			if (expires <= 0)
				continue;
			if (expires < min)
				expires = min;
			if (max && expires > max)
				expires = max;
			buf_addf(&contacts, "%s<%.*s>;expires=%ld", contacts.len ? ", " : "Contact: ", FMT_STR(c.uri),
				 expires);
		}
	if (contacts.len) {
		buf_adds(&msg->reply_hdrs, buf_str(&contacts));
		buf_addz(&msg->reply_hdrs, "\r\n");
	}
	buf_free(&contacts);
	return reply_send(msg, 200, STR("OK")) ? 1 : -1;
}

/* ---- the table ---- */

static const struct builtin table[] = {
	{"signaling", "send_reply", {CMD_INT, CMD_STR}, 2, send_reply},
	{"tm", "t_check_trans", {0}, 0, never},
	{"tm", "t_relay", {0}, 0, never},
	{"sipmsgops", "append_to_reply", {CMD_STR}, 1, append_to_reply},
	{"sipmsgops", "append_hf", {CMD_STR}, 1, append_hf},
	{"sipmsgops", "remove_hf", {CMD_STR}, 1, remove_hf},
	{"registrar", "save", {CMD_STR, CMD_STR, CMD_STR}, 1, save},
	{"registrar", "is_contact_registered", {CMD_STR, CMD_STR, CMD_STR, CMD_STR}, 1, never},
	{"registrar", "remove", {CMD_STR, CMD_STR}, 2, never},
	{"mi_script", "mi", {CMD_STR}, 1, never},
	{"cfgutils", "usleep", {CMD_INT}, 1, wait_us},
};

const struct builtin *cmds_find(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (strcmp(table[i].name, name) == 0 && module_loaded(table[i].module))
			return &table[i];
	return NULL;
}

int cmds_call(struct call *c, struct sip_msg *msg)
{
	struct builtin_args a = {.n = c->args_n};

	for (int i = 0; i < c->args_n; i++) {
		struct arg *arg = &c->args[i];
		a.v[i] = (struct pv_value){.rs = arg->s, .ri = arg->n};
		if (arg->kind == ARG_VAR && pv_get_spec_value(msg, arg->var, &a.v[i]) != 0)
			return -1;
		if (arg->format && pv_printf_s(msg, arg->format, &a.v[i].rs) != 0)
			return -1;
	}
	return c->builtin->run(msg, &a);
}
