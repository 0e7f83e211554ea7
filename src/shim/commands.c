/*
 * The exported script functions: they pass their arguments to Rust.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

/* An output may be any writable pseudo-variable. */
static int check_output(void **param)
{
	static const char text[] = "an output parameter must be a variable that can be written, "
		"such as $var(name) or $avp(name)";
	const osips_pv_spec *spec = *param;

	if (spec && spec->setf)
		return 0;
	aw_log(AW_ERR, "check_output", (aw_str){ text, sizeof text - 1 });
	return -1;
}

/* The same of jwt_authorize: called once for each call in the script, after mod_init. */
static int check_jwt_output(void **param)
{
	aw_rs_judges();
	return check_output(param);
}

#define FUNCTION(name, ...) \
	static int call_##name(struct sip_msg *msg, void *p1, void *p2, void *p3, void *p4, void *p5, \
		void *p6, void *p7, void *p8) \
	{ \
		void *arguments[AW_MAX_ARGUMENTS] = { p1, p2, p3, p4, p5, p6, p7 }; \
 \
		(void)p8; \
		return aw_rs_call(AW_FUNCTION_##name, msg, arguments, NULL); \
	}
#define ASYNC_FUNCTION(name, ...) \
	FUNCTION(name) \
	static int begin_##name(struct sip_msg *msg, void *ctx, void *p1, void *p2, void *p3, void *p4, \
		void *p5, void *p6, void *p7, void *p8) \
	{ \
		void *arguments[AW_MAX_ARGUMENTS] = { p1, p2, p3, p4, p5, p6, p7 }; \
		aw_async async = aw_async_of(ctx, __builtin_return_address(0)); \
		int code = aw_rs_call(AW_FUNCTION_##name, msg, arguments, &async); \
 \
		(void)p8; \
		return aw_async_begun(ctx, &async, code); \
	}
AW_FUNCTIONS
#undef FUNCTION
#undef ASYNC_FUNCTION

const char *aw_function_name(enum aw_function function)
{
	return aw_commands[function].name;
}

#define IN AW_ARGUMENT_TEXT
#define IN_OPTIONAL AW_ARGUMENT_TEXT
#define NUMBER_OPTIONAL AW_ARGUMENT_NUMBER
#define VARIABLE AW_ARGUMENT_OUTPUT
#define OUT AW_ARGUMENT_OUTPUT
#define OUT_JWT AW_ARGUMENT_OUTPUT
#define OUT_OPTIONAL AW_ARGUMENT_OUTPUT
#define FUNCTION(name, ...) { __VA_ARGS__ },
#define ASYNC_FUNCTION FUNCTION
const unsigned char aw_arguments[][AW_MAX_ARGUMENTS] = { AW_FUNCTIONS };
#undef ASYNC_FUNCTION
#undef FUNCTION
#undef OUT_OPTIONAL
#undef OUT_JWT
#undef OUT
#undef VARIABLE
#undef NUMBER_OPTIONAL
#undef IN_OPTIONAL
#undef IN

#define IN { OSIPS_CMD_PARAM_STR, NULL, NULL }
#define IN_OPTIONAL { OSIPS_CMD_PARAM_STR | OSIPS_CMD_PARAM_OPT, NULL, NULL }
#define NUMBER_OPTIONAL { OSIPS_CMD_PARAM_INT | OSIPS_CMD_PARAM_OPT, NULL, NULL }
#define VARIABLE { OSIPS_CMD_PARAM_VAR, NULL, NULL }
#define OUT { OSIPS_CMD_PARAM_VAR, check_output, NULL }
#define OUT_JWT { OSIPS_CMD_PARAM_VAR, check_jwt_output, NULL }
#define OUT_OPTIONAL { OSIPS_CMD_PARAM_VAR | OSIPS_CMD_PARAM_OPT, check_output, NULL }

#define FUNCTION(name, ...) { #name, call_##name, { __VA_ARGS__ }, OSIPS_ALL_ROUTES },
#define ASYNC_FUNCTION FUNCTION
const struct osips_cmd_export aw_commands[] = {
	AW_FUNCTIONS
	{ NULL, NULL, { { 0, NULL, NULL } }, 0 },
};
#undef ASYNC_FUNCTION
#undef FUNCTION

#define FUNCTION(name, ...)
#define ASYNC_FUNCTION(name, ...) { #name, begin_##name, { __VA_ARGS__ } },
const struct osips_acmd_export aw_async_commands[] = {
	AW_FUNCTIONS
	{ NULL, NULL, { { 0, NULL, NULL } } },
};
