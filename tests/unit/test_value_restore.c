/* SPDX-License-Identifier: MIT
 *
 * test_value_restore.c - the way back from a view: what was not changed in it
 * is as it was, letter for letter; what was gets the type that is there.
 */
#include <time.h>

#include "value_text.h"

#define TREES 4000

/* What was written to a view has been text: no node of it is one of the base.
 * So @node is told anew, as a parser would. */
static struct atio_doc *written(const struct atio_node *node)
{
	struct atio_doc *doc;
	struct atio_node *copy;
	struct atio_limits limits;

	NEED(atio_limits_complete(NULL, &limits) == 0);
	NEED(atio_doc_new(&limits, &doc) == 0);
	NEED(atio_node_copy(doc, node, false, &copy, NULL) == 0);
	doc->root = copy;
	return doc;
}

/* The text of what is restored from @view; static. */
static const char *restored(const struct atio_node *view, enum atio_target from,
			    const struct atio_node *base)
{
	static char text[65536];
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_node *root;
	struct atio_doc *doc;
	int r;

	r = atio_value_restore(view, from, base, NULL, &doc, &root, &err);
	if (r < 0)
		return "an error";
	(void)snprintf(text, sizeof(text), "%s", text_of(root));
	atio_doc_free(doc);
	return text;
}

/* ---- one by one -------------------------------------------------------- */

static const struct row {
	enum atio_target from;
	const char *base, *view, *after;
} rows[] = {
	/* The type that is there. */
	{ATIO_TO_JSON, "{d: @2020-02-29}", "{d: '2021-03-01'}",
	 "{'d': @2021-03-01}"},
	{ATIO_TO_JSON, "{d: @2020-02-29}", "{d: 'soon'}", "{'d': 'soon'}"},
	{ATIO_TO_JSON, "{d: @2020-02-29}", "{d: 5}", "{'d': 5}"},
	{ATIO_TO_JSON, "{b: b'ab'}", "{b: 'YWM='}", "{'b': b'ac'}"},
	{ATIO_TO_JSON, "{b: b'ab'}", "{b: 'no base64'}", "{'b': 'no base64'}"},
	/* A text that only looks like one. */
	{ATIO_TO_JSON, "{d: '2020-02-29'}", "{d: '2021-03-01'}",
	 "{'d': '2021-03-01'}"},
	{ATIO_TO_JSON, "{}", "{d: '2021-03-01'}", "{'d': '2021-03-01'}"},
	/* In CSV and XML all is text. */
	{ATIO_TO_CSV, "[{n: 1, f: 1.5, t: true, z: null, s: '7'}]",
	 "[{n: '2', f: '2.5', t: 'false', z: '', s: '8'}]",
	 "[{'n': 2, 'f': 2.5~2.5, 't': false, 'z': null, 's': '8'}]"},
	{ATIO_TO_CSV, "[{n: 1}]", "[{n: '007'}]", "[{'n': '007'}]"},
	{ATIO_TO_CSV, "[{n: 1}]", "[{n: '1'}, {n: '2'}]",
	 "[{'n': 1}, {'n': '2'}]"},
	{ATIO_TO_CSV, "[{n: 1}]", "[{n: '99999999999999999999'}]",
	 "[{'n': 99999999999999999999}]"},
	{ATIO_TO_XML, "{r: {n: 1, t: true}}", "{r: {n: '2', t: 'no'}}",
	 "{'r': {'n': 2, 't': 'no'}}"},
	/* What was not changed is as it was written. */
	{ATIO_TO_JSON, "{n: 31~0x1F, m: 2}", "{n: 31, m: 3}",
	 "{'n': 31~0x1F, 'm': 3}"},
	{ATIO_TO_JSON, "{a: &x {k: 1}, b: *x, c: 1}",
	 "{a: {k: 1}, b: {k: 1}, c: 2}", "{'a': {'k': 1}, 'b': *x, 'c': 2}"},
	{ATIO_TO_JSON, "{a: &x {k: 1}, b: *x}", "{a: {k: 1}, b: {k: 2}}",
	 "{'a': {'k': 1}, 'b': {'k': 2}}"},
	{ATIO_TO_JSON, "{a: &x {k: 1}, b: {<<: *x, l: 2}}",
	 "{a: {k: 1}, b: {k: 1, l: 2}}",
	 "{'a': {'k': 1}, 'b': {<<: *x, 'l': 2}}"},
	/* What an alias stands for was changed, or comes behind it now. */
	{ATIO_TO_JSON, "{a: &x {k: 1}, b: *x, c: *x}",
	 "{a: {k: 2}, b: {k: 1}, c: {k: 1}}",
	 "{'a': {'k': 2}, 'b': {'k': 1}, 'c': *x}"},
	{ATIO_TO_JSON, "{a: &x [1], b: *x}", "{b: [1], a: [1]}",
	 "{'b': [1], 'a': [1]}"},
	{ATIO_TO_JSON, "{a: &x {k: &y [1]}, b: *x, c: *y, d: 1}",
	 "{a: {k: [1]}, b: {k: [1]}, c: [1], d: 2}",
	 "{'a': {'k': [1]}, 'b': *x, 'c': *y, 'd': 2}"},
	{ATIO_TO_JSON, "{a: &x {k: &y [1]}, b: *x, c: *y}",
	 "{a: 1, b: {k: [1]}, c: [1]}", "{'a': 1, 'b': {'k': [1]}, 'c': *y}"},
	{ATIO_TO_JSON, "[&x 1, *x, 2]", "[1, 1, 3]", "[1, *x, 3]"},
	{ATIO_TO_JSON, "[&x 1, *x]", "[2, 1]", "[2, 1]"},
	{ATIO_TO_JSON, "[&x k, {*x: 1}]", "['k', {k: 2}]", "['k', {*x: 2}]"},
	{ATIO_TO_JSON, "{a: &x {k: 1}, b: {<<: *x, l: 2}}",
	 "{a: {k: 1}, b: {k: 1, l: 3}}",
	 "{'a': {'k': 1}, 'b': {'k': 1, 'l': 3}}"},
	/* The order of keys says something, or it does not. */
	{ATIO_TO_JSON, "{a: 1, b: 31~0x1F}", "{b: 31, a: 1}",
	 "{'b': 31~0x1F, 'a': 1}"},
	{ATIO_TO_TOML, "{a: {x: 1}, b: 31~0x1F}", "{b: 31, a: {x: 1}}",
	 "{'a': {'x': 1}, 'b': 31~0x1F}"},
	{ATIO_TO_TOML, "{a: {x: 1}, b: 2}", "{c: 4, b: 3, a: {x: 1}}",
	 "{'a': {'x': 1}, 'b': 3, 'c': 4}"},
	{ATIO_TO_TOML, "{a: {x: 1}, b: 2, c: 3}", "{c: 3, a: {x: 1}}",
	 "{'a': {'x': 1}, 'c': 3}"},
	/* In that order an alias comes behind what it stands for. */
	{ATIO_TO_TOML, "{p: &x {k: 1}, q: *x, r: *x, n: 1}",
	 "{n: 2, r: {k: 1}, q: {k: 1}, p: {k: 1}}",
	 "{'p': {'k': 1}, 'q': *x, 'r': *x, 'n': 2}"},
	{ATIO_TO_TOML, "{p: {o: &x [1], l: 1}, q: {r: *x}, n: 1}",
	 "{n: 2, q: {r: [1]}, p: {l: 1, o: [1]}}",
	 "{'p': {'o': [1], 'l': 1}, 'q': {'r': *x}, 'n': 2}"},
	{ATIO_TO_XML, "{e: {p: &x [1, 2], q: *x, r: *x, n: 1}}",
	 "{e: {n: '2', r: ['1', '2'], s: 't', q: ['1', '2'], p: '3'}}",
	 "{'e': {'p': '3', 'q': [1, 2], 'r': *x, 'n': 2, 's': 't'}}"},
	{ATIO_TO_CSV, "[{a: 1, b: 2}, {b: 3, a: 4}]",
	 "[{a: '1', b: '2'}, {a: '5', b: '3'}]",
	 "[{'a': 1, 'b': 2}, {'b': 3, 'a': 5}]"},
	{ATIO_TO_XML, "{r: {a: 1, '@attributes': {c: 3, b: 2}}}",
	 "{r: {'@attributes': {b: '2', c: '3'}, a: '1'}}",
	 "{'r': {'a': 1, '@attributes': {'c': 3, 'b': 2}}}"},
	{ATIO_TO_XML, "{r: {a: 1, '@attributes': {b: true}}}",
	 "{r: {'@attributes': {c: '3', b: 'false'}, a: '1'}}",
	 "{'r': {'a': 1, '@attributes': {'b': false, 'c': '3'}}}"},
	{ATIO_TO_XML, "{r: {a: &x 1, '@attributes': {b: *x, c: 2}}}",
	 "{r: {'@attributes': {b: '1', c: '3'}, a: '1'}}",
	 "{'r': {'a': 1, '@attributes': {'b': *x, 'c': 3}}}"},
	/* Texts of each type. */
	{ATIO_TO_CSV, "[{f: 1.5, g: 1.5, h: 1.5, i: 1.5, j: 1.5}]",
	 "[{f: '2', g: '-inf', h: 'nan', i: '1e999', j: '.5'}]",
	 "[{'f': 2.0, 'g': -inf, 'h': nan, 'i': '1e999', 'j': '.5'}]"},
	{ATIO_TO_CSV, "[{a: 1, b: 1, c: 1, d: 1, e: 1}]",
	 "[{a: '-0', b: '+1', c: ' 1', d: '1.0', e: ''}]",
	 "[{'a': 0~-0, 'b': '+1', 'c': ' 1', 'd': '1.0', 'e': ''}]"},
	{ATIO_TO_CSV, "[{a: true, b: true, c: null, d: null}]",
	 "[{a: 'True', b: 'false', c: 'null', d: ''}]",
	 "[{'a': 'True', 'b': false, 'c': 'null', 'd': null}]"},
	{ATIO_TO_CSV, "[{a: @1979-05-27t07:32:00z}]",
	 "[{a: '1979-05-27T07:32:00Z'}]",
	 "[{'a': @1979-05-27T07:32:00Z~1979-05-27t07:32:00z}]"},
	{ATIO_TO_CSV, "[{a: @1979-05-27}]", "[{a: '1979-02-29'}]",
	 "[{'a': '1979-02-29'}]"},
	{ATIO_TO_CSV, "[{a: 123456789012345678901234567890}]", "[{a: '7'}]",
	 "[{'a': 7}]"},
	{ATIO_TO_TXT, "5", "'6'", "6"},
	{ATIO_TO_TXT, "null", "''", "null"},
	{ATIO_TO_TXT, "true", "'yes'", "'yes'"},
	{ATIO_TO_JSON, "[0.0]", "[-0.0]", "[-0.0]"},
	{ATIO_TO_JSON, "[1]", "[1.0]", "[1.0]"},
	/* What YAML and typed JSON can hold besides. */
	{ATIO_TO_TYPED, "!t {a: 31~0x1F, b: 1}", "!t {a: 31, b: 2}",
	 "!t {'a': 31~0x1F, 'b': 2}"},
	{ATIO_TO_TYPED, "!t {a: 31~0x1F, b: 1}", "!u {a: 31, b: 1}",
	 "!u {'a': 31, 'b': 1}"},
	{ATIO_TO_TYPED, "{1: 31~0x1F, 2: 1}", "{1: 31, 2: 2, 3: 3}",
	 "{1: 31~0x1F, 2: 2, 3: 3}"},
	{ATIO_TO_TYPED, "31~0x1F --- 2", "31 --- 3", "31~0x1F --- 3"},
	{ATIO_TO_TYPED, "31~0x1F --- 2", "31", "31"},
	{ATIO_TO_YAML, "{a: 31~0x1F, b: 1}", "{a: 31, b: 2}",
	 "{'a': 31~0x1F, 'b': 2}"},
	{ATIO_TO_YAML, "{d: @2020-02-29, e: 1}", "{d: '2021-03-01', e: 1}",
	 "{'d': @2021-03-01, 'e': 1}"},
	{ATIO_TO_YAML, "{d: @2020-02-29}", "{x: &a '2020-02-29', d: *a}",
	 "{'x': '2020-02-29', 'd': @2020-02-29}"},
	{ATIO_TO_YAML, "{a: 31~0x1F}", "{a: 31, b: &q [1], c: *q}",
	 "{'a': 31, 'b': [1], 'c': *q}"},
	{ATIO_TO_YAML, "{a: &x [*x, 1]}", "{a: &y [*y, 2]}", "{'a': [*y, 2]}"},
	{ATIO_TO_YAML, "{a: &x [*x, 1]}", "{a: [[[3], 1], 2]}",
	 "{'a': [[[3], 1], 2]}"},
	/* No value is that of each format. */
	{ATIO_TO_JSON, "", "", "nothing: null"},
	{ATIO_TO_JSON, "", "null", "nothing: null"},
	{ATIO_TO_JSON, "null", "", "null"},
	{ATIO_TO_JSON, "", "{}", "{}"},
	{ATIO_TO_JSON, "{}", "", "nothing: null"},
	/* Other places, other kinds. */
	{ATIO_TO_JSON, "{a: [1, @2020-02-29]}", "{a: {b: '2020-02-29'}}",
	 "{'a': {'b': '2020-02-29'}}"},
	{ATIO_TO_JSON, "[@2020-02-29, 1]", "['2020-02-29']", "[@2020-02-29]"},
};

static void test_rows(void)
{
	const struct row *row;
	struct atio_doc *base, *view;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		row = &rows[i];
		base = doc_of(row->base);
		view = doc_of(row->view);
		CHECK_STR(restored(atio_doc_root(view), row->from,
				   atio_doc_root(base)),
			  row->after);
		atio_doc_free(base);
		atio_doc_free(view);
	}
}

/* What is as it shall be is not copied; what is restored is of neither. */
static void test_copies(void)
{
	struct atio_doc *base = doc_of("{a: 31, b: [x], c: {k: v}}");
	struct atio_doc *view = doc_of("{a: 31, b: [x], c: {k: w}}");
	struct atio_doc *made = base;
	const struct atio_node *root;

	CHECK_INT(atio_value_restore(atio_doc_root(view), ATIO_TO_JSON,
				     atio_doc_root(base), NULL, &made, &root,
				     NULL),
		  0);
	CHECK(!made && root == atio_doc_root(view));
	base->root->pairs[1].value->offset = 5;
	base->root->pairs[1].value->length = 6;
	base->root->pairs[1].value->style = ATIO_STYLE_FLOW;
	CHECK_INT(atio_value_restore(atio_doc_root(view), ATIO_TO_JSON,
				     atio_doc_root(base), NULL, &made, &root,
				     NULL),
		  0);
	CHECK(made && root == atio_doc_root(made));
	atio_doc_free(base);
	atio_doc_free(view);
	CHECK_STR(text_of(root), "{'a': 31, 'b': ['x'], 'c': {'k': 'w'}}");
	CHECK_INT(atio_node_span(atio_node_at(root, 1)).offset, 5);
	CHECK_INT(atio_node_at(root, 1)->style, ATIO_STYLE_FLOW);
	atio_doc_free(made);
}

static void test_errors(void)
{
	const struct atio_limits limits = {.version = 2};
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *base = doc_of("&a {<<: *a, b: {<<: 1}}");
	struct atio_doc *view = doc_of("{b: {c: 1}}"), *made = NULL;
	const struct atio_node *root = NULL;

	CHECK_INT(atio_value_restore(atio_doc_root(view), ATIO_TO_JSON,
				     atio_doc_root(base), &limits, &made, &root,
				     &err),
		  -EINVAL);
	CHECK_INT(err.error.code, EINVAL);
	CHECK_INT(atio_value_restore(atio_doc_root(view), (enum atio_target)99,
				     atio_doc_root(base), NULL, &made, &root,
				     NULL),
		  -EINVAL);
	/* A base that no view can show. */
	CHECK_INT(atio_value_restore(atio_doc_root(view), ATIO_TO_JSON,
				     atio_doc_root(base), NULL, &made, &root,
				     NULL),
		  -ELOOP);
	CHECK(!made && !root);
	atio_doc_free(base);
	atio_doc_free(view);
}

/* ---- views made to be slow ------------------------------------------- */

#define MANY 20000

static void build_key(struct atio_builder *b, const char *key)
{
	(void)atio_build_string(b, key, strlen(key));
}

/* {m: &m {<<: {z: 1}, k0: 0, k1: 1, ...}, l: [*m, *m, ...]} */
static struct atio_doc *large_base(struct atio_builder *b)
{
	struct atio_doc *doc;
	char key[16];

	(void)atio_build_map(b);
	build_key(b, "m");
	(void)atio_build_anchor(b, "m", 1);
	(void)atio_build_map(b);
	b->style = ATIO_STYLE_PLAIN;
	build_key(b, "<<");
	(void)build_of(b, "{z: 1}");
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		build_key(b, key);
		(void)atio_build_int(b, i);
	}
	(void)atio_build_end(b);
	build_key(b, "l");
	(void)atio_build_seq(b);
	for (int i = 0; i < MANY; i++)
		(void)atio_build_alias(b, "m", 1);
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	return doc;
}

/* {l: [@item, @item, ...]} */
static struct atio_doc *large_view(struct atio_builder *b, const char *item)
{
	struct atio_doc *doc;

	(void)atio_build_map(b);
	build_key(b, "l");
	(void)atio_build_seq(b);
	for (int i = 0; i < MANY; i++)
		(void)build_of(b, item);
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	return doc;
}

/* Each item stands where the base has an alias for an enormous map, which is
 * not looked at as a whole for each. */
static void test_slow(void)
{
	static const enum atio_target targets[] = {ATIO_TO_JSON, ATIO_TO_TOML};
	const struct atio_node *root, *last;
	struct atio_doc *base, *view, *made;
	struct atio_builder *b;
	clock_t begin;

	NEED(atio_builder_new(NULL, &b) == 0);
	base = large_base(b);
	view = large_view(b, "{k1: 2, n: 3, k0: 0}");
	for (size_t i = 0; i < LENGTH(targets); i++) {
		begin = clock();
		CHECK_INT(atio_value_restore(atio_doc_root(view), targets[i],
					     atio_doc_root(base), NULL, &made,
					     &root, NULL),
			  0);
		CHECK(clock() - begin < 5 * CLOCKS_PER_SEC);
		CHECK_INT(atio_value_get(root, "/l/19999", &last, NULL), 0);
		CHECK_STR(text_of(last),
			  i ? "{'k0': 0, 'k1': 2, 'n': 3}"
			    : "{'k1': 2, 'n': 3, 'k0': 0}");
		atio_doc_free(made);
	}
	atio_doc_free(base);
	atio_doc_free(view);
	atio_builder_free(b);
}

/* ---- all that a view can show -------------------------------------------- */

static void put(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);

	(void)snprintf(text + len, size - len, "%s", more);
}

static void put_scalar(char *text, size_t size, struct random *random)
{
	static const char *const scalars[] = {"null",
					      "true",
					      "false",
					      "0",
					      "-7",
					      "31~0x1F",
					      "123456789012345678901234567890",
					      "2.5",
					      "0.0",
					      "-0.0",
					      "inf",
					      "nan",
					      "'text'",
					      "'1'",
					      "'true'",
					      "''",
					      "'2020-02-29'",
					      "@2020-02-29",
					      "@1979-05-27T07:32:00Z",
					      "@07:32:00",
					      "b'bytes'",
					      "b''",
					      "100.0~1e2"};

	put(text, size, scalars[pick(random, LENGTH(scalars))]);
}

static void put_value(char *text, size_t size, struct random *random,
		      unsigned depth)
{
	unsigned n = pick(random, 4), i, kind = depth ? pick(random, 3) : 0;
	char key[16];

	if (kind == 0) {
		put_scalar(text, size, random);
		return;
	}
	put(text, size, kind == 1 ? "[" : "{");
	for (i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "k%u: ", i);
		if (kind == 2)
			put(text, size, key);
		put_value(text, size, random, depth - 1);
		if (i + 1 < n)
			put(text, size, ", ");
	}
	put(text, size, kind == 1 ? "]" : "}");
}

/* Rows of one header, which is what CSV can hold. */
static void put_table(char *text, size_t size, struct random *random)
{
	unsigned columns = 1 + pick(random, 3), n = 1 + pick(random, 3), i, c;
	char key[16];

	put(text, size, "[");
	for (i = 0; i < n; i++) {
		put(text, size, i ? ", {" : "{");
		for (c = 0; c < columns; c++) {
			(void)snprintf(key, sizeof(key),
				       "%sk%u: ", c ? ", " : "", c);
			put(text, size, key);
			put_scalar(text, size, random);
		}
		put(text, size, "}");
	}
	put(text, size, "]");
}

/* Returns whether @target can show it. */
static bool check_back(const struct atio_node *base, enum atio_target target)
{
	const struct atio_node *shown;
	struct atio_doc *doc, *view;
	char want[8192];

	if (atio_value_convert(base, target, NULL, &doc, &shown, NULL) < 0)
		return false;
	view = written(shown);
	(void)snprintf(want, sizeof(want), "%s", text_of(base));
	CHECK_STR(restored(atio_doc_root(view), target, base), want);
	atio_doc_free(view);
	atio_doc_free(doc);
	return true;
}

static void test_random(void)
{
	unsigned shown[ATIO_TO_TYPED + 1] = {0};
	struct random random = {1};
	struct atio_doc *doc;
	char text[4096];

	for (int i = 0; i < TREES; i++) {
		text[0] = '\0';
		if (i % 3 == 0)
			put_table(text, sizeof(text), &random);
		else
			put(text, sizeof(text), i % 3 == 1 ? "{r: " : "");
		if (i % 3)
			put_value(text, sizeof(text), &random, 3);
		if (i % 3 == 1)
			put(text, sizeof(text), "}");
		doc = doc_of(text);
		for (int t = 0; t <= ATIO_TO_TYPED; t++)
			shown[t] += check_back(atio_doc_root(doc),
					       (enum atio_target)t);
		atio_doc_free(doc);
	}
	for (int t = 0; t <= ATIO_TO_TYPED; t++)
		if (t != ATIO_TO_TXT)
			CHECK(shown[t] > TREES / 20);
}

int main(void)
{
	test_rows();
	test_copies();
	test_errors();
	test_slow();
	test_random();
	return check_result();
}
