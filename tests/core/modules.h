/*
 * modules.h - loading modules: real ones from shared objects, and names that the stand-in has built
 * in or ignores.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_MODULES_H
#define STANDIN_MODULES_H

#include "abi.h"

/* Loads by file name; false (and logged) on failure. A module for another release ends the program. */
bool module_load(const char *file);
bool module_loaded(const char *name);
bool module_set_param(const char *module, const char *name, int type, char *text, int number);

/* Calls mod_init of all modules, in the order of loading. */
bool modules_init(void);
/* Calls child_init of all modules, in this process. */
bool modules_child_init(int rank);
void modules_destroy(void);

const struct cmd_export *module_find_cmd(const char *name);
const struct acmd_export *module_find_acmd(const char *name);
/* The table that has an MI command, and its number there; NULL if there is none. */
const void *module_find_mi(str name, int *number);
/* Extra processes exported by modules, numbered consecutively; false after the last one. */
bool module_process(int i, const struct proc_export **p);

/* Parameters of built-in modules, as last set; NULL if unset. */
const char *module_builtin_param(const char *module, const char *name);

#endif
