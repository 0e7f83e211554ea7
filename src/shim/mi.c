/*
 * The exported commands of the management interface, in the layouts of all releases.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

static void *answer(int failed)
{
	static const char ok[] = "OK", error[] = "the module is not set up";

	if (failed)
		return init_mi_error_extra(500, error, sizeof error - 1, NULL, 0);
	return init_mi_result_string(ok, sizeof ok - 1);
}

static void *jwt_reload(const void *params, void *async_hdl)
{
	(void)params, (void)async_hdl;
	return answer(aw_rs_jwt_reload());
}

static void *credentials_reload(const void *params, void *async_hdl)
{
	(void)params, (void)async_hdl;
	return answer(aw_rs_credentials_reload());
}

#define COMMANDS \
	{ (char *)"jwt_reload", \
		(char *)"forgets the profiles and tokens that are cached, in all processes", 0, NULL, \
		{ { jwt_reload, { NULL } } } }, \
	{ (char *)"credentials_reload", \
		(char *)"reads the table of credentials again, in all processes", 0, NULL, \
		{ { credentials_reload, { NULL } } } },

/* The two differ in how many parameters a recipe has, and in the aliases of 4.0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
const struct osips_mi_export_34 aw_mi_commands_34[] = { COMMANDS { NULL } };
const struct osips_mi_export_40 aw_mi_commands_40[] = { COMMANDS { NULL } };
