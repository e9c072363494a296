/* SPDX-License-Identifier: MIT
 *
 * test_value_deep.c - trees as deep as a document may be: nothing that walks
 * over them runs out of an ordinary stack, and with the usual limit of depth
 * not of a small one.
 */
#include <pthread.h>

#include "value_text.h"

#define MOST_DEPTH  10000
#define USUAL_DEPTH 128
#ifdef __SANITIZE_ADDRESS__
#define USUAL_STACK ((size_t)32 << 20) /* its frames are larger */
#else
#define USUAL_STACK ((size_t)8 << 20)
#endif
#define SMALL_STACK (USUAL_STACK / 32)

static struct atio_limits limits;

enum shape {
	MAPS,
	MAPS_AND_LISTS,
	TAGGED_MAPS,
};

/* One level is for the leaf. */
static size_t levels(void)
{
	return limits.depth - 1;
}

/* As deep as the limits allow, with @leaf, and a key more in each map if
 * @more, so that no level of it is that of another one. */
static struct atio_doc *deep(enum shape shape, const char *leaf, bool more)
{
	struct atio_builder *b;
	struct atio_doc *doc = NULL;
	size_t i;

	NEED(atio_builder_new(&limits, &b) == 0);
	for (i = 0; i < levels(); i++) {
		if (shape == MAPS_AND_LISTS && i % 2) {
			(void)atio_build_seq(b);
			continue;
		}
		if (shape == TAGGED_MAPS)
			(void)atio_build_tag(b, "!t", 2);
		(void)atio_build_map(b);
		if (more) {
			(void)atio_build_string(b, "m", 1);
			(void)atio_build_int(b, 1);
		}
		(void)atio_build_string(b, "k", 1);
	}
	(void)build_of(b, leaf);
	for (i = 0; i < levels(); i++)
		(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	return doc;
}

static const struct atio_node *leaf_of(const struct atio_node *node)
{
	while (node->type >= ATIO_SEQ)
		node = node->type == ATIO_TAGGED
			       ? node->inner
			       : atio_node_at(node, atio_node_count(node) - 1);
	return node;
}

static void check_leaf(const struct atio_node *root, const char *leaf)
{
	CHECK_STR(text_of(leaf_of(root)), leaf);
}

/* ---- what walks ------------------------------------------------------ */

static void try_convert(enum shape shape, enum atio_target target,
			const char *leaf, const char *becomes)
{
	struct atio_doc *doc = deep(shape, leaf, false), *made = NULL;
	const struct atio_node *root = NULL;

	CHECK_INT(atio_value_convert(atio_doc_root(doc), target, &limits, &made,
				     &root, NULL),
		  0);
	if (root)
		check_leaf(root, becomes);
	atio_doc_free(made);
	atio_doc_free(doc);
}

static void try_restore(void)
{
	struct atio_doc *base = deep(MAPS, "[&a @1979-05-27, *a]", true);
	struct atio_doc *view =
		deep(MAPS, "['1979-05-27', '1979-05-28']", true);
	struct atio_doc *made = NULL;
	const struct atio_node *root = NULL;

	CHECK_INT(atio_value_restore(atio_doc_root(view), ATIO_TO_JSON,
				     atio_doc_root(base), &limits, &made, &root,
				     NULL),
		  0);
	if (root)
		check_leaf(root, "@1979-05-28");
	atio_doc_free(made);
	atio_doc_free(base);
	atio_doc_free(view);
}

/* A pointer to the leaf, which the caller frees. */
static char *pointer_of_leaf(void)
{
	char *pointer = malloc(levels() * 2 + 1);

	NEED(pointer);
	for (size_t i = 0; i < levels(); i++)
		memcpy(pointer + 2 * i, i % 2 ? "/0" : "/k", 3);
	return pointer;
}

static void try_patch(void)
{
	struct atio_doc *doc = deep(MAPS_AND_LISTS, "1", true);
	struct atio_doc *patch = NULL;
	char *pointer = pointer_of_leaf();
	const struct atio_node *node = NULL;
	struct atio_builder *b;

	NEED(atio_builder_new(&limits, &b) == 0);
	(void)atio_build_seq(b);
	(void)build_of(b, "{op: replace, value: 2}");
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &patch, NULL) == 0);
	NEED(atio_map_set(patch, patch->root->items[0],
			  atio_node_new_text(patch, ATIO_STRING, "path", 4),
			  atio_node_new_text(patch, ATIO_STRING, pointer,
					     strlen(pointer))) == 0);
	CHECK_INT(atio_value_patch(doc, atio_doc_root(patch), NULL), 0);
	CHECK_INT(atio_value_get(atio_doc_root(doc), pointer, &node, NULL), 0);
	CHECK(node && atio_node_int(node) == 2);
	free(pointer);
	atio_builder_free(b);
	atio_doc_free(patch);
	atio_doc_free(doc);
}

static void try_merge(void)
{
	struct atio_doc *doc = deep(MAPS, "1", true);
	struct atio_doc *with = deep(MAPS, "2", false);
	struct atio_doc *other = doc_within("1", &limits);

	CHECK_INT(atio_value_merge(doc, atio_doc_root(with), NULL), 0);
	check_leaf(atio_doc_root(doc), "2");
	CHECK_INT(atio_value_merge(other, atio_doc_root(with), NULL), 0);
	CHECK(atio_value_equal(atio_doc_root(other), atio_doc_root(with)));
	CHECK(!atio_value_equal(atio_doc_root(other), atio_doc_root(doc)));
	atio_doc_free(doc);
	atio_doc_free(with);
	atio_doc_free(other);
}

static void *try_all(void *unused)
{
	try_convert(MAPS_AND_LISTS, ATIO_TO_JSON, "@1979-05-27",
		    "'1979-05-27'");
	try_convert(TAGGED_MAPS, ATIO_TO_TYPED, "[&a 1, *a]", "1");
	try_convert(MAPS, ATIO_TO_TOML, "[&a 1, *a]", "1");
	try_restore();
	try_patch();
	try_merge();
	return NULL;
}

static void test_depth(size_t depth, size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;

	limits = (struct atio_limits){.version = 1, .depth = depth};
	NEED(atio_limits_complete(&limits, &limits) == 0);
	NEED(pthread_attr_init(&attr) == 0);
	NEED(pthread_attr_setstacksize(&attr, stack) == 0);
	NEED(pthread_create(&thread, &attr, try_all, NULL) == 0);
	NEED(pthread_join(thread, NULL) == 0);
	(void)pthread_attr_destroy(&attr);
}

int main(void)
{
	test_depth(USUAL_DEPTH, SMALL_STACK);
	test_depth(MOST_DEPTH, USUAL_STACK);
	return check_result();
}
