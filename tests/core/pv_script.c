/*
 * pv_script.c - the pseudo-variables that belong to the script: $var and $avp, the return code, the
 * time, parameters of routes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "pvar.h"
#include "run.h"
#include "sip.h"
#include "stats.h"

/* ---- $var: kept per process, over all requests ---- */

struct script_var {
	str name;
	bool is_int, is_null;
	int n;
	str s;
	struct script_var *next;
};

static struct script_var *script_vars;

static int parse_var_name(struct pv_spec *sp, const str *in)
{
	struct script_var *v = script_vars;
	while (v && !str_eq(v->name, *in))
		v = v->next;
	if (!v) {
		v = xcalloc(1, sizeof *v);
		v->name = (str){str_dupz(*in), in->len};
		v->is_null = true;
		v->next = script_vars;
		script_vars = v;
	}
	sp->pvp.pvn.type = PV_NAME_PVAR;
	sp->pvp.pvn.u.dname = v;
	return 0;
}

static int get_var(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg;
	const struct script_var *v = p->pvn.u.dname;
	if (v->is_null)
		return pv_get_null(NULL, NULL, res);
	return v->is_int ? pv_put_int(res, v->n) : pv_put_str(res, v->s);
}

static int set_var(struct sip_msg *msg, struct pv_param *p, int op, struct pv_value *val)
{
	(void)msg, (void)op;
	struct script_var *v = p->pvn.u.dname;
	str old = v->s;
	v->s = STR_NONE;
	v->is_null = !val || (val->flags & PV_VAL_NULL);
	v->is_int = !v->is_null && ((val->flags & PV_TYPE_INT) || !(val->flags & PV_VAL_STR));
	if (v->is_int)
		v->n = val->ri;
	else if (!v->is_null)
		v->s = str_dup(val->rs);
	free(old.s); /* last, for the new value may be a piece of the old one */
	return 0;
}

/* ---- $avp ---- */

static int parse_avp_index(struct pv_spec *sp, const str *in)
{
	if (str_iis(*in, "append")) {
		sp->pvp.pvi.type = PV_IDX_APPEND;
		return 0;
	}
	return pv_parse_index(sp, in);
}

static str avp_as_str(struct usr_avp *a, int_str v)
{
	if (a->flags & AVP_VAL_STR)
		return v.s;
	char *s = pv_scratch(16);
	return (str){s, snprintf(s, 16, "%d", v.n)};
}

static int get_avp(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	int id, idx, how;
	unsigned short type;
	int_str v;

	if (pv_get_avp_name(msg, p, &id, &type) != 0 || pv_get_spec_index(msg, p, &idx, &how) != 0)
		return -1;
	if (how == PV_IDX_APPEND)
		return pv_get_null(NULL, NULL, res);
	if (how == PV_IDX_ALL) {
		str items[64];
		int n = 0;
		for (struct usr_avp *a = NULL; n < (int)COUNT_OF(items) && (a = search_first_avp(type, id, &v, a));)
			items[n++] = avp_as_str(a, v);
		return n ? pv_put_joined(res, items, n) : pv_get_null(NULL, NULL, res);
	}
	if (idx < 0)
		idx += count_avps(type, id);
	struct usr_avp *a = idx < 0 ? NULL : search_index_avp(type, id, &v, (unsigned)idx);
	if (!a || (a->flags & AVP_VAL_NULL))
		return pv_get_null(NULL, NULL, res);
	return a->flags & AVP_VAL_STR ? pv_put_str(res, v.s) : pv_put_int(res, v.n);
}

static int set_avp(struct sip_msg *msg, struct pv_param *p, int op, struct pv_value *val)
{
	int id, idx, how;
	unsigned short type;

	if (pv_get_avp_name(msg, p, &id, &type) != 0 || pv_get_spec_index(msg, p, &idx, &how) != 0)
		return -1;
	bool all = op == OP_ASSIGN_REPLACE || how == PV_IDX_ALL;
	if (!val || (val->flags & PV_VAL_NULL)) {
		if (all)
			destroy_avps(type, id, 1);
		else
			destroy_index_avp(type, id, idx);
		return 0;
	}
	int_str v;
	unsigned short flags = type;
	char *copy = NULL;
	if (val->flags & PV_TYPE_INT) {
		v.n = val->ri;
	} else {
		/* The value may be a piece of an AVP that is about to go. */
		v.s = str_dup(val->rs);
		copy = v.s.s;
		flags |= AVP_VAL_STR;
	}
	if (all)
		destroy_avps(type, id, 1);
	int ret;
	if (how == PV_IDX_INT || how == PV_IDX_PVAR)
		ret = replace_avp(flags, id, v, idx);
	else if (how == PV_IDX_APPEND)
		ret = add_avp_last(flags, id, v);
	else
		ret = add_avp(flags, id, v);
	free(copy);
	return ret;
}

/* ---- small ones ---- */

static int get_rc(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg, (void)p;
	return pv_put_int(res, run_return_code());
}

static int get_pid(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg, (void)p;
	return pv_put_int(res, (int)getpid());
}

static int get_time(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	switch (p->pvn.u.isname.name.n) {
	case 1:
		return pv_put_int(res, (int)now.tv_sec);
	case 2:
		return pv_put_int(res, (int)(now.tv_nsec / 1000));
	default: {
		char *s = pv_scratch(32);
		time_t t = msg->received ? msg->received : now.tv_sec;
		struct tm tm;
		localtime_r(&t, &tm);
		return pv_put_str(res, (str){s, (int)strftime(s, 32, "%a %b %e %H:%M:%S %Y", &tm)});
	}
	}
}

static int get_time_format(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg;
	time_t t = time(NULL);
	struct tm tm;
	char *s = pv_scratch(128);
	localtime_r(&t, &tm);
	return pv_put_str(res, (str){s, (int)strftime(s, 128, p->pvn.u.isname.name.s.s, &tm)});
}

static int get_param(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	struct pv_value name;
	long n;

	if (pv_get_spec_name(msg, p, &name) != 0 || !str_to_long(name.rs, &n))
		return pv_get_null(NULL, NULL, res);
	return run_route_param((int)n, res);
}

static int get_env(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	struct pv_value name;
	if (pv_get_spec_name(msg, p, &name) != 0 || !(name.flags & PV_VAL_STR))
		return pv_get_null(NULL, NULL, res);
	char *z = str_dupz(name.rs);
	const char *v = getenv(z);
	free(z);
	return pv_put_str(res, str_of(v));
}

static int get_stat_value(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	struct pv_value name;
	unsigned long v;
	if (pv_get_spec_name(msg, p, &name) != 0 || !(name.flags & PV_VAL_STR) || !stats_value(name.rs, &v))
		return pv_get_null(NULL, NULL, res);
	return pv_put_int(res, (int)v);
}

static int get_level(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg;
	return pv_put_int(res, p->pvn.u.isname.name.n ? xlog_level : *log_level);
}

static int set_level(struct sip_msg *msg, struct pv_param *p, int op, struct pv_value *val)
{
	(void)msg, (void)op;
	int level = val && (val->flags & PV_VAL_INT) ? val->ri : L_NOTICE;
	if (p->pvn.u.isname.name.n)
		xlog_level = level;
	else
		log_set_level(level);
	return 0;
}

static int get_route_name(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg, (void)p;
	return pv_put_str(res, str_of(run_route_name()));
}

const struct pv_export pv_script_table[] = {
	{.name = STR("var"), PVT_SCRIPTVAR, get_var, set_var, parse_var_name, NULL, NULL, 0},
	{.name = STR("avp"), PVT_AVP, get_avp, set_avp, pv_parse_avp_name, parse_avp_index, NULL, 0},
	{.name = STR("rc"), PVT_OTHER, get_rc, NULL, NULL, NULL, NULL, 0},
	{.name = STR("retcode"), PVT_OTHER, get_rc, NULL, NULL, NULL, NULL, 0},
	{.name = STR("pp"), PVT_OTHER, get_pid, NULL, NULL, NULL, NULL, 0},
	{.name = STR("Ts"), PVT_OTHER, get_time, NULL, NULL, NULL, pv_init_iname, 1},
	{.name = STR("Tsm"), PVT_OTHER, get_time, NULL, NULL, NULL, pv_init_iname, 2},
	{.name = STR("Tf"), PVT_OTHER, get_time, NULL, NULL, NULL, pv_init_iname, 3},
	{.name = STR("time"), PVT_OTHER, get_time_format, NULL, pv_parse_name, NULL, NULL, 0},
	{.name = STR("param"), PVT_OTHER, get_param, NULL, pv_parse_name, NULL, NULL, 0},
	{.name = STR("env"), PVT_OTHER, get_env, NULL, pv_parse_name, NULL, NULL, 0},
	{.name = STR("stat"), PVT_OTHER, get_stat_value, NULL, pv_parse_name, NULL, NULL, 0},
	{.name = STR("log_level"), PVT_OTHER, get_level, set_level, NULL, NULL, pv_init_iname, 0},
	{.name = STR("xlog_level"), PVT_OTHER, get_level, set_level, NULL, NULL, pv_init_iname, 1},
	{.name = STR("route.name"), PVT_OTHER, get_route_name, NULL, NULL, NULL, NULL, 0},
	{.name = {NULL, 0}},
};
