/*
 * The exported commands of the management interface, in the layouts of all releases, and what they read and
 * answer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

#include <string.h>

int aw_mi_param(const void *params, const char *name, aw_str *out)
{
	char *text = NULL;
	int length = 0;

	switch (try_get_mi_string_param(params, (char *)name, &text, &length)) {
	case 0:
		out->s = text;
		out->len = (size_t)length;
		return 1;
	case -1: /* MI_PARAM_ERR_MISSING */
		return 0;
	default:
		return -1;
	}
}

void *aw_mi_ok(void)
{
	static const char ok[] = "OK";

	return init_mi_result_string(ok, sizeof ok - 1);
}

void *aw_mi_error(int code, aw_str message)
{
	return init_mi_error_extra(code, message.s, (int)message.len, NULL, 0);
}

void *aw_mi_object(void **object)
{
	return init_mi_result_object(object);
}

void *aw_mi_list(void *object, const char *name)
{
	return add_mi_array(object, (char *)name, (int)strlen(name));
}

void *aw_mi_child(void *object, const char *name)
{
	return add_mi_object(object, (char *)name, (int)strlen(name));
}

void *aw_mi_element(void *list)
{
	return add_mi_object(list, NULL, 0);
}

int aw_mi_text(void *object, const char *name, aw_str value)
{
	return add_mi_string(object, (char *)name, (int)strlen(name), value.s, (int)value.len);
}

int aw_mi_number(void *object, const char *name, double value)
{
	return add_mi_number(object, (char *)name, (int)strlen(name), value);
}

void aw_mi_free(void *response)
{
	free_mi_response(response);
}

static void *answer(enum aw_command command, const void *params)
{
	static const char error[] = "internal error";
	void *response = aw_rs_command(command, params);

	return response ? response : aw_mi_error(500, (aw_str){ error, sizeof error - 1 });
}

#define COMMAND(name, ...) \
	static void *run_##name(const void *params, void *async_hdl) \
	{ \
		(void)async_hdl; \
		return answer(AW_COMMAND_##name, params); \
	}
AW_COMMANDS
#undef COMMAND

/* The two differ in how many parameters a recipe has, and in the aliases of 4.0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define FORM(name, ...) { run_##name, { __VA_ARGS__ } },
#define COMMAND(name, help, forms) { (char *)#name, (char *)help, 0, NULL, { forms } },
const struct osips_mi_export_34 aw_mi_commands_34[] = { AW_COMMANDS { NULL } };
const struct osips_mi_export_40 aw_mi_commands_40[] = { AW_COMMANDS { NULL } };
