/* SPDX-License-Identifier: MIT
 *
 * test_value_members.c - the members of maps and lists: with and without an
 * index, against arrays that say what is there; keys of one hash; the index of
 * a copy.
 */
#include "value_text.h"

/* Around the size from which on there is an index, and where arrays grow. */
#define MOST_KEYS 70

static struct atio_node *text_node(struct atio_doc *doc, const char *text)
{
	struct atio_node *node =
		atio_node_new_text(doc, ATIO_STRING, text, strlen(text));

	NEED(node);
	return node;
}

static struct atio_node *int_node(struct atio_doc *doc, int64_t value)
{
	struct atio_node *node = atio_node_new(doc, ATIO_INT);

	NEED(node);
	node->integer = value;
	return node;
}

static const char *key_name(size_t i)
{
	static char name[32];

	(void)snprintf(name, sizeof(name), "key-%zu", i);
	return name;
}

/* {"key-0": 0, "key-1": 1, ...} */
static struct atio_node *map_of(struct atio_doc *doc, size_t count)
{
	struct atio_node *map = atio_node_new(doc, ATIO_MAP);

	NEED(map);
	for (size_t i = 0; i < count; i++)
		CHECK_INT(atio_map_add(doc, map, text_node(doc, key_name(i)),
				       int_node(doc, (int64_t)i)),
			  0);
	return map;
}

/* @map has the keys of @there, in this order, and finds each and no others. */
static void check_map(const struct atio_node *map, const size_t *there,
		      size_t count)
{
	bool is_there[MOST_KEYS + 1] = {false};
	const char *name;

	CHECK_INT(map->count, count);
	for (size_t i = 0; i < count; i++) {
		name = key_name(there[i]);
		CHECK_INT(atio_map_find_text(map, name, strlen(name)), i);
		CHECK_INT(atio_map_find(map, map->pairs[i].key), i);
		CHECK_STR(map->pairs[i].key->text, name);
		CHECK_INT(map->pairs[i].value->integer, there[i]);
		is_there[there[i]] = true;
	}
	for (size_t i = 0; i <= MOST_KEYS; i++) {
		name = key_name(i);
		if (!is_there[i])
			CHECK_INT(atio_map_find_text(map, name, strlen(name)),
				  -1);
	}
}

/* Each one of maps of all sizes is removed. */
static void test_remove(void)
{
	struct atio_doc *doc = doc_of("1");
	size_t there[MOST_KEYS];
	struct atio_node *map;

	for (size_t count = 1; count < MOST_KEYS; count++) {
		for (size_t gone = 0; gone < count; gone++) {
			map = map_of(doc, count);
			atio_map_remove(map, count); /* there is none */
			atio_map_remove(map, gone);
			for (size_t i = 0; i + 1 < count; i++)
				there[i] = i + (i >= gone);
			check_map(map, there, count - 1);
		}
	}
	atio_doc_free(doc);
}

/* Those without a value are dropped at once. */
static void test_drop(void)
{
	struct atio_doc *doc = doc_of("1");
	struct random random = {5};
	size_t there[MOST_KEYS], n;
	struct atio_node *map;

	for (int round = 0; round < 300; round++) {
		map = map_of(doc, pick(&random, MOST_KEYS));
		n = 0;
		for (size_t i = 0; i < map->count; i++)
			if (pick(&random, 2))
				map->pairs[i].value = NULL;
			else
				there[n++] = i;
		atio_map_drop(map);
		check_map(map, there, n);
		/* It can be added to. */
		CHECK_INT(atio_map_set(doc, map,
				       text_node(doc, key_name(MOST_KEYS)),
				       int_node(doc, MOST_KEYS)),
			  0);
		CHECK_INT(map->count, n + 1);
		CHECK_INT(atio_map_find_text(map, key_name(MOST_KEYS),
					     strlen(key_name(MOST_KEYS))),
			  n);
	}
	atio_doc_free(doc);
}

/* An index that was built for pairs that were there already. */
static void test_seal(void)
{
	struct atio_doc *doc = doc_of("1");
	size_t there[MOST_KEYS];
	struct atio_node *map, *copy;
	const struct atio_node *twice;

	for (size_t count = 0; count < MOST_KEYS; count++) {
		map = map_of(doc, count);
		there[count] = count;
		twice = NULL;
		CHECK_INT(atio_map_seal(doc, map, &twice), 0);
		CHECK(!twice);
		CHECK((map->index != NULL) == (count > ATIO_MAP_LINEAR));
		check_map(map, there, count);
		/* A copy, with room for no more than it has. */
		copy = atio_node_new(doc, ATIO_MAP);
		NEED(copy);
		copy->count = map->count;
		copy->pairs = atio_arena_get(&doc->arena,
					     (count + 1) *
						     sizeof(*copy->pairs));
		NEED(copy->pairs);
		if (count)
			memcpy(copy->pairs, map->pairs,
			       count * sizeof(*copy->pairs));
		CHECK_INT(atio_map_seal_like(doc, copy, map), 0);
		CHECK(!map->index || copy->index != map->index);
		check_map(copy, there, count);
		CHECK_INT(atio_map_add(doc, copy, text_node(doc, key_name(count)),
				       int_node(doc, (int64_t)count)),
			  0);
		check_map(copy, there, count + 1);
		atio_map_remove(copy, 0);
		check_map(copy, there + 1, count);
		check_map(map, there, count); /* it has its own */
	}
	atio_doc_free(doc);
}

/* The second of two equal keys is told, wherever they stand. */
static void test_twice(void)
{
	struct atio_doc *doc = doc_of("1");
	const struct atio_node *twice;
	struct atio_node *map, *key;

	for (size_t count = 2; count < 20; count++) {
		for (size_t one = 0; one < count; one++) {
			for (size_t other = one + 1; other < count; other++) {
				map = map_of(doc, count);
				key = text_node(doc, key_name(one));
				map->pairs[other].key = key;
				twice = NULL;
				CHECK_INT(atio_map_seal(doc, map, &twice),
					  -EEXIST);
				CHECK(twice == key);
				CHECK_INT(map->count, count);
			}
		}
	}
	atio_doc_free(doc);
}

static void test_set(void)
{
	struct atio_doc *doc = doc_of("1");
	struct atio_node *map = map_of(doc, 30);
	const struct atio_node *key = map->pairs[17].key;

	CHECK_INT(atio_map_set(doc, map, text_node(doc, "key-17"),
			       int_node(doc, 99)),
		  0);
	CHECK_INT(map->count, 30);
	CHECK_INT(map->pairs[17].value->integer, 99);
	CHECK(map->pairs[17].key == key); /* the old one stays */
	atio_doc_free(doc);
}

/* ---- keys that are no strings ---------------------------------------- */

/* Equal keys, in a map with an index and in one without. */
static void check_equal_keys(const char *one, const char *other, bool equal)
{
	static const char *const more[] = {
		"", "k1: 1, k2: 2, k3: 3, k4: 4, k5: 5, k6: 6, k7: 7, k8: 8, "};
	struct atio_builder *b;
	char text[600];

	for (size_t i = 0; i < LENGTH(more); i++) {
		(void)snprintf(text, sizeof(text), "[&x 1, {%s%s: a, %s: b}]",
			       more[i], one, other);
		NEED(atio_builder_new(NULL, &b) == 0);
		CHECK_INT(build_of(b, text), equal ? -EEXIST : 0);
		atio_builder_free(b);
	}
}

static void test_keys(void)
{
	check_equal_keys("a", "'a'", true);
	check_equal_keys("a", "b", false);
	check_equal_keys("a", "'a\\0'", false);
	check_equal_keys("1", "+1", true);
	check_equal_keys("1", "1~0x1", true);
	check_equal_keys("1", "1.0", false);
	check_equal_keys("1", "'1'", false);
	check_equal_keys("1", "true", false);
	check_equal_keys("0.0", "-0.0", true);
	check_equal_keys("nan", "nan", true);
	check_equal_keys("inf", "-inf", false);
	check_equal_keys("null", "''", false);
	check_equal_keys("99999999999999999999", "99999999999999999999", true);
	check_equal_keys("99999999999999999999", "99999999999999999998", false);
	check_equal_keys("b'a'", "'a'", false);
	check_equal_keys("b'a'", "b'a'", true);
	check_equal_keys("@1979-05-27T07:32:00Z", "@1979-05-27t07:32:00z",
			 true);
	check_equal_keys("@1979-05-27", "'1979-05-27'", false);
	check_equal_keys("[1, 2]", "[1, 2]", true);
	check_equal_keys("[1, 2]", "[2, 1]", false);
	check_equal_keys("[]", "{}", false);
	check_equal_keys("{a: 1, b: 2}", "{b: 2, a: 1}", true);
	check_equal_keys("{a: 1, b: 2}", "{b: 1, a: 2}", false);
	check_equal_keys("!t 1", "!t 1", true);
	check_equal_keys("!t 1", "!u 1", false);
	check_equal_keys("!t 1", "1", false);
	check_equal_keys("*x", "1", true);
	check_equal_keys("[*x]", "[1]", true);
	check_equal_keys("1", "*x", true);
	check_equal_keys("*x", "2", false);
}

/* ---- keys of one hash ------------------------------------------------ */

#define DEEP 1500 /* more than a hash looks at */

static const struct atio_limits deep_limits = {
	.version = ATIO_LIMITS_VERSION,
	.depth = DEEP + 10,
};

static void deep_key(struct atio_builder *b, int64_t bottom)
{
	for (int i = 0; i < DEEP; i++)
		(void)atio_build_seq(b);
	(void)atio_build_int(b, bottom);
	for (int i = 0; i < DEEP; i++)
		(void)atio_build_end(b);
}

/* Keys that differ at the bottom only: each is found, and equal ones are. */
static void test_one_hash(void)
{
	struct atio_builder *b;
	struct atio_doc *doc;
	struct atio_node *map;

	NEED(atio_builder_new(&deep_limits, &b) == 0);
	(void)atio_build_map(b);
	for (int64_t i = 0; i < 40; i++) {
		deep_key(b, i);
		(void)atio_build_int(b, i);
	}
	CHECK_INT(atio_build_end(b), 0);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	map = doc->root;
	CHECK(atio_node_hash(map->pairs[0].key) ==
	      atio_node_hash(map->pairs[39].key));
	for (int64_t i = 0; i < 40; i++)
		CHECK_INT(atio_map_find(map, map->pairs[i].key), i);
	for (size_t i = 0; map->count; i++) {
		atio_map_remove(map, map->count / 2);
		for (size_t k = 0; k < map->count; k++)
			CHECK_INT(atio_map_find(map, map->pairs[k].key), k);
	}
	atio_doc_free(doc);
	(void)atio_build_map(b);
	for (int64_t i = 0; i < 40; i++) {
		deep_key(b, i % 39);
		(void)atio_build_int(b, i);
	}
	CHECK_INT(atio_build_end(b), -EEXIST);
	atio_builder_free(b);
}

/* [[...@inner...]] */
static void around(struct atio_builder *b, int levels, const char *anchor,
		   const char *alias)
{
	for (int i = 0; i < levels; i++) {
		if (anchor && i == 0)
			(void)atio_build_anchor(b, anchor, strlen(anchor));
		(void)atio_build_seq(b);
	}
	if (alias)
		(void)atio_build_alias(b, alias, strlen(alias));
	else
		(void)atio_build_int(b, 1);
	for (int i = 0; i < levels; i++)
		(void)atio_build_end(b);
}

/* The same key with and without aliases is the same, however deep. */
static void test_deep_aliases(void)
{
	struct atio_builder *b;

	for (int levels = 900; levels <= 1100; levels += 7) {
		NEED(atio_builder_new(&deep_limits, &b) == 0);
		(void)atio_build_seq(b);
		around(b, levels - 100, "a", NULL);
		around(b, 50, "b", "a");
		(void)atio_build_map(b);
		for (int64_t i = 0; i < 10; i++) {
			(void)atio_build_int(b, i);
			(void)atio_build_null(b);
		}
		around(b, 50, NULL, "b");
		(void)atio_build_null(b);
		around(b, levels, NULL, NULL);
		(void)atio_build_null(b);
		CHECK_INT(atio_build_end(b), -EEXIST);
		atio_builder_free(b);
	}
}

/* ---- lists ----------------------------------------------------------- */

/* Against an array. */
static void test_lists(void)
{
	struct atio_doc *doc = doc_of("[]");
	struct atio_node *seq = doc->root;
	struct random random = {9};
	int64_t there[200];
	size_t count = 0, at;

	for (int i = 0; i < 20000; i++) {
		at = pick(&random, (unsigned)count + 1);
		if (count < LENGTH(there) && pick(&random, 5) < 3) {
			memmove(there + at + 1, there + at,
				(count - at) * sizeof(*there));
			there[at] = i;
			count++;
			CHECK_INT(atio_seq_insert(doc, seq, at,
						  int_node(doc, i)),
				  0);
		} else {
			if (at < count)
				memmove(there + at, there + at + 1,
					(--count - at) * sizeof(*there));
			atio_seq_remove(seq, at);
		}
		CHECK_INT(seq->count, count);
		for (at = 0; at < count; at++)
			if (seq->items[at]->integer != there[at])
				CHECK(!"a list as the array");
	}
	CHECK_INT(atio_seq_insert(doc, seq, seq->count + 1, seq), -EINVAL);
	atio_doc_free(doc);
}

int main(void)
{
	test_remove();
	test_drop();
	test_seal();
	test_twice();
	test_set();
	test_keys();
	test_one_hash();
	test_deep_aliases();
	test_lists();
	return check_result();
}
