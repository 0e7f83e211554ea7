/*
 * mi.c - the management interface: finds the command of a request, runs it, prints the response.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mi.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "json.h"
#include "modules.h"
#include "reactor.h"
#include "stats.h"

enum { NOT_FOUND = -32601, INVALID_PARAMS = -32602, BAD_REQUEST = -32600, NO_JSON = -32700, SERVER_ERROR = -32000 };

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

struct mi_item *init_mi_result_object(struct mi_item **object)
{
	return response("result", *object = json_new(J_OBJECT));
}

struct mi_item *add_mi_array(struct mi_item *to, char *name, int name_len)
{
	return json_add(to, (str){name, name_len}, json_new(J_ARRAY));
}

struct mi_item *add_mi_object(struct mi_item *to, char *name, int name_len)
{
	return json_add(to, (str){name, name_len}, json_new(J_OBJECT));
}

int add_mi_string(struct mi_item *to, char *name, int name_len, const char *value, int value_len)
{
	json_add(to, (str){name, name_len}, json_string((str){(char *)value, value_len}));
	return 0;
}

int add_mi_number(struct mi_item *to, char *name, int name_len, double value)
{
	json_add(to, (str){name, name_len}, json_number(value));
	return 0;
}

void free_mi_response(struct mi_item *r)
{
	json_free(r);
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

/* The member of an object, or the element of an array in that place of the recipe. */
static struct mi_item *param(const struct mi_params *params, const char *name)
{
	struct mi_item *item = params->item ? params->item->child : NULL;

	if (!params->item || params->item->type == J_OBJECT)
		return params->item ? json_get(params->item, name) : NULL;
	for (char *const *p = params->list; item && *p; p++, item = item->next)
		if (strcmp(*p, name) == 0)
			return item;
	return NULL;
}

int try_get_mi_string_param(const struct mi_params *params, char *name, char **value, int *value_len)
{
	static char number[32];
	struct mi_item *item = param(params, name);

	if (!item)
		return -1;
	if (item->type == J_STRING) {
		*value = item->string.s;
		*value_len = item->string.len;
	} else if (item->type == J_NUMBER) {
		/* As the core does: what does not fit into an int is cut off. */
		double n = item->number;
		int whole = n >= INT_MAX ? INT_MAX : n <= INT_MIN ? INT_MIN : (int)n;
		*value_len = snprintf(number, sizeof number, "%d", whole);
		*value = number;
	} else {
		return -2;
	}
	return 0;
}

/* Does a recipe have as many parameters, and those that are named? */
static bool fits(char *const *names, const struct mi_item *params)
{
	int missing = 0;

	for (const struct mi_item *p = params ? params->child : NULL; p; p = p->next)
		missing++;
	for (; *names; names++, missing--)
		if (!params || (params->type == J_OBJECT && !json_get(params, *names)))
			return false;
	return missing == 0;
}

static struct mi_item *run(str name, const struct mi_item *params)
{
	int number;

	if (str_is(name, "get_statistics"))
		return statistics(params);
	const void *commands = module_find_mi(name, &number);
	if (!commands)
		return error(NOT_FOUND, "Method not found");
	struct mi_recipe_view r, found = {0};
	for (int k = 0; (r = abi_mi_recipe(commands, number, k)).run; k++) {
		if (!fits(r.params, params))
			continue;
		if (found.run && params && params->type == J_ARRAY)
			return error(INVALID_PARAMS, "Invalid params");
		found = r;
	}
	if (!found.run)
		return error(INVALID_PARAMS, "Invalid params");
	struct mi_item *done = found.run(&(struct mi_params){(struct mi_item *)params, found.params}, NULL);
	return done ? done : error(SERVER_ERROR, "Server error");
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
