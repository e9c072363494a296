/* SPDX-License-Identifier: MIT
 *
 * out.c - bytes that are being rendered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/codec.h"

#define ROOM_FIRST ((size_t)4096)

void atio_out_init(struct atio_out *out, size_t limit)
{
	*out = (struct atio_out){.limit = limit};
}

void atio_out_done(struct atio_out *out)
{
	free(out->bytes);
	*out = (struct atio_out){.failed = out->failed};
}

/* Room for @more bytes. */
static bool grow(struct atio_out *out, size_t more)
{
	size_t room = out->room ? out->room * 2 : ROOM_FIRST;
	char *larger;

	if (out->failed)
		return false;
	if (more > out->limit - out->len) {
		out->failed = -EFBIG;
		return false;
	}
	if (room > out->limit)
		room = out->limit;
	if (room < out->len + more)
		room = out->len + more;
	/* One more: for the NUL that the owner of the bytes is promised. */
	larger = realloc(out->bytes, room + 1);
	if (!larger) {
		out->failed = -ENOMEM;
		return false;
	}
	out->bytes = larger;
	out->room = room;
	return true;
}

void atio_out_put(struct atio_out *out, const void *bytes, size_t len)
{
	if (len > out->room - out->len && !grow(out, len))
		return;
	if (len)
		memcpy(out->bytes + out->len, bytes, len);
	out->len += len;
}

void atio_out_text(struct atio_out *out, const char *text)
{
	atio_out_put(out, text, strlen(text));
}

void atio_out_fill(struct atio_out *out, char c, size_t times)
{
	if (times > out->room - out->len && !grow(out, times))
		return;
	if (times)
		memset(out->bytes + out->len, c, times);
	out->len += times;
}

void atio_out_line(struct atio_out *out, size_t blanks)
{
	static const char line[] = "\n                                "
				   "                                ";

	if (blanks < sizeof(line) - 1) {
		atio_out_put(out, line, 1 + blanks);
		return;
	}
	atio_out_char(out, '\n');
	atio_out_fill(out, ' ', blanks);
}

int atio_out_take(struct atio_out *out, char **ret_bytes, size_t *ret_len)
{
	char *bytes = out->bytes;
	int failed = out->failed;

	if (!failed && !bytes) {
		bytes = malloc(1);
		failed = bytes ? 0 : -ENOMEM;
	}
	if (failed) {
		atio_out_done(out);
		return failed;
	}
	bytes[out->len] = '\0';
	*ret_bytes = bytes;
	*ret_len = out->len;
	*out = (struct atio_out){.limit = out->limit};
	return 0;
}
