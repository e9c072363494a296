/* SPDX-License-Identifier: MIT
 *
 * test_value_tree.c - reading nodes, of the right type and of all others; and
 * limits, which are completed or refused.
 */
#include <math.h>

#include "value_text.h"

/* ---- nodes ----------------------------------------------------------- */

/* A node of each type, in the order of enum atio_type, and what is read of it.
 */
static const struct row {
	const char *value, *name, *phrase;
	bool boolean;
	int64_t integer;
	double real;
	const char *text, *lexeme; /* NULL: no lexeme */
	size_t count;
	bool has_inner;
} rows[] = {
	{"null", "null", "a null", false, 0, 0, "", NULL, 0, false},
	{"true", "boolean", "a boolean", true, 0, 0, "", NULL, 0, false},
	{"-31~-0x1F", "integer", "an integer", false, -31, -31, "", "-0x1F", 0,
	 false},
	{"9223372036854775808~9_223_372_036_854_775_808", "big integer",
	 "a big integer", false, 0, 0x1p63, "9223372036854775808",
	 "9_223_372_036_854_775_808", 0, false},
	{"2.5~2.50", "float", "a float", false, 0, 2.5, "", "2.50", 0, false},
	{"'text'", "string", "a string", false, 0, 0, "text", NULL, 0, false},
	{"b'bytes'", "bytes", "some bytes", false, 0, 0, "bytes", NULL, 0,
	 false},
	{"@1979-05-27t07:32:00z", "date or time", "a date or time", false, 0, 0,
	 "1979-05-27T07:32:00Z", "1979-05-27t07:32:00z", 0, false},
	{"[1, 2, 3]", "list", "a list", false, 0, 0, "", NULL, 3, false},
	{"{a: 1, b: 2}", "map", "a map", false, 0, 0, "", NULL, 2, false},
	{"!t {a: 1}", "tagged value", "a tagged value", false, 0, 0, "t", NULL,
	 0, true},
	{"*x", "alias", "an alias", false, 0, 0, "x", NULL, 0, true},
	{"1 --- 2", "stream of documents", "a stream of documents", false, 0, 0,
	 "", NULL, 2, false},
};

/* The value of @row; an alias is in a list behind what it stands for. */
static const struct atio_node *node_of(const struct row *row,
				       struct atio_doc **ret_doc)
{
	char text[128];

	if (row->value[0] != '*') {
		*ret_doc = doc_of(row->value);
		return atio_doc_root(*ret_doc);
	}
	(void)snprintf(text, sizeof(text), "[&x {a: 1}, %s]", row->value);
	*ret_doc = doc_of(text);
	return atio_node_at(atio_doc_root(*ret_doc), 1);
}

static void check_text(const char *is, size_t len, const char *should)
{
	CHECK_STR(is, should);
	CHECK_INT(len, strlen(should));
}

static void check_members(const struct row *row, const struct atio_node *node)
{
	bool map = atio_node_type(node) == ATIO_MAP;

	CHECK_INT(atio_node_count(node), row->count);
	for (size_t i = 0; i < row->count; i++) {
		CHECK(atio_node_at(node, i));
		CHECK(!!atio_node_key(node, i) == map);
	}
	CHECK(!atio_node_at(node, row->count));
	CHECK(!atio_node_at(node, SIZE_MAX));
	CHECK(!atio_node_key(node, row->count));
	CHECK(!!atio_node_member(node, "a", 1) == map);
	CHECK(!atio_node_member(node, "z", 1));
	CHECK(!atio_node_member(node, "a", (size_t)UINT32_MAX + 2));
	CHECK(!!atio_node_inner(node) == row->has_inner);
}

static void test_types(void)
{
	const struct atio_node *node;
	struct atio_doc *doc;
	const char *text;
	size_t len;

	CHECK_INT(LENGTH(rows), ATIO_STREAM + 1);
	for (size_t i = 0; i < LENGTH(rows); i++) {
		node = node_of(&rows[i], &doc);
		CHECK_INT(atio_node_type(node), i);
		CHECK_STR(atio_type_name((enum atio_type)i), rows[i].name);
		CHECK_STR(atio_type_phrase((enum atio_type)i), rows[i].phrase);
		CHECK(atio_node_bool(node) == rows[i].boolean);
		CHECK_INT(atio_node_int(node), rows[i].integer);
		CHECK(atio_node_float(node) == rows[i].real);
		text = atio_node_text(node, &len);
		check_text(text, len, rows[i].text);
		CHECK(atio_node_text(node, NULL) == text);
		len = 99;
		text = atio_node_lexeme(node, &len);
		if (rows[i].lexeme)
			check_text(text, len, rows[i].lexeme);
		else
			CHECK(!text && len == 0);
		CHECK(atio_node_lexeme(node, NULL) == text);
		check_members(&rows[i], node);
		CHECK_INT(atio_node_span(node).length, 0);
		atio_doc_free(doc);
	}
	CHECK_STR(atio_type_name((enum atio_type)99), "unknown value");
	CHECK_STR(atio_type_phrase((enum atio_type)99), "an unknown value");
	atio_doc_free(NULL);
}

static void test_numbers(void)
{
	struct atio_doc *doc = doc_of("[9223372036854775807, -0.0, nan, -inf]");
	const struct atio_node *root = atio_doc_root(doc);

	CHECK_INT(atio_node_int(atio_node_at(root, 0)), INT64_MAX);
	CHECK(atio_node_float(atio_node_at(root, 0)) == 0x1p63);
	CHECK(signbit(atio_node_float(atio_node_at(root, 1))));
	CHECK(isnan(atio_node_float(atio_node_at(root, 2))));
	CHECK(atio_node_float(atio_node_at(root, 3)) == -INFINITY);
	atio_doc_free(doc);
	/* An integer that no double holds. */
	{
		struct atio_builder *b;
		char digits[400];

		memset(digits, '9', sizeof(digits));
		NEED(atio_builder_new(NULL, &b) == 0);
		CHECK_INT(atio_build_integer(b, digits, sizeof(digits)), 0);
		CHECK_INT(atio_builder_finish(b, &doc, NULL), 0);
		CHECK_INT(atio_node_type(atio_doc_root(doc)), ATIO_BIGINT);
		CHECK(atio_node_float(atio_doc_root(doc)) == INFINITY);
		atio_doc_free(doc);
		atio_builder_free(b);
	}
}

static void test_datetimes(void)
{
	static const struct {
		const char *text;
		enum atio_datetime kind;
	} kinds[] = {
		{"@1979-05-27T07:32:00Z", ATIO_OFFSET_DATETIME},
		{"@1979-05-27T07:32:00", ATIO_LOCAL_DATETIME},
		{"@1979-05-27", ATIO_LOCAL_DATE},
		{"@07:32:00", ATIO_LOCAL_TIME},
		{"'07:32:00'", ATIO_OFFSET_DATETIME}, /* 0: it is none */
	};
	struct atio_doc *doc;

	for (size_t i = 0; i < LENGTH(kinds); i++) {
		doc = doc_of(kinds[i].text);
		CHECK_INT(atio_node_datetime(atio_doc_root(doc)),
			  kinds[i].kind);
		atio_doc_free(doc);
	}
}

/* Counted, and a NUL behind it that is not. */
static void test_nuls(void)
{
	struct atio_doc *doc = doc_of("{'a\\0b': 'c\\0d', e: b'\\0'}");
	const struct atio_node *root = atio_doc_root(doc);
	const char *text;
	size_t len;

	text = atio_node_text(atio_node_member(root, "a\0b", 3), &len);
	CHECK(len == 3 && memcmp(text, "c\0d", 4) == 0);
	CHECK(!atio_node_member(root, "a", 1));
	text = atio_node_text(atio_node_member(root, "e", 1), &len);
	CHECK(len == 1 && memcmp(text, "\0", 2) == 0);
	atio_doc_free(doc);
}

/* ---- limits ---------------------------------------------------------- */

#define MIB ((size_t)1 << 20)

static const struct {
	size_t field, otherwise, most;
} fields[] = {
#define FIELD(name, otherwise, most)                                           \
	{offsetof(struct atio_limits, name), otherwise, most}
	FIELD(input_bytes, 16 * MIB, 2048 * MIB),
	FIELD(output_bytes, 64 * MIB, 2048 * MIB),
	FIELD(depth, 128, 10000),
	FIELD(nodes, 1000000, (size_t)1 << 30),
	FIELD(alias_nodes, 1000000, (size_t)1 << 30),
	FIELD(alias_bytes, 64 * MIB, 2048 * MIB),
	FIELD(scalar_bytes, 16 * MIB, 2048 * MIB),
	FIELD(key_bytes, 65536, 2048 * MIB),
	FIELD(number_chars, 1000, 2048 * MIB),
	FIELD(unzipped_bytes, 64 * MIB, 2048 * MIB),
	FIELD(columns, 4096, (size_t)1 << 30),
	FIELD(documents, 1000, (size_t)1 << 30),
#undef FIELD
};

static size_t *field(struct atio_limits *limits, size_t i)
{
	return (size_t *)((char *)limits + fields[i].field);
}

static void test_limits(void)
{
	struct atio_limits limits = {.version = ATIO_LIMITS_VERSION}, all;
	size_t i, other;

	CHECK_INT(sizeof(limits),
		  offsetof(struct atio_limits, input_bytes) +
			  LENGTH(fields) * sizeof(size_t));
	CHECK_INT(atio_limits_complete(NULL, &all), 0);
	CHECK_INT(all.version, ATIO_LIMITS_VERSION);
	for (i = 0; i < LENGTH(fields); i++)
		CHECK_INT(*field(&all, i), fields[i].otherwise);
	for (i = 0; i < LENGTH(fields); i++) {
		*field(&limits, i) = 1;
		CHECK_INT(atio_limits_complete(&limits, &all), 0);
		for (other = 0; other < LENGTH(fields); other++)
			CHECK_INT(*field(&all, other),
				  other == i ? 1 : fields[other].otherwise);
		*field(&limits, i) = fields[i].most;
		CHECK_INT(atio_limits_complete(&limits, &all), 0);
		CHECK_INT(*field(&all, i), fields[i].most);
		*field(&limits, i) = fields[i].most + 1;
		memset(&all, 'x', sizeof(all));
		CHECK_INT(atio_limits_complete(&limits, &all), -EINVAL);
		CHECK(all.version == 0x78787878); /* nothing is written */
		*field(&limits, i) = SIZE_MAX;
		CHECK_INT(atio_limits_complete(&limits, &all), -EINVAL);
		*field(&limits, i) = 0;
	}
	for (limits.version = 0; limits.version < 4; limits.version++)
		CHECK_INT(atio_limits_complete(&limits, &all),
			  limits.version == ATIO_LIMITS_VERSION ? 0 : -EINVAL);
}

int main(void)
{
	test_types();
	test_numbers();
	test_datetimes();
	test_nuls();
	test_limits();
	return check_result();
}
