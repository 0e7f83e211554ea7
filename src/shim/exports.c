/*
 * The module's exports, and the constructor that adapts them to the hosting core.
 *
 * OpenSIPS compares a module's version, compile flags and SCM stamp with its own, as strings. They
 * are taken here from the core itself: its built-in UDP transport is a module too, and carries them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#define OWN_STAMP "auth_web for OpenSIPS 3.4, 3.5, 3.6 and 4.0"

/* Defined in src/lib.rs: the linker exports only Rust's own symbols from the library. */
extern struct osips_module_exports exports;

/* Released series that the ABI was checked against (tests/abi/). */
static const int known_releases[] = { 304, 305, 306, 400 };

static int core_release;
static const char *module_name = AW_OWN_NAME;

static const struct osips_dep_export dependencies = {
	/* Not needed, but if loaded: initialised before us and destroyed after us. */
	{
		{ OSIPS_MOD_TYPE_SQLDB, NULL, OSIPS_DEP_SILENT },
		{ OSIPS_MOD_TYPE_CACHEDB, NULL, OSIPS_DEP_SILENT },
		{ OSIPS_MOD_TYPE_NULL, NULL, 0 },
	},
	{ { NULL, NULL } },
};

static void run_loader(int no)
{
	(void)no;
	aw_rs_loader();
}

static void run_chores(int no)
{
	(void)no;
	aw_rs_chores();
}

static void run_trunks(int no)
{
	static struct osips_script_routes none;

	(void)no;
	/* The module tm looks whether there is a local_route. */
	if (&sroutes && !sroutes)
		sroutes = &none;
	aw_rs_trunks();
}

static struct osips_proc_export processes[] = {
	{ "auth_web loader", NULL, NULL, run_loader, 0, 0 },
	{ "auth_web chores", NULL, NULL, run_chores, 0, 0 },
	{ "auth_web trunks", NULL, NULL, run_trunks, 0, 0 },
	{ NULL, NULL, NULL, NULL, 0, 0 },
};

void aw_want_loader(void)
{
	processes[0].no = 1;
}

void aw_want_chores(void)
{
	processes[1].no = 1;
}

void aw_want_trunks(void)
{
	processes[2].no = 1;
	processes[2].flags = OSIPS_PROC_FLAG_INITCHILD;
	/* The module tm runs local_route for a request. A process that has no IPC is left alone by a reload of routes; in
	 * 3.4, one that has the script has IPC as well, and the reload would wait for it in vain. */
	if (aw_layout_35())
		processes[2].flags |= OSIPS_PROC_FLAG_NEEDS_SCRIPT;
}

int aw_core_release(void)
{
	return core_release;
}

const char *aw_module_name(void)
{
	return module_name;
}

int aw_is_check(void)
{
	return &config_check && config_check;
}

int aw_layout_40(void)
{
	return core_release >= 400;
}

int aw_layout_35(void)
{
	return core_release >= 305;
}

/* "opensips 3.6.8 (x86_64/linux)": major * 100 + minor, 0 if that can't be read from it. */
static int release_of(const char *version)
{
	int major, minor;
	const char *p = version ? strchr(version, ' ') : NULL;

	if (!p || sscanf(p, " %d.%d", &major, &minor) != 2 || major < 0 || minor < 0 || minor > 99)
		return 0;
	return major * 100 + minor;
}

static int is_known(int release)
{
	size_t i;

	for (i = 0; i < sizeof known_releases / sizeof *known_releases; i++)
		if (known_releases[i] == release)
			return 1;
	return 0;
}

/* A copy or a symbolic link named auth_jwt.so serves scripts that were written for auth_jwt. */
static void take_name_from_file(void)
{
	Dl_info info;
	const char *base;

	if (!dladdr((void *)&take_name_from_file, &info) || !info.dli_fname)
		return;
	base = strrchr(info.dli_fname, '/');
	base = base ? base + 1 : info.dli_fname;
	if (strcmp(base, "auth_jwt.so") == 0)
		module_name = "auth_jwt";
}

/* Looks for another library that is called as this one may be. */
static int look_at(struct dl_phdr_info *object, size_t size, void *found)
{
	const char *name = object->dlpi_name ? object->dlpi_name : "";
	const char *base = strrchr(name, '/');
	Dl_info own;

	(void)size;
	base = base ? base + 1 : name;
	if (strcmp(base, "auth_web.so") != 0 && strcmp(base, "auth_jwt.so") != 0)
		return 0;
	if (dladdr((void *)&look_at, &own) && ((uintptr_t)own.dli_fbase == object->dlpi_addr
			|| (own.dli_fname && strcmp(own.dli_fname, name) == 0)))
		return 0;
	*(const char **)found = name;
	return 1;
}

const char *aw_other_module(void)
{
	static char path[4096];
	const char *found = NULL;

	dl_iterate_phdr(look_at, &found);
	if (!found)
		return NULL;
	snprintf(path, sizeof path, "%s", found);
	return path;
}

static int set_up(void)
{
	int result = aw_rs_mod_init();

	if (result == 0 && strcmp(module_name, AW_OWN_NAME) != 0)
		result = aw_register_own_statistics();
	return result;
}

static void tear_down(void)
{
	aw_rs_destroy();
}

static int set_up_child(int rank)
{
	return aw_rs_child_init(rank);
}

__attribute__((constructor)) static void fit_to_core(void)
{
	const char *version = NULL;

	take_name_from_file();
	exports.name = module_name;
	exports.type = OSIPS_MOD_TYPE_DEFAULT;
	exports.ver_info.version = OWN_STAMP;
	exports.ver_info.compile_flags = OWN_STAMP;
	exports.ver_info.scm.type = OWN_STAMP;
	exports.ver_info.scm.rev = OWN_STAMP;

	if (&proto_udp_exports)
		version = proto_udp_exports.ver_info.version;
	core_release = release_of(version);
	if (!is_known(core_release)) {
		fprintf(stderr, "%s: this is built for OpenSIPS 3.4, 3.5, 3.6 and 4.0; the program that "
			"loads it is \"%s\", so it will be refused\n", module_name,
			version ? version : "of an unknown version");
		core_release = 0;
		return;
	}

	memcpy(&exports.ver_info, &proto_udp_exports.ver_info, sizeof exports.ver_info);
	exports.deps = &dependencies;
	exports.cmds = aw_commands;
	exports.acmds = aw_async_commands;
	exports.params = aw_parameters;
	exports.stats = aw_statistics;
	exports.mi_cmds = aw_layout_40() ? (const void *)aw_mi_commands_40
		: (const void *)aw_mi_commands_34;
	exports.procs = processes;
	exports.init_f = set_up;
	exports.destroy_f = tear_down;
	exports.init_child_f = set_up_child;
}
