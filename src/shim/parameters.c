/*
 * The exported parameters. Each takes a string or an integer, so that a value of the wrong type gets
 * our message, which names what is allowed, and not the core's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

#define PARAMETER(name) \
	static int set_##name(unsigned int type, void *val) \
	{ \
		if (type & OSIPS_STR_PARAM) \
			return aw_rs_modparam(#name, val ? (const char *)val : "", 0); \
		return aw_rs_modparam(#name, NULL, (int)(long)val); \
	}
AW_PARAMETERS
#undef PARAMETER

#define PARAMETER(name) \
	{ #name, OSIPS_STR_PARAM | OSIPS_INT_PARAM | OSIPS_USE_FUNC_PARAM, (void *)set_##name },
const struct osips_param_export aw_parameters[] = {
	AW_PARAMETERS
	{ NULL, 0, NULL },
};
#undef PARAMETER

const char *aw_parameter_name(int number)
{
	return number >= 0 && number < AW_PARAMETERS_COUNT ? aw_parameters[number].name : NULL;
}
