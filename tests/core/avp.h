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
int get_avp_id(str *name);
str *get_avp_name_id(int id);
int add_avp(unsigned short flags, int id, int_str val);
int add_avp_last(unsigned short flags, int id, int_str val);
int replace_avp(unsigned short flags, int id, int_str val, int index);
struct usr_avp *search_first_avp(unsigned short flags, int id, int_str *val, struct usr_avp *start);
struct usr_avp *search_next_avp(struct usr_avp *avp, int_str *val);
struct usr_avp *search_index_avp(unsigned short flags, int id, int_str *val, unsigned int index);
void get_avp_val(struct usr_avp *avp, int_str *val);
int count_avps(unsigned short flags, int id);
void destroy_avp(struct usr_avp *avp);
void destroy_index_avp(unsigned short flags, int id, int index);
int destroy_avps(unsigned short flags, int id, int all);
void destroy_avp_list(struct usr_avp **list);
struct usr_avp **set_avp_list(struct usr_avp **list);
struct usr_avp **get_avp_list(void);

/* Frees the list that is used outside of any request. */
void avp_reset_global(void);

#endif
