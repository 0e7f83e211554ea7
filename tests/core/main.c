/*
 * main.c - the stand-in core: command line, startup order, and supervision of processes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cachedb.h"
#include "log.h"
#include "mi.h"
#include "modules.h"
#include "net.h"
#include "reactor.h"
#include "script.h"
#include "txn.h"

enum { MAX_PROCS = 256, STOP_SECONDS = 15 };

enum proc_kind { PROC_UDP, PROC_MI, PROC_OF_MODULE };

struct proc {
	pid_t pid;
	char what[64];
};

static struct proc procs[MAX_PROCS];
static int procs_n;
static volatile sig_atomic_t told_to_stop;

static void usage(void)
{
	fputs("usage: standin -f file [--version V]\n"
	      "  -f file        the configuration\n"
	      "  --version V    the release whose layouts and version to take: 3.4.9, 3.5.9, 3.6.8 (default),\n"
	      "                 4.0.1, or any other\n",
	      stderr);
}

static void on_stop(int sig)
{
	(void)sig;
	told_to_stop = 1;
}

/* ---- processes ---- */

/*
 * SIGTERM and SIGINT are blocked from before the fork until the child is ready for them, or one
 * that arrives meanwhile would be lost. A SIP worker reads them in its reactor; a module's process
 * runs the module's own function, which does not handle them, so they terminate it.
 */
static void hold_stop_signals(sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, before);
}

static void take_stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	signal(SIGTERM, SIG_DFL);
	/* From a terminal SIGINT reaches all processes; only the first one acts on it. */
	signal(SIGINT, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* The body of a child; the exit status of its process. */
static int child_main(enum proc_kind kind, int rank, const struct proc_export *extra, int extra_no)
{
	log_forked();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGCHLD, SIG_DFL);
	if (!reactor_init())
		return 1;
	if (!modules_child_init(rank))
		return 1;
	if (kind == PROC_OF_MODULE) {
		take_stop_signals();
		extra->function(extra_no);
		return 0;
	}
	if (!(kind == PROC_MI ? mi_start() : net_start()))
		return 1;
	reactor_run();
	return 0;
}

static bool start(enum proc_kind kind, int rank, const char *what, const struct proc_export *extra, int extra_no)
{
	if (procs_n == MAX_PROCS) {
		LOG_CRIT("too many processes\n");
		return false;
	}
	fflush(NULL);
	sigset_t before;
	hold_stop_signals(&before);
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		LOG_CRIT("fork: %s\n", strerror(errno));
		return false;
	}
	if (pid == 0) {
		if (getppid() != parent)
			_exit(1);
		int status = child_main(kind, rank, extra, extra_no);
		/* exit(), so that a built-in sanitizer checks for leaks. */
		exit(status);
	}
	procs[procs_n].pid = pid;
	snprintf(procs[procs_n].what, sizeof procs[0].what, "%s", what);
	procs_n++;
	return true;
}

static bool start_all(void)
{
	char what[64];

	for (int rank = 1; rank <= script.udp_workers; rank++) {
		snprintf(what, sizeof what, "SIP worker %d", rank);
		if (!start(PROC_UDP, rank, what, NULL, 0))
			return false;
	}
	if (mi_wanted() && !start(PROC_MI, RANK_MODULE, "management interface", NULL, 0))
		return false;
	const struct proc_export *p;
	for (int i = 0; module_process(i, &p); i++)
		for (unsigned int k = 0; k < p->no; k++)
			if (!start(PROC_OF_MODULE, RANK_MODULE, p->name, p, (int)k))
				return false;
	return true;
}

/* One child that has ended; true if that was not a failure. */
static bool reap(pid_t pid, int status, bool stopping)
{
	const char *what = "process";
	for (int i = 0; i < procs_n; i++)
		if (procs[i].pid == pid) {
			what = procs[i].what;
			procs[i].pid = 0;
		}
	if (WIFSIGNALED(status)) {
		if (stopping && WTERMSIG(status) == SIGTERM)
			return true;
		LOG_CRIT("child process %d (%s) exited by a signal %d (%s)%s\n", (int)pid, what, WTERMSIG(status),
			 strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core was generated" : "");
		return false;
	}
	if (stopping && WEXITSTATUS(status) == 0)
		return true;
	LOG_CRIT("child process %d (%s) exited with status %d\n", (int)pid, what, WEXITSTATUS(status));
	return false;
}

/* Ends every child and waits; true if all ended well. */
static bool stop_all(void)
{
	bool ok = true;
	int status;

	for (int i = 0; i < procs_n; i++)
		if (procs[i].pid > 0)
			kill(procs[i].pid, SIGTERM);
	uint64_t until = now_ms() + STOP_SECONDS * 1000;
	for (;;) {
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0) {
			ok &= reap(pid, status, true);
			continue;
		}
		if (pid < 0)
			return ok;
		if (now_ms() > until) {
			for (int i = 0; i < procs_n; i++)
				if (procs[i].pid > 0) {
					LOG_CRIT("%s did not end within %d seconds and is killed\n", procs[i].what,
						 STOP_SECONDS);
					kill(procs[i].pid, SIGKILL);
					ok = false;
				}
			until = UINT64_MAX;
		}
		usleep(5000);
	}
}

/* Until a signal ends it, or a child ends by itself. */
static bool supervise(void)
{
	int status;

	while (!told_to_stop) {
		pid_t pid = waitpid(-1, &status, 0);
		if (pid > 0) {
			reap(pid, status, false);
			LOG_CRIT("terminating, since a process has ended\n");
			return false;
		}
	}
	return true;
}

/* ---- start ---- */

static void open_files_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* At once: abandoned half-finished work is not a leak to report. */
static _Noreturn void give_up(void)
{
	modules_destroy();
	_exit(255);
}

static int run(const char *file)
{
	if (!cachedb_init() || !txn_init()) {
		LOG_CRIT("no shared memory: %s\n", strerror(errno));
		return 1;
	}
	if (!script_parse(file) || !script_bind(false)) {
		LOG_CRIT("bad config file\n");
		give_up();
	}
	if (!net_open())
		give_up();
	if (!modules_init()) {
		LOG_CRIT("error while initializing modules\n");
		give_up();
	}
	if (!script_bind(true)) {
		LOG_CRIT("failed to fix configuration\n");
		give_up();
	}
	struct sigaction sa = {.sa_handler = on_stop};
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	bool ok = start_all() && supervise();
	ok &= stop_all();
	modules_destroy();
	mi_cleanup();
	if (ok)
		LOG_NOTICE("ended\n");
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"version", required_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};
	const char *file = NULL, *version = "3.6.8";
	int c;

	while ((c = getopt_long(argc, argv, "f:", longs, NULL)) != -1) {
		if (c == 'f') {
			file = optarg;
		} else if (c == 'v') {
			version = optarg;
		} else {
			usage();
			return 255;
		}
	}
	if (!file || optind < argc) {
		usage();
		return 255;
	}
	if (!abi_select(version)) {
		fprintf(stderr, "standin: not a version: %s\n", version);
		return 255;
	}
	fputs("core: stand-in\n", stderr);
	LOG_NOTICE("stand-in core with the layouts of release %s, pid %d\n", abi_version(), (int)getpid());
	open_files_limit();
	return run(file);
}
