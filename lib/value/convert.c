/* SPDX-License-Identifier: MIT
 *
 * convert.c - a value as a format can hold it.
 */
#include <errno.h>

#include "value/fit.h"

/* @doc becomes one without a value, whose root is of @type. */
static int make_nothing(struct atio_doc *doc, enum atio_type type)
{
	doc->root = type == ATIO_STRING ? atio_node_new_text(doc, type, "", 0)
					: atio_node_new(doc, type);
	if (!doc->root)
		return -ENOMEM;
	doc->root->style = ATIO_STYLE_NOTHING;
	doc->traits = ATIO_DOC_EMPTY;
	return 0;
}

static int convert(const struct atio_node *root, enum atio_target target,
		   const struct atio_limits *limits, struct atio_doc **ret_doc,
		   const struct atio_node **ret_root)
{
	struct atio_maker m = {.target = target};
	enum atio_type type;
	int r;

	r = atio_doc_new(limits, &m.doc);
	if (r < 0)
		return r;
	if (atio_is_no_value(root, target, &type))
		r = make_nothing(m.doc, type);
	else
		r = atio_make(&m, root, &m.doc->root);
	if (r < 0) {
		atio_doc_free(m.doc);
		return r;
	}
	*ret_doc = m.doc;
	*ret_root = m.doc->root;
	return 0;
}

int atio_value_convert(const struct atio_node *root, enum atio_target target,
		       const struct atio_limits *limits,
		       struct atio_doc **ret_doc,
		       const struct atio_node **ret_root,
		       struct atio_value_error *err)
{
	struct atio_fit fit = {.target = target, .walk.err = err};
	int r;

	r = atio_limits_complete(limits, &fit.walk.limits);
	if (r < 0 || (unsigned)target > ATIO_TO_TYPED)
		return atio_value_fail(err, EINVAL, NULL, "wrong %s",
				       r < 0 ? "limits" : "target");
	r = atio_fit_root(&fit, root);
	atio_walk_done(&fit.walk);
	if (r < 0)
		return r;
	if (!fit.changes) {
		*ret_doc = NULL;
		*ret_root = root;
		return 0;
	}
	r = convert(root, target, &fit.walk.limits, ret_doc, ret_root);
	return r < 0 ? atio_value_fail(err, -r, NULL, "out of memory") : 0;
}
