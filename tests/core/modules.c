/*
 * modules.c - dlopen, the comparison of stamps, parameters, and the stages of a module's life.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "modules.h"

#include <dlfcn.h>
#include <regex.h>
#include <stdio.h>
#include <unistd.h>

#include "pvar.h"
#include "stats.h"

struct module {
	char *name;
	int type;
	const struct module_exports *ex; /* NULL for one that is built in */
	bool ready;
	struct module *next;
};

struct kept_param {
	char *module, *name, *value;
	struct kept_param *next;
};

/* Modules that scripts load and that need no shared object here. */
static const struct {
	const char *name;
	int type;
} builtin[] = {
	{"proto_udp", MOD_DEFAULT},    {"proto_tcp", MOD_DEFAULT},   {"tm", MOD_DEFAULT},
	{"sl", MOD_DEFAULT},	       {"signaling", MOD_DEFAULT},   {"maxfwd", MOD_DEFAULT},
	{"sipmsgops", MOD_DEFAULT},    {"textops", MOD_DEFAULT},     {"xlog", MOD_DEFAULT},
	{"rr", MOD_DEFAULT},	       {"registrar", MOD_DEFAULT},   {"usrloc", MOD_DEFAULT},
	{"cfgutils", MOD_DEFAULT},     {"options", MOD_DEFAULT},     {"statistics", MOD_DEFAULT},
	{"mi_fifo", MOD_DEFAULT},      {"mi_datagram", MOD_DEFAULT}, {"db_sqlite", MOD_SQLDB},
	{"db_text", MOD_SQLDB},	       {"db_fault", MOD_SQLDB},	     {"cachedb_local", MOD_CACHEDB},
	{"avpops", MOD_DEFAULT},
};

static struct module *modules;
static struct kept_param *kept;
static char *paths[16];
static size_t paths_n;

void module_add_path(const char *path)
{
	if (paths_n < COUNT_OF(paths))
		paths[paths_n++] = strdup(path);
	else
		LOG_ERR("too many mpath\n");
}

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

bool module_type_loaded(int type)
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

/* A module of any other release or build must not run: its layouts could be others. */
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
		bool there = d->mod_name ? module_loaded(d->mod_name) : module_type_loaded(d->mod_type);
		if (there || (d->type & DEP_SILENT))
			continue;
		LOG_AT(d->type & DEP_ABORT ? L_ERR : L_WARN, "module '%s' depends on module '%s', which is not loaded\n",
		       ex->name, d->mod_name ? d->mod_name : "(of some kind)");
		if (d->type & DEP_ABORT)
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
	for (struct module *m = modules; m; m = m->next)
		if (m->ex == ex) {
			LOG_WARN("attempting to load the same module twice (%s)\n", file);
			return false;
		}
	if (ex->load && ex->load() < 0) {
		LOG_ERR("could not initialize module %s\n", file);
		return false;
	}
	if (ex->items && pv_register(ex->items) != 0)
		return false;
	if (ex->trans)
		LOG_WARN("the transformations of module %s are not known to the stand-in\n", ex->name);
	add(ex->name, ex->type, ex);
	return true;
}

bool module_load(const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *base = slash ? slash + 1 : file;
	size_t len = strlen(base);
	char path[4096];

	if (len > 3 && strcmp(base + len - 3, ".so") == 0)
		len -= 3;
	for (size_t i = 0; i < COUNT_OF(builtin); i++)
		if (strlen(builtin[i].name) == len && memcmp(builtin[i].name, base, len) == 0) {
			if (module_loaded(builtin[i].name)) {
				LOG_WARN("attempting to load the same module twice (%s)\n", file);
				return true;
			}
			add(builtin[i].name, builtin[i].type, NULL);
			return true;
		}
	if (*file == '/' || !paths_n)
		return load_object(file);
	for (size_t i = 0; i < paths_n; i++) {
		snprintf(path, sizeof path, "%s/%s", paths[i], file);
		if (access(path, R_OK) == 0)
			return load_object(path);
		snprintf(path, sizeof path, "%s/%.*s/%s", paths[i], (int)len, base, file);
		if (access(path, R_OK) == 0)
			return load_object(path);
	}
	LOG_ERR("failed to load module '%s' - not found\n", file);
	return false;
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

/* A parameter may make the module depend on others, such as those of a database. */
static bool check_param_deps(const struct module_exports *ex, const struct param_export *p)
{
	if (!ex->deps)
		return true;
	for (const struct modparam_dep *m = ex->deps->mpd; m->param; m++) {
		if (strcmp(m->param, p->name) != 0 || !m->get_deps)
			continue;
		struct module_dep *d = m->get_deps(p);
		bool ok = !d || !(d->type & DEP_ABORT) ||
			  (d->mod_name ? module_loaded(d->mod_name) : module_type_loaded(d->mod_type));
		if (!ok)
			LOG_ERR("parameter %s of module %s needs a module that is not loaded\n", p->name, ex->name);
		free(d);
		if (!ok)
			return false;
	}
	return true;
}

static bool set_param(const struct module_exports *ex, const char *name, int type, char *text, int number)
{
	bool found = false;

	for (const struct param_export *p = ex->params; p && p->name; p++) {
		if (strcmp(p->name, name) != 0)
			continue;
		found = true;
		if (!(p->type & ~PARAM_USE_FUNC & (unsigned)type))
			continue;
		if (p->type & PARAM_USE_FUNC) {
			int (*f)(unsigned int, void *) = (int (*)(unsigned int, void *))p->pointer;
			if (f((unsigned)type, type == PARAM_STR ? text : (void *)(long)number) < 0)
				return false;
		} else if (type == PARAM_STR) {
			*(char **)p->pointer = strdup(text);
		} else {
			*(int *)p->pointer = number;
		}
		return check_param_deps(ex, p);
	}
	if (found)
		LOG_ERR("type mismatch for parameter <%s> in module <%s>\n", name, ex->name);
	else
		LOG_ERR("parameter <%s> not found in module <%s>\n", name, ex->name);
	return false;
}

bool module_set_param(const char *pattern, const char *name, int type, char *text, int number)
{
	regex_t re;
	struct buf b = {0};
	bool any = false, ok = true;

	buf_addf(&b, "^(%s)$", pattern);
	int bad = regcomp(&re, b.s, REG_EXTENDED | REG_NOSUB | REG_ICASE);
	buf_free(&b);
	if (bad) {
		LOG_ERR("bad module name in modparam: %s\n", pattern);
		return false;
	}
	for (struct module *m = modules; m && ok; m = m->next) {
		if (regexec(&re, m->name, 0, NULL, 0) != 0)
			continue;
		any = true;
		if (m->ex)
			ok = set_param(m->ex, name, type, text, number);
		else
			keep_param(m->name, name, text, number);
	}
	regfree(&re);
	if (!any)
		LOG_ERR("no module matching %s found\n", pattern);
	return any && ok;
}

/* ---- life ---- */

bool modules_init(void)
{
	for (struct module *m = modules; m; m = m->next) {
		if (!m->ex)
			continue;
		if (!check_deps(m->ex))
			return false;
		if (m->ex->preinit && m->ex->preinit() != 0) {
			LOG_ERR("failed to pre-initialize module %s\n", m->name);
			return false;
		}
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

bool module_mi_table(int i, const char **module, const void **table)
{
	for (struct module *m = modules; m; m = m->next)
		if (m->ex && m->ex->mi_cmds && i-- == 0) {
			*module = m->name;
			*table = m->ex->mi_cmds;
			return true;
		}
	return false;
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

/* ---- symbols of the ABI that modules use to describe what they depend on ---- */

struct module_dep *alloc_module_dep(int mod_type, char *mod_name, unsigned int dep_type)
{
	struct module_dep *d = xcalloc(2, sizeof *d);
	*d = (struct module_dep){mod_type, mod_name, dep_type};
	return d;
}

static struct module_dep *deps_of_url(const struct param_export *p, int mod_type)
{
	const char *url = *(char *const *)p->pointer;
	return url && *url ? alloc_module_dep(mod_type, NULL, DEP_ABORT) : NULL;
}

struct module_dep *get_deps_sqldb_url(const struct param_export *p)
{
	return deps_of_url(p, MOD_SQLDB);
}

struct module_dep *get_deps_cachedb_url(const struct param_export *p)
{
	return deps_of_url(p, MOD_CACHEDB);
}
