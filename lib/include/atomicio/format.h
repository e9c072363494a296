/* SPDX-License-Identifier: MIT
 *
 * format.h - formats: bytes to a value tree and back.
 *
 * A registry (struct atio_formats) knows formats by name and by the suffixes of
 * file names; the longest suffix wins, whatever its case.  Built in are json,
 * yaml, toml, txt, csv, xml and typed (JSON in which each scalar tells its
 * type), and each of them under gzip (".json.gz").  More come from plugins; see
 * plugin.h and the section Formats of the README.
 *
 * An XML document is a map with one key, its root element.  An element is a
 * text, or a map in which "@attributes" is a map of texts, "#text" the text
 * that stands beside attributes, and any other key an element, or a list of
 * those that have this name.
 *
 * A registry does not change once it is made; it may be used by several
 * threads at once.  A format is lent and lives as long as its registry.
 */
#ifndef ATOMICIO_FORMAT_H
#define ATOMICIO_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <atomicio/error.h>
#include <atomicio/value.h>

#ifdef __cplusplus
extern "C" {
#endif

struct atio_formats;
struct atio_format;

/* ---- the registry ---------------------------------------------------- */

#define ATIO_FORMATS_OPTIONS_VERSION 1

struct atio_formats_options {
	unsigned version; /* ATIO_FORMATS_OPTIONS_VERSION */
	/* Directories of plugins, NULL-terminated, the first one that has a
	 * name wins; lent for the call.  NULL: /etc/atomicfs/formats.d and
	 * LIBDIR/atomicfs/formats.d, if they are there.  Only what belongs to
	 * root or to the calling user, and is not writable by others, is used.
	 */
	const char *const *dirs;
	bool builtin_only; /* no plugins */
	/* A tree that plugins are never loaded from, an open directory (the
	 * source of a mount); -1: none.  0 means none, too. */
	int never_below_fd;
	/* The program that runs shared objects; lent.  NULL: the environment's
	 * ATOMICIO_FORMAT_HOST, else LIBEXECDIR/atomicfs/format-host. */
	const char *host;
};

/* The directories that are looked into when none are given. */
const char *const *atio_formats_default_dirs(void);

/* Plugins that cannot be loaded do not make it fail: they are listed, with the
 * reason.  @opts may be NULL.  -EINVAL: version; -ENOMEM. */
int atio_formats_new(const struct atio_formats_options *opts,
		     struct atio_formats **ret_formats, struct atio_error *err);
void atio_formats_free(struct atio_formats *formats); /* NULL is fine */

/* NULL: there is none, or it failed to load. */
const struct atio_format *
atio_formats_by_name(const struct atio_formats *formats, const char *name);
const struct atio_format *
atio_formats_by_path(const struct atio_formats *formats, const char *path);

struct atio_format_info {
	const char *name;
	const char *const *suffixes; /* NULL-terminated, with their dots */
	const char *source;          /* "builtin", or the plugin's path */
	const char *kind; /* "builtin", "object", "command", "validated" */
	const char *base; /* of a validated format, else NULL */
	bool loaded;
	bool can_load, can_dump, can_validate;
	const char *reason; /* why it is not loaded, else NULL */
};

/* Those that failed to load, too.  In the order of names. */
size_t atio_formats_count(const struct atio_formats *formats);
int atio_formats_info(const struct atio_formats *formats, size_t index,
		      struct atio_format_info *ret_info);

const char *atio_format_name(const struct atio_format *format);
/* What its documents are for atio_value_convert and atio_value_restore. */
enum atio_target atio_format_target(const struct atio_format *format);

/* ---- bytes and values ------------------------------------------------ */

/* Parse @bytes, and check them if the format has a check of its own (a
 * validated format, a plugin).  The caller owns *ret_doc.
 *   -EINVAL      not valid in this format: line, column, offset, text
 *   -EILSEQ      not UTF-8
 *   -EFBIG       a limit
 *   -EOPNOTSUPP  a valid document that the tree cannot hold (mixed content
 *                of XML), or a format that cannot load
 *   -EEXIST      a key twice
 *   -ERANGE      a number that the format cannot hold (beyond the 64 bits of
 *                TOML)
 *   -ETIME       a plugin took too long; -EIO: it crashed, failed, or could
 *                not be run; -ECHILD: see there
 *   -ENOMEM, -EMFILE, -ENFILE */
int atio_format_load(const struct atio_format *format, const void *bytes,
		     size_t len, const struct atio_limits *limits,
		     struct atio_doc **ret_doc, struct atio_value_error *err);

/* Convert (atio_value_convert), render @root, and check what came of it as load
 * does.  The caller frees *ret_bytes with free(3); a NUL that is not counted
 * follows.  Errors of convert and of load. */
int atio_format_dump(const struct atio_format *format,
		     const struct atio_node *root,
		     const struct atio_limits *limits, char **ret_bytes,
		     size_t *ret_len, struct atio_value_error *err);

/* The same as JSON, whatever format it came from, with @indent (at most 16)
 * blanks for each level; 0: all in one line, without a line end.  -EINVAL:
 * @indent. */
#define ATIO_INDENT_MOST 16
int atio_format_print(const struct atio_node *root, unsigned indent,
		      const struct atio_limits *limits, char **ret_bytes,
		      size_t *ret_len, struct atio_value_error *err);

/* Whether @bytes are a document of this format, as its specification says it:
 * an empty file is no JSON and no XML.  A validated format's or plugin's own
 * check comes after that.  0, or -errno as of load. */
int atio_format_validate(const struct atio_format *format, const void *bytes,
			 size_t len, const struct atio_limits *limits,
			 struct atio_value_error *err);

#ifdef __cplusplus
}
#endif
#endif
