/*
 * eval.h - evaluates expressions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_EVAL_H
#define STANDIN_EVAL_H

#include "script.h"

/* The value of an expression; free it with pv_value_destroy(). No flags mean no value. */
struct pv_value eval(struct expr *e, struct sip_msg *msg);
bool condition(struct expr *e, struct sip_msg *msg);
/* Calls a built-in or module function; returns its return code. */
int call_function(struct call *c, struct sip_msg *msg);

#endif
