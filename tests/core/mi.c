/*
 * mi.c - finds the command of a request and the recipe that its parameters fit, runs it, prints the
 * response.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mi.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "modules.h"
#include "stats.h"

/* From mi_api.c. */
struct mi_item *init_mi_result_object(struct mi_item **out);
struct mi_item *init_mi_result_array(struct mi_item **out);
struct mi_item *init_mi_result_string(const char *value, int len);
struct mi_item *init_mi_error_extra(int code, const char *msg, int msg_len, const char *details, int details_len);

enum { NOT_FOUND = -32601, BAD_PARAMS = -32602, BAD_REQUEST = -32600, NO_JSON = -32700, SERVER_ERROR = -32000 };

static struct mi_item *error(int code, const char *msg, const char *details)
{
	return init_mi_error_extra(code, msg, (int)strlen(msg), details, details ? (int)strlen(details) : 0);
}

/* ---- commands of the stand-in itself; parameters are a list of strings ---- */

static void add_stat(const char *name, unsigned long value, void *to)
{
	json_add(to, str_of(name), json_number((double)value));
}

/* The strings of an array parameter, whether it is given by name, by position or word by word. */
static struct mi_item *flatten(struct mi_item *params, const char *name)
{
	struct mi_item *list = params && params->type == J_OBJECT ? json_get(params, name) : params;
	if (list && list->type == J_ARRAY && list->child && list->child->type == J_ARRAY)
		list = list->child;
	return list;
}

static struct mi_item *own_get_statistics(struct mi_item *params)
{
	struct mi_item *obj, *r = init_mi_result_object(&obj);
	struct mi_item *names = flatten(params, "statistics");
	bool any = false;

	if (names && names->type == J_STRING)
		any = stats_each(names->string, add_stat, obj);
	for (struct mi_item *n = names && names->type == J_ARRAY ? names->child : NULL; n; n = n->next)
		any |= n->type == J_STRING && stats_each(n->string, add_stat, obj);
	if (any)
		return r;
	json_free(r);
	return error(404, "Statistics Not Found", NULL);
}

static struct mi_item *own_reset_statistics(struct mi_item *params)
{
	struct mi_item *names = flatten(params, "statistics");
	bool any = false;

	for (struct mi_item *n = names && names->type == J_ARRAY ? names->child : NULL; n; n = n->next)
		any |= n->type == J_STRING && stats_reset(n->string);
	return any ? init_mi_result_string("OK", 2) : error(404, "Statistics Not Found", NULL);
}

static struct mi_item *own_version(struct mi_item *params)
{
	(void)params;
	struct mi_item *obj, *r = init_mi_result_object(&obj);
	json_add(obj, STR("Server"), json_string(str_of(proto_udp_exports.stamps.version)));
	return r;
}

static struct mi_item *own_log_level(struct mi_item *params)
{
	struct mi_item *v = params && params->type == J_OBJECT ? json_get(params, "level") : json_at(params, 0);
	long n;

	if (v && v->type == J_NUMBER)
		log_set_level((int)v->number);
	else if (v && v->type == J_STRING && str_to_long(v->string, &n))
		log_set_level((int)n);
	struct mi_item *obj, *r = init_mi_result_object(&obj);
	json_add(obj, STR("Log level"), json_number(*log_level));
	return r;
}

static struct mi_item *own_which(struct mi_item *params);

static const struct {
	const char *name;
	struct mi_item *(*run)(struct mi_item *params);
} own[] = {
	{"get_statistics", own_get_statistics}, {"reset_statistics", own_reset_statistics},
	{"version", own_version},		{"log_level", own_log_level},
	{"which", own_which},
};

static bool each_module_cmd(int *table_i, int *cmd_i, const char **module, struct mi_cmd_view *cmd)
{
	const void *table;
	while (module_mi_table(*table_i, module, &table)) {
		if (abi_mi_cmd(table, (*cmd_i)++, cmd))
			return true;
		(*table_i)++;
		*cmd_i = 0;
	}
	return false;
}

static struct mi_item *own_which(struct mi_item *params)
{
	(void)params;
	struct mi_item *arr, *r = init_mi_result_array(&arr);
	struct mi_cmd_view cmd;
	const char *module;

	for (size_t i = 0; i < COUNT_OF(own); i++)
		json_add(arr, STR_NONE, json_string(str_of(own[i].name)));
	for (int t = 0, c = 0; each_module_cmd(&t, &c, &module, &cmd);)
		json_add(arr, STR_NONE, json_string(str_of(cmd.name)));
	return r;
}

bool mi_child_init(void)
{
	struct mi_cmd_view cmd;
	const char *module;

	for (int t = 0, c = 0; each_module_cmd(&t, &c, &module, &cmd);)
		if (cmd.init && cmd.init() < 0) {
			LOG_ERR("the MI command %s of module %s failed to initialize\n", cmd.name, module);
			return false;
		}
	return true;
}

/* ---- choosing ---- */

static int count_names(char *const *names)
{
	int n = 0;
	while (n < (abi.wide_mi ? 20 : 10) && names[n])
		n++;
	return n;
}

static bool fits(char *const *names, const struct mi_item *params)
{
	int n = count_names(names);

	if (!params || json_size(params) != n)
		return !params && n == 0;
	if (params->type == J_OBJECT)
		for (int i = 0; i < n; i++)
			if (!json_get(params, names[i]))
				return false;
	return true;
}

static struct mi_item *run_module_cmd(const struct mi_cmd_view *cmd, struct mi_item *params)
{
	mi_fn f, chosen = NULL;
	char *const *names, *const *chosen_names = NULL;

	if (params && json_size(params) == 0)
		params = NULL;
	if (params && params->type == J_ARRAY && (cmd->flags & MI_NAMED_ONLY))
		return error(BAD_PARAMS, "Invalid params", "Command only supports named parameters");
	for (int i = 0; abi_mi_recipe(cmd->recipes, i, &f, &names); i++) {
		if (!fits(names, params))
			continue;
		if (chosen && params && params->type == J_ARRAY)
			return error(BAD_PARAMS, "Invalid params", "Ambiguous call, use named parameters instead");
		if (!chosen) {
			chosen = f;
			chosen_names = names;
		}
	}
	if (!chosen)
		return error(BAD_PARAMS, "Invalid params", "Too few or too many parameters, or names that do not match");
	struct mi_params p = {params, chosen_names};
	struct mi_item *r = chosen(&p, NULL);
	if (r == (struct mi_item *)-1)
		return error(SERVER_ERROR, "Server error", "the stand-in takes no asynchronous replies");
	return r ? r : error(SERVER_ERROR, "Server error", "Command handler returned null");
}

static bool is_alias(const struct mi_cmd_view *cmd, str name)
{
	for (int i = 0; cmd->aliases && i < 4 && cmd->aliases[i]; i++)
		if (str_is(name, cmd->aliases[i]))
			return true;
	return false;
}

static struct mi_item *run(str name, struct mi_item *params)
{
	struct mi_cmd_view cmd;
	const char *module;

	for (size_t i = 0; i < COUNT_OF(own); i++)
		if (str_is(name, own[i].name))
			return own[i].run(params);
	for (int t = 0, c = 0; each_module_cmd(&t, &c, &module, &cmd);) {
		size_t m = strlen(module);
		bool full = str_has_prefix(name, module) && (size_t)name.len > m && name.s[m] == ':' &&
			    str_is((str){name.s + m + 1, name.len - (int)m - 1}, cmd.name);
		if (full || str_is(name, cmd.name) || is_alias(&cmd, name))
			return run_module_cmd(&cmd, params);
	}
	return error(NOT_FOUND, "Method not found", NULL);
}

static void handle_words(str request, struct buf *answer)
{
	struct mi_item *params = json_new(J_ARRAY);
	str name = STR_NONE;

	while (request.len) {
		int n = 0;
		while (n < request.len && request.s[n] != ' ')
			n++;
		str w = {request.s, n};
		request = (str){request.s + n, request.len - n};
		if (request.len) {
			request.s++;
			request.len--;
		}
		if (!w.len)
			continue;
		if (!name.s)
			name = w;
		else
			json_add(params, STR_NONE, json_string(w));
	}
	struct mi_item *r = run(name, params);
	struct mi_item *result = json_get(r, "result");
	if (result) {
		json_print(result, answer);
	} else {
		buf_addz(answer, "{\"error\":");
		json_print(json_get(r, "error"), answer);
		buf_addz(answer, "}");
	}
	json_free(r);
	json_free(params);
}

void mi_handle(str request, struct buf *answer)
{
	request = str_trim(request);
	if (!request.len || request.s[0] != '{') {
		handle_words(request, answer);
		return;
	}
	str rest;
	struct mi_item *req = json_parse(request, &rest), *r;
	struct mi_item *method = json_get(req, "method"), *params = json_get(req, "params"), *id = json_get(req, "id");

	if (!req)
		r = error(NO_JSON, "Parse error", NULL);
	else if (!method || method->type != J_STRING ||
		 (params && params->type != J_ARRAY && params->type != J_OBJECT))
		r = error(BAD_REQUEST, "Invalid Request", NULL);
	else
		r = run(method->string, params);
	struct mi_item *copy = json_new(J_NULL);
	if (id && id->type == J_NUMBER) {
		copy->type = J_NUMBER;
		copy->number = id->number;
	} else if (id && id->type == J_STRING) {
		json_free(copy);
		copy = json_string(id->string);
	}
	json_add(r, STR("id"), copy);
	json_print(r, answer);
	json_free(r);
	json_free(req);
}
