/* SPDX-License-Identifier: MIT
 *
 * fail.c - errors that name a value by its JSON pointer (RFC 6901).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "value/fit.h"

/* ---- messages -------------------------------------------------------- */

/* What a message quotes may have any characters, and may be cut within one. */
void atio_text_tidy(char *text)
{
	size_t good, len = strlen(text), i = 0;

	while (i < len) {
		good = i + atio_utf8_check(text + i, len - i);
		for (; i < good; i++)
			if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
				text[i] = '?';
		if (i < len)
			text[i++] = '?';
	}
}

/* ---- pointers -------------------------------------------------------- */

/* RFC 6901 knows strings only: other scalars stand as they would be written,
 * and what has no text by the name of its type. */
static const char *key_text(const struct atio_node *key,
			    char number[ATIO_FLOAT_TEXT_MAX], size_t *ret_len)
{
	while (key->type == ATIO_ALIAS)
		key = key->inner;
	if (key->type == ATIO_STRING)
		return atio_node_text(key, ret_len);
	if (key->type == ATIO_NULL || key->type >= ATIO_SEQ ||
	    key->type == ATIO_BYTES) {
		*ret_len = strlen(atio_type_name(key->type));
		return atio_type_name(key->type);
	}
	return atio_scalar_text(key, number, ret_len);
}

/* A step's text, escaped, with its slash; cut, so that there is room for it and
 * for "..." in a pointer. */
static size_t step_text(const struct atio_step *step,
			char text[ATIO_POINTER_MAX])
{
	char number[ATIO_FLOAT_TEXT_MAX];
	const char *key = number;
	size_t len, i, n = 0;

	if (!step->key)
		len = atio_int_text((int64_t)step->index, number);
	else
		key = key_text(step->key, number, &len);
	text[n++] = '/';
	for (i = 0; i < len && n < ATIO_POINTER_MAX - 5; i++) {
		if (key[i] == '~' || key[i] == '/') {
			text[n++] = '~';
			text[n++] = key[i] == '~' ? '0' : '1';
		} else {
			text[n++] = key[i] ? key[i] : '?';
		}
	}
	return atio_utf8_check(text, n); /* without half a character */
}

/* What does not fit is the begin, of which "..." is left. */
void atio_step_pointer(const struct atio_step *step,
		       char pointer[ATIO_POINTER_MAX])
{
	char text[ATIO_POINTER_MAX], whole[ATIO_POINTER_MAX];
	size_t begin = sizeof(whole) - 1, len;

	whole[begin] = '\0';
	for (; step; step = step->up) {
		len = step_text(step, text);
		if (len + 3 > begin) {
			begin -= 3;
			memcpy(whole + begin, "...", 3);
			break;
		}
		begin -= len;
		memcpy(whole + begin, text, len);
	}
	memcpy(pointer, whole + begin, sizeof(whole) - begin);
}

int atio_value_fail(struct atio_value_error *err, int code,
		    const struct atio_step *step, const char *fmt, ...)
{
	va_list ap;

	if (!err || err->error.code)
		return -code;
	err->error.code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->error.text, sizeof(err->error.text), fmt, ap);
	va_end(ap);
	atio_text_tidy(err->error.text);
	err->has_pointer = true;
	atio_step_pointer(step, err->pointer);
	return -code;
}
