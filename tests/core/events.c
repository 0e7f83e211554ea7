/*
 * events.c - events, status and reports: nobody has subscribed to any, and nobody reads them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

static int events_n;

int evi_publish_event(str name)
{
	(void)name;
	return events_n++;
}

int evi_probe_event(int event)
{
	(void)event;
	return 0;
}

int evi_raise_event(int event, void *params)
{
	(void)event, (void)params;
	return 0;
}

void *sr_register_group(char *name, int name_len, int is_public)
{
	static char group;

	(void)name, (void)name_len, (void)is_public;
	return &group;
}

int sr_register_identifier(void *group, char *name, int name_len, int status, char *text, int text_len, int reports)
{
	(void)group, (void)name, (void)name_len, (void)status, (void)text, (void)text_len, (void)reports;
	return 0;
}

int sr_set_status(void *group, char *name, int name_len, int status, char *text, int text_len, int is_public)
{
	(void)group, (void)name, (void)name_len, (void)status, (void)text, (void)text_len, (void)is_public;
	return 0;
}

int sr_add_report(void *group, char *name, int name_len, char *text, int text_len, int is_public)
{
	(void)group, (void)name, (void)name_len, (void)text, (void)text_len, (void)is_public;
	return 0;
}
