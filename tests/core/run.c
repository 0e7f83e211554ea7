/*
 * run.c - the interpreter. Return codes, truth and comparison follow the rules of the language:
 * negative is false, zero ends the script, and what is not a call leaves its own code in $rc.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "run.h"

#include "async.h"
#include "eval.h"
#include "log.h"
#include "sip.h"

enum { MAX_DEPTH = 100, MAX_LOOPS = 10000 };

static int return_code;
static bool ended;
static int depth;

static int run_list(struct stmt *s, struct sip_msg *msg);

int run_return_code(void)
{
	return return_code;
}

bool run_ended(void)
{
	return ended;
}

/* The rule for actions: a call that returns 0 ends the script. */
int run_note_code(int ret)
{
	if (ret == 0)
		ended = true;
	return_code = ret;
	return ret;
}

/* ---- statements ---- */

static int assign(struct stmt *s, struct sip_msg *msg)
{
	struct pv_value v = eval(s->expr, msg);

	if (!v.flags) {
		LOG_WARN("no value in right expression at %s:%d\n", script.file, s->line);
		return -1;
	}
	int ret = pv_set_value(msg, s->var, OP_ASSIGN, v.flags & PV_VAL_NULL ? NULL : &v);
	if (ret < 0)
		LOG_ERR("setting a variable failed at %s:%d\n", script.file, s->line);
	pv_value_destroy(&v);
	return ret < 0 ? -1 : 1;
}

static int run_route_call(struct stmt *s, struct sip_msg *msg)
{
	if (depth >= MAX_DEPTH) {
		LOG_ERR("route recursion limit reached, giving up!\n");
		return -1;
	}
	depth++;
	int ret = run_list(s->route->body, msg);
	depth--;
	return ret;
}

static int run_loop(struct stmt *s, struct sip_msg *msg)
{
	int ret = 1;

	for (int n = 0; condition(s->expr, msg) && !ended; n++) {
		if (n == MAX_LOOPS) {
			LOG_ERR("max while loops reached (%d) at %s:%d\n", MAX_LOOPS, script.file, s->line);
			break;
		}
		ret = run_list(s->body, msg);
	}
	return ended ? 0 : ret;
}

static int run_if(struct stmt *s, struct sip_msg *msg)
{
	bool t = condition(s->expr, msg);
	struct stmt *body = t ? s->body : s->other;

	if (ended) {
		return_code = 0;
		return 0;
	}
	if (!body) {
		return_code = t;
		return 1;
	}
	return_code = run_list(body, msg);
	return return_code;
}

static int xlog_line(struct stmt *s, struct sip_msg *msg)
{
	str text;
	if (s->level > XLOG_LEVEL)
		return 1;
	if (pv_printf_s(msg, s->format, &text) != 0)
		return -1;
	log_script(s->level, text);
	return 1;
}

static int run_one(struct stmt *s, struct sip_msg *msg)
{
	int ret = 1;

	switch (s->kind) {
	case S_CALL:
		ret = call_function(s->call, msg);
		break;
	case S_ASSIGN:
		ret = assign(s, msg);
		break;
	case S_IF:
		return run_if(s, msg);
	case S_WHILE:
		ret = run_loop(s, msg);
		break;
	case S_ROUTE:
		ret = run_route_call(s, msg);
		break;
	case S_ASYNC:
		async_start(s, msg);
		ret = 0;
		break;
	case S_LAUNCH:
		ret = async_launch(s, msg);
		break;
	case S_XLOG:
		ret = xlog_line(s, msg);
		break;
	case S_EXIT:
		ret = 0;
		break;
	}
	return_code = ret;
	return ret;
}

static int run_list(struct stmt *s, struct sip_msg *msg)
{
	int ret = 1;
	for (; s && !ended; s = s->next) {
		ret = run_one(s, msg);
		if (ret == 0)
			ended = true;
	}
	return ret;
}

void run_top_route(struct route *r, struct sip_msg *msg)
{
	bool saved_ended = ended;
	int saved_depth = depth;
	struct usr_avp **avps = avp_use_list(&msg->avps);

	ended = false;
	depth = 0;
	run_list(r->body, msg);
	ended = saved_ended;
	depth = saved_depth;
	avp_use_list(avps);
}

void run_resume_route(struct route *r, struct sip_msg *msg, int rc)
{
	return_code = rc;
	run_top_route(r, msg);
}
