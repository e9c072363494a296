/* SPDX-License-Identifier: MIT
 *
 * typed.c - JSON in which each scalar tells its type, so that nothing of any
 * format is lost.  It is the encoding of the tests of TOML, and more:
 *
 *	map with string keys    an object        {"a": ...}
 *	list                    an array         [...]
 *	scalar                  {"type": T, "value": TEXT}, T is one of string,
 *	                        integer, float, bool, datetime, datetime-local,
 *	                        date-local, time-local, null (TEXT is empty),
 *	                        bytes (TEXT is base64)
 *	tagged value            {"type": "tagged", "tag": TAG, "value": NODE}
 *	map with other keys     {"type": "map", "value": [[KEY, VALUE], ...]}
 *	several documents       {"type": "stream", "value": [NODE, ...]}
 *
 * No value is a bare text, so an object whose "type" is one is no map.
 *
 * It is read as JSON first, into a document of its own, and then told value by
 * value, with the places of the JSON.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "format/typed.h"

#define TYPE_MOST 16 /* longer than the name of any type */

const char *const atio_typed_names[TYPED_COUNT] = {
	[TYPED_TAGGED] = "tagged",
	[TYPED_MAP] = "map",
	[TYPED_STREAM] = "stream",
	[TYPED_STRING] = "string",
	[TYPED_INTEGER] = "integer",
	[TYPED_FLOAT] = "float",
	[TYPED_BOOL] = "bool",
	[TYPED_NULL] = "null",
	[TYPED_BYTES] = "bytes",
	[TYPED_DATETIME + ATIO_OFFSET_DATETIME] = "datetime",
	[TYPED_DATETIME + ATIO_LOCAL_DATETIME] = "datetime-local",
	[TYPED_DATETIME + ATIO_LOCAL_DATE] = "date-local",
	[TYPED_DATETIME + ATIO_LOCAL_TIME] = "time-local",
};

/* ---- reading --------------------------------------------------------- */

struct reading {
	struct atio_builder *b;
	bool documents; /* there was one before */
};

static int read_value(struct reading *t, const struct atio_node *node);

/* Its place in the text, which begins after a BOM. */
static size_t place_of(const struct reading *t, const struct atio_node *node)
{
	return node->offset - t->b->shift;
}

static void set_span(struct reading *t, const struct atio_node *node)
{
	t->b->offset = place_of(t, node);
	t->b->length = node->length;
}

static int wrong(struct reading *t, const struct atio_node *node,
		 const char *type, const char *what)
{
	return atio_build_fail(t->b, EINVAL, place_of(t, node),
			       "a \"%s\" has %s as its value", type, what);
}

static bool is_text(const struct atio_node *node, const char *text)
{
	return node->count == strlen(text) &&
	       memcmp(node->text, text, node->count) == 0;
}

static const struct atio_node *member(const struct atio_node *map,
				      const char *key)
{
	return atio_node_member(map, key, strlen(key));
}

static int read_seq(struct reading *t, const struct atio_node *node)
{
	size_t i;
	int r;

	set_span(t, node);
	r = atio_build_seq(t->b);
	for (i = 0; r == 0 && i < node->count; i++)
		r = read_value(t, node->items[i]);
	return r < 0 ? r
		     : atio_build_end_at(t->b,
					 place_of(t, node) + node->length);
}

static int read_object(struct reading *t, const struct atio_node *node)
{
	const struct atio_pair *pair;
	size_t i;
	int r;

	set_span(t, node);
	r = atio_build_map(t->b);
	for (i = 0; r == 0 && i < node->count; i++) {
		pair = &node->pairs[i];
		set_span(t, pair->key);
		r = atio_build_text(t->b, ATIO_STRING, pair->key->text,
				    pair->key->count);
		if (r == 0)
			r = read_value(t, pair->value);
	}
	return r < 0 ? r
		     : atio_build_end_at(t->b,
					 place_of(t, node) + node->length);
}

/* [[KEY, VALUE], ...], for @node. */
static int read_pairs(struct reading *t, const struct atio_node *node,
		      const struct atio_node *pairs)
{
	const struct atio_node *pair;
	size_t i;
	int r;

	if (pairs->type != ATIO_SEQ)
		return wrong(t, pairs, "map", "a list of pairs");
	set_span(t, node);
	r = atio_build_map(t->b);
	for (i = 0; r == 0 && i < pairs->count; i++) {
		pair = pairs->items[i];
		if (pair->type != ATIO_SEQ || pair->count != 2)
			return wrong(t, pair, "map", "lists of two");
		r = read_value(t, pair->items[0]);
		if (r == 0)
			r = read_value(t, pair->items[1]);
	}
	return r < 0 ? r
		     : atio_build_end_at(t->b,
					 place_of(t, node) + node->length);
}

static int read_tagged(struct reading *t, const struct atio_node *node,
		       const struct atio_node *inner)
{
	const struct atio_node *tag = member(node, "tag");
	int r;

	if (!tag || tag->type != ATIO_STRING || node->count != 3)
		return atio_build_fail(t->b, EINVAL, place_of(t, node),
				       "a \"tagged\" has a \"tag\", which is a"
				       " text, and a \"value\"");
	t->b->offset = place_of(t, tag);
	r = atio_build_tag(t->b, tag->text, tag->count);
	return r < 0 ? r : read_value(t, inner);
}

/* Only as the whole; elsewhere the builder would take them for members. */
static int read_stream(struct reading *t, const struct atio_node *node,
		       const struct atio_node *documents)
{
	size_t i;
	int r = 0;

	if (documents->type != ATIO_SEQ)
		return wrong(t, documents, "stream", "a list");
	if (atio_build_open(t->b) != ATIO_NULL || t->documents || t->b->tag)
		return atio_build_fail(t->b, EINVAL, place_of(t, node),
				       "a \"stream\" stands within something");
	t->documents = true;
	for (i = 0; r == 0 && i < documents->count; i++) {
		if (i)
			r = atio_build_document(t->b);
		if (r == 0)
			r = read_value(t, documents->items[i]);
	}
	return r;
}

/* ---- scalars --------------------------------------------------------- */

static int read_float(struct reading *t, const struct atio_node *node)
{
	double value;
	int r;

	if (is_text(node, "nan") || is_text(node, "+nan") ||
	    is_text(node, "-nan"))
		return atio_build_float(t->b, (double)NAN);
	if (is_text(node, "inf") || is_text(node, "+inf"))
		return atio_build_float(t->b, (double)INFINITY);
	if (is_text(node, "-inf"))
		return atio_build_float(t->b, -(double)INFINITY);
	if (node->count > t->b->limits.number_chars) /* the builder refuses */
		return atio_build_float_as(t->b, 0, node->text, node->count);
	r = atio_float_parse(node->text, node->count, &value);
	if (r == -EINVAL)
		return wrong(t, node, "float", "a decimal number, inf or nan");
	if (r < 0)
		return atio_build_fail(t->b, -r, place_of(t, node),
				       r == -ERANGE ? "too large for a double"
						    : "out of memory");
	/* Kept only where it is no integer in any format. */
	if (atio_json_number_type(node->text, node->count) != ATIO_FLOAT)
		return atio_build_float(t->b, value);
	return atio_build_float_as(t->b, value, node->text, node->count);
}

static int read_bytes(struct reading *t, const struct atio_node *node,
		      const char *text, size_t len)
{
	char *bytes = atio_build_room(t->b, len / 4 * 3);
	long n;

	if (!bytes)
		return t->b->failed;
	n = atio_base64_bytes(text, len, bytes);
	if (n < 0)
		return wrong(t, node, "bytes", "base64");
	return atio_build_owned_text(t->b, ATIO_BYTES, bytes, (size_t)n);
}

static int read_datetime(struct reading *t, const struct atio_node *node,
			 enum atio_datetime kind)
{
	char canonical[ATIO_DATETIME_TEXT_MAX];
	enum atio_datetime found;

	if (atio_datetime_parse(node->text, node->count, &found, canonical) <
		    0 ||
	    found != kind)
		return wrong(t, node, atio_typed_names[TYPED_DATETIME + kind],
			     "such a date or time (RFC 3339)");
	return atio_build_datetime_as(t->b, kind, canonical, node->text,
				      node->count);
}

static int read_integer(struct reading *t, const struct atio_node *node)
{
	int64_t value;

	if (atio_int_parse(node->text, node->count, &value) == -EINVAL)
		return wrong(t, node, "integer", "decimal digits");
	return atio_build_integer(t->b, node->text, node->count);
}

static int read_bool(struct reading *t, const struct atio_node *node)
{
	if (is_text(node, "true"))
		return atio_build_bool(t->b, true);
	if (is_text(node, "false"))
		return atio_build_bool(t->b, false);
	return wrong(t, node, "bool", "true or false");
}

/* @node is the text, @object what it stands in. */
static int read_scalar(struct reading *t, int type,
		       const struct atio_node *object,
		       const struct atio_node *node)
{
	if (node->type != ATIO_STRING)
		return wrong(t, node, atio_typed_names[type],
			     "a text in quotes");
	set_span(t, object);
	switch (type) {
	case TYPED_STRING:
		return atio_build_text(t->b, ATIO_STRING, node->text,
				       node->count);
	case TYPED_INTEGER:
		return read_integer(t, node);
	case TYPED_FLOAT:
		return read_float(t, node);
	case TYPED_BOOL:
		return read_bool(t, node);
	case TYPED_NULL:
		return node->count ? wrong(t, node, "null", "an empty text")
				   : atio_build_null(t->b);
	case TYPED_BYTES:
		return read_bytes(t, node, node->text, node->count);
	default:
		return read_datetime(
			t, node, (enum atio_datetime)(type - TYPED_DATETIME));
	}
}

/* ---- any value ------------------------------------------------------- */

static int find_type(const struct atio_node *name)
{
	int i;

	for (i = 0; i < TYPED_COUNT; i++)
		if (is_text(name, atio_typed_names[i]))
			return i;
	return -1;
}

static int read_typed(struct reading *t, const struct atio_node *node,
		      const struct atio_node *name)
{
	const struct atio_node *inner = member(node, "value");
	int type = find_type(name);

	if (type < 0)
		return atio_build_fail(t->b, EINVAL, place_of(t, name),
				       "there is no type \"%.*s\"",
				       (int)(name->count < TYPE_MOST
						     ? name->count
						     : TYPE_MOST),
				       name->text);
	if (!inner || (type != TYPED_TAGGED && node->count != 2))
		return atio_build_fail(t->b, EINVAL, place_of(t, node),
				       "a \"%s\" has a \"type\" and a"
				       " \"value\", and nothing else",
				       atio_typed_names[type]);
	switch (type) {
	case TYPED_TAGGED:
		return read_tagged(t, node, inner);
	case TYPED_MAP:
		return read_pairs(t, node, inner);
	case TYPED_STREAM:
		return read_stream(t, node, inner);
	default:
		return read_scalar(t, type, node, inner);
	}
}

static int read_value(struct reading *t, const struct atio_node *node)
{
	const struct atio_node *name;

	switch ((enum atio_type)node->type) {
	case ATIO_SEQ:
		return read_seq(t, node);
	case ATIO_MAP:
		name = member(node, "type");
		if (name && name->type == ATIO_STRING)
			return read_typed(t, node, name);
		return read_object(t, node);
	default:
		return atio_build_fail(t->b, EINVAL, place_of(t, node),
				       "a scalar is written as {\"type\": ..."
				       ", \"value\": ...}");
	}
}

/* What the JSON may have, so that all can be told that @b takes.  What takes
 * most is [[KEY, VALUE], ...] with its object, and for a scalar an object of
 * two keys and two texts. */
static struct atio_limits limits_of_json(const struct atio_builder *b)
{
	struct atio_limits limits = b->limits, most = {0};

	most.version = ATIO_LIMITS_VERSION;
	most.nodes = (size_t)1 << 30;
	most.depth = 10000;
	limits.nodes =
		limits.nodes < most.nodes / 8 ? limits.nodes * 8 : most.nodes;
	limits.depth = limits.depth < most.depth / 4 ? limits.depth * 4 + 4
						     : most.depth;
	if (limits.scalar_bytes < limits.input_bytes)
		limits.scalar_bytes = limits.input_bytes;
	return limits;
}

static int read_json(struct atio_builder *b, const char *text, size_t len,
		     struct atio_doc **ret_doc)
{
	struct atio_limits limits = limits_of_json(b);
	struct atio_builder *json;
	int r;

	r = atio_builder_new(&limits, &json);
	if (r < 0)
		return atio_build_fail(b, -r, 0, "out of memory");
	json->source = text;
	json->source_len = len;
	json->shift = b->shift;
	(void)atio_codec_json.load(&atio_codec_json, json, text, len);
	if (json->failed) { /* with its place */
		b->failed = json->failed;
		b->error = json->error;
	}
	r = atio_builder_finish(json, ret_doc, NULL);
	atio_builder_free(json);
	return r;
}

static int load(const struct atio_codec *codec, struct atio_builder *b,
		const char *text, size_t len)
{
	struct reading t = {.b = b};
	struct atio_doc *json;
	int r;

	r = read_json(b, text, len, &json);
	if (r < 0)
		return r;
	r = read_value(&t, atio_doc_root(json));
	atio_doc_free(json);
	return r;
}

/* ---- the codec ------------------------------------------------------- */

static int dump(const struct atio_codec *codec, const struct atio_node *root,
		struct atio_out *out, struct atio_value_error *err)
{
	int r = atio_typed_put(out, root);

	if (r < 0)
		return atio_value_fail(err, -r, NULL, "%s",
				       r == -ENOMEM
					       ? "out of memory"
					       : "an alias is not expanded");
	return 0;
}

static const char *const suffixes[] = {".typed.json", NULL};

const struct atio_codec atio_codec_typed = {
	.name = "typed",
	.suffixes = suffixes,
	.target = ATIO_TO_TYPED,
	.load = load,
	.dump = dump,
	.needs_value = true,
};
