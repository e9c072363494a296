/* SPDX-License-Identifier: MIT
 *
 * value_random.h - documents at random, as text of value_text.h: tables,
 * elements, maps, scalars of all kinds, with aliases and merge keys.
 */
#ifndef TESTS_UNIT_VALUE_RANDOM_H
#define TESTS_UNIT_VALUE_RANDOM_H

#include "value_text.h"

#define VALUE_ANCHORS 4

struct value_maker {
	struct random random;
	char text[8192];
	unsigned anchors;
	bool is_map[VALUE_ANCHORS];
};

/* The same text for the same @seed, valid until the next one of @m. */
const char *value_make(struct value_maker *m, unsigned seed);

#endif
