/*
 * Events, and the status and reports of what the module depends on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

#include <string.h>

/* How many reports of each identifier are kept. */
enum { REPORTS_KEPT = 50 };

#define EVENT(name) "E_AUTH_WEB_" #name,
static const char *const event_names[] = { AW_EVENTS };
#undef EVENT

enum { EVENTS = sizeof event_names / sizeof *event_names };

static int events[EVENTS];

#define REPORT(name) #name,
static const char *const report_names[] = { AW_REPORTS };
#undef REPORT

enum { REPORTS = sizeof report_names / sizeof *report_names };

static void *group;

int aw_events_publish(void)
{
	size_t i;

	for (i = 0; i < EVENTS; i++) {
		osips_str name = { (char *)event_names[i], (int)strlen(event_names[i]) };

		events[i] = evi_publish_event(name);
		if (events[i] < 0)
			return -1;
	}
	return 0;
}

int aw_event_wanted(enum aw_event event)
{
	return evi_probe_event(events[event]) > 0;
}

int aw_in_event_route(void)
{
	return &route_type && route_type == OSIPS_EVENT_ROUTE;
}

int aw_event_raise(enum aw_event event, const aw_event_param *params, unsigned int n)
{
	struct osips_evi_param list[AW_EVENT_PARAMS];
	struct osips_evi_params all = { 0, NULL, NULL };
	unsigned int i;

	if (n > AW_EVENT_PARAMS)
		return -1;
	memset(list, 0, sizeof list);
	for (i = 0; i < n; i++) {
		list[i].name = osips_of(params[i].name);
		if (params[i].text.s) {
			list[i].flags = OSIPS_EVI_STR_VAL;
			list[i].val.s = osips_of(params[i].text);
		} else {
			list[i].flags = OSIPS_EVI_INT_VAL;
			list[i].val.n = params[i].number;
		}
		list[i].next = i + 1 < n ? &list[i + 1] : NULL;
	}
	if (n > 0) {
		all.first = &list[0];
		all.last = &list[n - 1];
	}
	return evi_raise_event(events[event], &all);
}

static void tell(int sender, void *notice)
{
	(void)sender;
	aw_rs_told(notice);
}

int aw_has_workers(void)
{
	return &ipc_dispatch_rpc != NULL;
}

int aw_tell_worker(void *notice)
{
	return aw_has_workers() ? ipc_dispatch_rpc(tell, notice) : -1;
}

int aw_reports_register(void)
{
	static char text[] = "nothing has failed";
	size_t i;

	group = sr_register_group((char *)aw_module_name(), (int)strlen(aw_module_name()), 0);
	if (!group)
		return -1;
	for (i = 0; i < REPORTS; i++)
		if (sr_register_identifier(group, (char *)report_names[i], (int)strlen(report_names[i]),
				OSIPS_SR_STATUS_READY, text, sizeof text - 1, REPORTS_KEPT) != 0)
			return -1;
	return 0;
}

void aw_report(enum aw_report report, int is_ready, aw_str text)
{
	char *name = (char *)report_names[report];
	int len = (int)strlen(name);
	osips_str line = osips_of(text);

	if (!group)
		return;
	sr_set_status(group, name, len,
		is_ready ? OSIPS_SR_STATUS_READY : OSIPS_SR_STATUS_NOT_READY, line.s, line.len, 0);
	sr_add_report(group, name, len, line.s, line.len, 0);
}
