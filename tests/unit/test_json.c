/* SPDX-License-Identifier: MIT
 *
 * test_json.c - of JSON what the cases of tests/formats/json cannot say:
 * limits, spans, lexemes, and the writer by itself.
 */
#include <math.h>

#include "check.h"
#include "format/codec.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct atio_value_error err;

static int load_within(const char *text, const struct atio_limits *limits,
		       struct atio_doc **ret_doc)
{
	err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
	return atio_codec_load(&atio_codec_json, text, strlen(text), limits,
			       ret_doc, &err);
}

static struct atio_doc *loaded(const char *text)
{
	struct atio_doc *doc = NULL;

	NEED(load_within(text, NULL, &doc) == 0);
	return doc;
}

/* What atio_json_dump makes of it; the caller's. */
static char *text_of(const struct atio_node *root, unsigned indent)
{
	struct atio_out out;
	size_t len;
	char *text;

	atio_out_init(&out, 1 << 20);
	CHECK_INT(atio_json_dump(root, indent, &out, NULL), 0);
	NEED(atio_out_take(&out, &text, &len) == 0);
	CHECK_INT(strlen(text), len);
	return text;
}

static void check_text(const struct atio_node *root, unsigned indent,
		       const char *should)
{
	char *text = text_of(root, indent);

	CHECK_STR(text, should);
	free(text);
}

/* ---- limits: the largest that is fine, and one more ------------------- */

static void test_limits(void)
{
	static const struct {
		struct atio_limits limits;
		const char *fits, *does_not;
		size_t column; /* of what is too much */
	} table[] = {
		{{.input_bytes = 5}, "[1,2]", "[1,2] ", 0},
		{{.depth = 1}, "[1]", "[[]]", 2},
		{{.depth = 3}, "[[[]]]", "[[[[]]]]", 4},
		{{.depth = 2}, "{\"a\":{}}", "{\"a\":{\"b\":[]}}", 11},
		{{.nodes = 1}, "1", "[1]", 2},
		{{.nodes = 4}, "[1,2,3]", "[1,2,3,4]", 8},
		{{.nodes = 3}, "{\"a\":1}", "{\"a\":1,\"b\":2}", 8},
		{{.scalar_bytes = 5}, "\"abcde\"", "\"abcdef\"", 1},
		{{.scalar_bytes = 5}, "\"é€\" ", "[\"é€é\"]", 2},
		{{.scalar_bytes = 3}, "\"\\u20ac\"", "\"\\u20aca\"", 1},
		{{.scalar_bytes = 3}, "{\"long key\":0}", "[{},\"long\"]", 5},
		{{.key_bytes = 3}, "{\"abc\":0}", "[{\"abcd\":0}]", 3},
		{{.key_bytes = 3}, "[\"long text\"]", "{\"a\\nbc\":0}", 2},
		{{.number_chars = 5}, "12345", "123456", 1},
		{{.number_chars = 5}, "-1234", "[0,-12345]", 4},
		{{.number_chars = 5}, "1.234", "1.2345", 1},
		{{.number_chars = 5}, "1e123", "1e1234", 1},
		{{.number_chars = 22},
		 "1234567890123456789012",
		 "12345678901234567890123",
		 1},
	};
	struct atio_limits limits;
	struct atio_doc *doc;

	for (size_t i = 0; i < LENGTH(table); i++) {
		limits = table[i].limits;
		limits.version = ATIO_LIMITS_VERSION;
		doc = NULL;
		CHECK_INT(load_within(table[i].fits, &limits, &doc), 0);
		atio_doc_free(doc);
		doc = NULL;
		CHECK_INT(load_within(table[i].does_not, &limits, &doc),
			  -EFBIG);
		CHECK(!doc);
		CHECK_INT(err.error.code, EFBIG);
		CHECK_INT(err.column, table[i].column);
	}
}

/* No sooner than after as many bytes as there are. */
static void test_output_limit(void)
{
	struct atio_limits limits = {.version = ATIO_LIMITS_VERSION};
	struct atio_doc *doc = loaded("{\"a\": [\"x\\ny\", 1.5, {}]}");
	size_t len, whole;
	char *bytes;

	NEED(atio_codec_dump(&atio_codec_json, atio_doc_root(doc), NULL, &bytes,
			     &whole, NULL) == 0);
	free(bytes);
	limits.output_bytes = whole;
	CHECK_INT(atio_codec_dump(&atio_codec_json, atio_doc_root(doc), &limits,
				  &bytes, &len, NULL),
		  0);
	CHECK_INT(len, whole);
	free(bytes);
	for (limits.output_bytes = 1; limits.output_bytes < whole;
	     limits.output_bytes++)
		CHECK_INT(atio_codec_dump(&atio_codec_json, atio_doc_root(doc),
					  &limits, &bytes, &len, NULL),
			  -EFBIG);
	atio_doc_free(doc);
}

/* As deep as limits can allow. */
static void test_deepest(void)
{
	struct atio_limits limits = {.version = ATIO_LIMITS_VERSION,
				     .depth = 10000};
	static char text[1000001];
	struct atio_doc *doc = NULL;

	memset(text, '[', 1000000);
	CHECK_INT(load_within(text, &limits, &doc), -EFBIG);
	CHECK_INT(err.column, 10001);
	memset(text + 10000, ']', 10000);
	text[20000] = '\0';
	CHECK_INT(load_within(text, &limits, &doc), 0);
	atio_doc_free(doc);
}

/* ---- spans ----------------------------------------------------------- */

static const struct atio_node *at(const struct atio_doc *doc,
				  const char *pointer)
{
	const struct atio_node *node = atio_doc_root(doc);

	for (const char *s = pointer; *s; s += strcspn(s, "/")) {
		s++;
		if (atio_node_type(node) == ATIO_SEQ)
			node = atio_node_at(node, strtoul(s, NULL, 10));
		else
			node = atio_node_member(node, s, strcspn(s, "/"));
		NEED(node);
	}
	return node;
}

static void check_span(const char *source, const struct atio_node *node,
		       const char *should)
{
	struct atio_span span = atio_node_span(node);
	char *text;

	NEED(span.offset + span.length <= strlen(source));
	text = strndup(source + span.offset, span.length);
	NEED(text);
	CHECK_STR(text, should);
	free(text);
}

#define SOURCE                                                                 \
	" {\"a\" : [ 1, -2.50 ,\"t\\u0065xt\",\"é\" ] ,\n"                    \
	"  \"b\\n\": {\"c\":true,\"d\" : null}, \"e\":[ ],\"f\":{},"           \
	" \"g\": 12345678901234567890 }\n"

static void check_spans(const char *source)
{
	static const char *const spans[][2] = {
		{"/a", "[ 1, -2.50 ,\"t\\u0065xt\",\"é\" ]"},
		{"/a/0", "1"},
		{"/a/1", "-2.50"},
		{"/a/2", "\"t\\u0065xt\""},
		{"/a/3", "\"é\""},
		{"/b\n", "{\"c\":true,\"d\" : null}"},
		{"/b\n/c", "true"},
		{"/b\n/d", "null"},
		{"/e", "[ ]"},
		{"/f", "{}"},
		{"/g", "12345678901234567890"},
	};
	static const char *const keys[] = {
		"\"a\"", "\"b\\n\"", "\"e\"", "\"f\"", "\"g\"",
	};
	struct atio_doc *doc = loaded(source);
	struct atio_span whole = atio_node_span(atio_doc_root(doc));

	for (size_t i = 0; i < LENGTH(spans); i++)
		check_span(source, at(doc, spans[i][0]), spans[i][1]);
	for (size_t i = 0; i < LENGTH(keys); i++)
		check_span(source, atio_node_key(atio_doc_root(doc), i),
			   keys[i]);
	CHECK(source[whole.offset] == '{');
	CHECK_STR(source + whole.offset + whole.length, "\n");
	atio_doc_free(doc);
}

static void test_spans(void)
{
	check_spans(SOURCE);
	check_spans("\xEF\xBB\xBF" SOURCE);
}

/* An offset is one of the file, and a column one of what is seen. */
static void test_error_after_bom(void)
{
	struct atio_doc *doc;

	CHECK_INT(load_within("\xEF\xBB\xBF[\"é\",x]", NULL, &doc), -EINVAL);
	CHECK_INT(err.offset, 9);
	CHECK_INT(err.line, 1);
	CHECK_INT(err.column, 6);
}

static void test_traits(void)
{
	static const struct {
		const char *text;
		unsigned traits;
	} table[] = {
		{"1", 0},
		{"\xEF\xBB\xBF{}", ATIO_DOC_BOM},
		{"", ATIO_DOC_EMPTY},
		{" \r\n", ATIO_DOC_EMPTY},
		{"\xEF\xBB\xBF\n", ATIO_DOC_EMPTY | ATIO_DOC_BOM},
		{"null", 0},
	};
	struct atio_doc *doc;

	for (size_t i = 0; i < LENGTH(table); i++) {
		doc = loaded(table[i].text);
		CHECK_INT(atio_doc_traits(doc), table[i].traits);
		atio_doc_free(doc);
	}
}

/* ---- numbers --------------------------------------------------------- */

static void test_types(void)
{
	static const struct {
		const char *text;
		enum atio_type type;
		const char *lexeme;
	} table[] = {
		{"0", ATIO_INT, NULL},
		{"-0", ATIO_INT, "-0"},
		{"9223372036854775807", ATIO_INT, NULL},
		{"9223372036854775808", ATIO_BIGINT, NULL},
		{"-9223372036854775808", ATIO_INT, NULL},
		{"-9223372036854775809", ATIO_BIGINT, NULL},
		{"1e2", ATIO_FLOAT, "1e2"},
		{"-0.0", ATIO_FLOAT, "-0.0"},
		{"1E+2", ATIO_FLOAT, "1E+2"},
	};
	const struct atio_node *root;
	struct atio_doc *doc;

	for (size_t i = 0; i < LENGTH(table); i++) {
		doc = loaded(table[i].text);
		root = atio_doc_root(doc);
		CHECK_INT(atio_node_type(root), table[i].type);
		if (table[i].lexeme)
			CHECK_STR(atio_node_lexeme(root, NULL),
				  table[i].lexeme);
		else
			CHECK(!atio_node_lexeme(root, NULL));
		atio_doc_free(doc);
	}
}

static void test_number_type(void)
{
	static const struct {
		const char *text;
		enum atio_type type;
	} table[] = {
		{"0", ATIO_INT},     {"-10", ATIO_INT},    {"1.5", ATIO_FLOAT},
		{"1e5", ATIO_FLOAT}, {"0E-0", ATIO_FLOAT}, {"", ATIO_NULL},
		{"-", ATIO_NULL},    {"+1", ATIO_NULL},    {"01", ATIO_NULL},
		{"0x1", ATIO_NULL},  {"1.", ATIO_NULL},    {".5", ATIO_NULL},
		{"1e", ATIO_NULL},   {"1 ", ATIO_NULL},    {" 1", ATIO_NULL},
		{"inf", ATIO_NULL},  {"1_0", ATIO_NULL},
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		const char *text = table[i].text;

		CHECK_INT(atio_json_number_type(text, strlen(text)),
			  table[i].type);
		CHECK_INT(atio_json_is_number(text, strlen(text)),
			  table[i].type != ATIO_NULL);
	}
}

/* Lexemes of other formats: only what JSON spells so, and reads as the same
 * type, stays. */
static void test_foreign_lexemes(void)
{
	struct atio_builder *b;
	struct atio_doc *doc;

	NEED(atio_builder_new(NULL, &b) == 0);
	(void)atio_build_seq(b);
	(void)atio_build_int_as(b, 31, "0x1F", 4);
	(void)atio_build_int_as(b, 5, "+5", 2);
	(void)atio_build_int_as(b, 1000, "1e3", 3);
	(void)atio_build_float_as(b, 0.5, ".5", 2);
	(void)atio_build_float_as(b, 1, "1", 1);
	(void)atio_build_float_as(b, 1000.5, "1_000.5", 7);
	(void)atio_build_float_as(b, 0.25, "2.50e-1", 7);
	(void)atio_build_bigint_as(b, "18446744073709551615",
				   "0xFFFFFFFFFFFFFFFF", 18);
	(void)atio_build_float(b, 0.1);
	(void)atio_build_float(b, 1e300);
	(void)atio_build_float(b, -0.0);
	(void)atio_build_float(b, 3);
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	check_text(atio_doc_root(doc), 0,
		   "[31,5,1000,0.5,1.0,1000.5,2.50e-1,18446744073709551615,0.1"
		   ",1e+300,-0.0,3.0]");
	atio_doc_free(doc);
	atio_builder_free(b);
}

/* ---- writing --------------------------------------------------------- */

static void test_indent(void)
{
	struct atio_doc *doc = loaded("{\"a\":[1,{\"b\":[]}],\"c\":{}}");
	const struct atio_node *root = atio_doc_root(doc);

	check_text(root, 0, "{\"a\":[1,{\"b\":[]}],\"c\":{}}");
	check_text(root, 2,
		   "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n"
		   "  ],\n  \"c\": {}\n}\n");
	check_text(root, 4,
		   "{\n    \"a\": [\n        1,\n        {\n"
		   "            \"b\": []\n        }\n    ],\n"
		   "    \"c\": {}\n}\n");
	atio_doc_free(doc);
}

/* Deeper than the longest line of blanks that stands ready. */
static void test_deep_indent(void)
{
	struct atio_doc *doc =
		loaded("[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]");
	char *text = text_of(atio_doc_root(doc), 4), *one = strchr(text, '1');

	NEED(one);
	for (int i = 1; i <= 100; i++)
		CHECK_INT(one[-i], ' ');
	CHECK_INT(one[-101], '\n');
	free(text);
	atio_doc_free(doc);
}

/* A string at each place of what out.c first has room for. */
static void test_strings_at_the_end_of_the_room(void)
{
	char source[64], should[64], *text, *more;
	struct atio_out out;
	size_t len;

	for (size_t n = 4060; n < 4100; n++) {
		(void)snprintf(source, sizeof(source), "abcdefgh\n\"ij%zu\\",
			       n);
		(void)snprintf(should, sizeof(should),
			       "\"abcdefgh\\n\\\"ij%zu\\\\\"", n);
		atio_out_init(&out, 1 << 20);
		atio_out_fill(&out, ' ', n);
		atio_json_put_string(&out, source, strlen(source));
		NEED(atio_out_take(&out, &text, &len) == 0);
		more = text + n;
		CHECK_STR(more, should);
		free(text);
	}
}

/* What the conversion lets through by no means, the writer refuses, too. */
static void check_refused(struct atio_builder *b, const char *pointer)
{
	struct atio_doc *doc;
	struct atio_out out;

	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_out_init(&out, 1 << 20);
	err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
	CHECK_INT(atio_json_dump(atio_doc_root(doc), 2, &out, &err),
		  -EOPNOTSUPP);
	CHECK(err.has_pointer);
	CHECK_STR(err.pointer, pointer);
	atio_out_done(&out);
	atio_doc_free(doc);
}

static void test_refused(void)
{
	struct atio_builder *b;

	NEED(atio_builder_new(NULL, &b) == 0);
	(void)atio_build_seq(b);
	(void)atio_build_int(b, 1);
	(void)atio_build_float(b, (double)NAN);
	check_refused(b, "/1");
	(void)atio_build_map(b);
	(void)atio_build_string(b, "a/b", 3);
	(void)atio_build_float(b, -(double)INFINITY);
	check_refused(b, "/a~1b");
	(void)atio_build_map(b);
	(void)atio_build_int(b, 1);
	(void)atio_build_int(b, 1);
	check_refused(b, "/1");
	(void)atio_build_seq(b);
	(void)atio_build_bytes(b, "\xff", 1);
	check_refused(b, "/0");
	(void)atio_build_seq(b);
	(void)atio_build_datetime(b, "07:32:00", 8);
	check_refused(b, "/0");
	atio_builder_free(b);
}

int main(void)
{
	test_limits();
	test_output_limit();
	test_deepest();
	test_spans();
	test_error_after_bom();
	test_traits();
	test_types();
	test_number_type();
	test_foreign_lexemes();
	test_indent();
	test_deep_indent();
	test_strings_at_the_end_of_the_room();
	test_refused();
	return check_result();
}
