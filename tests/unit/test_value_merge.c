/* SPDX-License-Identifier: MIT
 *
 * test_value_merge.c - merge, update, replace: what they make of a document,
 * and that they leave it alone when they fail.
 */
#include "value_text.h"

typedef int change_fn(struct atio_doc *doc, const struct atio_node *with,
		      struct atio_value_error *err);

struct row {
	const char *before, *with, *after; /* NULL: an error, and as before */
	int error;
};

static void check_row(change_fn *change, const struct row *row)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = doc_of(row->before), *with = doc_of(row->with);
	char before[2000], patch[2000];
	int r;

	(void)snprintf(before, sizeof(before), "%s",
		       text_of(atio_doc_root(doc)));
	(void)snprintf(patch, sizeof(patch), "%s",
		       text_of(atio_doc_root(with)));
	r = change(doc, atio_doc_root(with), &err);
	if (r != -row->error)
		printf("%s with %s: %s\n", before, patch, err.error.text);
	CHECK_INT(r, -row->error);
	CHECK_INT(err.error.code, row->error);
	CHECK_STR(text_of(atio_doc_root(doc)),
		  row->after ? row->after : before);
	CHECK_STR(text_of(atio_doc_root(with)), patch);
	/* What is in the document is not of the other one. */
	atio_doc_free(with);
	CHECK_STR(text_of(atio_doc_root(doc)),
		  row->after ? row->after : before);
	atio_doc_free(doc);
}

static void check_rows(change_fn *change, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_row(change, &rows[i]);
}

/* ---- merge ----------------------------------------------------------- */

/* RFC 7396, appendix A */
static const struct row rfc[] = {
	{"{a: b}", "{a: c}", "{'a': 'c'}", 0},
	{"{a: b}", "{b: c}", "{'a': 'b', 'b': 'c'}", 0},
	{"{a: b}", "{a: null}", "{}", 0},
	{"{a: b, b: c}", "{a: null}", "{'b': 'c'}", 0},
	{"{a: [b]}", "{a: c}", "{'a': 'c'}", 0},
	{"{a: c}", "{a: [b]}", "{'a': ['b']}", 0},
	{"{a: {b: c}}", "{a: {b: d, c: null}}", "{'a': {'b': 'd'}}", 0},
	{"{a: [{b: c}]}", "{a: [1]}", "{'a': [1]}", 0},
	{"[a, b]", "[c, d]", "['c', 'd']", 0},
	{"{a: b}", "[c]", "['c']", 0},
	{"{a: foo}", "null", "null", 0},
	{"{a: foo}", "bar", "'bar'", 0},
	{"{e: null}", "{a: 1}", "{'e': null, 'a': 1}", 0},
	{"[1, 2]", "{a: b, c: null}", "{'a': 'b'}", 0},
	{"{}", "{a: {bb: {ccc: null}}}", "{'a': {'bb': {}}}", 0},
};

static const struct row merges[] = {
	/* Keys stay where they are, new ones come last. */
	{"{c: 1, a: 2, b: 3}", "{b: 4, d: 5, c: 6}",
	 "{'c': 6, 'a': 2, 'b': 4, 'd': 5}", 0},
	{"{a: 1, b: 2, c: 3}", "{b: null}", "{'a': 1, 'c': 3}", 0},
	{"{a: 1}", "{b: null}", "{'a': 1}", 0},
	{"{a: 1}", "{}", "{'a': 1}", 0},
	{"{a: {x: 1, y: {z: 2}}}", "{a: {y: {w: 3}}}",
	 "{'a': {'x': 1, 'y': {'z': 2, 'w': 3}}}", 0},
	{"{a: 1}", "{a: {b: null, c: {d: null}}}", "{'a': {'c': {}}}", 0},
	/* A null in a list is a value. */
	{"{}", "{a: [null, {b: null}]}", "{'a': [null, {'b': null}]}", 0},
	/* Lexemes of what is not touched. */
	{"{a: 31~0x1F, b: 0.1~0.10, c: @1979-05-27t07:32:00z}", "{d: 1.5~1.50}",
	 "{'a': 31~0x1F, 'b': 0.1~0.10, 'c': @1979-05-27T07:32:00Z~"
	 "1979-05-27t07:32:00z, 'd': 1.5~1.50}",
	 0},
	{"{1: a, null: b}", "{1: c, null: null, 2: d}", "{1: 'c', 2: 'd'}", 0},
	/* Many at once. */
	{"{a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 10}",
	 "{b: null, j: null, a: null, k: 11, e: 55}",
	 "{'c': 3, 'd': 4, 'e': 55, 'f': 6, 'g': 7, 'h': 8, 'i': 9, 'k': 11}",
	 0},
	/* The other place that an alias shows is not changed. */
	{"{a: &a {x: 1}, b: *a}", "{b: {y: 2}}",
	 "{'a': {'x': 1}, 'b': {'x': 1, 'y': 2}}", 0},
	{"{a: &a {x: 1}, b: *a}", "{a: {x: 2}}", "{'a': {'x': 2}, 'b': *a}", 0},
	{"{a: !t {x: 1}}", "{a: {y: 2}}", "{'a': !t {'x': 1, 'y': 2}}", 0},
	/* What is merged counts, and stays merged where that is enough. */
	{"{a: &a {x: 1, y: {z: 1}}, b: {<<: *a}}", "{b: {w: 2}}",
	 "{'a': {'x': 1, 'y': {'z': 1}}, 'b': {<<: *a, 'w': 2}}", 0},
	{"{a: &a {x: 1, y: 1}, b: {<<: *a, z: 3}}", "{b: {x: null}}",
	 "{'a': {'x': 1, 'y': 1}, 'b': {'y': 1, 'z': 3}}", 0},
	{"{a: &a {x: 1}, b: {<<: *a, x: 3}}", "{b: {x: null}}",
	 "{'a': {'x': 1}, 'b': {}}", 0},
	{"{a: &a {y: {z: 1}}, b: {<<: *a}}", "{b: {y: {w: 2}}}",
	 "{'a': {'y': {'z': 1}}, 'b': {'y': {'z': 1, 'w': 2}}}", 0},
	{"{a: &a {y: 1}, b: {<<: *a}}", "{b: {'<<': 2}}",
	 "{'a': {'y': 1}, 'b': {'y': 1, '<<': 2}}", 0},
	/* Of the patch, too. */
	{"{b: 1}", "{a: &a {x: 1}, b: *a, c: {<<: *a, y: null}}",
	 "{'b': {'x': 1}, 'a': {'x': 1}, 'c': {'x': 1}}", 0},
	{"{b: 1}", "{a: &a [*a]}", NULL, ELOOP},
	{"{b: 1}", "{a: &a {<<: *a}}", NULL, ELOOP},
	{"{b: 1}", "{a: {<<: 1}}", NULL, EOPNOTSUPP},
	{"{a: 1} --- {a: 2}", "{a: 3}", NULL, EOPNOTSUPP},
	{"{a: 1} --- {a: 2}", "3", NULL, EOPNOTSUPP},
};

/* ---- update and replace ---------------------------------------------- */

static const struct row updates[] = {
	{"{a: 1, b: {c: 2}}", "{b: {d: 3}, e: null}",
	 "{'a': 1, 'b': {'d': 3}, 'e': null}", 0},
	{"{a: 1}", "{}", "{'a': 1}", 0},
	{"[1, 2]", "[3, [4]]", "[1, 2, 3, [4]]", 0},
	{"[1, 2]", "[]", "[1, 2]", 0},
	{"[]", "[1]", "[1]", 0},
	{"{a: 1}", "[2]", "[2]", 0},
	{"[1]", "{a: 2}", "{'a': 2}", 0},
	{"1", "2", "2", 0},
	{"'text'", "{a: 1}", "{'a': 1}", 0},
	{"{a: 1}", "null", "null", 0},
	{"!t {a: 1}", "{b: 2}", "!t {'a': 1, 'b': 2}", 0},
	{"{a: &a {x: 1}, b: *a}", "{a: 2}", "{'a': 2, 'b': *a}", 0},
	{"{x: &x {a: 1}, <<: *x}", "{'<<': 2}",
	 "{'x': {'a': 1}, 'a': 1, '<<': 2}", 0},
	{"1 --- 2", "3", NULL, EOPNOTSUPP},
	{"{b: 1}", "{a: &a [*a]}", NULL, ELOOP},
};

static const struct row replacements[] = {
	{"{a: 1}", "2", "2", 0},
	{"{a: 1}", "[{b: @1979-05-27}]", "[{'b': @1979-05-27}]", 0},
	{"1 --- 2", "3", "3", 0},
	{"1", "2 --- 3", "2 --- 3", 0},
	{"1", "[&a [1], *a]", "[[1], [1]]", 0},
	{"1", "&a [*a]", NULL, ELOOP},
};

/* ---- large, limited, repeated ---------------------------------------- */

/* {"k0": 0, ...} with null instead of each @nulls-th. */
static struct atio_doc *many(const struct atio_limits *limits, int count,
			     int nulls)
{
	struct atio_builder *b;
	struct atio_doc *doc = NULL;
	char key[32];

	NEED(atio_builder_new(limits, &b) == 0);
	(void)atio_build_map(b);
	for (int i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		(void)atio_build_string(b, key, strlen(key));
		if (nulls && i % nulls == 0)
			(void)atio_build_null(b);
		else
			(void)atio_build_int(b, i);
	}
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	return doc;
}

static void test_large(void)
{
	struct atio_doc *doc = many(NULL, 200000, 0);
	struct atio_doc *with = many(NULL, 200000, 2);
	const struct atio_node *root;

	CHECK_INT(atio_value_merge(doc, atio_doc_root(with), NULL), 0);
	root = atio_doc_root(doc);
	CHECK_INT(atio_node_count(root), 100000);
	CHECK(!atio_node_member(root, "k4", 2));
	CHECK_INT(atio_node_int(atio_node_member(root, "k199999", 7)), 199999);
	CHECK_STR(atio_node_text(atio_node_key(root, 1), NULL), "k3");
	atio_doc_free(doc);
	atio_doc_free(with);
}

/* Not one value more than the limit, nor one level. */
static void test_limits(void)
{
	static const struct atio_limits limits = {
		.version = 1, .nodes = 7, .depth = 3};
	static const struct row rows[] = {
		{"{a: 1, b: 2}", "{c: 3}", "{'a': 1, 'b': 2, 'c': 3}", 0},
		{"{a: 1, b: 2}", "{c: 3, d: 4}", NULL, EFBIG},
		{"{a: 1, b: 2}", "{a: {c: 3}}", "{'a': {'c': 3}, 'b': 2}", 0},
		{"{a: 1, b: 2}", "{a: [[]]}", "{'a': [[]], 'b': 2}", 0},
		{"{a: 1}", "{a: [[[]]]}", NULL, EFBIG},
		{"{a: {b: 1}}", "{a: {b: [1]}}", "{'a': {'b': [1]}}", 0},
		{"{a: {b: 1}}", "{a: {b: [[]]}}", NULL, EFBIG},
	};
	struct atio_value_error err;
	struct atio_doc *doc, *with;
	const char *after;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		doc = doc_within(rows[i].before, &limits);
		with = doc_of(rows[i].with);
		after = rows[i].after;
		if (!after)
			after = text_of(atio_doc_root(doc));
		err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
		CHECK_INT(atio_value_merge(doc, atio_doc_root(with), &err),
			  -rows[i].error);
		CHECK_STR(text_of(atio_doc_root(doc)), after);
		atio_doc_free(doc);
		atio_doc_free(with);
	}
}

/* A value of the document itself, again and again; failures take no memory. */
static void test_again(void)
{
	struct atio_doc *doc = doc_of("{a: {b: 1}}");
	struct atio_doc *wrong = doc_of("[&a [*a]]");
	struct atio_arena before;

	CHECK_INT(atio_value_merge(doc, atio_doc_root(doc), NULL), 0);
	CHECK_STR(text_of(atio_doc_root(doc)), "{'a': {'b': 1}}");
	CHECK_INT(atio_value_update(
			  doc, atio_node_member(atio_doc_root(doc), "a", 1),
			  NULL),
		  0);
	CHECK_STR(text_of(atio_doc_root(doc)), "{'a': {'b': 1}, 'b': 1}");
	before = doc->arena;
	for (int i = 0; i < 1000; i++)
		CHECK_INT(atio_value_update(doc, atio_doc_root(wrong), NULL),
			  -ELOOP);
	CHECK(memcmp(&before, &doc->arena, sizeof(before)) == 0);
	CHECK_INT(atio_value_replace(
			  doc, atio_node_member(atio_doc_root(doc), "a", 1),
			  NULL),
		  0);
	CHECK_STR(text_of(atio_doc_root(doc)), "{'b': 1}");
	atio_doc_free(doc);
	atio_doc_free(wrong);
}

/* A document without any value is one no longer. */
static void test_empty(void)
{
	struct atio_doc *doc = NULL, *with = doc_of("{a: 1}");
	struct atio_builder *b;

	NEED(atio_builder_new(NULL, &b) == 0);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	CHECK_INT(atio_doc_traits(doc), ATIO_DOC_EMPTY);
	CHECK_INT(atio_value_update(doc, atio_doc_root(with), NULL), 0);
	CHECK_INT(atio_doc_traits(doc), 0);
	CHECK_STR(text_of(atio_doc_root(doc)), "{'a': 1}");
	atio_doc_free(doc);
	atio_doc_free(with);
	atio_builder_free(b);
}

int main(void)
{
	check_rows(atio_value_merge, rfc, LENGTH(rfc));
	check_rows(atio_value_merge, merges, LENGTH(merges));
	check_rows(atio_value_update, updates, LENGTH(updates));
	check_rows(atio_value_replace, replacements, LENGTH(replacements));
	test_large();
	test_limits();
	test_again();
	test_empty();
	return check_result();
}
