/* SPDX-License-Identifier: MIT
 *
 * test_value_patch.c - JSON patch, and that it is done as a whole or not at
 * all.
 */
#include "value_text.h"

struct row {
	const char *before, *patch, *after; /* NULL: an error, and as before */
	int error;
	const char *text; /* part of that of the error; may be NULL */
	const char *pointer;
};

static void check_row(const struct row *row)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = doc_of(row->before), *patch = doc_of(row->patch);
	char before[2000];
	int r;

	(void)snprintf(before, sizeof(before), "%s",
		       text_of(atio_doc_root(doc)));
	r = atio_value_patch(doc, atio_doc_root(patch), &err);
	if (r != -row->error)
		printf("%s with %s: %s\n", before, row->patch, err.error.text);
	CHECK_INT(r, -row->error);
	CHECK_INT(err.error.code, row->error);
	CHECK_STR(text_of(atio_doc_root(doc)),
		  row->after ? row->after : before);
	CHECK(!row->text || strstr(err.error.text, row->text));
	if (row->text && !strstr(err.error.text, row->text))
		printf("'%s' is not in '%s'\n", row->text, err.error.text);
	if (row->pointer)
		CHECK_STR(err.pointer, row->pointer);
	atio_doc_free(patch);
	CHECK_STR(text_of(atio_doc_root(doc)),
		  row->after ? row->after : before);
	atio_doc_free(doc);
}

#define OK(before, patch, after)                                               \
	{                                                                      \
		before, patch, after, 0, NULL, NULL                            \
	}

/* What RFC 6902 shows in its appendix A, with values of our own. */
static const struct row rfc[] = {
	/* A.1 to A.10 */
	OK("{a: 1}", "[{op: add, path: /b, value: 2}]", "{'a': 1, 'b': 2}"),
	OK("{a: [1, 3]}", "[{op: add, path: /a/1, value: 2}]",
	   "{'a': [1, 2, 3]}"),
	OK("{b: 2, a: 1}", "[{op: remove, path: /b}]", "{'a': 1}"),
	OK("{a: [1, 2, 3]}", "[{op: remove, path: /a/1}]", "{'a': [1, 3]}"),
	OK("{b: 2, a: 1}", "[{op: replace, path: /b, value: 3}]",
	   "{'b': 3, 'a': 1}"),
	OK("{a: {b: 1, w: 2}, c: {d: 3}}",
	   "[{op: move, from: /a/w, path: /c/t}]",
	   "{'a': {'b': 1}, 'c': {'d': 3, 't': 2}}"),
	OK("{a: [1, 2, 3, 4]}", "[{op: move, from: /a/1, path: /a/3}]",
	   "{'a': [1, 3, 4, 2]}"),
	OK("{a: x, b: [1, 2, 3]}",
	   "[{op: test, path: /a, value: x}, {op: test, path: /b/1, value: 2}]",
	   "{'a': 'x', 'b': [1, 2, 3]}"),
	{"{a: x}", "[{op: test, path: /a, value: y}]", NULL, ESTALE,
	 "operation 0 (test): '/a'", "/a"},
	OK("{a: 1}", "[{op: add, path: /c, value: {d: 2}}]",
	   "{'a': 1, 'c': {'d': 2}}"),
	/* A.11: members without meaning */
	OK("{a: 1}", "[{op: add, path: /b, value: 2, why: so}]",
	   "{'a': 1, 'b': 2}"),
	/* A.12: a place in what is not there */
	{"{a: 1}", "[{op: add, path: /b/c, value: 2}]", NULL, ENOENT,
	 "operation 0 (add): '/b'", "/b"},
	/* A.14: escapes */
	OK("{'/': 9, '~1': 10}", "[{op: test, path: /~01, value: 10}]",
	   "{'/': 9, '~1': 10}"),
	/* A.15: a string is no number */
	{"{'/': 9, '~1': 10}", "[{op: test, path: /~01, value: '10'}]", NULL,
	 ESTALE, NULL, NULL},
	/* A.16: behind the last one */
	OK("{a: [1]}", "[{op: add, path: /a/-, value: [2, 3]}]",
	   "{'a': [1, [2, 3]]}"),
};

static const struct row more[] = {
	OK("{a: 1}", "[]", "{'a': 1}"),
	OK("{a: 1}", "[{op: add, path: '', value: [2]}]", "[2]"),
	OK("{a: 1}", "[{op: replace, path: '', value: null}]", "null"),
	OK("1", "[{op: test, path: '', value: 1}]", "1"),
	OK("{a: 1}", "[{op: add, path: /a, value: 2}]", "{'a': 2}"),
	OK("{a: 1}", "[{op: add, path: /, value: 2}]", "{'a': 1, '': 2}"),
	OK("[1]", "[{op: add, path: /0, value: 0}]", "[0, 1]"),
	OK("[1]", "[{op: add, path: /1, value: 2}]", "[1, 2]"),
	{"[1]", "[{op: add, path: /2, value: 2}]", NULL, ENOENT, NULL, "/2"},
	{"[1]", "[{op: add, path: /01, value: 2}]", NULL, ENOENT, NULL, "/01"},
	{"[1]", "[{op: add, path: /x, value: 2}]", NULL, ENOENT, "no index",
	 "/x"},
	{"[1]", "[{op: replace, path: /1, value: 2}]", NULL, ENOENT, NULL,
	 "/1"},
	{"[1]", "[{op: replace, path: /-, value: 2}]", NULL, ENOENT, NULL,
	 "/-"},
	{"[1]", "[{op: remove, path: /-}]", NULL, ENOENT, NULL, "/-"},
	{"[[1]]", "[{op: add, path: /-/0, value: 2}]", NULL, ENOENT, NULL,
	 "/-"},
	{"{a: 1}", "[{op: remove, path: /b}]", NULL, ENOENT, NULL, "/b"},
	{"{a: 1}", "[{op: replace, path: /b, value: 2}]", NULL, ENOENT, NULL,
	 "/b"},
	{"{a: 1}", "[{op: remove, path: ''}]", NULL, EINVAL, NULL, ""},
	{"{a: 1}", "[{op: add, path: /a/b, value: 2}]", NULL, ENOENT, NULL,
	 "/a/b"},
	{"{a: 1}", "[{op: test, path: /b, value: null}]", NULL, ENOENT, NULL,
	 "/b"},
	/* The order of operations, and all or nothing. */
	OK("{}",
	   "[{op: add, path: /a, value: {}}, {op: add, path: /a/b, value: 1},"
	   " {op: copy, from: /a, path: /c}, {op: add, path: /a/d, value: 2},"
	   " {op: remove, path: /a/b}]",
	   "{'a': {'d': 2}, 'c': {'b': 1}}"),
	{"{a: [1, {b: 2}]}",
	 "[{op: add, path: /a/0, value: 0}, {op: remove, path: /a/2/b},"
	 " {op: move, from: /a, path: /c}, {op: test, path: /c/0, value: 1}]",
	 NULL, ESTALE, "operation 3 (test): '/c/0'", "/c/0"},
	/* move and copy */
	OK("{a: 1, b: 2}", "[{op: move, from: /a, path: /b}]", "{'b': 1}"),
	OK("{a: 1, b: 2}", "[{op: move, from: /a, path: /a}]",
	   "{'a': 1, 'b': 2}"),
	{"{a: 1}", "[{op: move, from: /b, path: /b}]", NULL, ENOENT, NULL,
	 "/b"},
	OK("{a: {b: 1}}", "[{op: move, from: /a/b, path: /a}]", "{'a': 1}"),
	OK("{a: {b: 1}}", "[{op: move, from: /a, path: ''}]", "{'b': 1}"),
	{"{a: {b: 1}}", "[{op: move, from: /a, path: /a/b}]", NULL, EINVAL,
	 "itself", "/0/path"},
	{"{a: {b: 1}}", "[{op: move, from: '', path: /a}]", NULL, EINVAL,
	 "itself", NULL},
	OK("{a: {b: 1}, ab: 2}", "[{op: move, from: /a, path: /ab}]",
	   "{'ab': {'b': 1}}"),
	OK("{a: {b: 1}}", "[{op: copy, from: /a, path: /a/c}]",
	   "{'a': {'b': 1, 'c': {'b': 1}}}"),
	OK("[1, 2]", "[{op: copy, from: '', path: /-}]", "[1, 2, [1, 2]]"),
	{"{a: 1}", "[{op: copy, from: /b, path: /c}]", NULL, ENOENT, NULL,
	 "/b"},
	{"[1]", "[{op: move, from: /0, path: /1}]", NULL, ENOENT, NULL, "/1"},
	/* test: section 4.6 */
	OK("{a: 1, b: [2.0, {c: 1e2}]}",
	   "[{op: test, path: '', value: {b: [2, {c: 100}], a: 1.0}}]",
	   "{'a': 1, 'b': [2.0, {'c': 100.0}]}"),
	{"{a: 1}", "[{op: test, path: /a, value: true}]", NULL, ESTALE, NULL,
	 NULL},
	{"{a: {}}", "[{op: test, path: /a, value: []}]", NULL, ESTALE, NULL,
	 NULL},
};

static const struct row malformed[] = {
	{"1", "{op: add}", NULL, EINVAL, "list", ""},
	{"1", "[1]", NULL, EINVAL, "operation 0", "/0"},
	{"1", "[{path: '', value: 1}]", NULL, EINVAL, "'op'", "/0"},
	{"1", "[{op: add, value: 1}]", NULL, EINVAL, "'path'", "/0"},
	{"1", "[{op: add, path: ''}]", NULL, EINVAL, "'value'", "/0"},
	{"1", "[{op: replace, path: ''}]", NULL, EINVAL, "'value'", "/0"},
	{"1", "[{op: test, path: ''}]", NULL, EINVAL, "'value'", "/0"},
	{"1", "[{op: move, path: ''}]", NULL, EINVAL, "'from'", "/0"},
	{"1", "[{op: copy, path: ''}]", NULL, EINVAL, "'from'", "/0"},
	{"1", "[{op: spam, path: ''}]", NULL, EINVAL, NULL, "/0/op"},
	{"1", "[{op: ADD, path: '', value: 1}]", NULL, EINVAL, NULL, "/0/op"},
	{"1", "[{op: 1, path: ''}]", NULL, EINVAL, "no string", "/0/op"},
	{"1", "[{op: remove, path: 1}]", NULL, EINVAL, NULL, "/0/path"},
	{"1", "[{op: remove, path: a}]", NULL, EINVAL, NULL, "/0/path"},
	{"1", "[{op: remove, path: /~2}]", NULL, EINVAL, NULL, "/0/path"},
	{"1", "[{op: copy, from: a, path: ''}]", NULL, EINVAL, NULL, "/0/from"},
	{"1", "[{op: test, path: '', value: 1}, {}]", NULL, EINVAL,
	 "operation 1", "/1"},
};

/* Aliases, merge keys, tags, documents: as a view shows them. */
static const struct row yaml[] = {
	OK("{a: &a {x: 1}, b: *a}", "[{op: replace, path: /b/x, value: 2}]",
	   "{'a': {'x': 1}, 'b': {'x': 2}}"),
	OK("{a: &a {x: 1}, b: *a}",
	   "[{op: replace, path: /a/x, value: 2}, {op: test, path: /b/x, value:"
	   " 1}]",
	   "{'a': {'x': 2}, 'b': *a}"),
	OK("{a: &a {x: 1}, b: *a}", "[{op: remove, path: /a}]", "{'b': *a}"),
	OK("{a: &a [1], b: *a}", "[{op: add, path: /b/-, value: 2}]",
	   "{'a': [1], 'b': [1, 2]}"),
	OK("{a: &a {x: 1}, b: *a}", "[{op: copy, from: /b, path: /c}]",
	   "{'a': {'x': 1}, 'b': *a, 'c': *a}"),
	OK("{a: !t {x: 1}}", "[{op: add, path: /a/y, value: 2}]",
	   "{'a': !t {'x': 1, 'y': 2}}"),
	OK("{a: !t {x: 1}}", "[{op: replace, path: /a, value: 2}]", "{'a': 2}"),
	OK("{a: &a {x: 1, y: 2}, b: {<<: *a}}", "[{op: remove, path: /b/x}]",
	   "{'a': {'x': 1, 'y': 2}, 'b': {'y': 2}}"),
	OK("{a: &a {x: {y: 1}}, b: {<<: *a, z: 1}}",
	   "[{op: add, path: /b/x/w, value: 2}]",
	   "{'a': {'x': {'y': 1}}, 'b': {'x': {'y': 1, 'w': 2}, 'z': 1}}"),
	OK("{a: &a {x: 1}, b: {<<: *a, z: 1}}",
	   "[{op: replace, path: /b/z, value: 2}, {op: test, path: /b/x, value:"
	   " 1}]",
	   "{'a': {'x': 1}, 'b': {<<: *a, 'z': 2}}"),
	OK("{a: &a {x: 1}, b: {<<: *a, z: 1}}",
	   "[{op: test, path: '', value: {a: {x: 1}, b: {x: 1.0, z: 1}}}]",
	   "{'a': {'x': 1}, 'b': {<<: *a, 'z': 1}}"),
	{"{a: &a {x: 1}, b: {<<: *a}}", "[{op: remove, path: /b/<<}]", NULL,
	 ENOENT, NULL, NULL},
	OK("1 --- {a: 2}", "[{op: add, path: /1/b, value: 3}]",
	   "1 --- {'a': 2, 'b': 3}"),
	OK("1 --- 2", "[{op: add, path: /-, value: 3}]", "1 --- 2 --- 3"),
	OK("{a: &a {x: 1}}", "[{op: add, path: /b, value: {c: &c [1], d: *c}}]",
	   "{'a': {'x': 1}, 'b': {'c': [1], 'd': [1]}}"),
	{"1", "[{op: test, path: '', value: &a [*a]}]", NULL, ELOOP, NULL,
	 NULL},
	OK("&a [*a, 1]", "[{op: replace, path: /0/0/1, value: 2}]",
	   "[[[*a, 2], 1], 1]"),
};

/* "why" of a malformed text is not one of these rows, but no row may leave
 * anything behind either. */
static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_row(&rows[i]);
}

/* Doubled again and again, a value is soon too large: that ends at the limit,
 * not when memory does. */
static void test_doubling(void)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = doc_of("[1]"), *patch;
	char text[6000] = "[";

	for (int i = 0; i < 60; i++)
		(void)strncat(text, "{op: copy, from: '', path: /-} ",
			      sizeof(text) - strlen(text) - 1);
	(void)strncat(text, "]", sizeof(text) - strlen(text) - 1);
	patch = doc_of(text);
	CHECK_INT(atio_value_patch(doc, atio_doc_root(patch), &err), -EFBIG);
	CHECK_STR(text_of(atio_doc_root(doc)), "[1]");
	atio_doc_free(doc);
	atio_doc_free(patch);
}

/* [{op: @op, path: /k0, value: 0}, ...] */
static struct atio_doc *many(const char *op, int count)
{
	struct atio_builder *b;
	struct atio_doc *doc = NULL;
	char text[32];

	NEED(atio_builder_new(NULL, &b) == 0);
	(void)atio_build_seq(b);
	for (int i = 0; i < count; i++) {
		(void)atio_build_map(b);
		(void)atio_build_string(b, "op", 2);
		(void)atio_build_string(b, op, strlen(op));
		(void)atio_build_string(b, "path", 4);
		(void)snprintf(text, sizeof(text), "/k%d", i);
		(void)atio_build_string(b, text, strlen(text));
		(void)atio_build_string(b, "value", 5);
		(void)atio_build_int(b, i);
		(void)atio_build_end(b);
	}
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	return doc;
}

/* Were the map copied for each operation, this would take hours. */
static void test_many(void)
{
	struct atio_doc *doc = doc_of("{a: 1}");
	struct atio_doc *add = many("add", 50000);
	struct atio_doc *test = many("test", 50000);
	struct atio_doc *remove = many("remove", 20000);
	const struct atio_node *root;

	CHECK_INT(atio_value_patch(doc, atio_doc_root(add), NULL), 0);
	CHECK_INT(atio_node_count(atio_doc_root(doc)), 50001);
	CHECK_INT(atio_value_patch(doc, atio_doc_root(test), NULL), 0);
	CHECK_INT(atio_value_patch(doc, atio_doc_root(remove), NULL), 0);
	root = atio_doc_root(doc);
	CHECK_INT(atio_node_count(root), 30001);
	CHECK(!atio_node_member(root, "k19999", 6));
	CHECK_INT(atio_node_int(atio_node_member(root, "k20000", 6)), 20000);
	atio_doc_free(doc);
	atio_doc_free(add);
	atio_doc_free(test);
	atio_doc_free(remove);
}

int main(void)
{
	check_rows(rfc, LENGTH(rfc));
	check_rows(more, LENGTH(more));
	check_rows(malformed, LENGTH(malformed));
	check_rows(yaml, LENGTH(yaml));
	test_doubling();
	test_many();
	return check_result();
}
