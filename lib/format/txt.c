/* SPDX-License-Identifier: MIT
 *
 * txt.c - any text as one string, byte for byte: a BOM stays, and so do the
 * ends of lines.
 */
#include <errno.h>

#include "format/codec.h"

static int load(const struct atio_codec *codec, struct atio_builder *b,
		const char *text, size_t len)
{
	size_t good = atio_utf8_check(text, len);

	if (good < len)
		return atio_build_fail(b, EILSEQ, good,
				       "byte 0x%02X is not UTF-8",
				       (unsigned char)text[good]);
	/* Blanks are a text, too; only where there is nothing at all is none.
	 */
	if (!len)
		b->doc->traits |= ATIO_DOC_EMPTY;
	b->offset = 0;
	b->length = len;
	return atio_build_text(b, ATIO_STRING, text, len);
}

static int dump(const struct atio_codec *codec, const struct atio_node *root,
		struct atio_out *out, struct atio_value_error *err)
{
	const char *text;
	size_t len;

	if (root->type != ATIO_STRING)
		return atio_value_fail(err, EOPNOTSUPP, NULL,
				       "a text file holds a string, no %s",
				       atio_type_name(root->type));
	text = atio_node_text(root, &len);
	atio_out_put(out, text, len);
	return 0;
}

static const char *const suffixes[] = {".txt", NULL};

const struct atio_codec atio_codec_txt = {
	.name = "txt",
	.suffixes = suffixes,
	.target = ATIO_TO_TXT,
	.load = load,
	.dump = dump,
	.wants_blank = true,
	.raw = true,
};
