/* SPDX-License-Identifier: MIT
 *
 * TOML: tables, their headers, and the keys that lead into them.
 */
#include "format/toml.h"

#include <errno.h>
#include <string.h>

/* ---- what is wrong with a key ---------------------------------------- */

#define NAME_MAX_SHOWN 60

/* A key as a message names it: long ones and those that would break the line
 * are not shown. */
static struct toml_text name_of(const struct toml_text *key)
{
	struct toml_text name = *key;
	bool shown = key->len <= NAME_MAX_SHOWN;

	for (size_t i = 0; shown && i < key->len; i++)
		shown = !toml_is(key->text[i], TOML_CONTROL);
	if (!shown) {
		name.text = "...";
		name.len = 3;
	}
	return name;
}

static size_t line_of(const struct toml *t, const struct atio_node *node)
{
	size_t line, column;

	atio_text_position(t->text, (size_t)(t->end - t->text),
			   node->offset - t->b->shift, &line, &column);
	return line;
}

/* @old stands where @key wants to define something else. */
static int fail_twice(struct toml *t, const struct toml_text *key,
		      const struct atio_node *old)
{
	struct toml_text name = name_of(key);

	return toml_fail(t, EEXIST, key->at,
			 "'%.*s' is already defined, in line %zu",
			 (int)name.len, name.text, line_of(t, old));
}

/* @old is what @key leads into, but nothing can be added to it. */
static int fail_closed(struct toml *t, const struct toml_text *key,
		       const struct atio_node *old)
{
	struct toml_text name = name_of(key);
	const char *what = "is no table";

	if (old->type == ATIO_SEQ)
		what = "is an array";
	else if (old->type == ATIO_MAP && old->style == ATIO_STYLE_FLOW)
		what = "is an inline table, which is complete";
	else if (old->type == ATIO_MAP)
		what = "is a table with a header of its own";
	return toml_fail(t, EEXIST, key->at, "'%.*s' of line %zu %s",
			 (int)name.len, name.text, line_of(t, old), what);
}

/* ---- members --------------------------------------------------------- */

static struct atio_node *find(const struct toml_slot *slot,
			      const struct toml_text *key)
{
	long i = atio_map_find_text(slot->into, key->text, key->len);

	return i < 0 ? NULL : slot->into->pairs[i].value;
}

int atio_toml_put(struct toml *t, const struct toml_slot *slot,
		  struct atio_node *node)
{
	struct atio_node *into = slot->into;
	int r;

	if (slot->key)
		r = atio_map_add(t->doc, into, slot->key, node);
	else
		r = atio_seq_insert(t->doc, into, into->count, node);
	return r ? toml_fail(t, -r, t->at, "%s", strerrordesc_np(-r)) : 0;
}

struct atio_node *atio_toml_collection(struct toml *t,
				       const struct toml_slot *slot,
				       enum atio_type type,
				       enum atio_style style, const char *at,
				       const char *end)
{
	struct atio_node *node;

	if (slot->depth >= t->b->limits.depth) {
		(void)toml_fail(t, EFBIG, at, "nested deeper than %zu levels",
				t->b->limits.depth);
		return NULL;
	}
	node = atio_toml_node(t, type, at, end);
	if (!node)
		return NULL;
	node->style = (uint8_t)style;
	return atio_toml_put(t, slot, node) ? NULL : node;
}

/* A new collection under @key, whose span is the key's. */
static struct atio_node *add(struct toml *t, const struct toml_slot *where,
			     const struct toml_text *key, enum atio_type type,
			     enum atio_style style)
{
	struct toml_slot slot = *where;

	slot.key = atio_toml_text_node(t, ATIO_STRING, key);
	if (!slot.key)
		return NULL;
	return atio_toml_collection(t, &slot, type, style, key->at, key->end);
}

/* ---- dotted keys ----------------------------------------------------- */

/* The `a.` of `a.b = 1`: make @slot the table a of it. */
static int enter_dotted(struct toml *t, struct toml_slot *slot,
			const struct toml_text *key)
{
	struct atio_node *next = find(slot, key);

	if (!next) {
		next = add(t, slot, key, ATIO_MAP, ATIO_STYLE_PLAIN);
		if (!next)
			return t->b->failed;
	} else if (next->type != ATIO_MAP || next->style == ATIO_STYLE_FLOW ||
		   next->style == ATIO_STYLE_BLOCK) {
		return fail_closed(t, key, next);
	}
	/* One that headers passed through is defined here; a header of its own
	 * comes too late from now on. */
	next->style = ATIO_STYLE_PLAIN;
	slot->into = next;
	slot->depth++;
	return 0;
}

int atio_toml_entry_key(struct toml *t, struct toml_slot *slot)
{
	char seen[TOML_SEEN_MAX];
	struct atio_node *old;
	struct toml_text key;
	int r;

	while (!(r = atio_toml_key(t, &key)) && toml_peek(t) == '.') {
		t->at++;
		r = enter_dotted(t, slot, &key);
		if (r)
			return r;
	}
	if (r)
		return r;
	if (toml_peek(t) != '=')
		return toml_fail(t, EINVAL, t->at,
				 "expected '=' behind the key, not %s",
				 atio_toml_seen(t, t->at, seen));
	t->at++;
	old = find(slot, &key);
	if (old)
		return fail_twice(t, &key, old);
	slot->key = atio_toml_text_node(t, ATIO_STRING, &key);
	return slot->key ? 0 : t->b->failed;
}

/* ---- headers --------------------------------------------------------- */

/* The `a.` of `[a.b]`: make @slot the table a of it, or the last table of the
 * array a. */
static int enter_table(struct toml *t, struct toml_slot *slot,
		       const struct toml_text *key)
{
	struct atio_node *next = find(slot, key);

	if (!next) {
		next = add(t, slot, key, ATIO_MAP, ATIO_STYLE_ANY);
		if (!next)
			return t->b->failed;
	} else if (next->style == ATIO_STYLE_FLOW) {
		return fail_closed(t, key, next);
	} else if (next->type == ATIO_SEQ) {
		next = next->items[next->count - 1];
		slot->depth++;
	} else if (next->type != ATIO_MAP) {
		return fail_closed(t, key, next);
	}
	slot->into = next;
	slot->depth++;
	return 0;
}

/* [key] below @slot; from @begin to t->at. */
static int define_table(struct toml *t, struct toml_slot *slot,
			const struct toml_text *key, const char *begin)
{
	struct atio_node *table = find(slot, key);

	if (!table) {
		table = add(t, slot, key, ATIO_MAP, ATIO_STYLE_BLOCK);
		if (!table)
			return t->b->failed;
	} else if (table->type != ATIO_MAP || table->style != ATIO_STYLE_ANY) {
		return fail_twice(t, key, table);
	}
	table->style = ATIO_STYLE_BLOCK;
	table->offset = toml_offset(t, begin);
	table->length = (uint32_t)(t->at - begin);
	t->body = (struct toml_slot){table, NULL, slot->depth + 1};
	t->array = NULL;
	return 0;
}

/* [[key]] below @slot; from @begin to t->at. */
static int define_element(struct toml *t, struct toml_slot *slot,
			  const struct toml_text *key, const char *begin)
{
	struct atio_node *array = find(slot, key), *table;

	if (!array) {
		array = add(t, slot, key, ATIO_SEQ, ATIO_STYLE_BLOCK);
		if (!array)
			return t->b->failed;
		array->offset = toml_offset(t, begin);
	} else if (array->type != ATIO_SEQ ||
		   array->style != ATIO_STYLE_BLOCK) {
		return fail_twice(t, key, array);
	}
	slot->into = array;
	slot->key = NULL;
	slot->depth++;
	table = atio_toml_collection(t, slot, ATIO_MAP, ATIO_STYLE_BLOCK, begin,
				     t->at);
	if (!table)
		return t->b->failed;
	array->length = toml_offset(t, t->at) - array->offset;
	t->body = (struct toml_slot){table, NULL, slot->depth + 1};
	t->array = array;
	return 0;
}

/* ] or ]], which has no blank within it. */
static int read_header_end(struct toml *t, bool array)
{
	char seen[TOML_SEEN_MAX];

	for (int i = 0; i <= array; i++) {
		if (toml_peek(t) != ']')
			return toml_fail(t, EINVAL, t->at,
					 "expected '%s' after the key of a "
					 "header, not %s",
					 array ? "]]" : "]",
					 atio_toml_seen(t, t->at, seen));
		t->at++;
	}
	return 0;
}

int atio_toml_header(struct toml *t)
{
	struct toml_slot slot = {t->root, NULL, 1};
	const char *begin = t->at;
	struct toml_text key;
	bool array;
	int r;

	t->at++;
	array = toml_peek(t) == '[';
	t->at += array;
	while (!(r = atio_toml_key(t, &key)) && toml_peek(t) == '.') {
		t->at++;
		r = enter_table(t, &slot, &key);
		if (r)
			return r;
	}
	if (!r)
		r = read_header_end(t, array);
	if (r)
		return r;
	return array ? define_element(t, &slot, &key, begin)
		     : define_table(t, &slot, &key, begin);
}
