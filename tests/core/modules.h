/*
 * modules.h - loading modules: real ones from shared objects, and names that the stand-in has built
 * in or may do without.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_MODULES_H
#define STANDIN_MODULES_H

#include "abi.h"

void module_add_path(const char *path);
/* Loads by file name; false (and logged) where that fails. A module of another release ends the program. */
bool module_load(const char *file);
bool module_loaded(const char *name);
bool module_type_loaded(int type);
/* `modules` is a regular expression over names, as in modparam(). */
bool module_set_param(const char *modules, const char *name, int type, char *text, int number);

/* mod_init of all, in the order of loading. */
bool modules_init(void);
/* child_init of all, in this process. */
bool modules_child_init(int rank);
void modules_destroy(void);

const struct cmd_export *module_find_cmd(const char *name);
const struct acmd_export *module_find_acmd(const char *name);
/* The MI tables of modules, by number; false after the last one. */
bool module_mi_table(int i, const char **module, const void **table);
/* Extra processes that modules export, by number over all; false after the last one. */
bool module_process(int i, const struct proc_export **p);

/* Parameters of built-in modules, as last set; NULL where unset. */
const char *module_builtin_param(const char *module, const char *name);

#endif
