/* SPDX-License-Identifier: MIT
 *
 * test_value_build.c - building a document: what is refused, each limit from
 * both sides, and the members of large maps.
 */
#include "value_text.h"

static struct atio_builder *builder(const struct atio_limits *limits)
{
	struct atio_builder *b;

	NEED(atio_builder_new(limits, &b) == 0);
	return b;
}

/* @b fails with @code, and says so of whatever comes. */
static void check_failed(struct atio_builder *b, int code)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = NULL;

	CHECK_INT(atio_build_null(b), -code);
	CHECK_INT(atio_build_seq(b), -code);
	CHECK_INT(atio_builder_finish(b, &doc, &err), -code);
	CHECK_INT(err.error.code, code);
	CHECK(*err.error.text && !doc);
	atio_builder_free(b);
}

static void key(struct atio_builder *b, const char *text)
{
	(void)atio_build_string(b, text, strlen(text));
}

/* ---- what is refused ------------------------------------------------------- */

static void test_order(void)
{
	struct atio_builder *b = builder(NULL);

	CHECK_INT(atio_build_end(b), -EINVAL);
	check_failed(b, EINVAL);
	b = builder(NULL);
	CHECK_INT(atio_build_int(b, 1), 0);
	CHECK_INT(atio_build_int(b, 2), -EINVAL); /* a second root */
	check_failed(b, EINVAL);
	b = builder(NULL);
	CHECK_INT(atio_build_map(b), 0);
	key(b, "k");
	CHECK_INT(atio_build_end(b), -EINVAL); /* without its value */
	check_failed(b, EINVAL);
	b = builder(NULL);
	CHECK_INT(atio_build_seq(b), 0);
	{
		struct atio_doc *doc = NULL;

		CHECK_INT(atio_builder_finish(b, &doc, NULL), -EINVAL);
		CHECK(!doc);
	}
	atio_builder_free(b);
	b = builder(NULL);
	CHECK_INT(atio_build_tag(b, "!a", 2), 0);
	CHECK_INT(atio_build_tag(b, "!b", 2), -EINVAL);
	check_failed(b, EINVAL);
	b = builder(NULL);
	CHECK_INT(atio_build_alias(b, "x", 1), -ENOENT);
	check_failed(b, ENOENT);
}

static void test_text(void)
{
	struct atio_builder *b = builder(NULL);

	CHECK_INT(atio_build_string(b, "a\xFF", 2), -EILSEQ);
	check_failed(b, EILSEQ);
	b = builder(NULL);
	CHECK_INT(atio_build_integer(b, "1x", 2), -EINVAL);
	check_failed(b, EINVAL);
	b = builder(NULL);
	CHECK_INT(atio_build_datetime(b, "yesterday", 9), -EINVAL);
	check_failed(b, EINVAL);
}

static void test_twice(void)
{
	struct atio_builder *b = builder(NULL);
	char text[16];

	CHECK_INT(atio_build_map(b), 0);
	key(b, "a");
	CHECK_INT(atio_build_null(b), 0);
	key(b, "a");
	CHECK_INT(atio_build_null(b), 0);
	CHECK_INT(atio_build_end(b), -EEXIST);
	check_failed(b, EEXIST);
	/* The same where there is an index. */
	b = builder(NULL);
	CHECK_INT(atio_build_map(b), 0);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "k%d", i == 999 ? 3 : i);
		key(b, text);
		CHECK_INT(atio_build_int(b, i), 0);
	}
	CHECK_INT(atio_build_end(b), -EEXIST);
	check_failed(b, EEXIST);
	/* 1, 1.0, "1" and true are different keys. */
	b = builder(NULL);
	CHECK_INT(build_of(b, "{1: a, 1.0: b, '1': c, true: d}"), 0);
	atio_builder_free(b);
}

/* ---- limits ---------------------------------------------------------------- */

/* @text is built within @limits if @fits, else it is -EFBIG. */
static void check_limit(struct atio_limits limits, const char *text, bool fits)
{
	struct atio_builder *b;

	limits.version = ATIO_LIMITS_VERSION;
	b = builder(&limits);
	CHECK_INT(build_of(b, text), fits ? 0 : -EFBIG);
	atio_builder_free(b);
}

static void test_limits(void)
{
	check_limit((struct atio_limits){.depth = 2}, "[[1]]", true);
	check_limit((struct atio_limits){.depth = 2}, "[[[1]]]", false);
	check_limit((struct atio_limits){.nodes = 5}, "{a: 1, b: 2}", true);
	check_limit((struct atio_limits){.nodes = 4}, "{a: 1, b: 2}", false);
	check_limit((struct atio_limits){.scalar_bytes = 3}, "'abc'", true);
	check_limit((struct atio_limits){.scalar_bytes = 3}, "'abcd'", false);
	check_limit((struct atio_limits){.key_bytes = 3}, "{abc: 1}", true);
	check_limit((struct atio_limits){.key_bytes = 3}, "{abcd: 1}", false);
	check_limit((struct atio_limits){.number_chars = 25},
		    "1234567890123456789012345", true);
	check_limit((struct atio_limits){.number_chars = 24},
		    "1234567890123456789012345", false);
	check_limit((struct atio_limits){.documents = 3}, "1 --- 2 --- 3",
		    true);
	check_limit((struct atio_limits){.documents = 2}, "1 --- 2 --- 3",
		    false);
}

static void test_wrong_limits(void)
{
	struct atio_limits limits = {.version = 2};
	struct atio_builder *b;

	CHECK_INT(atio_builder_new(&limits, &b), -EINVAL);
	limits = (struct atio_limits){.version = 1, .depth = 10001};
	CHECK_INT(atio_builder_new(&limits, &b), -EINVAL);
	limits.depth = 10000;
	CHECK_INT(atio_builder_new(&limits, &b), 0);
	atio_builder_free(b);
	limits.input_bytes = ((size_t)2048 << 20) + 1;
	CHECK_INT(atio_builder_new(&limits, &b), -EINVAL);
}

/* ---- documents --------------------------------------------------------------- */

static void test_again(void)
{
	struct atio_builder *b = builder(NULL);
	struct atio_doc *one, *two, *none;

	CHECK_INT(build_of(b, "[1, {a: b}]"), 0);
	CHECK_INT(atio_builder_finish(b, &one, NULL), 0);
	CHECK_INT(build_of(b, "2"), 0);
	CHECK_INT(atio_builder_finish(b, &two, NULL), 0);
	CHECK_INT(atio_builder_finish(b, &none, NULL), 0);
	atio_builder_free(b);
	CHECK_STR(text_of(atio_doc_root(one)), "[1, {'a': 'b'}]");
	CHECK_STR(text_of(atio_doc_root(two)), "2");
	CHECK(atio_doc_traits(none) & ATIO_DOC_EMPTY);
	CHECK_INT(atio_node_type(atio_doc_root(none)), ATIO_NULL);
	atio_doc_free(one);
	atio_doc_free(two);
	atio_doc_free(none);
}

static void test_reading(void)
{
	struct atio_doc *doc = doc_of("{n: -00012345678901234567890, s: x}");
	const struct atio_node *root = atio_doc_root(doc), *n;

	n = atio_node_member(root, "n", 1);
	CHECK_STR(atio_node_text(n, NULL), "-12345678901234567890");
	CHECK(atio_node_float(n) == -12345678901234567890.0);
	CHECK_INT(atio_node_int(n), 0);
	CHECK(!atio_node_member(root, "m", 1));
	CHECK(!atio_node_member(n, "n", 1));
	CHECK(!atio_node_at(root, 2) && !atio_node_key(root, 2));
	CHECK(!atio_node_at(n, 0) && !atio_node_key(n, 0));
	CHECK(!atio_node_inner(root));
	CHECK_INT(atio_node_count(n), 0);
	CHECK_STR(atio_node_text(root, NULL), "");
	CHECK(!atio_node_bool(root));
	CHECK_INT(atio_node_span(root).length, 0);
	atio_doc_free(doc);
	atio_doc_free(NULL);
	atio_builder_free(NULL);
}

/* Copies count as what was told, and are no way around the limits. */
static void test_copies(void)
{
	const struct atio_limits limits = {
		.version = 1, .nodes = 10, .depth = 4};
	struct atio_doc *doc = doc_of("{a: &a [1], b: *a}"), *made;
	struct atio_doc *stream = doc_of("1 --- 2");
	struct atio_builder *b = builder(&limits);

	CHECK_INT(atio_build_seq(b), 0);
	CHECK_INT(atio_build_seq(b), 0);
	CHECK_INT(atio_build_copy(b, atio_doc_root(doc)), 0); /* 7 of them */
	CHECK_INT(atio_build_end(b), 0);
	CHECK_INT(atio_build_null(b), 0);
	CHECK_INT(atio_build_end(b), 0);
	CHECK_INT(atio_builder_finish(b, &made, NULL), 0);
	CHECK_STR(text_of(atio_doc_root(made)),
		  "[[{'a': [1], 'b': [1]}], null]");
	CHECK_INT(atio_node_span(atio_doc_root(made)).length, 0);
	atio_doc_free(made);
	/* A value more. */
	CHECK_INT(build_of(b, "1") + atio_build_document(b), 0);
	CHECK_INT(build_of(b, "[1, 2]"), 0);
	CHECK_INT(atio_build_document(b), 0);
	CHECK_INT(atio_build_copy(b, atio_doc_root(doc)), -EFBIG);
	check_failed(b, EFBIG);
	/* A level more. */
	b = builder(&limits);
	for (int i = 0; i < 3; i++)
		CHECK_INT(atio_build_seq(b), 0);
	CHECK_INT(atio_build_copy(b, atio_doc_root(doc)), -EFBIG);
	check_failed(b, EFBIG);
	/* Several documents are no value. */
	b = builder(NULL);
	CHECK_INT(atio_build_seq(b), 0);
	CHECK_INT(atio_build_copy(b, atio_doc_root(stream)), -EINVAL);
	check_failed(b, EINVAL);
	b = builder(NULL);
	CHECK_INT(atio_build_copy(b, atio_doc_root(stream)), 0);
	CHECK_INT(atio_builder_finish(b, &made, NULL), 0);
	CHECK_STR(text_of(atio_doc_root(made)), "1 --- 2");
	atio_builder_free(b);
	atio_doc_free(made);
	atio_doc_free(doc);
	atio_doc_free(stream);
}

/* Where values are in a source: @text is built as a codec would. */
static void test_spans(void)
{
	struct atio_builder *b = builder(NULL);
	const struct atio_node *root, *tagged;
	struct atio_doc *doc;

	b->offset = 3;
	b->length = 1;
	(void)atio_build_seq(b);
	b->offset = 5;
	b->length = 1;
	(void)atio_build_tag(b, "!t", 2);
	(void)atio_build_seq(b);
	b->offset = 6;
	b->length = 2;
	(void)atio_build_int(b, 42);
	(void)atio_build_end_at(b, 9);
	(void)atio_build_end_at(b, 12);
	CHECK_INT(atio_builder_finish(b, &doc, NULL), 0);
	root = atio_doc_root(doc);
	CHECK_INT(atio_node_span(root).offset, 3);
	CHECK_INT(atio_node_span(root).length, 9);
	tagged = atio_node_at(root, 0);
	CHECK_INT(atio_node_type(tagged), ATIO_TAGGED);
	CHECK_INT(atio_node_span(tagged).offset, 5);
	CHECK_INT(atio_node_span(tagged).length, 4);
	CHECK_INT(atio_node_span(atio_node_inner(tagged)).length, 4);
	CHECK_INT(atio_node_span(atio_node_at(atio_node_inner(tagged), 0))
			  .offset,
		  6);
	atio_doc_free(doc);
	atio_builder_free(b);
}

/* ---- the members of a map ------------------------------------------------------ */

#define KEYS 3000

/* Against an array that says which keys are there. */
static void test_members(void)
{
	struct atio_doc *doc = doc_of("{}");
	struct atio_node *map = doc->root, *k, *v;
	static int64_t there[KEYS]; /* value + 1; 0: not */
	struct random random = {3};
	char text[16];
	size_t count = 0;
	long at;

	for (int i = 0; i < 20000; i++) {
		unsigned n = pick(&random, KEYS);

		(void)snprintf(text, sizeof(text), "%u", n);
		at = atio_map_find_text(map, text, strlen(text));
		CHECK((at >= 0) == (there[n] != 0));
		if (at >= 0)
			CHECK(map->pairs[at].value->integer + 1 == there[n]);
		if (at >= 0 && pick(&random, 3) == 0) {
			atio_map_remove(map, (size_t)at);
			there[n] = 0;
			count--;
			continue;
		}
		k = atio_node_new_text(doc, ATIO_STRING, text, strlen(text));
		v = atio_node_new(doc, ATIO_INT);
		NEED(k && v);
		v->integer = i;
		CHECK_INT(atio_map_set(doc, map, k, v), 0);
		count += there[n] == 0;
		there[n] = i + 1;
	}
	CHECK_INT(map->count, count);
	atio_doc_free(doc);
}

static void test_pointer_of_a_step(void)
{
	struct atio_doc *doc = doc_of("{'a/b~': 1}");
	struct atio_step steps[200];
	char pointer[ATIO_POINTER_MAX];
	size_t i;

	steps[0] = (struct atio_step){NULL,
				      atio_node_key(atio_doc_root(doc), 0), 0};
	steps[1] = (struct atio_step){&steps[0], NULL, 42};
	atio_step_pointer(&steps[1], pointer);
	CHECK_STR(pointer, "/a~1b~0/42");
	atio_step_pointer(NULL, pointer);
	CHECK_STR(pointer, "");
	for (i = 1; i < LENGTH(steps); i++)
		steps[i] = (struct atio_step){&steps[i - 1], NULL, i};
	atio_step_pointer(&steps[LENGTH(steps) - 1], pointer);
	CHECK(strlen(pointer) < ATIO_POINTER_MAX);
	CHECK(strncmp(pointer, ".../", 4) == 0);
	CHECK_STR(pointer + strlen(pointer) - 8, "/198/199");
	atio_doc_free(doc);
}

int main(void)
{
	test_order();
	test_text();
	test_twice();
	test_limits();
	test_wrong_limits();
	test_again();
	test_reading();
	test_copies();
	test_spans();
	test_members();
	test_pointer_of_a_step();
	return check_result();
}
