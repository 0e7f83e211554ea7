/*
 * Messages, pseudo-variables and AVPs, and where the core listens.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

#include <stdlib.h>
#include <string.h>

void aw_use_sent_cseq(aw_msg *msg)
{
	unsigned int *flags;

	if (aw_layout_40())
		flags = &((struct osips_sip_msg_40 *)(void *)msg)->msg_flags;
	else if (aw_layout_35())
		flags = &((struct osips_sip_msg_35 *)(void *)msg)->msg_flags;
	else
		flags = &((struct osips_sip_msg_34 *)(void *)msg)->msg_flags;
	*flags |= OSIPS_FL_USE_UAC_CSEQ;
}

aw_spec *aw_pv_parse(aw_str text)
{
	/* The core keeps the name of a header that it does not know as a part of the text, which lives as long: behind
	 * what is made of it. */
	osips_pv_spec *spec = calloc(1, sizeof *spec + text.len + 1);
	osips_str in;
	char *end;

	if (!spec)
		return NULL;
	memcpy(spec + 1, text.s, text.len);
	in = osips_of((aw_str){ (char *)(spec + 1), text.len });
	end = pv_parse_spec(&in, spec);
	if (!end || end != in.s + in.len) {
		free(spec);
		return NULL;
	}
	return spec;
}

int aw_pv_get(aw_msg *msg, aw_spec *spec, aw_value *out)
{
	osips_pv_value value = { { NULL, 0 }, 0, 0 };

	*out = (aw_value){ AW_NULL, 0, { NULL, 0 } };
	if (pv_get_spec_value(msg, spec, &value) != 0)
		return -1;
	if (value.flags & OSIPS_PV_VAL_NULL)
		return 0;
	/* pvv_is_int(): an integer, which may come with its text */
	if (value.flags & OSIPS_PV_TYPE_INT
			|| (value.flags & OSIPS_PV_VAL_INT && !(value.flags & OSIPS_PV_VAL_STR))) {
		out->kind = AW_INT;
		out->number = value.ri;
	} else if (value.flags & OSIPS_PV_VAL_STR) {
		out->kind = AW_TEXT;
	}
	if (value.flags & OSIPS_PV_VAL_STR)
		out->text = aw_of(&value.rs);
	return 0;
}

static osips_str text_of(const aw_value *value)
{
	osips_str text = osips_of(value->text);

	/* The core takes a NULL pointer as "no value"; here, no text is an empty text. */
	if (!text.s)
		text.s = (char *)"";
	return text;
}

int aw_pv_set(aw_msg *msg, aw_spec *spec, const aw_value *value)
{
	osips_pv_value out = { { NULL, 0 }, 0, 0 };

	switch (value->kind) {
	case AW_NULL:
		return pv_set_value(msg, spec, 0, NULL);
	case AW_INT:
		out.ri = value->number;
		out.flags = OSIPS_PV_VAL_INT | OSIPS_PV_TYPE_INT;
		break;
	case AW_TEXT:
		out.rs = text_of(value);
		out.flags = OSIPS_PV_VAL_STR;
		break;
	}
	return pv_set_value(msg, spec, 0, &out);
}

int aw_avp_id(aw_str name, int *id)
{
	osips_str in = osips_of(name);

	return parse_avp_spec(&in, id);
}

int aw_avp_add(int id, const aw_value *value)
{
	osips_int_str out = { 0 };

	if (value->kind == AW_INT) {
		out.n = value->number;
		return add_avp(0, id, out);
	}
	out.s = text_of(value);
	return add_avp(OSIPS_AVP_VAL_STR, id, out);
}

int aw_is_myself(aw_str host, unsigned short port)
{
	osips_str name = osips_of(host);

	return check_self(&name, port, 0) == 1;
}
