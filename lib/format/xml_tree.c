/* SPDX-License-Identifier: MIT
 *
 * xml_tree.c - elements, attributes and text, as expat tells them, to nodes.
 *
 * An element with neither attributes nor elements within it is a string, "" if
 * it is empty.  Any other is a map: its attributes, if there are some, as a map
 * under "@attributes" (which is no name of an element), then its elements, or
 * its text as "#text" unless there is none.  An element that occurs again makes
 * a list at the place of the first; in which order elements of different names
 * took turns is not kept.
 *
 * Text of an element that has elements is dropped if it is blank, and refused
 * otherwise.  So only the innermost open element can have text that counts, and
 * one buffer is enough.  Text of an element that has nothing else is kept to
 * the letter.
 *
 * Spans: an element is from its '<' to behind its last '>', also as a member of
 * a list; the list is from the first to the last of them; attributes are from
 * the first one's name to the end of the last; an attribute's value is with its
 * quotes; "#text" is all between the tags.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/xml.h"

#define BLANKS " \t\r\n"

struct atio_xml_frame {
	struct atio_node *map; /* its members; NULL: none so far */
	size_t offset;         /* of its start tag */
	size_t content;        /* of what is behind that tag */
	bool elements;         /* there are some within it */
};

/* ---- small things ---------------------------------------------------- */

size_t atio_xml_offset(const struct atio_xml_reader *x)
{
	XML_Index at = XML_GetCurrentByteIndex(x->parser);

	return at < 0 ? 0 : (size_t)at;
}

/* Where the tag or text ends that the parser tells of. */
static size_t event_end(const struct atio_xml_reader *x)
{
	return atio_xml_offset(x) + (size_t)XML_GetCurrentByteCount(x->parser);
}

void atio_xml_check(struct atio_xml_reader *x, int r)
{
	if (r == 0)
		return;
	atio_xml_correct_position(x);
	(void)XML_StopParser(x->parser, XML_FALSE);
}

static int no_memory(struct atio_xml_reader *x)
{
	return atio_build_fail(x->b, ENOMEM, atio_xml_offset(x),
			       "out of memory");
}

static void set_span(const struct atio_xml_reader *x, struct atio_node *node,
		     size_t begin, size_t end)
{
	node->offset = (uint32_t)(begin + x->b->shift);
	node->length = (uint32_t)(end - begin);
}

/* Of one node more; @offset is where it is. */
static int count_node(struct atio_xml_reader *x, size_t offset)
{
	if (x->nodes++ < x->b->limits.nodes)
		return 0;
	return atio_build_fail(x->b, EFBIG, offset, "more than %zu values",
			       x->b->limits.nodes);
}

static struct atio_node *new_string(struct atio_xml_reader *x, const char *text,
				    size_t len, size_t offset)
{
	struct atio_node *node;

	if (count_node(x, offset) < 0)
		return NULL;
	node = atio_node_new_text(x->b->doc, ATIO_STRING, text, len);
	if (!node)
		(void)no_memory(x);
	return node;
}

static struct atio_node *new_node(struct atio_xml_reader *x,
				  enum atio_type type, size_t offset)
{
	struct atio_node *node;

	if (count_node(x, offset) < 0)
		return NULL;
	node = atio_node_new(x->b->doc, type);
	if (!node)
		(void)no_memory(x);
	return node;
}

static int check_size(struct atio_xml_reader *x, size_t len, size_t most,
		      const char *what, size_t offset)
{
	if (len <= most)
		return 0;
	return atio_build_fail(x->b, EFBIG, offset, "%s of more than %zu bytes",
			       what, most);
}

/* A name of @len bytes, which becomes a key.  In encodings other than UTF-8,
 * expat takes three characters of Latin-1 for letters that are none in XML:
 * U+00AA, U+00B5, U+00BA. */
static int check_name(struct atio_xml_reader *x, const char *name, size_t len,
		      size_t offset)
{
	static const char *const wrong[] = {"\xC2\xAA", "\xC2\xB5", "\xC2\xBA"};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong) && !x->utf8; i++)
		if (strstr(name, wrong[i]))
			return atio_build_fail(x->b, EINVAL, offset,
					       "'%s' cannot stand in a name",
					       wrong[i]);
	return check_size(x, len, x->b->limits.key_bytes, "a name", offset);
}

static int check_depth(struct atio_xml_reader *x, size_t levels, size_t offset)
{
	if (levels <= x->b->limits.depth)
		return 0;
	return atio_build_fail(x->b, EFBIG, offset,
			       "nested deeper than %zu levels",
			       x->b->limits.depth);
}

static struct atio_xml_frame *top(struct atio_xml_reader *x)
{
	return x->depth ? &x->frames[x->depth - 1] : NULL;
}

const char *atio_xml_open_name(const struct atio_xml_reader *x, int *ret_len)
{
	const char *name = "an element";
	size_t len = strlen(name);

	if (!x->depth)
		return NULL;
	if (x->utf8) {
		name = x->text + x->frames[x->depth - 1].offset + 1;
		len = strcspn(name, BLANKS "/>");
	}
	if (len > NAME_MOST)
		len = atio_utf8_check(name, NAME_MOST);
	*ret_len = (int)len;
	return name;
}

/* ---- attributes ------------------------------------------------------ */

/* Places of attributes in a start tag, which expat has found to be right. */
struct tag_scan {
	const char *at;
	const char *name, *value;
	size_t name_len, value_len; /* with quotes */
};

static void scan_name(struct tag_scan *scan)
{
	scan->name = scan->at;
	scan->name_len = strcspn(scan->at, BLANKS "=/>");
	scan->at += scan->name_len;
}

static void scan_attribute(struct tag_scan *scan)
{
	const char *end;

	scan->at += strspn(scan->at, BLANKS);
	scan_name(scan);
	scan->at += strspn(scan->at, BLANKS "=");
	end = strchr(scan->at + 1, *scan->at);
	scan->value = scan->at;
	scan->value_len = (size_t)(end - scan->at) + 1;
	scan->at = end + 1;
}

static int add_attribute(struct atio_xml_reader *x, struct atio_node *map,
			 const char *name, const char *text,
			 struct tag_scan *scan)
{
	size_t offset = atio_xml_offset(x);
	size_t name_len = strlen(name), len = strlen(text);
	struct atio_node *key, *value;

	if (x->utf8) {
		scan_attribute(scan);
		offset = (size_t)(scan->name - x->text);
	}
	if (check_name(x, name, name_len, offset) < 0 ||
	    check_size(x, len, x->b->limits.scalar_bytes, "an attribute",
		       offset) < 0)
		return x->b->failed;
	key = new_string(x, name, name_len, offset);
	if (!key)
		return x->b->failed;
	value = new_string(x, text, len, offset);
	if (!value)
		return x->b->failed;
	if (x->utf8) {
		set_span(x, key, offset, offset + scan->name_len);
		offset = (size_t)(scan->value - x->text);
		set_span(x, value, offset, offset + scan->value_len);
	}
	if (atio_map_set(x->b->doc, map, key, value) < 0)
		return no_memory(x);
	return 0;
}

/* The map of the attributes of an element, in that of the element. */
static struct atio_node *begin_attributes(struct atio_xml_reader *x,
					  struct atio_xml_frame *frame)
{
	struct atio_node *key, *map;

	if (check_depth(x, x->depth + 2, frame->offset) < 0)
		return NULL;
	frame->map = new_node(x, ATIO_MAP, frame->offset);
	if (!frame->map)
		return NULL;
	key = new_string(x, ATIO_XML_ATTRIBUTES, strlen(ATIO_XML_ATTRIBUTES),
			 frame->offset);
	map = key ? new_node(x, ATIO_MAP, frame->offset) : NULL;
	if (map && atio_map_set(x->b->doc, frame->map, key, map) < 0) {
		(void)no_memory(x);
		return NULL;
	}
	return map;
}

static int add_attributes(struct atio_xml_reader *x,
			  struct atio_xml_frame *frame,
			  const XML_Char **attributes)
{
	struct tag_scan scan = {.at = x->text + frame->offset + 1};
	const char *first = NULL;
	struct atio_node *map;
	int r = 0;

	if (!attributes[0])
		return 0;
	map = begin_attributes(x, frame);
	if (!map)
		return x->b->failed;
	if (x->utf8) {
		scan_name(&scan);
		first = scan.at + strspn(scan.at, BLANKS);
	}
	for (; attributes[0] && !r; attributes += 2)
		r = add_attribute(x, map, attributes[0], attributes[1], &scan);
	if (first)
		set_span(x, map, (size_t)(first - x->text),
			 (size_t)(scan.at - x->text));
	return r;
}

/* ---- elements -------------------------------------------------------- */

static int mixed(struct atio_xml_reader *x, size_t offset)
{
	int len;
	const char *name = atio_xml_open_name(x, &len);

	return atio_build_fail(x->b, EOPNOTSUPP, offset,
			       "text and elements side by side in '%.*s'", len,
			       name);
}

static struct atio_xml_frame *push(struct atio_xml_reader *x)
{
	size_t room = x->room ? x->room * 2 : 16;
	struct atio_xml_frame *frames;

	if (x->depth == x->room) {
		frames = reallocarray(x->frames, room, sizeof(*frames));
		if (!frames) {
			(void)no_memory(x);
			return NULL;
		}
		x->frames = frames;
		x->room = room;
	}
	if (++x->depth > x->deepest)
		x->deepest = x->depth;
	return top(x);
}

static int begin_element(struct atio_xml_reader *x, const char *name,
			 const XML_Char **attributes)
{
	size_t offset = atio_xml_offset(x), len = strlen(name);
	struct atio_xml_frame *frame = top(x);

	if (frame && x->not_blank)
		return mixed(x, offset);
	if (frame)
		frame->elements = true;
	x->char_count = 0;
	if (check_depth(x, x->depth + 1, offset) < 0 ||
	    check_name(x, name, len, offset) < 0)
		return x->b->failed;
	frame = push(x);
	if (!frame)
		return x->b->failed;
	*frame = (struct atio_xml_frame){
		.offset = offset,
		.content = event_end(x),
	};
	return add_attributes(x, frame, attributes);
}

static int add_text(struct atio_xml_reader *x, struct atio_xml_frame *frame,
		    size_t end)
{
	struct atio_node *key, *value;

	key = new_string(x, ATIO_XML_TEXT, strlen(ATIO_XML_TEXT),
			 frame->content);
	if (!key)
		return x->b->failed;
	value = new_string(x, x->chars, x->char_count, frame->content);
	if (!value)
		return x->b->failed;
	set_span(x, value, frame->content, end);
	if (atio_map_set(x->b->doc, frame->map, key, value) < 0)
		return no_memory(x);
	return 0;
}

/* What the innermost element, which ends here, is as a value. */
static struct atio_node *element_value(struct atio_xml_reader *x,
				       struct atio_xml_frame *frame)
{
	if (check_size(x, x->char_count, x->b->limits.scalar_bytes, "a text",
		       frame->content) < 0)
		return NULL;
	if (!frame->map)
		return new_string(x, x->chars, x->char_count, frame->offset);
	if (!frame->elements && x->char_count &&
	    add_text(x, frame, atio_xml_offset(x)) < 0)
		return NULL;
	return frame->map;
}

/* One more of the elements that @list, the value at @at of @map, is made of;
 * so far it may be the first of them itself. */
static int add_again(struct atio_xml_reader *x, struct atio_node *map, long at,
		     struct atio_node *value)
{
	struct atio_node *list = map->pairs[at].value, *first = list;
	struct atio_doc *doc = x->b->doc;

	if (first->type != ATIO_SEQ) {
		list = new_node(x, ATIO_SEQ, value->offset - x->b->shift);
		if (!list)
			return x->b->failed;
		list->offset = first->offset;
		if (atio_seq_insert(doc, list, 0, first) < 0)
			return no_memory(x);
		map->pairs[at].value = list;
	}
	list->length = value->offset + value->length - list->offset;
	if (atio_seq_insert(doc, list, list->count, value) < 0)
		return no_memory(x);
	return 0;
}

static int add_member(struct atio_xml_reader *x, struct atio_node *map,
		      const char *name, struct atio_node *value)
{
	size_t len = strlen(name), offset = value->offset - x->b->shift;
	long at = atio_map_find_text(map, name, len);
	struct atio_node *key;

	if (at >= 0)
		return add_again(x, map, at, value);
	key = new_string(x, name, len, offset);
	if (!key)
		return x->b->failed;
	if (x->utf8)
		set_span(x, key, offset + 1, offset + 1 + len);
	if (atio_map_set(x->b->doc, map, key, value) < 0)
		return no_memory(x);
	return 0;
}

static int end_element(struct atio_xml_reader *x, const char *name)
{
	struct atio_xml_frame *frame = top(x), *up;
	struct atio_node *value = element_value(x, frame), **map;

	if (!value)
		return x->b->failed;
	set_span(x, value, frame->offset, event_end(x));
	x->char_count = 0;
	x->not_blank = false;
	x->depth--;
	up = top(x);
	map = up ? &up->map : &x->root;
	if (!*map) {
		*map = new_node(x, ATIO_MAP, frame->offset);
		if (!*map)
			return x->b->failed;
		set_span(x, *map, frame->offset, event_end(x));
	}
	return add_member(x, *map, name, value);
}

/* ---- text ------------------------------------------------------------ */

static size_t count_blanks(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && memchr(BLANKS, text[i], strlen(BLANKS)))
		i++;
	return i;
}

static int append(struct atio_xml_reader *x, const char *text, size_t len)
{
	size_t room = x->char_room ? x->char_room * 2 : 1024;
	char *chars;

	if (len > x->char_room - x->char_count) {
		if (room < x->char_count + len)
			room = x->char_count + len;
		chars = realloc(x->chars, room);
		if (!chars)
			return no_memory(x);
		x->chars = chars;
		x->char_room = room;
	}
	memcpy(x->chars + x->char_count, text, len);
	x->char_count += len;
	return 0;
}

/* The next piece of text.  Blanks may still turn out to be those between
 * elements, and those are not limited. */
static int add_chars(struct atio_xml_reader *x, const char *text, size_t len)
{
	size_t offset = atio_xml_offset(x), blanks = count_blanks(text, len);

	/* What begins with a blank is no reference, but there as it is. */
	if (blanks < len && top(x)->elements)
		return mixed(x, x->utf8 ? offset + blanks : offset);
	if (top(x)->elements)
		return 0;
	if (blanks < len)
		x->not_blank = true;
	if (x->not_blank &&
	    check_size(x, x->char_count + len, x->b->limits.scalar_bytes,
		       "a text", top(x)->content) < 0)
		return x->b->failed;
	return append(x, text, len);
}

/* ---- what expat calls ------------------------------------------------ */

static void XMLCALL on_begin(void *data, const XML_Char *name,
			     const XML_Char **attributes)
{
	struct atio_xml_reader *x = data;

	if (!x->b->failed)
		atio_xml_check(x, begin_element(x, name, attributes));
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
	struct atio_xml_reader *x = data;

	if (!x->b->failed)
		atio_xml_check(x, end_element(x, name));
}

static void XMLCALL on_chars(void *data, const XML_Char *text, int len)
{
	struct atio_xml_reader *x = data;

	if (!x->b->failed)
		atio_xml_check(x, add_chars(x, text, (size_t)len));
}

void atio_xml_tree_init(struct atio_xml_reader *x)
{
	XML_SetUserData(x->parser, x);
	XML_SetElementHandler(x->parser, on_begin, on_end);
	XML_SetCharacterDataHandler(x->parser, on_chars);
}

void atio_xml_tree_done(struct atio_xml_reader *x)
{
	free(x->frames);
	free(x->chars);
}

/* ---- the end --------------------------------------------------------- */

/* A collection and which of its members is next. */
struct level {
	const struct atio_node *node;
	uint32_t next;
};

static const struct atio_node *next_member(struct level *level)
{
	const struct atio_node *node = level->node;
	uint32_t i = level->next++;

	if (i >= node->count)
		return NULL;
	return node->type == ATIO_MAP ? node->pairs[i].value : node->items[i];
}

/* Lists are levels, too, and become known too late to be counted on the way.
 * Where attributes are may not be known; then it is where their element is. */
static int check_levels(struct atio_xml_reader *x, struct level *levels)
{
	const struct atio_node *node, *place;
	size_t depth = 1;

	levels[0] = (struct level){x->root, 0};
	while (depth) {
		node = next_member(&levels[depth - 1]);
		if (!node) {
			depth--;
			continue;
		}
		if (node->type != ATIO_MAP && node->type != ATIO_SEQ)
			continue;
		place = node->length ? node : levels[depth - 1].node;
		if (check_depth(x, depth + 1, place->offset - x->b->shift) < 0)
			return x->b->failed;
		levels[depth++] = (struct level){node, 0};
	}
	return 0;
}

int atio_xml_tree_finish(struct atio_xml_reader *x)
{
	/* Each element is a map, and may be one of a list, but for the root;
	 * above them is a map, and in the innermost one that of attributes. */
	size_t most = 2 * x->deepest + 1;
	struct level *levels;
	int r;

	if (most > x->b->limits.depth) {
		levels = calloc(x->b->limits.depth + 1, sizeof(*levels));
		if (!levels)
			return no_memory(x);
		r = check_levels(x, levels);
		free(levels);
		if (r < 0)
			return r;
	}
	return atio_build_node(x->b, x->root, x->nodes);
}
