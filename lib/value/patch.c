/* SPDX-License-Identifier: MIT
 *
 * patch.c - JSON patch (RFC 6902).
 *
 * The list of operations is copied first, as a whole; the values in it then
 * become nodes of the tree.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "value/edit.h"

enum op {
	OP_ADD,
	OP_REMOVE,
	OP_REPLACE,
	OP_MOVE,
	OP_COPY,
	OP_TEST,
};

static const struct {
	const char *name;
	bool has_value, has_from;
} ops[] = {
	[OP_ADD] = {"add", true, false},
	[OP_REMOVE] = {"remove", false, false},
	[OP_REPLACE] = {"replace", true, false},
	[OP_MOVE] = {"move", false, true},
	[OP_COPY] = {"copy", false, true},
	[OP_TEST] = {"test", true, false},
};

struct operation {
	struct atio_edit *edit;
	size_t index;
	enum op op;
	const struct atio_node *path, *from; /* strings */
	struct atio_node *value;
};

/* ---- failing --------------------------------------------------------- */

/* The patch itself is wrong, at @member of the operation; NULL: as a whole. */
static int malformed(const struct operation *o, const char *member,
		     const char *why)
{
	struct atio_node key = {.type = ATIO_STRING, .text = member};
	struct atio_step step = {NULL, NULL, o->index};
	struct atio_step inner = {&step, &key, 0};

	if (member)
		key.count = (uint32_t)strlen(member);
	return atio_value_fail(o->edit->err, EINVAL, member ? &inner : &step,
			       "operation %zu: %s", o->index, why);
}

/* It cannot be done at the present step of @p. */
static int impossible(const struct operation *o, int code,
		      const struct atio_pointer *p, const char *why)
{
	size_t len = p->done < 100 ? p->done : 100;

	return atio_pointer_fail(o->edit->err, code, p,
				 "operation %zu (%s): '%.*s%s' %s", o->index,
				 ops[o->op].name, (int)len, p->text,
				 len < p->done ? "..." : "", why);
}

static int no_place(const struct operation *o, const struct atio_pointer *p)
{
	return impossible(o, ENOENT, p, "is not there");
}

static int begin_pointer(const struct operation *o, struct atio_pointer *p,
			 const struct atio_node *text, const char *member)
{
	int r = atio_pointer_init(p, text->text, text->count);

	if (r == -EINVAL)
		return malformed(o, member, "this is no JSON pointer");
	return r < 0 ? atio_edit_no_memory(o->edit) : 0;
}

/* ---- places ---------------------------------------------------------- */

/* Where a value is or shall be: in @in, which may be changed. */
struct place {
	struct atio_node *in; /* NULL: it is the root */
	long at;              /* position; -1: there is none */
};

/* The collection in @slot and where in it the present step of @p is. */
static int find_member(struct operation *o, struct atio_node **slot,
		       struct atio_pointer *p, struct place *ret_place)
{
	struct atio_node *in;
	int r;
	long at;

	r = atio_edit_own(o->edit, slot, false, &in);
	if (r < 0)
		return r;
	if (in->type == ATIO_MAP) {
		r = atio_edit_find(o->edit, slot, p->step, p->step_len, &in,
				   &at);
	} else if (in->type == ATIO_SEQ || in->type == ATIO_STREAM) {
		at = atio_pointer_index(p);
		if (at < 0 && !(p->step_len == 1 && *p->step == '-'))
			return impossible(o, ENOENT, p, "is no index");
		if (at > (long)in->count)
			return no_place(o, p);
		if (at == (long)in->count)
			at = -1;
	} else {
		return no_place(o, p);
	}
	*ret_place = (struct place){in, at};
	return r;
}

static struct atio_node **slot_of(struct atio_edit *edit,
				  const struct place *place)
{
	if (!place->in)
		return &edit->root;
	return place->in->type == ATIO_MAP ? &place->in->pairs[place->at].value
					   : &place->in->items[place->at];
}

/* Follow @p; all but its last step have to be there. */
static int find(struct operation *o, struct atio_pointer *p,
		struct place *ret_place)
{
	struct place place = {NULL, -1};
	int r = 0;

	while (r == 0 && atio_pointer_next(p)) {
		r = find_member(o, slot_of(o->edit, &place), p, &place);
		if (r == 0 && place.at < 0 && !atio_pointer_at_end(p))
			r = no_place(o, p);
	}
	if (r == 0)
		*ret_place = place;
	return r;
}

static bool is_there(const struct place *place)
{
	return !place->in || place->at >= 0;
}

/* ---- doing ----------------------------------------------------------- */

static int insert(struct operation *o, const struct place *place,
		  const struct atio_pointer *p, struct atio_node *value)
{
	struct atio_doc *doc = o->edit->doc;
	struct atio_node *in = place->in, *key;
	int r;

	if (!in) {
		o->edit->root = value;
		return 0;
	}
	if (in->type == ATIO_MAP) {
		key = atio_node_new_text(doc, ATIO_STRING, p->step,
					 p->step_len);
		r = key ? atio_map_set(doc, in, key, value) : -ENOMEM;
	} else {
		r = atio_seq_insert(
			doc, in, place->at < 0 ? in->count : (size_t)place->at,
			value);
	}
	if (r == -ENOMEM)
		return atio_edit_no_memory(o->edit);
	return r < 0 ? impossible(o, -r, p, "has too many members") : 0;
}

static int add(struct operation *o, struct atio_pointer *p,
	       struct atio_node *value)
{
	struct place place;
	int r;

	r = find(o, p, &place);
	return r < 0 ? r : insert(o, &place, p, value);
}

static int take_out(struct operation *o, struct atio_pointer *p,
		    struct atio_node **ret_node)
{
	struct place place;
	int r;

	r = find(o, p, &place);
	if (r < 0)
		return r;
	if (!place.in)
		return impossible(o, EINVAL, p,
				  "is the whole document, which stays");
	if (!is_there(&place))
		return no_place(o, p);
	*ret_node = *slot_of(o->edit, &place);
	if (place.in->type == ATIO_MAP)
		atio_map_remove(place.in, (size_t)place.at);
	else
		atio_seq_remove(place.in, (size_t)place.at);
	return 0;
}

static int replace(struct operation *o, struct atio_pointer *p)
{
	struct place place;
	int r;

	r = find(o, p, &place);
	if (r == 0 && !is_there(&place))
		r = no_place(o, p);
	if (r == 0)
		*slot_of(o->edit, &place) = o->value;
	return r;
}

/* What is there, which is not to be changed. */
static int look(struct operation *o, struct atio_pointer *p,
		const struct atio_node **ret_node)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	int r;

	r = atio_pointer_follow(p, o->edit->root, &o->edit->doc->limits,
				ret_node, &err);
	if (r == -ENOENT)
		return no_place(o, p);
	return r < 0 ? impossible(o, -r, p, err.error.text) : 0;
}

/* With what is merged in it.  1: equal; 0: not; -ENOMEM. */
static int equals_merged(struct operation *o, const struct atio_node *node)
{
	const struct atio_node *shown;
	struct atio_doc *doc = NULL;
	int r;

	r = atio_value_convert(node, ATIO_TO_TYPED, &o->edit->doc->limits, &doc,
			       &shown, NULL);
	if (r < 0 || !doc)
		return r == -ENOMEM ? r : 0;
	r = atio_node_equal(shown, o->value, true);
	atio_doc_free(doc);
	return r;
}

static int test(struct operation *o, struct atio_pointer *p)
{
	const struct atio_node *node;
	int r;

	r = look(o, p, &node);
	if (r < 0)
		return r;
	r = atio_node_equal(node, o->value, true);
	if (r == 0)
		r = equals_merged(o, node);
	if (r < 0)
		return atio_edit_no_memory(o->edit);
	return r ? 0 : impossible(o, ESTALE, p, "is another value");
}

static bool is_within(const struct atio_node *path,
		      const struct atio_node *from)
{
	return path->count > from->count && path->text[from->count] == '/' &&
	       memcmp(path->text, from->text, from->count) == 0;
}

static int move(struct operation *o, struct atio_pointer *from,
		struct atio_pointer *path)
{
	const struct atio_node *there;
	struct atio_node *node;
	int r;

	if (is_within(o->path, o->from))
		return malformed(o, "path",
				 "a value cannot be moved into "
				 "itself");
	if (o->path->count == o->from->count &&
	    memcmp(o->path->text, o->from->text, o->path->count) == 0)
		return look(o, from, &there);
	r = take_out(o, from, &node);
	return r < 0 ? r : add(o, path, node);
}

static int copy(struct operation *o, struct atio_pointer *from,
		struct atio_pointer *path)
{
	const struct atio_node *node;
	struct atio_node *copied;
	int r;

	r = look(o, from, &node);
	if (r == 0)
		r = atio_edit_copy_own(o->edit, node, &copied);
	return r < 0 ? r : add(o, path, copied);
}

static int run_from(struct operation *o, struct atio_pointer *path)
{
	struct atio_pointer from;
	int r;

	r = begin_pointer(o, &from, o->from, "from");
	if (r < 0)
		return r;
	r = o->op == OP_MOVE ? move(o, &from, path) : copy(o, &from, path);
	atio_pointer_done(&from);
	return r;
}

static int run(struct operation *o)
{
	struct atio_pointer path;
	struct atio_node *node;
	int r;

	r = begin_pointer(o, &path, o->path, "path");
	if (r < 0)
		return r;
	switch (o->op) {
	case OP_ADD:
		r = add(o, &path, o->value);
		break;
	case OP_REMOVE:
		r = take_out(o, &path, &node);
		break;
	case OP_REPLACE:
		r = replace(o, &path);
		break;
	case OP_TEST:
		r = test(o, &path);
		break;
	default:
		r = run_from(o, &path);
		break;
	}
	atio_pointer_done(&path);
	return r;
}

/* ---- reading the operations ------------------------------------------ */

static int take_text(const struct operation *o, const struct atio_node *map,
		     const char *member, const struct atio_node **ret_text)
{
	*ret_text = atio_node_member(map, member, strlen(member));
	if (!*ret_text)
		return malformed(o, NULL,
				 member[0] == 'o'   ? "it has no 'op'"
				 : member[0] == 'p' ? "it has no 'path'"
						    : "it has no 'from'");
	if ((*ret_text)->type != ATIO_STRING)
		return malformed(o, member, "this is no string");
	return 0;
}

static int take_op(struct operation *o, const struct atio_node *map)
{
	const struct atio_node *name;
	size_t i;
	int r;

	r = take_text(o, map, "op", &name);
	if (r < 0)
		return r;
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		if (name->count != strlen(ops[i].name) ||
		    memcmp(name->text, ops[i].name, name->count) != 0)
			continue;
		o->op = (enum op)i;
		return 0;
	}
	return malformed(o, "op", "there is no such operation");
}

/* Members that have no meaning are passed over, as the RFC has it. */
static int take(struct operation *o, const struct atio_node *map)
{
	int r;

	if (map->type != ATIO_MAP)
		return malformed(o, NULL, "it is no map");
	r = take_op(o, map);
	if (r == 0)
		r = take_text(o, map, "path", &o->path);
	if (r == 0 && ops[o->op].has_from)
		r = take_text(o, map, "from", &o->from);
	if (r < 0 || !ops[o->op].has_value)
		return r;
	o->value = (struct atio_node *)atio_node_member(map, "value", 5);
	return o->value ? 0 : malformed(o, NULL, "it has no 'value'");
}

static int run_all(struct atio_edit *edit, const struct atio_node *list)
{
	struct operation o;
	size_t i;
	int r = 0;

	if (list->type != ATIO_SEQ)
		return atio_value_fail(edit->err, EINVAL, NULL,
				       "a patch is a list of operations, not "
				       "%s",
				       atio_type_phrase(list->type));
	for (i = 0; r == 0 && i < list->count; i++) {
		o = (struct operation){.edit = edit, .index = i};
		r = take(&o, list->items[i]);
		if (r == 0)
			r = run(&o);
	}
	return r;
}

int atio_value_patch(struct atio_doc *doc, const struct atio_node *operations,
		     struct atio_value_error *err)
{
	struct atio_node *list;
	struct atio_edit edit;
	int r;

	atio_edit_begin(&edit, doc, err);
	r = atio_edit_copy(&edit, operations, &list);
	if (r == 0)
		r = run_all(&edit, list);
	return atio_edit_end(&edit, r);
}
