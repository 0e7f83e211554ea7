/*
 * The part of OpenSIPS's module ABI that auth_web uses.
 *
 * Written from the facts of the ABI (sizes and offsets, see tests/abi/), so that the module
 * compiles without OpenSIPS on the machine and one binary serves every release from 3.4 to 4.0.
 * Where releases differ, both layouts are declared, each with the first release that has it as a
 * suffix; where the core fills a struct for us, the largest layout is declared.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef AUTH_WEB_OPENSIPS_ABI_H
#define AUTH_WEB_OPENSIPS_ABI_H

#include <time.h>

/* ---- strings ------------------------------------------------------------------------------ */

typedef struct osips_str {
	char *s;
	int len;
} osips_str;

struct sip_msg; /* never read: its layout changes between releases */

/* One flag of it is set, for which scripts have no function or variable. */
struct osips_sip_msg_34 {
	char room[2408];
	unsigned int msg_flags;
};

struct osips_sip_msg_35 {
	char room[2432];
	unsigned int msg_flags;
};

struct osips_sip_msg_40 {
	char room[2496];
	unsigned int msg_flags;
};

/* The module tm takes the CSeq of an ACK or CANCEL of its own from the request that it has sent. */
enum { OSIPS_FL_USE_UAC_CSEQ = 256 };

/* ---- log ---------------------------------------------------------------------------------- */

enum {
	OSIPS_L_ALERT = -3,
	OSIPS_L_CRIT = -2,
	OSIPS_L_ERR = -1,
	OSIPS_L_WARN = 1,
	OSIPS_L_NOTICE = 2,
	OSIPS_L_INFO = 3,
	OSIPS_L_DBG = 4
};

extern int *log_level;
extern int log_facility;
extern char *log_prefix;
extern int dp_my_pid(void);
extern void dprint(int level, int facility, const char *module, const char *func,
	char *stderr_fmt, char *syslog_fmt, char *format, ...);

/* ---- module interface ------------------------------------------------------------------------ */

enum {
	OSIPS_STR_PARAM = 1 << 0,
	OSIPS_INT_PARAM = 1 << 1
};
#define OSIPS_USE_FUNC_PARAM (1U << 31)

enum {
	OSIPS_CMD_PARAM_INT = 1 << 0,
	OSIPS_CMD_PARAM_STR = 1 << 1,
	OSIPS_CMD_PARAM_VAR = 1 << 2,
	OSIPS_CMD_PARAM_OPT = 1 << 4
};

/* REQUEST, FAILURE, ONREPLY, BRANCH, ERROR, LOCAL, STARTUP, TIMER and EVENT route */
#define OSIPS_ALL_ROUTES 0x1ff

#define OSIPS_MAX_CMD_PARAMS 8
#define OSIPS_MAX_MOD_DEPS 10

enum osips_module_type {
	OSIPS_MOD_TYPE_NULL,
	OSIPS_MOD_TYPE_DEFAULT,
	OSIPS_MOD_TYPE_SQLDB,
	OSIPS_MOD_TYPE_CACHEDB
};

enum { OSIPS_DEP_SILENT = 1 << 0 };

typedef int (*osips_fixup)(void **param);

struct osips_cmd_param {
	int flags;
	osips_fixup fixup;
	osips_fixup free_fixup;
};

typedef int (*osips_cmd_function)(struct sip_msg *, void *, void *, void *, void *, void *, void *,
	void *, void *);
typedef int (*osips_acmd_function)(struct sip_msg *, void *ctx, void *, void *, void *, void *,
	void *, void *, void *, void *);

struct osips_cmd_export {
	const char *name;
	osips_cmd_function function;
	struct osips_cmd_param params[OSIPS_MAX_CMD_PARAMS + 1];
	int flags;
};

struct osips_acmd_export {
	const char *name;
	osips_acmd_function function;
	struct osips_cmd_param params[OSIPS_MAX_CMD_PARAMS + 1];
};

struct osips_param_export {
	const char *name;
	unsigned int type;
	void *param_pointer;
};

struct osips_module_dep {
	enum osips_module_type mod_type;
	char *mod_name;
	unsigned int type;
};

struct osips_modparam_dep {
	char *script_param;
	struct osips_module_dep *(*get_deps_f)(const struct osips_param_export *param);
};

struct osips_dep_export {
	struct osips_module_dep md[OSIPS_MAX_MOD_DEPS];
	struct osips_modparam_dep mpd[1];
};

enum { OSIPS_STAT_NO_RESET = 1 << 0, OSIPS_STAT_IS_FUNC = 1 << 3 };

typedef unsigned long (*osips_stat_function)(void *context);

/* An atomic number, in memory that all processes share. */
typedef unsigned long osips_stat_val;

struct osips_stat_var {
	unsigned int mod_idx;
	osips_str name;
	unsigned short flags;
	void *context;
	union {
		osips_stat_val *val;
		osips_stat_function f;
	} u;
	struct osips_stat_var *hnext;
	struct osips_stat_var *lnext;
};

/* With STAT_IS_FUNC, stat_pointer is the function; otherwise it is where the core stores a pointer to the
 * osips_stat_var that it makes, after mod_init. */
struct osips_stat_export {
	char *name;
	unsigned short flags;
	void *stat_pointer;
};

/* Only where the core has statistics. */
extern int __register_module_stats(const char *module, const struct osips_stat_export *stats, int unsafe)
	__attribute__((weak));

struct osips_scm_version {
	const char *type;
	const char *rev;
};

/* The core reads `no` after mod_init: 0 for no process. */
struct osips_proc_export {
	const char *name;
	int (*pre_fork_function)(void);
	int (*post_fork_function)(void);
	void (*function)(int no);
	unsigned int no;
	unsigned int flags;
};

struct osips_module_exports {
	const char *name;
	enum osips_module_type type;
	struct {
		const char *version;
		const char *compile_flags;
		struct osips_scm_version scm;
	} ver_info;
	unsigned int dlflags;
	int (*load_f)(void);
	const struct osips_dep_export *deps;
	const struct osips_cmd_export *cmds;
	const struct osips_acmd_export *acmds;
	const struct osips_param_export *params;
	const struct osips_stat_export *stats;
	const void *mi_cmds; /* struct osips_mi_export_34 or _40, by release */
	const void *items;
	const void *trans;
	const void *procs;
	int (*preinit_f)(void);
	int (*init_f)(void);
	int (*response_f)(struct sip_msg *);
	void (*destroy_f)(void);
	int (*init_child_f)(int rank);
	int (*reload_ack_f)(void);
};

/* The core's built-in UDP transport: its ver_info holds the stamps that the core compares with. */
extern struct osips_module_exports proto_udp_exports __attribute__((weak));
/* Non-zero with opensips -C. */
extern int config_check __attribute__((weak));

/* ---- pseudo-variables --------------------------------------------------------------------- */

enum {
	OSIPS_PV_VAL_NULL = 1,
	OSIPS_PV_VAL_EMPTY = 2,
	OSIPS_PV_VAL_STR = 4,
	OSIPS_PV_VAL_INT = 8,
	OSIPS_PV_TYPE_INT = 16
};

typedef struct osips_pv_value {
	osips_str rs;
	int ri;
	int flags;
} osips_pv_value;

/* 104 bytes up to 3.6.6, 112 since 3.6.7. Only the first three members are ever read; the rest is
 * space for what the core writes. */
typedef struct osips_pv_spec {
	int type;
	void *getf;
	void *setf;
	char room[88];
} osips_pv_spec;

extern char *pv_parse_spec(const osips_str *in, osips_pv_spec *sp);
extern int pv_get_spec_value(struct sip_msg *msg, osips_pv_spec *sp, osips_pv_value *value);
extern int pv_set_value(struct sip_msg *msg, osips_pv_spec *sp, int op, osips_pv_value *value);

/* ---- AVPs ----------------------------------------------------------------------------------- */

typedef union osips_int_str {
	int n;
	osips_str s;
} osips_int_str;

enum { OSIPS_AVP_VAL_STR = 1 << 1 };

extern int parse_avp_spec(const osips_str *name, int *avp_name);
extern int add_avp(unsigned short flags, int id, osips_int_str val);

/* ---- where it listens ----------------------------------------------------------------------- */

/* 1 if the host, with any of its ports if port is 0, is a socket, an alias or advertised. */
extern int check_self(osips_str *host, unsigned short port, unsigned short proto);

/* ---- async ----------------------------------------------------------------------------------- */

enum {
	OSIPS_ASYNC_SYNC = -7,
	OSIPS_ASYNC_NO_FD = -6,
	OSIPS_ASYNC_CONTINUE = -5,
	OSIPS_ASYNC_CHANGE_FD = -4,
	OSIPS_ASYNC_DONE_CLOSE_FD = -3,
	OSIPS_ASYNC_DONE = -1
};

/* The core's own, passed to us to be filled in. A limit in seconds follows, but not in 3.4.0 to
 * 3.4.2, so it is not declared. */
struct osips_async_ctx_34 {
	void *resume_f;
	void *resume_param;
	void *timeout_f;
};

struct osips_async_ctx_35 {
	void *resume_f;
	void *resume_param;
	void *timeout_f;
	unsigned int timeout_s; /* from the script, 0 for none */
};

struct osips_async_ctx_40 {
	void *resume_f;
	char *resume_f_name;
	void *resume_param;
	void *timeout_f;
	unsigned int timeout_s;
};

enum { OSIPS_REQUEST_ROUTE = 1, OSIPS_EVENT_ROUTE = 256 };

extern int async_status;
extern int route_type __attribute__((weak));
extern int auto_scaling_enabled __attribute__((weak));
/* What async() calls, and what resumes it: set by the module tm. */
extern int (*async_script_start_f)(void) __attribute__((weak));
extern int (*async_script_resume_f)(int fd, void *ctx, int was_timeout) __attribute__((weak));
/* Watches a descriptor for as long as f leaves ASYNC_CONTINUE in async_status. */
extern int register_async_fd(int fd, int (*f)(int fd, void *param), void *param)
	__attribute__((weak));

/* Has one of the processes that serve requests run f. Negative if that can't be. */
extern int ipc_dispatch_rpc(void (*f)(int sender, void *param), void *param) __attribute__((weak));

/* ---- management interface ---------------------------------------------------------------------- */

#define OSIPS_MAX_MI_RECIPES 48

typedef void *(*osips_mi_cmd)(const void *params, void *async_hdl);

struct osips_mi_recipe_34 {
	osips_mi_cmd cmd;
	char *params[10];
};

struct osips_mi_export_34 {
	char *name;
	char *help;
	unsigned int flags;
	int (*init_f)(void);
	struct osips_mi_recipe_34 recipes[OSIPS_MAX_MI_RECIPES];
};

struct osips_mi_recipe_40 {
	osips_mi_cmd cmd;
	char *params[20];
};

struct osips_mi_export_40 {
	char *name;
	char *help;
	unsigned int flags;
	int (*init_f)(void);
	struct osips_mi_recipe_40 recipes[OSIPS_MAX_MI_RECIPES];
	char *aliases[4];
};

extern void *init_mi_result_string(const char *value, int value_len);
extern void *init_mi_result_object(void **object);
extern void *add_mi_array(void *to, char *name, int name_len);
extern void *add_mi_object(void *to, char *name, int name_len);
extern int add_mi_string(void *to, char *name, int name_len, const char *value, int value_len);
extern int add_mi_number(void *to, char *name, int name_len, double value);
extern void free_mi_response(void *response);
extern int try_get_mi_string_param(const void *params, char *name, char **value, int *value_len);
extern void *init_mi_error_extra(int code, const char *msg, int msg_len, const char *details,
	int details_len);

/* ---- SQL databases ------------------------------------------------------------------------------ */

enum osips_db_type {
	OSIPS_DB_INT,
	OSIPS_DB_BIGINT,
	OSIPS_DB_DOUBLE,
	OSIPS_DB_STRING,
	OSIPS_DB_STR,
	OSIPS_DB_DATETIME,
	OSIPS_DB_BLOB,
	OSIPS_DB_BITMAP
};

typedef struct osips_db_val {
	enum osips_db_type type;
	int nul;
	int free;
	union {
		int int_val;
		long long bigint_val;
		double double_val;
		time_t time_val;
		const char *string_val;
		osips_str str_val;
		osips_str blob_val;
		unsigned int bitmap_val;
	} val;
} osips_db_val;

typedef struct osips_db_row {
	osips_db_val *values;
	int n;
} osips_db_row;

typedef struct osips_db_res {
	struct {
		osips_str **names;
		enum osips_db_type *types;
		int n;
	} col;
	osips_db_row *rows;
	int n;
	int res_rows;
	int last_row;
} osips_db_res;

/* 136 bytes in 3.4, 144 since 3.5. */
typedef struct osips_db_func {
	unsigned int cap;
	int (*use_table)(void *con, const osips_str *table);
	void *(*init)(const osips_str *url);
	void (*close)(void *con);
	int (*query)(const void *con, osips_str *const *keys, const char *const *ops,
		const osips_db_val *values, osips_str *const *columns, int n_keys, int n_columns,
		osips_str *order, osips_db_res **result);
	void *fetch_result;
	void *raw_query;
	int (*free_result)(void *con, osips_db_res *result);
	void *rest[10];
} osips_db_func;

extern int db_bind_mod(const osips_str *url, osips_db_func *dbf);
extern char *db_version_table __attribute__((weak));

/* ---- CacheDB ------------------------------------------------------------------------------------ */

/* 184 bytes in 3.4 and 3.5, 192 since 3.6 (iter_keys comes after what is used here). */
typedef struct osips_cachedb_funcs {
	void *(*init)(osips_str *url);
	void (*destroy)(void *con);
	void *get; /* returns memory from the core's allocator: not used */
	int (*get_counter)(void *con, osips_str *attr, int *val);
	int (*set)(void *con, osips_str *attr, osips_str *val, int expires);
	int (*remove)(void *con, osips_str *attr);
	void *remove_chunk;
	int (*add)(void *con, osips_str *attr, int val, int expires, int *new_val);
	int (*sub)(void *con, osips_str *attr, int val, int expires, int *new_val);
	void *rest[15];
} osips_cachedb_funcs;

extern int cachedb_bind_mod(osips_str *url, osips_cachedb_funcs *funcs);

/* ---- events ------------------------------------------------------------------------------------ */

enum { OSIPS_EVI_INT_VAL = 1, OSIPS_EVI_STR_VAL = 2 };

struct osips_evi_param {
	int flags;
	union {
		int n;
		osips_str s;
	} val;
	osips_str name;
	struct osips_evi_param *next;
};

/* With flags 0 it stays the caller's: nothing is freed. */
struct osips_evi_params {
	int flags;
	struct osips_evi_param *first;
	struct osips_evi_param *last;
};

/* The number of the event, negative on failure. Only at start. */
extern int evi_publish_event(osips_str name);
/* Whether anybody has subscribed. */
extern int evi_probe_event(int event);
extern int evi_raise_event(int event, struct osips_evi_params *params);

/* ---- status and reports ------------------------------------------------------------------------ */

enum { OSIPS_SR_STATUS_NOT_READY = -1, OSIPS_SR_STATUS_READY = 1 };

extern void *sr_register_group(char *name, int name_len, int is_public);
extern int sr_register_identifier(void *group, char *identifier, int identifier_len, int status,
	char *text, int text_len, int max_reports);
extern int sr_set_status(void *group, char *identifier, int identifier_len, int status, char *text,
	int text_len, int is_public);
extern int sr_add_report(void *group, char *identifier, int identifier_len, char *report,
	int report_len, int is_public);

/* ---- requests of our own: the module tm, where it is loaded ------------------------------------ */

enum {
	OSIPS_PROC_FLAG_INITCHILD = 1 << 0,
	OSIPS_PROC_FLAG_NEEDS_SCRIPT = 1 << 2
};

/* The routes of the script, never read: where there are to be none, this is all zero. */
struct osips_script_routes {
	char room[12288];
};

/* NULL in a process without PROC_FLAG_NEEDS_SCRIPT, which tm can't do with. */
extern struct osips_script_routes *sroutes __attribute__((weak));

enum { OSIPS_DLG_CONFIRMED = 2 };
enum { OSIPS_TMCB_LOCAL_COMPLETED = 1 << 8 };
enum { OSIPS_T_NO_DNS_FAILOVER_FLAG = 1 << 7 };
/* In place of a reply, where none has come. */
enum { OSIPS_FAKED_REPLY = -1 };

struct osips_dlg_id {
	osips_str call_id;
	osips_str rem_tag;
	osips_str loc_tag;
};

struct osips_dlg_seq {
	unsigned int value;
	unsigned char is_set;
};

struct osips_dlg_hooks {
	osips_str ru;
	osips_str nh;
	osips_str *request_uri;
	osips_str *next_hop;
	void *first_route;
	osips_str *last_route;
};

/* What is to be in a request. Ours: read during the call alone. */
struct osips_dlg {
	struct osips_dlg_id id;
	struct osips_dlg_seq loc_seq;
	struct osips_dlg_seq rem_seq;
	osips_str loc_uri;
	osips_str rem_uri;
	osips_str obp;
	unsigned int forced_to_su[7];
	osips_str rem_target;
	osips_str loc_dname;
	osips_str rem_dname;
	unsigned int T_flags;
	int state;
	void *route_set;
	struct osips_dlg_hooks hooks;
	const void *send_sock;
	const void *pref_sock;
	unsigned short mf_enforced;
	unsigned short mf_value;
	void *dialog_ctx;
	void *avps;
	void *t_created_cb;
	void *t_created_cb_param;
};

struct osips_tmcb_params {
	struct sip_msg *req;
	struct sip_msg *rpl;
	int code;
	void **param;
	void *extra1;
	void *extra2;
};

typedef void (*osips_tm_callback)(void *cell, int type, struct osips_tmcb_params *params);
/* 1 if it was sent. The CSeq is counted up first. */
typedef int (*osips_tm_request)(osips_str *method, osips_str *headers, osips_str *body,
	struct osips_dlg *dialog, osips_tm_callback callback, void *param, void *release);

/* Later members differ; the core fills it. */
struct osips_tm_binds {
	void *register_tmcb;
	void *others[11];
	osips_tm_request t_request_within;
	void *rest[51];
};

typedef int (*osips_load_tm)(struct osips_tm_binds *binds);
/* A function that a loaded module exports, here load_tm; NULL if none does. */
extern osips_load_tm find_export(const char *name, int flags) __attribute__((weak));

#endif
