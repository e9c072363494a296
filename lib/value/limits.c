/* SPDX-License-Identifier: MIT
 *
 * limits.c - how large a document may be.
 */
#include <errno.h>

#include "value/inside.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

/* Offsets and counts of a node are 32 bits, and one more must fit. */
#define MOST_BYTES (2048 * MIB)
#define MOST_NODES ((size_t)1 << 30)
/* What walks over a tree recurses at most as deep. */
#define MOST_DEPTH ((size_t)10000)

static const struct {
	size_t field, otherwise, most;
} table[] = {
#define FIELD(name, otherwise, most)                                           \
	{offsetof(struct atio_limits, name), otherwise, most}
	FIELD(input_bytes, 16 * MIB, MOST_BYTES),
	FIELD(output_bytes, 64 * MIB, MOST_BYTES),
	FIELD(depth, 128, MOST_DEPTH),
	FIELD(nodes, 1000000, MOST_NODES),
	FIELD(alias_nodes, 1000000, MOST_NODES),
	FIELD(alias_bytes, 64 * MIB, MOST_BYTES),
	FIELD(scalar_bytes, 16 * MIB, MOST_BYTES),
	FIELD(key_bytes, 64 * KIB, MOST_BYTES),
	FIELD(number_chars, 1000, MOST_BYTES),
	FIELD(unzipped_bytes, 64 * MIB, MOST_BYTES),
	FIELD(columns, 4096, MOST_NODES),
	FIELD(documents, 1000, MOST_NODES),
#undef FIELD
};

int atio_limits_complete(const struct atio_limits *limits,
			 struct atio_limits *ret_limits)
{
	struct atio_limits all = {.version = ATIO_LIMITS_VERSION};
	size_t i, *value;

	if (limits && limits->version != ATIO_LIMITS_VERSION)
		return -EINVAL;
	if (limits)
		all = *limits;
	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		value = (size_t *)((char *)&all + table[i].field);
		if (!*value)
			*value = table[i].otherwise;
		if (*value > table[i].most)
			return -EINVAL;
	}
	*ret_limits = all;
	return 0;
}
