/* SPDX-License-Identifier: MIT
 *
 * test_value_pointer.c - JSON pointers.
 */
#include "value_text.h"

/* What a pointer finds in a document: a value, or an error and the pointer of
 * the step that fails. */
struct row {
	const char *pointer, *value;
	int error;
	const char *where;
};

static void check_rows(const char *text, const struct row *rows, size_t count)
{
	struct atio_value_error err;
	const struct atio_node *node;
	struct atio_doc *doc = doc_of(text);
	int r;

	for (size_t i = 0; i < count; i++) {
		err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
		node = NULL;
		r = atio_value_get(atio_doc_root(doc), rows[i].pointer, &node,
				   &err);
		if (r != -rows[i].error)
			printf("'%s': %d (%s)\n", rows[i].pointer, r,
			       err.error.text);
		CHECK_INT(r, -rows[i].error);
		CHECK_INT(err.error.code, rows[i].error);
		if (rows[i].value)
			CHECK_STR(node ? text_of(node) : "", rows[i].value);
		else
			CHECK(!node);
		if (rows[i].where)
			CHECK_STR(err.pointer, rows[i].where);
	}
	atio_doc_free(doc);
}

#define ROWS(text, rows) check_rows(text, rows, LENGTH(rows))

/* RFC 6901, section 5 */
static void test_rfc(void)
{
	static const struct row rows[] = {
		{"/foo", "['bar', 'baz']", 0, NULL},
		{"/foo/0", "'bar'", 0, NULL},
		{"/", "0", 0, NULL},
		{"/a~1b", "1", 0, NULL},
		{"/c%d", "2", 0, NULL},
		{"/e^f", "3", 0, NULL},
		{"/g|h", "4", 0, NULL},
		{"/i\\j", "5", 0, NULL},
		{"/k\"l", "6", 0, NULL},
		{"/ ", "7", 0, NULL},
		{"/m~0n", "8", 0, NULL},
	};

	ROWS("{foo: [bar, baz], '': 0, a/b: 1, c%d: 2, e^f: 3, g|h: 4,"
	     " 'i\\\\j': 5, k\"l: 6, ' ': 7, m~n: 8}",
	     rows);
}

static void test_whole(void)
{
	static const struct row rows[] = {
		{"", "[1]", 0, NULL},
		{"/0", "1", 0, NULL},
		{"/0/0", NULL, ENOENT, "/0/0"},
	};

	ROWS("[1]", rows);
}

static void test_malformed(void)
{
	static const struct row rows[] = {
		{"a", NULL, EINVAL, ""},          {"a/b", NULL, EINVAL, ""},
		{" /a", NULL, EINVAL, ""},        {"/a~", NULL, EINVAL, ""},
		{"/a~2", NULL, EINVAL, ""},       {"/~a/b", NULL, EINVAL, ""},
		{"/missing~/", NULL, EINVAL, ""}, {"#/a", NULL, EINVAL, ""},
	};

	ROWS("{a: 1}", rows);
}

static void test_escapes(void)
{
	static const struct row rows[] = {
		{"/~01", "1", 0, NULL},
		{"/~1", "2", 0, NULL},
		{"/~0~1/~1~0", "3", 0, NULL},
		{"/~00", "4", 0, NULL},
		{"/~0~1/x", NULL, ENOENT, "/~0~1/x"},
	};

	ROWS("{'~1': 1, '/': 2, '~/': {'/~': 3}, '~0': 4}", rows);
}

static void test_indexes(void)
{
	static const struct row rows[] = {
		{"/0", "'a'", 0, NULL},
		{"/2", "'c'", 0, NULL},
		{"/3", NULL, ENOENT, "/3"},
		{"/-", NULL, ENOENT, "/-"},
		{"/00", NULL, ENOENT, "/00"},
		{"/01", NULL, ENOENT, "/01"},
		{"/+1", NULL, ENOENT, "/+1"},
		{"/-1", NULL, ENOENT, "/-1"},
		{"/1e0", NULL, ENOENT, "/1e0"},
		{"/ 1", NULL, ENOENT, "/ 1"},
		{"/", NULL, ENOENT, "/"},
		{"/4294967296", NULL, ENOENT, "/4294967296"},
		{"/18446744073709551616", NULL, ENOENT,
		 "/18446744073709551616"},
		{"/99999999999999999999999", NULL, ENOENT, NULL},
	};

	ROWS("[a, b, c]", rows);
}

static void test_maps(void)
{
	static const struct row rows[] = {
		{"/0", "'zero'", 0, NULL},
		{"/01", "'text'", 0, NULL},
		{"/-", "'minus'", 0, NULL},
		{"/x/y/z", "1", 0, NULL},
		{"/x/y/w", NULL, ENOENT, "/x/y/w"},
		{"/x/w/z", NULL, ENOENT, "/x/w"},
		{"/n/z", NULL, ENOENT, "/n/z"},
		{"/7", NULL, ENOENT, "/7"}, /* its key is a number */
		{"/s/0", NULL, ENOENT, "/s/0"},
	};

	ROWS("{'0': zero, '01': text, '-': minus, x: {y: {z: 1}}, n: null,"
	     " 7: 7, s: text}",
	     rows);
}

static void test_yaml(void)
{
	static const struct row rows[] = {
		{"/a/x", "1", 0, NULL},
		{"/b", "*a", 0, NULL},
		{"/b/x", "1", 0, NULL},
		{"/c/x", "1", 0, NULL}, /* merged */
		{"/c/y", "5", 0, NULL}, /* its own */
		{"/c/<<", NULL, ENOENT, NULL},
		{"/d/x", "3", 0, NULL}, /* the earlier one wins */
		{"/d/y", "2", 0, NULL},
		{"/t/0", "1", 0, NULL},       /* a tag is no level */
		{"/q/<<", "'text'", 0, NULL}, /* quoted, it is a key */
		{"/bad/x", NULL, EOPNOTSUPP, NULL},
	};

	ROWS("{a: &a {x: 1, y: 2}, b: *a, c: {<<: *a, y: 5},"
	     " d: {<<: [{x: 3}, *a]}, t: !t [1], q: {'<<': text},"
	     " bad: {<<: 1}}",
	     rows);
}

static void test_stream(void)
{
	static const struct row rows[] = {
		{"/0/a", "1", 0, NULL},
		{"/1/a", "2", 0, NULL},
		{"/2", NULL, ENOENT, "/2"},
		{"/a", NULL, ENOENT, "/a"},
	};

	ROWS("{a: 1} --- {a: 2}", rows);
}

static void test_rings(void)
{
	static const struct row rows[] = {
		{"/l/0/0/0/1", "7", 0, NULL},
		{"/m/x", NULL, ELOOP, NULL},
	};

	ROWS("{l: &a [*a, 7], m: &b {<<: *b}}", rows);
}

/* A step that does not fit into the error, with something before it or not. */
static void check_long_step(const struct atio_node *root, const char *before,
			    const char *part, const char *should)
{
	struct atio_value_error err;
	const struct atio_node *node;
	char pointer[2000], whole[2000];

	for (size_t n = 1; n < 300; n++) {
		(void)snprintf(pointer, sizeof(pointer), "%s/", before);
		(void)snprintf(whole, sizeof(whole), "%s/", should);
		for (size_t i = 0; i < n; i++) {
			strcat(pointer, part);
			strcat(whole, part);
		}
		err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
		CHECK_INT(atio_value_get(root, pointer, &node, &err), -ENOENT);
		if (strlen(pointer) < ATIO_POINTER_MAX - 4) {
			CHECK_STR(err.pointer, pointer);
			continue;
		}
		if (strcmp(err.pointer, pointer) != 0)
			CHECK(strncmp(err.pointer, whole,
				      strlen(err.pointer)) == 0);
		CHECK(strlen(err.pointer) > ATIO_POINTER_MAX - 10);
		CHECK((strlen(err.pointer) - strlen(should) - 1) %
			      strlen(part) == 0 ||
		      strcmp(err.pointer, pointer) == 0);
	}
}

/* What does not fit into the error is the begin. */
static void test_long(void)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = doc_of("{a: 1}");
	const struct atio_node *node;
	char pointer[400] = "";

	check_long_step(atio_doc_root(doc), "", "b", "");
	check_long_step(atio_doc_root(doc), "/a", "b", "...");
	check_long_step(atio_doc_root(doc), "", "~1", "");
	check_long_step(atio_doc_root(doc), "/a", "~0", "...");
	check_long_step(atio_doc_root(doc), "", "\xE2\x82\xAC", "");
	check_long_step(atio_doc_root(doc), "/a", "\xF0\x9F\x98\x80", "...");
	memset(pointer, '/', 300); /* 299 empty steps, and "/b" */
	pointer[300] = 'b';
	CHECK_INT(atio_value_get(atio_doc_root(doc), pointer, &node, &err),
		  -ENOENT);
	CHECK_STR(err.pointer, "/");
	CHECK_INT(atio_value_get(atio_doc_root(doc), pointer, &node, NULL),
		  -ENOENT);
	atio_doc_free(doc);
}

int main(void)
{
	test_rfc();
	test_whole();
	test_malformed();
	test_escapes();
	test_indexes();
	test_maps();
	test_yaml();
	test_stream();
	test_rings();
	test_long();
	return check_result();
}
