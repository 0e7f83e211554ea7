/*
 * args.c - arguments of module functions: from the constants, formats and variables of a call to
 * the pointers that the function takes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "run.h"

bool args_make(struct sip_msg *msg, const struct cmd_param *params, const struct call *c, struct made_args *a)
{
	memset(a, 0, sizeof *a);
	for (int i = 0; i < c->args_n && params[i].flags; i++) {
		const struct arg *arg = &c->args[i];
		struct pv_value v = {.rs = arg->s, .ri = arg->n};

		if (arg->kind == ARG_NONE)
			continue;
		if (params[i].flags & CMD_VAR) {
			a->out[i] = arg->var;
			continue;
		}
		bool as_int = params[i].flags & CMD_INT;
		if (arg->kind == ARG_VAR) {
			if (pv_get_spec_value(msg, arg->var, &v) != 0 || (v.flags & PV_VAL_NULL) ||
			    !(v.flags & (as_int ? PV_VAL_INT : PV_VAL_STR))) {
				LOG_ERR("Variable in param [%d] is not %s\n", i + 1, as_int ? "an integer" : "a string");
				return false;
			}
		} else if (arg->format && pv_printf_s(msg, arg->format, &v.rs) != 0) {
			LOG_ERR("Failed to print formatted string in param [%d]\n", i + 1);
			return false;
		}
		if (as_int) {
			a->ints[i] = v.ri;
			a->out[i] = &a->ints[i];
		} else {
			a->strs[i] = str_dup(v.rs);
			a->out[i] = &a->strs[i];
		}
	}
	return true;
}

void args_done(struct made_args *a)
{
	for (int i = 0; i < CMD_MAX_PARAMS; i++)
		free(a->strs[i].s);
}
