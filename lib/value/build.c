/* SPDX-License-Identifier: MIT
 *
 * build.c - a document from values that are told one after another.
 *
 * The members of collections that are still open stand on one stack, those of
 * the innermost on top; its end moves them into an array in the arena, which is
 * as large as it needs to be.  A collection's node exists from its begin, so
 * that an alias within it can stand for it.
 *
 * A failure is kept in b->failed, and all calls after it return it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value/inside.h"

struct atio_frame {
	struct atio_node *node;
	size_t base; /* of its members on the stack */
};

/* ---- failures -------------------------------------------------------- */

int atio_build_fail(struct atio_builder *b, int code, size_t offset,
		    const char *fmt, ...)
{
	struct atio_value_error *err = &b->error;
	va_list ap;

	if (b->failed)
		return b->failed;
	b->failed = -code;
	err->error.code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->error.text, sizeof(err->error.text), fmt, ap);
	va_end(ap);
	atio_text_tidy(err->error.text);
	if (b->source) {
		err->offset = offset + b->shift;
		atio_text_position(b->source, b->source_len, offset, &err->line,
				   &err->column);
	}
	return b->failed;
}

int atio_build_no_memory(struct atio_builder *b)
{
	return atio_build_fail(b, ENOMEM, b->offset, "out of memory");
}

/* ---- life ------------------------------------------------------------ */

int atio_builder_new(const struct atio_limits *limits,
		     struct atio_builder **ret_builder)
{
	struct atio_limits complete;
	struct atio_builder *b;
	int r;

	r = atio_limits_complete(limits, &complete);
	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->limits = complete;
	r = atio_doc_new(&complete, &b->doc);
	if (r < 0) {
		atio_builder_free(b);
		return r;
	}
	b->doc->root = NULL;
	*ret_builder = b;
	return 0;
}

void atio_builder_free(struct atio_builder *b)
{
	if (!b)
		return;
	atio_doc_free(b->doc);
	free(b->frames);
	free(b->stack);
	free(b);
}

/* Where @node begins, as a codec counts: after a BOM. */
static size_t start_of(const struct atio_builder *b,
		       const struct atio_node *node)
{
	return node->offset < b->shift ? 0 : node->offset - b->shift;
}

/* ---- placing a value ------------------------------------------------- */

/* @array, of @used members of @size bytes, or a larger one with room for one
 * more.  NULL: no memory, @array is as it was. */
static void *with_room(struct atio_builder *b, void *array, size_t *room,
		       size_t used, size_t size)
{
	size_t more = *room ? *room * 2 : 32;
	void *larger;

	if (used < *room)
		return array;
	larger = reallocarray(array, more, size);
	if (!larger) {
		(void)atio_build_no_memory(b);
		return NULL;
	}
	*room = more;
	return larger;
}

static int push(struct atio_builder *b, struct atio_node *node)
{
	struct atio_node **stack;

	stack = with_room(b, b->stack, &b->room, b->count, sizeof(*stack));
	if (!stack)
		return b->failed;
	b->stack = stack;
	b->stack[b->count++] = node;
	return 0;
}

static struct atio_frame *top(struct atio_builder *b)
{
	return b->depth ? &b->frames[b->depth - 1] : NULL;
}

/* Whether the next value is a key. */
bool atio_build_expects_key(const struct atio_builder *b)
{
	const struct atio_frame *frame =
		b->depth ? &b->frames[b->depth - 1] : NULL;

	return frame && frame->node->type == ATIO_MAP &&
	       (b->count - frame->base) % 2 == 0;
}

static int wrap_in_tag(struct atio_builder *b, struct atio_node **node)
{
	struct atio_node *tagged = atio_node_new(b->doc, ATIO_TAGGED);

	if (!tagged)
		return atio_build_no_memory(b);
	tagged->text = b->tag;
	tagged->count = (uint32_t)b->tag_len;
	tagged->inner = *node;
	tagged->offset = (*node)->offset;
	tagged->length = (*node)->length;
	b->tag = NULL;
	*node = tagged;
	return 0;
}

static int put_anchor(struct atio_builder *b, struct atio_node *node)
{
	struct atio_node *name = atio_node_new(b->doc, ATIO_STRING);
	int r;

	if (!b->anchors)
		b->anchors = atio_node_new(b->doc, ATIO_MAP);
	if (!name || !b->anchors)
		return atio_build_no_memory(b);
	name->text = b->anchor;
	name->count = (uint32_t)b->anchor_len;
	b->anchor = NULL;
	r = atio_map_set(b->doc, b->anchors, name, node);
	return r < 0 ? atio_build_no_memory(b) : 0;
}

/* Make @node, with its tag and anchor, the next member or the root. */
static int place(struct atio_builder *b, struct atio_node *node)
{
	int r = 0;

	if (b->nodes++ >= b->limits.nodes)
		return atio_build_fail(b, EFBIG, b->offset,
				       "more than %zu values", b->limits.nodes);
	node->offset = (uint32_t)(b->length ? b->offset + b->shift : 0);
	node->length = (uint32_t)b->length;
	node->style = (uint8_t)b->style;
	b->offset = b->length = 0;
	b->style = ATIO_STYLE_ANY;
	if (b->tag)
		r = wrap_in_tag(b, &node);
	if (r == 0 && b->anchor)
		r = put_anchor(b, node);
	if (r < 0)
		return r;
	if (!b->depth) {
		if (b->doc->root)
			return atio_build_fail(b, EINVAL, start_of(b, node),
					       "a second value");
		b->doc->root = node;
		return 0;
	}
	return push(b, node);
}

int atio_build_place(struct atio_builder *b, struct atio_node *node)
{
	return node ? place(b, node) : atio_build_no_memory(b);
}

/* ---- tags, anchors, aliases ------------------------------------------ */

int atio_build_tag(struct atio_builder *b, const char *tag, size_t len)
{
	if (b->failed)
		return b->failed;
	if (b->tag || !len || atio_utf8_check(tag, len) != len)
		return atio_build_fail(b, EINVAL, b->offset, "a wrong tag");
	if (len > b->limits.key_bytes)
		return atio_build_fail(b, EFBIG, b->offset,
				       "a tag of more than %zu bytes",
				       b->limits.key_bytes);
	b->tag = atio_arena_text(&b->doc->arena, tag, len);
	b->tag_len = len;
	return b->tag ? 0 : atio_build_no_memory(b);
}

int atio_build_anchor(struct atio_builder *b, const char *name, size_t len)
{
	if (b->failed)
		return b->failed;
	if (len > b->limits.key_bytes)
		return atio_build_fail(b, EFBIG, b->offset,
				       "an anchor of more than %zu bytes",
				       b->limits.key_bytes);
	b->anchor = atio_arena_text(&b->doc->arena, name, len);
	b->anchor_len = len;
	b->doc->traits |= ATIO_DOC_ANCHORS;
	return b->anchor ? 0 : atio_build_no_memory(b);
}

int atio_build_alias(struct atio_builder *b, const char *name, size_t len)
{
	struct atio_node *node, *target = NULL;

	if (b->failed)
		return b->failed;
	if (b->anchors)
		target = (struct atio_node *)atio_node_member(b->anchors, name,
							      len);
	if (!target)
		return atio_build_fail(b, ENOENT, b->offset,
				       "no anchor '%.*s' before this alias",
				       (int)(len < 64 ? len : 64), name);
	node = atio_node_new_text(b->doc, ATIO_ALIAS, name, len);
	if (node)
		node->inner = target;
	return atio_build_place(b, node);
}

/* ---- collections ----------------------------------------------------- */

static int begin(struct atio_builder *b, enum atio_type type)
{
	struct atio_frame *frames;
	struct atio_node *node;
	int r;

	if (b->failed)
		return b->failed;
	if (b->depth >= b->limits.depth)
		return atio_build_fail(b, EFBIG, b->offset,
				       "nested deeper than %zu levels",
				       b->limits.depth);
	frames = with_room(b, b->frames, &b->frame_room, b->depth,
			   sizeof(*frames));
	if (!frames)
		return b->failed;
	b->frames = frames;
	node = atio_node_new(b->doc, type);
	r = atio_build_place(b, node);
	if (r < 0)
		return r;
	b->frames[b->depth++] = (struct atio_frame){node, b->count};
	return 0;
}

int atio_build_seq(struct atio_builder *b)
{
	return begin(b, ATIO_SEQ);
}

int atio_build_map(struct atio_builder *b)
{
	return begin(b, ATIO_MAP);
}

static int told_twice(struct atio_builder *b, const struct atio_node *key)
{
	size_t len;
	const char *text = atio_node_text(key, &len);

	if (key->type != ATIO_STRING)
		return atio_build_fail(b, EEXIST, start_of(b, key),
				       "a key stands twice in one map");
	return atio_build_fail(b, EEXIST, start_of(b, key),
			       "the key '%.*s' stands twice in one map",
			       (int)(len < 64 ? len : 64), text);
}

static int end_map(struct atio_builder *b, struct atio_node *map,
		   struct atio_node **members, size_t count)
{
	const struct atio_node *twice = NULL;
	size_t i;
	int r;

	if (count % 2)
		return atio_build_fail(b, EINVAL, start_of(b, map),
				       "a key without a value");
	map->pairs =
		atio_arena_get(&b->doc->arena, count / 2 * sizeof(*map->pairs));
	if (!map->pairs)
		return atio_build_no_memory(b);
	for (i = 0; i < count; i += 2)
		map->pairs[i / 2] =
			(struct atio_pair){members[i], members[i + 1]};
	map->count = (uint32_t)(count / 2);
	r = atio_map_seal(b->doc, map, &twice);
	if (r == -EEXIST)
		return told_twice(b, twice);
	return r < 0 ? atio_build_no_memory(b) : 0;
}

static int end_seq(struct atio_builder *b, struct atio_node *seq,
		   struct atio_node **members, size_t count)
{
	seq->items =
		atio_arena_get(&b->doc->arena, count * sizeof(*seq->items));
	if (!seq->items)
		return atio_build_no_memory(b);
	memcpy(seq->items, members, count * sizeof(*seq->items));
	seq->count = (uint32_t)count;
	return 0;
}

/* Of a collection, and of the tag around it. */
static void set_length(struct atio_builder *b, const struct atio_frame *frame,
		       size_t length)
{
	struct atio_node *placed =
		b->depth > 1 ? b->stack[frame->base - 1] : b->doc->root;

	frame->node->length = (uint32_t)length;
	placed->length = (uint32_t)length;
}

int atio_build_end_at(struct atio_builder *b, size_t end)
{
	struct atio_frame *frame = top(b);
	struct atio_node **members;
	size_t count;
	int r = 0;

	if (b->failed)
		return b->failed;
	if (!frame || b->tag || b->anchor)
		return atio_build_fail(b, EINVAL, b->offset,
				       "an end of nothing");
	members = b->stack + frame->base;
	count = b->count - frame->base;
	if (count && frame->node->type == ATIO_MAP)
		r = end_map(b, frame->node, members, count);
	else if (count)
		r = end_seq(b, frame->node, members, count);
	if (r < 0)
		return r;
	if (end + b->shift > frame->node->offset)
		set_length(b, frame, end + b->shift - frame->node->offset);
	b->count = frame->base;
	b->depth--;
	b->offset = b->length = 0;
	b->style = ATIO_STYLE_ANY;
	return 0;
}

enum atio_type atio_build_open(const struct atio_builder *b)
{
	return b->depth ? b->frames[b->depth - 1].node->type : ATIO_NULL;
}

int atio_build_end(struct atio_builder *b)
{
	return atio_build_end_at(b, 0);
}

/* ---- whole nodes ----------------------------------------------------- */

int atio_build_node(struct atio_builder *b, struct atio_node *node,
		    size_t nodes)
{
	if (b->failed)
		return b->failed;
	if (nodes > b->limits.nodes - b->nodes)
		return atio_build_fail(b, EFBIG, b->offset,
				       "more than %zu values", b->limits.nodes);
	b->nodes += nodes - 1;
	/* place() sets them from the builder. */
	b->offset = start_of(b, node);
	b->length = node->length;
	b->style = node->style;
	return place(b, node);
}

/* The limits are those of what is built: its depth and its values so far are
 * taken from what a copy may have. */
static int copy_within(struct atio_builder *b, const struct atio_node *node,
		       struct atio_node **ret_copy, size_t *ret_nodes)
{
	struct atio_limits *limits = &b->doc->limits;
	int r;

	limits->depth -= b->depth;
	limits->nodes -= b->nodes;
	r = atio_node_copy(b->doc, node, false, ret_copy, ret_nodes);
	if (r == 0 && *ret_nodes > limits->nodes) /* with those of aliases */
		r = -EFBIG;
	*limits = b->limits;
	return r;
}

int atio_build_copy(struct atio_builder *b, const struct atio_node *node)
{
	struct atio_node *copy = NULL;
	size_t nodes = 0;
	int r;

	if (b->failed)
		return b->failed;
	if (node->type == ATIO_STREAM &&
	    (b->depth || b->documents || b->tag || b->anchor))
		return atio_build_fail(b, EINVAL, b->offset,
				       "a stream of documents in a document");
	r = copy_within(b, node, &copy, &nodes);
	if (r < 0)
		return atio_build_fail(b, -r, b->offset, "copy a value: %s",
				       strerrordesc_np(-r));
	return atio_build_node(b, copy, nodes);
}

/* ---- the end --------------------------------------------------------- */

static int push_document(struct atio_builder *b)
{
	int r;

	if (b->depth || !b->doc->root)
		return atio_build_fail(b, EINVAL, b->offset,
				       "a document without a value");
	r = push(b, b->doc->root);
	if (r < 0)
		return r;
	b->documents++;
	b->doc->root = NULL;
	b->anchors = NULL;
	return 0;
}

int atio_build_document(struct atio_builder *b)
{
	if (b->failed)
		return b->failed;
	if (b->documents + 1 >= b->limits.documents)
		return atio_build_fail(b, EFBIG, b->offset,
				       "more than %zu documents",
				       b->limits.documents);
	return push_document(b);
}

static int end_stream(struct atio_builder *b)
{
	struct atio_node *stream = atio_node_new(b->doc, ATIO_STREAM);
	int r;

	r = push_document(b);
	if (r < 0)
		return r;
	if (!stream)
		return atio_build_no_memory(b);
	b->doc->root = stream;
	return end_seq(b, stream, b->stack, b->count);
}

static int complete(struct atio_builder *b)
{
	if (b->failed)
		return b->failed;
	if (b->depth || b->tag || b->anchor)
		return atio_build_fail(b, EINVAL, b->offset,
				       "the document is not complete");
	if (b->documents)
		return end_stream(b);
	if (!b->doc->root) {
		b->doc->traits |= ATIO_DOC_EMPTY;
		b->doc->root = atio_node_new(b->doc, ATIO_NULL);
	}
	if (!b->doc->root)
		return atio_build_no_memory(b);
	if (b->doc->traits & ATIO_DOC_EMPTY)
		b->doc->root->style = ATIO_STYLE_NOTHING;
	return 0;
}

static void begin_anew(struct atio_builder *b)
{
	b->depth = b->count = b->nodes = b->documents = 0;
	b->tag = b->anchor = NULL;
	b->anchors = NULL;
	b->offset = b->length = 0;
	b->style = ATIO_STYLE_ANY;
	b->failed = 0;
	b->error = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
}

int atio_builder_finish(struct atio_builder *b, struct atio_doc **ret_doc,
			struct atio_value_error *err)
{
	struct atio_doc *next = NULL;
	int r = complete(b);

	if (r == 0 && atio_doc_new(&b->limits, &next) < 0)
		r = atio_build_no_memory(b);
	if (r < 0) {
		if (err && !err->error.code)
			*err = b->error;
		return r;
	}
	next->root = NULL;
	*ret_doc = b->doc;
	b->doc = next;
	begin_anew(b);
	return 0;
}
