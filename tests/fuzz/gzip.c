/* SPDX-License-Identifier: MIT
 *
 * gzip.c - the target of gzip: what can be unpacked can be packed, and any
 * bytes come out as they went in.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/codec.h"
#include "fuzz.h"

#define LIMIT ((size_t)1 << 20)

bool fuzz_accepted;

static void check_round(const void *bytes, size_t len)
{
	char *packed, *back;
	size_t packed_len, back_len;

	MUST(atio_gzip_pack(bytes, len, &packed, &packed_len, NULL) == 0,
	     "%zu bytes", len);
	MUST(atio_gzip_is(packed, packed_len), "%zu bytes", packed_len);
	MUST(atio_gzip_unpack(packed, packed_len, len, &back, &back_len,
			      NULL) == 0,
	     "%zu bytes", packed_len);
	MUST(back_len == len && !back[len], "%zu bytes", back_len);
	MUST(!len || memcmp(back, bytes, len) == 0, "%zu bytes", len);
	free(back);
	if (len)
		MUST(atio_gzip_unpack(packed, packed_len, len - 1, &back,
				      &back_len, NULL) == -EFBIG,
		     "%zu bytes", len);
	free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	size_t plain_len;
	char *plain;
	int r;

	check_round(bytes, len);
	r = atio_gzip_unpack(bytes, len, LIMIT, &plain, &plain_len, &err);
	fuzz_accepted = r == 0;
	if (r < 0) {
		MUST(r == -EINVAL || r == -EFBIG, "%d", r);
		MUST(err.error.code == -r && *err.error.text, "%d", r);
		MUST(err.offset <= len, "%zu", err.offset);
		return 0;
	}
	MUST(plain_len <= LIMIT, "%zu", plain_len);
	check_round(plain, plain_len);
	free(plain);
	return 0;
}
