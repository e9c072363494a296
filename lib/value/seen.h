/* SPDX-License-Identifier: MIT
 *
 * seen.h - nodes that were met, and another node for each of them.
 *
 * For walks that cannot mark the nodes themselves, since others may read them
 * at the same time.
 */
#ifndef ATIO_VALUE_SEEN_H
#define ATIO_VALUE_SEEN_H

#include "value/inside.h"

struct atio_seen_node {
	const struct atio_node *node; /* NULL: free */
	const struct atio_node *other;
};

/* All zero: empty. */
struct atio_seen {
	struct atio_seen_node *slots;
	size_t count, mask;
};

void atio_seen_done(struct atio_seen *seen);
/* NULL: it was not met.  Valid until the next one is added. */
struct atio_seen_node *atio_seen_find(const struct atio_seen *seen,
				      const struct atio_node *node);
/* The same for one that becomes met, with @other if it was not yet.  NULL: no
 * memory. */
struct atio_seen_node *atio_seen_add(struct atio_seen *seen,
				     const struct atio_node *node,
				     const struct atio_node *other);

#endif
