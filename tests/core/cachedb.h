/*
 * cachedb.h - cachedb_local: keys and values that all processes share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_CACHEDB_H
#define STANDIN_CACHEDB_H

#include "abi.h"

bool cachedb_init(void);
/* ABI function. */
int cachedb_bind_mod(str *url, void *funcs);

#endif
