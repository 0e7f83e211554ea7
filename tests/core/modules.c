/*
 * modules.c - dlopen, the comparison of stamps, parameters, and a module's life cycle.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "modules.h"

#include <dlfcn.h>
#include <stdio.h>

#include "stats.h"

struct module {
	char *name;
	int type;
	const struct module_exports *ex; /* NULL for a built-in one */
	bool ready;
	struct module *next;
};

struct kept_param {
	char *module, *name, *value;
	struct kept_param *next;
};

/* Modules that scripts load but that need no shared object here. */
static const struct {
	const char *name;
	int type;
} builtin[] = {
	{"proto_udp", MOD_DEFAULT}, {"tm", MOD_DEFAULT},	  {"sl", MOD_DEFAULT},
	{"signaling", MOD_DEFAULT}, {"sipmsgops", MOD_DEFAULT},	  {"registrar", MOD_DEFAULT},
	{"usrloc", MOD_DEFAULT},    {"cfgutils", MOD_DEFAULT},	  {"mi_datagram", MOD_DEFAULT},
	{"db_sqlite", MOD_SQLDB},   {"db_text", MOD_SQLDB},	  {"cachedb_local", MOD_CACHEDB},
	{"mi_script", MOD_DEFAULT},
};

static struct module *modules;
static struct kept_param *kept;

static struct module *find(const char *name)
{
	struct module *m = modules;
	while (m && strcmp(m->name, name) != 0)
		m = m->next;
	return m;
}

bool module_loaded(const char *name)
{
	return find(name) != NULL;
}

static bool type_loaded(int type)
{
	struct module *m = modules;
	while (m && m->type != type)
		m = m->next;
	return m != NULL;
}

static void add(const char *name, int type, const struct module_exports *ex)
{
	struct module *m = xcalloc(1, sizeof *m), **tail = &modules;
	m->name = strdup(name);
	m->type = type;
	m->ex = ex;
	while (*tail)
		tail = &(*tail)->next;
	*tail = m;
}

/* A module for any other release or build must not run: its layouts could differ. */
static void check_stamps(const struct module_exports *ex, const char *file)
{
	const struct module_stamps *ours = &proto_udp_exports.stamps, *its = &ex->stamps;
	const struct {
		const char *what, *core, *module;
	} pairs[] = {
		{"version", ours->version, its->version},
		{"compile flags", ours->compile_flags, its->compile_flags},
		{"version control system type", ours->scm_type, its->scm_type},
		{"version control system revision", ours->scm_rev, its->scm_rev},
	};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		if (!pairs[i].module) {
			LOG_CRIT("BUG - %s not defined in module <%s>\n", pairs[i].what, file);
			exit(1);
		}
		if (strcmp(pairs[i].core, pairs[i].module) != 0) {
			LOG_CRIT("module %s mismatch for %s; core: %s; module: %s\n", pairs[i].what, ex->name,
				 pairs[i].core, pairs[i].module);
			exit(1);
		}
	}
}

static bool check_deps(const struct module_exports *ex)
{
	if (!ex->deps)
		return true;
	for (int i = 0; i < 10; i++) {
		const struct module_dep *d = &ex->deps->md[i];
		if (!d->mod_type)
			break;
		bool there = d->mod_name ? module_loaded(d->mod_name) : type_loaded(d->mod_type);
		if (there || (d->type & DEP_SILENT))
			continue;
		LOG_ERR("module '%s' depends on module '%s', which is not loaded\n", ex->name,
			d->mod_name ? d->mod_name : "(of some kind)");
		return false;
	}
	return true;
}

static bool load_object(const char *file)
{
	void *handle = dlopen(file, RTLD_NOW);
	if (!handle) {
		LOG_ERR("could not open module <%s>: %s\n", file, dlerror());
		return false;
	}
	const struct module_exports *ex = dlsym(handle, "exports");
	if (!ex) {
		LOG_ERR("no module: %s\n", dlerror());
		return false;
	}
	check_stamps(ex, file);
	if (ex->load || ex->preinit || ex->items || ex->trans) {
		LOG_ERR("module %s exports what the stand-in has no use for yet\n", ex->name);
		return false;
	}
	add(ex->name, ex->type, ex);
	return true;
}

bool module_load(const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *base = slash ? slash + 1 : file;
	size_t len = strlen(base);

	if (len > 3 && strcmp(base + len - 3, ".so") == 0)
		len -= 3;
	for (size_t i = 0; i < COUNT_OF(builtin); i++)
		if (strlen(builtin[i].name) == len && memcmp(builtin[i].name, base, len) == 0) {
			add(builtin[i].name, builtin[i].type, NULL);
			return true;
		}
	return load_object(file);
}

/* ---- parameters ---- */

const char *module_builtin_param(const char *module, const char *name)
{
	for (struct kept_param *k = kept; k; k = k->next)
		if (strcmp(k->module, module) == 0 && strcmp(k->name, name) == 0)
			return k->value;
	return NULL;
}

static void keep_param(const char *module, const char *name, const char *text, int number)
{
	struct kept_param *k = xcalloc(1, sizeof *k);
	char num[16];

	snprintf(num, sizeof num, "%d", number);
	k->module = strdup(module);
	k->name = strdup(name);
	k->value = strdup(text ? text : num);
	k->next = kept;
	kept = k;
}

static bool set_param(const struct module_exports *ex, const char *name, int type, char *text, int number)
{
	const struct param_export *p = ex->params;

	while (p && p->name && strcmp(p->name, name) != 0)
		p++;
	if (!p || !p->name) {
		LOG_ERR("parameter <%s> not found in module <%s>\n", name, ex->name);
		return false;
	}
	/* Only parameters that are set by a function of the module are supported. */
	if (!(p->type & PARAM_USE_FUNC) || !(p->type & (unsigned)type)) {
		LOG_ERR("type mismatch for parameter <%s> in module <%s>\n", name, ex->name);
		return false;
	}
	int (*f)(unsigned int, void *) = (int (*)(unsigned int, void *))p->pointer;
	return f((unsigned)type, type == PARAM_STR ? text : (void *)(long)number) >= 0;
}

bool module_set_param(const char *module, const char *name, int type, char *text, int number)
{
	struct module *m = find(module);

	if (!m) {
		LOG_ERR("no module matching %s found\n", module);
		return false;
	}
	if (m->ex)
		return set_param(m->ex, name, type, text, number);
	keep_param(module, name, text, number);
	return true;
}

/* ---- life ---- */

bool modules_init(void)
{
	for (struct module *m = modules; m; m = m->next) {
		if (m->ex && !check_deps(m->ex))
			return false;
	}
	for (struct module *m = modules; m; m = m->next) {
		if (!m->ex)
			continue;
		if (!stats_register(m->name, m->ex->stats))
			return false;
		if (m->ex->init && m->ex->init() != 0) {
			LOG_ERR("failed to initialize module %s\n", m->name);
			return false;
		}
		m->ready = true;
	}
	return true;
}

bool modules_child_init(int rank)
{
	for (struct module *m = modules; m; m = m->next)
		if (m->ex && m->ex->child_init && m->ex->child_init(rank) < 0) {
			LOG_ERR("failed to initialize module %s in a process of rank %d\n", m->name, rank);
			return false;
		}
	return true;
}

void modules_destroy(void)
{
	for (struct module *m = modules; m; m = m->next)
		if (m->ex && m->ready && m->ex->destroy) {
			m->ready = false;
			m->ex->destroy();
		}
}

const struct cmd_export *module_find_cmd(const char *name)
{
	for (struct module *m = modules; m; m = m->next)
		for (const struct cmd_export *c = m->ex ? m->ex->cmds : NULL; c && c->name; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

const struct acmd_export *module_find_acmd(const char *name)
{
	for (struct module *m = modules; m; m = m->next)
		for (const struct acmd_export *c = m->ex ? m->ex->acmds : NULL; c && c->name; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

const void *module_find_mi(str name, int *number)
{
	for (struct module *m = modules; m; m = m->next) {
		const char *other;
		for (int i = 0; m->ex && m->ex->mi_cmds && (other = abi_mi_name(m->ex->mi_cmds, i)); i++)
			if (str_is(name, other)) {
				*number = i;
				return m->ex->mi_cmds;
			}
	}
	return NULL;
}

bool module_process(int i, const struct proc_export **out)
{
	for (struct module *m = modules; m; m = m->next)
		for (const struct proc_export *p = m->ex ? m->ex->procs : NULL; p && p->name; p++)
			if (i-- == 0) {
				*out = p;
				return true;
			}
	return false;
}
