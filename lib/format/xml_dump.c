/* SPDX-License-Identifier: MIT
 *
 * xml_dump.c - a tree as XML 1.0, in UTF-8.
 *
 * What xml_tree.c says of reading, the other way round; what would be read back
 * as something else is refused, with the pointer of the value:
 *
 *	a list of none, or of one      nothing, or the element itself
 *	an empty map                   an empty text
 *	an empty "@attributes"         no "@attributes"
 *	"#text" without attributes     the text itself
 *	an empty "#text"               no "#text"
 *	"#text" beside elements        mixed content
 *	keys that are no names, text with characters that XML does not have
 *
 * "@attributes" may stand behind elements: a start tag is written when all of
 * its map is known.
 *
 * Elements are indented only where the blanks between them are dropped when
 *they are read.  The walk has a stack of its own, for a tree may be deep.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/xml.h"

#define INDENT        2
#define INDENT_LEVELS 64 /* deeper ones are not indented more */

static const char declaration[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/* A map whose elements are being written.  The lowest one is the root of the
 * tree; any other is an element, whose tag is open. */
struct level {
	const struct atio_node *map;
	uint32_t next;             /* member: the present one is before it */
	uint32_t item;             /* of that one, if it is a list; the same */
	struct atio_step steps[2]; /* to both, when something fails */
};

struct writer {
	struct atio_out *out;
	struct atio_value_error *err;
	struct level *levels;
	size_t depth, room;
	/* While they are written, the key of the attributes in their map. */
	const struct atio_node *attributes;
	/* For names that are not ASCII: expat, and what it is given. */
	XML_Parser parser;
	struct atio_out sample;
};

static struct level *top(struct writer *w)
{
	return &w->levels[w->depth - 1];
}

static const struct atio_node *present_key(const struct level *level)
{
	return level->map->pairs[level->next - 1].key;
}

/* ---- failing --------------------------------------------------------- */

/* The way to what is being written. */
static const struct atio_step *path(struct writer *w)
{
	const struct atio_step *up = NULL;
	struct level *level;
	size_t i;

	for (i = 0; i < w->depth; i++) {
		level = &w->levels[i];
		if (!level->next)
			break;
		level->steps[0] = (struct atio_step){up, present_key(level), 0};
		up = &level->steps[0];
		if (!level->item)
			continue;
		level->steps[1] = (struct atio_step){up, NULL, level->item - 1};
		up = &level->steps[1];
	}
	return up;
}

/* @member: the key of an attribute, or of "@attributes" or "#text"; NULL: what
 * is being written itself. */
static int refuse(struct writer *w, const struct atio_node *member,
		  const char *why)
{
	struct atio_step attributes = {path(w), w->attributes, 0};
	const struct atio_step *up =
		w->attributes ? &attributes : attributes.up;
	struct atio_step step = {up, member, 0};

	return atio_value_fail(w->err, EOPNOTSUPP, member ? &step : up,
			       "XML cannot hold %s", why);
}

static int no_memory(struct writer *w)
{
	return atio_value_fail(w->err, ENOMEM, path(w), "out of memory");
}

/* ---- names ----------------------------------------------------------- */

static bool is_letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c == ':';
}

/* Whether the characters of @name that are ASCII can stand where they do. */
static bool ascii_is_right(const char *name, size_t len, bool *ret_all)
{
	unsigned char c;
	size_t i;

	*ret_all = true;
	for (i = 0; i < len; i++) {
		c = (unsigned char)name[i];
		if (c >= 0x80)
			*ret_all = false;
		else if (!is_letter(c) &&
			 (!i || !c || !strchr("0123456789.-", c)))
			return false;
	}
	return len != 0;
}

/* Of this library, so that a test can let it fail. */
static const XML_Memory_Handling_Suite memory = {
	.malloc_fcn = malloc,
	.realloc_fcn = realloc,
	.free_fcn = free,
};

/* The reader decides: what it takes for a name is one.  1: yes; 0: no. */
static int ask_parser(struct writer *w, const char *name, size_t len)
{
	enum XML_Status status;

	if (w->parser)
		(void)XML_ParserReset(w->parser, NULL);
	else
		w->parser = XML_ParserCreate_MM(NULL, &memory, NULL);
	w->sample.len = 0;
	atio_out_char(&w->sample, '<');
	atio_out_put(&w->sample, name, len);
	atio_out_text(&w->sample, "/>");
	if (!w->parser || w->sample.failed)
		return no_memory(w);
	status = XML_Parse(w->parser, w->sample.bytes, (int)w->sample.len, 1);
	if (status != XML_STATUS_OK &&
	    XML_GetErrorCode(w->parser) == XML_ERROR_NO_MEMORY)
		return no_memory(w);
	return status == XML_STATUS_OK;
}

/* @member: as for refuse. */
static int check_name(struct writer *w, const struct atio_node *key,
		      const struct atio_node *member)
{
	bool ascii;
	int r;

	r = ascii_is_right(key->text, key->count, &ascii);
	if (r && !ascii)
		r = ask_parser(w, key->text, key->count);
	if (r < 0)
		return r;
	return r ? 0 : refuse(w, member, "a key that is no name");
}

/* ---- text ------------------------------------------------------------ */

/* What stands for @text[0]; "": it is as it is; NULL: nothing does. */
static const char *escape(const char *text, size_t len, bool attribute)
{
	unsigned char c = (unsigned char)text[0];

	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\r':
		return "&#13;";
	case '"':
		return attribute ? "&quot;" : "";
	case '\t':
		return attribute ? "&#9;" : "";
	case '\n':
		return attribute ? "&#10;" : "";
	case 0xEF: /* U+FFFE, U+FFFF */
		if (len >= 3 && text[1] == '\xBF' &&
		    (unsigned char)text[2] >= 0xBE)
			return NULL;
		return "";
	default:
		return c < ' ' ? NULL : "";
	}
}

static int refuse_character(struct writer *w, const struct atio_node *key,
			    const char *text)
{
	char why[sizeof("the character U+10FFFF")];
	size_t n;

	(void)snprintf(why, sizeof(why), "the character U+%04X",
		       (unsigned)atio_utf8_get(text, &n) & 0x1FFFFF);
	return refuse(w, key, why);
}

/* @key: as for refuse. */
static int put_text(struct writer *w, const struct atio_node *node,
		    const struct atio_node *key, bool attribute)
{
	const char *text = node->text, *instead;
	size_t i, done = 0, len = node->count;

	for (i = 0; i < len; i++) {
		instead = escape(text + i, len - i, attribute);
		if (!instead)
			return refuse_character(w, key, text + i);
		if (!*instead)
			continue;
		atio_out_put(w->out, text + done, i - done);
		atio_out_text(w->out, instead);
		done = i + 1;
	}
	atio_out_put(w->out, text + done, len - done);
	return 0;
}

/* ---- tags ------------------------------------------------------------ */

static bool is_key(const struct atio_node *key, const char *name)
{
	return key->count == strlen(name) &&
	       memcmp(key->text, name, key->count) == 0;
}

static void put_name(struct writer *w, const struct atio_node *key)
{
	atio_out_put(w->out, key->text, key->count);
}

static void put_indent(struct writer *w)
{
	size_t levels = w->depth - 1;

	if (levels > INDENT_LEVELS)
		levels = INDENT_LEVELS;
	atio_out_fill(w->out, ' ', levels * INDENT);
}

static void put_end_tag(struct writer *w, const struct atio_node *name)
{
	atio_out_text(w->out, "</");
	put_name(w, name);
	atio_out_text(w->out, ">\n");
}

static int put_attribute(struct writer *w, const struct atio_node *key,
			 const struct atio_node *value)
{
	int r;

	if (key->type != ATIO_STRING)
		return refuse(w, key, "a key that is no string");
	r = check_name(w, key, key);
	if (r < 0)
		return r;
	if (value->type != ATIO_STRING)
		return refuse(w, key, "an attribute that is no string");
	atio_out_char(w->out, ' ');
	put_name(w, key);
	atio_out_text(w->out, "=\"");
	r = put_text(w, value, key, true);
	atio_out_char(w->out, '"');
	return r;
}

/* @pair: "@attributes" and what is there. */
static int put_attributes(struct writer *w, const struct atio_pair *pair)
{
	const struct atio_node *map = pair->value;
	uint32_t i;
	int r = 0;

	if (map->type != ATIO_MAP)
		return refuse(w, pair->key, "an '@attributes' that is no map");
	if (!map->count)
		return refuse(w, pair->key, "an empty '@attributes'");
	w->attributes = pair->key;
	for (i = 0; i < map->count && !r; i++)
		r = put_attribute(w, map->pairs[i].key, map->pairs[i].value);
	w->attributes = NULL;
	return r;
}

/* What a map is made of. */
struct content {
	const struct atio_pair *attributes, *text; /* NULL: none */
	uint32_t elements;
};

static int check_content(struct writer *w, const struct atio_node *map,
			 struct content *content)
{
	const struct atio_node *key;
	uint32_t i;

	*content = (struct content){0};
	for (i = 0; i < map->count; i++) {
		key = map->pairs[i].key;
		if (key->type != ATIO_STRING)
			return refuse(w, key, "a key that is no string");
		if (is_key(key, ATIO_XML_ATTRIBUTES))
			content->attributes = &map->pairs[i];
		else if (is_key(key, ATIO_XML_TEXT))
			content->text = &map->pairs[i];
		else
			content->elements++;
	}
	if (!map->count)
		return refuse(w, NULL, "an empty map");
	if (!content->text)
		return 0;
	key = content->text->key;
	if (content->elements)
		return refuse(w, key, "text and elements side by side");
	if (!content->attributes)
		return refuse(w, key, "a text alone as '#text'");
	if (content->text->value->type != ATIO_STRING)
		return refuse(w, key, "a text that is no string");
	if (!content->text->value->count)
		return refuse(w, key, "an empty text beside attributes");
	return 0;
}

static int push(struct writer *w, const struct atio_node *map)
{
	size_t room = w->room ? w->room * 2 : 16;
	struct level *levels;

	if (w->depth == w->room) {
		levels = reallocarray(w->levels, room, sizeof(*levels));
		if (!levels)
			return no_memory(w);
		w->levels = levels;
		w->room = room;
	}
	w->levels[w->depth++] = (struct level){.map = map};
	return 0;
}

/* An element with a map: to its end, or until its elements follow. */
static int put_map(struct writer *w, const struct atio_node *name,
		   const struct atio_node *map)
{
	struct content content;
	int r;

	r = check_content(w, map, &content);
	if (!r && content.attributes)
		r = put_attributes(w, content.attributes);
	if (r < 0)
		return r;
	if (content.elements) {
		atio_out_text(w->out, ">\n");
		return push(w, map);
	}
	if (!content.text) {
		atio_out_text(w->out, "/>\n");
		return 0;
	}
	atio_out_char(w->out, '>');
	r = put_text(w, content.text->value, content.text->key, false);
	put_end_tag(w, name);
	return r;
}

static int put_string(struct writer *w, const struct atio_node *name,
		      const struct atio_node *text)
{
	int r;

	if (!text->count) {
		atio_out_text(w->out, "/>\n");
		return 0;
	}
	atio_out_char(w->out, '>');
	r = put_text(w, text, NULL, false);
	put_end_tag(w, name);
	return r;
}

static int put_element(struct writer *w, const struct atio_node *value)
{
	const struct atio_node *name = present_key(top(w));

	put_indent(w);
	atio_out_char(w->out, '<');
	put_name(w, name);
	if (value->type == ATIO_STRING)
		return put_string(w, name, value);
	if (value->type == ATIO_MAP)
		return put_map(w, name, value);
	return refuse(w, NULL,
		      value->type == ATIO_SEQ ? "a list in a list"
					      : "what is no text");
}

/* ---- the walk -------------------------------------------------------- */

/* Make the next element the present one of the top level; NULL: its end. */
static int next_element(struct writer *w, const struct atio_node **ret_value)
{
	struct level *level = top(w);
	const struct atio_node *map = level->map, *key, *value;

	*ret_value = NULL;
	if (level->item) { /* within a list */
		value = map->pairs[level->next - 1].value;
		if (level->item < value->count) {
			*ret_value = value->items[level->item++];
			return 0;
		}
		level->item = 0;
	}
	do {
		if (level->next == map->count)
			return 0;
		key = map->pairs[level->next].key;
		value = map->pairs[level->next++].value;
	} while (w->depth > 1 && is_key(key, ATIO_XML_ATTRIBUTES));
	if (value->type == ATIO_SEQ && w->depth == 1)
		return refuse(w, NULL, "more than one root element");
	if (value->type == ATIO_SEQ && value->count < 2)
		return refuse(w, NULL, "a list of fewer than two");
	*ret_value = value;
	if (value->type == ATIO_SEQ)
		*ret_value = value->items[level->item++];
	return check_name(w, key, NULL);
}

static int put_elements(struct writer *w)
{
	const struct atio_node *value;
	int r = 0;

	while (!r && w->depth && !w->out->failed) {
		r = next_element(w, &value);
		if (r < 0)
			break;
		if (value) {
			r = put_element(w, value);
		} else if (--w->depth) {
			put_indent(w);
			put_end_tag(w, present_key(top(w)));
		}
	}
	return r;
}

static int put_document(struct writer *w, const struct atio_node *root)
{
	if (root->type != ATIO_MAP || root->count != 1 ||
	    root->pairs[0].key->type != ATIO_STRING)
		return refuse(w, NULL,
			      "anything but a map with one key, the root "
			      "element");
	atio_out_text(w->out, declaration);
	return push(w, root);
}

int atio_xml_dump(const struct atio_codec *codec, const struct atio_node *root,
		  struct atio_out *out, struct atio_value_error *err)
{
	struct writer w = {.out = out, .err = err};
	int r;

	atio_out_init(&w.sample, SIZE_MAX);
	r = put_document(&w, root);
	if (!r)
		r = put_elements(&w);
	if (w.parser)
		XML_ParserFree(w.parser);
	atio_out_done(&w.sample);
	free(w.levels);
	return r;
}
