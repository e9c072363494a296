/* SPDX-License-Identifier: MIT
 *
 * yaml_load.c - from the events of libyaml to values.
 *
 * For each collection that is open there is a frame here, besides the one of
 * the builder: it knows the node, whose span is completed at its end.
 *
 * A key is hashed and compared with its aliases expanded, so a key must not
 * hold an alias of what it is itself in, and all keys with aliases together are
 * not larger than the limit for expanded aliases.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "format/yaml.h"

#define KEY_DEPTH_MOST 1000 /* with the aliases expanded */

struct open {
	struct atio_node *node; /* as it was placed: with its tag around it */
	size_t told;            /* keys and values so far */
	bool map;
};

struct loader {
	struct atio_builder *b;
	struct atio_yaml_source source;
	struct atio_yaml_gaps gaps;
	yaml_parser_t parser;
	struct open *open;
	size_t depth, room;
	size_t last;      /* where the last value ends */
	size_t key_nodes; /* of keys with aliases */
	bool later;       /* not the first document */
	bool unended;     /* the document before has no `...` */
	bool tags, aliases;
};

/* A node that is about to be told. */
struct node {
	size_t start, end; /* of the event */
	size_t content;    /* after anchor and tag */
	size_t span;       /* where the span begins: at the tag, if any */
	bool wrapped;      /* it will be a TAGGED */
};

static size_t start_of(struct loader *l, const yaml_event_t *event)
{
	return atio_yaml_source_offset(&l->source, event->start_mark.index);
}

static size_t end_of(struct loader *l, const yaml_event_t *event)
{
	return atio_yaml_source_offset(&l->source, event->end_mark.index);
}

/* ---- keys ------------------------------------------------------------ */

static bool is_open(const struct loader *l, const struct atio_node *node)
{
	size_t i;

	for (i = 0; i < l->depth; i++)
		if (l->open[i].node == node)
			return true;
	return false;
}

static int count_key(struct loader *l, const struct atio_node *node,
		     size_t depth)
{
	size_t i;
	int r = 0;

	if (++l->key_nodes > l->b->limits.alias_nodes)
		return -EFBIG;
	if (depth > KEY_DEPTH_MOST ||
	    (node->type == ATIO_ALIAS && is_open(l, node->inner)))
		return -ELOOP;
	if (node->type == ATIO_ALIAS || node->type == ATIO_TAGGED)
		return count_key(l, node->inner, depth + 1);
	if (node->type == ATIO_SEQ)
		for (i = 0; i < node->count && r == 0; i++)
			r = count_key(l, node->items[i], depth + 1);
	if (node->type == ATIO_MAP)
		for (i = 0; i < node->count && r == 0; i++) {
			r = count_key(l, node->pairs[i].key, depth + 1);
			if (r == 0)
				r = count_key(l, node->pairs[i].value,
					      depth + 1);
		}
	return r;
}

static int check_key(struct loader *l, const struct atio_node *key, size_t at)
{
	int r;

	if (!l->aliases || key->type == ATIO_STRING)
		return 0;
	r = count_key(l, key, 0);
	if (r == -ELOOP)
		return atio_build_fail(l->b, ELOOP, at,
				       "a key holds an alias of what it is in");
	if (r == -EFBIG)
		return atio_build_fail(l->b, EFBIG, at,
				       "keys of more than %zu values when "
				       "their aliases are expanded",
				       l->b->limits.alias_nodes);
	return 0;
}

/* ---- placing values -------------------------------------------------- */

/* What was told last: its node, with its tag. */
static struct atio_node *placed(const struct loader *l)
{
	return l->depth ? l->b->stack[l->b->count - 1] : l->b->doc->root;
}

static bool expects_key(const struct loader *l)
{
	const struct open *in = l->depth ? &l->open[l->depth - 1] : NULL;

	return in && in->map && in->told % 2 == 0;
}

/* A value is complete; it began at @at. */
static int told(struct loader *l, const struct atio_node *node, size_t at)
{
	int r = 0;

	if (expects_key(l))
		r = check_key(l, node, at);
	if (l->depth)
		l->open[l->depth - 1].told++;
	return r;
}

/* From @start to @end, for a node that is wrapped. */
static void set_span(const struct loader *l, struct atio_node *node,
		     size_t start, size_t end)
{
	node->offset = (uint32_t)(start + l->b->shift);
	node->length = (uint32_t)(end - start);
}

/* ---- anchors and tags ------------------------------------------------ */

/* Look for them where @event begins, and tell of the anchor. */
static int begin_node(struct loader *l, const yaml_event_t *event,
		      const yaml_char_t *anchor, const yaml_char_t *tag,
		      struct node *node)
{
	struct atio_yaml_properties properties;
	struct atio_builder *b = l->b;

	*node = (struct node){.start = start_of(l, event)};
	node->end = end_of(l, event);
	node->content = node->span = node->start;
	if (atio_yaml_gap(&l->gaps, node->start) < 0)
		return b->failed;
	b->offset = node->start;
	if (!anchor && !tag)
		return 0;
	if (atio_yaml_properties(&l->gaps, node->end, &properties) < 0)
		return b->failed;
	node->span = node->content = properties.content;
	if (tag)
		l->tags = true;
	if (properties.tag != SIZE_MAX)
		node->span = properties.tag;
	if (!anchor)
		return 0;
	return atio_build_anchor(b, (const char *)anchor,
				 strlen((const char *)anchor));
}

/* The part of @tag behind tag:yaml.org,2002:, or NULL. */
static const char *own_tag(const char *tag)
{
	if (strncmp(tag, ATIO_YAML_TAGS, ATIO_YAML_TAGS_LEN) != 0)
		return NULL;
	return tag + ATIO_YAML_TAGS_LEN;
}

static int check_tag(struct loader *l, const struct node *node, const char *tag)
{
	const char *text = l->source.text + node->span;

	if (strcmp(tag, "!") == 0 && node->end - node->span > 1 &&
	    text[1] == '<')
		return atio_build_fail(l->b, EINVAL, node->span,
				       "'!' is no tag by itself");
	return 0;
}

static int wrap(struct loader *l, struct node *node, const char *tag)
{
	node->wrapped = true;
	l->b->offset = node->span;
	return atio_build_tag(l->b, tag, strlen(tag));
}

/* ---- scalars --------------------------------------------------------- */

static const uint8_t scalar_styles[] = {
	[YAML_ANY_SCALAR_STYLE] = ATIO_STYLE_ANY,
	[YAML_PLAIN_SCALAR_STYLE] = ATIO_STYLE_PLAIN,
	[YAML_SINGLE_QUOTED_SCALAR_STYLE] = ATIO_STYLE_SINGLE,
	[YAML_DOUBLE_QUOTED_SCALAR_STYLE] = ATIO_STYLE_DOUBLE,
	[YAML_LITERAL_SCALAR_STYLE] = ATIO_STYLE_LITERAL,
	[YAML_FOLDED_SCALAR_STYLE] = ATIO_STYLE_FOLDED,
};

static bool is_quoted(yaml_scalar_style_t style)
{
	return style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
	       style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
}

/* Set where the node is in the source, and how it is written there. */
static void set_source(struct loader *l, size_t start, size_t end, int style)
{
	l->b->offset = start;
	l->b->length = end - start;
	l->b->style = (enum atio_style)style;
}

static int build_untagged(struct loader *l, const char *text, size_t len)
{
	if (l->b->style == ATIO_STYLE_PLAIN)
		return atio_yaml_build_plain(l->b, text, len);
	return atio_build_text(l->b, ATIO_STRING, text, len);
}

static int build_scalar(struct loader *l, struct node *node, const char *tag,
			const char *text, size_t len)
{
	int style = (int)l->b->style, r = 1;

	if (!tag)
		return build_untagged(l, text, len);
	if (check_tag(l, node, tag) < 0)
		return l->b->failed;
	if (strcmp(tag, "!") == 0)
		return atio_build_text(l->b, ATIO_STRING, text, len);
	if (own_tag(tag))
		r = atio_yaml_build_tagged(l->b, own_tag(tag), text, len);
	if (r <= 0)
		return r;
	if (wrap(l, node, tag) < 0)
		return l->b->failed;
	set_source(l, node->content, l->last, style);
	return build_untagged(l, text, len);
}

/* Where the content ends; what comes next is a gap. */
static int pass_scalar(struct loader *l, const struct node *node,
		       yaml_scalar_style_t style)
{
	l->last = node->end;
	if (style == YAML_LITERAL_SCALAR_STYLE ||
	    style == YAML_FOLDED_SCALAR_STYLE)
		return atio_yaml_block_scalar(&l->gaps, node->content,
					      node->end, &l->last);
	l->gaps.at = node->end;
	return 0;
}

static int on_scalar(struct loader *l, yaml_event_t *event)
{
	char *text = (char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	yaml_scalar_style_t style = event->data.scalar.style;
	const char *tag = (const char *)event->data.scalar.tag;
	bool unprintable;
	struct node node;

	if (begin_node(l, event, event->data.scalar.anchor,
		       event->data.scalar.tag, &node) < 0 ||
	    pass_scalar(l, &node, style) < 0)
		return l->b->failed;
	len = atio_yaml_source_restore(&l->source, text, len, &unprintable);
	if (unprintable && !is_quoted(style))
		return atio_build_fail(
			l->b, EINVAL,
			atio_yaml_source_unprintable(&l->source, node.content,
						     node.end),
			"a control character outside of quotes");
	set_source(l, node.span, l->last, scalar_styles[style]);
	if (build_scalar(l, &node, tag, text, len) < 0)
		return l->b->failed;
	if (node.wrapped)
		set_span(l, placed(l), node.span, l->last);
	return told(l, placed(l), node.start);
}

static int on_alias(struct loader *l, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	struct atio_builder *b = l->b;
	size_t start = start_of(l, event), end = end_of(l, event);
	const char *after = l->source.text + end;

	if (atio_yaml_gap(&l->gaps, start) < 0)
		return b->failed;
	l->gaps.at = l->last = end;
	l->aliases = true;
	/* An alias may be a key with the colon at it: names with a colon are
	 * not known here. */
	if (end < l->source.end && !strchr(" \t\r\n,[]{}:", *after))
		return atio_build_fail(b, EINVAL, end,
				       "an alias of other than letters, "
				       "digits, _ and -");
	if (!b->anchors || !atio_node_member(b->anchors, name, strlen(name)))
		return atio_build_fail(b, EINVAL, start,
				       "no anchor '%.64s' before this alias",
				       name);
	set_source(l, start, end, ATIO_STYLE_PLAIN);
	if (atio_build_alias(b, name, strlen(name)) < 0)
		return b->failed;
	return told(l, placed(l), start);
}

/* ---- collections ----------------------------------------------------- */

static int open_collection(struct loader *l, bool map)
{
	size_t room = l->room ? l->room * 2 : 32;
	struct open *larger;

	if (l->depth == l->room) {
		larger = reallocarray(l->open, room, sizeof(*larger));
		if (!larger)
			return atio_build_fail(l->b, ENOMEM, l->b->offset,
					       "out of memory");
		l->open = larger;
		l->room = room;
	}
	l->open[l->depth] = (struct open){.node = placed(l), .map = map};
	l->depth++;
	return 0;
}

static int tag_collection(struct loader *l, struct node *node, const char *tag,
			  bool map)
{
	static const char *const scalars[] = {
		"str", "null", "bool", "int", "float", "binary", "timestamp"};
	const char *name = own_tag(tag);
	size_t i;

	if (check_tag(l, node, tag) < 0)
		return l->b->failed;
	if (strcmp(tag, "!") == 0)
		return 0;
	if (!name)
		return wrap(l, node, tag);
	if (strcmp(name, map ? "map" : "seq") == 0)
		return 0;
	for (i = 0; i < sizeof(scalars) / sizeof(*scalars); i++)
		if (strcmp(name, scalars[i]) == 0)
			break;
	if (i < sizeof(scalars) / sizeof(*scalars) ||
	    strcmp(name, map ? "seq" : "map") == 0)
		return atio_build_fail(l->b, EINVAL, node->span,
				       "a %s does not fit its tag !!%s",
				       map ? "map" : "list", name);
	return wrap(l, node, tag);
}

static int on_begin(struct loader *l, const yaml_event_t *event, bool map)
{
	const yaml_char_t *anchor = map ? event->data.mapping_start.anchor
					: event->data.sequence_start.anchor;
	const yaml_char_t *tag = map ? event->data.mapping_start.tag
				     : event->data.sequence_start.tag;
	bool flow =
		map ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
		    : event->data.sequence_start.style ==
				YAML_FLOW_SEQUENCE_STYLE;
	struct node node;
	size_t begin;
	int r;

	if (begin_node(l, event, anchor, tag, &node) < 0)
		return l->b->failed;
	if (tag && tag_collection(l, &node, (const char *)tag, map) < 0)
		return l->b->failed;
	begin = node.wrapped ? node.content : node.span;
	/* At least one byte, so that the builder takes it for a span. */
	set_source(l, begin, begin + 1,
		   flow ? ATIO_STYLE_FLOW : ATIO_STYLE_BLOCK);
	r = map ? atio_build_map(l->b) : atio_build_seq(l->b);
	if (r < 0)
		return r;
	r = open_collection(l, map);
	if (r == 0 && node.wrapped)
		set_span(l, l->open[l->depth - 1].node, node.span, node.span);
	return r;
}

static int on_end(struct loader *l, const yaml_event_t *event)
{
	size_t start = start_of(l, event), end = end_of(l, event), begin;
	struct atio_node *node = l->open[l->depth - 1].node;

	/* The end of block collections, and of a map in a list as [a: b], is
	 * that of its last value; flow collections have a bracket. */
	if (end > start) {
		if (atio_yaml_gap(&l->gaps, start) < 0)
			return l->b->failed;
		l->gaps.at = l->last = end;
	}
	if (atio_build_end_at(l->b, l->last) < 0)
		return l->b->failed;
	l->depth--;
	begin = node->offset - l->b->shift;
	if (node->type == ATIO_TAGGED)
		set_span(l, node, begin, l->last);
	return told(l, node, begin);
}

/* ---- documents ------------------------------------------------------- */

static int on_document(struct loader *l, const yaml_event_t *event)
{
	size_t start = start_of(l, event);

	l->b->offset = start;
	if (l->unended && start < l->source.end && l->source.text[start] == '%')
		return atio_build_fail(l->b, EINVAL, start,
				       "directives without '...' before them");
	l->unended = true;
	if (l->later && atio_build_document(l->b) < 0)
		return l->b->failed;
	l->later = true;
	return 0;
}

static int on_event(struct loader *l, yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(l, event);
	case YAML_ALIAS_EVENT:
		return on_alias(l, event);
	case YAML_SCALAR_EVENT:
		return on_scalar(l, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_begin(l, event, false);
	case YAML_MAPPING_START_EVENT:
		return on_begin(l, event, true);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(l, event);
	case YAML_STREAM_END_EVENT:
		return atio_yaml_gap(&l->gaps, l->source.end);
	default:
		return 0;
	}
}

/* ---- libyaml --------------------------------------------------------- */

/* What libyaml says, or rather, if that means little to a user. */
static const char *problem_at(const struct loader *l, size_t at)
{
	static const char *const others[][2] = {
		{"did not find expected <document start>",
		 "more than one value; another document begins with '---'"},
		{"mapping values are not allowed in this context",
		 "no key can stand before this ':'"},
		{"block sequence entries are not allowed in this context",
		 "no list can begin here"},
		{"found character that cannot start any token",
		 "no value can begin with this character"},
	};
	const char *problem = l->parser.problem;
	size_t i;

	if (!problem)
		return "not valid";
	if (at < l->source.end && l->source.text[at] == '\t')
		return "a tab where it would indent";
	for (i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (strcmp(problem, others[i][0]) == 0)
			return others[i][1];
	return problem;
}

/* At the place that it means. */
static int parser_failed(struct loader *l)
{
	const yaml_parser_t *parser = &l->parser;
	const char *context = parser->context;
	size_t at, from, line, column;

	if (parser->error == YAML_MEMORY_ERROR)
		return atio_build_fail(l->b, ENOMEM, l->gaps.at,
				       "out of memory");
	if (parser->error == YAML_READER_ERROR)
		at = atio_yaml_source_fed(&l->source, parser->problem_offset);
	else
		at = atio_yaml_source_offset(&l->source,
					     parser->problem_mark.index);
	if (!context ||
	    strcmp(context, "while scanning for the next token") == 0)
		return atio_build_fail(l->b, EINVAL, at, "%s",
				       problem_at(l, at));
	from = atio_yaml_source_offset(&l->source, parser->context_mark.index);
	atio_text_position(l->source.text, l->source.len, from, &line, &column);
	return atio_build_fail(l->b, EINVAL, at, "%s, %s from line %zu",
			       problem_at(l, at), context, line);
}

static int read_events(struct loader *l)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	yaml_event_t event;
	int r = 0;

	while (r == 0 && type != YAML_STREAM_END_EVENT) {
		if (!yaml_parser_parse(&l->parser, &event))
			return parser_failed(l);
		type = event.type;
		r = on_event(l, &event);
		yaml_event_delete(&event);
	}
	return r;
}

static int load_part(struct loader *l)
{
	const char *feed;
	size_t len;
	int r;

	l->unended = false;
	if (!yaml_parser_initialize(&l->parser))
		return atio_build_fail(l->b, ENOMEM, l->gaps.at,
				       "out of memory");
	feed = atio_yaml_source_feed(&l->source, &len);
	yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l->parser, (const unsigned char *)feed,
				     len);
	r = read_events(l);
	yaml_parser_delete(&l->parser);
	return r;
}

int atio_yaml_load(const struct atio_codec *codec, struct atio_builder *b,
		   const char *text, size_t len)
{
	struct loader l = {.b = b};
	int r;

	atio_yaml_source_init(&l.source, text, len);
	l.gaps = (struct atio_yaml_gaps){.b = b, .source = &l.source};
	while ((r = atio_yaml_next_part(&l.gaps)) > 0) {
		r = load_part(&l);
		if (r < 0)
			break;
	}
	if (l.gaps.comments)
		b->doc->traits |= ATIO_DOC_COMMENTS;
	if (l.tags)
		b->doc->traits |= ATIO_DOC_TAGS;
	atio_yaml_source_done(&l.source);
	free(l.open);
	return r;
}
