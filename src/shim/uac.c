/*
 * Requests of our own, by the module tm.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

static struct osips_tm_binds tm;

int aw_uac_load(void)
{
	osips_load_tm load = &find_export ? find_export("load_tm", 0) : NULL;

	return load && load(&tm) != -1 && tm.t_request_within ? 0 : -1;
}

/* Runs in the process that has read the reply, or in one for timers. */
static void answered(void *cell, int type, struct osips_tmcb_params *params)
{
	struct sip_msg *reply;

	(void)cell;
	if (!(type & OSIPS_TMCB_LOCAL_COMPLETED) || !params || !params->param)
		return;
	reply = params->rpl;
	if ((intptr_t)reply == OSIPS_FAKED_REPLY)
		reply = NULL;
	aw_rs_answered((uint64_t)(uintptr_t)*params->param, params->code, reply);
}

int aw_uac_send(const aw_outgoing *request, uint64_t number)
{
	struct osips_dlg dialog = { 0 };
	osips_str method = osips_of(request->method), headers = osips_of(request->headers);

	if (!tm.t_request_within)
		return -1;
	dialog.id.call_id = osips_of(request->call_id);
	dialog.id.loc_tag = osips_of(request->from_tag);
	/* tm counts it up. */
	dialog.loc_seq.value = request->cseq - 1;
	dialog.loc_seq.is_set = 1;
	dialog.loc_uri = osips_of(request->from);
	dialog.rem_uri = osips_of(request->to);
	dialog.rem_target = osips_of(request->request_uri);
	dialog.obp = osips_of(request->next_hop);
	dialog.state = OSIPS_DLG_CONFIRMED;
	/* Otherwise whoever receives an answer of 503, and a process for timers if there is none, looks up the name of
	 * the next server, and waits for that. */
	dialog.T_flags = OSIPS_T_NO_DNS_FAILOVER_FLAG;
	return tm.t_request_within(&method, &headers, NULL, &dialog, answered,
		(void *)(uintptr_t)number, NULL) == 1 ? 0 : -1;
}
