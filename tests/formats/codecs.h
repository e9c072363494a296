/* SPDX-License-Identifier: MIT
 *
 * codecs.h - the codecs by name, for the programs that test them.
 */
#ifndef TESTS_FORMATS_CODECS_H
#define TESTS_FORMATS_CODECS_H

#include <string.h>

#include "format/codec.h"

/* One that is not built in yet is NULL. */
#pragma weak atio_codec_json
#pragma weak atio_codec_typed
#pragma weak atio_codec_txt
#pragma weak atio_codec_yaml
#pragma weak atio_codec_toml
#pragma weak atio_codec_csv
#pragma weak atio_codec_xml
#pragma weak atio_codec_dump

static inline const struct atio_codec *codec_named(const char *name, size_t len)
{
	const struct atio_codec *const all[] = {
		&atio_codec_json, &atio_codec_typed, &atio_codec_txt,
		&atio_codec_yaml, &atio_codec_toml,  &atio_codec_csv,
		&atio_codec_xml,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i] && strlen(all[i]->name) == len &&
		    memcmp(all[i]->name, name, len) == 0)
			return all[i];
	return NULL;
}

/* atio_codec_dump, or what it will do once there is a conversion. */
static inline int dump_with(const struct atio_codec *codec,
			    const struct atio_node *root,
			    const struct atio_limits *limits, char **ret_bytes,
			    size_t *ret_len, struct atio_value_error *err)
{
	struct atio_limits complete;
	struct atio_out out;
	int r;

	if (atio_codec_dump)
		return atio_codec_dump(codec, root, limits, ret_bytes, ret_len,
				       err);
	r = atio_limits_complete(limits, &complete);
	if (r < 0)
		return r;
	atio_out_init(&out, complete.output_bytes);
	r = codec->dump(codec, root, &out, err);
	if (r == 0)
		r = atio_out_take(&out, ret_bytes, ret_len);
	atio_out_done(&out);
	return r < 0 ? atio_value_fail(err, -r, NULL, "no memory, or no room")
		     : 0;
}

#endif
