/*
 * How asynchronous calls wait and are resumed.
 *
 * The usual way is a descriptor for each call, which the core's reactor watches. It is also the
 * expensive one: at every start and end of a watch the reactor scans its whole table. So where the
 * core allows it, calls wait without one (ASYNC_NO_FD), and a single, permanently watched
 * descriptor of the process signals that some of them are ready.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <unistd.h>

/* The first release in which the time-out that the script gives to async() can be read. */
#define RELEASE_OF_TIMEOUT 305

/* Another wait may follow the first. If it is on another descriptor, the core takes that from the
 * return value, and leaves closing the old one to us. */
static int go_on(int fd, struct sip_msg *msg, void *param, int timed_out)
{
	aw_async again = { -1, 0, NULL, NULL };
	int code = aw_rs_resume(msg, param, timed_out, &again);

	if (again.fd >= 0) {
		async_status = OSIPS_ASYNC_CHANGE_FD;
		if (fd >= 0)
			close(fd);
		return again.fd;
	}
	async_status = again.queued ? OSIPS_ASYNC_CONTINUE
		: fd >= 0 ? OSIPS_ASYNC_DONE_CLOSE_FD : OSIPS_ASYNC_DONE;
	return code;
}

static int resume(int fd, struct sip_msg *msg, void *param)
{
	return go_on(fd, msg, param, 0);
}

static int time_out(int fd, struct sip_msg *msg, void *param)
{
	return go_on(fd, msg, param, 1);
}

/* The core calls it with -1, or with any number if it could not let the call wait. */
static int resume_queued(int fd, struct sip_msg *msg, void *param)
{
	(void)fd;
	return go_on(-1, msg, param, 0);
}

static unsigned int script_timeout(const void *ctx)
{
	return aw_layout_40() ? ((const struct osips_async_ctx_40 *)ctx)->timeout_s
		: ((const struct osips_async_ctx_35 *)ctx)->timeout_s;
}

/* Whether the caller is in the library that async() calls, and that library is not the core:
 * launch() calls us from the core, and can't be resumed by async_script_resume_f. */
static int is_async_of_script(const void *caller)
{
	static const void *last;
	static int last_is;
	Dl_info start, core, info;

	if (caller != last) {
		last_is = dladdr((void *)async_script_start_f, &start)
			&& dladdr((void *)&proto_udp_exports, &core)
			&& dladdr((void *)caller, &info)
			&& start.dli_fbase != core.dli_fbase
			&& info.dli_fbase == start.dli_fbase;
		last = caller;
	}
	return last_is;
}

static int may_queue(const void *ctx, const void *caller)
{
	return aw_core_release() >= RELEASE_OF_TIMEOUT
		&& &async_script_start_f && async_script_start_f
		&& &async_script_resume_f && async_script_resume_f
		&& &register_async_fd
		/* Elsewhere tm tries to wait, and has no transaction to do it in. */
		&& &route_type && route_type == OSIPS_REQUEST_ROUTE
		/* A process that is about to end first waits until its reactor is empty. */
		&& &auto_scaling_enabled && !auto_scaling_enabled
		/* The reactor enforces the script's time-out, through the descriptor. */
		&& !script_timeout(ctx)
		&& is_async_of_script(caller);
}

aw_async aw_async_of(void *ctx, const void *caller)
{
	aw_async async = { -1, 0, NULL, may_queue(ctx, caller) ? ctx : NULL };

	return async;
}

int aw_async_begun(void *ctx, const aw_async *async, int code)
{
	void *resume_f = async->queued ? (void *)resume_queued : (void *)resume;

	if (async->fd < 0 && !async->queued) {
		async_status = OSIPS_ASYNC_SYNC;
		return code;
	}
	if (aw_layout_40()) {
		struct osips_async_ctx_40 *c = ctx;

		c->resume_f = resume_f;
		c->resume_f_name = "auth_web_resume";
		c->resume_param = async->param;
		c->timeout_f = (void *)time_out;
	} else {
		struct osips_async_ctx_34 *c = ctx;

		c->resume_f = resume_f;
		c->resume_param = async->param;
		c->timeout_f = (void *)time_out;
	}
	async_status = async->queued ? OSIPS_ASYNC_NO_FD : async->fd;
	return 1;
}

static int on_ready(int fd, void *param)
{
	(void)fd, (void)param;
	aw_rs_ready();
	/* Last, because the calls that were resumed have left theirs in it. */
	async_status = OSIPS_ASYNC_CONTINUE;
	return 0;
}

int aw_queue_watch(int fd)
{
	return register_async_fd(fd, on_ready, NULL);
}

void aw_queue_resume(void *ctx)
{
	async_script_resume_f(-1, ctx, 0);
}
