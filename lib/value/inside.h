/* SPDX-License-Identifier: MIT
 *
 * inside.h - what a value is made of, for lib/value and lib/format.
 *
 * All memory of a document comes from its arena and goes with it; what an edit
 * replaces stays there until then.  A node is 32 bytes: the members of a seq
 * are an array of pointers, of a map an array of pairs.  A map with more than
 * ATIO_MAP_LINEAR members has an index of hashes.
 */
#ifndef ATIO_VALUE_INSIDE_H
#define ATIO_VALUE_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <atomicio/value.h>

#include "value/limits.h"

#define ATIO_MAP_LINEAR 8

/* How a scalar or collection was written, where that says something. */
enum atio_style {
	ATIO_STYLE_ANY,
	/* YAML: without quotes; `<<` as such is a merge.  Of a map: TOML's
	 * keys with dots. */
	ATIO_STYLE_PLAIN,
	ATIO_STYLE_SINGLE,
	ATIO_STYLE_DOUBLE,
	ATIO_STYLE_LITERAL,
	ATIO_STYLE_FOLDED,
	ATIO_STYLE_FLOW,    /* YAML's {a: 1}, TOML's inline table and array */
	ATIO_STYLE_BLOCK,   /* TOML: with a header */
	ATIO_STYLE_CRLF,    /* CSV: a table whose lines end with CR LF */
	/* The root of a document without a value (ATIO_DOC_EMPTY): the null,
	 * map, list or string that its format has for that. */
	ATIO_STYLE_NOTHING,
};

struct atio_pair {
	struct atio_node *key, *value;
};

/* Room that an array has beyond its count, and a map's hashes.  The hash stands
 * beside the position, so that a wrong key is seldom looked at: it is far away
 * in memory. */
struct atio_index {
	uint32_t room; /* of the array, in members */
	uint32_t mask; /* slots - 1; 0: no hashes */
	struct atio_index_slot {
		uint32_t position; /* + 1; 0: free */
		uint32_t hash;
	} slots[];
};

struct atio_node {
	uint8_t type;     /* enum atio_type */
	uint8_t style;    /* enum atio_style */
	uint8_t datetime; /* enum atio_datetime */
	uint8_t mark;     /* for a walk over the tree; 0 between walks */
	uint32_t count;   /* members, or bytes of text */
	uint32_t offset, length; /* span; 0, 0: none */
	union {
		bool boolean;
		int64_t integer;
		double real;
		struct atio_node **items; /* SEQ, STREAM */
		struct atio_pair *pairs;  /* MAP */
		struct atio_node *inner;  /* TAGGED, ALIAS */
		/* BIGINT, DATETIME: the canonical text, if @text is another
		 * one; else NULL */
		const char *canonical;
	};
	union {
		/* STRING, BYTES: the content; BIGINT, DATETIME: as it was
		 * written; INT, FLOAT: the lexeme, or NULL if it is canonical;
		 * TAGGED: the tag; ALIAS: the name */
		const char *text;
		struct atio_index *index; /* SEQ, MAP, STREAM; may be NULL */
	};
};

static inline bool atio_node_is_nothing(const struct atio_node *node)
{
	return node->style == ATIO_STYLE_NOTHING;
}

/* ---- arena.c --------------------------------------------------------- */

struct atio_chunk;

struct atio_arena {
	struct atio_chunk *chunks;
	char *next, *end;
	size_t size; /* of the last chunk */
};

/* NULL: no memory.  Aligned to 8 bytes, not cleared. */
void *atio_arena_get(struct atio_arena *arena, size_t size);
/* A copy of @text with a NUL behind it. */
char *atio_arena_text(struct atio_arena *arena, const char *text, size_t len);
/* Give back what @bytes, got with @size, has beyond @used, if it was got last.
 */
void atio_arena_shrink(struct atio_arena *arena, char *bytes, size_t size,
		       size_t used);
/* Give back all that was got since @then, a copy of @arena. */
void atio_arena_go_back(struct atio_arena *arena,
			const struct atio_arena *then);
void atio_arena_done(struct atio_arena *arena);

struct atio_doc {
	struct atio_arena arena;
	struct atio_node *root;
	unsigned traits;             /* ATIO_DOC_... */
	struct atio_limits limits;   /* complete: no zeros */
};

/* ---- tree.c ---------------------------------------------------------- */

/* An empty document with a null as its root; -ENOMEM. */
int atio_doc_new(const struct atio_limits *complete, struct atio_doc **ret_doc);

/* NULL: no memory. */
struct atio_node *atio_node_new(struct atio_doc *doc, enum atio_type type);
struct atio_node *atio_node_new_text(struct atio_doc *doc, enum atio_type type,
				     const char *text, size_t len);

/* With its article: "an integer". */
const char *atio_type_phrase(enum atio_type type);

/* ---- copy.c ---------------------------------------------------------- */

/* A deep copy, with the limits of @doc.  @keep_aliases: @node is of the same
 * document, and what its aliases stand for stays where it is; else they are
 * expanded, and the copy has no spans, which would be of another source.
 * *ret_nodes (may be NULL): how many it has.  -EFBIG, -ELOOP, -ENOMEM. */
int atio_node_copy(struct atio_doc *doc, const struct atio_node *node,
		   bool keep_aliases, struct atio_node **ret_copy,
		   size_t *ret_nodes);
/* Of a node that has no members and wraps nothing. */
int atio_scalar_copy(struct atio_doc *doc, const struct atio_node *node,
		     struct atio_node **ret_copy);

/* ---- equal.c --------------------------------------------------------- */

/* atio_value_equal, which is false when there is no memory, too.  1: equal; 0:
 * not; -ENOMEM (only where aliases stand for collections, and in deep trees).
 * @numbers: 1 equals 1.0, as RFC 6902 has it. */
int atio_node_equal(const struct atio_node *a, const struct atio_node *b,
		    bool numbers);

/* ---- members.c: those of a seq or map -------------------------------- */

uint64_t atio_node_hash(const struct atio_node *key);
/* The position of a key, or -1. */
long atio_map_find(const struct atio_node *map, const struct atio_node *key);
long atio_map_find_text(const struct atio_node *map, const char *key,
			size_t len);
/* Set or add; @key and @value are of this document.  -ENOMEM. */
int atio_map_set(struct atio_doc *doc, struct atio_node *map,
		 struct atio_node *key, struct atio_node *value);
/* Add a key that is known not to be there. */
int atio_map_add(struct atio_doc *doc, struct atio_node *map,
		 struct atio_node *key, struct atio_node *value);
void atio_map_remove(struct atio_node *map, size_t position);
/* Remove all pairs whose value is NULL. */
void atio_map_drop(struct atio_node *map);
/* @position <= count.  -ENOMEM. */
int atio_seq_insert(struct atio_doc *doc, struct atio_node *seq,
		    size_t position, struct atio_node *value);
void atio_seq_remove(struct atio_node *seq, size_t position);
/* Build the index of a map whose pairs are complete.  -EEXIST: *ret_twice is
 * the second of two equal keys. */
int atio_map_seal(struct atio_doc *doc, struct atio_node *map,
		  const struct atio_node **ret_twice);
/* The same for a map whose keys are those of @like at the same positions.
 * -ENOMEM. */
int atio_map_seal_like(struct atio_doc *doc, struct atio_node *map,
		       const struct atio_node *like);

/* ---- number.c -------------------------------------------------------- */

/* All of them are independent of the locale. */

#define ATIO_FLOAT_TEXT_MAX 32

/* Decimal digits with an optional sign, nothing else.  0: *ret; -ERANGE: does
 * not fit; -EINVAL. */
int atio_int_parse(const char *text, size_t len, int64_t *ret);
/* [sign] digits [. digits] [e [sign] digits], digits on at least one side of
 * the point; nothing else.  Too large is infinity: -ERANGE, *ret is set. */
int atio_float_parse(const char *text, size_t len, double *ret);
/* The shortest text that reads back equal, always with a '.' or an 'e' so that
 * it is no integer: "0.1", "1.0", "1e+22", "5e-324", "-0.0"; "inf", "-inf",
 * "nan".  Returns its length. */
size_t atio_float_text(double value, char text[ATIO_FLOAT_TEXT_MAX]);
size_t atio_int_text(int64_t value, char text[ATIO_FLOAT_TEXT_MAX]);

/* ---- datetime.c ------------------------------------------------------ */

#define ATIO_DATETIME_TEXT_MAX 64

/* Whether @text is a valid RFC 3339 date, time or both (days of the month and
 * leap years; second 60 allowed).  Canonical: T and Z in capitals, seconds
 * always there; the fraction as it is.  0, *ret_kind, @canonical (may be NULL)
 * NUL-terminated; -EINVAL: none; -EFBIG: longer than 63. */
int atio_datetime_parse(const char *text, size_t len,
			enum atio_datetime *ret_kind,
			char canonical[ATIO_DATETIME_TEXT_MAX]);

/* ---- utf8.c ---------------------------------------------------------- */

/* Length of the longest prefix that is well-formed UTF-8 (RFC 3629: no
 * surrogates, nothing overlong, at most U+10FFFF). */
size_t atio_utf8_check(const char *text, size_t len);
/* Code point at @text (well-formed, @len > 0); *ret_len: its bytes. */
uint32_t atio_utf8_get(const char *text, size_t *ret_len);
/* At most 4 bytes; returns how many. */
size_t atio_utf8_put(uint32_t code, char *text);
/* Line and column (from 1, in characters) of @offset in @text; CR LF, LF and
 * CR end lines. */
void atio_text_position(const char *text, size_t len, size_t offset,
			size_t *ret_line, size_t *ret_column);

/* ---- build.c --------------------------------------------------------- */

struct atio_frame;

struct atio_builder {
	struct atio_doc *doc; /* being built; NULL before the first value */
	struct atio_limits limits;
	/* Open collections, and the members of all of them so far. */
	struct atio_frame *frames;
	size_t depth, frame_room;
	struct atio_node **stack;
	size_t count, room;
	size_t nodes, documents;
	struct atio_node *anchors; /* MAP: name to node, of this document */
	const char *anchor; /* of the next value, in the arena */
	size_t anchor_len;
	const char *tag; /* of the next value, in the arena */
	size_t tag_len;
	/* A codec sets these before a value; they are its span and style, and
	 * are 0 again afterwards.  (The span of a collection is completed by
	 * the end: see atio_build_end_at.) */
	size_t offset, length;
	enum atio_style style;
	/* The source without its BOM, for lines and columns; lent, may be NULL.
	 * @shift: bytes of the BOM, which spans count and codecs do not. */
	const char *source;
	size_t source_len, shift;
	size_t room_size; /* of atio_build_room */
	int failed;
	struct atio_value_error error;
};

/* Fail at byte @offset of the source; returns -@code.  First cause wins. */
int atio_build_fail(struct atio_builder *b, int code, size_t offset,
		    const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* build.c, for build_scalar.c: the failure; whether the next value is a key;
 * @node becomes the next value (NULL: there was no memory for it). */
int atio_build_no_memory(struct atio_builder *b);
bool atio_build_expects_key(const struct atio_builder *b);
int atio_build_place(struct atio_builder *b, struct atio_node *node);

/* The same values without the checks of the public functions (UTF-8, digits):
 * the codec has made them. */
int atio_build_text(struct atio_builder *b, enum atio_type type,
		    const char *text, size_t len);
/* The text is in the arena (atio_build_room) and ends with a NUL. */
int atio_build_owned_text(struct atio_builder *b, enum atio_type type,
			  char *text, size_t len);
/* Room for at most @size bytes and a NUL, valid until the next call with this
 * builder; atio_build_owned_text keeps what it used of it.  NULL: failed. */
char *atio_build_room(struct atio_builder *b, size_t size);
/* A number with its lexeme (kept if it is not the canonical text). */
int atio_build_int_as(struct atio_builder *b, int64_t value, const char *lexeme,
		      size_t len);
int atio_build_float_as(struct atio_builder *b, double value,
			const char *lexeme, size_t len);
int atio_build_bigint_as(struct atio_builder *b, const char *canonical,
			 const char *lexeme, size_t len);
int atio_build_datetime_as(struct atio_builder *b, enum atio_datetime kind,
			   const char *canonical, const char *lexeme,
			   size_t len);
/* The end of a collection whose last byte stands before @end. */
int atio_build_end_at(struct atio_builder *b, size_t end);
/* The innermost collection that is open: SEQ or MAP; ATIO_NULL: none. */
enum atio_type atio_build_open(const struct atio_builder *b);
/* The next value is anchored. */
int atio_build_anchor(struct atio_builder *b, const char *name, size_t len);
/* The last anchor of this name, which may be of a collection that is still
 * open.  -ENOENT: there is none. */
int atio_build_alias(struct atio_builder *b, const char *name, size_t len);
/* YAML: documents one after another; a value, atio_build_document, a value...
 * One document: the root is its value; otherwise a STREAM. */
int atio_build_document(struct atio_builder *b);

/* Adopt @node (of b->doc, complete, with @nodes nodes in it) as the next value:
 * for a format that cannot tell its values in their order. */
int atio_build_node(struct atio_builder *b, struct atio_node *node,
		    size_t nodes);

/* ---- pointer.c ------------------------------------------------------- */

/* A JSON pointer (RFC 6901), step by step. */
struct atio_pointer {
	const char *text; /* lent */
	size_t len;
	size_t done;  /* of @text: up to the end of the present step */
	char *copy;   /* of @text, if there is something escaped */
	/* The present step, unescaped. */
	const char *step;
	size_t step_len;
};

/* -EINVAL: it is none; -ENOMEM.  Nothing is to be done then. */
int atio_pointer_init(struct atio_pointer *p, const char *text, size_t len);
void atio_pointer_done(struct atio_pointer *p);
/* Go to the next step; false: there is none. */
bool atio_pointer_next(struct atio_pointer *p);
bool atio_pointer_at_end(const struct atio_pointer *p);
/* The present step as an index: 0, 1, ... without zeros in front, or -1. */
long atio_pointer_index(const struct atio_pointer *p);
/* Record -@code for the value at the present step of @p. */
int atio_pointer_fail(struct atio_value_error *err, int code,
		      const struct atio_pointer *p, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Follow @p from @root to its end.  -ENOENT, or as of atio_walk_merge. */
int atio_pointer_follow(struct atio_pointer *p, const struct atio_node *root,
			const struct atio_limits *limits,
			const struct atio_node **ret_node,
			struct atio_value_error *err);

/* ---- for errors of trees --------------------------------------------- */

/* Steps from the root to a node, on the stack of a walk. */
struct atio_step {
	const struct atio_step *up; /* NULL: the root */
	const struct atio_node *key; /* NULL: @index */
	size_t index;
};

/* "/a~1b/0" into @pointer, cut to fit. */
void atio_step_pointer(const struct atio_step *step,
		       char pointer[ATIO_POINTER_MAX]);
/* Make @text one line of well-formed UTF-8: '?' for what is neither. */
void atio_text_tidy(char *text);
/* Record and return -@code. */
int atio_value_fail(struct atio_value_error *err, int code,
		    const struct atio_step *step, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
