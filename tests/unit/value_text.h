/* SPDX-License-Identifier: MIT
 *
 * value_text.h - values as text, for tests: all types, aliases and lexemes,
 * too.
 *
 *	null true false 1 2.5 inf nan      0x1F is written 31~0x1F
 *	'text' word b'bytes' @2020-02-29   escapes \\ \' \n \0 \xHH
 *	[1, 2] {'key': 1, 2: 3}            << is the merge key, '<<' is not
 *	!tag 1   &name 1   *name           a --- b: a stream of documents
 *
 * No text at all is a document without a value, whose root is written "nothing:
 * null" (or what a format has for it).
 */
#ifndef TESTS_UNIT_VALUE_TEXT_H
#define TESTS_UNIT_VALUE_TEXT_H

#include "check.h"
#include "value/inside.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* Build @text; the caller frees it.  @limits may be NULL. */
struct atio_doc *doc_within(const char *text, const struct atio_limits *limits);
struct atio_doc *doc_of(const char *text);
/* Tell @text to @b; what the builder returned last. */
int build_of(struct atio_builder *b, const char *text);

/* @node written so, with quotes around all strings.  Valid until the fourth
 * call from now. */
const char *text_of(const struct atio_node *node);

/* Random numbers, the same in each run. */
struct random {
	uint64_t state;
};
unsigned pick(struct random *random, unsigned below);

#endif
