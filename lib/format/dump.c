/* SPDX-License-Identifier: MIT
 *
 * dump.c - what all formats have in common around their writer.
 */
#include <errno.h>

#include "format/codec.h"

/* What has been written into @out, which is done with. */
static int take(struct atio_out *out, char **ret_bytes, size_t *ret_len,
		struct atio_value_error *err)
{
	size_t limit = out->limit;
	int r = atio_out_take(out, ret_bytes, ret_len);

	if (r == -EFBIG)
		return atio_value_fail(err, EFBIG, NULL,
				       "larger than %zu bytes when written",
				       limit);
	return r < 0 ? atio_value_fail(err, -r, NULL, "out of memory") : 0;
}

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
	if (r == 0)
		return take(&out, ret_bytes, ret_len, err);
	atio_out_done(&out);
	return r;
}

int atio_format_print(const struct atio_node *root, unsigned indent,
		      const struct atio_limits *limits, char **ret_bytes,
		      size_t *ret_len, struct atio_value_error *err)
{
	const struct atio_node *fitting;
	struct atio_limits complete;
	struct atio_doc *doc = NULL;
	struct atio_out out;
	int r;

	r = atio_limits_complete(limits, &complete);
	if (r < 0 || indent > ATIO_INDENT_MOST)
		return atio_value_fail(err, EINVAL, NULL,
				       r < 0 ? "wrong limits" : "wrong indent");
	r = atio_value_convert(root, ATIO_TO_JSON, &complete, &doc, &fitting,
			       err);
	if (r < 0)
		return r;
	atio_out_init(&out, complete.output_bytes);
	r = atio_json_dump(fitting, indent, &out, err);
	atio_doc_free(doc);
	if (r == 0)
		return take(&out, ret_bytes, ret_len, err);
	atio_out_done(&out);
	return r;
}
