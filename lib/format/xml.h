/* SPDX-License-Identifier: MIT
 *
 * xml.h - what the files of the XML codec share.
 */
#ifndef ATIO_FORMAT_XML_H
#define ATIO_FORMAT_XML_H

#include <expat.h>

#include "format/codec.h"

#define NAME_MOST 60 /* bytes of a name in a message */

/* Keys that are no names of elements. */
#define ATIO_XML_ATTRIBUTES "@attributes"
#define ATIO_XML_TEXT       "#text"

struct atio_xml_frame; /* xml_tree.c */

/* A document while expat reads it. */
struct atio_xml_reader {
	struct atio_builder *b;
	XML_Parser parser;
	const char *text; /* without a BOM of UTF-8 */
	size_t len;
	bool utf8;   /* the names and values we are told are in @text so */
	bool ascii;  /* declared as such */
	bool prolog; /* there is something besides blanks */

	/* xml_tree.c: open elements, and the text so far of the innermost. */
	struct atio_xml_frame *frames;
	size_t depth, room, deepest;
	char *chars;
	size_t char_count, char_room;
	bool not_blank;
	struct atio_node *root; /* the map of the root element, at its end */
	size_t nodes;
};

/* ---- xml_tree.c: elements to nodes ----------------------------------- */

/* Let @x->parser call the functions that make the tree. */
void atio_xml_tree_init(struct atio_xml_reader *x);
void atio_xml_tree_done(struct atio_xml_reader *x);
/* After the end: give the tree to the builder. */
int atio_xml_tree_finish(struct atio_xml_reader *x);
/* For messages, cut to fit: the name of the innermost open element; NULL. */
const char *atio_xml_open_name(const struct atio_xml_reader *x, int *ret_len);

/* Where the parser is, in @x->text. */
size_t atio_xml_offset(const struct atio_xml_reader *x);
/* A handler's end: on -errno stop the parser. */
void atio_xml_check(struct atio_xml_reader *x, int r);

/* ---- xml_error.c: why expat gave up ---------------------------------- */

/* After a failed XML_Parse that no handler asked for; returns -errno. */
int atio_xml_explain(struct atio_xml_reader *x);
/* While the parser is where the error is. */
void atio_xml_correct_position(struct atio_xml_reader *x);

/* ---- xml_dump.c ------------------------------------------------------ */

int atio_xml_dump(const struct atio_codec *codec, const struct atio_node *root,
		  struct atio_out *out, struct atio_value_error *err);

#endif
