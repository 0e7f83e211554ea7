/*
 * reactor.c - the event loop, on epoll.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "reactor.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base.h"

struct watch {
	reactor_fn f;
	void *arg;
	uint32_t generation; /* distinguishes a descriptor from an earlier one with the same number */
};

struct timer {
	uint64_t id, due;
	void (*f)(void *);
	void *arg;
};

static int epfd = -1, sigfd = -1;
static bool stopping;
static struct watch *watches;
static int watches_n;
static uint32_t generation;

static struct timer *timers;
static size_t timers_n, timers_cap;

uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void on_signal(int fd, void *arg)
{
	(void)arg;
	struct signalfd_siginfo info;
	if (read(fd, &info, sizeof info) > 0)
		stopping = true;
}

bool reactor_init(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	sigfd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	stopping = false;
	return epfd >= 0 && sigfd >= 0 && reactor_add(sigfd, on_signal, NULL, false);
}

bool reactor_add(int fd, reactor_fn f, void *arg, bool shared)
{
	if (fd < 0)
		return false;
	if (fd >= watches_n) {
		int n = fd * 2 + 64;
		watches = xrealloc(watches, (size_t)n * sizeof *watches);
		memset(watches + watches_n, 0, (size_t)(n - watches_n) * sizeof *watches);
		watches_n = n;
	}
	if (watches[fd].f)
		LOG_CRIT("descriptor %d is watched already\n", fd);
	struct epoll_event ev = {.events = EPOLLIN};
	if (shared)
		ev.events |= EPOLLEXCLUSIVE;
	ev.data.u64 = (uint64_t)++generation << 32 | (uint32_t)fd;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		LOG_ERR("epoll does not take descriptor %d: %s\n", fd, strerror(errno));
		return false;
	}
	watches[fd] = (struct watch){f, arg, generation};
	return true;
}

void reactor_del(int fd)
{
	if (fd < 0 || fd >= watches_n || !watches[fd].f)
		return;
	/* It may be closed already; then epoll has removed it by itself. */
	epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
	watches[fd] = (struct watch){0};
}

uint64_t reactor_timer(uint64_t ms, void (*f)(void *), void *arg)
{
	static uint64_t count;

	if (timers_n == timers_cap) {
		timers_cap = timers_cap ? timers_cap * 2 : 64;
		timers = xrealloc(timers, timers_cap * sizeof *timers);
	}
	timers[timers_n] = (struct timer){++count, now_ms() + ms, f, arg};
	timers_n++;
	return count;
}

/* The one that is due first, NULL if there is none; there are few. */
static struct timer *first_timer(void)
{
	struct timer *first = timers_n ? timers : NULL;
	for (size_t i = 1; i < timers_n; i++)
		if (timers[i].due < first->due)
			first = &timers[i];
	return first;
}

void reactor_cancel(uint64_t id)
{
	for (size_t i = 0; i < timers_n; i++)
		if (timers[i].id == id) {
			timers[i] = timers[--timers_n];
			return;
		}
}

void reactor_run(void)
{
	struct epoll_event evs[64];

	while (!stopping) {
		int wait = 1000;
		uint64_t now = now_ms();
		struct timer *first;
		while ((first = first_timer()) && first->due <= now) {
			struct timer t = *first;
			*first = timers[--timers_n];
			t.f(t.arg);
		}
		if (first && first->due - now < 1000)
			wait = (int)(first->due - now);
		int n = epoll_wait(epfd, evs, COUNT_OF(evs), wait);
		if (n < 0 && errno != EINTR) {
			LOG_CRIT("epoll failed: %s\n", strerror(errno));
			return;
		}
		for (int i = 0; i < n && !stopping; i++) {
			int fd = (int)(uint32_t)evs[i].data.u64;
			uint32_t g = (uint32_t)(evs[i].data.u64 >> 32);
			/* An event of this same round may have ended the watch. */
			if (fd < watches_n && watches[fd].f && watches[fd].generation == g)
				watches[fd].f(fd, watches[fd].arg);
		}
	}
}
