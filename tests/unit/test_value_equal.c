/* SPDX-License-Identifier: MIT
 *
 * test_value_equal.c - which values are the same.
 */
#include <pthread.h>

#include "value_text.h"

static const struct {
	const char *a, *b;
	bool equal, as_numbers; /* of atio_node_equal with @numbers */
} pairs[] = {
	{"null", "null", true, true},
	{"null", "false", false, false},
	{"null", "''", false, false},
	{"true", "true", true, true},
	{"true", "false", false, false},
	{"1", "1", true, true},
	{"1", "2", false, false},
	{"1", "-1", false, false},
	{"31~0x1F", "31", true, true},
	{"1", "1.0", false, true},
	{"0", "-0.0", false, true},
	{"0.0", "-0.0", true, true},
	{"1", "1.5", false, false},
	{"1", "'1'", false, false},
	{"1", "true", false, false},
	{"nan", "nan", true, true},
	{"inf", "inf", true, true},
	{"inf", "-inf", false, false},
	{"1", "nan", false, false},
	{"0.1", "0.1~0.10", true, true},
	{"0.1", "0.2", false, false},
	/* 2^53 + 1 is no double, and must not become one. */
	{"9007199254740993", "9007199254740992.0", false, false},
	{"9007199254740992", "9007199254740992.0", false, true},
	/* 2^63 is a double, but its neighbour below is the largest int. */
	{"9223372036854775807", "9223372036854775808.0", false, false},
	{"9223372036854775808", "9223372036854775808.0", false, true},
	{"-9223372036854775808", "-9223372036854775808.0", false, true},
	{"-9223372036854775809", "-9223372036854775808.0", false, false},
	{"100000000000000000000", "1e20", false, true},
	{"100000000000000000001", "1e20", false, false},
	{"100000000000000000000", "100000000000000000000~1_00", true, true},
	{"100000000000000000000", "inf", false, false},
	{"100000000000000000000", "100", false, false},
	{"''", "''", true, true},
	{"'a'", "'a\\0'", false, false},
	{"'a\\0b'", "'a\\0c'", false, false},
	{"'a'", "b'a'", false, false},
	{"b'\\xFF'", "b'\\xFF'", true, true},
	{"@1979-05-27T07:32:00Z", "@1979-05-27t07:32:00z", true, true},
	{"@1979-05-27T07:32:00Z", "@1979-05-27T07:32:00", false, false},
	{"@1979-05-27", "'1979-05-27'", false, false},
	{"[]", "[]", true, true},
	{"[]", "{}", false, false},
	{"[1, 2]", "[1, 2]", true, true},
	{"[1, 2]", "[2, 1]", false, false},
	{"[1, 2]", "[1, 2, 3]", false, false},
	{"[1, [2.0]]", "[1.0, [2]]", false, true},
	{"{a: 1, b: 2}", "{b: 2, a: 1}", true, true},
	{"{a: 1, b: 2}", "{b: 1, a: 2}", false, false},
	{"{a: 1}", "{b: 1}", false, false},
	{"{a: 1}", "{a: 1, b: 2}", false, false},
	{"{a: null}", "{}", false, false},
	{"{1: a}", "{'1': a}", false, false},
	{"{[1, {x: 2}]: a}", "{[1, {x: 2}]: a}", true, true},
	{"{1: a, null: b}", "{null: b, 1: a}", true, true},
	{"!t 1", "!t 1", true, true},
	{"!t 1", "!u 1", false, false},
	{"!t 1", "1", false, false},
	{"!t 1", "!t 2", false, false},
	{"1 --- 2", "1 --- 2", true, true},
	{"1 --- 2", "[1, 2]", false, false},
	{"1 --- 2", "1 --- 3", false, false},
	/* An alias is what it stands for. */
	{"[&a 1, *a]", "[1, 1]", true, true},
	{"[&a 1, *a]", "[1, 2]", false, false},
	{"[&a {x: 1}, *a]", "[{x: 1}, {x: 1}]", true, true},
	{"[&a {x: 1}, *a]", "[{x: 1}, {x: 2}]", false, false},
	{"[&a {x: 1}, *a]", "[&b {x: 1.0}, *b]", false, true},
	{"[&a !t [1], *a]", "[!t [1], !t [1]]", true, true},
	{"[&a !t [1], *a]", "[!t [1], !u [1]]", false, false},
	{"[&a k, {*a: 1}]", "[k, {k: 1}]", true, true},
	/* Without end. */
	{"&a [*a]", "&b [*b]", true, true},
	{"&a [*a]", "&b [[*b]]", true, true},
	{"&a [[*a]]", "&b [[[*b]]]", true, true},
	{"&a [*a]", "[[[]]]", false, false},
	{"&a [*a, 1]", "&b [[*b, 2], 1]", false, false},
	{"&a [*a, 1]", "&b [[*b, 1], 1]", true, true},
	{"&a {x: *a, y: &b [*a]}", "&c {y: [*c], x: {x: *c, y: [*c]}}", true,
	 true},
};

static void check_pair(size_t i, const struct atio_node *a,
		       const struct atio_node *b)
{
	bool equal = atio_value_equal(a, b);
	int numbers = atio_node_equal(a, b, true);

	if (equal != pairs[i].equal || numbers != pairs[i].as_numbers)
		printf("%s and %s\n", text_of(a), text_of(b));
	CHECK_INT(equal, pairs[i].equal);
	CHECK_INT(numbers, pairs[i].as_numbers);
}

static void test_pairs(void)
{
	struct atio_doc *a, *b;

	for (size_t i = 0; i < LENGTH(pairs); i++) {
		a = doc_of(pairs[i].a);
		b = doc_of(pairs[i].b);
		check_pair(i, atio_doc_root(a), atio_doc_root(b));
		check_pair(i, atio_doc_root(b), atio_doc_root(a));
		CHECK(atio_value_equal(atio_doc_root(a), atio_doc_root(a)));
		atio_doc_free(a);
		atio_doc_free(b);
	}
}

/* ---- large ones ------------------------------------------------------ */

/* {"0": 0, "1": 1, ...}, turned round if @back. */
static struct atio_doc *large_map(int count, bool back)
{
	struct atio_builder *b;
	struct atio_doc *doc = NULL;
	char key[32];
	int n;

	NEED(atio_builder_new(NULL, &b) == 0);
	(void)atio_build_map(b);
	for (int i = 0; i < count; i++) {
		n = back ? count - 1 - i : i;
		(void)atio_build_string(
			b, key, (size_t)snprintf(key, sizeof(key), "%d", n));
		(void)atio_build_int(b, n);
	}
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	return doc;
}

/* Were each key looked for from the begin, this would take minutes. */
static void test_large_map(void)
{
	struct atio_doc *a = large_map(400000, false);
	struct atio_doc *b = large_map(400000, true);

	CHECK(atio_value_equal(atio_doc_root(a), atio_doc_root(b)));
	b->root->pairs[7].value->integer++;
	CHECK(!atio_value_equal(atio_doc_root(a), atio_doc_root(b)));
	atio_doc_free(a);
	atio_doc_free(b);
}

/* [[[...[leaf]...]]] */
static struct atio_doc *deep(size_t depth, int leaf)
{
	struct atio_limits limits = {.version = 1, .depth = depth};
	struct atio_builder *b;
	struct atio_doc *doc = NULL;

	NEED(atio_builder_new(&limits, &b) == 0);
	for (size_t i = 0; i < depth; i++)
		(void)atio_build_seq(b);
	(void)atio_build_int(b, leaf);
	for (size_t i = 0; i < depth; i++)
		(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	return doc;
}

static void *compare_deep(void *unused)
{
	struct atio_doc *a = deep(10000, 1), *b = deep(10000, 1);
	struct atio_doc *c = deep(10000, 2);

	CHECK(atio_value_equal(atio_doc_root(a), atio_doc_root(b)));
	CHECK(!atio_value_equal(atio_doc_root(a), atio_doc_root(c)));
	atio_doc_free(a);
	atio_doc_free(b);
	atio_doc_free(c);
	return NULL;
}

/* As deep as a document may be, on a small stack. */
static void test_deep(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	NEED(pthread_attr_init(&attr) == 0);
	NEED(pthread_attr_setstacksize(&attr, 256 * 1024) == 0);
	NEED(pthread_create(&thread, &attr, compare_deep, NULL) == 0);
	NEED(pthread_join(thread, NULL) == 0);
	(void)pthread_attr_destroy(&attr);
}

/* 10^30 values in 30 lists of ten aliases; the innermost has @leaf. */
static struct atio_doc *bomb(int leaf)
{
	struct atio_builder *b;
	struct atio_doc *doc = NULL;
	char name[16];

	NEED(atio_builder_new(NULL, &b) == 0);
	(void)atio_build_seq(b);
	for (int level = 0; level < 30; level++) {
		(void)snprintf(name, sizeof(name), "a%d", level);
		(void)atio_build_anchor(b, name, strlen(name));
		(void)atio_build_seq(b);
		(void)snprintf(name, sizeof(name), "a%d", level - 1);
		for (int i = 0; i < 10; i++)
			(void)(level ? atio_build_alias(b, name, strlen(name))
				     : atio_build_int(b, i == 9 ? leaf : i));
		(void)atio_build_end(b);
	}
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	return doc;
}

static void test_bombs(void)
{
	struct atio_doc *a = bomb(1), *b = bomb(1), *c = bomb(2);

	CHECK(atio_value_equal(atio_doc_root(a), atio_doc_root(b)));
	CHECK(!atio_value_equal(atio_doc_root(a), atio_doc_root(c)));
	atio_doc_free(a);
	atio_doc_free(b);
	atio_doc_free(c);
}

/* Two rings of different length go round together after 99 * 100 steps. */
static struct atio_doc *ring(int length)
{
	struct atio_builder *b;
	struct atio_doc *doc = NULL;

	NEED(atio_builder_new(NULL, &b) == 0);
	(void)atio_build_anchor(b, "a", 1);
	for (int i = 0; i < length; i++)
		(void)atio_build_seq(b);
	(void)atio_build_alias(b, "a", 1);
	for (int i = 0; i < length; i++)
		(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	return doc;
}

static void test_rings(void)
{
	struct atio_doc *a = ring(99), *b = ring(100);

	CHECK(atio_value_equal(atio_doc_root(a), atio_doc_root(b)));
	atio_doc_free(a);
	atio_doc_free(b);
}

int main(void)
{
	test_pairs();
	test_large_map();
	test_deep();
	test_bombs();
	test_rings();
	return check_result();
}
