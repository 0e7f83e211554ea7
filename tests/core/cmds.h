/*
 * cmds.h - functions of the script that the stand-in has built in, each under the name of the
 * module that it belongs to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_CMDS_H
#define STANDIN_CMDS_H

#include "script.h"

/* Values of the arguments of one call; NULL where one was left out. */
struct builtin_args {
	int n;
	const struct pv_value *v[CMD_MAX_PARAMS];
	struct pv_spec *var[CMD_MAX_PARAMS]; /* where the argument is a variable */
};

struct builtin {
	const char *module; /* "" for the core itself */
	const char *name;
	int min, max;
	int (*run)(struct sip_msg *msg, const struct builtin_args *a);
	int routes; /* where it may be called; 0 = everywhere */
};

/* The function of this name, if a loaded module has it. */
const struct builtin *cmds_find(const char *name);
/* The same for functions that are called with async(). */
const struct acmd_export *cmds_find_async(const char *name);
int cmds_call(struct call *c, struct sip_msg *msg);

#endif
