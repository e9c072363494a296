/* SPDX-License-Identifier: MIT
 *
 * fit.h - whether a value fits a target, what a scalar becomes in it, and the
 * way back.  Shared by convert.c and restore.c.
 */
#ifndef ATIO_VALUE_FIT_H
#define ATIO_VALUE_FIT_H

#include "value/walk.h"

/* What is done with a value of some type. */
enum atio_verdict {
	ATIO_KEEP,   /* as it is */
	ATIO_RETYPE, /* to the string that atio_scalar_text says */
	ATIO_LOOK,   /* as it is, if what it holds can be held */
	ATIO_GO_IN,  /* a seq or map: its members are asked */
	ATIO_UNWRAP, /* a tag: what it is on is asked */
	ATIO_EXPAND, /* an alias: what it stands for is asked */
	ATIO_REFUSE,
};

/* Targets that are inside of the library: copies. */
#define ATIO_TO_COPY ((enum atio_target)(ATIO_TO_TYPED + 1))
#define ATIO_TO_SAME ((enum atio_target)(ATIO_TO_TYPED + 2)) /* with aliases   \
							      */

enum atio_verdict atio_verdict_of(enum atio_target target, enum atio_type type);
/* "JSON" */
const char *atio_target_name(enum atio_target target);

/* Whether merge keys are merged for it. */
bool atio_target_merges(enum atio_target target);

/* Whether @root is that of a document without a value in a format that has a
 * null for it: it is not a null for others, and there @ret_type (may be NULL).
 * A blank TOML file is an empty map, since {} is written as one, too, and so it
 * is with lists of CSV and texts. */
bool atio_is_no_value(const struct atio_node *root, enum atio_target target,
		      enum atio_type *ret_type);

/* ---- the first pass -------------------------------------------------- */

/* The first pass of a conversion: is there anything that @target cannot hold?
 */
struct atio_fit {
	struct atio_walk walk;
	enum atio_target target;
	bool changes;                   /* something has to be another one */
	const struct atio_node *header; /* of CSV: the first row; or NULL */
};

/* Look at the whole of @root.  Errors as of atio_value_convert. */
int atio_fit_root(struct atio_fit *fit, const struct atio_node *root);

/* ---- for the parts of it --------------------------------------------- */

/* A value, whatever is in it; it is counted. */
int atio_fit_value(struct atio_fit *fit, const struct atio_node *node,
		   struct atio_level *at);
/* The same for one that was counted. */
int atio_fit_judge(struct atio_fit *fit, const struct atio_node *node,
		   struct atio_level *at);
/* The key of the value at @at. */
int atio_fit_key(struct atio_fit *fit, const struct atio_node *key,
		 struct atio_level *at);
/* Look through an alias, and count what is there; a map that merges is merged.
 * The caller puts walk.expanding back afterwards. */
int atio_fit_resolve(struct atio_fit *fit, const struct atio_node **node,
		     struct atio_level *at);
/* fit_shape.c: the root of formats that hold values of one shape only. */
int atio_fit_table(struct atio_fit *fit);
int atio_fit_elements(struct atio_fit *fit);

/* ---- copy.c: the second pass ----------------------------------------- */

struct atio_maker {
	struct atio_doc *doc;
	enum atio_target target;
	bool no_spans;
	/* Used inside. */
	struct atio_walk walk;
	const struct atio_node *header; /* of CSV: the first row */
};

/* What the first pass has let through: a tree in m->doc.  -ENOMEM. */
int atio_make(struct atio_maker *maker, const struct atio_node *node,
	      struct atio_node **ret_made);

/* ---- scalar.c -------------------------------------------------------- */

/* The text that stands for a scalar where all values are text: as it was
 * written if JSON could write it so, else canonical.  Lent; @room may be used.
 * Not for BYTES. */
const char *atio_scalar_text(const struct atio_node *node,
			     char room[ATIO_FLOAT_TEXT_MAX], size_t *ret_len);
/* A string with that text, or the base64 of BYTES.  NULL: no memory. */
struct atio_node *atio_scalar_string(struct atio_doc *doc,
				     const struct atio_node *node);
/* The way back: @text, a string, as a value of @type.  Only what
 * atio_scalar_string could have made of one: "007" is no integer.  -EINVAL: it
 * is none; -ENOMEM. */
int atio_scalar_parse(struct atio_doc *doc, const struct atio_node *text,
		      enum atio_type type, struct atio_node **ret_node);

#endif
