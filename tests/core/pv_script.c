/*
 * pv_script.c - the pseudo-variables that belong to the script: $var and $avp, the return code, the
 * process, the time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <time.h>
#include <unistd.h>

#include "avp.h"
#include "pvar.h"
#include "run.h"

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
		return pv_put_null(res);
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
	free(old.s); /* last, as the new value may be part of the old one */
	return 0;
}

/* ---- $avp ---- */

static int parse_avp_name(struct pv_spec *sp, const str *in)
{
	return parse_avp_spec(in, &sp->pvp.pvn.u.isname.name.n);
}

static int get_avp(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg;
	int_str v;
	struct usr_avp *a = avp_first(p->pvn.u.isname.name.n, &v);

	if (!a)
		return pv_put_null(res);
	return a->flags & AVP_VAL_STR ? pv_put_str(res, v.s) : pv_put_int(res, v.n);
}

static int set_avp(struct sip_msg *msg, struct pv_param *p, int op, struct pv_value *val)
{
	(void)msg, (void)op;
	int id = p->pvn.u.isname.name.n;

	if (!val || (val->flags & PV_VAL_NULL)) {
		avp_drop_first(id);
		return 0;
	}
	if (val->flags & PV_TYPE_INT)
		return add_avp(0, id, (int_str){.n = val->ri});
	return add_avp(AVP_VAL_STR, id, (int_str){.s = val->rs});
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

/* $log_level: accepted, and changes nothing. */
static int get_log_level(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg, (void)p;
	return pv_put_null(res);
}

static int set_log_level(struct sip_msg *msg, struct pv_param *p, int op, struct pv_value *val)
{
	(void)msg, (void)p, (void)op, (void)val;
	return 0;
}

/* $Ts, the seconds, and $Tsm, the microseconds within them. */
static int get_time(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return pv_put_int(res, p->pvn.u.isname.name.n ? (int)(now.tv_nsec / 1000) : (int)now.tv_sec);
}

const struct pv_export pv_script_table[] = {
	{STR("var"), PVT_SCRIPTVAR, get_var, set_var, parse_var_name, NULL, NULL, 0},
	{STR("avp"), PVT_AVP, get_avp, set_avp, parse_avp_name, NULL, NULL, 0},
	{STR("rc"), PVT_OTHER, get_rc, NULL, NULL, NULL, NULL, 0},
	{STR("log_level"), PVT_OTHER, get_log_level, set_log_level, NULL, NULL, NULL, 0},
	{STR("pp"), PVT_OTHER, get_pid, NULL, NULL, NULL, NULL, 0},
	{STR("Ts"), PVT_OTHER, get_time, NULL, NULL, NULL, pv_init_iname, 0},
	{STR("Tsm"), PVT_OTHER, get_time, NULL, NULL, NULL, pv_init_iname, 1},
	{.name = {NULL, 0}},
};
