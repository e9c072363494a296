/* SPDX-License-Identifier: MIT
 *
 * TOML: the writer.
 *
 *   a map                              [table]
 *   a map that came from dotted keys   a.b = 1 among the entries of its table
 *   a list of nothing but maps         [[array of tables]]
 *   a list or map that was inline      inline, with all that is in it
 *   any other list                     inline
 *
 * What follows a header belongs to it, so the entries of a table (all that is
 * not written with headers) come before the tables in it; apart from that all
 * is in the order of the map.  A document that was TOML keeps its order: where
 * tables came before the entries of the table around them, [a.b] before [a],
 * they are written so again.
 *
 * A table that has only tables in it gets no header, unless it had one.  An
 * array that would end beyond WIDTH gets a line for each of its members.
 *
 * What is open, from the root to the value being written, is on one stack: it
 * is the path of a header, the prefix of a dotted key, and the pointer of a
 * message.
 */
#include "format/toml.h"

#include <errno.h>
#include <stdlib.h>

#define WIDTH      80
#define INDENT     4
#define DOTTED_MAX 128 /* dots in a key; what is deeper gets a header */

struct frame {
	const struct atio_node *node;
	size_t at;  /* the member in hand */
	int dots;   /* that keys below it may still have */
	bool begun; /* its header and entries are written */
};

struct dump {
	struct atio_out *out;
	struct atio_value_error *err;
	struct frame *frames;
	size_t open, room;
};

/* ---- what becomes of a value ----------------------------------------- */

enum form {
	INLINE,
	DOTTED,
	TABLE,
	ARRAY, /* of tables */
};

static bool is_array_of_tables(const struct atio_node *node)
{
	if (node->type != ATIO_SEQ || node->style == ATIO_STYLE_FLOW)
		return false;
	for (size_t i = 0; i < node->count; i++) {
		if (node->items[i]->type != ATIO_MAP)
			return false;
	}
	return node->count;
}

static bool is_table(const struct atio_node *node)
{
	return node->type == ATIO_MAP && node->style != ATIO_STYLE_FLOW;
}

static bool is_dotted(const struct atio_node *map, int dots);

static enum form form_of(const struct atio_node *node, int dots)
{
	if (is_table(node))
		return is_dotted(node, dots) ? DOTTED : TABLE;
	return is_array_of_tables(node) ? ARRAY : INLINE;
}

static bool has_header(enum form form)
{
	return form == TABLE || form == ARRAY;
}

/* Whether a table came from dotted keys and can be written so again: it needs
 * entries, and none behind its tables, which come later. */
static bool is_dotted(const struct atio_node *map, int dots)
{
	bool below, before = false;

	if (map->style != ATIO_STYLE_PLAIN || !dots)
		return false;
	for (size_t i = 0; i < map->count; i++) {
		below = has_header(form_of(map->pairs[i].value, dots - 1));
		if (below ? !i : before)
			return false;
		before = below;
	}
	return map->count;
}

/* The first member of @table from @i on that is an entry; its count: none. */
static size_t next_entry(const struct atio_node *table, size_t i)
{
	while (i < table->count &&
	       has_header(form_of(table->pairs[i].value, DOTTED_MAX)))
		i++;
	return i;
}

/* Whether a table that is in no array needs a header of its own. */
static bool needs_header(const struct atio_node *table)
{
	return table->style == ATIO_STYLE_BLOCK || !table->count ||
	       next_entry(table, 0) < table->count;
}

/* Whether tables in @table came before its entries in the source. */
static bool begins_late(const struct atio_node *table)
{
	size_t entry;

	if (table->style == ATIO_STYLE_ANY)
		return false;
	entry = next_entry(table, 0);
	return entry && entry < table->count;
}

/* ---- the stack ------------------------------------------------------- */

static struct frame *top(const struct dump *d)
{
	return &d->frames[d->open - 1];
}

static int push(struct dump *d, const struct atio_node *node, int dots)
{
	size_t room = d->room ? 2 * d->room : 32;
	struct frame *frames;

	if (d->open == d->room) {
		frames = reallocarray(d->frames, room, sizeof(*frames));
		if (!frames)
			return atio_value_fail(d->err, ENOMEM, NULL,
					       "out of memory");
		d->frames = frames;
		d->room = room;
	}
	d->frames[d->open++] = (struct frame){
		.node = node,
		.dots = dots,
	};
	return 0;
}

static void pop(struct dump *d)
{
	d->open--;
	if (d->open)
		top(d)->at++;
}

static const struct atio_node *member(const struct frame *frame)
{
	return frame->node->type == ATIO_MAP
		       ? frame->node->pairs[frame->at].value
		       : frame->node->items[frame->at];
}

/* TOML has no @what that is @node, at the place that @depth frames lead to. */
static int fail(struct dump *d, int code, size_t depth, const char *what,
		const struct atio_node *node)
{
	struct atio_step *steps = calloc(depth + 1, sizeof(*steps));
	const struct frame *frame;
	int r;

	if (!steps)
		return atio_value_fail(d->err, ENOMEM, NULL, "out of memory");
	for (size_t i = 0; i < depth; i++) {
		frame = &d->frames[i];
		steps[i].up = i ? &steps[i - 1] : NULL;
		steps[i].index = frame->at;
		if (frame->node->type == ATIO_MAP)
			steps[i].key = frame->node->pairs[frame->at].key;
	}
	r = atio_value_fail(d->err, code, depth ? &steps[depth - 1] : NULL,
			    "TOML has no %s that is %s", what,
			    atio_type_phrase(node->type));
	free(steps);
	return r;
}

/* The key in hand. */
static int check_key(struct dump *d)
{
	const struct frame *frame = top(d);
	const struct atio_node *key = frame->node->pairs[frame->at].key;

	if (key->type == ATIO_STRING)
		return 0;
	return fail(d, EOPNOTSUPP, d->open - 1, "key", key);
}

/* The keys in hand from the frame @from to that before @to, with dots. */
static void put_path(struct dump *d, size_t from, size_t to)
{
	bool first = true;

	for (size_t i = from; i < to; i++) {
		const struct frame *frame = &d->frames[i];

		if (frame->node->type != ATIO_MAP)
			continue;
		if (!first)
			atio_out_char(d->out, '.');
		atio_toml_put_key(d->out, frame->node->pairs[frame->at].key);
		first = false;
	}
}

/* ---- inline ---------------------------------------------------------- */

static bool is_collection(const struct atio_node *node)
{
	return node->type == ATIO_SEQ || node->type == ATIO_MAP;
}

static int begin_inline(struct dump *d, const struct atio_node *node)
{
	int r;

	if (is_collection(node)) {
		atio_out_char(d->out, node->type == ATIO_SEQ ? '[' : '{');
		return push(d, node, 0);
	}
	r = atio_toml_put_scalar(d->out, node);
	return r ? fail(d, -r, d->open, "value", node) : 0;
}

static void end_inline(struct dump *d)
{
	if (top(d)->node->type == ATIO_SEQ)
		atio_out_char(d->out, ']');
	else
		atio_out_text(d->out, top(d)->node->count ? " }" : "}");
}

/* The member in hand of the collection that was opened last. */
static int put_inline_member(struct dump *d)
{
	const struct frame *frame = top(d);
	const struct atio_node *value = member(frame);
	int r;

	if (frame->at)
		atio_out_char(d->out, ',');
	if (frame->at || frame->node->type == ATIO_MAP)
		atio_out_char(d->out, ' ');
	if (frame->node->type == ATIO_MAP) {
		r = check_key(d);
		if (r)
			return r;
		put_path(d, d->open - 1, d->open);
		atio_out_text(d->out, " = ");
	}
	r = begin_inline(d, value);
	if (!r && !is_collection(value))
		top(d)->at++;
	return r;
}

/* Any value, on one line. */
static int put_inline(struct dump *d, const struct atio_node *node)
{
	size_t base = d->open;
	int r = begin_inline(d, node);

	while (!r && d->open > base && !d->out->failed) {
		if (top(d)->at < top(d)->node->count) {
			r = put_inline_member(d);
			continue;
		}
		end_inline(d);
		d->open--;
		if (d->open > base)
			top(d)->at++;
	}
	return r;
}

/* An array, a line for each of its members. */
static int put_long_array(struct dump *d, const struct atio_node *array)
{
	int r = push(d, array, 0);

	if (r)
		return r;
	atio_out_text(d->out, "[\n");
	for (; !r && top(d)->at < array->count; top(d)->at++) {
		atio_out_fill(d->out, ' ', INDENT);
		r = put_inline(d, member(top(d)));
		atio_out_text(d->out, ",\n");
		if (r || d->out->failed)
			return r;
	}
	atio_out_char(d->out, ']');
	d->open--;
	return r;
}

/* ---- entries --------------------------------------------------------- */

/* The entry in hand, in the body of the table of the frame @table. */
static int put_entry(struct dump *d, size_t table)
{
	const struct atio_node *value = member(top(d));
	size_t begin = d->out->len, after;
	int r;

	put_path(d, table, d->open);
	atio_out_text(d->out, " = ");
	after = d->out->len;
	if (value->type == ATIO_STRING) {
		atio_toml_put_text(d->out, value);
		r = 0;
	} else {
		r = put_inline(d, value);
	}
	if (!r && value->type == ATIO_SEQ && value->count &&
	    d->out->len - begin > WIDTH && !d->out->failed) {
		d->out->len = after;
		r = put_long_array(d, value);
	}
	atio_out_char(d->out, '\n');
	return r;
}

/* The entries of the map that was opened last, which is a table, or a dotted
 * one within the table of the frame @table.  Called within itself at most
 * DOTTED_MAX times. */
static int put_body(struct dump *d, size_t table)
{
	const struct atio_node *map = top(d)->node;
	int dots = top(d)->dots;
	enum form form;
	int r;

	for (size_t i = 0; i < map->count && !d->out->failed; i++) {
		top(d)->at = i;
		r = check_key(d);
		if (r)
			return r;
		form = form_of(map->pairs[i].value, dots);
		if (form == INLINE) {
			r = put_entry(d, table);
		} else if (form == DOTTED) {
			r = push(d, map->pairs[i].value, dots - 1);
			if (!r)
				r = put_body(d, table);
			if (!r)
				d->open--;
		}
		if (r)
			return r;
	}
	top(d)->at = 0;
	return 0;
}

/* ---- tables ---------------------------------------------------------- */

/* The header of what the frames before @to lead to. */
static void put_header(struct dump *d, const char *begin, const char *end,
		       size_t to)
{
	if (d->out->len)
		atio_out_char(d->out, '\n');
	atio_out_text(d->out, begin);
	put_path(d, 0, to);
	atio_out_text(d->out, end);
}

/* The header and entries of the table that was opened last. */
static int begin_table(struct dump *d, bool header)
{
	size_t at = top(d)->at;
	int r;

	if (header)
		put_header(d, "[", "]\n", d->open - 1);
	r = put_body(d, d->open - 1);
	if (r)
		return r;
	top(d)->at = at;
	top(d)->begun = true;
	return 0;
}

static int open_table(struct dump *d, const struct atio_node *table)
{
	int r = push(d, table, DOTTED_MAX);

	if (r || begins_late(table))
		return r;
	return begin_table(d, needs_header(table));
}

/* One table of the array that was opened last. */
static int put_element(struct dump *d)
{
	int r;

	put_header(d, "[[", "]]\n", d->open);
	r = push(d, member(top(d)), DOTTED_MAX);
	return r ? r : begin_table(d, false);
}

/* The member in hand of the table that was opened last, if it has headers. */
static int put_member(struct dump *d)
{
	const struct atio_node *value = member(top(d));
	int dots = top(d)->dots, r;
	enum form form = form_of(value, dots);

	if (!top(d)->begun && !has_header(form))
		return begin_table(d, true);
	switch (form) {
	case TABLE:
		return open_table(d, value);
	case ARRAY:
		return push(d, value, 0);
	case DOTTED: /* which may have tables in it */
		r = push(d, value, dots - 1);
		if (!r)
			top(d)->begun = true;
		return r;
	case INLINE:
		break;
	}
	top(d)->at++;
	return 0;
}

static int put_document(struct dump *d, const struct atio_node *root)
{
	int r;

	if (root->type != ATIO_MAP)
		return fail(d, EOPNOTSUPP, 0, "document", root);
	r = push(d, root, DOTTED_MAX);
	if (!r)
		r = begin_table(d, false);
	while (!r && d->open && !d->out->failed) {
		if (top(d)->at == top(d)->node->count)
			pop(d);
		else if (top(d)->node->type == ATIO_SEQ)
			r = put_element(d);
		else
			r = put_member(d);
	}
	return r;
}

int atio_toml_dump(const struct atio_codec *codec, const struct atio_node *root,
		   struct atio_out *out, struct atio_value_error *err)
{
	struct dump d = {.out = out, .err = err};
	int r = put_document(&d, root);

	free(d.frames);
	return r;
}
