/* SPDX-License-Identifier: MIT
 *
 * format.c - bytes to values and back, by a format of the registry.
 */
#include <errno.h>
#include <stdlib.h>

#include "format/registry.h"

/* What is to be parsed: the bytes themselves, or what is within gzip. */
struct plain {
	const char *bytes;
	size_t len;
	char *owned; /* for free(3), or NULL */
	struct atio_limits limits;
};

static int unzip(struct plain *p, struct atio_value_error *err)
{
	size_t len;
	int r;

	if (p->len > p->limits.input_bytes)
		return atio_value_fail(err, EFBIG, NULL,
				       "larger than %zu bytes of input",
				       p->limits.input_bytes);
	r = atio_gzip_unpack(p->bytes, p->len, p->limits.unzipped_bytes,
			     &p->owned, &len, err);
	if (r < 0)
		return r;
	p->bytes = p->owned;
	p->len = len;
	/* They have a limit of their own, which they are within. */
	p->limits.input_bytes = p->limits.unzipped_bytes;
	return 0;
}

/* @ret is always to be freed. */
static int make_plain(const struct atio_format *format, const void *bytes,
		      size_t len, const struct atio_limits *limits,
		      struct plain *ret, struct atio_value_error *err)
{
	*ret = (struct plain){.bytes = bytes, .len = len};
	if (atio_limits_complete(limits, &ret->limits) < 0)
		return atio_value_fail(err, EINVAL, NULL, "wrong limits");
	/* Nothing at all is a document without a value, zipped or not. */
	return format->is_zipped && len ? unzip(ret, err) : 0;
}

/* The check of its own that a plugin or validated format has; a document
 * without a value is none. */
static int check(const struct atio_codec *codec, const struct atio_doc *doc,
		 const char *bytes, size_t len, struct atio_value_error *err)
{
	if (!codec->validate ||
	    (doc && atio_doc_traits(doc) & ATIO_DOC_EMPTY))
		return 0;
	return codec->validate(codec, bytes, len, err);
}

static int load(const struct atio_codec *codec, const struct plain *plain,
		struct atio_doc **ret_doc, struct atio_value_error *err)
{
	struct atio_doc *doc;
	int r;

	r = atio_codec_load(codec, plain->bytes, plain->len, &plain->limits,
			    &doc, err);
	if (r < 0)
		return r;
	r = check(codec, doc, plain->bytes, plain->len, err);
	if (r < 0) {
		atio_doc_free(doc);
		return r;
	}
	*ret_doc = doc;
	return 0;
}

static int cannot(const struct atio_format *format, const char *what,
		  struct atio_value_error *err)
{
	return atio_value_fail(err, EOPNOTSUPP, NULL,
			       "the format %s cannot be %s", format->name,
			       what);
}

int atio_format_load(const struct atio_format *format, const void *bytes,
		     size_t len, const struct atio_limits *limits,
		     struct atio_doc **ret_doc, struct atio_value_error *err)
{
	struct plain plain;
	int r;

	if (!format->codec->load)
		return cannot(format, "read", err);
	r = make_plain(format, bytes, len, limits, &plain, err);
	if (r == 0)
		r = load(format->codec, &plain, ret_doc, err);
	free(plain.owned);
	return r;
}

/* Render @root into *@bytes; what is not valid must not be written. */
static int dump(const struct atio_codec *codec, const struct atio_node *root,
		const struct atio_limits *limits, char **ret_bytes,
		size_t *ret_len, struct atio_value_error *err)
{
	char *bytes;
	size_t len;
	int r;

	r = atio_codec_dump(codec, root, limits, &bytes, &len, err);
	if (r < 0)
		return r;
	r = check(codec, NULL, bytes, len, err);
	if (r < 0) {
		free(bytes);
		return r;
	}
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

int atio_format_dump(const struct atio_format *format,
		     const struct atio_node *root,
		     const struct atio_limits *limits, char **ret_bytes,
		     size_t *ret_len, struct atio_value_error *err)
{
	char *plain;
	size_t len;
	int r;

	if (!format->codec->dump)
		return cannot(format, "written", err);
	if (!format->is_zipped)
		return dump(format->codec, root, limits, ret_bytes, ret_len,
			    err);
	r = dump(format->codec, root, limits, &plain, &len, err);
	if (r < 0)
		return r;
	r = atio_gzip_pack(plain, len, ret_bytes, ret_len, err);
	free(plain);
	return r;
}

static int validate(const struct atio_codec *codec, const struct plain *plain,
		    struct atio_value_error *err)
{
	struct atio_doc *doc = NULL;
	unsigned traits = 0;
	int r;

	if (codec->load) {
		r = atio_codec_load(codec, plain->bytes, plain->len,
				    &plain->limits, &doc, err);
		if (r < 0)
			return r;
		traits = atio_doc_traits(doc);
		atio_doc_free(doc);
	}
	if ((traits & ATIO_DOC_EMPTY) && codec->needs_value) {
		if (err && !err->error.code)
			err->line = err->column = 1;
		return atio_fail(err ? &err->error : NULL, EINVAL,
				 "there is no value: an empty file is no %s",
				 codec->name);
	}
	return check(codec, NULL, plain->bytes, plain->len, err);
}

int atio_format_validate(const struct atio_format *format, const void *bytes,
			 size_t len, const struct atio_limits *limits,
			 struct atio_value_error *err)
{
	struct plain plain;
	int r;

	if (!format->codec->load && !format->codec->validate)
		return cannot(format, "read", err);
	r = make_plain(format, bytes, len, limits, &plain, err);
	if (r == 0)
		r = validate(format->codec, &plain, err);
	free(plain.owned);
	return r;
}
