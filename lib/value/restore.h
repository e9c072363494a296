/* SPDX-License-Identifier: MIT
 *
 * restore.h - what the two passes of restoring share.
 */
#ifndef ATIO_VALUE_RESTORE_H
#define ATIO_VALUE_RESTORE_H

#include "value/fit.h"
#include "value/seen.h"

/* What a value can be made of; both, if they are the same in every respect.
 * Neither: of its members, or a text that is given its type. */
#define OF_VIEW 1u
#define OF_BASE 2u

struct atio_decision {
	uint32_t next; /* the decision behind those of its members */
	uint8_t of;
};

struct atio_restorer {
	enum atio_target from;
	struct atio_walk walk; /* of the base: merges, limits, @err */
	/* Maps of the base that merge, and what they are merged: once for all
	 * places where aliases stand for them. */
	struct atio_seen merged;
	/* For each value of the view that has members to be looked at, or
	 * itself was, in their order. */
	struct atio_decision *decisions;
	size_t count, room;
	size_t at; /* second pass: that of the value to be made */
	struct atio_doc *doc; /* to try texts in; second pass: to make it in */
	/* Nodes of the base that aliases stand for, and what was made of each
	 * of them, or NULL. */
	struct atio_seen targets;
};

/* The map that a view shows of @map. */
int atio_restore_shown(struct atio_restorer *r, const struct atio_node *map,
		       const struct atio_node **ret_map);
/* Whether the order of keys is not what somebody wrote, but what the format
 * asks for. */
bool atio_restore_unordered(const struct atio_restorer *r);

/* restore_make.c: the second pass.  A tree in r->doc. */
int atio_restore_make(struct atio_restorer *r, const struct atio_node *view,
		      const struct atio_node *base);

#endif
