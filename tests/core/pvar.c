/*
 * pvar.c - the pseudo-variable engine: parsing, reading, writing, formats. The variables themselves
 * are in pv_script.c and pv_sip.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "pvar.h"

#include <stdio.h>

#include "avp.h"
#include "modules.h"

int pv_print_buf_size = 20000;

/* ---- values ---- */

char *pv_scratch(size_t n)
{
	static char *ring[64];
	static unsigned int next;
	char **slot = &ring[next++ % COUNT_OF(ring)];

	free(*slot);
	*slot = xmalloc(n);
	return *slot;
}

int pv_get_null(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg, (void)p;
	if (!res)
		return -1;
	*res = (struct pv_value){.flags = PV_VAL_NULL};
	return 0;
}

int pv_put_str(struct pv_value *res, str s)
{
	if (!s.s)
		return pv_get_null(NULL, NULL, res);
	*res = (struct pv_value){.rs = s, .flags = PV_VAL_STR};
	return 0;
}

int pv_put_int(struct pv_value *res, int n)
{
	char *s = pv_scratch(16);
	*res = (struct pv_value){
		.rs = {s, snprintf(s, 16, "%d", n)}, .ri = n, .flags = PV_VAL_STR | PV_VAL_INT | PV_TYPE_INT};
	return 0;
}

int pv_get_uintval(struct sip_msg *msg, struct pv_param *p, struct pv_value *res, unsigned int v)
{
	(void)msg, (void)p;
	char *s = pv_scratch(16);
	*res = (struct pv_value){.rs = {s, snprintf(s, 16, "%u", v)},
				 .ri = (int)v,
				 .flags = PV_VAL_STR | PV_VAL_INT | PV_TYPE_INT};
	return 0;
}

int pv_get_sintval(struct sip_msg *msg, struct pv_param *p, struct pv_value *res, int v)
{
	(void)msg, (void)p;
	return pv_put_int(res, v);
}

int pv_get_strval(struct sip_msg *msg, struct pv_param *p, struct pv_value *res, str *v)
{
	(void)msg, (void)p;
	return pv_put_str(res, *v);
}

void pv_value_destroy(struct pv_value *val)
{
	if (val->flags & (PV_VAL_PKG | PV_VAL_SHM))
		free(val->rs.s);
	memset(val, 0, sizeof *val);
}

int pv_put_joined(struct pv_value *res, const str *items, int n)
{
	size_t total = 1;
	for (int i = 0; i < n; i++)
		total += (size_t)items[i].len + 2;
	char *s = pv_scratch(total), *p = s;
	for (int i = 0; i < n; i++) {
		if (i) {
			memcpy(p, ", ", 2);
			p += 2;
		}
		if (items[i].len)
			memcpy(p, items[i].s, (size_t)items[i].len);
		p += items[i].len;
	}
	return pv_put_str(res, (str){s, (int)(p - s)});
}

int pv_put_indexed(struct sip_msg *msg, struct pv_param *p, struct pv_value *res, const str *items, int n)
{
	int idx, how;

	if (pv_get_spec_index(msg, p, &idx, &how) != 0)
		return -1;
	if (how == PV_IDX_ALL && n > 0)
		return pv_put_joined(res, items, n);
	if (idx < 0)
		idx += n;
	if (idx < 0 || idx >= n)
		return pv_get_null(NULL, NULL, res);
	return pv_put_str(res, items[idx]);
}

/* ---- reading and writing ---- */

int pv_get_spec_value(struct sip_msg *msg, struct pv_spec *sp, struct pv_value *val)
{
	if (!msg || !sp || !sp->getf || !val || !sp->type) {
		LOG_ERR("bad parameters\n");
		return -1;
	}
	memset(val, 0, sizeof *val);
	if (sp->getf(msg, &sp->pvp, val) != 0)
		return pv_get_null(NULL, NULL, val);
	struct trans *t = *spec_trans(sp);
	if (t && trans_run(msg, t, val) != 0)
		return pv_get_null(NULL, NULL, val);
	return 0;
}

int pv_set_value(struct sip_msg *msg, struct pv_spec *sp, int op, struct pv_value *val)
{
	if (!msg || !sp || !sp->setf || !sp->type) {
		LOG_ERR("bad parameters\n");
		return -1;
	}
	return sp->setf(msg, &sp->pvp, op, val);
}

int pv_get_spec_index(struct sip_msg *msg, struct pv_param *p, int *idx, int *flags)
{
	*idx = 0;
	*flags = 0;
	switch (p->pvi.type) {
	case PV_IDX_ALL:
	case PV_IDX_APPEND:
		*flags = p->pvi.type;
		return 0;
	case PV_IDX_INT:
		*flags = PV_IDX_INT;
		*idx = p->pvi.u.ival;
		return 0;
	case PV_IDX_PVAR: {
		struct pv_value v;
		if (pv_get_spec_value(msg, p->pvi.u.dval, &v) != 0 || !(v.flags & PV_VAL_INT)) {
			LOG_ERR("an index is not a number\n");
			return -1;
		}
		*flags = PV_IDX_PVAR;
		*idx = v.ri;
		return 0;
	}
	default:
		return 0;
	}
}

int pv_get_avp_name(struct sip_msg *msg, struct pv_param *p, int *id, unsigned short *type)
{
	*type = 0;
	if (p->pvn.type == PV_NAME_INTSTR) {
		*id = p->pvn.u.isname.name.n;
		*type = (unsigned short)(p->pvn.u.isname.type & AVP_SCRIPT_FLAGS);
		return 0;
	}
	struct pv_value v;
	if (pv_get_spec_value(msg, p->pvn.u.dname, &v) != 0 || (v.flags & PV_VAL_NULL) || !v.rs.len)
		return -1;
	return parse_avp_spec(&v.rs, id);
}

int pv_get_spec_name(struct sip_msg *msg, struct pv_param *p, struct pv_value *name)
{
	if (p->pvn.type == PV_NAME_PVAR)
		return pv_get_spec_value(msg, p->pvn.u.dname, name);
	if (p->pvn.u.isname.type & AVP_NAME_STR)
		return pv_put_str(name, p->pvn.u.isname.name.s);
	return pv_put_int(name, p->pvn.u.isname.name.n);
}

/* ---- names and indexes ---- */

static bool dynamic_spec(const str *in, void **out)
{
	struct pv_spec *sp = xcalloc(1, sizeof *sp);
	char *end = pv_parse_spec(in, sp);
	if (!end || end != in->s + in->len) {
		free(sp);
		return false;
	}
	*out = sp;
	return true;
}

int pv_parse_name(struct pv_spec *sp, const str *in)
{
	if (in->len && in->s[0] == '$') {
		sp->pvp.pvn.type = PV_NAME_PVAR;
		return dynamic_spec(in, &sp->pvp.pvn.u.dname) ? 0 : -1;
	}
	sp->pvp.pvn.type = PV_NAME_INTSTR;
	sp->pvp.pvn.u.isname.type = AVP_NAME_STR;
	sp->pvp.pvn.u.isname.name.s = (str){str_dupz(*in), in->len};
	return 0;
}

int pv_parse_avp_name(struct pv_spec *sp, const str *in)
{
	if (in->len && in->s[0] == '$') {
		sp->pvp.pvn.type = PV_NAME_PVAR;
		return dynamic_spec(in, &sp->pvp.pvn.u.dname) ? 0 : -1;
	}
	sp->pvp.pvn.type = PV_NAME_INTSTR;
	sp->pvp.pvn.u.isname.type = 0;
	return parse_avp_spec(in, &sp->pvp.pvn.u.isname.name.n);
}

int pv_parse_index(struct pv_spec *sp, const str *in)
{
	long n;

	if (in->len && in->s[0] == '$') {
		sp->pvp.pvi.type = PV_IDX_PVAR;
		return dynamic_spec(in, &sp->pvp.pvi.u.dval) ? 0 : -1;
	}
	if (str_is(*in, "*")) {
		sp->pvp.pvi.type = PV_IDX_ALL;
		return 0;
	}
	if (!str_to_long(*in, &n) || n > INT32_MAX || n < INT32_MIN) {
		LOG_ERR("invalid index [%.*s]\n", FMT_STR(*in));
		return -1;
	}
	sp->pvp.pvi.type = PV_IDX_INT;
	sp->pvp.pvi.u.ival = (int)n;
	return 0;
}

int pv_init_iname(struct pv_spec *sp, int n)
{
	sp->pvp.pvn.type = PV_NAME_INTSTR;
	sp->pvp.pvn.u.isname.type = 0;
	sp->pvp.pvn.u.isname.name.n = n;
	return 0;
}

/* ---- parsing ---- */

static int get_marker(struct sip_msg *msg, struct pv_param *p, struct pv_value *res)
{
	(void)msg, (void)p;
	return pv_put_str(res, STR("$"));
}

static const struct pv_export *module_tables[32];
static size_t module_tables_n;

int pv_register(const struct pv_export *items)
{
	if (module_tables_n == COUNT_OF(module_tables))
		return -1;
	module_tables[module_tables_n++] = items;
	return 0;
}

static const struct pv_export *find_in(const struct pv_export *table, str name, bool inner)
{
	for (; table->name.s; table++)
		if (str_eq(table->name, name) && (table->parse_name != NULL) == inner)
			return table;
	return NULL;
}

/* Variables that a module of the real core brings, and so does the stand-in's when it is loaded. */
static bool owner_loaded(str name)
{
	if (str_is(name, "env"))
		return module_loaded("cfgutils");
	if (str_is(name, "stat"))
		return module_loaded("statistics");
	return true;
}

static const struct pv_export *find_export(str name, bool inner)
{
	if (!owner_loaded(name))
		return NULL;
	const struct pv_export *e = find_in(pv_script_table, name, inner);
	if (!e)
		e = find_in(pv_sip_table, name, inner);
	for (size_t i = 0; !e && i < module_tables_n; i++)
		e = find_in(module_tables[i], name, inner);
	return e;
}

static bool name_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
}

/* Takes what lies between here and the bracket that closes it; false where nothing does. */
static bool until_close(char **p, const char *end, char open, char close, str *inner)
{
	int depth = 0;
	inner->s = *p;
	for (; *p < end; (*p)++) {
		if (**p == open) {
			depth++;
		} else if (**p == close) {
			if (depth-- == 0) {
				inner->len = (int)(*p - inner->s);
				(*p)++;
				return true;
			}
		}
	}
	return false;
}

static char *parse_spec(const str *in, struct pv_spec *sp)
{
	char *p = in->s + 1;
	const char *end = in->s + in->len;
	bool wrapped = false;
	str name, inner = STR_NONE, part;

	if (p < end && *p == '(') {
		wrapped = true;
		p++;
	}
	if (p < end && *p == '$') {
		p++;
		if (wrapped && (p >= end || *p++ != ')'))
			return NULL;
		sp->type = PVT_MARKER;
		sp->getf = get_marker;
		return p;
	}
	name.s = p;
	while (p < end && name_char(*p))
		p++;
	name.len = (int)(p - name.s);
	if (!name.len)
		return NULL;
	if (p < end && *p == '(') {
		p++;
		if (!until_close(&p, end, '(', ')', &inner) || !inner.len)
			return NULL;
	}
	const struct pv_export *e = find_export(name, inner.s != NULL);
	if (!e) {
		LOG_ERR("unknown script var $%.*s%s, maybe a 'loadmodule' statement is missing?\n", FMT_STR(name),
			inner.s ? "()" : "");
		return NULL;
	}
	sp->type = e->type;
	sp->getf = e->getf;
	sp->setf = e->setf;
	if (e->init_param)
		e->init_param(sp, e->iparam);
	if (inner.s && e->parse_name(sp, &inner) != 0) {
		LOG_ERR("pvar \"%.*s\" has an invalid name param [%.*s]\n", FMT_STR(name), FMT_STR(inner));
		return NULL;
	}
	if (!wrapped)
		return p;
	if (p < end && *p == '[') {
		p++;
		if (!until_close(&p, end, '[', ']', &part) || !e->parse_index || e->parse_index(sp, &part) != 0) {
			LOG_ERR("pvar \"%.*s\" has an invalid index\n", FMT_STR(name));
			return NULL;
		}
	}
	if (p < end && *p == '{') {
		char *from = p;
		while (p < end && *p == '{') {
			p++;
			if (!until_close(&p, end, '{', '}', &part))
				return NULL;
		}
		struct trans *t = trans_parse((str){from, (int)(p - from)});
		if (!t)
			return NULL;
		*spec_trans(sp) = t;
	}
	if (p >= end || *p != ')')
		return NULL;
	return p + 1;
}

char *pv_parse_spec(const str *in, struct pv_spec *out)
{
	struct pv_spec sp;

	if (!in || !in->s || in->len < 2 || in->s[0] != '$' || !out) {
		LOG_ERR("bad parameters\n");
		return NULL;
	}
	memset(&sp, 0, sizeof sp);
	char *end = parse_spec(in, &sp);
	if (!end)
		LOG_ERR("not a valid script variable: [%.*s]\n", FMT_STR(*in));
	/* No more than the struct of this release: a module may have reserved just that. */
	memcpy(out, &sp, spec_size());
	return end;
}

void pv_spec_free(struct pv_spec *sp)
{
	free(sp);
}

/* ---- formats ---- */

int pv_parse_format(const str *in, struct pv_elem **el)
{
	struct pv_elem **tail = el;
	char *p = in ? in->s : NULL;

	if (!in || !in->s || !el)
		return -1;
	*el = NULL;
	const char *end = in->s + in->len;
	do {
		struct pv_elem *e = xcalloc(1, sizeof *e);
		*tail = e;
		tail = &e->next;
		char *dollar = p < end ? memchr(p, '$', (size_t)(end - p)) : NULL;
		e->text = (str){p, (int)((dollar ? dollar : end) - p)};
		if (!dollar)
			break;
		str rest = {dollar, (int)(end - dollar)};
		p = pv_parse_spec(&rest, &e->spec);
		if (!p) {
			pv_elem_free_all(*el);
			*el = NULL;
			return -1;
		}
		e->has_spec = true;
	} while (p < end);
	return 0;
}

int pv_elem_free_all(struct pv_elem *el)
{
	while (el) {
		struct pv_elem *next = el->next;
		free(el);
		el = next;
	}
	return 0;
}

bool pv_elem_is_plain(const struct pv_elem *el)
{
	return !el->next && !el->has_spec;
}

static bool print_into(struct sip_msg *msg, struct pv_elem *list, struct buf *out, size_t limit)
{
	for (; list; list = list->next) {
		buf_adds(out, list->text);
		if (list->has_spec) {
			struct pv_value v;
			if (pv_get_spec_value(msg, &list->spec, &v) == 0)
				buf_adds(out, v.flags & PV_VAL_NULL ? STR("<null>") : v.rs);
		}
		if (out->len >= limit) {
			LOG_ERR("buffer too small -- increase 'pv_print_buf_size' from [%zu]\n", limit);
			return false;
		}
	}
	return true;
}

int pv_printf(struct sip_msg *msg, struct pv_elem *list, char *out, int *len)
{
	struct buf b = {0};

	if (!msg || !list || !out || !len || *len <= 0)
		return -1;
	bool ok = print_into(msg, list, &b, (size_t)*len);
	if (ok) {
		if (b.len)
			memcpy(out, b.s, b.len);
		out[b.len] = 0;
		*len = (int)b.len;
	}
	buf_free(&b);
	return ok ? 0 : -1;
}

int pv_printf_s(struct sip_msg *msg, struct pv_elem *list, str *s)
{
	struct buf b = {0};

	if (pv_elem_is_plain(list)) {
		*s = list->text;
		return 0;
	}
	bool ok = print_into(msg, list, &b, (size_t)pv_print_buf_size);
	if (ok) {
		s->s = pv_scratch(b.len + 1);
		s->len = (int)b.len;
		memcpy(s->s, b.s ? b.s : "", b.len);
		s->s[b.len] = 0;
	}
	buf_free(&b);
	return ok ? 0 : -1;
}

int pv_print_spec(struct sip_msg *msg, struct pv_spec *sp, char *buf, int *len)
{
	struct pv_value v;

	if (!msg || !sp || !buf || !len || *len <= 0 || pv_get_spec_value(msg, sp, &v) != 0)
		return -1;
	if (v.flags & PV_VAL_NULL)
		v.rs = STR_NONE;
	if (v.rs.len >= *len)
		return -1;
	if (v.rs.len)
		memcpy(buf, v.rs.s, (size_t)v.rs.len);
	buf[v.rs.len] = 0;
	*len = v.rs.len;
	return 0;
}
