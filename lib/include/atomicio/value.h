/* SPDX-License-Identifier: MIT
 *
 * value.h - the value tree: what a JSON, YAML, TOML, CSV or XML document says.
 *
 * A document (struct atio_doc) owns its values (struct atio_node); a node is
 * lent and lives as long as its document.  Maps keep their order, and keys are
 * nodes, too.  A number keeps the text it was written as (its lexeme), so that
 * it is written back letter for letter, and every node the bytes of the source
 * that it was read from (its span).
 *
 * Nodes of documents that nobody changes may be read by several threads.  A
 * document may be changed by one thread at a time, with nobody reading it.
 * Text is UTF-8, counted, and followed by a NUL that is not counted; strings
 * may hold NULs.
 *
 * Sources: RFC 8259 (JSON), RFC 6901 (JSON pointer), RFC 7396 (merge patch),
 * RFC 6902 (patch), TOML 1.0, YAML 1.2, RFC 4180 (CSV), XML 1.0, RFC 3339.
 */
#ifndef ATOMICIO_VALUE_H
#define ATOMICIO_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <atomicio/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct atio_doc;
struct atio_node;
struct atio_builder;

enum atio_type {
	ATIO_NULL,
	ATIO_BOOL,
	ATIO_INT,      /* fits int64_t */
	ATIO_BIGINT,   /* an integer that does not */
	ATIO_FLOAT,    /* a double; inf and nan, too */
	ATIO_STRING,
	ATIO_BYTES,
	ATIO_DATETIME, /* RFC 3339, see enum atio_datetime */
	ATIO_SEQ,
	ATIO_MAP,
	ATIO_TAGGED,   /* YAML: a tag that is not of the core schema */
	ATIO_ALIAS,    /* YAML: another node once more */
	ATIO_STREAM,   /* YAML: several documents, or none */
};

enum atio_datetime {
	ATIO_OFFSET_DATETIME, /* 1979-05-27T07:32:00Z */
	ATIO_LOCAL_DATETIME,  /* 1979-05-27T07:32:00 */
	ATIO_LOCAL_DATE,      /* 1979-05-27 */
	ATIO_LOCAL_TIME,      /* 07:32:00 */
};

/* ---- errors ---------------------------------------------------------- */

#define ATIO_POINTER_MAX 256

/* What is wrong with a document.  Owned by the caller; initialise with
 * ATIO_VALUE_ERROR_INIT.  The first cause wins, as in struct atio_error. */
struct atio_value_error {
	struct atio_error error;
	size_t line, column; /* from 1, in characters; 0: not of the source */
	size_t offset;       /* in bytes, of the source */
	/* JSON pointer of the value that is in the way, cut to fit, "" for the
	 * root; meaningful if has_pointer. */
	bool has_pointer;
	char pointer[ATIO_POINTER_MAX];
};

#define ATIO_VALUE_ERROR_INIT                                                  \
	{                                                                      \
		ATIO_ERROR_INIT, 0, 0, 0, false, { 0 }                         \
	}

/* ---- limits ---------------------------------------------------------- */

#define ATIO_LIMITS_VERSION 1

/* What is larger is refused with -EFBIG.  A field that is 0 means its default.
 * Where NULL is passed for a struct atio_limits, all are the defaults. */
struct atio_limits {
	unsigned version;      /* ATIO_LIMITS_VERSION */
	size_t input_bytes;    /* 16 MiB; at most 2 GiB */
	size_t output_bytes;   /* 64 MiB, rendered */
	size_t depth;          /* 128 levels of seq and map; at most 10,000 */
	size_t nodes;          /* 1,000,000 (keys and values) */
	size_t alias_nodes;    /* 1,000,000, when aliases are expanded */
	size_t alias_bytes;    /* 64 MiB */
	size_t scalar_bytes;   /* 16 MiB */
	size_t key_bytes;      /* 64 KiB */
	size_t number_chars;   /* 1000 */
	size_t unzipped_bytes; /* 64 MiB */
	size_t columns;        /* 4096, of CSV */
	size_t documents;      /* 1000, of YAML */
};

/* ---- reading a document ---------------------------------------------- */

/* NULL is fine. */
void atio_doc_free(struct atio_doc *doc);

/* Never NULL.  That of a document without any value (ATIO_DOC_EMPTY) is {} in
 * TOML, [] in CSV, "" in a text file, and a null in all others.  This null, as
 * the root that it is, is no value in other formats, too: a blank JSON file
 * becomes a blank TOML file, while one that says `null` cannot be converted. */
const struct atio_node *atio_doc_root(const struct atio_doc *doc);

/* What the source had besides values, or'ed together. */
#define ATIO_DOC_EMPTY    (1u << 0) /* no value: nothing but blanks */
#define ATIO_DOC_COMMENTS (1u << 1)
#define ATIO_DOC_ANCHORS  (1u << 2)
#define ATIO_DOC_TAGS     (1u << 3)
#define ATIO_DOC_BOM      (1u << 4)
unsigned atio_doc_traits(const struct atio_doc *doc);

enum atio_type atio_node_type(const struct atio_node *node);
/* "null", "integer", "map"...: what messages call a type. */
const char *atio_type_name(enum atio_type type);

/* Of another type than the name says: false, 0, 0.0. */
bool atio_node_bool(const struct atio_node *node);
int64_t atio_node_int(const struct atio_node *node);
double atio_node_float(const struct atio_node *node); /* INT, BIGINT, too */
enum atio_datetime atio_node_datetime(const struct atio_node *node);

/* The content of STRING and BYTES; the digits of BIGINT (with a '-'); the
 * RFC 3339 text of DATETIME; the tag of TAGGED; the name of ALIAS.  Other
 * types: "" and 0.  @ret_len may be NULL. */
const char *atio_node_text(const struct atio_node *node, size_t *ret_len);

/* The text that a number or datetime was written as in the source, or NULL
 * when it has none or it is the canonical text (that of a float may be it
 * nevertheless). */
const char *atio_node_lexeme(const struct atio_node *node, size_t *ret_len);

/* Members of a SEQ, MAP or STREAM; others have 0. */
size_t atio_node_count(const struct atio_node *node);
/* NULL: there is no such member. */
const struct atio_node *atio_node_at(const struct atio_node *node,
				     size_t index);
const struct atio_node *atio_node_key(const struct atio_node *map,
				      size_t index);
const struct atio_node *atio_node_member(const struct atio_node *map,
					 const char *key, size_t key_len);

/* What a TAGGED wraps, or an ALIAS stands for; NULL for others. */
const struct atio_node *atio_node_inner(const struct atio_node *node);

/* The bytes of the source that @node was read from: offset and length.  Both 0
 * when it was not read from a source. */
struct atio_span {
	size_t offset, length;
};
struct atio_span atio_node_span(const struct atio_node *node);

/* ---- building a document --------------------------------------------- */

/* Values are told in the order of the document; in a map, key and value in
 * turn.  The first failure is kept: every later call returns it, so a caller
 * need only look at atio_builder_finish.
 *   -EFBIG   a limit
 *   -EILSEQ  text is not UTF-8
 *   -EEXIST  a key twice in one map
 *   -EINVAL  out of order; digits, a date that are none
 *   -ENOMEM */
int atio_builder_new(const struct atio_limits *limits,
		     struct atio_builder **ret_builder);
void atio_builder_free(struct atio_builder *builder); /* NULL is fine */

int atio_build_null(struct atio_builder *b);
int atio_build_bool(struct atio_builder *b, bool value);
int atio_build_int(struct atio_builder *b, int64_t value);
/* Decimal digits with an optional sign: INT where it fits, else BIGINT. */
int atio_build_integer(struct atio_builder *b, const char *digits, size_t len);
int atio_build_float(struct atio_builder *b, double value);
int atio_build_string(struct atio_builder *b, const char *text, size_t len);
int atio_build_bytes(struct atio_builder *b, const void *bytes, size_t len);
/* RFC 3339; a blank or a small t between date and time is taken, too. */
int atio_build_datetime(struct atio_builder *b, const char *text, size_t len);
int atio_build_seq(struct atio_builder *b);
int atio_build_map(struct atio_builder *b);
int atio_build_end(struct atio_builder *b); /* of the last seq or map begun */
/* The next value is of this tag (a whole URI, or "!local"). */
int atio_build_tag(struct atio_builder *b, const char *tag, size_t len);
/* A deep copy of @node, of whichever document. */
int atio_build_copy(struct atio_builder *b, const struct atio_node *node);

/* The document, which is the caller's.  Without any value: the empty one.
 * The builder can be used for another one afterwards.  @err may be NULL. */
int atio_builder_finish(struct atio_builder *b, struct atio_doc **ret_doc,
			struct atio_value_error *err);

/* ---- comparing, finding, changing ------------------------------------ */

/* Same type, same value; maps regardless of order; floats as doubles (two nan
 * are equal, and so are 0.0 and -0.0); an alias is what it stands for.  (That
 * can take memory; where there is none, it is false.) */
bool atio_value_equal(const struct atio_node *a, const struct atio_node *b);

/* RFC 6901.  -ENOENT: there is no such value; -EINVAL: no pointer.  In a STREAM
 * the first step is the number of the document. */
int atio_value_get(const struct atio_node *root, const char *pointer,
		   const struct atio_node **ret_node,
		   struct atio_value_error *err);

/* All of these change the root of @doc, or nothing at all when they fail; the
 * nodes of @with are copied. */

/* RFC 7396: null deletes, maps are merged in depth, all else replaces. */
int atio_value_merge(struct atio_doc *doc, const struct atio_node *with,
		     struct atio_value_error *err);

/* RFC 6902.  @operations: the list.  -EINVAL: malformed; -ENOENT: a path that
 * is not there; -ESTALE: a `test` that says no. */
int atio_value_patch(struct atio_doc *doc, const struct atio_node *operations,
		     struct atio_value_error *err);

/* Map on map: its keys are set, one level deep.  List on list: appended.
 * Anything else, or an empty document: replaced. */
int atio_value_update(struct atio_doc *doc, const struct atio_node *with,
		      struct atio_value_error *err);

/* Replace the root. */
int atio_value_replace(struct atio_doc *doc, const struct atio_node *with,
		       struct atio_value_error *err);

/* ---- converting ------------------------------------------------------ */

enum atio_target {
	ATIO_TO_JSON,
	ATIO_TO_YAML,
	ATIO_TO_TOML,
	ATIO_TO_CSV,
	ATIO_TO_XML,
	ATIO_TO_TXT,
	ATIO_TO_TYPED, /* JSON in which every scalar tells its type */
};

/* Make @root a value that @target can hold: exact, or re-typed to a canonical
 * text, or an error that names the pointer.  When @root can be held as it is,
 * *ret_doc is NULL and *ret_root is @root; else the caller owns *ret_doc and
 * *ret_root is its root.
 *   -EOPNOTSUPP  the target cannot hold a value
 *   -ERANGE      a number that it cannot hold
 *   -ELOOP       an alias within what it stands for
 *   -EFBIG       a limit (alias_nodes, alias_bytes, nodes, depth) */
int atio_value_convert(const struct atio_node *root, enum atio_target target,
		       const struct atio_limits *limits,
		       struct atio_doc **ret_doc,
		       const struct atio_node **ret_root,
		       struct atio_value_error *err);

/* The way back: @root was read from a document of the kind @from, which is a
 * view of @base.  A value that @from can only hold re-typed gets the type back
 * that the value at the same place has in @base, if its text is one of that
 * type.  Results as for atio_value_convert. */
int atio_value_restore(const struct atio_node *root, enum atio_target from,
		       const struct atio_node *base,
		       const struct atio_limits *limits,
		       struct atio_doc **ret_doc,
		       const struct atio_node **ret_root,
		       struct atio_value_error *err);

#ifdef __cplusplus
}
#endif
#endif
