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
	for (int i = 0; i < CMD_MAX_PARAMS && params[i].flags; i++) {
		const struct arg *arg = &c->args[i];
		struct pv_value v;

		if (i >= c->args_n || arg->kind == ARG_NONE) {
			a->out[i] = arg->has_fixed ? arg->fixed : NULL;
			continue;
		}
		if (arg->has_fixed || (params[i].flags & CMD_VAR)) {
			a->out[i] = arg->has_fixed ? arg->fixed : (void *)arg->var;
			continue;
		}
		bool constant = arg->kind != ARG_VAR && !arg->format;
		if (arg->kind == ARG_VAR) {
			bool as_int = params[i].flags & CMD_INT;
			if (pv_get_spec_value(msg, arg->var, &v) != 0 || (v.flags & PV_VAL_NULL) ||
			    !(v.flags & (as_int ? PV_VAL_INT : PV_VAL_STR))) {
				LOG_ERR("Variable in param [%d] is not %s\n", i + 1, as_int ? "an integer" : "a string");
				return false;
			}
		} else if (arg->format) {
			v = (struct pv_value){.flags = PV_VAL_STR};
			if (pv_printf_s(msg, arg->format, &v.rs) != 0) {
				LOG_ERR("Failed to print formatted string in param [%d]\n", i + 1);
				return false;
			}
		} else {
			v = (struct pv_value){.rs = arg->s, .ri = arg->n};
		}
		if (params[i].flags & CMD_INT) {
			a->ints[i] = v.ri;
			a->out[i] = &a->ints[i];
			a->made[i] = MADE_INT;
		} else if (params[i].flags & CMD_REGEX) {
			char *z = str_dupz(v.rs);
			int bad = regcomp(&a->regexes[i], z, REG_EXTENDED | REG_ICASE | REG_NEWLINE);
			free(z);
			if (bad) {
				LOG_ERR("bad regular expression in param [%d]\n", i + 1);
				return false;
			}
			a->out[i] = &a->regexes[i];
			a->made[i] = MADE_REGEX;
		} else {
			a->strs[i] = str_dup(v.rs);
			a->out[i] = &a->strs[i];
			a->made[i] = MADE_STR;
		}
		if (!constant && params[i].fixup) {
			if (params[i].fixup(&a->out[i]) < 0) {
				LOG_ERR("Fixup failed for param [%d]\n", i + 1);
				return false;
			}
			a->fixed_up[i] = true;
		}
	}
	return true;
}

void args_done(const struct cmd_param *params, struct made_args *a)
{
	for (int i = 0; i < CMD_MAX_PARAMS && params[i].flags; i++) {
		if (a->fixed_up[i] && params[i].free_fixup)
			params[i].free_fixup(&a->out[i]);
		if (a->made[i] == MADE_STR)
			free(a->strs[i].s);
		else if (a->made[i] == MADE_REGEX)
			regfree(&a->regexes[i]);
	}
}
