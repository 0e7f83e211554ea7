/*
 * run.h - runs routes on messages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_RUN_H
#define STANDIN_RUN_H

#include "script.h"


/* Runs a route as the first one on this message. */
void run_top_route(struct route *r, struct sip_msg *msg);
/* The same with a return code that the route finds in $rc. */
void run_resume_route(struct route *r, struct sip_msg *msg, int rc);

int run_return_code(void);
/* For expressions: stores the code of a call for $rc, and ends the script if it is 0. */
int run_note_code(int ret);
bool run_ended(void);

/*
 * Arguments as a module function takes them. args_make() fills `out` from the call; args_done()
 * frees what was allocated for this call.
 */
struct made_args {
	void *out[CMD_MAX_PARAMS];
	int ints[CMD_MAX_PARAMS];
	str strs[CMD_MAX_PARAMS];
};

bool args_make(struct sip_msg *msg, const struct cmd_param *params, const struct call *c, struct made_args *a);
void args_done(struct made_args *a);

#endif
