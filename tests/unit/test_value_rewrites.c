/* SPDX-License-Identifier: MIT
 *
 * test_value_rewrites.c - views that somebody has changed at random: what is
 * restored shows what was written, in the order that it was written in where
 * that says something; and what was not changed is as it was in the base.
 */
#include <math.h>

#include "../formats/codecs.h"
#include "value/fit.h"
#include "value_random.h"

#define TREES 12000

static const char *const formats[] = {"json", "yaml", "toml", "csv",
				      "xml",  "txt",  "typed"};

static const struct atio_codec *codec(const char *name)
{
	const struct atio_codec *found = codec_named(name, strlen(name));

	NEED(found);
	return found;
}

/* All aliases expanded and merge keys merged, with the lexemes.  NULL: more
 * than anybody can show. */
static struct atio_doc *expanded(const struct atio_node *root)
{
	const struct atio_node *made;
	struct atio_doc *doc = NULL;
	struct atio_limits limits;
	struct atio_node *copy;

	if (atio_value_convert(root, ATIO_TO_TYPED, NULL, &doc, &made, NULL) <
	    0)
		return NULL;
	if (doc)
		return doc;
	NEED(atio_limits_complete(NULL, &limits) == 0);
	NEED(atio_doc_new(&limits, &doc) == 0);
	NEED(atio_node_copy(doc, root, false, &copy, NULL) == 0);
	doc->root = copy;
	return doc;
}

/* ---- comparing ------------------------------------------------------- */

static bool is_collection(const struct atio_node *node)
{
	return node->type >= ATIO_SEQ;
}

static bool is_text(const struct atio_node *node)
{
	return node->type == ATIO_STRING || node->type == ATIO_DATETIME;
}

/* "1" and "1.0" are the same float, and a date may be written in two ways, and
 * is but a text in YAML. */
static bool same_text(const struct atio_node *a, const struct atio_node *b)
{
	char text[2][ATIO_DATETIME_TEXT_MAX];
	enum atio_datetime kind;
	double real[2];

	if (atio_value_equal(a, b))
		return true;
	if (atio_float_parse(a->text, a->count, &real[0]) == 0 &&
	    atio_float_parse(b->text, b->count, &real[1]) == 0)
		return real[0] == real[1];
	return atio_datetime_parse(a->text, a->count, &kind, text[0]) == 0 &&
	       atio_datetime_parse(b->text, b->count, &kind, text[1]) == 0 &&
	       strcmp(text[0], text[1]) == 0;
}

/* Both as views show them. */
static bool same(const struct atio_node *a, const struct atio_node *b,
		 bool ordered)
{
	long at;

	if (is_text(a) && is_text(b))
		return same_text(a, b);
	if (a->type != b->type)
		return false;
	if (!is_collection(a))
		return atio_value_equal(a, b) &&
		       (a->type != ATIO_FLOAT ||
			signbit(a->real) == signbit(b->real));
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		if (a->type != ATIO_MAP) {
			if (!same(a->items[i], b->items[i], ordered))
				return false;
			continue;
		}
		at = atio_map_find(b, a->pairs[i].key);
		if (at < 0 || (ordered && at != i) ||
		    !same(a->pairs[i].value, b->pairs[at].value, ordered))
			return false;
	}
	return true;
}

/* ---- somebody changes a view ----------------------------------------- */

static bool all_text(enum atio_target target)
{
	return target == ATIO_TO_CSV || target == ATIO_TO_XML ||
	       target == ATIO_TO_TXT;
}

static struct atio_node *new_scalar(struct random *random,
				    enum atio_target target)
{
	static const char *const texts[] = {"x",          "7",
					    "1.5",        "true",
					    "2021-03-01", "07:32:00",
					    "aGFsbG8=",   "99999999999999999999",
					    "",           "nan"};
	static const char *const values[] = {
		"8", "2.5", "false", "x", "'2021-03-01'", "'aGVsbG8='",
		"31", "-0.0", "''", "'1979-05-27T07:32:00Z'", "100.0~1e2"};
	static struct atio_doc *docs[LENGTH(texts) + LENGTH(values)];
	unsigned i = pick(random, LENGTH(texts));
	char text[64];

	if (all_text(target)) {
		(void)snprintf(text, sizeof(text), "'%s'", texts[i]);
	} else {
		i = pick(random, LENGTH(values));
		(void)snprintf(text, sizeof(text), "%s", values[i]);
		i += LENGTH(texts);
	}
	atio_doc_free(docs[i]);
	docs[i] = doc_of(text);
	return docs[i]->root;
}

static struct atio_node *copied(struct atio_doc *doc,
				const struct atio_node *node)
{
	struct atio_node *copy;

	NEED(atio_node_copy(doc, node, false, &copy, NULL) == 0);
	return copy;
}

static struct atio_node *new_key(struct atio_doc *doc, struct random *random)
{
	char key[16];
	int len = snprintf(key, sizeof(key), "n%u", pick(random, 3));
	struct atio_node *node;

	node = atio_node_new_text(doc, ATIO_STRING, key, (size_t)len);
	NEED(node);
	return node;
}

struct editor {
	struct random random;
	struct atio_doc *doc;
	enum atio_target target;
};

static void edit_map(struct editor *e, struct atio_node *map)
{
	unsigned one = pick(&e->random, map->count);
	unsigned other = pick(&e->random, map->count);
	struct atio_pair pair = map->pairs[one];
	struct atio_node *value;

	switch (pick(&e->random, 4)) {
	case 0:
		atio_map_remove(map, one);
		break;
	case 1:
		map->pairs[one] = map->pairs[other];
		map->pairs[other] = pair;
		break;
	case 2:
		value = copied(e->doc, pair.value);
		NEED(atio_map_set(e->doc, map, new_key(e->doc, &e->random),
				  value) == 0);
		break;
	default:
		value = new_scalar(&e->random, e->target);
		map->pairs[one].value = copied(e->doc, value);
		break;
	}
}

static void edit_seq(struct editor *e, struct atio_node *seq)
{
	unsigned one = pick(&e->random, seq->count);
	unsigned other = pick(&e->random, seq->count);
	struct atio_node *item = seq->items[one], *value;

	switch (pick(&e->random, 4)) {
	case 0:
		atio_seq_remove(seq, one);
		break;
	case 1:
		seq->items[one] = seq->items[other];
		seq->items[other] = item;
		break;
	case 2: /* a new row */
		NEED(atio_seq_insert(e->doc, seq, other,
				     copied(e->doc, item)) == 0);
		break;
	default:
		value = new_scalar(&e->random, e->target);
		seq->items[one] = copied(e->doc, value);
		break;
	}
}

/* One change somewhere in @slot. */
static void edit(struct editor *e, struct atio_node **slot)
{
	struct atio_node *node = *slot;
	unsigned i;

	if (!is_collection(node) || !node->count) {
		*slot = copied(e->doc, new_scalar(&e->random, e->target));
		return;
	}
	i = pick(&e->random, node->count);
	if (node->type == ATIO_MAP && pick(&e->random, 3))
		edit(e, &node->pairs[i].value);
	else if (node->type == ATIO_SEQ && pick(&e->random, 3))
		edit(e, &node->items[i]);
	else if (node->type == ATIO_MAP)
		edit_map(e, node);
	else
		edit_seq(e, node);
}

/* ---- what comes of it ------------------------------------------------ */

/* Where the same place shows the same scalar as before, the base's stands:
 * @before and @after are the views, @base and @is without aliases. */
static void check_kept(const struct atio_node *before,
		       const struct atio_node *after,
		       const struct atio_node *base, const struct atio_node *is)
{
	const struct atio_node *key;
	long at[4];

	if (before->type != after->type)
		return;
	if (!is_collection(before)) {
		if (strcmp(text_of(before), text_of(after)) == 0 &&
		    !is_collection(base))
			CHECK_STR(text_of(is), text_of(base));
		return;
	}
	if (base->type != before->type || is->type != after->type)
		return;
	for (uint32_t i = 0; i < before->count && i < after->count; i++) {
		if (before->type != ATIO_MAP) {
			check_kept(before->items[i], after->items[i],
				   base->items[i], is->items[i]);
			continue;
		}
		key = before->pairs[i].key;
		at[1] = atio_map_find(after, key);
		at[2] = atio_map_find(base, key);
		at[3] = atio_map_find(is, key);
		if (at[1] < 0)
			continue;
		CHECK(at[2] >= 0 && at[3] >= 0);
		check_kept(before->pairs[i].value, after->pairs[at[1]].value,
			   base->pairs[at[2]].value, is->pairs[at[3]].value);
	}
}

/* @root shows @view. */
static void check_shows(const struct atio_node *root, const char *what,
			enum atio_target target, const struct atio_node *view)
{
	bool ordered = target == ATIO_TO_JSON || target == ATIO_TO_TYPED;
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_node *shown = NULL;
	struct atio_doc *doc = NULL;
	int r;

	r = atio_value_convert(root, target, NULL, &doc, &shown, &err);
	if (r < 0 || !same(shown, view, ordered))
		printf("%s: %s\nshows %s\nnot %s\n%s\n", what, text_of(root),
		       r < 0 ? "" : text_of(shown), text_of(view),
		       err.error.text);
	CHECK_INT(r, 0);
	CHECK(shown && same(shown, view, ordered));
	atio_doc_free(doc);
}

/* As YAML, which keeps aliases; dates become text, and are written plainly. */
static void check_yaml(const struct atio_node *root, enum atio_target target,
		       const struct atio_node *view)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = NULL;
	char *bytes = NULL;
	size_t len;

	CHECK_INT(atio_codec_dump(codec("yaml"), root, NULL, &bytes, &len,
				  &err),
		  0);
	NEED(bytes);
	if (atio_codec_load(codec("yaml"), bytes, len, NULL, &doc, &err) < 0)
		printf("%s\n%s\n", bytes, err.error.text);
	NEED(doc);
	if (target != ATIO_TO_TYPED)
		check_shows(atio_doc_root(doc), bytes, target, view);
	atio_doc_free(doc);
	free(bytes);
}

static void check_restored(const struct atio_node *base,
			   const struct atio_node *before,
			   const struct atio_node *after,
			   enum atio_target target)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *made = NULL, *base_doc, *is_doc;
	const struct atio_node *root = NULL;

	CHECK_INT(atio_value_restore(after, target, base, NULL, &made, &root,
				     &err),
		  0);
	NEED(root);
	check_shows(root, text_of(base), target, after);
	check_yaml(root, target, after);
	base_doc = expanded(base);
	is_doc = expanded(root);
	NEED(base_doc && is_doc);
	check_kept(before, after, atio_doc_root(base_doc),
		   atio_doc_root(is_doc));
	atio_doc_free(base_doc);
	atio_doc_free(is_doc);
	atio_doc_free(made);
}

/* Both are written, and read again, as a file would be.  NULL: the format does
 * not hold what somebody made of it. */
static struct atio_doc *shown(const struct atio_node *root, const char *format)
{
	struct atio_doc *doc = NULL;
	char *bytes = NULL;
	size_t len;

	if (atio_codec_dump(codec(format), root, NULL, &bytes, &len, NULL) < 0)
		return NULL;
	CHECK_INT(atio_codec_load(codec(format), bytes, len, NULL, &doc, NULL),
		  0);
	free(bytes);
	return doc;
}

/* Whether there was something to be restored. */
static bool check_rewrite(const struct atio_node *base, const char *format,
			  unsigned seed)
{
	struct atio_doc *before = shown(base, format), *edited, *after;
	struct editor e = {
		.random = {(uint64_t)(seed + 7) * 0x9E3779B97F4A7C15ull},
		.target = codec(format)->target,
	};

	if (!before)
		return false;
	edited = shown(base, format);
	NEED(edited);
	e.doc = edited;
	for (unsigned n = 1 + pick(&e.random, 3); n; n--)
		edit(&e, &edited->root);
	after = shown(atio_doc_root(edited), format);
	if (after)
		check_restored(base, atio_doc_root(before),
			       atio_doc_root(after), e.target);
	atio_doc_free(before);
	atio_doc_free(edited);
	atio_doc_free(after);
	return after;
}

static void test_random(void)
{
	static struct value_maker m;
	unsigned restored[LENGTH(formats)] = {0};
	struct atio_doc *doc;

	for (unsigned seed = 0; seed < TREES; seed++) {
		doc = doc_of(value_make(&m, seed));
		for (size_t i = 0; i < LENGTH(formats); i++) {
			/* Aliases in a view are what somebody wrote. */
			if (strcmp(formats[i], "yaml") == 0 &&
			    strchr(m.text, '*'))
				continue;
			restored[i] += check_rewrite(atio_doc_root(doc),
						     formats[i], seed);
		}
		atio_doc_free(doc);
	}
	for (size_t i = 0; i < LENGTH(formats); i++)
		CHECK(restored[i] > TREES / 50);
}

int main(void)
{
	test_random();
	return check_result();
}
