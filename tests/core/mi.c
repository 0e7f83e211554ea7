/*
 * mi.c - the management interface: finds the command of a request, runs it, prints the response.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mi.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "json.h"
#include "modules.h"
#include "reactor.h"
#include "stats.h"

enum { NOT_FOUND = -32601, BAD_REQUEST = -32600, NO_JSON = -32700, SERVER_ERROR = -32000 };

/* ---- responses ---- */

static struct mi_item *response(const char *member, struct mi_item *value)
{
	struct mi_item *r = json_new(J_OBJECT);
	json_add(r, STR("jsonrpc"), json_string(STR("2.0")));
	json_add(r, str_of(member), value);
	return r;
}

struct mi_item *init_mi_result_string(const char *value, int len)
{
	return response("result", json_string((str){(char *)value, len}));
}

struct mi_item *init_mi_error_extra(int code, const char *msg, int msg_len, const char *details, int details_len)
{
	struct mi_item *e = json_new(J_OBJECT);
	json_add(e, STR("code"), json_number(code));
	json_add(e, STR("message"), json_string((str){(char *)msg, msg_len}));
	if (details && details_len)
		json_add(e, STR("data"), json_string((str){(char *)details, details_len}));
	return response("error", e);
}

static struct mi_item *error(int code, const char *msg)
{
	return init_mi_error_extra(code, msg, (int)strlen(msg), NULL, 0);
}

/* ---- requests ---- */

/* get_statistics, whose parameter is an array of names. */
static struct mi_item *statistics(const struct mi_item *params)
{
	struct mi_item *numbers = json_new(J_OBJECT), *names = json_get(params, "statistics");
	char full[256];
	unsigned long value;

	for (struct mi_item *n = names ? names->child : NULL; n; n = n->next)
		if (stats_value(n->string, full, &value))
			json_add(numbers, str_of(full), json_number((double)value));
	return response("result", numbers);
}

static struct mi_item *run(str name, const struct mi_item *params)
{
	if (str_is(name, "get_statistics"))
		return statistics(params);
	mi_fn f = module_find_mi(name);
	if (!f)
		return error(NOT_FOUND, "Method not found");
	struct mi_item *r = f(&(struct mi_params){NULL, NULL}, NULL);
	return r ? r : error(SERVER_ERROR, "Server error");
}

static void handle(str request, struct buf *answer)
{
	struct mi_item *req = json_parse(request), *r;
	struct mi_item *method = json_get(req, "method"), *id = json_get(req, "id");

	if (!req)
		r = error(NO_JSON, "Parse error");
	else if (!method || method->type != J_STRING)
		r = error(BAD_REQUEST, "Invalid Request");
	else
		r = run(method->string, json_get(req, "params"));
	json_add(r, STR("id"), id && id->type == J_NUMBER ? json_number(id->number) : json_new(J_NULL));
	json_print(r, answer);
	json_free(r);
	json_free(req);
}

/* ---- the socket ---- */

static const char *socket_name(void)
{
	return module_builtin_param("mi_datagram", "socket_name");
}

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
	handle((str){data, (int)n}, &answer);
	if (len > sizeof(sa_family_t))
		sendto(fd, answer.s, answer.len, 0, (struct sockaddr *)&from, len);
	buf_free(&answer);
}

bool mi_wanted(void)
{
	return socket_name() != NULL;
}

bool mi_start(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = socket_name();
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof a.sun_path) {
		LOG_ERR("not a path for a socket: %s\n", path);
		return false;
	}
	strcpy(a.sun_path, path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0) {
		LOG_ERR("can't listen on %s: %s\n", path, strerror(errno));
		return false;
	}
	return reactor_add(fd, on_datagram, NULL, false);
}

void mi_cleanup(void)
{
	if (socket_name())
		unlink(socket_name());
}
