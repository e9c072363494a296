/* SPDX-License-Identifier: MIT
 *
 * yaml.h - what the parts of the YAML codec know of each other.
 */
#ifndef ATIO_FORMAT_YAML_H
#define ATIO_FORMAT_YAML_H

#include "format/codec.h"

#define ATIO_YAML_TAGS     "tag:yaml.org,2002:"
#define ATIO_YAML_TAGS_LEN (sizeof(ATIO_YAML_TAGS) - 1)

/* ---- yaml_source.c: what libyaml is given to read -------------------- */

struct atio_yaml_source {
	const char *text; /* all of it */
	size_t len;
	bool ascii; /* all of it */
	bool odd;   /* it has characters that libyaml gets wrong */
	/* First of 64 code points that do not occur in the text and stand in
	 * for the odd ones; 0: none */
	uint32_t stand_in;
	/* The part that libyaml reads now, and the copy that it is given in
	 * its place, or NULL. */
	size_t begin, end;
	char *copy;
	size_t copy_len;
	size_t byte, index; /* of the mark that was looked up last */
};

void atio_yaml_source_init(struct atio_yaml_source *source, const char *text,
			   size_t len);
void atio_yaml_source_done(struct atio_yaml_source *source);
/* Make @begin to @end the present part, the lines before @content being
 * directives.  -ENOMEM. */
int atio_yaml_source_part(struct atio_yaml_source *source, size_t begin,
			  size_t content, size_t end);
/* The bytes libyaml is to read. */
const char *atio_yaml_source_feed(const struct atio_yaml_source *source,
				  size_t *ret_len);
/* The byte of the text that a mark of libyaml is at. */
size_t atio_yaml_source_offset(struct atio_yaml_source *source, size_t index);
/* The same for an offset in the feed. */
size_t atio_yaml_source_fed(struct atio_yaml_source *source, size_t offset);
/* Put the characters that were stood in for back into @value; returns its new
 * length.  *ret_unprintable: one of them may only stand within quotes. */
size_t atio_yaml_source_restore(const struct atio_yaml_source *source,
				char *value, size_t len, bool *ret_unprintable);
/* The first character in @begin to @end that may only stand within quotes, or
 * @end. */
size_t atio_yaml_source_unprintable(const struct atio_yaml_source *source,
				    size_t begin, size_t end);

/* ---- yaml_gap.c: what stands between values -------------------------- */

struct atio_yaml_gaps {
	struct atio_builder *b;
	struct atio_yaml_source *source;
	size_t at;   /* all before was seen */
	size_t next; /* begin of the next part */
	size_t dots; /* the next line `...`, if it is after the part */
	bool comments;
};

/* Pass over blanks, comments and indicators up to @end. */
int atio_yaml_gap(struct atio_yaml_gaps *gaps, size_t end);

/* Anchor and tag of a node. */
struct atio_yaml_properties {
	size_t tag;     /* SIZE_MAX: none */
	size_t content; /* what comes after them */
};

/* Those that stand at gaps->at, before @limit. */
int atio_yaml_properties(struct atio_yaml_gaps *gaps, size_t limit,
			 struct atio_yaml_properties *ret);
/* The block scalar from @begin to @end: its header, and in *ret_end where its
 * last line ends (at the line break). */
int atio_yaml_block_scalar(struct atio_yaml_gaps *gaps, size_t begin,
			   size_t end, size_t *ret_end);
/* Go to the next part of the stream that libyaml can read by itself.  1: there
 * is one; 0: that was all. */
int atio_yaml_next_part(struct atio_yaml_gaps *gaps);

/* ---- yaml_scalar.c: what a plain scalar means ------------------------ */

/* By the core schema of YAML 1.2: NULL, BOOL, INT (of whatever size), FLOAT, or
 * STRING.  That is what a tag of these types is asked for. */
enum atio_type atio_yaml_core_type(const char *text, size_t len);
/* What it is without a tag: the same, but an INT with leading zeros, 012, is a
 * STRING. */
enum atio_type atio_yaml_plain_type(const char *text, size_t len);
/* Whether a reader of YAML 1.1 might take it for something else than a string:
 * rather too often than too seldom. */
bool atio_yaml_is_loose(const char *text, size_t len);
/* The value of an INT, in whichever base.  -ERANGE: does not fit. */
int atio_yaml_int(const char *text, size_t len, int64_t *ret);
/* Tell @b what a plain scalar means. */
int atio_yaml_build_plain(struct atio_builder *b, const char *text, size_t len);
/* With a tag of YAML's own.  Returns 1 if the tag is none that says what the
 * scalar means (and so has to be kept). */
int atio_yaml_build_tagged(struct atio_builder *b, const char *name,
			   const char *text, size_t len);

/* ---- yaml_share.c: what aliases stand for, when written -------------- */

struct atio_yaml_share;

/* What an alias stands for. */
struct atio_yaml_shared {
	const struct atio_node *node;
	const char *name;
	size_t name_len;
	bool written;
};

/* Look for aliases below @root, a document; *ret_share is NULL if there are
 * none.  -ENOMEM. */
int atio_yaml_share_new(const struct atio_node *root,
			struct atio_yaml_share **ret_share);
void atio_yaml_share_free(struct atio_yaml_share *share);
/* NULL: no alias stands for @node. */
struct atio_yaml_shared *
atio_yaml_share_find(const struct atio_yaml_share *share,
		     const struct atio_node *node);
void atio_yaml_share_put_name(const struct atio_yaml_share *share,
			      const struct atio_yaml_shared *shared,
			      struct atio_out *out);

/* ---- yaml_text.c: strings, when written ------------------------------ */

enum atio_yaml_place {
	ATIO_YAML_VALUE,
	ATIO_YAML_KEY,  /* on one line */
	ATIO_YAML_ROOT, /* of a document */
};

/* @indent: of the lines of a block scalar.  @typed: a tag says what it is, so
 * that readers of YAML 1.1 do not guess.
 * Returns whether the line is complete. */
bool atio_yaml_put_string(struct atio_out *out, const char *text, size_t len,
			  size_t indent, enum atio_yaml_place place,
			  bool typed);
bool atio_yaml_put_bytes(struct atio_out *out, const char *bytes, size_t len,
			 size_t indent, enum atio_yaml_place place);
/* A tag as it stands before a value.  false: it cannot be written. */
bool atio_yaml_put_tag(struct atio_out *out, const char *tag, size_t len);

/* ---- yaml_load.c, yaml_dump.c ------------------------------------------ */

int atio_yaml_load(const struct atio_codec *codec, struct atio_builder *b,
		   const char *text, size_t len);
int atio_yaml_dump(const struct atio_codec *codec, const struct atio_node *root,
		   struct atio_out *out, struct atio_value_error *err);

#endif
