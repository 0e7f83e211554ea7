/*
 * pvar.h - pseudo-variables: how `$name(inner)[index]{transformation}` becomes a spec, and how specs
 * are read and written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STANDIN_PVAR_H
#define STANDIN_PVAR_H

#include "abi.h"

/* Values of pv_spec.type that modules may ask for. */
enum { PVT_AVP = 4, PVT_HDR = 5, PVT_OTHER = 11, PVT_SCRIPTVAR = 78 };

/* ABI functions. */
char *pv_parse_spec(const str *in, struct pv_spec *sp);
int pv_get_spec_value(struct sip_msg *msg, struct pv_spec *sp, struct pv_value *val);
int pv_set_value(struct sip_msg *msg, struct pv_spec *sp, int op, struct pv_value *val);

void pv_value_destroy(struct pv_value *val);

/* Text containing variables. */
struct pv_elem {
	str text;
	bool has_spec;
	struct pv_spec spec;
	struct pv_elem *next;
};

int pv_parse_format(const str *in, struct pv_elem **el);
void pv_elem_free_all(struct pv_elem *el);
int pv_printf_s(struct sip_msg *msg, struct pv_elem *list, str *s);
/* True if the text contains no variables. */
bool pv_elem_is_plain(const struct pv_elem *el);

/*
 * Memory for a value made by a getter. It is valid until 64 more values have been made, as a core's
 * static buffers are also valid only for a while.
 */
char *pv_scratch(size_t n);
int pv_put_null(struct pv_value *res);
int pv_put_str(struct pv_value *res, str s);
int pv_put_int(struct pv_value *res, int n);
/* Picks the item named by the index of `p`, out of `n`. */
int pv_put_indexed(struct sip_msg *msg, const struct pv_param *p, struct pv_value *res, const str *items, int n);

/* The variables of the script (pv_script.c), and those that read the message (pv_sip.c). */
extern const struct pv_export pv_script_table[], pv_sip_table[];
/*
 * Possible inner names and indexes: text, and a number that may be negative, or a variable that
 * holds one.
 */
int pv_parse_name(struct pv_spec *sp, const str *in);
int pv_parse_index(struct pv_spec *sp, const str *in);
/* A number that distinguishes the variables of one getter. */
int pv_init_iname(struct pv_spec *sp, int n);

/* pv_trans.c */
struct trans;
/* Parses "{a.b}{c.d}"; NULL if it is malformed. */
struct trans *trans_parse(str text);
int trans_run(struct sip_msg *msg, struct trans *t, struct pv_value *val);

#endif
