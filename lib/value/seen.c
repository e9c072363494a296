/* SPDX-License-Identifier: MIT
 *
 * seen.c - a table of nodes: open addressing, at most half full.
 */
#include <stdlib.h>

#include "value/seen.h"

#define SLOTS_FIRST ((size_t)128)

void atio_seen_done(struct atio_seen *seen)
{
	free(seen->slots);
	*seen = (struct atio_seen){0};
}

static struct atio_seen_node *slot_of(const struct atio_seen *seen,
				      const struct atio_node *node)
{
	/* Addresses are multiples of 8, and often in a row. */
	uint64_t hash = ((uintptr_t)node >> 3) * 0x9E3779B97F4A7C15ull;
	size_t slot = (size_t)(hash >> 20) & seen->mask;

	while (seen->slots[slot].node && seen->slots[slot].node != node)
		slot = (slot + 1) & seen->mask;
	return &seen->slots[slot];
}

struct atio_seen_node *atio_seen_find(const struct atio_seen *seen,
				      const struct atio_node *node)
{
	struct atio_seen_node *slot = seen->slots ? slot_of(seen, node) : NULL;

	return slot && slot->node ? slot : NULL;
}

static bool grow(struct atio_seen *seen)
{
	size_t slots = seen->slots ? (seen->mask + 1) * 2 : SLOTS_FIRST, i;
	struct atio_seen larger = {NULL, seen->count, slots - 1};

	larger.slots = calloc(slots, sizeof(*larger.slots));
	if (!larger.slots)
		return false;
	for (i = 0; seen->slots && i <= seen->mask; i++)
		if (seen->slots[i].node)
			*slot_of(&larger, seen->slots[i].node) = seen->slots[i];
	free(seen->slots);
	*seen = larger;
	return true;
}

struct atio_seen_node *atio_seen_add(struct atio_seen *seen,
				     const struct atio_node *node,
				     const struct atio_node *other)
{
	struct atio_seen_node *slot = atio_seen_find(seen, node);

	if (slot)
		return slot;
	if ((!seen->slots || seen->count * 2 > seen->mask) && !grow(seen))
		return NULL;
	slot = slot_of(seen, node);
	*slot = (struct atio_seen_node){node, other};
	seen->count++;
	return slot;
}
