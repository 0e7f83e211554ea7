/*
 * async.c - the life of an asynchronous call: started by the script, waiting in the reactor on the
 * module's descriptor, resumed (perhaps several times), and finally its route run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "async.h"

#include <unistd.h>

#include "modules.h"
#include "reactor.h"
#include "reply.h"
#include "run.h"
#include "sip.h"
#include "txn.h"

/* How a function reports the state of its call; a symbol of the ABI. */
int async_status = ASYNC_NO_IO;

struct async_op {
	union async_ctx ctx;
	struct sip_msg *msg;
	struct route *route;
	uint64_t timer;
	int fd;
};

static void on_ready(int fd, void *arg);
static void on_timeout(void *arg);

static void finish(struct async_op *op, int rc)
{
	struct sip_msg *msg = op->msg;
	struct route *route = op->route;

	if (op->timer)
		reactor_cancel(op->timer);
	free(op);
	run_resume_route(route, msg, rc);
	sip_free(msg);
}

/* Calls the module until it is done, blocking; used where there is no reactor. */
static int resume_now(struct async_op *op, struct sip_msg *msg)
{
	int rc;
	do {
		struct async_view v = async_view_of(&op->ctx);
		async_status = ASYNC_DONE;
		rc = v.resume(op->fd, msg, v.param);
		if (async_status == ASYNC_CHANGE_FD)
			op->fd = rc;
		if (async_status == ASYNC_DONE_CLOSE_FD)
			close(op->fd);
	} while (async_status == ASYNC_CHANGE_FD);
	return rc;
}

static void resume(struct async_op *op, bool was_timeout)
{
	int fd = op->fd;
	struct async_view v = async_view_of(&op->ctx);
	struct usr_avp **avps = avp_use_list(&op->msg->avps);

	async_status = ASYNC_DONE;
	int rc = (was_timeout ? v.timeout : v.resume)(fd, op->msg, v.param);
	int status = async_status;
	avp_use_list(avps);

	if (status == ASYNC_CHANGE_FD) {
		if (rc < 0 || rc == fd) {
			LOG_CRIT("ASYNC_CHANGE_FD with descriptor %d in place of %d\n", rc, fd);
			return;
		}
		reactor_del(fd);
		op->fd = rc;
		if (reactor_add(rc, on_ready, op, false))
			return;
		rc = resume_now(op, op->msg);
	} else {
		reactor_del(fd);
		if (status == ASYNC_DONE_CLOSE_FD)
			close(fd);
	}
	finish(op, rc);
}

static void on_ready(int fd, void *arg)
{
	(void)fd;
	resume(arg, false);
}

static void on_timeout(void *arg)
{
	struct async_op *op = arg;
	op->timer = 0;
	resume(op, true);
}

/* Puts a call that the module has started into the reactor. */
static void wait_for(struct async_op *op, struct sip_msg *msg, unsigned int timeout)
{
	struct async_view v = async_view_of(&op->ctx);

	if (timeout && !v.timeout) {
		LOG_ERR("this async function has no support for timeouts\n");
		timeout = 0;
	}
	/* The route continues with another copy of the message, as it would in the core: no pointer into
	 * the first one may survive. */
	op->msg = sip_move(msg);
	if (!reactor_add(op->fd, on_ready, op, false)) {
		finish(op, resume_now(op, op->msg));
		return;
	}
	if (timeout)
		op->timer = reactor_timer((uint64_t)timeout * 1000, on_timeout, op);
}

/* A 4.0 core copies the name of the resume function without checking whether there is one. */
static void check_name(const union async_ctx *ctx, const char *cmd)
{
	if (abi.async_has_name && async_status >= 0 && !ctx->v40.resume_f_name) {
		LOG_CRIT("<%s> left resume_f_name empty: a worker of 4.0 dies of that\n", cmd);
		abort();
	}
}

static bool begin(struct async_op *op, struct stmt *s, struct sip_msg *msg, int *rc)
{
	const struct acmd_export *cmd = s->call->acmd;
	struct made_args a;

	if (!args_make(msg, cmd->params, s->call, &a)) {
		LOG_ERR("Failed to get fixups for async command <%s> in %s, line %d\n", cmd->name, script.file, s->line);
		args_done(&a);
		return false;
	}
	void **p = a.out;
	async_set_timeout(&op->ctx, s->timeout);
	async_status = ASYNC_NO_IO;
	*rc = cmd->function(msg, &op->ctx, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]);
	args_done(&a);
	check_name(&op->ctx, cmd->name);
	return true;
}

void async_start(struct stmt *s, struct sip_msg *msg)
{
	int rc = -1;

	if (msg->txn == TXN_NONE) {
		if (!txn_open(msg))
			return;
		if (str_is(msg->method, "INVITE"))
			reply_send(msg, 100, STR("Giving it a try"));
	}
	struct async_op *op = xcalloc(1, sizeof *op);
	op->route = s->route;
	if (!begin(op, s, msg, &rc)) {
		free(op);
		return;
	}
	int status = async_status;
	if (status >= 0 && !str_is(msg->method, "ACK")) {
		op->fd = status;
		wait_for(op, msg, s->timeout);
		return;
	}
	if (status >= 0) {
		/* An ACK has no transaction that could wait. */
		op->fd = status;
		rc = resume_now(op, msg);
	}
	free(op);
	run_resume_route(s->route, msg, rc);
}

/* launch() continues without the request: with an empty message that needs no reply. */
static struct sip_msg *dummy_msg(void)
{
	static const char text[] = "OPTIONS sip:you@dummy.invalid SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP 127.0.0.1\r\nFrom: <sip:me@dummy.invalid>;tag=1\r\n"
				   "To: <sip:you@dummy.invalid>\r\nCall-ID: dummy\r\nCSeq: 1 OPTIONS\r\n"
				   "Content-Length: 0\r\n\r\n";
	const char *why;
	return sip_parse(text, (int)sizeof text - 1, &(struct peer){0}, &why);
}

int async_launch(struct stmt *s, struct sip_msg *msg)
{
	struct async_op *op = xcalloc(1, sizeof *op);
	int rc = -1;

	op->route = s->route;
	if (!begin(op, s, msg, &rc)) {
		free(op);
		return -1;
	}
	struct sip_msg *dummy = dummy_msg();
	if (async_status >= 0) {
		op->fd = async_status;
		wait_for(op, dummy, s->timeout);
	} else {
		free(op);
		run_resume_route(s->route, dummy, rc);
	}
	sip_free(dummy);
	return 1;
}
