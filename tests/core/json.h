/*
 * json.h - JSON values; modules hold them as opaque MI items.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_JSON_H
#define STANDIN_JSON_H

#include "base.h"

enum json_type { J_NULL, J_FALSE, J_TRUE, J_NUMBER, J_STRING, J_ARRAY, J_OBJECT };

struct mi_item {
	enum json_type type;
	str name;   /* in an object; owned */
	str string; /* owned, zero-terminated */
	double number;
	struct mi_item *child, *last, *next;
};

struct mi_item *json_new(enum json_type type);
struct mi_item *json_string(str s);
struct mi_item *json_number(double n);
/* Appends `item`; with a name, to an object. Returns it. */
struct mi_item *json_add(struct mi_item *to, str name, struct mi_item *item);
struct mi_item *json_get(const struct mi_item *object, const char *name);
void json_free(struct mi_item *v);
/* NULL if the text does not begin with a JSON value. */
struct mi_item *json_parse(str text);
void json_print(const struct mi_item *v, struct buf *out);

#endif
