/* SPDX-License-Identifier: MIT
 *
 * toml.h - TOML 1.0, between the files of its codec.
 *
 * A TOML document tells the members of a table in several places, so the
 * parser puts finished nodes into their tables itself instead of telling a
 * builder values in order.  How a table came to be decides what may still be
 * added to it; that is its style, which the writer uses, too:
 *
 *   MAP    ANY    a header passed through it: [it.x]; its own header may come
 *          BLOCK  its own header, [it] or [[it]]
 *          PLAIN  dotted keys: it.x = 1; they may go on, in the same body
 *          FLOW   { inline }: complete
 *   SEQ    BLOCK  [[it]]: may get more tables
 *          FLOW   [ inline ]: complete
 *
 * Headers may go through all but FLOW to tables below.
 *
 * Strings: SINGLE 'literal', DOUBLE "basic", LITERAL and FOLDED the same with
 * three quotes.
 *
 * Spans: of a key and an inline value what was written, with the quotes.  Of a
 * table with a header from its first bracket to the end of the last entry below
 * that header (tables below it are not part of it); of an array of tables from
 * its first header to the end of its last table.  Of a table without a header
 * of its own, the part of the key that named it first.
 */
#ifndef ATIO_FORMAT_TOML_H
#define ATIO_FORMAT_TOML_H

#include "format/codec.h"

/* ---- toml_class.c: characters ---------------------------------------- */

enum toml_class {
	TOML_BARE = 1 << 0,    /* of keys without quotes */
	TOML_WORD = 1 << 1,    /* of numbers, dates and booleans */
	TOML_CONTROL = 1 << 2, /* all but the tab */
	TOML_BASIC = 1 << 3,   /* nothing special in a "string" */
	TOML_LITERAL = 1 << 4, /* nothing special in a 'string' */
	TOML_DIGIT = 1 << 5,
	TOML_HEX = 1 << 6,
	TOML_OCTAL = 1 << 7,
	TOML_BINARY = 1 << 8,
};

extern const uint16_t atio_toml_classes[256];

static inline bool toml_is(char c, unsigned classes)
{
	return atio_toml_classes[(unsigned char)c] & classes;
}

/* ---- the parser ------------------------------------------------------ */

/* A piece of text: of the source, or decoded. */
struct toml_text {
	const char *text;
	size_t len;
	const char *at, *end; /* as it was written */
	enum atio_style style;
};

/* Where a value goes: under @key into the table @into, or at the end of the
 * array @into. */
struct toml_slot {
	struct atio_node *into, *key;
	size_t depth; /* of @into; the root has 1 */
};

/* An array or inline table that is not closed yet. */
struct toml_level {
	struct atio_node *node;
	size_t depth;
};

struct toml {
	struct atio_builder *b;
	struct atio_doc *doc;
	const char *text, *at, *end;
	struct atio_node *root;
	struct toml_slot body;   /* where entries go: below the last header */
	struct atio_node *array; /* that body is the last table of, or NULL */
	struct toml_level *levels;
	size_t open, level_room;
	/* Decoded strings, until the next one. */
	char *scratch;
	size_t scratch_room;
	size_t nodes;
};

/* NUL at the end; one within the text is valid nowhere. */
static inline char toml_peek(const struct toml *t)
{
	return t->at < t->end ? *t->at : '\0';
}

static inline void toml_skip_blanks(struct toml *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
		t->at++;
}

/* Where @at is in the source; a BOM counts. */
static inline uint32_t toml_offset(const struct toml *t, const char *at)
{
	return (uint32_t)((size_t)(at - t->text) + t->b->shift);
}

#define toml_fail(t, code, where, ...)                                         \
	atio_build_fail((t)->b, code, (size_t)((where) - (t)->text),           \
			__VA_ARGS__)

/* toml.c */

#define TOML_SEEN_MAX 40

/* What stands at @at, for a message: "'x'", "U+0001", "the end". */
const char *atio_toml_seen(const struct toml *t, const char *at,
			   char text[TOML_SEEN_MAX]);
/* A line end at @at: its bytes, 1 or 2, or 0. */
size_t atio_toml_newline(const struct toml *t, const char *at);
/* A comment, up to its line end. */
int atio_toml_comment(struct toml *t);
/* At least @size bytes at t->scratch; -ENOMEM. */
int atio_toml_scratch(struct toml *t, size_t size);
/* A node without members that was read from @at to @end; NULL: failed. */
struct atio_node *atio_toml_node(struct toml *t, enum atio_type type,
				 const char *at, const char *end);
/* The same for one with a text. */
struct atio_node *atio_toml_text_node(struct toml *t, enum atio_type type,
				      const struct toml_text *text);

/* toml_table.c */

/* A new MAP or SEQ in @slot; NULL: failed. */
struct atio_node *atio_toml_collection(struct toml *t,
				       const struct toml_slot *slot,
				       enum atio_type type,
				       enum atio_style style, const char *at,
				       const char *end);
int atio_toml_put(struct toml *t, const struct toml_slot *slot,
		  struct atio_node *node);
/* From [ or [[ to its end; sets t->body. */
int atio_toml_header(struct toml *t);
/* `a.b.c =` of an entry of the table @slot->into: afterwards @slot is where its
 * value goes. */
int atio_toml_entry_key(struct toml *t, struct toml_slot *slot);

/* toml_text.c */

/* A string of one line, or of several if @multi allows; at its first quote. */
int atio_toml_string(struct toml *t, bool multi, struct toml_text *ret);
int atio_toml_key(struct toml *t, struct toml_text *ret);

/* toml_value.c */

/* Any value, into @slot. */
int atio_toml_value(struct toml *t, struct toml_slot slot);

/* toml_scalar.c */

/* A number, date or boolean; NULL: failed. */
struct atio_node *atio_toml_scalar(struct toml *t);

/* ---- for parser and writer ------------------------------------------- */

enum toml_number {
	TOML_NO_NUMBER,
	TOML_INTEGER,
	TOML_FLOAT,
};

struct toml_scan {
	const char *text;
	size_t len;
	size_t at;       /* where it goes wrong */
	const char *why; /* it is no number */
};

/* Whether @scan->text is a number of TOML, and of which kind. */
enum toml_number atio_toml_scan(struct toml_scan *scan);
/* Whether @text has the form of a date, time or both; the ranges are not
 * looked at. */
bool atio_toml_is_datetime(const char *text, size_t len);

/* ---- the writer ------------------------------------------------------ */

/* toml_dump.c: as dump of struct atio_codec. */
int atio_toml_dump(const struct atio_codec *codec, const struct atio_node *root,
		   struct atio_out *out, struct atio_value_error *err);

/* toml_put.c */

void atio_toml_put_key(struct atio_out *out, const struct atio_node *key);
/* A string after `key =`, which may take several lines. */
void atio_toml_put_text(struct atio_out *out, const struct atio_node *node);
/* Any scalar, on one line.  -EOPNOTSUPP, -ERANGE: TOML has none. */
int atio_toml_put_scalar(struct atio_out *out, const struct atio_node *node);

#endif
