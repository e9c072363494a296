/* SPDX-License-Identifier: MIT
 *
 * registry.h - the formats that are known, and how more get to be known.
 */
#ifndef ATIO_FORMAT_REGISTRY_H
#define ATIO_FORMAT_REGISTRY_H

#include "format/codec.h"

struct atio_format {
	/* NULL: it failed to load, for @reason.  The codec of a plugin is the
	 * first member of a struct of its own, which @free_codec frees. */
	const struct atio_codec *codec;
	void (*free_codec)(const struct atio_codec *codec);
	const char *kind;   /* "builtin", "object", "command", "validated" */
	char *name, *source, *base, *reason; /* may be NULL but for @name */
	char **suffixes;    /* NULL-terminated; the zipped ones behind */
	size_t plain_suffixes;
	struct atio_format *zipped; /* the same in gzip; NULL if this is it */
	bool is_zipped;
};

struct atio_formats {
	struct atio_format **list; /* by name */
	size_t count;
};

/* What is to be known; all of it is copied but for the codec. */
struct atio_format_entry {
	const char *name, *kind, *source, *base, *reason;
	const char *const *suffixes; /* NULL-terminated; NULL: none */
	const struct atio_codec *codec;
	void (*free_codec)(const struct atio_codec *codec);
};

/* Add it; the codec is the registry's, even on failure (-ENOMEM).  If its name
 * is known already, or another plugin has one of its suffixes, it is listed as
 * failed. */
int atio_formats_add(struct atio_formats *formats,
		     const struct atio_format_entry *entry);

#endif
