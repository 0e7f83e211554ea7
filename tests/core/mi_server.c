/*
 * mi_server.c - the ways into the management interface: a UNIX stream socket (--mi path) that takes
 * a request a line; the datagram socket of mi_datagram; the fifo of mi_fifo.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mi.h"
#include "modules.h"
#include "reactor.h"

static void write_all(int fd, const char *s, size_t n)
{
	while (n) {
		ssize_t w = write(fd, s, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		s += w;
		n -= (size_t)w;
	}
}

/* ---- the control socket ---- */

static void on_line(int fd, void *arg)
{
	struct buf *in = arg;
	char data[4096];
	ssize_t n = read(fd, data, sizeof data);

	if (n <= 0) {
		reactor_del(fd);
		close(fd);
		buf_free(in);
		free(in);
		return;
	}
	buf_add(in, data, (size_t)n);
	char *nl;
	while (in->len && (nl = memchr(in->s, '\n', in->len))) {
		struct buf answer = {0};
		size_t len = (size_t)(nl - in->s);
		mi_handle((str){in->s, (int)len}, &answer);
		buf_addz(&answer, "\n");
		write_all(fd, answer.s, answer.len);
		buf_free(&answer);
		memmove(in->s, nl + 1, in->len - len - 1);
		in->len -= len + 1;
	}
}

static void on_control(int fd, void *arg)
{
	(void)arg;
	int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (c >= 0 && !reactor_add(c, on_line, xcalloc(1, sizeof(struct buf)), false))
		close(c);
}

static int unix_socket(const char *path, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof a.sun_path) {
		LOG_ERR("not a path for a socket: %s\n", path);
		return -1;
	}
	strcpy(a.sun_path, path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || (type == SOCK_STREAM && listen(fd, 16) != 0)) {
		LOG_ERR("can't listen on %s: %s\n", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- mi_datagram ---- */

static void on_datagram(int fd, void *arg)
{
	(void)arg;
	static char data[65536];
	struct sockaddr_un from;
	socklen_t len = sizeof from;
	ssize_t n = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &len);

	if (n <= 0)
		return;
	struct buf answer = {0};
	mi_handle((str){data, (int)n}, &answer);
	if (len > sizeof(sa_family_t))
		sendto(fd, answer.s, answer.len, 0, (struct sockaddr *)&from, len);
	buf_free(&answer);
}

/* ---- mi_fifo: ":name of the reply fifo:request" ---- */

static void answer_fifo(str line)
{
	const char *dir = module_builtin_param("mi_fifo", "reply_dir");
	struct buf answer = {0}, path = {0};

	if (line.len < 2 || line.s[0] != ':')
		return;
	char *second = memchr(line.s + 1, ':', (size_t)line.len - 1);
	if (!second)
		return;
	str name = {line.s + 1, (int)(second - line.s) - 1};
	mi_handle((str){second + 1, (int)(line.s + line.len - second - 1)}, &answer);
	/* A name that leads out of the folder gets no answer. */
	if (name.len && !memchr(name.s, '/', (size_t)name.len)) {
		buf_addf(&path, "%s/%.*s", dir ? dir : "/tmp", FMT_STR(name));
		int fd = open(path.s, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0) {
			fcntl(fd, F_SETFL, 0);
			write_all(fd, answer.s, answer.len);
			close(fd);
		} else {
			LOG_ERR("can't open the reply fifo %s: %s\n", path.s, strerror(errno));
		}
	}
	buf_free(&path);
	buf_free(&answer);
}

static void on_fifo(int fd, void *arg)
{
	struct buf *in = arg;
	char data[4096];
	ssize_t n = read(fd, data, sizeof data);

	if (n <= 0)
		return;
	buf_add(in, data, (size_t)n);
	char *nl;
	while (in->len && (nl = memchr(in->s, '\n', in->len))) {
		size_t len = (size_t)(nl - in->s);
		answer_fifo(str_trim((str){in->s, (int)len}));
		memmove(in->s, nl + 1, in->len - len - 1);
		in->len -= len + 1;
	}
}

/* ---- */

static const char *fifo_name(void)
{
	return module_loaded("mi_fifo") ? module_builtin_param("mi_fifo", "fifo_name") : NULL;
}

static const char *datagram_name(void)
{
	const char *name = module_loaded("mi_datagram") ? module_builtin_param("mi_datagram", "socket_name") : NULL;
	return name && *name == '/' ? name : NULL;
}

bool mi_wanted(const char *control_path)
{
	return control_path || fifo_name() || datagram_name();
}

bool mi_start(const char *control_path)
{
	int fd;

	if (control_path && ((fd = unix_socket(control_path, SOCK_STREAM)) < 0 || !reactor_add(fd, on_control, NULL, false)))
		return false;
	if (datagram_name() && ((fd = unix_socket(datagram_name(), SOCK_DGRAM)) < 0 ||
				!reactor_add(fd, on_datagram, NULL, false)))
		return false;
	if (fifo_name()) {
		unlink(fifo_name());
		/* Open for writing too, so that the fifo never ends. */
		if (mkfifo(fifo_name(), 0600) != 0 || (fd = open(fifo_name(), O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0 ||
		    !reactor_add(fd, on_fifo, xcalloc(1, sizeof(struct buf)), false)) {
			LOG_ERR("can't make the fifo %s: %s\n", fifo_name(), strerror(errno));
			return false;
		}
	}
	return true;
}

void mi_cleanup(const char *control_path)
{
	if (control_path)
		unlink(control_path);
	if (datagram_name())
		unlink(datagram_name());
	if (fifo_name())
		unlink(fifo_name());
}
