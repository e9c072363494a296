/* SPDX-License-Identifier: MIT
 *
 * codecs.h - the codecs by name, for the programs that test them.
 */
#ifndef TESTS_FORMATS_CODECS_H
#define TESTS_FORMATS_CODECS_H

#include <string.h>

#include "format/codec.h"

/* NULL: there is none. */
static inline const struct atio_codec *codec_named(const char *name, size_t len)
{
	const struct atio_codec *const all[] = {
		&atio_codec_json, &atio_codec_typed, &atio_codec_txt,
		&atio_codec_yaml, &atio_codec_toml,  &atio_codec_csv,
		&atio_codec_xml,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strlen(all[i]->name) == len &&
		    memcmp(all[i]->name, name, len) == 0)
			return all[i];
	return NULL;
}

#endif
