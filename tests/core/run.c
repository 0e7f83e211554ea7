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
static int flags;
static int depth;

struct frame {
	const char *name;
	struct pv_value *params;
	int params_n;
	struct frame *up;
};

static struct frame *frame;

static int run_list(struct stmt *s, struct sip_msg *msg);

int run_return_code(void)
{
	return return_code;
}

const char *run_route_name(void)
{
	return frame ? frame->name : "";
}

int run_route_param(int n, struct pv_value *res)
{
	if (!frame || n < 1 || n > frame->params_n)
		return pv_get_null(NULL, NULL, res);
	*res = frame->params[n - 1];
	res->flags &= ~PV_VAL_PKG;
	return 0;
}

bool run_ended(void)
{
	return flags & RUN_EXIT;
}

/* The rule of actions: a call that returns 0 ends the script. */
static int after_action(int ret)
{
	if (ret == 0)
		flags |= RUN_EXIT;
	return ret;
}

int run_note_code(int ret)
{
	return_code = after_action(ret);
	return return_code;
}

/* ---- statements ---- */

static int assign(struct stmt *s, struct sip_msg *msg)
{
	struct pv_value v;
	int ret;

	if (s->op != '=' && s->op != ':') {
		struct expr left = {.kind = X_VAR, .var = s->var, .line = s->line};
		struct expr both = {.kind = X_ARITH, .op = s->op, .l = &left, .r = s->expr, .line = s->line};
		v = eval_arith(&both, msg);
	} else {
		v = eval(s->expr, msg);
	}
	if (!v.flags) {
		LOG_WARN("no value in right expression at %s:%d\n", script.file, s->line);
		return -1;
	}
	int op = s->op == ':' ? OP_ASSIGN_REPLACE : OP_ASSIGN;
	if (v.flags & PV_VAL_NULL)
		ret = pv_set_value(msg, s->var, op, NULL);
	else
		ret = pv_set_value(msg, s->var, op, &v);
	if (ret < 0)
		LOG_ERR("setting a variable failed at %s:%d\n", script.file, s->line);
	pv_value_destroy(&v);
	return ret < 0 ? -1 : 1;
}

static int run_actions(struct stmt *body, struct sip_msg *msg)
{
	if (depth >= MAX_DEPTH) {
		LOG_ERR("route recursion limit reached, giving up!\n");
		return -1;
	}
	depth++;
	int ret = body ? run_list(body, msg) : 1;
	depth--;
	flags &= ~RUN_RETURN;
	return ret;
}

int run_route_call(struct stmt *s, struct sip_msg *msg)
{
	struct frame f = {.name = s->route->name, .params_n = s->route_args_n, .up = frame};

	if (f.params_n)
		f.params = xcalloc((size_t)f.params_n, sizeof *f.params);
	for (int i = 0; i < f.params_n; i++)
		f.params[i] = eval(s->route_args[i], msg);
	frame = &f;
	int ret = run_actions(s->route->body, msg);
	frame = f.up;
	for (int i = 0; i < f.params_n; i++)
		pv_value_destroy(&f.params[i]);
	free(f.params);
	return ret;
}

static int run_switch(struct stmt *s, struct sip_msg *msg)
{
	struct pv_value v;
	struct switch_case *c;
	bool matched = false;

	if (pv_get_spec_value(msg, s->var, &v) != 0)
		return -1;
	value_own(&v);
	return_code = 1;
	for (c = s->cases; c && !matched; c = c->next) {
		if (c->is_default)
			continue;
		matched = !(v.flags & PV_VAL_NULL) && (c->is_int ? (v.flags & PV_VAL_INT) && v.ri == c->n
								  : (v.flags & PV_VAL_STR) && str_ieq(v.rs, c->s));
		if (matched)
			break;
	}
	pv_value_destroy(&v);
	if (!matched) {
		c = s->cases;
		while (c && !c->is_default)
			c = c->next;
	}
	/* A case without break runs on into the next one. */
	for (; c; c = c->next) {
		if (c->body)
			return_code = run_list(c->body, msg);
		if (flags & (RUN_EXIT | RUN_RETURN | RUN_BREAK))
			break;
	}
	flags &= ~RUN_BREAK;
	return return_code;
}

static int run_loop(struct stmt *s, struct sip_msg *msg)
{
	int ret = 1, n = 0;

	while (condition(s->expr, msg) && !(flags & RUN_EXIT)) {
		if (++n > MAX_LOOPS) {
			LOG_ERR("max while loops reached (%d) at %s:%d\n", MAX_LOOPS, script.file, s->line);
			break;
		}
		if (s->body)
			ret = run_list(s->body, msg);
		if (flags & (RUN_EXIT | RUN_RETURN | RUN_BREAK))
			break;
	}
	flags &= ~RUN_BREAK;
	return flags & RUN_EXIT ? 0 : ret;
}

/* for ($var(x) in $(avp(list)[*])): one turn for each value, by index. */
static int run_for(struct stmt *s, struct sip_msg *msg)
{
	struct pv_spec items = *s->expr->var;
	struct pv_value v;
	int ret = 1;

	items.pvp.pvi.type = PV_IDX_INT;
	for (int i = 0; i < MAX_LOOPS; i++) {
		items.pvp.pvi.u.ival = i;
		if (pv_get_spec_value(msg, &items, &v) != 0 || (v.flags & PV_VAL_NULL))
			break;
		if (pv_set_value(msg, s->var, OP_ASSIGN, &v) < 0)
			break;
		if (s->body)
			ret = run_list(s->body, msg);
		if (flags & (RUN_EXIT | RUN_RETURN | RUN_BREAK))
			break;
	}
	flags &= ~RUN_BREAK;
	return ret;
}

static int run_if(struct stmt *s, struct sip_msg *msg)
{
	bool t = condition(s->expr, msg);
	struct stmt *body = t ? s->body : s->other;
	int ret = 1;

	if (flags & (RUN_EXIT | RUN_RETURN)) {
		return_code = 0;
		return 0;
	}
	if (body) {
		ret = run_list(body, msg);
		return_code = ret;
	} else {
		return_code = t;
	}
	return ret;
}

static int xlog_line(struct stmt *s, struct sip_msg *msg)
{
	str text;
	if (s->level > xlog_level)
		return 1;
	if (pv_printf_s(msg, s->format, &text) != 0)
		return -1;
	log_script(s->level, text);
	return 1;
}

static int return_value(struct stmt *s, struct sip_msg *msg)
{
	if (!s->expr)
		return 1;
	struct pv_value v = eval(s->expr, msg);
	int ret = v.flags & PV_VAL_NULL ? -1 : v.flags & PV_VAL_INT ? v.ri : 1;
	pv_value_destroy(&v);
	return ret;
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
	case S_FOR:
		ret = run_for(s, msg);
		break;
	case S_SWITCH:
		ret = run_switch(s, msg);
		break;
	case S_ROUTE:
		return_code = run_route_call(s, msg);
		return return_code;
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
	case S_DROP:
		flags |= RUN_DROP | RUN_EXIT;
		break;
	case S_RETURN:
		ret = return_value(s, msg);
		flags |= RUN_RETURN;
		break;
	case S_BREAK:
		flags |= RUN_BREAK;
		break;
	case S_BLOCK:
		return s->body ? run_list(s->body, msg) : 1;
	}
	return_code = ret;
	return ret;
}

static int run_list(struct stmt *s, struct sip_msg *msg)
{
	int ret = 1;
	for (; s; s = s->next) {
		ret = after_action(run_one(s, msg));
		if (flags & (RUN_RETURN | RUN_EXIT | RUN_BREAK))
			break;
	}
	return ret;
}

void run_top_route(struct route *r, struct sip_msg *msg)
{
	int saved_flags = flags, saved_depth = depth;
	struct frame f = {.name = r->name}, *saved = frame;
	struct usr_avp **avps = set_avp_list(&msg->avps);

	flags = 0;
	depth = 0;
	frame = &f;
	run_actions(r->body, msg);
	flags = saved_flags;
	depth = saved_depth;
	frame = saved;
	set_avp_list(avps);
}

void run_resume_route(struct route *r, struct sip_msg *msg, int rc)
{
	return_code = rc;
	run_top_route(r, msg);
}

struct sip_msg *run_dummy_msg(void)
{
	static const char text[] = "OPTIONS sip:you@dummy.invalid SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP 127.0.0.1\r\nFrom: <sip:me@dummy.invalid>;tag=1\r\n"
				   "To: <sip:you@dummy.invalid>\r\nCall-ID: dummy\r\nCSeq: 1 OPTIONS\r\n"
				   "Content-Length: 0\r\n\r\n";
	const char *why;
	struct peer peer = {.ip = "127.0.0.1", .port = 5060};
	return sip_parse(text, (int)sizeof text - 1, &peer, &why);
}
