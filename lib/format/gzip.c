/* SPDX-License-Identifier: MIT
 *
 * gzip.c - gzip (RFC 1952) around a document.
 *
 * A file may hold several members one after another, which are one content, as
 * gzip(1) has it.  What follows the last one and is no member is an error here:
 * it would be lost when the file is written.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "format/codec.h"

#define GZIP_WINDOW (16 + MAX_WBITS) /* a gzip header, and no other */
#define PIECE       ((size_t)16384)

/* zlib's own allocator is malloc, too, but without a look at overflow. */
static voidpf get(voidpf opaque, uInt items, uInt size)
{
	return calloc(items, size);
}

static void put(voidpf opaque, voidpf bytes)
{
	free(bytes);
}

static int fail(struct atio_value_error *err, int code, size_t offset,
		const char *text)
{
	if (err && !err->error.code)
		err->offset = offset;
	return atio_fail(err ? &err->error : NULL, code, "%s", text);
}

bool atio_gzip_is(const void *bytes, size_t len)
{
	return len >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
}

/* ---- unpacking ------------------------------------------------------- */

struct unpacking {
	z_stream z;
	const char *bytes;
	size_t len, done; /* of @bytes: all, and what zlib has been given */
	struct atio_out out;
	struct atio_value_error *err;
};

/* What zlib has not yet taken of the input. */
static size_t rest(const struct unpacking *u)
{
	return u->len - u->done + u->z.avail_in;
}

static void feed(struct unpacking *u)
{
	size_t more = u->len - u->done;

	if (u->z.avail_in)
		return;
	if (more > UINT_MAX)
		more = UINT_MAX;
	u->z.next_in = (Bytef *)(u->bytes + u->done);
	u->z.avail_in = (uInt)more;
	u->done += more;
}

static int fail_here(struct unpacking *u, int code, const char *text)
{
	return fail(u->err, code, u->len - rest(u), text);
}

static int damaged(struct unpacking *u, int code)
{
	if (code == Z_MEM_ERROR)
		return fail_here(u, ENOMEM, "out of memory");
	if (code == Z_NEED_DICT)
		return fail_here(u, EINVAL, "gzip: needs a dictionary");
	if (code == Z_BUF_ERROR)
		return fail_here(u, EINVAL, "gzip: ends in the middle");
	if (u->err && !u->err->error.code)
		u->err->offset = u->len - rest(u);
	return atio_fail(u->err ? &u->err->error : NULL, EINVAL,
			 "gzip: damaged: %s", u->z.msg ? u->z.msg : "unknown");
}

static int too_much(struct unpacking *u)
{
	if (u->err && !u->err->error.code)
		u->err->offset = u->len - rest(u);
	return atio_fail(u->err ? &u->err->error : NULL, EFBIG,
			 "gzip: unpacks to more than %zu bytes", u->out.limit);
}

/* One member, from its header to its checksum. */
static int unpack_member(struct unpacking *u)
{
	char piece[PIECE];
	int code;

	do {
		feed(u);
		u->z.next_out = (Bytef *)piece;
		u->z.avail_out = sizeof(piece);
		code = inflate(&u->z, Z_NO_FLUSH);
		atio_out_put(&u->out, piece, sizeof(piece) - u->z.avail_out);
		if (u->out.failed == -EFBIG)
			return too_much(u);
		if (u->out.failed)
			return damaged(u, Z_MEM_ERROR);
	} while (code == Z_OK);
	return code == Z_STREAM_END ? 0 : damaged(u, code);
}

static int unpack_members(struct unpacking *u)
{
	int r;

	do {
		r = unpack_member(u);
		if (r < 0)
			return r;
		feed(u);
		if (!rest(u))
			return 0;
		if (!atio_gzip_is(u->z.next_in, u->z.avail_in))
			return fail_here(u, EINVAL,
					 "gzip: something else follows the "
					 "compressed content");
	} while (inflateReset(&u->z) == Z_OK);
	return damaged(u, Z_STREAM_ERROR);
}

int atio_gzip_unpack(const void *bytes, size_t len, size_t limit,
		     char **ret_bytes, size_t *ret_len,
		     struct atio_value_error *err)
{
	struct unpacking u = {
		.z = {.zalloc = get, .zfree = put},
		.bytes = bytes,
		.len = len,
		.err = err,
	};
	int r;

	if (!atio_gzip_is(bytes, len))
		return fail(err, EINVAL, 0, "this is not gzip");
	if (inflateInit2(&u.z, GZIP_WINDOW) != Z_OK)
		return fail(err, ENOMEM, 0, "out of memory");
	atio_out_init(&u.out, limit);
	r = unpack_members(&u);
	(void)inflateEnd(&u.z);
	if (r == 0) {
		r = atio_out_take(&u.out, ret_bytes, ret_len);
		return r < 0 ? fail(err, -r, 0, "out of memory") : 0;
	}
	atio_out_done(&u.out);
	return r;
}

/* ---- packing --------------------------------------------------------- */

static int deflate_all(z_stream *z, const char *bytes, size_t len,
		       struct atio_out *out)
{
	char piece[PIECE];
	size_t more;
	int code;

	do {
		if (!z->avail_in) {
			more = len < UINT_MAX ? len : UINT_MAX;
			z->next_in = (Bytef *)bytes;
			z->avail_in = (uInt)more;
			bytes += more;
			len -= more;
		}
		z->next_out = (Bytef *)piece;
		z->avail_out = sizeof(piece);
		code = deflate(z, len ? Z_NO_FLUSH : Z_FINISH);
		atio_out_put(out, piece, sizeof(piece) - z->avail_out);
	} while (code == Z_OK && !out->failed);
	return code == Z_STREAM_END ? out->failed : -ENOMEM;
}

int atio_gzip_pack(const void *bytes, size_t len, char **ret_bytes,
		   size_t *ret_len, struct atio_value_error *err)
{
	z_stream z = {.zalloc = get, .zfree = put};
	struct atio_out out;
	int r;

	/* zlib's header, unless told otherwise: no name, and 0 as the time. */
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return fail(err, ENOMEM, 0, "out of memory");
	atio_out_init(&out, SIZE_MAX / 2);
	r = deflate_all(&z, bytes, len, &out);
	(void)deflateEnd(&z);
	if (r == 0)
		r = atio_out_take(&out, ret_bytes, ret_len);
	else
		atio_out_done(&out);
	return r < 0 ? fail(err, -r, 0, "out of memory") : 0;
}
