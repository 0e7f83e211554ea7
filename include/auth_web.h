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

/* A SIP request, a pseudo-variable's specification: opaque on both sides. */
typedef void aw_msg;
typedef void aw_spec;

/* ---- log (dprint) ---- */
enum aw_level { AW_ERR = -1, AW_WARN = 1, AW_NOTICE = 2, AW_INFO = 3, AW_DBG = 4 };
int aw_log_enabled(int level);
/* Writes one line; control characters in msg have been replaced by the caller. */
void aw_log(int level, const char *function, aw_str msg);

/* ---- the hosting core ---- */
/* The release of the core as major * 100 + minor (304, 305, 306, 400), 0 where it is unknown. */
int aw_core_release(void);

/* From mod_init: asks for the process that runs aw_rs_loader. */
void aw_want_loader(void);

/* ---- pseudo-variables (pv_parse_spec, pv_get_spec_value, pv_set_value) ---- */
enum aw_kind { AW_NULL = 0, AW_INT = 1, AW_TEXT = 2 };
typedef struct aw_value {
	enum aw_kind kind;
	int number;
	aw_str text; /* valid until the next call into the core */
} aw_value;
/* Parses text, which must be one pseudo-variable and nothing behind it. NULL where it is not. The
 * result is never freed: specifications live as long as the process. */
aw_spec *aw_pv_parse(aw_str text);
int aw_pv_get(aw_msg *msg, aw_spec *spec, aw_value *out);
int aw_pv_set(aw_msg *msg, aw_spec *spec, const aw_value *value);

/* ---- AVPs (parse_avp_spec, add_avp) ---- */
int aw_avp_id(aw_str name, int *id);
int aw_avp_add(int id, const aw_value *value);

/* ---- SQL databases (the DB API; query only) ---- */
typedef struct aw_db aw_db;
/* What db_bind_mod says to this URL: NULL where no module serves it. */
aw_db *aw_db_bind(aw_str url);
/* A connection of this process, NULL on failure. */
void *aw_db_open(aw_db *db, aw_str url);
void aw_db_close(aw_db *db, void *con);
/* One query: columns of table where key_column = key_value (all rows where key_column.s is NULL).
 * Negative on failure. The result is read with aw_db_rows and aw_db_cell and released with
 * aw_db_free; some drivers leave it NULL where there are no rows. */
int aw_db_query(aw_db *db, void *con, aw_str table, const aw_str *columns, int n_columns,
	aw_str key_column, aw_str key_value, void **result);
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
/* Name of the table that holds the versions of tables. */
const char *aw_db_version_table(void);

/* ---- CacheDB (counters only) ---- */
typedef struct aw_cachedb aw_cachedb;
aw_cachedb *aw_cachedb_bind(aw_str url);
void *aw_cachedb_open(aw_cachedb *cdb, aw_str url);
void aw_cachedb_close(aw_cachedb *cdb, void *con);
int aw_cachedb_set(aw_cachedb *cdb, void *con, aw_str key, aw_str value, int expires);
int aw_cachedb_add(aw_cachedb *cdb, void *con, aw_str key, int n, int expires, int *new_value);
/* 1 found, 0 not there, negative on failure. */
int aw_cachedb_counter(aw_cachedb *cdb, void *con, aw_str key, int *value);

/* ---- entry points ---- */

/* One modparam: text, or number where text is NULL. Negative refuses it. */
int aw_rs_modparam(const char *name, const char *text, int number);
int aw_rs_mod_init(void);
int aw_rs_child_init(int rank);
void aw_rs_destroy(void);

/* What an asynchronous function leaves for the shim: nothing (fd is -1, and queued 0) where the
 * work is already done and the function's return value is the script's return code. */
typedef struct aw_async {
	int fd;
	int queued; /* it waits without a descriptor, and is resumed by aw_queue_resume */
	void *param;
	void *ctx; /* given by the shim: what aw_queue_resume takes, NULL where a descriptor must do */
} aw_async;
/* Goes on with an asynchronous call: the script's return code, or, with again->fd or again->queued
 * set, another wait with the same param. After a time-out there is no other wait. */
int aw_rs_resume(aw_msg *msg, void *param, int timed_out, aw_async *again);

/* ---- resuming without a descriptor for each call (async_script_resume_f, register_async_fd) ---- */
/* Has the core call aw_rs_ready whenever the descriptor is readable, as long as the process lives.
 * Non-zero where the process has no reactor. */
int aw_queue_watch(int fd);
/* Resumes a call that said it was queued: aw_rs_resume is called before this returns. */
void aw_queue_resume(void *ctx);
/* Calls that were queued are ready to be resumed. */
void aw_rs_ready(void);

/* A script function with its arguments, as many as AW_MAX_ARGUMENTS, NULL where the script gives none;
 * async is NULL for the plain call. The script's return code. */
int aw_rs_call(enum aw_function function, aw_msg *msg, void *const *arguments, aw_async *async);
/* What the arguments of each function are: enum aw_argument. */
extern const unsigned char aw_arguments[][AW_MAX_ARGUMENTS];
/* Its name. */
const char *aw_function_name(enum aw_function function);

/* The process of cache_mode "preload". Never returns. */
void aw_rs_loader(void);

/* A command of the management interface. Non-zero where the module is not set up. */
int aw_rs_command(enum aw_command command);

unsigned long aw_rs_statistic(enum aw_statistic statistic);

#endif
