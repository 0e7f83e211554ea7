/*
 * cmds.h - the script functions built into the stand-in, each under the name of its module.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_CMDS_H
#define STANDIN_CMDS_H

#include "script.h"

enum { BUILTIN_MAX_ARGS = 4 };

struct builtin_args {
	int n;
	struct pv_value v[BUILTIN_MAX_ARGS];
};

struct builtin {
	const char *module;
	const char *name;
	int kinds[BUILTIN_MAX_ARGS]; /* of its arguments: CMD_INT, CMD_STR, 0 for none */
	int min;                     /* how many are required */
	int (*run)(struct sip_msg *msg, const struct builtin_args *a);
};

/* The function of this name, if a loaded module has it. */
const struct builtin *cmds_find(const char *name);
int cmds_call(struct call *c, struct sip_msg *msg);

#endif
