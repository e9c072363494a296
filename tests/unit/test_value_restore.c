/* SPDX-License-Identifier: MIT
 *
 * test_value_restore.c - the way back from a view: what was not changed in it
 * is as it was, letter for letter; what was gets the type that is there.
 */
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
static const char *restored(const struct atio_node *view,
			    enum atio_target from, const struct atio_node *base)
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
	 "{a: {k: 1}, b: {k: 1}, c: 2}",
	 "{'a': {'k': 1}, 'b': *x, 'c': 2}"},
	{ATIO_TO_JSON, "{a: &x {k: 1}, b: *x}", "{a: {k: 1}, b: {k: 2}}",
	 "{'a': {'k': 1}, 'b': {'k': 2}}"},
	{ATIO_TO_JSON, "{a: &x {k: 1}, b: {<<: *x, l: 2}}",
	 "{a: {k: 1}, b: {k: 1, l: 2}}",
	 "{'a': {'k': 1}, 'b': {<<: *x, 'l': 2}}"},
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

/* ---- all that a view can show -------------------------------------------- */

static void put(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);

	(void)snprintf(text + len, size - len, "%s", more);
}

static void put_scalar(char *text, size_t size, struct random *random)
{
	static const char *const scalars[] = {
		"null", "true", "false", "0", "-7", "31~0x1F",
		"123456789012345678901234567890", "2.5", "0.0", "-0.0", "inf",
		"nan", "'text'", "'1'", "'true'", "''", "'2020-02-29'",
		"@2020-02-29", "@1979-05-27T07:32:00Z", "@07:32:00",
		"b'bytes'", "b''", "100.0~1e2"};

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
			(void)snprintf(key, sizeof(key), "%sk%u: ",
				       c ? ", " : "", c);
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
	test_random();
	return check_result();
}
