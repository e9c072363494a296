/* SPDX-License-Identifier: MIT
 *
 * fit.c - what each format can hold.
 *
 * The first pass of a conversion.  All that can be refused is refused here,
 * with the pointer of the value, so that the second pass (convert.c) only
 * makes; and where nothing has to be made, there is none.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "value/fit.h"

/* ---- the table ------------------------------------------------------- */

#define TYPES   (ATIO_STREAM + 1)
#define TARGETS (ATIO_TO_SAME + 1)

#define K ATIO_KEEP
#define T ATIO_RETYPE
#define L ATIO_LOOK
#define G ATIO_GO_IN
#define U ATIO_UNWRAP
#define A ATIO_EXPAND
#define R ATIO_REFUSE

/* In the order of enum atio_type: null, bool, int, bigint, float, string,
 * bytes, datetime, seq, map, tagged, alias, stream.  YAML has no type for
 * dates, but its writer writes them plainly; seqs and maps of CSV and XML are
 * looked at in fit_shape.c, and streams in atio_fit_root. */
static const uint8_t verdicts[TARGETS][TYPES] = {
	[ATIO_TO_JSON] = {K, K, K, K, L, K, T, T, G, G, R, A, R},
	[ATIO_TO_YAML] = {K, K, K, K, K, K, K, K, G, G, U, K, R},
	[ATIO_TO_TOML] = {R, K, K, R, K, K, T, K, G, G, R, A, R},
	[ATIO_TO_CSV] = {T, T, T, T, T, L, T, T, R, R, R, A, R},
	[ATIO_TO_XML] = {R, T, T, T, T, L, T, T, R, R, R, A, R},
	[ATIO_TO_TXT] = {T, T, T, T, T, K, T, T, R, R, R, A, R},
	[ATIO_TO_TYPED] = {K, K, K, K, K, K, K, K, G, G, U, A, R},
	[ATIO_TO_COPY] = {K, K, K, K, K, K, K, K, G, G, U, A, R},
	[ATIO_TO_SAME] = {K, K, K, K, K, K, K, K, G, G, U, K, R},
};

#undef K
#undef T
#undef L
#undef G
#undef U
#undef A
#undef R

enum atio_verdict atio_verdict_of(enum atio_target target, enum atio_type type)
{
	return verdicts[target][type];
}

const char *atio_target_name(enum atio_target target)
{
	static const char *const names[TARGETS] = {
		[ATIO_TO_JSON] = "JSON",        [ATIO_TO_YAML] = "YAML",
		[ATIO_TO_TOML] = "TOML",        [ATIO_TO_CSV] = "CSV",
		[ATIO_TO_XML] = "XML",          [ATIO_TO_TXT] = "a text file",
		[ATIO_TO_TYPED] = "typed JSON", [ATIO_TO_COPY] = "a copy",
		[ATIO_TO_SAME] = "a copy",
	};

	return names[target];
}

bool atio_target_merges(enum atio_target target)
{
	return target != ATIO_TO_YAML && target != ATIO_TO_COPY &&
	       target != ATIO_TO_SAME;
}

/* Whether keys may be of any type, and there may be several documents. */
static bool holds_yaml(enum atio_target target)
{
	return target == ATIO_TO_TYPED || !atio_target_merges(target);
}

bool atio_is_no_value(const struct atio_node *root, enum atio_target target,
		      enum atio_type *ret_type)
{
	enum atio_type type = target == ATIO_TO_TOML  ? ATIO_MAP
			      : target == ATIO_TO_CSV ? ATIO_SEQ
			      : target == ATIO_TO_TXT ? ATIO_STRING
						      : ATIO_NULL;

	if (!atio_node_is_nothing(root) || root->type != ATIO_NULL)
		return false;
	if (ret_type)
		*ret_type = type;
	return true;
}

/* ---- refusing -------------------------------------------------------- */

static int refuse(struct atio_fit *fit, const struct atio_node *node,
		  const struct atio_level *at)
{
	const struct atio_step *step = atio_level_step(at);
	struct atio_value_error *err = fit->walk.err;
	const char *target = atio_target_name(fit->target);

	switch ((enum atio_type)node->type) {
	case ATIO_NULL:
		return atio_value_fail(err, EOPNOTSUPP, step, "%s has no null",
				       target);
	case ATIO_BIGINT:
		return atio_value_fail(err, ERANGE, step,
				       "%s has no integer beyond 64 bits",
				       target);
	case ATIO_FLOAT:
		return atio_value_fail(err, EOPNOTSUPP, step, "%s has no %s",
				       target,
				       isnan(node->real) ? "nan" : "infinity");
	case ATIO_TAGGED:
		return atio_value_fail(err, EOPNOTSUPP, step,
				       "%s has no tags, such as '%.64s'",
				       target, node->text);
	case ATIO_STREAM:
		return atio_value_fail(
			err, EOPNOTSUPP, step, "%s holds one document, not %s",
			target, at ? "a stream within one" : "several of them");
	default:
		return atio_value_fail(err, EOPNOTSUPP, step,
				       "%s cannot hold a %s here", target,
				       atio_type_name(node->type));
	}
}

/* XML's characters: #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | beyond.
 * What UTF-8 can hold but XML cannot: the other controls, U+FFFE and U+FFFF. */
static bool is_xml_text(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t i;

	for (i = 0; i < len; i++) {
		if (s[i] < 0x20 && s[i] != '\t' && s[i] != '\n' && s[i] != '\r')
			return false;
		if (s[i] == 0xEF && len - i >= 3 && s[i + 1] == 0xBF &&
		    s[i + 2] >= 0xBE)
			return false;
	}
	return true;
}

static int look_at_string(struct atio_fit *fit, const struct atio_node *node,
			  const struct atio_level *at)
{
	bool nul = memchr(node->text, '\0', node->count);

	if (!nul && (fit->target != ATIO_TO_XML ||
		     is_xml_text(node->text, node->count)))
		return 0;
	return atio_value_fail(fit->walk.err, EOPNOTSUPP, atio_level_step(at),
			       "%s cannot hold a %s",
			       atio_target_name(fit->target),
			       nul ? "NUL" : "control character");
}

static int look_closer(struct atio_fit *fit, const struct atio_node *node,
		       const struct atio_level *at)
{
	if (node->type == ATIO_STRING)
		return look_at_string(fit, node, at);
	return isfinite(node->real) ? 0 : refuse(fit, node, at);
}

/* ---- values ---------------------------------------------------------- */

int atio_fit_value(struct atio_fit *fit, const struct atio_node *node,
		   struct atio_level *at)
{
	int r = atio_walk_count(&fit->walk, node, at);

	return r < 0 ? r : atio_fit_judge(fit, node, at);
}

static int fit_seq(struct atio_fit *fit, const struct atio_node *seq,
		   struct atio_level *at)
{
	struct atio_level level = {{atio_level_step(at), NULL, 0}, NULL};
	size_t i;
	int r;

	r = atio_walk_enter(&fit->walk, at);
	if (r < 0)
		return r;
	for (i = 0; r == 0 && i < seq->count; i++) {
		level.step.index = i;
		level.node = seq->items[i];
		r = atio_fit_value(fit, seq->items[i], &level);
	}
	fit->walk.depth--;
	return r;
}

int atio_fit_key(struct atio_fit *fit, const struct atio_node *key,
		 struct atio_level *at)
{
	struct atio_level level = *at;

	if (holds_yaml(fit->target)) {
		level.node = key;
		return atio_fit_value(fit, key, &level);
	}
	while (key->type == ATIO_ALIAS) {
		fit->changes = true;
		key = key->inner;
	}
	if (key->type != ATIO_STRING)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, &at->step,
				       "%s has only strings as keys, and here "
				       "one is of the type %s",
				       atio_target_name(fit->target),
				       atio_type_name(key->type));
	return atio_walk_count(&fit->walk, key, at);
}

static int fit_members(struct atio_fit *fit, const struct atio_node *map,
		       struct atio_level *at)
{
	struct atio_level level = {{atio_level_step(at), NULL, 0}, NULL};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < map->count; i++) {
		level.step.key = map->pairs[i].key;
		level.node = map->pairs[i].value;
		r = atio_fit_key(fit, map->pairs[i].key, &level);
		if (r == 0)
			r = atio_fit_value(fit, map->pairs[i].value, &level);
	}
	return r;
}

/* What stands in a map that merges counts as expanded. */
static int fit_merged(struct atio_fit *fit, const struct atio_node *map,
		      struct atio_level *at)
{
	int r;

	fit->changes = true;
	fit->walk.expanding++;
	r = atio_walk_merge(&fit->walk, map, at, &map);
	if (r == 0)
		r = fit_members(fit, map, at);
	fit->walk.expanding--;
	return r;
}

static int fit_map(struct atio_fit *fit, const struct atio_node *map,
		   struct atio_level *at)
{
	int r;

	r = atio_walk_enter(&fit->walk, at);
	if (r < 0)
		return r;
	if (atio_target_merges(fit->target) && atio_map_merges(map))
		r = fit_merged(fit, map, at);
	else
		r = fit_members(fit, map, at);
	fit->walk.depth--;
	return r;
}

static int fit_alias(struct atio_fit *fit, const struct atio_node *alias,
		     struct atio_level *at)
{
	const struct atio_node *node;
	int r;

	fit->changes = true;
	r = atio_walk_alias(&fit->walk, alias, at, &node);
	if (r < 0)
		return r;
	/* It was counted, and what comes in its place is. */
	if (fit->walk.expanding)
		fit->walk.alias_nodes--;
	else
		fit->walk.nodes--;
	fit->walk.expanding++;
	r = atio_fit_value(fit, node, at);
	fit->walk.expanding--;
	return r;
}

int atio_fit_judge(struct atio_fit *fit, const struct atio_node *node,
		   struct atio_level *at)
{
	switch ((enum atio_verdict)verdicts[fit->target][node->type]) {
	case ATIO_KEEP:
		return 0;
	case ATIO_RETYPE:
		fit->changes = true;
		return 0;
	case ATIO_LOOK:
		return look_closer(fit, node, at);
	case ATIO_GO_IN:
		return node->type == ATIO_SEQ ? fit_seq(fit, node, at)
					      : fit_map(fit, node, at);
	case ATIO_UNWRAP:
		return atio_fit_value(fit, node->inner, at);
	case ATIO_EXPAND:
		return fit_alias(fit, node, at);
	case ATIO_REFUSE:
		break;
	}
	return refuse(fit, node, at);
}

int atio_fit_resolve(struct atio_fit *fit, const struct atio_node **node,
		     struct atio_level *at)
{
	struct atio_walk *walk = &fit->walk;
	int r;

	if ((*node)->type == ATIO_ALIAS) {
		fit->changes = true;
		r = atio_walk_alias(walk, *node, at, node);
		if (r < 0)
			return r;
		walk->expanding++;
	}
	r = atio_walk_count(walk, *node, at);
	if (r < 0 || (*node)->type != ATIO_MAP || !atio_map_merges(*node))
		return r;
	fit->changes = true;
	walk->expanding++;
	return atio_walk_merge(walk, *node, at, node);
}

/* ---- the root -------------------------------------------------------- */

static int fit_stream(struct atio_fit *fit, const struct atio_node *stream)
{
	struct atio_level level = {{NULL, NULL, 0}, NULL};
	size_t i;
	int r;

	r = atio_walk_count(&fit->walk, stream, NULL);
	for (i = 0; r == 0 && i < stream->count; i++) {
		level.step.index = i;
		level.node = stream->items[i];
		r = atio_fit_value(fit, stream->items[i], &level);
	}
	return r;
}

static int fit_toml(struct atio_fit *fit, const struct atio_node *root)
{
	const struct atio_node *node = root;

	while (node->type == ATIO_ALIAS)
		node = node->inner;
	if (node->type != ATIO_MAP && node->type != ATIO_STREAM)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, NULL,
				       "TOML is a map at the top, not %s",
				       atio_type_phrase(node->type));
	return atio_fit_value(fit, root, NULL);
}

static int fit_no_value(struct atio_fit *fit, const struct atio_node *root,
			enum atio_type type)
{
	if (fit->target == ATIO_TO_XML)
		return atio_value_fail(fit->walk.err, EOPNOTSUPP, NULL,
				       "there is no value, and XML is one "
				       "element, no more and no less");
	if (type != ATIO_NULL)
		fit->changes = true;
	return atio_walk_count(&fit->walk, root, NULL);
}

int atio_fit_root(struct atio_fit *fit, const struct atio_node *root)
{
	enum atio_type type;

	fit->walk.root = root;
	if (atio_is_no_value(root, fit->target, &type))
		return fit_no_value(fit, root, type);
	switch (fit->target) {
	case ATIO_TO_TOML:
		return fit_toml(fit, root);
	case ATIO_TO_CSV:
		return atio_fit_table(fit);
	case ATIO_TO_XML:
		return atio_fit_elements(fit);
	default:
		break;
	}
	if (root->type == ATIO_STREAM && holds_yaml(fit->target))
		return fit_stream(fit, root);
	return atio_fit_value(fit, root, NULL);
}
