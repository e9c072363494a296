/* SPDX-License-Identifier: MIT
 *
 * gzip.h - gzip (RFC 1952, by zlib) around a document.
 */
#ifndef ATIO_FORMAT_GZIP_H
#define ATIO_FORMAT_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <atomicio/format.h>

/* Whether it begins as a gzip member. */
bool atio_gzip_is(const void *bytes, size_t len);
/* All members one after another; the caller frees *ret_bytes (a NUL follows).
 * -EFBIG: more than @limit; -EINVAL: damaged; -ENOMEM. */
int atio_gzip_unpack(const void *bytes, size_t len, size_t limit,
		     char **ret_bytes, size_t *ret_len,
		     struct atio_value_error *err);
/* No time and no name in the header: the same bytes give the same bytes. */
int atio_gzip_pack(const void *bytes, size_t len, char **ret_bytes,
		   size_t *ret_len, struct atio_value_error *err);

/* registry.c: whether its documents are under gzip. */
bool atio_format_is_zipped(const struct atio_format *format);

#endif
