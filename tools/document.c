/* SPDX-License-Identifier: MIT
 *
 * document.c - what the commands that read and write formats have in common.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "document.h"

#define SECONDS_MAX 1e9 /* thirty years */

/* ---- formats --------------------------------------------------------- */

#define DIRS_MOST 8

/* @dir before those where formats are looked for anyway.  These are left out
 * where they are not there: what is named has to be. */
static void list_dirs(const char *dir, const char *dirs[DIRS_MOST + 1])
{
	const char *const *more = atio_formats_default_dirs();
	size_t n = 0;

	dirs[n++] = dir;
	for (; *more && n < DIRS_MOST; more++)
		if (access(*more, F_OK) == 0)
			dirs[n++] = *more;
	dirs[n] = NULL;
}

struct atio_formats *document_formats(const char *dir)
{
	const char *dirs[DIRS_MOST + 1];
	struct atio_formats_options options = {
		.version = ATIO_FORMATS_OPTIONS_VERSION,
	};
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_formats *formats;
	AUTO_CLOSE int fd = -1;

	output_failure_is(EXIT_DATA);
	if (dir) {
		fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) {
			complain("%s: %s", dir, strerror(errno));
			return NULL;
		}
		list_dirs(dir, dirs);
		options.dirs = dirs;
	}
	if (atio_formats_new(&options, &formats, &err) == 0)
		return formats;
	(void)failed(&err);
	return NULL;
}

/* Why a format that is listed is not there, or NULL. */
static const char *why_failed(const struct atio_formats *formats,
			      const char *name)
{
	struct atio_format_info info;
	size_t i;

	for (i = 0; atio_formats_info(formats, i, &info) == 0; i++)
		if (!info.loaded && strcmp(info.name, name) == 0)
			return info.reason;
	return NULL;
}

const struct atio_format *document_format(const struct atio_formats *formats,
					  const char *name, const char *path)
{
	const struct atio_format *format;
	const char *reason;

	format = name ? atio_formats_by_name(formats, name)
		      : atio_formats_by_path(formats, path);
	if (format)
		return format;
	reason = name ? why_failed(formats, name) : NULL;
	if (reason)
		complain("the format %s is not loaded: %s", name, reason);
	else if (name)
		complain("there is no format '%s' (atomicio formats lists all)",
			 name);
	else if (!strcmp(path, "-"))
		complain("say with --from in which format standard input is");
	else
		complain("%s: no format is known for this name (--from names "
			 "one, atomicio formats lists all)",
			 path);
	return NULL;
}

/* ---- failures -------------------------------------------------------- */

static int exit_code(int code)
{
	switch (code) {
	case ENOENT:
		return EXIT_MISSING;
	case ENOPKG:
		return EXIT_FORMAT;
	case ETIMEDOUT:
	case EAGAIN:
	case ETIME: /* of a plugin */
		return EXIT_TIMEOUT;
	case EDEADLK:
	case ENOLCK:
		return EXIT_LOCK;
	default:
		return EXIT_DATA;
	}
}

/* Whether a message of the library names the file: "open 'PATH': ..." or
 * "PATH: ...". */
static bool names(const char *text, const char *path)
{
	size_t len = strlen(path);
	const char *s = text;

	if (!strncmp(text, path, len) && !strncmp(text + len, ": ", 2))
		return true;
	while ((s = strchr(s, '\'')) != NULL) {
		s++;
		if (!strncmp(s, path, len) && s[len] == '\'')
			return true;
	}
	return false;
}

int document_failed(const char *path, const struct atio_value_error *err)
{
	bool is_stdin = !strcmp(path, "-");
	const char *name = is_stdin ? "standard input" : path;
	const char *text =
		*err->error.text ? err->error.text : strerror(err->error.code);

	if (err->line)
		complain_bare("%s:%zu:%zu: %s", is_stdin ? "<stdin>" : path,
			      err->line, err->column, text);
	else if (err->has_pointer && *err->pointer)
		complain("%s: at %s: %s", name, err->pointer, text);
	else if (names(text, path))
		complain("%s", text);
	else
		complain("%s: %s", name, text);
	return exit_code(err->error.code);
}

static int file_failed(const char *path, int code)
{
	complain("%s: %s", strcmp(path, "-") ? path : "standard input",
		 strerror(code));
	return exit_code(code);
}

/* ---- bytes ----------------------------------------------------------- */

/* All that @fd has.  0 or -errno. */
static int slurp(int fd, size_t most, char **ret_bytes, size_t *ret_len)
{
	AUTO_FREE char *bytes = NULL;
	size_t len = 0, room = 0;
	char *larger;
	ssize_t n;

	for (;;) {
		if (room - len < 2) {
			room = room ? room * 2 : 64 * 1024;
			larger = realloc(bytes, room);
			if (!larger)
				return -ENOMEM;
			bytes = larger;
		}
		n = read(fd, bytes + len, room - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > most)
			return -EFBIG;
		if (n == 0)
			break;
	}
	bytes[len] = '\0';
	*ret_bytes = bytes;
	*ret_len = len;
	bytes = NULL;
	return 0;
}

int document_slurp(const char *path, size_t most, char **ret_bytes,
		   size_t *ret_len)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (strcmp(path, "-")) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return file_failed(path, errno);
	}
	r = slurp(fd < 0 ? STDIN_FILENO : fd, most, ret_bytes, ret_len);
	if (r == -EFBIG) {
		complain("%s: larger than %zu MiB",
			 strcmp(path, "-") ? path : "standard input",
			 most >> 20);
		return EXIT_DATA;
	}
	return r < 0 ? file_failed(path, -r) : EXIT_OK;
}

int document_print(const void *bytes, size_t len)
{
	return output_put(bytes, len) ? EXIT_OK : EXIT_DATA;
}

/* ---- files ----------------------------------------------------------- */

bool document_timeout(const char *command, const char *seconds, bool nonblock,
		      long *ret_timeout_ms)
{
	char *end;
	double s;

	*ret_timeout_ms = nonblock ? ATIO_TRY : ATIO_WAIT;
	if (!seconds)
		return true;
	if (nonblock) {
		(void)usage_error("%s: --wait and --nonblock do not go "
				  "together",
				  command);
		return false;
	}
	s = strtod(seconds, &end);
	if (!*seconds || seconds[strspn(seconds, "0123456789.")] || *end ||
	    s > SECONDS_MAX) {
		(void)usage_error("%s: '%s' is no number of seconds", command,
				  seconds);
		return false;
	}
	*ret_timeout_ms = (long)(s * 1000);
	if (s > 0 && !*ret_timeout_ms)
		*ret_timeout_ms = 1;
	return true;
}

struct atio_file *document_file(const char *path,
				const struct atio_formats *formats,
				long timeout_ms, int *ret_exit)
{
	const struct atio_file_options options = {
		.version = ATIO_FILE_OPTIONS_VERSION,
		.timeout_ms = timeout_ms,
		.formats = formats,
	};
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_file *file;

	if (atio_file_new(path, &options, &file, &err) == 0)
		return file;
	*ret_exit = document_failed(path, &err);
	return NULL;
}
