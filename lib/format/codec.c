/* SPDX-License-Identifier: MIT
 *
 * codec.c - what all formats have in common around their parser and writer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/codec.h"

static const char bom[] = "\xEF\xBB\xBF";
#define BOM_LEN 3

/* ---- loading --------------------------------------------------------- */

static bool is_blank(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!text[i] || !strchr(" \t\r\n", text[i]))
			return false;
	return true;
}

static int load_text(const struct atio_codec *codec, struct atio_builder *b,
		     const char *text, size_t len)
{
	size_t good;

	if (!codec->raw) {
		if (len >= BOM_LEN && memcmp(text, bom, BOM_LEN) == 0)
			b->shift = BOM_LEN;
		text += b->shift;
		len -= b->shift;
	}
	if (b->shift)
		b->doc->traits |= ATIO_DOC_BOM;
	b->source = text;
	b->source_len = len;
	good = codec->raw ? len : atio_utf8_check(text, len);
	if (good < len)
		return atio_build_fail(b, EILSEQ, good,
				       "byte 0x%02X is not UTF-8",
				       (unsigned char)text[good]);
	if (!codec->wants_blank && is_blank(text, len))
		return 0;
	return codec->load(codec, b, text, len);
}

static int load_within(const struct atio_codec *codec, struct atio_builder *b,
		       const void *bytes, size_t len, struct atio_doc **ret_doc,
		       struct atio_value_error *err)
{
	int r = 0;

	if (len > b->limits.input_bytes)
		(void)atio_build_fail(b, EFBIG, 0,
				      "larger than %zu bytes of input",
				      b->limits.input_bytes);
	else
		r = load_text(codec, b, bytes, len);
	if (r < 0) /* unless it was said already */
		(void)atio_build_fail(b, -r, 0, "%s", strerrordesc_np(-r));
	return atio_builder_finish(b, ret_doc, err);
}

int atio_codec_load(const struct atio_codec *codec, const void *bytes,
		    size_t len, const struct atio_limits *limits,
		    struct atio_doc **ret_doc, struct atio_value_error *err)
{
	struct atio_builder *b;
	int r;

	r = atio_builder_new(limits, &b);
	if (r < 0)
		return atio_value_fail(err, -r, NULL, "%s",
				       r == -EINVAL ? "wrong limits"
						    : "out of memory");
	r = load_within(codec, b, bytes, len, ret_doc, err);
	atio_builder_free(b);
	return r;
}
