/* SPDX-License-Identifier: MIT
 *
 * typed.h - typed JSON: what its reader (typed.c) and writer (typed_dump.c)
 * share.
 */
#ifndef ATIO_FORMAT_TYPED_H
#define ATIO_FORMAT_TYPED_H

#include "format/codec.h"

/* The types by number: "type" says their names. */
enum {
	TYPED_TAGGED,
	TYPED_MAP,
	TYPED_STREAM,
	TYPED_STRING,
	TYPED_INTEGER,
	TYPED_FLOAT,
	TYPED_BOOL,
	TYPED_NULL,
	TYPED_BYTES,
	TYPED_DATETIME, /* and the others as enum atio_datetime has them */
	TYPED_COUNT = TYPED_DATETIME + ATIO_LOCAL_TIME + 1,
};

extern const char *const atio_typed_names[TYPED_COUNT];

/* 0, -ENOMEM, or -EOPNOTSUPP: there is an alias. */
int atio_typed_put(struct atio_out *out, const struct atio_node *root);

#endif
