/*
 * abi.h - the binary interface between an OpenSIPS core and its modules, seen from the core's side.
 *
 * These are the layouts that releases 3.4 to 4.0 share or differ in, declared independently. Where
 * releases differ, the file has both layouts, and abi.c picks one at run time by the version given
 * on the command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_ABI_H
#define STANDIN_ABI_H

#include "base.h"

struct sip_msg;

/* ---- the emulated release ---- */

struct abi_shape {
	bool async_has_name;    /* 4.0: a name follows resume_f in the async context */
	bool wide_mi;           /* 4.0: 20 parameter names in a recipe, and aliases */
	bool pv_has_flags;      /* 3.6: flags follow the value buffer in a pv parameter */
	bool db_has_timeout;    /* 3.5: one more function at the end of the database functions */
	bool cdb_has_iter_keys; /* 3.6: one more function in the middle of the cachedb functions */
};

extern struct abi_shape abi;

/* Takes "3.6.8" and the like; false if it is not a version. */
bool abi_select(const char *version);
/* "3.6.8" as selected. */
const char *abi_version(void);

/* ---- modules ---- */

enum { PARAM_STR = 1, PARAM_INT = 2 };
#define PARAM_USE_FUNC (1u << 31)

struct param_export {
	const char *name;
	unsigned int type;
	void *pointer;
};

#define CMD_MAX_PARAMS 8

enum {
	CMD_INT = 1,
	CMD_STR = 2,
	CMD_VAR = 4,
	CMD_OPT = 16,
};

struct cmd_param {
	int flags;
	int (*fixup)(void **param);
	int (*free_fixup)(void **param);
};

typedef int (*cmd_fn)(struct sip_msg *, void *, void *, void *, void *, void *, void *, void *, void *);
typedef int (*acmd_fn)(struct sip_msg *, void *ctx, void *, void *, void *, void *, void *, void *, void *,
		       void *);

struct cmd_export {
	const char *name;
	cmd_fn function;
	struct cmd_param params[CMD_MAX_PARAMS + 1];
	int flags; /* the route types in which it may be called */
};

struct acmd_export {
	const char *name;
	acmd_fn function;
	struct cmd_param params[CMD_MAX_PARAMS + 1];
};

enum {
	ROUTE_REQUEST = 1,
	ROUTE_STARTUP = 64,
};

enum { MOD_DEFAULT = 1, MOD_SQLDB, MOD_CACHEDB };
enum { DEP_SILENT = 1 };

struct module_dep {
	int mod_type;
	char *mod_name;
	unsigned int type;
};

/* Dependencies by parameters follow; only unconditional ones are checked. */
struct dep_export {
	struct module_dep md[10];
};

struct proc_export {
	const char *name;
	int (*pre_fork)(void);
	int (*post_fork)(void);
	void (*function)(int no);
	unsigned int no;
	unsigned int flags;
};

struct stat_export {
	char *name;
	unsigned short flags;
	void *pointer; /* the function, with STAT_IS_FUNC, else where a pointer to the counter is stored */
};

enum { STAT_IS_FUNC = 8 };

struct stat_var {
	unsigned int mod_idx;
	str name;
	unsigned short flags;
	void *context;
	union {
		_Atomic(unsigned long) *val;
		unsigned long (*f)(void *);
	} u;
	struct stat_var *hnext, *lnext;
};

int __register_module_stats(const char *module, const struct stat_export *table, int unsafe);

int evi_publish_event(str name);
int evi_probe_event(int event);
int evi_raise_event(int event, void *params);
void *sr_register_group(char *name, int name_len, int is_public);
int sr_register_identifier(void *group, char *name, int name_len, int status, char *text, int text_len, int reports);
int sr_set_status(void *group, char *name, int name_len, int status, char *text, int text_len, int is_public);
int sr_add_report(void *group, char *name, int name_len, char *text, int text_len, int is_public);

struct module_stamps {
	const char *version;
	const char *compile_flags;
	const char *scm_type;
	const char *scm_rev;
};

struct pv_export;

struct module_exports {
	const char *name;
	int type;
	struct module_stamps stamps;
	unsigned int dlflags;
	int (*load)(void);
	const struct dep_export *deps;
	const struct cmd_export *cmds;
	const struct acmd_export *acmds;
	const struct param_export *params;
	const struct stat_export *stats;
	const void *mi_cmds; /* struct mi_export_10 or _20, by release */
	const struct pv_export *items;
	const void *trans;
	const struct proc_export *procs;
	int (*preinit)(void);
	int (*init)(void);
	int (*response)(struct sip_msg *);
	void (*destroy)(void);
	int (*child_init)(int rank);
	int (*reload_ack)(void);
};

/* Ranks of processes that are not SIP workers (which count from 1). */
enum { RANK_MODULE = -2 };

/* ---- pseudo-variables and AVPs ---- */

typedef union {
	int n;
	str s;
} int_str;

struct usr_avp {
	int id;
	unsigned short flags;
	struct usr_avp *next;
	void *data;
};

enum { AVP_NAME_STR = 1, AVP_VAL_STR = 2 };

enum {
	PV_VAL_NULL = 1,
	PV_VAL_STR = 4,
	PV_VAL_INT = 8,
	PV_TYPE_INT = 16,
	PV_VAL_PKG = 32,
};

enum { PV_NAME_INTSTR = 0, PV_NAME_PVAR = 1 };
enum { PV_IDX_PVAR = 1, PV_IDX_INT = 3 };
/* The operator `=`, passed to setters. */
enum { OP_ASSIGN = 18 };

struct pv_value {
	str rs;
	int ri;
	int flags;
};

struct pv_name {
	int type;
	union {
		struct {
			int type;
			int_str name;
		} isname;
		void *dname;
	} u;
};

struct pv_index {
	int type;
	union {
		int ival;
		void *dval;
	} u;
};

/* The part of a parameter that all releases share; since 3.6 an int follows. */
struct pv_param {
	struct pv_name pvn;
	struct pv_index pvi;
	str pvv;
};

typedef int (*pv_getf)(struct sip_msg *, struct pv_param *, struct pv_value *);
typedef int (*pv_setf)(struct sip_msg *, struct pv_param *, int op, struct pv_value *);

/*
 * A variable. The tail is context and transformations in 3.4 and 3.5 (104 bytes together); since
 * 3.6 flags precede them (112 bytes). Use spec_trans().
 */
struct pv_spec {
	int type;
	pv_getf getf;
	pv_setf setf;
	struct pv_param pvp;
	void *tail[3];
};

static inline void **spec_trans(struct pv_spec *sp)
{
	return &sp->tail[abi.pv_has_flags ? 2 : 1];
}

static inline size_t spec_size(void)
{
	return abi.pv_has_flags ? 112 : 104;
}

struct pv_export {
	str name;
	int type;
	pv_getf getf;
	pv_setf setf;
	int (*parse_name)(struct pv_spec *, const str *);
	int (*parse_index)(struct pv_spec *, const str *);
	int (*init_param)(struct pv_spec *, int);
	int iparam;
};

/* ---- async ---- */

enum {
	ASYNC_NO_IO = -8,
	ASYNC_SYNC,
	ASYNC_NO_FD, /* this and the next are for cores with register_async_fd() */
	ASYNC_CONTINUE,
	ASYNC_CHANGE_FD,
	ASYNC_DONE_CLOSE_FD,
	ASYNC_DONE_NO_IO,
	ASYNC_DONE,
};

typedef int (*async_resume_fn)(int fd, struct sip_msg *, void *param);

struct async_ctx_34 {
	void *resume_f;
	void *resume_param;
	void *timeout_f;
	unsigned int timeout_s;
};

struct async_ctx_40 {
	void *resume_f;
	char *resume_f_name;
	void *resume_param;
	void *timeout_f;
	unsigned int timeout_s;
};

union async_ctx {
	struct async_ctx_34 v34;
	struct async_ctx_40 v40;
};

/* The same members, wherever this release has them. */
struct async_view {
	async_resume_fn resume, timeout;
	void *param;
};

struct async_view async_view_of(const union async_ctx *ctx);
void async_set_timeout(union async_ctx *ctx, unsigned int seconds);

/* ---- databases ---- */

enum { DB_INT, DB_BIGINT, DB_DOUBLE, DB_STRING, DB_STR, DB_DATETIME, DB_BLOB, DB_BITMAP };

struct db_val {
	int type;
	int nul;
	int free;
	union {
		int i;
		long long ll;
		double d;
		long t;
		const char *z;
		str s;
		unsigned int bits;
	} val;
};

struct db_row {
	struct db_val *values;
	int n;
};

struct db_res {
	struct {
		str **names;
		int *types;
		int n;
	} col;
	struct db_row *rows;
	int n;
	int res_rows;
	int last_row;
};

struct db_con {
	const str *table;
	void *curr_ps;
	void *ins_list;
	unsigned long tail;
	str url;
	int flags;
};

enum { DB_CAP_QUERY = 1 };

typedef int (*db_query_fn)(const struct db_con *, str *const *keys, const char *const *ops,
			   const struct db_val *vals, str *const *cols, int n, int nc, str *order,
			   struct db_res **res);

struct db_func {
	unsigned int cap;
	int (*use_table)(struct db_con *, const str *);
	struct db_con *(*init)(const str *url);
	void (*close)(struct db_con *);
	db_query_fn query;
	void *fetch_result;
	void *raw_query;
	int (*free_result)(struct db_con *, struct db_res *);
	void *others[9];  /* insert to async_free_result: NULL here */
	void *async_timeout; /* since 3.5 */
};

static inline size_t db_func_size(void)
{
	return abi.db_has_timeout ? sizeof(struct db_func) : offsetof(struct db_func, async_timeout);
}

/* ---- cachedb ---- */

struct cdb_con {
	str url;
	void *data;
};

struct cdb_base {
	struct cdb_con *(*init)(str *url);
	void (*destroy)(struct cdb_con *);
	int (*get)(struct cdb_con *, str *attr, str *val);
	int (*get_counter)(struct cdb_con *, str *attr, int *val);
	int (*set)(struct cdb_con *, str *attr, str *val, int expires);
	int (*remove)(struct cdb_con *, str *attr);
	int (*remove_key)(struct cdb_con *, str *attr, const str *key);
	int (*add)(struct cdb_con *, str *attr, int val, int expires, int *new_val);
	int (*sub)(struct cdb_con *, str *attr, int val, int expires, int *new_val);
};

/* raw_query to is_replicated: 14 functions that are NULL here. */
struct cdb_func_34 {
	struct cdb_base base;
	void *others[13];
	int capability;
};

struct cdb_func_36 {
	struct cdb_base base;
	void *iter_keys;
	void *others[13];
	int capability;
};

/* Writes the functions in the layout of the selected release. */
void abi_put_cdb_funcs(void *dst, const struct cdb_base *base, int capability);

/* ---- management interface ---- */

struct mi_item;
struct mi_handler;

struct mi_params {
	struct mi_item *item;
	char *const *list;
};

typedef struct mi_item *(*mi_fn)(const struct mi_params *, struct mi_handler *);

#define MI_RECIPES 48

struct mi_recipe_10 {
	mi_fn cmd;
	char *params[10];
};

struct mi_recipe_20 {
	mi_fn cmd;
	char *params[20];
};

struct mi_export_10 {
	char *name, *help;
	unsigned int flags;
	int (*init)(void);
	struct mi_recipe_10 recipes[MI_RECIPES];
};

struct mi_export_20 {
	char *name, *help;
	unsigned int flags;
	int (*init)(void);
	struct mi_recipe_20 recipes[MI_RECIPES];
	const char *aliases[4];
};

/* The name of command number `i` of a module's table; NULL at its end. */
const char *abi_mi_name(const void *table, int i);

/* Recipe number `k` of command number `i`: its function, NULL after the last one, and the names of its
 * parameters. */
struct mi_recipe_view {
	mi_fn run;
	char *const *params;
};

struct mi_recipe_view abi_mi_recipe(const void *table, int i, int k);

/* The stamps that a module must carry; a module may take them from here. */
extern struct module_exports proto_udp_exports;

#endif
