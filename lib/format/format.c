/* SPDX-License-Identifier: MIT
 *
 * format.c - bytes to values and back, by a format of the registry.
 */
#include <errno.h>
#include <stdlib.h>

#include "format/registry.h"

/* The bytes within gzip, for free(3); those that are not zipped: NULL. */
static int unzip(const struct atio_format *format, const void **bytes,
		 size_t *len, const struct atio_limits *limits,
		 char **ret_owned, struct atio_value_error *err)
{
	struct atio_limits complete;
	size_t unzipped;
	char *owned;
	int r;

	*ret_owned = NULL;
	/* Nothing at all is a document without a value, zipped or not. */
	if (!format->is_zipped || !*len)
		return 0;
	r = atio_limits_complete(limits, &complete);
	if (r < 0)
		return atio_value_fail(err, -r, NULL, "wrong limits");
	if (*len > complete.input_bytes)
		return atio_value_fail(err, EFBIG, NULL,
				       "larger than %zu bytes of input",
				       complete.input_bytes);
	r = atio_gzip_unpack(*bytes, *len, complete.unzipped_bytes, &owned,
			     &unzipped, err);
	if (r < 0)
		return r;
	*bytes = *ret_owned = owned;
	*len = unzipped;
	return 0;
}

int atio_format_load(const struct atio_format *format, const void *bytes,
		     size_t len, const struct atio_limits *limits,
		     struct atio_doc **ret_doc, struct atio_value_error *err)
{
	char *owned;
	int r;

	if (!format->codec->load)
		return atio_value_fail(err, EOPNOTSUPP, NULL,
				       "the format %s cannot be read",
				       format->name);
	r = unzip(format, &bytes, &len, limits, &owned, err);
	if (r < 0)
		return r;
	r = atio_codec_load(format->codec, bytes, len, limits, ret_doc, err);
	free(owned);
	return r;
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
		return atio_value_fail(err, EOPNOTSUPP, NULL,
				       "the format %s cannot be written",
				       format->name);
	r = atio_codec_dump(format->codec, root, limits, &plain, &len, err);
	if (r < 0 || !format->is_zipped) {
		if (r == 0) {
			*ret_bytes = plain;
			*ret_len = len;
		}
		return r;
	}
	r = atio_gzip_pack(plain, len, ret_bytes, ret_len, err);
	free(plain);
	return r;
}

static int validate_text(const struct atio_codec *codec, const void *bytes,
			 size_t len, const struct atio_limits *limits,
			 struct atio_value_error *err)
{
	struct atio_doc *doc = NULL;
	unsigned traits = 0;
	int r = 0;

	if (codec->load) {
		r = atio_codec_load(codec, bytes, len, limits, &doc, err);
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
	if (codec->validate)
		r = codec->validate(codec, bytes, len, err);
	return r;
}

int atio_format_validate(const struct atio_format *format, const void *bytes,
			 size_t len, const struct atio_limits *limits,
			 struct atio_value_error *err)
{
	char *owned;
	int r;

	r = unzip(format, &bytes, &len, limits, &owned, err);
	if (r < 0)
		return r;
	r = validate_text(format->codec, bytes, len, limits, err);
	free(owned);
	return r;
}
