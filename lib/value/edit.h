/* SPDX-License-Identifier: MIT
 *
 * edit.h - changing a document as a whole or not at all.
 *
 * The tree that was there is not touched: an edit makes copies of the nodes on
 * the way to what it changes, and its root becomes the root of the document in
 * the end.  So aliases go on standing for what they stood for; and an alias on
 * the way is replaced by a copy of what it stands for, as a view shows it.
 */
#ifndef ATIO_VALUE_EDIT_H
#define ATIO_VALUE_EDIT_H

#include "value/walk.h"

struct atio_edit {
	struct atio_doc *doc;
	struct atio_value_error *err;
	struct atio_node *root;   /* as changed so far */
	struct atio_arena before; /* what there was, to go back to */
	/* Nodes that this edit may change: those it made, which are marked. */
	struct atio_node **own;
	size_t count, room;
	size_t copied; /* nodes */
};

void atio_edit_begin(struct atio_edit *edit, struct atio_doc *doc,
		     struct atio_value_error *err);
/* The end: all of it is done if @r is 0 and the limits hold, otherwise none.
 * Returns @r or the failure. */
int atio_edit_end(struct atio_edit *edit, int r);

/* A copy of @with, of whichever document: aliases are expanded, `<<` merged. */
int atio_edit_copy(struct atio_edit *edit, const struct atio_node *with,
		   struct atio_node **ret_copy);
/* A copy of a node of this document. */
int atio_edit_copy_own(struct atio_edit *edit, const struct atio_node *node,
		       struct atio_node **ret_copy);
/* An empty map that may be changed. */
int atio_edit_new_map(struct atio_edit *edit, struct atio_node **ret_map);
/* Make what is in @slot, be it behind an alias or a tag, a node that may be
 * changed.  @merged: `<<` is replaced by what it merges. */
int atio_edit_own(struct atio_edit *edit, struct atio_node **slot, bool merged,
		  struct atio_node **ret_node);

/* The same for a map in @slot, and where in it a key is: one of its own, or one
 * that it merges (the map is then the merged one).  -1: it is not there. */
int atio_edit_find(struct atio_edit *edit, struct atio_node **slot,
		   const char *key, size_t len, struct atio_node **ret_map,
		   long *ret_at);

/* "out of memory" */
int atio_edit_no_memory(struct atio_edit *edit);

#endif
