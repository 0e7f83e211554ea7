/*
 * mi.h - the management interface: commands of modules and get_statistics, as JSON-RPC over the
 * datagram socket of mi_datagram.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_MI_H
#define STANDIN_MI_H

#include "abi.h"

/* Was a socket requested by the parameter socket_name of mi_datagram? */
bool mi_wanted(void);
/* Opens it and serves it until this process ends. */
bool mi_start(void);
/* Removes its file; in the parent, at the end. */
void mi_cleanup(void);

/* ABI functions. */
struct mi_item *init_mi_result_string(const char *value, int len);
struct mi_item *init_mi_error_extra(int code, const char *msg, int msg_len, const char *details, int details_len);
struct mi_item *init_mi_result_object(struct mi_item **object);
struct mi_item *add_mi_array(struct mi_item *to, char *name, int name_len);
struct mi_item *add_mi_object(struct mi_item *to, char *name, int name_len);
int add_mi_string(struct mi_item *to, char *name, int name_len, const char *value, int value_len);
int add_mi_number(struct mi_item *to, char *name, int name_len, double value);
void free_mi_response(struct mi_item *response);
int try_get_mi_string_param(const struct mi_params *params, char *name, char **value, int *value_len);

#endif
