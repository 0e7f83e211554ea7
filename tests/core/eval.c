/*
 * eval.c - expressions: values, truth, comparison, arithmetic. Comparison ignores case; what can't
 * be computed has no value and counts as false.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "eval.h"

#include <stdio.h>

#include "cmds.h"
#include "run.h"

/* A value that owns its string. */
static void value_own(struct pv_value *v)
{
	if ((v->flags & PV_VAL_STR) && !(v->flags & PV_VAL_PKG)) {
		v->rs = str_dup(v->rs);
		v->flags |= PV_VAL_PKG;
	}
}

static struct pv_value int_value(int n)
{
	char tmp[16];
	str s = {tmp, snprintf(tmp, sizeof tmp, "%d", n)};
	struct pv_value v = {.rs = s, .ri = n, .flags = PV_VAL_STR | PV_VAL_INT | PV_TYPE_INT};
	value_own(&v);
	return v;
}

static const struct pv_value null_value = {.flags = PV_VAL_NULL};
/* The result of an expression that could not be computed. */
static const struct pv_value no_value = {.flags = 0};

static bool is_int(const struct pv_value *v)
{
	return (v->flags & PV_TYPE_INT) || ((v->flags & PV_VAL_INT) && !(v->flags & PV_VAL_STR));
}

static bool truth(const struct pv_value *v)
{
	if (!v->flags || (v->flags & PV_VAL_NULL))
		return false;
	return is_int(v) ? v->ri != 0 : v->rs.len > 0;
}

int call_function(struct call *c, struct sip_msg *msg)
{
	if (c->builtin)
		return cmds_call(c, msg);
	struct made_args a;
	int ret = -1;
	if (!args_make(msg, c->cmd->params, c, &a)) {
		LOG_ERR("Failed to get fixups for command <%s> in %s, line %d\n", c->name, script.file, c->line);
	} else {
		void **p = a.out;
		ret = c->cmd->function(msg, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]);
	}
	args_done(&a);
	return ret;
}

static bool compare_ints(enum expr_op op, int a, int b)
{
	switch (op) {
	case OP_EQ:
		return a == b;
	case OP_NE:
		return a != b;
	case OP_LT:
		return a < b;
	default:
		return a > b;
	}
}

/* Strings are compared ignoring case. */
static bool compare_strs(enum expr_op op, str a, str b)
{
	int n = a.len < b.len ? a.len : b.len;
	int c = n ? strncasecmp(a.s, b.s, (size_t)n) : 0;
	return compare_ints(op, c ? c : a.len - b.len, 0);
}

static bool match(const regex_t *re, str s)
{
	char *z = str_dupz(s);
	bool found = regexec(re, z, 0, NULL, 0) == 0;
	free(z);
	return found;
}

static int compare(struct expr *e, struct sip_msg *msg)
{
	struct pv_value l = eval(e->l, msg), r = eval(e->r, msg);
	int ret;

	if ((l.flags & PV_VAL_NULL) || (r.flags & PV_VAL_NULL)) {
		bool both = (l.flags & PV_VAL_NULL) && (r.flags & PV_VAL_NULL);
		ret = both ? e->op == OP_EQ : e->op == OP_NE;
	} else if (e->op == OP_MATCH) {
		ret = (l.flags & PV_VAL_STR) && match(e->regex, l.rs);
	} else if ((l.flags & PV_VAL_INT) && (r.flags & PV_VAL_INT)) {
		ret = compare_ints(e->op, l.ri, r.ri);
	} else if ((l.flags & PV_VAL_STR) && (r.flags & PV_VAL_STR) && !(e->r->kind == X_INT && !is_int(&l))) {
		ret = compare_strs(e->op, l.rs, r.rs);
	} else {
		LOG_WARN("invalid operation: a number is compared with a string at %s:%d\n", script.file, e->line);
		ret = -1;
	}
	pv_value_destroy(&l);
	pv_value_destroy(&r);
	return ret;
}

/* Sums and differences; they wrap around. */
static struct pv_value eval_arith(struct expr *e, struct sip_msg *msg)
{
	struct pv_value l = eval(e->l, msg), r = eval(e->r, msg), out = no_value;

	if (!l.flags || !r.flags) {
		;
	} else if ((l.flags & PV_VAL_NULL) || (r.flags & PV_VAL_NULL)) {
		LOG_WARN("NULL in an expression at %s:%d\n", script.file, e->line);
	} else if (!(l.flags & PV_VAL_INT) || !(r.flags & PV_VAL_INT)) {
		LOG_WARN("a string where a number is needed at %s:%d\n", script.file, e->line);
	} else {
		unsigned a = (unsigned)l.ri, b = (unsigned)r.ri;
		out = int_value((int)(e->op == OP_PLUS ? a + b : a - b));
	}
	pv_value_destroy(&l);
	pv_value_destroy(&r);
	return out;
}

struct pv_value eval(struct expr *e, struct sip_msg *msg)
{
	struct pv_value v = null_value, l;
	bool t;

	if (run_ended())
		return v;
	switch (e->kind) {
	case X_INT:
		return int_value(e->n);
	case X_STR:
		/* Variables in it are not expanded: only those in function arguments are. */
		v = (struct pv_value){.rs = e->s, .flags = PV_VAL_STR};
		value_own(&v);
		return v;
	case X_VAR:
		if (pv_get_spec_value(msg, e->var, &v) != 0)
			return null_value;
		value_own(&v);
		return v;
	case X_CALL:
		return int_value(run_note_code(call_function(e->call, msg)) > 0);
	case X_NOT:
		l = eval(e->l, msg);
		t = truth(&l);
		pv_value_destroy(&l);
		return int_value(!t);
	case X_AND:
	case X_OR:
		l = eval(e->l, msg);
		t = truth(&l);
		pv_value_destroy(&l);
		if (t == (e->kind == X_OR))
			return int_value(t);
		l = eval(e->r, msg);
		t = truth(&l);
		pv_value_destroy(&l);
		return int_value(t);
	case X_CMP:
		return int_value(compare(e, msg) > 0);
	case X_ARITH:
		return eval_arith(e, msg);
	default:
		return v;
	}
}

bool condition(struct expr *e, struct sip_msg *msg)
{
	struct pv_value v = eval(e, msg);
	bool t = truth(&v);
	pv_value_destroy(&v);
	return t;
}
