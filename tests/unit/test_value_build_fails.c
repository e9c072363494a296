/* SPDX-License-Identifier: MIT
 *
 * test_value_build_fails.c - each thing that a builder refuses, with its
 * message and its place in the source; each of its limits from both sides; and
 * anchors, tags and documents as codecs tell them.
 */
#include "value_text.h"

static struct atio_builder *builder(const struct atio_limits *limits)
{
	struct atio_builder *b;

	NEED(atio_builder_new(limits, &b) == 0);
	return b;
}

static int text(struct atio_builder *b, const char *value)
{
	return atio_build_string(b, value, strlen(value));
}

static int tag(struct atio_builder *b, const char *name)
{
	return atio_build_tag(b, name, strlen(name));
}

static int anchor(struct atio_builder *b, const char *name)
{
	return atio_build_anchor(b, name, strlen(name));
}

static int alias(struct atio_builder *b, const char *name)
{
	return atio_build_alias(b, name, strlen(name));
}

/* ---- what is refused ------------------------------------------------- */

static void end_of_nothing(struct atio_builder *b)
{
	(void)atio_build_end(b);
}

static void end_of_too_much(struct atio_builder *b)
{
	(void)atio_build_seq(b);
	(void)atio_build_end(b);
	(void)atio_build_end(b);
}

static void end_behind_tag(struct atio_builder *b)
{
	(void)atio_build_seq(b);
	(void)tag(b, "!t");
	(void)atio_build_end(b);
}

static void end_behind_anchor(struct atio_builder *b)
{
	(void)atio_build_seq(b);
	(void)anchor(b, "a");
	(void)atio_build_end(b);
}

static void key_without_value(struct atio_builder *b)
{
	(void)atio_build_map(b);
	(void)text(b, "k");
	(void)atio_build_end(b);
}

static void second_scalar(struct atio_builder *b)
{
	(void)atio_build_null(b);
	(void)atio_build_bool(b, true);
}

static void second_collection(struct atio_builder *b)
{
	(void)atio_build_null(b);
	(void)atio_build_map(b);
}

static void second_alias(struct atio_builder *b)
{
	(void)anchor(b, "a");
	(void)atio_build_null(b);
	(void)alias(b, "a");
}

static void open_seq(struct atio_builder *b)
{
	(void)atio_build_seq(b);
}

static void open_map(struct atio_builder *b)
{
	(void)atio_build_seq(b);
	(void)atio_build_map(b);
	(void)atio_build_end(b);
}

static void tag_of_nothing(struct atio_builder *b)
{
	(void)tag(b, "!t");
}

static void anchor_of_nothing(struct atio_builder *b)
{
	(void)anchor(b, "a");
}

static void two_tags(struct atio_builder *b)
{
	(void)tag(b, "!t");
	(void)tag(b, "!u");
}

static void empty_tag(struct atio_builder *b)
{
	(void)tag(b, "");
}

static void malformed_tag(struct atio_builder *b)
{
	(void)tag(b, "!\xFF");
}

static void no_anchor(struct atio_builder *b)
{
	(void)alias(b, "a\n");
}

static void anchor_behind(struct atio_builder *b)
{
	(void)atio_build_seq(b);
	(void)alias(b, "a");
	(void)anchor(b, "a");
	(void)atio_build_null(b);
}

static void anchor_of_another_document(struct atio_builder *b)
{
	(void)anchor(b, "a");
	(void)atio_build_null(b);
	(void)atio_build_document(b);
	(void)alias(b, "a");
}

static void malformed_text(struct atio_builder *b)
{
	(void)text(b, "a\xED\xA0\x80");
}

static void no_digits(struct atio_builder *b)
{
	(void)atio_build_integer(b, "", 0);
}

static void wrong_digits(struct atio_builder *b)
{
	(void)atio_build_integer(b, "99999999999999999999x", 21);
}

static void no_date(struct atio_builder *b)
{
	(void)atio_build_datetime(b, "2021-02-29", 10);
}

static void long_date(struct atio_builder *b)
{
	char date[100];

	memset(date, '1', sizeof(date));
	memcpy(date, "07:32:00.", 9);
	(void)atio_build_datetime(b, date, sizeof(date));
}

static void key_twice(struct atio_builder *b)
{
	(void)build_of(b, "[{a: 1, 'b\\n': 2, 'b\\n': 3}]");
}

static void long_key_twice(struct atio_builder *b)
{
	char key[101] = "";

	for (int i = 0; i < 50; i++)
		strcat(key, "\xC3\xA4");
	(void)atio_build_map(b);
	(void)text(b, key);
	(void)atio_build_null(b);
	(void)text(b, key);
	(void)atio_build_null(b);
	(void)atio_build_end(b);
}

static void other_key_twice(struct atio_builder *b)
{
	(void)build_of(b, "{[1]: 1, [1]: 2}");
}

static void no_document(struct atio_builder *b)
{
	(void)atio_build_document(b);
}

static void document_in_a_list(struct atio_builder *b)
{
	(void)atio_build_seq(b);
	(void)atio_build_document(b);
}

static void document_between(struct atio_builder *b)
{
	(void)atio_build_null(b);
	(void)atio_build_document(b);
	(void)atio_build_document(b);
}

static void document_at_the_end(struct atio_builder *b)
{
	(void)atio_build_null(b);
	(void)atio_build_document(b);
}

static void stream_in(struct atio_builder *b)
{
	struct atio_doc *stream = doc_of("1 --- 2");

	(void)atio_build_copy(b, atio_doc_root(stream));
	atio_doc_free(stream);
}

static void stream_in_a_list(struct atio_builder *b)
{
	(void)atio_build_seq(b);
	stream_in(b);
}

static void stream_in_a_stream(struct atio_builder *b)
{
	(void)atio_build_null(b);
	(void)atio_build_document(b);
	stream_in(b);
}

static void stream_with_a_tag(struct atio_builder *b)
{
	(void)tag(b, "!t");
	stream_in(b);
}

static void stream_with_an_anchor(struct atio_builder *b)
{
	(void)anchor(b, "a");
	stream_in(b);
}

static void copy_of_a_ring(struct atio_builder *b)
{
	struct atio_doc *ring = doc_of("&a [*a]");

	(void)atio_build_copy(b, atio_doc_root(ring));
	atio_doc_free(ring);
}

static void second_copy(struct atio_builder *b)
{
	struct atio_doc *doc = doc_of("[1]");

	(void)atio_build_null(b);
	(void)atio_build_copy(b, atio_doc_root(doc));
	atio_doc_free(doc);
}

static void no_room(struct atio_builder *b)
{
	CHECK(!atio_build_room(b, SIZE_MAX));
}

#define UMLAUTS                                                                \
	"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"     \
	"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"

static const struct {
	void (*tell)(struct atio_builder *b);
	int code;
	const char *message;
} refused[] = {
	{end_of_nothing, EINVAL, "an end of nothing"},
	{end_of_too_much, EINVAL, "an end of nothing"},
	{end_behind_tag, EINVAL, "an end of nothing"},
	{end_behind_anchor, EINVAL, "an end of nothing"},
	{key_without_value, EINVAL, "a key without a value"},
	{second_scalar, EINVAL, "a second value"},
	{second_collection, EINVAL, "a second value"},
	{second_alias, EINVAL, "a second value"},
	{second_copy, EINVAL, "a second value"},
	{open_seq, EINVAL, "the document is not complete"},
	{open_map, EINVAL, "the document is not complete"},
	{tag_of_nothing, EINVAL, "the document is not complete"},
	{anchor_of_nothing, EINVAL, "the document is not complete"},
	{two_tags, EINVAL, "a wrong tag"},
	{empty_tag, EINVAL, "a wrong tag"},
	{malformed_tag, EINVAL, "a wrong tag"},
	{no_anchor, ENOENT, "no anchor 'a?' before this alias"},
	{anchor_behind, ENOENT, "no anchor 'a' before this alias"},
	{anchor_of_another_document, ENOENT, "no anchor 'a' before this alias"},
	{malformed_text, EILSEQ, "a string is not UTF-8"},
	{no_digits, EINVAL, "no integer"},
	{wrong_digits, EINVAL, "no integer"},
	{no_date, EINVAL, "no date or time as of RFC 3339"},
	{long_date, EINVAL, "no date or time as of RFC 3339"},
	{key_twice, EEXIST, "the key 'b?' stands twice in one map"},
	{long_key_twice, EEXIST,
	 "the key '" UMLAUTS UMLAUTS "' stands twice in one map"},
	{other_key_twice, EEXIST, "a key stands twice in one map"},
	{no_document, EINVAL, "a document without a value"},
	{document_in_a_list, EINVAL, "a document without a value"},
	{document_between, EINVAL, "a document without a value"},
	{document_at_the_end, EINVAL, "a document without a value"},
	{stream_in_a_list, EINVAL, "a stream of documents in a document"},
	{stream_in_a_stream, EINVAL, "a stream of documents in a document"},
	{stream_with_a_tag, EINVAL, "a stream of documents in a document"},
	{stream_with_an_anchor, EINVAL, "a stream of documents in a document"},
	{copy_of_a_ring, ELOOP,
	 "copy a value: Too many levels of symbolic links"},
	{no_room, ENOMEM, "out of memory"},
};

/* All that can be told to @b; the failure is what each says. */
static void check_all_calls(struct atio_builder *b, int code)
{
	struct atio_doc *doc = doc_of("1");
	char room[8] = "room";

	CHECK_INT(atio_build_null(b), -code);
	CHECK_INT(atio_build_bool(b, true), -code);
	CHECK_INT(atio_build_int(b, 1), -code);
	CHECK_INT(atio_build_integer(b, "x", 1), -code);
	CHECK_INT(atio_build_float(b, 1), -code);
	CHECK_INT(text(b, "\xFF"), -code);
	CHECK_INT(atio_build_bytes(b, "", 0), -code);
	CHECK_INT(atio_build_datetime(b, "", 0), -code);
	CHECK_INT(atio_build_seq(b), -code);
	CHECK_INT(atio_build_map(b), -code);
	CHECK_INT(atio_build_end(b), -code);
	CHECK_INT(tag(b, ""), -code);
	CHECK_INT(atio_build_copy(b, atio_doc_root(doc)), -code);
	CHECK_INT(anchor(b, "a"), -code);
	CHECK_INT(alias(b, "none"), -code);
	CHECK_INT(atio_build_document(b), -code);
	CHECK_INT(atio_build_node(b, doc->root, 1), -code);
	CHECK_INT(atio_build_bigint_as(b, "1", "1", 1), -code);
	CHECK_INT(atio_build_datetime_as(b, ATIO_LOCAL_DATE, "1", "1", 1),
		  -code);
	CHECK_INT(atio_build_owned_text(b, ATIO_STRING, room, 4), -code);
	CHECK(!atio_build_room(b, 1));
	CHECK_INT(atio_build_fail(b, EDOM, 0, "another"), -code);
	atio_doc_free(doc);
}

static void test_refused(void)
{
	struct atio_value_error err, again;
	struct atio_builder *b;
	struct atio_doc *doc;

	for (size_t i = 0; i < LENGTH(refused); i++) {
		b = builder(NULL);
		doc = NULL;
		err = again = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
		refused[i].tell(b);
		CHECK_INT(atio_builder_finish(b, &doc, &err), -refused[i].code);
		CHECK_INT(err.error.code, refused[i].code);
		CHECK_STR(err.error.text, refused[i].message);
		CHECK(!err.line && !err.column && !err.has_pointer && !doc);
		check_all_calls(b, refused[i].code);
		/* The first cause, and not over another one of the caller's. */
		CHECK_INT(atio_builder_finish(b, &doc, &again),
			  -refused[i].code);
		CHECK_STR(again.error.text, refused[i].message);
		again.error.code = EDOM;
		again.error.text[0] = '\0';
		CHECK_INT(atio_builder_finish(b, &doc, &again),
			  -refused[i].code);
		CHECK_INT(again.error.code, EDOM);
		CHECK_STR(again.error.text, "");
		CHECK_INT(atio_builder_finish(b, &doc, NULL), -refused[i].code);
		atio_builder_free(b);
	}
}

/* ---- places ---------------------------------------------------------- */

static void at(struct atio_builder *b, size_t offset, size_t length)
{
	b->offset = offset;
	b->length = length;
}

static void check_place(struct atio_builder *b, size_t offset, size_t line,
			size_t column)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc;

	CHECK(atio_builder_finish(b, &doc, &err) < 0);
	CHECK_INT(err.offset, offset);
	CHECK_INT(err.line, line);
	CHECK_INT(err.column, column);
	atio_builder_free(b);
}

static struct atio_builder *reader(const char *source, size_t shift)
{
	struct atio_builder *b = builder(NULL);

	b->source = source;
	b->source_len = strlen(source);
	b->shift = shift;
	return b;
}

/* Spans count a BOM, which lines and columns do not. */
static void test_places(void)
{
	static const char source[] = "\xC3\xA4: 1\r\n\xC3\xA4: 2\n";

	for (size_t shift = 0; shift <= 3; shift += 3) {
		struct atio_builder *b = reader(source, shift);

		at(b, 0, 1);
		(void)atio_build_map(b);
		at(b, 0, 2);
		(void)text(b, "\xC3\xA4");
		at(b, 4, 1);
		(void)atio_build_int(b, 1);
		at(b, 7, 2);
		(void)text(b, "\xC3\xA4");
		at(b, 11, 1);
		(void)atio_build_int(b, 2);
		CHECK_INT(atio_build_end_at(b, 13), -EEXIST);
		check_place(b, 7 + shift, 2, 1); /* the second key */
		b = reader(source, shift);
		at(b, 11, 1);
		(void)text(b, "\xFF");
		check_place(b, 11 + shift, 2, 4);
		b = reader(source, shift);
		at(b, 4, 1);
		(void)atio_build_map(b);
		at(b, 11, 1);
		(void)text(b, "k");
		(void)atio_build_end_at(b, 13);
		check_place(b, 4 + shift, 1, 4); /* the map */
		b = reader(source, shift);
		at(b, 4, 1);
		(void)atio_build_int(b, 1);
		at(b, 11, 1);
		(void)atio_build_int(b, 2);
		check_place(b, 11 + shift, 2, 4); /* the second value */
	}
}

/* ---- limits ---------------------------------------------------------- */

static void repeat(char *to, const char *what, size_t times)
{
	for (*to = '\0'; times; times--)
		strcat(to, what);
}

typedef int tell_fn(struct atio_builder *b, const char *text, size_t len);

static int tell_bytes(struct atio_builder *b, const char *bytes, size_t len)
{
	return atio_build_bytes(b, bytes, len);
}

static int tell_text(struct atio_builder *b, const char *value, size_t len)
{
	return atio_build_text(b, ATIO_STRING, value, len);
}

static int tell_owned(struct atio_builder *b, const char *value, size_t len)
{
	char *room = atio_build_room(b, 2 * len);

	NEED(room);
	memcpy(room, value, len);
	return atio_build_owned_text(b, ATIO_STRING, room, len);
}

static int tell_int_as(struct atio_builder *b, const char *lexeme, size_t len)
{
	return atio_build_int_as(b, 1, lexeme, len);
}

static int tell_float_as(struct atio_builder *b, const char *lexeme, size_t len)
{
	return atio_build_float_as(b, 1, lexeme, len);
}

static int tell_bigint_as(struct atio_builder *b, const char *lexeme,
			  size_t len)
{
	return atio_build_bigint_as(b, "11", lexeme, len);
}

static int tell_canonical(struct atio_builder *b, const char *canonical,
			  size_t len)
{
	return atio_build_bigint_as(b, canonical, NULL, 0);
}

static int tell_alias(struct atio_builder *b, const char *name, size_t len)
{
	int r = atio_build_anchor(b, name, len);

	return r < 0 ? r : atio_build_null(b);
}

/* A value, or a key of a map. */
static void check_tell(tell_fn *tell, const struct atio_limits *limits,
		       size_t len, bool key, int r, const char *message)
{
	struct atio_builder *b = builder(limits);
	char digits[64];

	repeat(digits, "1", len);
	if (key)
		(void)atio_build_map(b);
	CHECK_INT(tell(b, digits, len), r);
	CHECK_STR(b->error.error.text, message);
	atio_builder_free(b);
}

static void check_length(tell_fn *tell, const struct atio_limits *limits,
			 size_t most, bool key, const char *message)
{
	check_tell(tell, limits, most, key, 0, "");
	check_tell(tell, limits, most + 1, key, -EFBIG, message);
}

static void test_lengths(void)
{
	static tell_fn *const texts[] = {atio_build_string, tell_bytes,
					 tell_text, tell_owned};
	static tell_fn *const numbers[] = {atio_build_integer, tell_int_as,
					   tell_float_as, tell_bigint_as,
					   tell_canonical};
	const struct atio_limits limits = {
		.version = 1, .scalar_bytes = 30, .key_bytes = 20,
		.number_chars = 40,
	};
	const struct atio_limits digits = {.version = 1, .number_chars = 3};

	for (size_t i = 0; i < LENGTH(texts); i++) {
		check_length(texts[i], &limits, 30, false,
			     "a string of more than 30 bytes");
		check_length(texts[i], &limits, 20, true,
			     "a key of more than 20 bytes");
	}
	for (size_t i = 0; i < LENGTH(numbers); i++) {
		check_length(numbers[i], &limits, 40, false,
			     "a number of more than 40 characters");
		check_length(numbers[i], &limits, 40, true,
			     "a number of more than 40 characters");
		check_length(numbers[i], &digits, 3, false,
			     "a number of more than 3 characters");
	}
	check_length(atio_build_tag, &limits, 20, false,
		     "a tag of more than 20 bytes");
	check_length(tell_alias, &limits, 20, false,
		     "an anchor of more than 20 bytes");
}

/* @text is built within @limits, or not, with this message. */
static void check_whole(struct atio_limits limits, const char *value,
			const char *message)
{
	struct atio_builder *b;

	limits.version = ATIO_LIMITS_VERSION;
	b = builder(&limits);
	CHECK_INT(build_of(b, value), *message ? -EFBIG : 0);
	CHECK_STR(b->error.error.text, message);
	atio_builder_free(b);
}

static void test_counts(void)
{
	check_whole((struct atio_limits){.nodes = 1}, "1", "");
	check_whole((struct atio_limits){.nodes = 1}, "[]", "");
	check_whole((struct atio_limits){.nodes = 1}, "[1]",
		    "more than 1 values");
	check_whole((struct atio_limits){.nodes = 5}, "{a: 1, b: 2}", "");
	check_whole((struct atio_limits){.nodes = 4}, "{a: 1, b: 2}",
		    "more than 4 values");
	/* An alias is a value, what it stands for is none once more. */
	check_whole((struct atio_limits){.nodes = 5}, "[&a [1], *a, *a]", "");
	check_whole((struct atio_limits){.nodes = 4}, "[&a [1], *a, *a]",
		    "more than 4 values");
	check_whole((struct atio_limits){.nodes = 3}, "1 --- 2 --- 3", "");
	check_whole((struct atio_limits){.nodes = 2}, "1 --- 2 --- 3",
		    "more than 2 values");
	check_whole((struct atio_limits){.depth = 1}, "[]", "");
	check_whole((struct atio_limits){.depth = 1}, "{a: {}}",
		    "nested deeper than 1 levels");
	check_whole((struct atio_limits){.depth = 3}, "[{a: [1]}, [[]], {}]",
		    "");
	check_whole((struct atio_limits){.depth = 3}, "[{a: [1]}, [[[]]], {}]",
		    "nested deeper than 3 levels");
	check_whole((struct atio_limits){.depth = 1}, "[] --- [] --- {}", "");
	check_whole((struct atio_limits){.documents = 1}, "1", "");
	check_whole((struct atio_limits){.documents = 1}, "1 --- 2",
		    "more than 1 documents");
	check_whole((struct atio_limits){.documents = 3}, "1 --- 2 --- 3", "");
	check_whole((struct atio_limits){.documents = 2}, "1 --- 2 --- 3",
		    "more than 2 documents");
}

/* ---- anchors, tags --------------------------------------------------- */

static void check_built(const char *value, const char *should, unsigned traits)
{
	struct atio_doc *doc = doc_of(value);

	CHECK_STR(text_of(atio_doc_root(doc)), should);
	CHECK_INT(atio_doc_traits(doc), traits);
	atio_doc_free(doc);
}

static void test_anchors(void)
{
	const struct atio_node *root;
	struct atio_doc *doc;

	check_built("[&a 1, *a]", "[1, *a]", ATIO_DOC_ANCHORS);
	check_built("&a 1", "1", ATIO_DOC_ANCHORS);
	check_built("{&a k: &b v, *b: *a}", "{'k': 'v', *b: *a}",
		    ATIO_DOC_ANCHORS);
	/* A name that is given anew, and a tag that belongs to the anchor. */
	doc = doc_of("[&a 1, *a, &a !t 2, *a, &b [*a], *b]");
	root = atio_doc_root(doc);
	CHECK(atio_node_inner(atio_node_at(root, 1)) == atio_node_at(root, 0));
	CHECK(atio_node_inner(atio_node_at(root, 3)) == atio_node_at(root, 2));
	CHECK_INT(atio_node_type(atio_node_at(root, 2)), ATIO_TAGGED);
	CHECK(atio_node_inner(atio_node_at(root, 5)) == atio_node_at(root, 4));
	atio_doc_free(doc);
	/* Within what it stands for. */
	doc = doc_of("&a [&b {k: [*a, *b]}]");
	root = atio_doc_root(doc);
	CHECK_INT(atio_value_get(root, "/0/k", &root, NULL), 0);
	CHECK(atio_node_inner(atio_node_at(root, 0)) == atio_doc_root(doc));
	CHECK(atio_node_inner(atio_node_at(root, 1)) ==
	      atio_node_at(atio_doc_root(doc), 0));
	atio_doc_free(doc);
	/* Each document has its own. */
	doc = doc_of("[&a 1, *a] --- [&a 2, *a]");
	root = atio_node_at(atio_doc_root(doc), 1);
	CHECK(atio_node_inner(atio_node_at(root, 1)) == atio_node_at(root, 0));
	atio_doc_free(doc);
}

static void test_tags(void)
{
	check_built("!t 1", "!t 1", 0);
	check_built("!t [!u {!v a: !w b}]", "!t [!u {!v 'a': !w 'b'}]", 0);
	check_built("[&a !t 1, !u 2, *a]", "[!t 1, !u 2, *a]",
		    ATIO_DOC_ANCHORS);
	check_built("!t 1 --- !u []", "!t 1 --- !u []", 0);
}

/* A builder that finished has forgotten all of it. */
static void test_again(void)
{
	struct atio_builder *b = builder(NULL);
	struct atio_doc *doc;

	b->style = ATIO_STYLE_FLOW;
	at(b, 5, 6);
	CHECK_INT(build_of(b, "&a [!t 1] --- *a"), -ENOENT);
	atio_builder_free(b);
	b = builder(NULL);
	CHECK_INT(build_of(b, "&a [!t 1] --- 2"), 0);
	CHECK_INT(atio_builder_finish(b, &doc, NULL), 0);
	CHECK_INT(atio_doc_traits(doc), ATIO_DOC_ANCHORS);
	atio_doc_free(doc);
	CHECK_INT(build_of(b, "{}"), 0);
	CHECK_INT(atio_builder_finish(b, &doc, NULL), 0);
	CHECK_STR(text_of(atio_doc_root(doc)), "{}");
	CHECK_INT(atio_doc_traits(doc), 0);
	CHECK_INT(atio_node_span(atio_doc_root(doc)).length, 0);
	CHECK_INT(atio_doc_root(doc)->style, ATIO_STYLE_ANY);
	atio_doc_free(doc);
	CHECK_INT(alias(b, "a"), -ENOENT);
	atio_builder_free(b);
	atio_builder_free(NULL);
}

/* What is open, for codecs. */
static void test_open(void)
{
	struct atio_builder *b = builder(NULL);

	CHECK_INT(atio_build_open(b), ATIO_NULL);
	CHECK(!atio_build_expects_key(b));
	(void)atio_build_seq(b);
	CHECK_INT(atio_build_open(b), ATIO_SEQ);
	CHECK(!atio_build_expects_key(b));
	(void)atio_build_map(b);
	CHECK_INT(atio_build_open(b), ATIO_MAP);
	CHECK(atio_build_expects_key(b));
	(void)atio_build_null(b);
	CHECK(!atio_build_expects_key(b));
	(void)tag(b, "!t");
	(void)atio_build_seq(b);
	CHECK_INT(atio_build_open(b), ATIO_SEQ);
	(void)atio_build_end(b);
	CHECK(atio_build_expects_key(b));
	(void)atio_build_end(b);
	CHECK_INT(atio_build_open(b), ATIO_SEQ);
	atio_builder_free(b);
}

int main(void)
{
	test_refused();
	test_places();
	test_lengths();
	test_counts();
	test_anchors();
	test_tags();
	test_again();
	test_open();
	return check_result();
}
