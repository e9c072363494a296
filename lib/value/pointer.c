/* SPDX-License-Identifier: MIT
 *
 * pointer.c - JSON pointers (RFC 6901).
 *
 * They see values as views show them: an alias is what it stands for, a tag is
 * no level, and `<<` is no key, but what it merges is there.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value/walk.h"

/* ---- the text -------------------------------------------------------- */

static bool is_pointer(const char *text, size_t len)
{
	size_t i;

	if (len && text[0] != '/')
		return false;
	for (i = 0; i < len; i++)
		if (text[i] == '~' && (i + 1 == len || (text[i + 1] != '0' &&
							text[i + 1] != '1')))
			return false;
	return true;
}

int atio_pointer_init(struct atio_pointer *p, const char *text, size_t len)
{
	if (!is_pointer(text, len))
		return -EINVAL;
	*p = (struct atio_pointer){.text = text, .len = len};
	if (!len || !memchr(text, '~', len))
		return 0;
	p->copy = malloc(len);
	if (!p->copy)
		return -ENOMEM;
	memcpy(p->copy, text, len);
	return 0;
}

void atio_pointer_done(struct atio_pointer *p)
{
	free(p->copy);
	p->copy = NULL;
}

/* ~1 is a slash and ~0 a ~, in this order: ~01 is ~1.  Returns the length. */
static size_t unescape(char *text, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (text[i] != '~')
			text[n++] = text[i];
		else
			text[n++] = text[++i] == '1' ? '/' : '~';
	}
	return n;
}

bool atio_pointer_at_end(const struct atio_pointer *p)
{
	return p->done == p->len;
}

bool atio_pointer_next(struct atio_pointer *p)
{
	const char *start = p->text + p->done + 1, *end;

	if (atio_pointer_at_end(p))
		return false;
	end = memchr(start, '/', p->len - p->done - 1);
	if (!end)
		end = p->text + p->len;
	p->step = start;
	p->step_len = (size_t)(end - start);
	if (p->copy) {
		p->step = p->copy + (start - p->text);
		p->step_len =
			unescape(p->copy + (start - p->text), p->step_len);
	}
	p->done = (size_t)(end - p->text);
	return true;
}

long atio_pointer_index(const struct atio_pointer *p)
{
	long value = 0;
	size_t i;

	if (!p->step_len || (p->step[0] == '0' && p->step_len > 1))
		return -1;
	for (i = 0; i < p->step_len; i++) {
		if (p->step[i] < '0' || p->step[i] > '9' ||
		    value > (LONG_MAX - 9) / 10)
			return -1;
		value = value * 10 + (p->step[i] - '0');
	}
	return value;
}

/* ---- failing --------------------------------------------------------- */

#define SHOWN_MOST ((size_t)ATIO_POINTER_MAX - 4) /* beside "..." */

/* @p up to its present step.  What does not fit is the begin; of a step that
 * is too long alone, the end.  As in atio_step_pointer. */
static void show(const struct atio_pointer *p, char pointer[ATIO_POINTER_MAX])
{
	const char *slash = p->text;
	size_t from = 0, len;

	while (slash && p->done - from > SHOWN_MOST) {
		slash = memchr(p->text + from + 1, '/', p->done - from - 1);
		if (slash)
			from = (size_t)(slash - p->text);
	}
	len = p->done - from;
	if (len > SHOWN_MOST) {
		len = atio_utf8_check(p->text + from, SHOWN_MOST);
		len -= p->text[from + len - 1] == '~'; /* half of an escape */
	}
	(void)snprintf(pointer, ATIO_POINTER_MAX, "%s%.*s", from ? "..." : "",
		       (int)len, p->text + from);
}

int atio_pointer_fail(struct atio_value_error *err, int code,
		      const struct atio_pointer *p, const char *fmt, ...)
{
	char text[ATIO_ERROR_TEXT_MAX];
	va_list ap;

	if (!err || err->error.code)
		return -code;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)atio_value_fail(err, code, NULL, "%s", text);
	show(p, err->pointer);
	return -code;
}

/* ---- following ------------------------------------------------------- */

static const struct atio_node *inside(const struct atio_node *node)
{
	while (node->type == ATIO_ALIAS || node->type == ATIO_TAGGED)
		node = node->inner;
	return node;
}

/* The member at the present step; *ret_node is NULL if there is none. */
static int member(struct atio_walk *w, const struct atio_pointer *p,
		  const struct atio_node *node,
		  const struct atio_node **ret_node)
{
	long at;
	int r;

	node = inside(node);
	*ret_node = NULL;
	if (node->type != ATIO_MAP) {
		at = atio_pointer_index(p);
		if (at >= 0)
			*ret_node = atio_node_at(node, (size_t)at);
		return 0;
	}
	at = atio_map_find_text(node, p->step, p->step_len);
	if (at >= 0 && !atio_key_merges(node->pairs[at].key)) {
		*ret_node = node->pairs[at].value;
		return 0;
	}
	r = atio_walk_merge(w, node, NULL, &node);
	if (r < 0)
		return r;
	*ret_node = atio_node_member(node, p->step, p->step_len);
	return 0;
}

int atio_pointer_follow(struct atio_pointer *p, const struct atio_node *root,
			const struct atio_limits *limits,
			const struct atio_node **ret_node,
			struct atio_value_error *err)
{
	struct atio_walk w = {.limits = *limits, .err = err};
	const struct atio_node *node = root;
	int r = 0;

	while (atio_pointer_next(p)) {
		r = member(&w, p, node, &node);
		if (r == 0 && !node)
			r = atio_pointer_fail(err, ENOENT, p,
					      "there is no such value");
		if (r < 0)
			break;
	}
	atio_walk_done(&w);
	if (r == 0)
		*ret_node = node;
	return r;
}

int atio_value_get(const struct atio_node *root, const char *pointer,
		   const struct atio_node **ret_node,
		   struct atio_value_error *err)
{
	struct atio_limits limits;
	struct atio_pointer p;
	int r;

	r = atio_pointer_init(&p, pointer, strlen(pointer));
	if (r == 0)
		r = atio_limits_complete(NULL, &limits);
	if (r < 0)
		return atio_value_fail(err, -r, NULL, "%s",
				       r == -EINVAL ? "this is no JSON pointer"
						    : "out of memory");
	r = atio_pointer_follow(&p, root, &limits, ret_node, err);
	atio_pointer_done(&p);
	return r;
}
