/* SPDX-License-Identifier: MIT
 *
 * build_scalar.c - the scalars of a document that is being built (build.c).
 */
#include <errno.h>
#include <string.h>

#include "value/inside.h"

/* ---- scalars --------------------------------------------------------- */

int atio_build_null(struct atio_builder *b)
{
	if (b->failed)
		return b->failed;
	return atio_build_place(b, atio_node_new(b->doc, ATIO_NULL));
}

int atio_build_bool(struct atio_builder *b, bool value)
{
	struct atio_node *node;

	if (b->failed)
		return b->failed;
	node = atio_node_new(b->doc, ATIO_BOOL);
	if (node)
		node->boolean = value;
	return atio_build_place(b, node);
}

static int check_number(struct atio_builder *b, size_t len)
{
	if (len > b->limits.number_chars)
		return atio_build_fail(b, EFBIG, b->offset,
				       "a number of more than %zu characters",
				       b->limits.number_chars);
	return 0;
}

/* A node with @lexeme, unless that is @canonical. */
static struct atio_node *number_node(struct atio_builder *b,
				     enum atio_type type, const char *canonical,
				     size_t canonical_len, const char *lexeme,
				     size_t len)
{
	if (!lexeme || (len == canonical_len &&
			memcmp(lexeme, canonical, len) == 0))
		return atio_node_new(b->doc, type);
	return atio_node_new_text(b->doc, type, lexeme, len);
}

int atio_build_int_as(struct atio_builder *b, int64_t value, const char *lexeme,
		      size_t len)
{
	char text[ATIO_FLOAT_TEXT_MAX];
	struct atio_node *node;

	if (b->failed || check_number(b, len) < 0)
		return b->failed;
	if (lexeme)
		node = number_node(b, ATIO_INT, text,
				   atio_int_text(value, text), lexeme, len);
	else
		node = atio_node_new(b->doc, ATIO_INT);
	if (node)
		node->integer = value;
	return atio_build_place(b, node);
}

int atio_build_int(struct atio_builder *b, int64_t value)
{
	return atio_build_int_as(b, value, NULL, 0);
}

/* The lexeme is kept even where it is the canonical text: to find that out
 * takes longer than to keep it. */
int atio_build_float_as(struct atio_builder *b, double value,
			const char *lexeme, size_t len)
{
	struct atio_node *node;

	if (b->failed || check_number(b, len) < 0)
		return b->failed;
	node = number_node(b, ATIO_FLOAT, "", 0, lexeme, len);
	if (node)
		node->real = value;
	return atio_build_place(b, node);
}

int atio_build_float(struct atio_builder *b, double value)
{
	return atio_build_float_as(b, value, NULL, 0);
}

/* BIGINT and DATETIME: as written, and canonical if that is another text. */
static struct atio_node *written_node(struct atio_builder *b,
				      enum atio_type type,
				      const char *canonical, const char *lexeme,
				      size_t len)
{
	size_t canonical_len = strlen(canonical);
	struct atio_node *node;
	bool same = !lexeme || (len == canonical_len &&
				memcmp(lexeme, canonical, len) == 0);

	if (same)
		return atio_node_new_text(b->doc, type, canonical,
					  canonical_len);
	node = atio_node_new_text(b->doc, type, lexeme, len);
	if (!node)
		return NULL;
	node->canonical = atio_arena_text(&b->doc->arena, canonical,
					  canonical_len);
	return node->canonical ? node : NULL;
}

int atio_build_bigint_as(struct atio_builder *b, const char *canonical,
			 const char *lexeme, size_t len)
{
	if (b->failed || check_number(b, strlen(canonical)) < 0 ||
	    check_number(b, len) < 0)
		return b->failed;
	return atio_build_place(b, written_node(b, ATIO_BIGINT, canonical,
						lexeme, len));
}

static int build_bigint(struct atio_builder *b, const char *digits, size_t len)
{
	const char *s = digits, *end = digits + len;
	struct atio_node *node;
	char *text;

	if (check_number(b, len) < 0)
		return b->failed;
	if (*s == '-' || *s == '+')
		s++;
	while (*s == '0')
		s++;
	/* A copy with the sign that stays, and without what does not. */
	node = atio_node_new_text(b->doc, ATIO_BIGINT, digits, len);
	if (!node)
		return atio_build_no_memory(b);
	text = (char *)(node + 1);
	node->count = (uint32_t)(end - s);
	if (*digits == '-') {
		memmove(text + 1, s, node->count);
		node->count++;
	} else {
		memmove(text, s, node->count);
	}
	text[node->count] = '\0';
	return atio_build_place(b, node);
}

int atio_build_integer(struct atio_builder *b, const char *digits, size_t len)
{
	int64_t value;
	int r;

	if (b->failed)
		return b->failed;
	r = atio_int_parse(digits, len, &value);
	if (r == -EINVAL)
		return atio_build_fail(b, EINVAL, b->offset, "no integer");
	if (r == -ERANGE)
		return build_bigint(b, digits, len);
	return check_number(b, len) < 0 ? b->failed : atio_build_int(b, value);
}

int atio_build_datetime_as(struct atio_builder *b, enum atio_datetime kind,
			   const char *canonical, const char *lexeme,
			   size_t len)
{
	struct atio_node *node;

	if (b->failed)
		return b->failed;
	node = written_node(b, ATIO_DATETIME, canonical, lexeme, len);
	if (node)
		node->datetime = (uint8_t)kind;
	return atio_build_place(b, node);
}

int atio_build_datetime(struct atio_builder *b, const char *text, size_t len)
{
	char canonical[ATIO_DATETIME_TEXT_MAX];
	enum atio_datetime kind;

	if (b->failed)
		return b->failed;
	if (atio_datetime_parse(text, len, &kind, canonical) < 0)
		return atio_build_fail(b, EINVAL, b->offset,
				       "no date or time as of RFC 3339");
	return atio_build_datetime_as(b, kind, canonical, text, len);
}

/* ---- text ------------------------------------------------------------ */

static int check_text(struct atio_builder *b, size_t len)
{
	bool key = atio_build_expects_key(b);
	size_t most = key ? b->limits.key_bytes : b->limits.scalar_bytes;

	if (len > most)
		return atio_build_fail(b, EFBIG, b->offset,
				       "a %s of more than %zu bytes",
				       key ? "key" : "string", most);
	return 0;
}

int atio_build_text(struct atio_builder *b, enum atio_type type,
		    const char *text, size_t len)
{
	if (b->failed || check_text(b, len) < 0)
		return b->failed;
	return atio_build_place(b, atio_node_new_text(b->doc, type, text, len));
}

int atio_build_string(struct atio_builder *b, const char *text, size_t len)
{
	if (b->failed)
		return b->failed;
	if (atio_utf8_check(text, len) != len)
		return atio_build_fail(b, EILSEQ, b->offset,
				       "a string is not UTF-8");
	return atio_build_text(b, ATIO_STRING, text, len);
}

int atio_build_bytes(struct atio_builder *b, const void *bytes, size_t len)
{
	return atio_build_text(b, ATIO_BYTES, bytes, len);
}

char *atio_build_room(struct atio_builder *b, size_t size)
{
	char *text;

	if (b->failed)
		return NULL;
	text = size < SIZE_MAX ? atio_arena_get(&b->doc->arena, size + 1)
			       : NULL;
	if (!text)
		(void)atio_build_no_memory(b);
	b->room_size = size + 1;
	return text;
}

int atio_build_owned_text(struct atio_builder *b, enum atio_type type,
			  char *text, size_t len)
{
	struct atio_node *node;

	if (b->failed || check_text(b, len) < 0)
		return b->failed;
	text[len] = '\0';
	atio_arena_shrink(&b->doc->arena, text, b->room_size, len + 1);
	node = atio_node_new(b->doc, type);
	if (!node)
		return atio_build_no_memory(b);
	node->text = text;
	node->count = (uint32_t)len;
	return atio_build_place(b, node);
}
