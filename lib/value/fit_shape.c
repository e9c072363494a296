/* SPDX-License-Identifier: MIT
 *
 * fit_shape.c - formats that hold values of one shape only.
 *
 * CSV: a list of maps that have the same keys; their values are text.  (Which
 * order the keys of a row have does not matter: convert.c gives all rows that
 * of the first one.)
 *
 * XML: a map with one key, the root element.  An element is text or a map; in a
 * map "@attributes" is a map of texts, "#text" is text, and all other keys are
 * elements, lists of them elements that are repeated.  What would be read back
 * as something else is refused: lists of less than two, an empty map (that of
 * attributes, too), a "#text" that is empty or alone or beside elements.
 */
#include <errno.h>
#include <string.h>

#include "value/fit.h"

static bool is_collection(const struct atio_node *node)
{
	return node->type == ATIO_SEQ || node->type == ATIO_MAP;
}

static const struct atio_node *behind_alias(const struct atio_node *node)
{
	while (node->type == ATIO_ALIAS)
		node = node->inner;
	return node;
}

/* A value in its place; @member fits what it is, at @at. */
typedef int member_fn(struct atio_fit *fit, const struct atio_node *node,
		      struct atio_level *at);

/* Resolve the value at @at (NULL: the root), and let @member look at it. */
static int fit_resolved(struct atio_fit *fit, struct atio_level *at,
			member_fn *member)
{
	size_t expanding = fit->walk.expanding;
	const struct atio_node *node = at ? at->node : fit->walk.root;
	int r;

	r = atio_fit_resolve(fit, &node, at);
	if (r == 0)
		r = member(fit, node, at);
	fit->walk.expanding = expanding;
	return r;
}

/* What there is only one of in its place: a scalar. */
static int fit_scalar(struct atio_fit *fit, const struct atio_node *node,
		      struct atio_level *at)
{
	if (is_collection(node))
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &at->step,
				       "%s has no room for a %s here",
				       atio_target_name(fit->target),
				       atio_type_name(node->type));
	return atio_fit_judge(fit, node, at);
}

/* The key of the value at @at, a string. */
static int fit_name(struct atio_fit *fit, struct atio_level *at,
		    const struct atio_node **ret_name)
{
	const struct atio_node *name = behind_alias(at->step.key);
	int r;

	r = atio_fit_key(fit, at->step.key, at);
	if (r == 0)
		r = atio_fit_judge(fit, name, at);
	*ret_name = name;
	return r;
}

/* ---- CSV ------------------------------------------------------------- */

static int fit_header(struct atio_fit *fit, const struct atio_node *row,
		      const struct atio_level *at)
{
	struct atio_value_error *err = fit->walk.err;

	fit->header = row;
	if (!row->count)
		return atio_value_fail(err, EOPNOTSUPP, &at->step,
				       "CSV has no rows without columns");
	if (row->count > fit->walk.limits.columns)
		return atio_value_fail(err, EFBIG, &at->step,
				       "more than %zu columns",
				       fit->walk.limits.columns);
	return 0;
}

/* Each key of @of is one of @in. */
static int has_keys_of(struct atio_fit *fit, const struct atio_node *in,
		       const struct atio_node *of, const struct atio_level *at,
		       const char *fmt)
{
	const struct atio_node *key;
	size_t i;

	for (i = 0; i < of->count; i++) {
		key = behind_alias(of->pairs[i].key);
		if (atio_map_find(in, key) < 0)
			return atio_value_fail(fit->walk.err, EOPNOTSUPP,
					       &at->step, "%s: '%.64s'", fmt,
					       atio_node_text(key, NULL));
	}
	return 0;
}

static int fit_columns(struct atio_fit *fit, const struct atio_node *row,
		       const struct atio_level *at)
{
	const struct atio_node *header = fit->header;
	size_t i;
	int r;

	for (i = 0; i < row->count && i < header->count; i++)
		if (!atio_value_equal(row->pairs[i].key, header->pairs[i].key))
			break;
	if (i == row->count && i == header->count)
		return 0;
	fit->changes = true; /* the order, at least */
	r = has_keys_of(fit, row, header, at,
			"a row without a key that the first one has");
	if (r == 0)
		r = has_keys_of(fit, header, row, at,
				"a row with a key that the first one has not");
	return r;
}

static int fit_row(struct atio_fit *fit, const struct atio_node *row,
		   struct atio_level *at)
{
	struct atio_level cell = {{&at->step, NULL, 0}, NULL};
	const struct atio_node *name;
	size_t i;
	int r = 0;

	if (row->type != ATIO_MAP)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &at->step,
				       "a row of CSV is a map, not %s",
				       atio_type_phrase(row->type));
	if (!fit->header)
		r = fit_header(fit, row, at);
	for (i = 0; r == 0 && i < row->count; i++) {
		cell.step.key = row->pairs[i].key;
		cell.node = row->pairs[i].value;
		r = fit_name(fit, &cell, &name);
		if (r == 0 && !name->count)
			r = atio_value_fail(fit->walk.err, EOPNOTSUPP,
					    &cell.step,
					    "a column of CSV has a name");
		if (r == 0)
			r = fit_resolved(fit, &cell, fit_scalar);
	}
	return r < 0 ? r : fit_columns(fit, row, at);
}

static int fit_rows(struct atio_fit *fit, const struct atio_node *list,
		    struct atio_level *at)
{
	struct atio_level row = {{NULL, NULL, 0}, NULL};
	size_t i;
	int r = 0;

	if (list->type != ATIO_SEQ)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, NULL,
				       "CSV is a list of maps, not %s",
				       atio_type_phrase(list->type));
	for (i = 0; r == 0 && i < list->count; i++) {
		row.step.index = i;
		row.node = list->items[i];
		r = fit_resolved(fit, &row, fit_row);
	}
	return r;
}

int atio_fit_table(struct atio_fit *fit)
{
	return fit_resolved(fit, NULL, fit_rows);
}

/* ---- XML ------------------------------------------------------------- */

static int fit_element(struct atio_fit *fit, const struct atio_node *node,
		       struct atio_level *at);

static bool is_key(const struct atio_node *name, const char *key)
{
	return name->count == strlen(key) &&
	       memcmp(name->text, key, name->count) == 0;
}

static bool is_attributes(const struct atio_node *name)
{
	return is_key(name, "@attributes");
}

static bool is_text(const struct atio_node *name)
{
	return is_key(name, "#text");
}

static int fit_list(struct atio_fit *fit, const struct atio_node *list,
		    struct atio_level *at)
{
	struct atio_level item = {{&at->step, NULL, 0}, NULL};
	size_t i;
	int r;

	if (list->count < 2)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &at->step,
				       "XML cannot hold a list of %s",
				       list->count ? "one" : "none");
	r = atio_walk_enter(&fit->walk, at);
	if (r < 0)
		return r;
	for (i = 0; r == 0 && i < list->count; i++) {
		item.step.index = i;
		item.node = list->items[i];
		r = fit_resolved(fit, &item, fit_element);
	}
	fit->walk.depth--;
	return r;
}

static int fit_elements(struct atio_fit *fit, const struct atio_node *node,
			struct atio_level *at)
{
	return node->type == ATIO_SEQ ? fit_list(fit, node, at)
				      : fit_element(fit, node, at);
}

static int fit_attributes(struct atio_fit *fit, const struct atio_node *map,
			  struct atio_level *at)
{
	struct atio_level attribute = {{&at->step, NULL, 0}, NULL};
	const struct atio_node *name;
	size_t i;
	int r;

	if (map->type != ATIO_MAP)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &at->step,
				       "'@attributes' of XML is a map, not %s",
				       atio_type_phrase(map->type));
	if (!map->count)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &at->step,
				       "XML cannot hold an empty "
				       "'@attributes'");
	r = atio_walk_enter(&fit->walk, at);
	if (r < 0)
		return r;
	for (i = 0; r == 0 && i < map->count; i++) {
		attribute.step.key = map->pairs[i].key;
		attribute.node = map->pairs[i].value;
		r = fit_name(fit, &attribute, &name);
		if (r == 0)
			r = fit_resolved(fit, &attribute, fit_scalar);
	}
	fit->walk.depth--;
	return r;
}

static int fit_text(struct atio_fit *fit, const struct atio_node *node,
		    struct atio_level *at)
{
	bool empty = node->count == 0 &&
		     (node->type == ATIO_STRING || node->type == ATIO_BYTES);

	if (empty)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &at->step,
				       "XML cannot hold an empty '#text'");
	return fit_scalar(fit, node, at);
}

/* What else there is beside a "#text". */
static int fit_beside_text(struct atio_fit *fit, const struct atio_node *map,
			   const struct atio_level *at)
{
	size_t i;

	for (i = 0; i < map->count; i++)
		if (!is_attributes(behind_alias(map->pairs[i].key)) &&
		    !is_text(behind_alias(map->pairs[i].key)))
			return atio_value_fail(fit->walk.err, EOPNOTSUPP,
					       &at->step,
					       "XML cannot hold text and "
					       "elements side by side");
	if (map->count == 1)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &at->step,
				       "XML cannot hold a '#text' without "
				       "attributes");
	return 0;
}

static int fit_member(struct atio_fit *fit, const struct atio_node *map,
		      struct atio_level *at)
{
	const struct atio_node *name;
	int r;

	r = fit_name(fit, at, &name);
	if (r < 0)
		return r;
	if (is_attributes(name))
		return fit_resolved(fit, at, fit_attributes);
	if (!is_text(name))
		return fit_resolved(fit, at, fit_elements);
	r = fit_beside_text(fit, map, at);
	return r < 0 ? r : fit_resolved(fit, at, fit_text);
}

static int fit_element(struct atio_fit *fit, const struct atio_node *node,
		       struct atio_level *at)
{
	struct atio_level member = {{&at->step, NULL, 0}, NULL};
	size_t i;
	int r;

	if (node->type != ATIO_MAP)
		return fit_scalar(fit, node, at);
	if (!node->count)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &at->step,
				       "XML cannot hold an empty map");
	r = atio_walk_enter(&fit->walk, at);
	if (r < 0)
		return r;
	for (i = 0; r == 0 && i < node->count; i++) {
		member.step.key = node->pairs[i].key;
		member.node = node->pairs[i].value;
		r = fit_member(fit, node, &member);
	}
	fit->walk.depth--;
	return r;
}

static int fit_document(struct atio_fit *fit, const struct atio_node *root,
			struct atio_level *at)
{
	struct atio_level element = {{NULL, NULL, 0}, NULL};
	const struct atio_node *name;
	int r;

	if (root->type != ATIO_MAP || root->count != 1)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, NULL,
				       "XML is a map with one key, its root "
				       "element, not %s%s",
				       atio_type_phrase(root->type),
				       root->type != ATIO_MAP ? ""
				       : root->count          ? " of several"
							      : " of none");
	element.step.key = root->pairs[0].key;
	element.node = root->pairs[0].value;
	r = fit_name(fit, &element, &name);
	if (r < 0)
		return r;
	if (is_attributes(name) || is_text(name))
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &element.step,
				       "XML is one element at the top");
	return fit_resolved(fit, &element, fit_element);
}

int atio_fit_elements(struct atio_fit *fit)
{
	return fit_resolved(fit, NULL, fit_document);
}
