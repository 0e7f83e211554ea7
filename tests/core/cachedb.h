/*
 * cachedb.h - cachedb_local: keys and values that all processes share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_CACHEDB_H
#define STANDIN_CACHEDB_H

#include "abi.h"

bool cachedb_init(void);
extern const struct cdb_base cachedb_local;
/* A connection for cache_store() and its like, by "local" or "local:group". */
struct cdb_con *cachedb_script_con(str id);
/* ABI function. */
int cachedb_bind_mod(str *url, void *funcs);

#endif
