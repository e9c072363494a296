/* SPDX-License-Identifier: MIT
 *
 * yaml_dump.c - values as YAML: block style, two columns further for each
 * level, in lists below a key, too: so what is in a key stands to the right of
 * it whatever it is, which is also how the common formatters and linters of
 * YAML want it.
 *
 * Numbers are written as they were, if 1.2 reads them as the same number: 012
 * with the tag that made it one.
 */
#include <errno.h>
#include <string.h>

#include "format/yaml.h"

#define STEP 2
/* Readers look for the colon of a key on its line, 1024 characters from its
 * begin; longer ones get a `? `. */
#define KEY_MOST 1000
/* Aliases may lead from one node into the next, beyond any limit. */
#define DEPTH_MOST 20000

struct dumper {
	struct atio_out *out;
	struct atio_value_error *err;
	struct atio_yaml_share *share; /* NULL: no aliases */
	size_t depth;
};

/* Where a value is put. */
struct spot {
	size_t indent;  /* of what it contains */
	bool after_key; /* "key:" stands before it; else the line is its own */
	enum atio_yaml_place place;
	const struct atio_step *step;
};

static int put_value(struct dumper *d, const struct atio_node *node,
		     const struct spot *spot);

/* ---- scalars --------------------------------------------------------- */

/* @tagged: there is a tag already, and there cannot be two. */
static bool is_int(const char *lexeme, size_t len, bool tagged)
{
	return (tagged ? atio_yaml_plain_type(lexeme, len)
		       : atio_yaml_core_type(lexeme, len)) == ATIO_INT;
}

static bool same_int(const struct atio_node *node, const char *lexeme,
		     size_t len)
{
	int64_t value;

	return atio_yaml_int(lexeme, len, &value) == 0 &&
	       value == node->integer;
}

static void put_int_lexeme(struct atio_out *out, const char *lexeme, size_t len)
{
	if (atio_yaml_plain_type(lexeme, len) != ATIO_INT)
		atio_out_text(out, "!!int ");
	atio_out_put(out, lexeme, len);
}

static void put_int(struct atio_out *out, const struct atio_node *node,
		    bool tagged)
{
	char text[ATIO_FLOAT_TEXT_MAX];
	size_t len;
	const char *lexeme = atio_node_lexeme(node, &len);

	if (lexeme && is_int(lexeme, len, tagged) &&
	    same_int(node, lexeme, len))
		put_int_lexeme(out, lexeme, len);
	else
		atio_out_put(out, text, atio_int_text(node->integer, text));
}

/* "1.0e+22": readers of YAML 1.1 take "1e+22" for a string. */
static void put_new_float(struct atio_out *out, double value)
{
	char text[ATIO_FLOAT_TEXT_MAX];
	size_t len = atio_float_text(value, text);
	const char *e = memchr(text, 'e', len);

	if (text[len - 1] == 'n' || text[len - 1] == 'f') {
		if (text[0] == '-')
			atio_out_char(out, '-');
		atio_out_char(out, '.');
		atio_out_text(out, text + (text[0] == '-'));
	} else if (e && !memchr(text, '.', len)) {
		atio_out_put(out, text, (size_t)(e - text));
		atio_out_text(out, ".0");
		atio_out_put(out, e, (size_t)(text + len - e));
	} else {
		atio_out_put(out, text, len);
	}
}

static void put_float(struct atio_out *out, const struct atio_node *node,
		      bool tagged)
{
	size_t len;
	const char *lexeme = atio_node_lexeme(node, &len);
	enum atio_type type = ATIO_NULL;

	if (lexeme)
		type = atio_yaml_core_type(lexeme, len);
	if (type == ATIO_INT && !tagged) /* it was so in YAML */
		atio_out_text(out, "!!float ");
	if (type == ATIO_FLOAT || (type == ATIO_INT && !tagged))
		atio_out_put(out, lexeme, len);
	else
		put_new_float(out, node->real);
}

/* The lexeme of another format may be none of YAML. */
static void put_bigint(struct atio_out *out, const struct atio_node *node,
		       bool tagged)
{
	size_t len;
	const char *text = atio_node_lexeme(node, &len);

	if (!text || !is_int(text, len, tagged))
		text = atio_node_text(node, &len);
	put_int_lexeme(out, text, len);
}

/* The core schema has none: a plain string, unless it had a tag in YAML. */
static void put_datetime(struct atio_out *out, const struct atio_node *node,
			 bool tagged)
{
	size_t len;
	const char *text = atio_node_lexeme(node, &len);

	if (node->style != ATIO_STYLE_ANY && !tagged)
		atio_out_text(out, "!!timestamp ");
	if (!text)
		text = atio_node_text(node, &len);
	atio_out_put(out, text, len);
}

/* `<<` without quotes is a merge key, and stays one. */
static bool is_merge(const struct atio_node *node, const struct spot *spot)
{
	return spot->place == ATIO_YAML_KEY && node->count == 2 &&
	       node->style == ATIO_STYLE_PLAIN &&
	       memcmp(node->text, "<<", 2) == 0;
}

/* Returns whether the line is complete. */
static bool put_scalar(struct dumper *d, const struct atio_node *node,
		       const struct spot *spot, bool typed)
{
	size_t indent = spot->indent ? spot->indent : STEP;
	struct atio_out *out = d->out;

	switch ((enum atio_type)node->type) {
	case ATIO_NULL:
		atio_out_text(out, "null");
		return false;
	case ATIO_BOOL:
		atio_out_text(out, node->boolean ? "true" : "false");
		return false;
	case ATIO_INT:
		put_int(out, node, typed);
		return false;
	case ATIO_FLOAT:
		put_float(out, node, typed);
		return false;
	case ATIO_BIGINT:
		put_bigint(out, node, typed);
		return false;
	case ATIO_DATETIME:
		put_datetime(out, node, typed);
		return false;
	case ATIO_BYTES:
		return atio_yaml_put_bytes(out, node->text, node->count, indent,
					   spot->place);
	case ATIO_SEQ:
		atio_out_text(out, "[]");
		return false;
	case ATIO_MAP:
		atio_out_text(out, "{}");
		return false;
	default:
		typed |= is_merge(node, spot);
		return atio_yaml_put_string(out, node->text, node->count,
					    indent, spot->place, typed);
	}
}

/* ---- collections ----------------------------------------------------- */

static int put_seq(struct dumper *d, const struct atio_node *seq,
		   const struct spot *spot)
{
	struct atio_step step = {.up = spot->step};
	struct spot member = {.indent = spot->indent + STEP, .step = &step};
	int r = 0;

	for (; step.index < seq->count && r == 0; step.index++) {
		if (step.index)
			atio_out_fill(d->out, ' ', spot->indent);
		atio_out_put(d->out, "- ", 2);
		r = put_value(d, seq->items[step.index], &member);
	}
	return r;
}

/* Whether @key can stand before its colon as it is. */
static bool is_simple(const struct dumper *d, const struct atio_node *key)
{
	const struct atio_yaml_shared *shared;
	size_t size = 0;

	for (;; key = key->inner) {
		if (key->type == ATIO_SEQ || key->type == ATIO_MAP)
			return false;
		shared = atio_yaml_share_find(
			d->share, key->type == ATIO_ALIAS ? key->inner : key);
		if (shared)
			size += shared->name_len;
		if (shared && shared->written)
			return size <= KEY_MOST;
		if (key->type == ATIO_TAGGED)
			size += 3 * (size_t)key->count;
		else if (key->type != ATIO_ALIAS)
			break;
	}
	if (key->type == ATIO_STRING || key->type == ATIO_BYTES)
		size += 6 * (size_t)key->count;
	else if (key->text)
		size += key->count;
	return size <= KEY_MOST;
}

static int put_key(struct dumper *d, const struct atio_node *key,
		   const struct spot *spot)
{
	struct spot at = *spot;
	int r;

	at.place = ATIO_YAML_KEY;
	r = put_value(d, key, &at);
	if (r < 0)
		return r;
	/* The colon would belong to the name of an alias. */
	if (key->type == ATIO_ALIAS)
		atio_out_char(d->out, ' ');
	atio_out_char(d->out, ':');
	return 0;
}

static int put_pair(struct dumper *d, const struct atio_pair *pair,
		    const struct spot *spot)
{
	struct atio_step step = {.up = spot->step, .key = pair->key};
	struct spot at = {.indent = spot->indent + STEP, .step = &step};
	int r;

	if (is_simple(d, pair->key)) {
		r = put_key(d, pair->key, &at);
		at.after_key = true;
	} else {
		atio_out_put(d->out, "? ", 2);
		r = put_value(d, pair->key, &at);
		atio_out_fill(d->out, ' ', spot->indent);
		atio_out_put(d->out, ": ", 2);
	}
	return r < 0 ? r : put_value(d, pair->value, &at);
}

static int put_map(struct dumper *d, const struct atio_node *map,
		   const struct spot *spot)
{
	size_t i;
	int r = 0;

	for (i = 0; i < map->count && r == 0; i++) {
		if (i)
			atio_out_fill(d->out, ' ', spot->indent);
		r = put_pair(d, &map->pairs[i], spot);
	}
	return r;
}

/* ---- values ---------------------------------------------------------- */

/* Anchor, tag, or an alias, which is then all. */
struct properties {
	bool any, alias, anchor, tag;
};

static void begin_inline(struct dumper *d, const struct spot *spot,
			 struct properties *p)
{
	if (spot->after_key || p->any)
		atio_out_char(d->out, ' ');
	p->any = true;
}

static void put_shared(struct dumper *d, const struct atio_node *node,
		       const struct spot *spot, struct properties *p)
{
	struct atio_yaml_shared *shared = atio_yaml_share_find(d->share, node);

	/* A value has one anchor: one with a tag may be shared with it and
	 * without it. */
	if (!shared || (p->any && (shared->written || p->anchor)))
		return;
	begin_inline(d, spot, p);
	p->alias = shared->written;
	p->anchor = true;
	shared->written = true;
	atio_out_char(d->out, p->alias ? '*' : '&');
	atio_yaml_share_put_name(d->share, shared, d->out);
}

/* @node without them. */
static int put_properties(struct dumper *d, const struct atio_node **node,
			  const struct spot *spot, struct properties *p)
{
	const struct atio_node *at = *node;

	for (;; at = at->inner) {
		if (at->type != ATIO_ALIAS && d->share)
			put_shared(d, at, spot, p);
		*node = at;
		if (p->alias ||
		    (at->type != ATIO_ALIAS && at->type != ATIO_TAGGED))
			return 0;
		if (at->type == ATIO_ALIAS && !p->tag)
			continue;
		if (at->type == ATIO_ALIAS || p->tag)
			return atio_value_fail(d->err, EOPNOTSUPP, spot->step,
					       "YAML has one tag for a value");
		begin_inline(d, spot, p);
		p->tag = true;
		if (!atio_yaml_put_tag(d->out, at->text, at->count))
			return atio_value_fail(d->err, EOPNOTSUPP, spot->step,
					       "a tag that YAML cannot write");
	}
}

static int put_collection(struct dumper *d, const struct atio_node *node,
			  const struct spot *spot, bool any)
{
	int r;

	if (d->depth >= DEPTH_MOST)
		return atio_value_fail(d->err, EFBIG, spot->step,
				       "nested deeper than %d levels",
				       DEPTH_MOST);
	if (spot->after_key || any) {
		atio_out_char(d->out, '\n');
		atio_out_fill(d->out, ' ', spot->indent);
	}
	d->depth++;
	r = node->type == ATIO_MAP ? put_map(d, node, spot)
				   : put_seq(d, node, spot);
	d->depth--;
	return r;
}

/* A tag without a value, as it stands in a source. */
static bool is_bare(const struct atio_node *node, const struct spot *spot,
		    const struct properties *p)
{
	return p->tag && node->type == ATIO_NULL && !node->length &&
	       spot->place != ATIO_YAML_KEY;
}

static int put_value(struct dumper *d, const struct atio_node *node,
		     const struct spot *spot)
{
	struct properties p = {0};
	bool complete = false;
	int r;

	if (d->out->failed)
		return d->out->failed;
	r = put_properties(d, &node, spot, &p);
	if (r < 0)
		return r;
	if (node->type == ATIO_STREAM)
		return atio_value_fail(d->err, EOPNOTSUPP, spot->step,
				       "documents within a document");
	if (!p.alias && node->count &&
	    (node->type == ATIO_SEQ || node->type == ATIO_MAP))
		return put_collection(d, node, spot, p.any);
	if (!p.alias && p.tag && node->type == ATIO_BYTES)
		return atio_value_fail(d->err, EOPNOTSUPP, spot->step,
				       "bytes with another tag than !!binary");
	if (!p.alias && !is_bare(node, spot, &p)) {
		begin_inline(d, spot, &p);
		complete = put_scalar(d, node, spot, p.tag);
	}
	if (!complete && spot->place != ATIO_YAML_KEY)
		atio_out_char(d->out, '\n');
	return 0;
}

/* ---- documents ------------------------------------------------------- */

static int put_document(struct dumper *d, const struct atio_node *root,
			const struct atio_step *step)
{
	struct spot spot = {.place = ATIO_YAML_ROOT, .step = step};
	int r;

	r = atio_yaml_share_new(root, &d->share);
	if (r < 0)
		return atio_value_fail(d->err, -r, step, "out of memory");
	r = put_value(d, root, &spot);
	atio_yaml_share_free(d->share);
	d->share = NULL;
	return r;
}

int atio_yaml_dump(const struct atio_codec *codec, const struct atio_node *root,
		   struct atio_out *out, struct atio_value_error *err)
{
	struct dumper d = {.out = out, .err = err};
	struct atio_step step = {0};
	int r = 0;

	if (root->type != ATIO_STREAM)
		r = put_document(&d, root, NULL);
	else
		for (; step.index < root->count && r == 0; step.index++) {
			atio_out_text(out, "---\n");
			r = put_document(&d, root->items[step.index], &step);
		}
	/* What is wrong with @out is for the caller to say. */
	return r == out->failed ? 0 : r;
}
