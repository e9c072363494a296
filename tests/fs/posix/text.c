/* SPDX-License-Identifier: MIT
 *
 * text.c - arguments in, results out.
 */
#include "calls.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WORD(name)                                                             \
	{                                                                      \
#name, name                                                    \
	}
#define OPEN(name)                                                             \
	{                                                                      \
#name, O_##name                                                \
	}

static const struct word {
	const char *name;
	long long value;
} words[] = {
	OPEN(RDONLY),
	OPEN(WRONLY),
	OPEN(RDWR),
	OPEN(ACCMODE),
	OPEN(CREAT),
	OPEN(EXCL),
	OPEN(TRUNC),
	OPEN(APPEND),
	OPEN(DIRECTORY),
	OPEN(NOFOLLOW),
	OPEN(PATH),
	OPEN(TMPFILE),
	OPEN(DIRECT),
	OPEN(SYNC),
	OPEN(DSYNC),
	OPEN(NONBLOCK),
	OPEN(CLOEXEC),
	OPEN(NOATIME),
	OPEN(NOCTTY),
	OPEN(LARGEFILE),
	OPEN(ASYNC),
	WORD(SEEK_SET),
	WORD(SEEK_CUR),
	WORD(SEEK_END),
	WORD(SEEK_DATA),
	WORD(SEEK_HOLE),
	WORD(FALLOC_FL_KEEP_SIZE),
	WORD(FALLOC_FL_PUNCH_HOLE),
	WORD(FALLOC_FL_ZERO_RANGE),
	WORD(FALLOC_FL_COLLAPSE_RANGE),
	WORD(FALLOC_FL_INSERT_RANGE),
	WORD(FALLOC_FL_UNSHARE_RANGE),
	WORD(RENAME_NOREPLACE),
	WORD(RENAME_EXCHANGE),
	WORD(RENAME_WHITEOUT),
	WORD(AT_SYMLINK_NOFOLLOW),
	WORD(AT_SYMLINK_FOLLOW),
	WORD(AT_REMOVEDIR),
	WORD(AT_EMPTY_PATH),
	WORD(AT_EACCESS),
	WORD(XATTR_CREATE),
	WORD(XATTR_REPLACE),
	WORD(PROT_NONE),
	WORD(PROT_READ),
	WORD(PROT_WRITE),
	WORD(PROT_EXEC),
	WORD(MAP_SHARED),
	WORD(MAP_PRIVATE),
	WORD(MS_SYNC),
	WORD(MS_ASYNC),
	WORD(MS_INVALIDATE),
	WORD(R_OK),
	WORD(W_OK),
	WORD(X_OK),
	WORD(F_OK),
	WORD(S_IFREG),
	WORD(S_IFIFO),
	WORD(S_IFSOCK),
	WORD(S_IFCHR),
	WORD(S_IFBLK),
	WORD(S_IFDIR),
	WORD(S_IFLNK),
	WORD(F_GETFL),
	WORD(F_SETFL),
	WORD(F_GETFD),
	WORD(F_DUPFD_CLOEXEC),
	WORD(RWF_APPEND),
	WORD(RWF_DSYNC),
	WORD(RWF_SYNC),
	WORD(RWF_HIPRI),
	WORD(SYNC_FILE_RANGE_WRITE),
	WORD(SYNC_FILE_RANGE_WAIT_AFTER),
	WORD(SYNC_FILE_RANGE_WAIT_BEFORE),
	WORD(POSIX_FADV_DONTNEED),
	WORD(POSIX_FADV_WILLNEED),
};

static long long word_value(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].name) == len &&
		    !memcmp(words[i].name, name, len))
			return words[i].value;
	}
	fprintf(stderr, "calls: unknown word '%.*s'\n", (int)len, name);
	exit(2);
}

long long arg_num(struct run *run, int i, long long fallback)
{
	long long value = 0;
	const char *s;

	if (i >= run->argc)
		return fallback;
	s = run->argv[i];
	if (isdigit((unsigned char)*s) || *s == '-')
		return strtoll(s, NULL, 0);
	while (*s) {
		size_t n = strcspn(s, "|");

		value |= word_value(s, n);
		s += n + (s[n] == '|');
	}
	return value;
}

int arg_fd(struct run *run, int i)
{
	const char *s = i < run->argc ? run->argv[i] : "";

	if (!isdigit((unsigned char)*s) || strtol(s, NULL, 10) >= MAX_SLOTS)
		return -1;
	return run->fd[strtol(s, NULL, 10)];
}

bool arg_is(struct run *run, int i, const char *word)
{
	return i < run->argc && !strcmp(run->argv[i], word);
}

const char *arg_path(struct run *run, int i)
{
	static char ring[8][3 * 4096];
	static unsigned at;
	char *buf = ring[at++ % 8];
	const char *s = i < run->argc ? run->argv[i] : "";

	if (*s == '/' || !*s)
		return s;
	if (!strcmp(s, "."))
		return run->dir;
	snprintf(buf, sizeof(ring[0]), "%s/%s", run->dir, s);
	return buf;
}

char *arg_data(struct run *run, int i, size_t *ret_len)
{
	const char *s = i < run->argc ? run->argv[i] : "";
	size_t len = i < run->argc ? run->arglen[i] : 0;
	char *data;

	if (len > 2 && s[1] == '*') {
		len = strtoull(s + 2, NULL, 0);
		data = malloc(len + 1);
		if (data)
			memset(data, s[0], len);
	} else {
		data = malloc(len + 1);
		if (data)
			memcpy(data, s, len);
	}
	if (!data)
		exit(2);
	*ret_len = len;
	return data;
}

static size_t decode(char *s)
{
	char *to = s, *from = s;

	if (!strcmp(s, "''")) {
		*s = '\0';
		return 0;
	}
	while (*from) {
		char hex[3] = {0};

		if (*from == '%' && from[1] && from[2]) {
			memcpy(hex, from + 1, 2);
			*to++ = (char)strtoul(hex, NULL, 16);
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return (size_t)(to - s);
}

int args_parse(struct run *run, char *text)
{
	char *save = NULL;

	run->argc = 0;
	for (char *s = strtok_r(text, " ", &save); s;
	     s = strtok_r(NULL, " ", &save)) {
		if (run->argc == MAX_ARGS)
			return -E2BIG;
		run->argv[run->argc] = s;
		run->arglen[run->argc++] = decode(s);
	}
	return 0;
}

long result(long r)
{
	return r < 0 ? -errno : r;
}

const char *errno_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "E?";
}

void print_name(FILE *out, const char *name, size_t len)
{
	if (len > 80) {
		print_bytes(out, name, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c <= ' ' || c > '~' || c == '%')
			fprintf(out, "%%%02x", c);
		else
			fputc(c, out);
	}
}

void print_bytes(FILE *out, const char *data, size_t len)
{
	uint64_t hash = 14695981039346656037ull;
	bool readable = len <= 40;

	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ (unsigned char)data[i]) * 1099511628211ull;
		if (!isgraph((unsigned char)data[i]))
			readable = false;
	}
	if (readable)
		fprintf(out, "'%.*s'", (int)len, data);
	else
		fprintf(out, "%zu:%016llx", len, (unsigned long long)hash);
}
