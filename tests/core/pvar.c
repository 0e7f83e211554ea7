/*
 * pvar.c - the pseudo-variable engine: parsing, reading, writing, formats. The variables themselves
 * are in pv_script.c and pv_sip.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "pvar.h"

#include <stdio.h>

/* The maximum length of a printed format: pv_print_buf_size of the core. */
enum { PRINT_MAX = 20000 };

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

int pv_put_null(struct pv_value *res)
{
	*res = (struct pv_value){.flags = PV_VAL_NULL};
	return 0;
}

int pv_put_str(struct pv_value *res, str s)
{
	if (!s.s)
		return pv_put_null(res);
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

void pv_value_destroy(struct pv_value *val)
{
	if (val->flags & PV_VAL_PKG)
		free(val->rs.s);
	memset(val, 0, sizeof *val);
}

int pv_put_indexed(struct sip_msg *msg, const struct pv_param *p, struct pv_value *res, const str *items, int n)
{
	int idx = p->pvi.type == PV_IDX_INT ? p->pvi.u.ival : 0;
	struct pv_value v;

	if (p->pvi.type == PV_IDX_PVAR) {
		if (pv_get_spec_value(msg, p->pvi.u.dval, &v) != 0 || !(v.flags & PV_VAL_INT)) {
			LOG_ERR("an index is not a number\n");
			return -1;
		}
		idx = v.ri;
	}
	if (idx < 0)
		idx += n;
	return idx >= 0 && idx < n ? pv_put_str(res, items[idx]) : pv_put_null(res);
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
		return pv_put_null(val);
	struct trans *t = *spec_trans(sp);
	if (t && trans_run(msg, t, val) != 0)
		return pv_put_null(val);
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

/* ---- names and indexes ---- */

int pv_parse_name(struct pv_spec *sp, const str *in)
{
	sp->pvp.pvn.type = PV_NAME_INTSTR;
	sp->pvp.pvn.u.isname.type = AVP_NAME_STR;
	sp->pvp.pvn.u.isname.name.s = (str){str_dupz(*in), in->len};
	return 0;
}

int pv_parse_index(struct pv_spec *sp, const str *in)
{
	long n;

	if (in->len && in->s[0] == '$') {
		struct pv_spec *spec = xcalloc(1, sizeof *spec);
		sp->pvp.pvi.type = PV_IDX_PVAR;
		sp->pvp.pvi.u.dval = spec;
		return pv_parse_spec(in, spec) == in->s + in->len ? 0 : -1;
	}
	if (!str_to_long(*in, &n) || n > INT32_MAX || n < INT32_MIN)
		return -1;
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

static const struct pv_export *find_in(const struct pv_export *table, str name, bool inner)
{
	for (; table->name.s; table++)
		if (str_eq(table->name, name) && (table->parse_name != NULL) == inner)
			return table;
	return NULL;
}

static const struct pv_export *find_export(str name, bool inner)
{
	const struct pv_export *e = find_in(pv_script_table, name, inner);
	return e ? e : find_in(pv_sip_table, name, inner);
}

static bool name_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
}

/* Takes everything up to the closing bracket; false if there is none. */
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
	/* No more than this release's struct: a module may have reserved exactly that. */
	memcpy(out, &sp, spec_size());
	return end;
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

void pv_elem_free_all(struct pv_elem *el)
{
	while (el) {
		struct pv_elem *next = el->next;
		free(el);
		el = next;
	}
}

bool pv_elem_is_plain(const struct pv_elem *el)
{
	return !el->next && !el->has_spec;
}

int pv_printf_s(struct sip_msg *msg, struct pv_elem *list, str *s)
{
	struct buf b = {0};

	for (; list; list = list->next) {
		struct pv_value v;
		buf_adds(&b, list->text);
		if (list->has_spec && pv_get_spec_value(msg, &list->spec, &v) == 0)
			buf_adds(&b, v.flags & PV_VAL_NULL ? STR("<null>") : v.rs);
	}
	if (b.len >= PRINT_MAX) {
		LOG_ERR("a formatted string of more than %d bytes\n", PRINT_MAX);
		buf_free(&b);
		return -1;
	}
	s->s = pv_scratch(b.len + 1);
	s->len = (int)b.len;
	memcpy(s->s, b.s, b.len);
	buf_free(&b);
	return 0;
}
