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

#define COMMAND(name, help) \
	static void *run_##name(const void *params, void *async_hdl) \
	{ \
		(void)params, (void)async_hdl; \
		return answer(aw_rs_command(AW_COMMAND_##name)); \
	}
AW_COMMANDS
#undef COMMAND

/* The two differ in how many parameters a recipe has, and in the aliases of 4.0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define COMMAND(name, help) \
	{ (char *)#name, (char *)help, 0, NULL, { { run_##name, { NULL } } } },
const struct osips_mi_export_34 aw_mi_commands_34[] = { AW_COMMANDS { NULL } };
const struct osips_mi_export_40 aw_mi_commands_40[] = { AW_COMMANDS { NULL } };
