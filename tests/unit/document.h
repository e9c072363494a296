/* SPDX-License-Identifier: MIT
 *
 * document.h - what the tests of a codec do with documents: load, look, write,
 * and make some that are large.  TEST_CODEC is the codec.
 */
#ifndef TESTS_UNIT_DOCUMENT_H
#define TESTS_UNIT_DOCUMENT_H

#include <sys/resource.h>
#include <time.h>

#include "check.h"
#include "format/codec.h"

#define MEBI ((size_t)1 << 20)

#define LIMIT(field, value)                                                    \
	(&(struct atio_limits){                                                \
		.version = ATIO_LIMITS_VERSION,                                \
		.field = (value),                                              \
	})

/* Of the last document that was loaded or written. */
static struct atio_value_error error;

static int load_within(const char *text, size_t len,
		       const struct atio_limits *limits,
		       struct atio_doc **ret_doc)
{
	error = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
	*ret_doc = NULL;
	return atio_codec_load(&TEST_CODEC, text, len, limits, ret_doc, &error);
}

static inline struct atio_doc *load(const char *text)
{
	struct atio_doc *doc;

	CHECK_INT(load_within(text, strlen(text), NULL, &doc), 0);
	CHECK_STR(error.error.text, "");
	NEED(doc);
	return doc;
}

/* Fails with @code, at @offset. */
static inline void check_code(const char *text, size_t len, int code,
			      size_t offset)
{
	struct atio_doc *doc;

	CHECK_INT(load_within(text, len, NULL, &doc), -code);
	CHECK_INT(error.error.code, code);
	CHECK_INT(error.offset, offset);
	CHECK(!doc);
}

/* The value at "a.b.0.c". */
static inline const struct atio_node *at(const struct atio_doc *doc,
					 const char *path)
{
	const struct atio_node *node = atio_doc_root(doc);
	size_t len;

	for (; *path; path += len + (path[len] == '.')) {
		len = strcspn(path, ".");
		if (atio_node_type(node) == ATIO_SEQ)
			node = atio_node_at(node, (size_t)(*path - '0'));
		else
			node = atio_node_member(node, path, len);
		NEED(node);
	}
	return node;
}

static inline void check_span(const char *text, const struct atio_node *node,
			      const char *should)
{
	struct atio_span span = atio_node_span(node);
	char is[256] = "";

	NEED(span.length < sizeof(is));
	memcpy(is, text + span.offset, span.length);
	CHECK_STR(is, should);
}

/* @text is within @fits and not within @small, where @message is said. */
static inline void check_limit(const char *text, const struct atio_limits *fits,
			       const struct atio_limits *small, size_t line,
			       size_t column, const char *message)
{
	struct atio_doc *doc;

	CHECK_INT(load_within(text, strlen(text), fits, &doc), 0);
	CHECK_STR(error.error.text, "");
	atio_doc_free(doc);
	CHECK_INT(load_within(text, strlen(text), small, &doc), -EFBIG);
	CHECK_STR(error.error.text, message);
	CHECK_INT(error.line, line);
	CHECK_INT(error.column, column);
}

static inline void check_traits(const char *text, unsigned should)
{
	struct atio_doc *doc = load(text);

	CHECK_INT(atio_doc_traits(doc), should);
	atio_doc_free(doc);
}

/* @doc as text again; the caller frees it. */
static inline char *write_again(const struct atio_doc *doc, size_t *ret_len)
{
	struct atio_out out;
	char *text = NULL;

	error = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
	atio_out_init(&out, 64 * MEBI);
	CHECK_INT(TEST_CODEC.dump(&TEST_CODEC, atio_doc_root(doc), &out,
				  &error), 0);
	CHECK_STR(error.error.text, "");
	CHECK_INT(atio_out_take(&out, &text, ret_len), 0);
	NEED(text);
	return text;
}

static inline void check_written(const struct atio_doc *doc, const char *should)
{
	size_t len;
	char *text = write_again(doc, &len);

	CHECK_STR(text, should);
	free(text);
}

/* ---- documents made to be slow --------------------------------------- */

static inline double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What a document is made of: @begin, @times @part, @middle, @times @end.  In
 * @part, a '@' is a number that differs. */
struct pile {
	const char *begin, *part, *middle, *end;
	size_t times;
	int r; /* what comes of it */
};

static inline char *pile_text(const struct pile *pile, size_t *ret_len)
{
	size_t part = strlen(pile->part) + 8, end = strlen(pile->end);
	size_t around = strlen(pile->begin) + strlen(pile->middle);
	char *text = malloc(around + pile->times * (part + end) + 1), *to;
	const char *s;

	NEED(text);
	to = stpcpy(text, pile->begin);
	for (size_t i = 0; i < pile->times; i++)
		for (s = pile->part; *s; s++)
			if (*s == '@')
				to += sprintf(to, "%zu", i);
			else
				*to++ = *s;
	to = stpcpy(to, pile->middle);
	for (size_t i = 0; i < pile->times; i++)
		to = stpcpy(to, pile->end);
	*ret_len = (size_t)(to - text);
	return text;
}

/* Load it; if that is possible, write it, and load that. */
static inline void check_pile(const struct pile *pile,
			      const struct atio_limits *limits, double seconds)
{
	struct atio_doc *doc, *again;
	double start;
	size_t len;
	char *text = pile_text(pile, &len);

	start = now();
	CHECK_INT(load_within(text, len, limits, &doc), pile->r);
	CHECK(now() - start < seconds);
	free(text);
	if (!doc)
		return;
	start = now();
	text = write_again(doc, &len);
	CHECK(now() - start < seconds);
	CHECK_INT(load_within(text, len, limits, &again), 0);
	if (again)
		CHECK(atio_value_equal(atio_doc_root(doc),
				       atio_doc_root(again)));
	free(text);
	atio_doc_free(doc);
	atio_doc_free(again);
}

/* This program has never used @bytes or more.  A sanitizer takes more. */
static inline void check_memory(size_t bytes)
{
	struct rusage usage;

	CHECK_INT(getrusage(RUSAGE_SELF, &usage), 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	CHECK((size_t)usage.ru_maxrss * 1024 < bytes);
#endif
}

#endif
