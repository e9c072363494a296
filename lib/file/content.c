/* SPDX-License-Identifier: MIT */
#include "file/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define LEAST_ROOM 4096u
#define MOST_BYTES (1u << 30) /* by one call: Linux takes no more than 2 GiB */

/* Room for more than @need bytes and a NUL. */
static int grow(char **bytes, size_t *room, size_t need)
{
	size_t size = *room ? *room : LEAST_ROOM;
	char *more;

	while (size <= need && size <= SIZE_MAX / 2)
		size *= 2;
	if (size <= need)
		return -EFBIG;
	more = realloc(*bytes, size);
	if (!more)
		return -ENOMEM;
	*bytes = more;
	*room = size;
	return 0;
}

static size_t expected(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 0;
}

int atio_content_read(int fd, size_t most, char **ret_bytes, size_t *ret_len)
{
	size_t len = 0, room = 0, want = expected(fd);
	char *bytes = NULL;
	ssize_t n = 1;
	int r = 0;

	if (want > most)
		return -EFBIG;
	/* Two more than expected: the NUL, and to see the end. */
	if (want && want < SIZE_MAX - 2)
		room = want + 2;
	if (room && !(bytes = malloc(room)))
		return -ENOMEM;
	while (!r && n) {
		if (len + 1 >= room)
			r = grow(&bytes, &room, len + 1);
		if (r < 0)
			break;
		want = room - len - 1;
		n = pread(fd, bytes + len,
			  want < MOST_BYTES ? want : MOST_BYTES, (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		else
			len += (size_t)n;
		if (len > most)
			r = -EFBIG;
	}
	if (r < 0) {
		free(bytes);
		return r;
	}
	bytes[len] = 0;
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

int atio_content_write(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = write(fd, at, len < MOST_BYTES ? len : MOST_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}
