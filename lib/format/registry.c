/* SPDX-License-Identifier: MIT
 *
 * registry.c - formats by name and by suffix.
 *
 * A plugin's suffix goes before the same one of a builtin format: whoever
 * installs it wants it used.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "format/plugin.h"

#define GZ ".gz"

static const struct atio_codec *const builtins[] = {
	&atio_codec_csv, &atio_codec_json,  &atio_codec_toml, &atio_codec_txt,
	&atio_codec_xml, &atio_codec_typed, &atio_codec_yaml,
};

#define N_BUILTINS (sizeof(builtins) / sizeof(*builtins))

/* ---- one format ------------------------------------------------------ */

static void format_free(struct atio_format *format)
{
	char **suffix;

	if (!format)
		return;
	if (format->free_codec && format->codec && !format->is_zipped)
		format->free_codec(format->codec);
	format_free(format->zipped);
	for (suffix = format->suffixes; suffix && *suffix; suffix++)
		free(*suffix);
	free(format->suffixes);
	free(format->name);
	free(format->source);
	free(format->base);
	free(format->reason);
	free(format);
}

/* A copy in *@to of @text, which may be NULL; false: no memory. */
static bool copy_text(char **to, const char *text)
{
	if (!text)
		return true;
	*to = strdup(text);
	return *to;
}

static char *joined(const char *a, const char *b)
{
	size_t len = strlen(a) + strlen(b) + 1;
	char *text = malloc(len);

	if (text) {
		memcpy(text, a, strlen(a));
		memcpy(text + strlen(a), b, strlen(b) + 1);
	}
	return text;
}

static bool copy_suffixes(struct atio_format *format,
			  const char *const *suffixes)
{
	size_t n = 0, i;

	while (suffixes && suffixes[n])
		n++;
	format->suffixes = calloc(2 * n + 1, sizeof(*format->suffixes));
	if (!format->suffixes)
		return false;
	for (i = 0; i < 2 * n; i++) {
		format->suffixes[i] = joined(suffixes[i % n], i < n ? "" : GZ);
		if (!format->suffixes[i])
			return false;
	}
	format->plain_suffixes = n;
	return true;
}

/* NULL: no memory. */
static struct atio_format *zipped_of(const struct atio_format *format)
{
	struct atio_format *zipped = calloc(1, sizeof(*zipped));

	if (!zipped)
		return NULL;
	zipped->codec = format->codec;
	zipped->kind = format->kind;
	zipped->is_zipped = true;
	zipped->name = joined(format->name, GZ);
	if (!zipped->name) {
		format_free(zipped);
		return NULL;
	}
	return zipped;
}

static struct atio_format *format_new(const struct atio_format_entry *entry)
{
	struct atio_format *format = calloc(1, sizeof(*format));

	if (!format)
		return NULL;
	format->kind = entry->kind;
	if (!copy_text(&format->name, entry->name) ||
	    !copy_text(&format->source, entry->source) ||
	    !copy_text(&format->base, entry->base) ||
	    !copy_text(&format->reason, entry->reason) ||
	    !copy_suffixes(format, entry->suffixes)) {
		format_free(format);
		return NULL;
	}
	format->codec = entry->codec;
	format->free_codec = entry->free_codec;
	return format;
}

/* ---- adding ---------------------------------------------------------- */

/* One that has failed does not have its name: another directory may have the
 * same plugin once more. */
static const struct atio_format *find(const struct atio_formats *formats,
				      const char *name)
{
	size_t i;

	for (i = 0; i < formats->count; i++)
		if (formats->list[i]->codec &&
		    strcasecmp(formats->list[i]->name, name) == 0)
			return formats->list[i];
	return NULL;
}

static bool is_builtin(const struct atio_format *format)
{
	return strcmp(format->kind, "builtin") == 0;
}

/* The plugin that has one of these suffixes already, or NULL. */
static const struct atio_format *
suffix_taken(const struct atio_formats *formats, const char *const *suffixes,
	     const char **ret_suffix)
{
	const struct atio_format *other;
	size_t i, j;

	for (; suffixes && *suffixes; suffixes++)
		for (i = 0; i < formats->count; i++) {
			other = formats->list[i];
			if (!other->codec || is_builtin(other))
				continue;
			for (j = 0; j < other->plain_suffixes; j++)
				if (strcasecmp(other->suffixes[j],
					       *suffixes) == 0) {
					*ret_suffix = *suffixes;
					return other;
				}
		}
	return NULL;
}

/* Why it cannot be added, for free(3); NULL: it can be. */
static char *why_not(const struct atio_formats *formats,
		     const struct atio_format_entry *entry)
{
	const struct atio_format *other;
	const char *suffix;
	char *half, *whole;

	other = find(formats, entry->name);
	if (other)
		return joined("the name is taken by ",
			      other->source ? other->source : other->kind);
	other = suffix_taken(formats, entry->suffixes, &suffix);
	if (!other)
		return NULL;
	half = joined(suffix, " is taken by ");
	whole = half ? joined(half, other->name) : NULL;
	free(half);
	return whole;
}

static int insert(struct atio_formats *formats, struct atio_format *format)
{
	struct atio_format **larger;
	size_t at = formats->count;

	larger = reallocarray(formats->list, formats->count + 1,
			      sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	formats->list = larger;
	while (at && strcasecmp(larger[at - 1]->name, format->name) > 0)
		at--;
	memmove(larger + at + 1, larger + at,
		(formats->count - at) * sizeof(*larger));
	larger[at] = format;
	formats->count++;
	return 0;
}

static int add_failed(struct atio_formats *formats,
		      const struct atio_format_entry *entry, char *reason)
{
	struct atio_format_entry failed = *entry;
	struct atio_format *format;
	int r = -ENOMEM;

	failed.codec = NULL;
	failed.reason = reason;
	format = format_new(&failed);
	free(reason);
	/* What is copied may be the codec's. */
	if (entry->free_codec && entry->codec)
		entry->free_codec(entry->codec);
	if (format)
		r = insert(formats, format);
	if (r < 0)
		format_free(format);
	return r;
}

int atio_formats_add(struct atio_formats *formats,
		     const struct atio_format_entry *entry)
{
	char *reason = entry->codec ? why_not(formats, entry) : NULL;
	struct atio_format *format;
	int r = -ENOMEM;

	if (reason)
		return add_failed(formats, entry, reason);
	format = format_new(entry);
	if (!format) {
		if (entry->free_codec && entry->codec)
			entry->free_codec(entry->codec);
		return -ENOMEM;
	}
	if (entry->codec)
		format->zipped = zipped_of(format);
	if (format->zipped || !entry->codec)
		r = insert(formats, format);
	if (r < 0)
		format_free(format);
	return r;
}

/* ---- the registry ---------------------------------------------------- */

static int add_builtins(struct atio_formats *formats)
{
	size_t i;
	int r;

	for (i = 0; i < N_BUILTINS; i++) {
		const struct atio_format_entry entry = {
			.name = builtins[i]->name,
			.kind = "builtin",
			.suffixes = builtins[i]->suffixes,
			.codec = builtins[i],
		};

		r = atio_formats_add(formats, &entry);
		if (r < 0)
			return r;
	}
	return 0;
}

int atio_formats_new(const struct atio_formats_options *opts,
		     struct atio_formats **ret_formats, struct atio_error *err)
{
	struct atio_formats *formats;
	int r;

	if (opts && opts->version != ATIO_FORMATS_OPTIONS_VERSION)
		return atio_fail(err, EINVAL, "wrong version of options");
	formats = calloc(1, sizeof(*formats));
	if (!formats)
		return atio_fail(err, ENOMEM, "out of memory");
	r = add_builtins(formats);
	if (r == 0)
		r = atio_plugins_add(formats, opts);
	if (r < 0) {
		atio_formats_free(formats);
		return atio_fail(err, -r, "out of memory");
	}
	*ret_formats = formats;
	return 0;
}

void atio_formats_free(struct atio_formats *formats)
{
	size_t i;

	if (!formats)
		return;
	/* Validated formats use the codecs of others only while they work. */
	for (i = 0; i < formats->count; i++)
		format_free(formats->list[i]);
	free(formats->list);
	free(formats);
}

/* ---- finding --------------------------------------------------------- */

const struct atio_format *
atio_formats_by_name(const struct atio_formats *formats, const char *name)
{
	const struct atio_format *format = find(formats, name);
	size_t i;

	for (i = 0; !format && i < formats->count; i++) {
		format = formats->list[i]->zipped;
		if (format && strcasecmp(format->name, name) != 0)
			format = NULL;
	}
	return format;
}

static bool ends_with(const char *name, size_t len, const char *suffix,
		      size_t suffix_len)
{
	return suffix_len <= len &&
	       strcasecmp(name + len - suffix_len, suffix) == 0;
}

/* How well @format fits a name of @len bytes by its suffix number @i; 0: not at
 * all.  The longest suffix, then that of a plugin, then one that is not made up
 * of another one and ".gz". */
static size_t fitness(const struct atio_format *format, size_t i,
		      const char *name, size_t len)
{
	size_t n = strlen(format->suffixes[i]);

	if (!ends_with(name, len, format->suffixes[i], n))
		return 0;
	return n * 4 + (is_builtin(format) ? 0 : 2) +
	       (i < format->plain_suffixes ? 1 : 0);
}

const struct atio_format *
atio_formats_by_path(const struct atio_formats *formats, const char *path)
{
	const struct atio_format *best = NULL, *format;
	const char *name = strrchr(path, '/');
	size_t len, fits, most = 0, i, j;

	name = name ? name + 1 : path;
	len = strlen(name);
	for (i = 0; i < formats->count; i++) {
		format = formats->list[i];
		for (j = 0; format->codec && format->suffixes[j]; j++) {
			fits = fitness(format, j, name, len);
			if (fits <= most)
				continue;
			most = fits;
			best = j < format->plain_suffixes ? format
							  : format->zipped;
		}
	}
	return best;
}

/* ---- looking --------------------------------------------------------- */

size_t atio_formats_count(const struct atio_formats *formats)
{
	return formats->count;
}

int atio_formats_info(const struct atio_formats *formats, size_t index,
		      struct atio_format_info *ret_info)
{
	const struct atio_format *format;

	if (index >= formats->count)
		return -ENOENT;
	format = formats->list[index];
	*ret_info = (struct atio_format_info){
		.name = format->name,
		.suffixes = (const char *const *)format->suffixes,
		.source = format->source ? format->source : format->kind,
		.kind = format->kind,
		.base = format->base,
		.loaded = format->codec,
		.can_load = format->codec && format->codec->load,
		.can_dump = format->codec && format->codec->dump,
		.can_validate = format->codec && (format->codec->load ||
						  format->codec->validate),
		.reason = format->reason,
	};
	return 0;
}

const char *atio_format_name(const struct atio_format *format)
{
	return format->name;
}

bool atio_format_is_zipped(const struct atio_format *format)
{
	return format->is_zipped;
}

enum atio_target atio_format_target(const struct atio_format *format)
{
	return format->codec->target;
}
