/*
 * The narrow interface between the C shim (src/shim/) and the Rust code, bound by bindgen.
 *
 * aw_*    is implemented in C: what the Rust code may ask of the OpenSIPS core.
 * aw_rs_* is implemented in Rust (src/lib.rs): what the core, through the shim's tables, asks of us.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef AUTH_WEB_H
#define AUTH_WEB_H

#include <stddef.h>
#include <stdint.h>

#include "exports.h"

/* Bytes that the callee only reads, and only during the call; s may be NULL where len is 0. */
typedef struct aw_str {
	const char *s;
	size_t len;
} aw_str;

/* A SIP request and a pseudo-variable's specification: opaque on both sides. */
typedef void aw_msg;
typedef void aw_spec;

/* ---- log (dprint) ---- */
enum aw_level { AW_ERR = -1, AW_WARN = 1, AW_NOTICE = 2, AW_INFO = 3, AW_DBG = 4 };
int aw_log_enabled(int level);
/* Writes one line; control characters in msg have been replaced by the caller. */
void aw_log(int level, const char *function, aw_str msg);

/* ---- the hosting core ---- */
/* The release of the core as major * 100 + minor (304, 305, 306, 400), 0 if it is unknown. */
int aw_core_release(void);

/* The path of another copy of this module, or of OpenSIPS's auth_jwt, that is loaded as well; NULL if there is
 * none. Valid until the next call. */
const char *aw_other_module(void);
/* Whether the script is only to be checked (opensips -C): there is no mod_init then. */
int aw_is_check(void);
/* The name of a parameter, NULL if there are not as many. */
const char *aw_parameter_name(int number);

/* From mod_init: asks for the process that runs aw_rs_loader. */
void aw_want_loader(void);
/* From mod_init: asks for the process that runs aw_rs_chores. */
void aw_want_chores(void);
/* From mod_init: asks for the process that runs aw_rs_trunks. */
void aw_want_trunks(void);

/* ---- pseudo-variables (pv_parse_spec, pv_get_spec_value, pv_set_value) ---- */
enum aw_kind { AW_NULL = 0, AW_INT = 1, AW_TEXT = 2 };
typedef struct aw_value {
	enum aw_kind kind;
	int number;
	aw_str text; /* valid until the next call into the core */
} aw_value;
/* Parses text, which must be exactly one pseudo-variable. NULL if it is not. The result is never
 * freed: specifications live as long as the process. */
aw_spec *aw_pv_parse(aw_str text);
/* Has the module tm take the CSeq of its own ACK and CANCEL from what it has sent. */
void aw_use_sent_cseq(aw_msg *msg);
int aw_pv_get(aw_msg *msg, aw_spec *spec, aw_value *out);
int aw_pv_set(aw_msg *msg, aw_spec *spec, const aw_value *value);

/* ---- AVPs (parse_avp_spec, add_avp) ---- */
int aw_avp_id(aw_str name, int *id);
int aw_avp_add(int id, const aw_value *value);

/* ---- where the core listens (check_self) ---- */
/* Whether the host is this machine, at this port, or at any if port is 0. */
int aw_is_myself(aw_str host, unsigned short port);

/* ---- requests of our own (load_tm, t_request_within) ---- */
/* Looks for the module tm. Only in mod_init. Non-zero if it is not loaded. */
int aw_uac_load(void);
typedef struct aw_outgoing {
	aw_str method;
	aw_str request_uri;
	aw_str next_hop; /* the URI to which it is sent */
	aw_str from;     /* URIs */
	aw_str to;
	aw_str call_id;
	aw_str from_tag;
	aw_str headers; /* lines, each with its end */
	unsigned int cseq;
} aw_outgoing;
/* Sends a request; its answer comes to aw_rs_answered, with that number. Non-zero if it was not sent, and there will
 * be none. Only in a process that has the script. */
int aw_uac_send(const aw_outgoing *request, uint64_t number);

/* ---- SQL databases (the DB API; query only) ---- */
typedef struct aw_db aw_db;
/* The result of db_bind_mod for this URL: NULL if no module serves it. */
aw_db *aw_db_bind(aw_str url);
/* A connection of this process, NULL on failure. */
void *aw_db_open(aw_db *db, aw_str url);
void aw_db_close(aw_db *db, void *con);
/* One query: columns of table where each of the keys, two at most, has its value (all rows without keys).
 * Negative on failure. The result is read with aw_db_rows and aw_db_cell and released with
 * aw_db_free; some drivers leave it NULL if there are no rows. */
int aw_db_query(aw_db *db, void *con, aw_str table, const aw_str *columns, int n_columns,
	const aw_str *keys, const aw_str *key_values, int n_keys, void **result);
int aw_db_rows(const void *result);
enum aw_cell_kind { AW_CELL_NULL, AW_CELL_INT, AW_CELL_DOUBLE, AW_CELL_TEXT, AW_CELL_TIME };
typedef struct aw_cell {
	enum aw_cell_kind kind;
	int64_t number; /* AW_CELL_INT, and AW_CELL_TIME in UNIX seconds */
	double real;
	aw_str text; /* valid until aw_db_free */
} aw_cell;
int aw_db_cell(const void *result, int row, int column, aw_cell *out);
void aw_db_free(aw_db *db, void *con, void *result);
/* Name of the table that holds the table versions. */
const char *aw_db_version_table(void);

/* ---- CacheDB (counters only) ---- */
typedef struct aw_cachedb aw_cachedb;
aw_cachedb *aw_cachedb_bind(aw_str url);
void *aw_cachedb_open(aw_cachedb *cdb, aw_str url);
void aw_cachedb_close(aw_cachedb *cdb, void *con);
int aw_cachedb_set(aw_cachedb *cdb, void *con, aw_str key, aw_str value, int expires);
int aw_cachedb_add(aw_cachedb *cdb, void *con, aw_str key, int n, int expires, int *new_value);
/* 1 if found, 0 if not, negative on failure. */
int aw_cachedb_counter(aw_cachedb *cdb, void *con, aw_str key, int *value);

/* ---- statistics ---- */
/* Registers them under AW_OWN_NAME as well, for a module that was loaded as auth_jwt.so. Only in mod_init.
 * Non-zero on failure. */
int aw_register_own_statistics(void);
/* Where a counter is, to be counted up atomically: under the name of the module (0), and under AW_OWN_NAME as
 * well (1). NULL if it is not registered. */
unsigned long *aw_counter(unsigned int name, unsigned int statistic);

/* ---- events, status and reports ---- */
/* The most parameters of an event. */
enum { AW_EVENT_PARAMS = 12 };
/* A parameter of an event: text, or number if text.s is NULL. */
typedef struct aw_event_param {
	aw_str name;
	aw_str text;
	int number;
} aw_event_param;
/* Publishes all events. Only in mod_init. Non-zero on failure. */
int aw_events_publish(void);
/* Whether anybody has subscribed to it. */
int aw_event_wanted(enum aw_event event);
/* Whether the script runs the route of an event. */
int aw_in_event_route(void);
/* Raises it, with at most AW_EVENT_PARAMS parameters: those who have subscribed are told before this returns, or a
 * route of the script is run. Non-zero on failure. */
int aw_event_raise(enum aw_event event, const aw_event_param *params, unsigned int n);
/* Registers the identifiers. Only in mod_init. Non-zero on failure. */
int aw_reports_register(void);
/* Sets the status of an identifier, and adds a report of it. */
void aw_report(enum aw_report report, int is_ready, aw_str text);
/* Whether the core can have one of its workers do something. */
int aw_has_workers(void);
/* Has a worker call aw_rs_told with this, soon. Not 0 if that can't be. */
int aw_tell_worker(void *notice);

/* ---- management interface ---- */
/* A parameter of a command, which may be text or a number of 32 bits. 0 if it is not there, negative if
 * it is neither. Valid until the next one is read. */
int aw_mi_param(const void *params, const char *name, aw_str *out);
/* Answers; NULL if there is no memory. That of an object has lists of objects with texts and numbers in
 * it, each non-zero or NULL if there is no memory. */
void *aw_mi_ok(void);
void *aw_mi_error(int code, aw_str message);
void *aw_mi_object(void **object);
void *aw_mi_list(void *object, const char *name);
void *aw_mi_element(void *list);
void *aw_mi_child(void *object, const char *name);
int aw_mi_text(void *object, const char *name, aw_str value);
int aw_mi_number(void *object, const char *name, double value);
/* Frees an answer that is not given. */
void aw_mi_free(void *response);

/* ---- entry points ---- */

/* One modparam: text, or number if text is NULL. A negative result refuses it. */
int aw_rs_modparam(const char *name, const char *text, int number);
int aw_rs_mod_init(void);
/* The script calls jwt_authorize. */
void aw_rs_judges(void);
int aw_rs_child_init(int rank);
void aw_rs_destroy(void);
/* Tells, in a worker, what another process has found out, and has put there. */
void aw_rs_told(void *notice);

/* What an asynchronous function leaves for the shim: nothing (fd is -1, and queued 0) if the work
 * is already done and the function's return value is the script's return code. */
typedef struct aw_async {
	int fd;
	int queued; /* it waits without a descriptor, and is resumed by aw_queue_resume */
	void *param;
	void *ctx; /* given by the shim for aw_queue_resume; NULL if a descriptor is required */
} aw_async;
/* Continues an asynchronous call. Returns the script's return code; or, if again->fd or
 * again->queued is set, the call waits again with the same param. It does not after a time-out. */
int aw_rs_resume(aw_msg *msg, void *param, int timed_out, aw_async *again);

/* ---- resuming without a descriptor for each call (async_script_resume_f, register_async_fd) ---- */
/* Has the core call aw_rs_ready whenever the descriptor is readable, as long as the process lives.
 * Non-zero if the process has no reactor. */
int aw_queue_watch(int fd);
/* Resumes a queued call: aw_rs_resume is called before this returns. */
void aw_queue_resume(void *ctx);
/* Queued calls are ready to be resumed. */
void aw_rs_ready(void);

/* Runs a script function with AW_MAX_ARGUMENTS arguments, NULL where the script gives none; async
 * is NULL for a synchronous call. Returns the script's return code. */
int aw_rs_call(enum aw_function function, aw_msg *msg, void *const *arguments, aw_async *async);
/* The kinds of each function's arguments: enum aw_argument. */
extern const unsigned char aw_arguments[][AW_MAX_ARGUMENTS];
/* Its name. */
const char *aw_function_name(enum aw_function function);

/* The process of cache_mode "preload". Never returns. */
void aw_rs_loader(void);
/* The process of what is done at intervals. Never returns. */
void aw_rs_chores(void);
/* The process that sends requests of its own. Never returns. */
void aw_rs_trunks(void);

/* The answer to a request of our own, in any process; reply is NULL if none has come in time. */
void aw_rs_answered(uint64_t number, int code, aw_msg *reply);

/* A command of the management interface; its answer, NULL if there is none. */
void *aw_rs_command(enum aw_command command, const void *params);

unsigned long aw_rs_gauge(enum aw_gauge gauge);

#endif
