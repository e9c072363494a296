/* SPDX-License-Identifier: MIT
 *
 * TOML 1.0: the lines of a document.  See toml.h.
 */
#include "format/toml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *atio_toml_seen(const struct toml *t, const char *at,
			   char text[TOML_SEEN_MAX])
{
	unsigned char c;

	if (at >= t->end)
		return "the end of the document";
	c = (unsigned char)*at;
	if (atio_toml_newline(t, at))
		return "the end of the line";
	if (c < 0x80 && c >= ' ' && c != 0x7f) {
		(void)snprintf(text, TOML_SEEN_MAX, "'%c'", c);
	} else {
		size_t len;

		(void)snprintf(text, TOML_SEEN_MAX, "U+%04X",
			       (unsigned)atio_utf8_get(at, &len));
	}
	return text;
}

size_t atio_toml_newline(const struct toml *t, const char *at)
{
	if (at < t->end && *at == '\n')
		return 1;
	if (t->end - at >= 2 && at[0] == '\r' && at[1] == '\n')
		return 2;
	return 0;
}

int atio_toml_comment(struct toml *t)
{
	char seen[TOML_SEEN_MAX];

	t->doc->traits |= ATIO_DOC_COMMENTS;
	while (t->at < t->end && !toml_is(*t->at, TOML_CONTROL))
		t->at++;
	if (t->at == t->end || atio_toml_newline(t, t->at))
		return 0;
	return toml_fail(t, EINVAL, t->at, "%s within a comment",
			 atio_toml_seen(t, t->at, seen));
}

int atio_toml_scratch(struct toml *t, size_t size)
{
	size_t room = t->scratch_room ? t->scratch_room : 256;
	char *scratch;

	if (size <= t->scratch_room)
		return 0;
	while (room < size)
		room *= 2;
	/* What is in it is not needed any more. */
	free(t->scratch);
	t->scratch = NULL;
	t->scratch_room = 0;
	scratch = malloc(room);
	if (!scratch)
		return toml_fail(t, ENOMEM, t->at, "out of memory");
	t->scratch = scratch;
	t->scratch_room = room;
	return 0;
}

/* @node, just made, gets its span and is counted; NULL: failed. */
static struct atio_node *count_node(struct toml *t, struct atio_node *node,
				    const char *at, const char *end)
{
	if (t->nodes++ >= t->b->limits.nodes) {
		(void)toml_fail(t, EFBIG, at, "more than %zu values",
				t->b->limits.nodes);
		return NULL;
	}
	if (!node) {
		(void)toml_fail(t, ENOMEM, at, "out of memory");
		return NULL;
	}
	node->offset = toml_offset(t, at);
	node->length = (uint32_t)(end - at);
	return node;
}

struct atio_node *atio_toml_node(struct toml *t, enum atio_type type,
				 const char *at, const char *end)
{
	return count_node(t, atio_node_new(t->doc, type), at, end);
}

struct atio_node *atio_toml_text_node(struct toml *t, enum atio_type type,
				      const struct toml_text *text)
{
	struct atio_node *node =
		atio_node_new_text(t->doc, type, text->text, text->len);

	node = count_node(t, node, text->at, text->end);
	if (node)
		node->style = (uint8_t)text->style;
	return node;
}

/* key = value */
static int read_entry(struct toml *t)
{
	struct toml_slot slot = t->body;
	struct atio_node *table = t->body.into;
	int r;

	r = atio_toml_entry_key(t, &slot);
	if (!r)
		r = atio_toml_value(t, slot);
	if (r)
		return r;
	table->length = toml_offset(t, t->at) - table->offset;
	if (t->array)
		t->array->length = toml_offset(t, t->at) - t->array->offset;
	return 0;
}

static int read_line(struct toml *t)
{
	char seen[TOML_SEEN_MAX];
	size_t newline;
	int r = 0;

	toml_skip_blanks(t);
	if (toml_peek(t) == '[')
		r = atio_toml_header(t);
	else if (t->at < t->end && *t->at != '#' &&
		 !atio_toml_newline(t, t->at))
		r = read_entry(t);
	if (r)
		return r;
	toml_skip_blanks(t);
	if (toml_peek(t) == '#' && (r = atio_toml_comment(t)))
		return r;
	newline = atio_toml_newline(t, t->at);
	if (!newline && t->at < t->end)
		return toml_fail(t, EINVAL, t->at,
				 "expected the end of the line, not %s",
				 atio_toml_seen(t, t->at, seen));
	t->at += newline;
	return 0;
}

static bool is_blank(const struct toml *t)
{
	for (const char *at = t->text; at < t->end; at++) {
		if (*at != ' ' && *at != '\t' && *at != '\r' && *at != '\n')
			return false;
	}
	return true;
}

static int read_document(struct toml *t)
{
	int r = 0;

	t->root = atio_toml_node(t, ATIO_MAP, t->text, t->end);
	if (!t->root)
		return t->b->failed;
	t->root->style = ATIO_STYLE_BLOCK;
	t->body = (struct toml_slot){t->root, NULL, 1};
	while (!r && t->at < t->end)
		r = read_line(t);
	if (r)
		return r;
	t->root->length = (uint32_t)(t->end - t->text);
	if (!t->root->count && is_blank(t))
		t->doc->traits |= ATIO_DOC_EMPTY;
	return atio_build_node(t->b, t->root, t->nodes);
}

static int load(const struct atio_codec *codec, struct atio_builder *b,
		const char *text, size_t len)
{
	struct toml t = {
		.b = b,
		.doc = b->doc,
		.text = text,
		.at = text,
		.end = text + len,
	};
	int r = read_document(&t);

	free(t.levels);
	free(t.scratch);
	return r;
}

static const char *const suffixes[] = {".toml", NULL};

const struct atio_codec atio_codec_toml = {
	.name = "toml",
	.suffixes = suffixes,
	.target = ATIO_TO_TOML,
	.load = load,
	.dump = atio_toml_dump,
	.wants_blank = true,
};
