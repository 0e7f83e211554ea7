/*
 * lexer.c - tokens of the script language: words, numbers, strings with escapes, whole
 * pseudo-variables, operators; shell-style comments.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lexer.h"

#include <ctype.h>

void lexer_init(struct lexer *lx, const char *file, const char *text, size_t len)
{
	*lx = (struct lexer){.file = file, .p = text, .end = text + len, .line = 1};
}

/* The tree of a script points into its tokens' texts, so they are all kept in this list. */
static char **kept;
static size_t kept_n;

static str keep(str s)
{
	if ((kept_n & (kept_n - 1)) == 0)
		kept = xrealloc(kept, (kept_n ? kept_n * 2 : 1) * sizeof *kept);
	kept[kept_n++] = s.s;
	return s;
}

static void skip_blanks(struct lexer *lx)
{
	while (lx->p < lx->end) {
		if (*lx->p == '\n') {
			lx->line++;
			lx->p++;
		} else if (isspace((unsigned char)*lx->p)) {
			lx->p++;
		} else if (*lx->p == '#') {
			while (lx->p < lx->end && *lx->p != '\n')
				lx->p++;
		} else {
			return;
		}
	}
}

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static void read_string(struct lexer *lx)
{
	struct buf b = {0};

	lx->p++;
	buf_add(&b, "", 0);
	while (lx->p < lx->end && *lx->p != '"') {
		char c = *lx->p++;
		lx->line += c == '\n';
		if (c == '\\' && lx->p < lx->end) {
			char e = *lx->p++;
			static const char from[] = "nrta\"\\", to[] = "\n\r\t\a\"\\";
			const char *at = e ? strchr(from, e) : NULL;
			if (at) {
				c = to[at - from];
			} else {
				buf_add(&b, "\\", 1);
				c = e;
			}
		}
		buf_add(&b, &c, 1);
	}
	if (lx->p >= lx->end) {
		buf_free(&b);
		lx->tok = T_BAD;
		return;
	}
	lx->p++;
	lx->tok = T_STRING;
	lx->text = keep(buf_str(&b));
}

static bool skip_brackets(struct lexer *lx, char open, char close)
{
	int depth = 0;
	for (; lx->p < lx->end; lx->p++) {
		if (*lx->p == open)
			depth++;
		else if (*lx->p == close && --depth == 0) {
			lx->p++;
			return true;
		} else if (*lx->p == '\n')
			lx->line++;
	}
	return false;
}

static void read_var(struct lexer *lx)
{
	const char *from = lx->p++;
	bool ok = true;

	if (lx->p < lx->end && *lx->p == '(') {
		ok = skip_brackets(lx, '(', ')');
	} else {
		while (lx->p < lx->end && (word_char(*lx->p) || *lx->p == '.'))
			lx->p++;
		if (lx->p < lx->end && *lx->p == '(')
			ok = skip_brackets(lx, '(', ')');
	}
	lx->tok = ok ? T_VAR : T_BAD;
	lx->text = keep((str){xstrndup(from, (size_t)(lx->p - from)), (int)(lx->p - from)});
}

void lexer_next(struct lexer *lx)
{
	static const char *const ops[] = {"==", "!=", "=~", "&&", "||"};

	skip_blanks(lx);
	lx->tok_line = lx->line;
	if (lx->p >= lx->end) {
		lx->tok = T_END;
		return;
	}
	char c = *lx->p;
	if (c == '"') {
		read_string(lx);
		return;
	}
	if (c == '$') {
		read_var(lx);
		return;
	}
	if (isdigit((unsigned char)c)) {
		char *end;
		char *z = xstrndup(lx->p, (size_t)(lx->end - lx->p) < 24 ? (size_t)(lx->end - lx->p) : 24);
		lx->n = strtol(z, &end, 0);
		lx->tok = word_char(*end) ? T_BAD : T_INT;
		lx->p += end - z;
		free(z);
		return;
	}
	if (word_char(c)) {
		const char *from = lx->p;
		while (lx->p < lx->end && word_char(*lx->p))
			lx->p++;
		lx->tok = T_IDENT;
		lx->text = keep((str){xstrndup(from, (size_t)(lx->p - from)), (int)(lx->p - from)});
		return;
	}
	lx->tok = T_PUNCT;
	for (size_t i = 0; i < COUNT_OF(ops); i++)
		if (lx->p + 1 < lx->end && lx->p[0] == ops[i][0] && lx->p[1] == ops[i][1]) {
			strcpy(lx->op, ops[i]);
			lx->p += 2;
			return;
		}
	lx->op[0] = c;
	lx->op[1] = 0;
	lx->p++;
}

str lexer_rest_of_line(struct lexer *lx)
{
	const char *from = lx->p;
	while (lx->p < lx->end && *lx->p != '\n' && *lx->p != '#')
		lx->p++;
	return str_trim((str){(char *)from, (int)(lx->p - from)});
}
