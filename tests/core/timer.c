/*
 * timer.c - register_timer() of the ABI, and timer_route.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "timer.h"

#include "reactor.h"
#include "run.h"
#include "sip.h"

typedef void (*timer_fn)(unsigned int ticks, void *param);

struct job {
	timer_fn f;
	void *param;
	struct route *route;
	unsigned int interval;
	struct job *next;
};

static struct job *jobs;
static uint64_t started;

static struct job *add_job(unsigned int interval)
{
	struct job *j = xcalloc(1, sizeof *j);
	j->interval = interval ? interval : 1;
	j->next = jobs;
	jobs = j;
	return j;
}

/* Symbols of the ABI. */
int register_timer(const char *label, timer_fn f, void *param, unsigned int interval, unsigned short flags)
{
	(void)label, (void)flags;
	struct job *j = add_job(interval);
	j->f = f;
	j->param = param;
	return 0;
}

unsigned int get_ticks(void)
{
	return (unsigned int)((now_ms() - started) / 1000);
}

static void on_due(void *arg)
{
	struct job *j = arg;

	reactor_timer((uint64_t)j->interval * 1000, on_due, j);
	if (j->route) {
		struct sip_msg *m = run_dummy_msg();
		run_top_route(j->route, m);
		sip_free(m);
	} else {
		j->f(get_ticks(), j->param);
	}
}

bool timer_wanted(void)
{
	started = now_ms();
	for (struct route *r = script.routes; r; r = r->next)
		if (r->type == ROUTE_TIMER)
			add_job(r->interval)->route = r;
	return jobs != NULL;
}

void timer_start(void)
{
	for (struct job *j = jobs; j; j = j->next)
		reactor_timer((uint64_t)j->interval * 1000, on_due, j);
}
