/*
 * What the files of the shim share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef AUTH_WEB_SHIM_H
#define AUTH_WEB_SHIM_H

#include "auth_web.h"
#include "opensips/abi.h"

static inline aw_str aw_of(const osips_str *text)
{
	aw_str out = { NULL, 0 };

	if (text && text->s && text->len > 0) {
		out.s = text->s;
		out.len = (size_t)text->len;
	}
	return out;
}

static inline osips_str osips_of(aw_str text)
{
	osips_str out = { (char *)text.s, (int)text.len };

	return out;
}

/* The name of the module, unless it is loaded as auth_jwt.so. */
#define AW_OWN_NAME "auth_web"

/* The name under which the module was loaded: "auth_web" or "auth_jwt". */
const char *aw_module_name(void);

/* Tables, each in the file of its subject. */
extern const struct osips_cmd_export aw_commands[];
extern const struct osips_acmd_export aw_async_commands[];
extern const struct osips_param_export aw_parameters[];
extern const struct osips_stat_export aw_statistics[];
extern const struct osips_mi_export_34 aw_mi_commands_34[];
extern const struct osips_mi_export_40 aw_mi_commands_40[];

/* What an asynchronous function starts from (resume.c); caller is its return address. */
aw_async aw_async_of(void *ctx, const void *caller);
/* Passes a started call to the core, or reports that it is already done. */
int aw_async_begun(void *ctx, const aw_async *async, int code);

/* Non-zero if the core's async_ctx, mi_export_t and sip_msg have the layout of 4.0. */
int aw_layout_40(void);
/* Non-zero if its sip_msg has that of 3.5, or a newer one. */
int aw_layout_35(void);

#endif
