/* SPDX-License-Identifier: MIT
 *
 * codec.h - what a format is made of, inside of the library.
 */
#ifndef ATIO_FORMAT_CODEC_H
#define ATIO_FORMAT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <atomicio/format.h>
#include "format/gzip.h"
#include "value/inside.h"

/* ---- out.c: bytes that are being rendered ---------------------------- */

/* Failures are kept: look at @failed at the end.  -EFBIG beyond @limit. */
struct atio_out {
	char *bytes;
	size_t len, room, limit;
	int failed; /* 0 or -errno */
};

void atio_out_init(struct atio_out *out, size_t limit);
void atio_out_done(struct atio_out *out);
void atio_out_put(struct atio_out *out, const void *bytes, size_t len);
void atio_out_text(struct atio_out *out, const char *text);
void atio_out_fill(struct atio_out *out, char c, size_t times);
/* A line end, and @blanks at the begin of the next line. */
void atio_out_line(struct atio_out *out, size_t blanks);

/* The bytes are the caller's (free(3)), with a NUL behind them, and @out is
 * empty again.  Or the failure, and nothing is left. */
int atio_out_take(struct atio_out *out, char **ret_bytes, size_t *ret_len);

/* The hot path: one byte. */
static inline void atio_out_char(struct atio_out *out, char c)
{
	if (out->len < out->room)
		out->bytes[out->len++] = c;
	else
		atio_out_put(out, &c, 1);
}

/* ---- codecs ---------------------------------------------------------- */

struct atio_format; /* registry.c */

/* One format.  The builtin ones are constants. */
struct atio_codec {
	const char *name;
	const char *const *suffixes; /* ".yaml", ".yml", NULL */
	enum atio_target target;
	/* NULL: cannot.  Tell @b the values of @text (well-formed UTF-8,
	 * without a BOM, not longer than the limit).  @b->source is set for
	 * lines and columns.
	 * Not called for a text of nothing but blanks (space, tab, CR, LF)
	 * unless @wants_blank.  Sets traits of @b->doc (COMMENTS...). */
	int (*load)(const struct atio_codec *codec, struct atio_builder *b,
		    const char *text, size_t len);
	/* NULL: cannot.  Render @root, which fits @target
	 * (atio_value_convert), and is never an ALIAS unless the target is
	 * YAML.  Returns 0 or -errno; what is wrong with @out need not be
	 * returned. */
	int (*dump)(const struct atio_codec *codec,
		    const struct atio_node *root, struct atio_out *out,
		    struct atio_value_error *err);
	/* A check beyond what load does, of a document that load took; NULL:
	 * there is none.  0 or -errno. */
	int (*validate)(const struct atio_codec *codec, const char *bytes,
			size_t len, struct atio_value_error *err);
	bool wants_blank;
	bool raw;          /* load takes any bytes, with BOM, not only UTF-8 */
	bool needs_value;  /* an empty document is not valid (JSON, XML) */
	/* What a document without a value is rendered and read as is up to
	 * load and dump. */
};

extern const struct atio_codec atio_codec_json;  /* json.c, json_dump.c */
extern const struct atio_codec atio_codec_typed; /* typed.c */
extern const struct atio_codec atio_codec_txt;   /* txt.c */
extern const struct atio_codec atio_codec_yaml;  /* yaml.c ... */
extern const struct atio_codec atio_codec_toml;  /* toml.c ... */
extern const struct atio_codec atio_codec_csv;   /* csv.c */
extern const struct atio_codec atio_codec_xml;   /* xml.c */

/* ---- codec.c: a codec and its surroundings --------------------------- */

/* Limits, UTF-8, BOM, blank documents, builder, error: what load needs around
 * codec->load.  As atio_format_load. */
int atio_codec_load(const struct atio_codec *codec, const void *bytes,
		    size_t len, const struct atio_limits *limits,
		    struct atio_doc **ret_doc, struct atio_value_error *err);
/* The same for dump: conversion, limits. */
int atio_codec_dump(const struct atio_codec *codec,
		    const struct atio_node *root,
		    const struct atio_limits *limits, char **ret_bytes,
		    size_t *ret_len, struct atio_value_error *err);

/* ---- shared by codecs ------------------------------------------------ */

/* json.c: whether all of @text is a number of JSON (RFC 8259). */
bool atio_json_is_number(const char *text, size_t len);
/* INT, or FLOAT if it has a fraction or an exponent; ATIO_NULL: none. */
enum atio_type atio_json_number_type(const char *text, size_t len);
/* json_dump.c: a string with quotes and escapes. */
void atio_json_put_string(struct atio_out *out, const char *text, size_t len);
/* @root as JSON; @indent blanks for each level, 0: all in one line, with
 * neither blanks nor a line end behind it.  -EOPNOTSUPP: JSON cannot hold it.
 * What is wrong with @out need not be returned. */
int atio_json_dump(const struct atio_node *root, unsigned indent,
		   struct atio_out *out, struct atio_value_error *err);

/* base64.c (RFC 4648) */
size_t atio_base64_text(const void *bytes, size_t len, char *text);
/* Blanks are passed over.  -EINVAL.  @bytes has room for 3 * len / 4. */
long atio_base64_bytes(const char *text, size_t len, void *bytes);

#endif
