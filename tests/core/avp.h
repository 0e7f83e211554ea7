/*
 * avp.h - attribute-value pairs: the lists of values that belong to one request.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_AVP_H
#define STANDIN_AVP_H

#include "abi.h"

/* ABI functions. */
int parse_avp_spec(const str *name, int *id);
int add_avp(unsigned short flags, int id, int_str val);

/* The newest one of this name, and its value. */
struct usr_avp *avp_first(int id, int_str *val);
/* Removes the newest one of this name. */
void avp_drop_first(int id);
/* Makes this the current list, NULL for none; returns the previous one. */
struct usr_avp **avp_use_list(struct usr_avp **list);
void avp_free_list(struct usr_avp **list);

#endif
