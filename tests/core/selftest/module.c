/*
 * module.c - a small module for the self-test of the stand-in core: a bit of everything that a
 * module does. Like the real one, it takes its stamps and layouts from the core that loads it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../abi.h"
#include "../pvar.h"

/* ---- what is imported ---- */

extern int async_status;
extern char *log_prefix;
int dp_my_pid(void);
void dprint(int level, int facility, const char *module, const char *func, char *stderr_fmt, char *syslog_fmt,
	    char *format, ...);
int add_avp(unsigned short flags, int id, int_str val);
int parse_avp_spec(const str *name, int *id);
int db_bind_mod(const str *mod, struct db_func *out);
int cachedb_bind_mod(str *url, void *funcs);
struct mi_item *init_mi_result_string(const char *value, int len);
struct mi_item *init_mi_result_object(struct mi_item **object);
struct mi_item *add_mi_array(struct mi_item *to, char *name, int name_len);
struct mi_item *add_mi_object(struct mi_item *to, char *name, int name_len);
int add_mi_string(struct mi_item *to, char *name, int name_len, const char *value, int value_len);
int add_mi_number(struct mi_item *to, char *name, int name_len, double value);
int try_get_mi_string_param(const struct mi_params *params, char *name, char **value, int *value_len);

#define SAY(text) dprint(L_NOTICE, 0, "selftest", __func__, "%s [%d] %sNOTICE:selftest:%s: " text "\n", "", "", "now", \
			 dp_my_pid(), log_prefix, __func__)

/* ---- parameters ---- */

static char p_text[32];
static int p_number = -1;

static int set_text(unsigned int type, void *val)
{
	if (type != PARAM_STR || strcmp(val, "refuse me") == 0)
		return -1;
	snprintf(p_text, sizeof p_text, "%s", (char *)val);
	return 0;
}

static int set_number(unsigned int type, void *val)
{
	(void)type;
	p_number = (int)(long)val;
	return 0;
}

static const struct param_export params[] = {
	{"text", PARAM_STR | PARAM_USE_FUNC, (void *)set_text},
	{"number", PARAM_INT | PARAM_USE_FUNC, (void *)set_number},
	{NULL, 0, NULL},
};

/* ---- functions ---- */

static int put(struct sip_msg *msg, struct pv_spec *out, str s)
{
	struct pv_value v = {.rs = s, .flags = PV_VAL_STR};
	return pv_set_value(msg, out, 0, &v) < 0 ? -1 : 1;
}

static int st_params(struct sip_msg *msg, struct pv_spec *out)
{
	char text[128];
	int n = snprintf(text, sizeof text, "%s/%d", p_text, p_number);
	return put(msg, out, (str){text, n});
}

static int st_join(struct sip_msg *msg, str *a, str *b, int *n, struct pv_spec *out)
{
	char text[512];
	int len = snprintf(text, sizeof text, "%.*s+%.*s+%d", FMT_STR(*a), b ? b->len : 4, b ? b->s : "none", n ? *n : -1);
	return put(msg, out, (str){text, len});
}

static int st_ret(struct sip_msg *msg, int *n)
{
	(void)msg;
	return *n;
}

static int st_avp(struct sip_msg *msg, str *name, str *value)
{
	(void)msg;
	int id;
	int_str v = {.s = *value};
	return parse_avp_spec(name, &id) == 0 && add_avp(AVP_VAL_STR, id, v) == 0 ? 1 : -1;
}

/* The fixup of an output: it must be a writable variable. */
static int fix_out(void **param)
{
	const struct pv_spec *spec = *param;
	return spec && spec->setf ? 0 : -1;
}

/* st_get(text, out): the value of $(hdr(X-Test)), as read by the module itself. */
static int st_get(struct sip_msg *msg, str *text, struct pv_spec *out)
{
	static struct pv_spec *spec;
	str name = STR("$(hdr(X-Test))");
	struct pv_value v;
	char both[256];

	if (!spec) {
		spec = calloc(1, sizeof *spec);
		if (pv_parse_spec(&name, spec) != name.s + name.len)
			return -2;
	}
	if (pv_get_spec_value(msg, spec, &v) != 0 || !(v.flags & PV_VAL_STR))
		return -3;
	return put(msg, out, (str){both, snprintf(both, sizeof both, "%.*s: %.*s", FMT_STR(*text), FMT_STR(v.rs))});
}

/* st_db(url, table, key, out): the column `value` of the row whose `name` is key, with its type. */
static int st_db(struct sip_msg *msg, str *url, str *table, str *key, struct pv_spec *out)
{
	struct db_func f;
	struct db_con *con;
	struct db_res *res = NULL;
	str name_col = STR("name"), value_col = STR("value"), number_col = STR("number");
	str *keys[] = {&name_col}, *cols[] = {&value_col, &number_col};
	struct db_val val = {.type = DB_STR, .val.s = *key};
	char text[256];
	int ret;

	if (db_bind_mod(url, &f) < 0)
		return -2;
	if (!(con = f.init(url)))
		return -3;
	if (f.use_table(con, table) < 0 || f.query(con, keys, NULL, &val, cols, 1, 2, NULL, &res) < 0) {
		ret = -5;
	} else {
		const struct db_val *v = res->n ? res->rows[0].values : NULL;
		int n = !v ? 0
			   : snprintf(text, sizeof text, "%d rows, %d:%s, %d:%d", res->n, v[0].type,
				      v[0].nul ? "NULL" : v[0].val.z, v[1].type, v[1].nul ? -1 : v[1].val.i);
		ret = v ? put(msg, out, (str){text, n}) : -6;
		f.free_result(con, res);
	}
	f.close(con);
	return ret;
}

/* st_count(url, key, out): sets it to 3, adds 5, subtracts 1, reads it, removes it and reads again. */
static int st_count(struct sip_msg *msg, str *url, str *key, struct pv_spec *out)
{
	union {
		struct cdb_func_34 v34;
		struct cdb_func_36 v36;
	} f;
	int a = 0, b = 0, c = -1, d = -1;
	str three = STR("3");
	char text[128];

	if (cachedb_bind_mod(url, &f) < 0)
		return -2;
	struct cdb_base *base = &f.v34.base;
	int cap = abi.cdb_has_iter_keys ? f.v36.capability : f.v34.capability;
	struct cdb_con *con = base->init(url);
	base->set(con, key, &three, 60);
	base->add(con, key, 5, 60, &a);
	base->add(con, key, -1, 60, &b);
	base->get_counter(con, key, &c);
	base->remove(con, key);
	int gone = base->get_counter(con, key, &d);
	base->destroy(con);
	int n = snprintf(text, sizeof text, "%d %d %d %d %d", a, b, c, gone, cap & 14);
	return put(msg, out, (str){text, n});
}

static int st_crash(struct sip_msg *msg)
{
	(void)msg;
	raise(SIGSEGV);
	return 1;
}

/* ---- async ---- */

struct wait {
	int fd, ms;
	pthread_t thread;
	struct pv_spec *out;
	bool twice;
};

static void *wait_thread(void *arg)
{
	struct wait *w = arg;
	struct timespec t = {w->ms / 1000, w->ms % 1000 * 1000000L};
	uint64_t one = 1;
	nanosleep(&t, NULL);
	(void)!write(w->fd, &one, sizeof one);
	return NULL;
}

static int wait_over(struct wait *w, struct sip_msg *msg, const char *how)
{
	pthread_join(w->thread, NULL);
	int ret = put(msg, w->out, str_of(how)) > 0 ? 7 : -1;
	async_status = ASYNC_DONE_CLOSE_FD;
	free(w);
	return ret;
}

static int wait_resume(int fd, struct sip_msg *msg, void *param)
{
	struct wait *w = param;
	uint64_t n;
	(void)!read(fd, &n, sizeof n);
	if (!w->twice) {
		/* The first time it keeps waiting, for another descriptor, which is ready at once. */
		w->twice = true;
		int other = eventfd(1, EFD_CLOEXEC);
		close(fd);
		async_status = ASYNC_CHANGE_FD;
		return other;
	}
	return wait_over(w, msg, "waited");
}

static int wait_timeout(int fd, struct sip_msg *msg, void *param)
{
	(void)fd;
	return wait_over(param, msg, "timed out");
}

static int st_wait(struct sip_msg *msg, union async_ctx *ctx, int *ms, struct pv_spec *out)
{
	(void)msg;
	if (*ms == 0) {
		async_status = ASYNC_SYNC;
		return put(msg, out, STR("at once")) > 0 ? 8 : -1;
	}
	struct wait *w = calloc(1, sizeof *w);
	sigset_t all, old;

	w->ms = *ms;
	w->out = out;
	w->fd = eventfd(0, EFD_CLOEXEC);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_create(&w->thread, NULL, wait_thread, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (abi.async_has_name) {
		ctx->v40.resume_f = (void *)wait_resume;
		ctx->v40.resume_f_name = "wait_resume";
		ctx->v40.resume_param = w;
		ctx->v40.timeout_f = (void *)wait_timeout;
	} else {
		ctx->v34.resume_f = (void *)wait_resume;
		ctx->v34.resume_param = w;
		ctx->v34.timeout_f = (void *)wait_timeout;
	}
	async_status = w->fd;
	return 1;
}

static const struct cmd_export cmds[] = {
	{"st_params", (cmd_fn)(void *)st_params, {{CMD_VAR, fix_out, NULL}}, ROUTE_REQUEST},
	{"st_join",
	 (cmd_fn)(void *)st_join,
	 {{CMD_STR}, {CMD_STR | CMD_OPT}, {CMD_INT | CMD_OPT}, {CMD_VAR, fix_out, NULL}},
	 ROUTE_REQUEST},
	{"st_ret", (cmd_fn)(void *)st_ret, {{CMD_INT}}, ROUTE_REQUEST},
	{"st_avp", (cmd_fn)(void *)st_avp, {{CMD_STR}, {CMD_STR}}, ROUTE_REQUEST},
	{"st_get", (cmd_fn)(void *)st_get, {{CMD_STR}, {CMD_VAR}}, ROUTE_REQUEST},
	{"st_db", (cmd_fn)(void *)st_db, {{CMD_STR}, {CMD_STR}, {CMD_STR}, {CMD_VAR}}, ROUTE_REQUEST},
	{"st_count", (cmd_fn)(void *)st_count, {{CMD_STR}, {CMD_STR}, {CMD_VAR}}, ROUTE_REQUEST},
	{"st_crash", (cmd_fn)(void *)st_crash, {{0}}, ROUTE_REQUEST},
	{"st_only_startup", (cmd_fn)(void *)st_crash, {{0}}, ROUTE_STARTUP},
	{NULL},
};

static const struct acmd_export acmds[] = {
	{"st_wait", (acmd_fn)(void *)st_wait, {{CMD_INT}, {CMD_VAR}}},
	{NULL},
};

/* ---- statistics and MI ---- */

static unsigned long answer(void *ctx)
{
	(void)ctx;
	return 42;
}

static const struct stat_export stats[] = {
	{"answer", STAT_IS_FUNC, (void *)answer},
	{NULL, 0, NULL},
};

static struct mi_item *mi_hello(const struct mi_params *p, struct mi_handler *h)
{
	(void)p, (void)h;
	return init_mi_result_string("hello", 5);
}

static struct mi_item *mi_hello_to(const struct mi_params *p, struct mi_handler *h)
{
	struct mi_item *object, *list, *response = init_mi_result_object(&object);
	char *name;
	int len;

	(void)h;
	list = add_mi_array(object, "hello", 5);
	if (try_get_mi_string_param(p, "name", &name, &len) == 0)
		add_mi_string(add_mi_object(list, NULL, 0), "to", 2, name, len);
	add_mi_number(object, "times", 5, try_get_mi_string_param(p, "times", &name, &len) == 0 ? atoi(name) : 1);
	return response;
}

static const struct mi_export_10 mi_10[] = {
	{"st_hello", "greets", 0, NULL,
		{{mi_hello, {NULL}}, {mi_hello_to, {"name"}}, {mi_hello_to, {"name", "times"}}}},
	{NULL},
};

static const struct mi_export_20 mi_20[] = {
	{"st_hello", "greets", 0, NULL,
		{{mi_hello, {NULL}}, {mi_hello_to, {"name"}}, {mi_hello_to, {"name", "times"}}}, {NULL}},
	{NULL},
};

/* ---- a process of its own ---- */

/* It never returns, and ignores the core's exit. */
static void process(int no)
{
	(void)no;
	SAY("process");
	for (;;)
		pause();
}

static const struct proc_export procs[] = {
	{"selftest process", NULL, NULL, process, 1, 0},
	{NULL},
};

/* ---- life ---- */

static int mod_init(void)
{
	if (p_number == 666)
		return -1;
	SAY("mod_init");
	return 0;
}

static int child_init(int rank)
{
	if (rank == 1)
		SAY("child_init of the first worker");
	return 0;
}

static void mod_destroy(void)
{
	SAY("mod_destroy");
}

struct module_exports exports = {
	.name = "selftest",
	.type = MOD_DEFAULT,
	.cmds = cmds,
	.acmds = acmds,
	.params = params,
	.stats = stats,
	.procs = procs,
	.init = mod_init,
	.child_init = child_init,
	.destroy = mod_destroy,
};

/* The same as the core's, filled in from the version in its stamp. */
struct abi_shape abi;

__attribute__((constructor)) static void take_stamps(void)
{
	const char *number = strpbrk(proto_udp_exports.stamps.version, "0123456789");
	int major = 0, minor = 0;

	exports.stamps = proto_udp_exports.stamps;
	if (number)
		sscanf(number, "%d.%d", &major, &minor);
	int v = major * 100 + minor;
	abi.async_has_name = abi.wide_mi = v >= 400;
	abi.pv_has_flags = abi.cdb_has_iter_keys = v >= 306;
	exports.mi_cmds = abi.wide_mi ? (const void *)mi_20 : (const void *)mi_10;
	if (getenv("SELFTEST_OTHER_VERSION"))
		exports.stamps.version = "some other 1.2.3";
}
