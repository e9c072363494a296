/* SPDX-License-Identifier: MIT
 *
 * dump.c - what all formats have in common around their writer.
 */
#include <errno.h>

#include "format/codec.h"

int atio_codec_dump(const struct atio_codec *codec,
		    const struct atio_node *root,
		    const struct atio_limits *limits, char **ret_bytes,
		    size_t *ret_len, struct atio_value_error *err)
{
	const struct atio_node *fitting;
	struct atio_limits complete;
	struct atio_doc *doc = NULL;
	struct atio_out out;
	int r;

	r = atio_limits_complete(limits, &complete);
	if (r < 0)
		return atio_value_fail(err, -r, NULL, "wrong limits");
	r = atio_value_convert(root, codec->target, &complete, &doc, &fitting,
			       err);
	if (r < 0)
		return r;
	atio_out_init(&out, complete.output_bytes);
	r = codec->dump(codec, fitting, &out, err);
	atio_doc_free(doc);
	if (r < 0) {
		atio_out_done(&out);
		return r;
	}
	r = atio_out_take(&out, ret_bytes, ret_len);
	if (r == -EFBIG)
		return atio_value_fail(err, EFBIG, NULL,
				       "larger than %zu bytes when written",
				       complete.output_bytes);
	return r < 0 ? atio_value_fail(err, -r, NULL, "out of memory") : 0;
}
