/*
 * abi.c - picks the layouts of one release at run time, and holds the stamps that modules are
 * compared with.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

#include <stdio.h>

/* Sizes measured on the headers of the releases themselves. */
_Static_assert(sizeof(struct module_exports) == 184, "module exports");
_Static_assert(offsetof(struct module_exports, stamps) == 16, "stamps");
_Static_assert(offsetof(struct module_exports, cmds) == 72, "commands");
_Static_assert(sizeof(struct cmd_export) == 240, "command");
_Static_assert(sizeof(struct acmd_export) == 232, "async command");
_Static_assert(sizeof(struct param_export) == 24, "parameter");
_Static_assert(sizeof(struct stat_export) == 24, "statistic");
_Static_assert(offsetof(struct stat_var, u) == 40, "counter");
_Static_assert(sizeof(struct pv_value) == 24, "value");
_Static_assert(sizeof(struct pv_export) == 72, "exported variable");
_Static_assert(sizeof(struct pv_spec) == 112, "variable");
_Static_assert(offsetof(struct pv_spec, tail) == 88, "tail of a variable");
_Static_assert(sizeof(struct db_val) == 32, "database value");
_Static_assert(sizeof(struct db_res) == 48, "database result");
_Static_assert(sizeof(struct db_func) == 144, "database functions");
_Static_assert(offsetof(struct db_func, async_timeout) == 136, "database functions of 3.4");
_Static_assert(offsetof(struct db_func, query) == 32, "query");
_Static_assert(offsetof(struct db_func, free_result) == 56, "free_result");
_Static_assert(offsetof(struct cdb_base, add) == 56, "add");
_Static_assert(sizeof(struct cdb_func_34) == 184, "cachedb functions of 3.4");
_Static_assert(sizeof(struct cdb_func_36) == 192, "cachedb functions of 3.6");
_Static_assert(sizeof(struct async_ctx_34) == 32, "async context of 3.4");
_Static_assert(sizeof(struct async_ctx_40) == 40, "async context of 4.0");
_Static_assert(sizeof(struct mi_export_10) == 4256, "MI command of 3.4");
_Static_assert(sizeof(struct mi_export_20) == 8128, "MI command of 4.0");

struct abi_shape abi;

static char version_only[32];
/* Names the stand-in; a module finds the release by the number that follows the name. */
static char version_stamp[64];

struct module_exports proto_udp_exports = {
	.name = "proto_udp",
	.type = MOD_DEFAULT,
	.stamps = {.version = version_stamp,
		   .compile_flags = "STATS: On, stand-in",
		   .scm_type = "unknown",
		   .scm_rev = "unknown"},
};

bool abi_select(const char *version)
{
	int major, minor, rest = 0;

	if (sscanf(version, "%d.%d%n", &major, &minor, &rest) != 2 || major < 0 || minor < 0 ||
	    strlen(version) >= sizeof version_only || strpbrk(version, " ()"))
		return false;
	int v = major * 100 + minor;
	abi = (struct abi_shape){
		.async_has_name = v >= 400,
		.wide_mi = v >= 400,
		.pv_has_flags = v >= 306,
		.db_has_timeout = v >= 305,
		.cdb_has_iter_keys = v >= 306,
	};
	strcpy(version_only, version);
	snprintf(version_stamp, sizeof version_stamp, "stand-in %s (x86_64/linux)", version);
	return true;
}

const char *abi_version(void)
{
	return version_only;
}

struct async_view async_view_of(const union async_ctx *ctx)
{
	if (abi.async_has_name)
		return (struct async_view){(async_resume_fn)ctx->v40.resume_f, (async_resume_fn)ctx->v40.timeout_f,
					   ctx->v40.resume_param};
	return (struct async_view){(async_resume_fn)ctx->v34.resume_f, (async_resume_fn)ctx->v34.timeout_f,
				   ctx->v34.resume_param};
}

void async_set_timeout(union async_ctx *ctx, unsigned int seconds)
{
	if (abi.async_has_name)
		ctx->v40.timeout_s = seconds;
	else
		ctx->v34.timeout_s = seconds;
}

void abi_put_cdb_funcs(void *dst, const struct cdb_base *base, int capability)
{
	if (abi.cdb_has_iter_keys) {
		struct cdb_func_36 f = {.base = *base, .capability = capability};
		memcpy(dst, &f, sizeof f);
	} else {
		struct cdb_func_34 f = {.base = *base, .capability = capability};
		memcpy(dst, &f, sizeof f);
	}
}

const char *abi_mi_name(const void *table, int i)
{
	if (abi.wide_mi)
		return ((const struct mi_export_20 *)table)[i].name;
	return ((const struct mi_export_10 *)table)[i].name;
}

struct mi_recipe_view abi_mi_recipe(const void *table, int i, int k)
{
	if (k >= MI_RECIPES)
		return (struct mi_recipe_view){0};
	if (abi.wide_mi) {
		const struct mi_recipe_20 *r = &((const struct mi_export_20 *)table)[i].recipes[k];
		return (struct mi_recipe_view){r->cmd, r->params};
	}
	const struct mi_recipe_10 *r = &((const struct mi_export_10 *)table)[i].recipes[k];
	return (struct mi_recipe_view){r->cmd, r->params};
}
