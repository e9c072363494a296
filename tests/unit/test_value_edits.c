/* SPDX-License-Identifier: MIT
 *
 * test_value_edits.c - patch, merge and update against a model of them that
 * copies everything each time.
 *
 * The documents of half of the seeds have aliases and merge keys; the model has
 * what a view shows of them.
 */
#include "value_text.h"

#define SEEDS   3000
#define STEPS   12
#define OPS     4 /* of a patch */
#define MEMBERS 24
#define POOL    20000
#define TEXT    16000

/* ---- the model ------------------------------------------------------- */

enum kind {
	NUMBER,
	NOTHING, /* null */
	LIST,
	MAP,
};

struct model {
	enum kind kind;
	unsigned number;
	unsigned count;
	unsigned keys[MEMBERS]; /* of a map: n stands for "kn" */
	struct model *members[MEMBERS];
};

static struct model *pool;
static unsigned used;
static bool overflow; /* more than the model can hold: the rest is skipped */

static struct model *model_new(enum kind kind)
{
	struct model *m = &pool[used < POOL - 1 ? used++ : used];

	if (used == POOL - 1)
		overflow = true;
	*m = (struct model){.kind = kind};
	return m;
}

static struct model *model_copy(const struct model *from)
{
	struct model *m = model_new(from->kind);

	m->number = from->number;
	if (overflow)
		return m;
	m->count = from->count;
	memcpy(m->keys, from->keys, sizeof(m->keys));
	for (unsigned i = 0; i < from->count; i++)
		m->members[i] = model_copy(from->members[i]);
	return m;
}

static int model_find(const struct model *map, unsigned key)
{
	for (unsigned i = 0; i < map->count; i++)
		if (map->keys[i] == key)
			return (int)i;
	return -1;
}

static void model_insert(struct model *in, unsigned at, unsigned key,
			 struct model *value)
{
	if (in->count == MEMBERS) {
		overflow = true;
		return;
	}
	for (unsigned i = in->count; i > at; i--) {
		in->members[i] = in->members[i - 1];
		in->keys[i] = in->keys[i - 1];
	}
	in->members[at] = value;
	in->keys[at] = key;
	in->count++;
}

static void model_remove(struct model *in, unsigned at)
{
	in->count--;
	for (unsigned i = at; i < in->count; i++) {
		in->members[i] = in->members[i + 1];
		in->keys[i] = in->keys[i + 1];
	}
}

static void model_set(struct model *map, unsigned key, struct model *value)
{
	int at = model_find(map, key);

	if (at >= 0)
		map->members[at] = value;
	else
		model_insert(map, map->count, key, value);
}

static bool model_equal(const struct model *a, const struct model *b)
{
	int at;

	if (a->kind != b->kind || a->count != b->count ||
	    a->number != b->number)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		at = a->kind == MAP ? model_find(b, a->keys[i]) : (int)i;
		if (at < 0 || !model_equal(a->members[i], b->members[at]))
			return false;
	}
	return true;
}

static void model_text(const struct model *m, char *text)
{
	char *to = text + strlen(text);
	size_t room = TEXT - (size_t)(to - text);

	if (room < 64) {
		overflow = true;
		return;
	}
	if (m->kind == NUMBER || m->kind == NOTHING) {
		(void)snprintf(to, room, m->kind ? "null" : "%u", m->number);
		return;
	}
	(void)strcat(to, m->kind == LIST ? "[" : "{");
	for (unsigned i = 0; i < m->count; i++) {
		to = text + strlen(text);
		room = TEXT - (size_t)(to - text);
		if (m->kind == MAP)
			(void)snprintf(to, room, "%s'k%u': ", i ? ", " : "",
				       m->keys[i]);
		else
			(void)snprintf(to, room, "%s", i ? ", " : "");
		model_text(m->members[i], text);
	}
	if (strlen(text) < TEXT - 2)
		(void)strcat(text, m->kind == LIST ? "]" : "}");
}

static struct model *model_of(const struct atio_node *node)
{
	struct model *m;
	size_t count = atio_node_count(node);

	switch (atio_node_type(node)) {
	case ATIO_INT:
		m = model_new(NUMBER);
		m->number = (unsigned)atio_node_int(node);
		return m;
	case ATIO_NULL:
		return model_new(NOTHING);
	default:
		m = model_new(atio_node_type(node) == ATIO_SEQ ? LIST : MAP);
		break;
	}
	for (size_t i = 0; i < count; i++)
		model_insert(
			m, m->count,
			m->kind == LIST
				? 0
				: (unsigned)atoi(
					  atio_node_text(atio_node_key(node, i),
							 NULL) +
					  1),
			model_of(atio_node_at(node, i)));
	return m;
}

/* ---- merge and update ------------------------------------------------ */

static struct model *model_merge(struct model *target,
				 const struct model *patch)
{
	struct model *next;
	int at;

	if (patch->kind != MAP)
		return model_copy(patch);
	if (!target || target->kind != MAP)
		target = model_new(MAP);
	for (unsigned i = 0; i < patch->count; i++) {
		at = model_find(target, patch->keys[i]);
		if (patch->members[i]->kind == NOTHING) {
			if (at >= 0)
				model_remove(target, (unsigned)at);
			continue;
		}
		next = model_merge(at < 0 ? NULL : target->members[at],
				   patch->members[i]);
		model_set(target, patch->keys[i], next);
	}
	return target;
}

static struct model *model_update(struct model *target,
				  const struct model *with)
{
	if (target->kind != with->kind || target->kind < LIST)
		return model_copy(with);
	for (unsigned i = 0; i < with->count; i++) {
		if (target->kind == MAP)
			model_set(target, with->keys[i],
				  model_copy(with->members[i]));
		else
			model_insert(target, target->count, 0,
				     model_copy(with->members[i]));
	}
	return target;
}

/* ---- patch ----------------------------------------------------------- */

#define LAST 99 /* the step "-" */

struct path {
	unsigned count, steps[3]; /* "/kn" or "/n", as @keys says */
	bool keys[3];
};

static const char *const op_names[] = {"add",  "remove", "replace",
				       "move", "copy",   "test"};

struct op {
	unsigned op;
	struct path path, from;
	struct model *value;
};

/* Where @path leads: in *ret_in at *ret_at, which is -1 if nothing is there
 * yet.  *ret_in is NULL for the root.  False: it leads nowhere. */
static bool model_follow(struct model *root, const struct path *path,
			 struct model **ret_in, int *ret_at)
{
	struct model *m = root;
	unsigned step;
	int at;

	*ret_in = NULL;
	*ret_at = 0;
	for (unsigned i = 0; i < path->count; i++) {
		step = path->steps[i];
		if (m->kind == MAP && path->keys[i])
			at = model_find(m, step);
		else if (m->kind == MAP) /* there are no keys "0" here */
			at = -1;
		else if (m->kind == LIST && !path->keys[i] &&
			 (step == LAST || step <= m->count))
			at = step < m->count ? (int)step : -1;
		else
			return false;
		*ret_in = m;
		*ret_at = at;
		if (at < 0)
			return i + 1 == path->count;
		m = m->members[at];
	}
	return true;
}

static struct model *model_at(struct model *root, const struct path *path)
{
	struct model *in;
	int at;

	if (!model_follow(root, path, &in, &at) || at < 0)
		return NULL;
	return in ? in->members[at] : root;
}

static bool model_add(struct model **root, const struct path *path,
		      struct model *value)
{
	struct model *in;
	unsigned last = path->count ? path->steps[path->count - 1] : 0;
	int at;

	if (!model_follow(*root, path, &in, &at))
		return false;
	if (!in) {
		*root = value;
	} else if (in->kind == LIST) {
		model_insert(in, at < 0 ? in->count : (unsigned)at, 0, value);
	} else if (path->keys[path->count - 1]) {
		model_set(in, last, value);
	} else {
		overflow = true; /* a key that is no "kn" */
	}
	return true;
}

static bool model_take(struct model **root, const struct path *path,
		       struct model **ret_value)
{
	struct model *in;
	int at;

	if (!model_follow(*root, path, &in, &at) || !in || at < 0)
		return false;
	*ret_value = in->members[at];
	model_remove(in, (unsigned)at);
	return true;
}

static bool same_path(const struct path *a, const struct path *b,
		      unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (a->steps[i] != b->steps[i] || a->keys[i] != b->keys[i])
			return false;
	return true;
}

static bool model_op(struct model **root, const struct op *op)
{
	struct model *value = model_at(*root, &op->path), *from, *in;
	int at;

	switch (op->op) {
	case 0:
		return model_add(root, &op->path, model_copy(op->value));
	case 1:
		return model_take(root, &op->path, &value);
	case 2:
		if (!value)
			return false;
		(void)model_follow(*root, &op->path, &in, &at);
		*(in ? &in->members[at] : root) = model_copy(op->value);
		return true;
	case 3:
		if (same_path(&op->from, &op->path, op->from.count) &&
		    op->from.count < op->path.count)
			return false; /* into itself */
		if (op->from.count == op->path.count &&
		    same_path(&op->from, &op->path, op->from.count))
			return value != NULL;
		return model_take(root, &op->from, &from) &&
		       model_add(root, &op->path, from);
	case 4:
		from = model_at(*root, &op->from);
		return from && model_add(root, &op->path, model_copy(from));
	default:
		return value && model_equal(value, op->value);
	}
}

/* ---- at random ------------------------------------------------------- */

static struct model *random_value(struct random *random, unsigned depth)
{
	unsigned kind = pick(random, depth ? 6 : 2), n = pick(random, 4);
	struct model *m;

	m = model_new(kind == 0   ? NOTHING
		      : kind == 1 ? NUMBER
		      : kind < 4  ? LIST
				  : MAP);
	m->number = m->kind == NUMBER ? pick(random, 3) : 0;
	for (unsigned i = 0; m->kind >= LIST && i < n; i++) {
		if (m->kind == MAP)
			model_set(m, pick(random, 5),
				  random_value(random, depth - 1));
		else
			model_insert(m, m->count, 0,
				     random_value(random, depth - 1));
	}
	return m;
}

static struct path random_path(struct random *random)
{
	struct path path = {.count = pick(random, 8) ? 1 + pick(random, 3) : 0};

	for (unsigned i = 0; i < path.count; i++) {
		path.keys[i] = pick(random, 2);
		path.steps[i] = pick(random, 5);
		if (!path.keys[i] && path.steps[i] == 4)
			path.steps[i] = LAST;
	}
	return path;
}

static void path_text(const struct path *path, char *text, size_t room)
{
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < path->count; i++) {
		if (!path->keys[i] && path->steps[i] == LAST)
			n += (size_t)snprintf(text + n, room - n, "/-");
		else
			n += (size_t)snprintf(text + n, room - n, "/%s%u",
					      path->keys[i] ? "k" : "",
					      path->steps[i]);
	}
}

static void op_text(const struct op *op, char *text)
{
	char path[64], from[64];
	size_t len = strlen(text);

	path_text(&op->path, path, sizeof(path));
	path_text(&op->from, from, sizeof(from));
	(void)snprintf(text + len, TEXT - len,
		       "{op: %s, path: '%s', from: '%s', value: ",
		       op_names[op->op], path, from);
	model_text(op->value, text);
	if (strlen(text) < TEXT - 4)
		(void)strcat(text, "} ");
}

/* ---- both ------------------------------------------------------------ */

static struct atio_doc *doc;
static struct model *model;
static bool exact; /* also the order of keys */

/* Each key of each map is found where it is. */
static void check_indexes(const struct atio_node *node)
{
	for (size_t i = 0; i < atio_node_count(node); i++) {
		if (node->type == ATIO_MAP)
			CHECK_INT(atio_map_find(node, node->pairs[i].key), i);
		CHECK(!node->mark);
		check_indexes(atio_node_at(node, i));
	}
}

/* The document is what the model says. */
static void check_same(void)
{
	static char text[TEXT];
	struct atio_doc *shown = NULL, *should;
	const struct atio_node *root;

	text[0] = '\0';
	model_text(model, text);
	if (overflow)
		return;
	check_indexes(atio_doc_root(doc));
	NEED(atio_value_convert(atio_doc_root(doc), ATIO_TO_JSON, NULL, &shown,
				&root, NULL) == 0);
	if (exact)
		CHECK_STR(text_of(root), text);
	should = doc_of(text);
	CHECK(atio_value_equal(root, atio_doc_root(should)));
	atio_doc_free(should);
	atio_doc_free(shown);
}

typedef int change_fn(struct atio_doc *doc, const struct atio_node *with,
		      struct atio_value_error *err);

/* @next: what the model says; NULL: it is refused, and nothing changes. */
static void check_change(change_fn *change, const char *with_text,
			 struct model *next)
{
	struct atio_doc *with;
	static char before[20000];
	int r;

	if (overflow)
		return;
	with = doc_of(with_text);
	(void)snprintf(before, sizeof(before), "%s",
		       text_of(atio_doc_root(doc)));
	r = change(doc, atio_doc_root(with), NULL);
	if ((r == 0) != (next != NULL))
		printf("%s\n  %s\n", before, with_text);
	CHECK((r == 0) == (next != NULL));
	if (r < 0)
		CHECK_STR(text_of(atio_doc_root(doc)), before);
	if (next)
		model = next;
	check_same();
	atio_doc_free(with);
}

static void patch_step(struct random *random)
{
	struct model *next = model_copy(model);
	unsigned n = 1 + pick(random, OPS);
	static char text[TEXT];
	bool good = true;
	struct op op;

	(void)snprintf(text, sizeof(text), "[");
	for (unsigned i = 0; i < n; i++) {
		op = (struct op){pick(random, 6), random_path(random),
				 random_path(random), random_value(random, 2)};
		/* Most of the tests say yes. */
		if (op.op == 5 && model_at(next, &op.path) && pick(random, 4))
			op.value = model_at(next, &op.path);
		op_text(&op, text);
		good = good && model_op(&next, &op);
	}
	(void)strcat(text, "]");
	check_change(atio_value_patch, text, good ? next : NULL);
}

static void merge_step(struct random *random, bool deep)
{
	struct model *next = model_copy(model);
	struct model *with = random_value(random, 3);
	static char text[TEXT];

	text[0] = '\0';
	model_text(with, text);
	next = deep ? model_merge(next, with) : model_update(next, with);
	check_change(deep ? atio_value_merge : atio_value_update, text, next);
}

static void run_seed(unsigned seed)
{
	static const char *const begins[] = {
		"{'k0': [1, {'k1': 2}], 'k1': {'k2': [0, 1]}, 'k2': null}",
		"[{'k0': 1}, [1, 2, 0], {'k1': {'k2': {'k3': 1}}}]",
		"{k0: &a {k1: 1, k2: [1, 2]}, k1: *a, k2: {<<: *a, k3: 0}}",
		"{k0: &a [1, {k1: &b {k0: 2}}], k1: {<<: [*b, {k1: *a}]}, k2:"
		" *a, k3: *b}",
	};
	struct random random = {(uint64_t)(seed + 1) * 0x9E3779B97F4A7C15ull};
	struct atio_doc *shown = NULL;
	const struct atio_node *root;

	used = 0;
	overflow = false;
	exact = seed % 4 < 2;
	doc = doc_of(begins[seed % 4]);
	NEED(atio_value_convert(atio_doc_root(doc), ATIO_TO_JSON, NULL, &shown,
				&root, NULL) == 0);
	model = model_of(root);
	for (int i = 0; i < STEPS && !overflow; i++) {
		if (pick(&random, 3))
			patch_step(&random);
		else
			merge_step(&random, pick(&random, 2));
	}
	atio_doc_free(shown);
	atio_doc_free(doc);
}

int main(void)
{
	pool = calloc(POOL, sizeof(*pool));
	NEED(pool);
	for (unsigned seed = 0; seed < SEEDS; seed++)
		run_seed(seed);
	free(pool);
	return check_result();
}
