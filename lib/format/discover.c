/* SPDX-License-Identifier: MIT
 *
 * discover.c - the plugins that are installed.
 *
 * What a directory of plugins holds is run by whoever uses the library, also by
 * root: so only what root or this very user has put there, and nobody else can
 * change, is looked at.  That is decided on open descriptors.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/plugin.h"

#define NAME_MOST  64  /* characters of a plugin's name */
#define FILES_MOST 512 /* of a directory that are looked at */

struct discovery {
	struct atio_formats *formats;
	const struct atio_formats_options *opts;
	const char *dir;
	int dirfd;
};

/* ---- listing ---------------------------------------------------------- */

static int list_failed(const struct discovery *d, const char *kind,
		       const char *name, const char *source, const char *reason)
{
	const struct atio_format_entry entry = {
		.name = name,
		.kind = kind,
		.source = source,
		.reason = reason,
	};

	return atio_formats_add(d->formats, &entry);
}

/* ---- who may have put it there ---------------------------------------- */

static bool is_ours(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Whether @fd is @below or lies under it: is one of the directories above it
 * the same? */
static bool lies_below(int fd, int below)
{
	struct stat top, here, before = {0};
	int up, at = dup(fd);
	bool found = false;

	if (below <= 0 || fstat(below, &top) < 0) {
		if (at >= 0)
			(void)close(at);
		return false;
	}
	while (at >= 0 && fstat(at, &here) == 0) {
		found = here.st_dev == top.st_dev && here.st_ino == top.st_ino;
		if (found || (here.st_dev == before.st_dev &&
			      here.st_ino == before.st_ino))
			break; /* or / was reached */
		before = here;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		(void)close(at);
		at = up;
	}
	if (at >= 0)
		(void)close(at);
	return found;
}

/* NULL: the file @name may be used. */
static const char *distrust(const struct discovery *d, const char *name)
{
	struct stat st;

	if (fstatat(d->dirfd, name, &st, 0) < 0)
		return strerrordesc_np(errno);
	if (!S_ISREG(st.st_mode))
		return "it is no regular file";
	if (!is_ours(&st))
		return "it belongs to somebody else, or others can write to it";
	return NULL;
}

/* ---- NAME.conf --------------------------------------------------------- */

/* The text of the file, for free(3). */
static char *read_text(const struct discovery *d, const char *name,
		       const char **ret_reason)
{
	int fd = openat(d->dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = fd < 0 ? NULL : malloc(ATIO_CONF_BYTES + 1);
	ssize_t n = -1;
	size_t len = 0;

	if (fd < 0) {
		*ret_reason = strerrordesc_np(errno);
		return NULL;
	}
	while (text && len <= ATIO_CONF_BYTES &&
	       (n = read(fd, text + len, ATIO_CONF_BYTES + 1 - len)) > 0)
		len += (size_t)n;
	*ret_reason = !text    ? "out of memory"
		      : n < 0  ? strerrordesc_np(errno)
		      : n > 0  ? "it is larger than 64 KiB"
		      : memchr(text, '\0', len) ? "it holds a NUL"
						: NULL;
	(void)close(fd);
	if (*ret_reason) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

/* NULL: whoever may use the description may run what it names. */
static const char *distrust_program(const char *const *argv)
{
	struct stat st;

	if (!*argv)
		return NULL;
	if (stat(*argv, &st) < 0)
		return errno == ENOENT ? "a program that it names is not there"
				       : strerrordesc_np(errno);
	if (!S_ISREG(st.st_mode) || access(*argv, X_OK) < 0)
		return "what it names as a program cannot be run";
	if (!is_ours(&st))
		return "a program that it names belongs to somebody else, or "
		       "others can write to it";
	return NULL;
}

static const char *distrust_programs(const struct atio_conf *conf)
{
	const char *reason = distrust_program(conf->load);

	if (!reason)
		reason = distrust_program(conf->dump);
	if (!reason)
		reason = distrust_program(conf->validate);
	return reason;
}

static int add_conf(const struct discovery *d, const char *name,
		    const char *source, struct atio_conf *conf)
{
	const struct atio_format *base = NULL;
	struct atio_format_entry entry = {
		.name = name,
		.kind = conf->base ? "validated" : "command",
		.source = source,
		.base = conf->base,
		.suffixes = conf->suffixes,
		.free_codec = atio_command_free,
	};
	const char *reason = distrust_programs(conf);
	int r;

	if (conf->base)
		base = atio_formats_by_name(d->formats, conf->base);
	if (conf->base && !base)
		reason = "there is no such base format";
	if (reason) {
		r = list_failed(d, entry.kind, name, source, reason);
		atio_conf_done(conf);
		return r;
	}
	r = atio_command_codec(name, conf, base ? base->codec : NULL,
			       &entry.codec);
	/* The suffixes live in the codec's conf from now on. */
	return r < 0 ? r : atio_formats_add(d->formats, &entry);
}

static int take_conf(const struct discovery *d, const char *file,
		     const char *name, const char *source)
{
	struct atio_error err = ATIO_ERROR_INIT;
	const char *reason = distrust(d, file);
	struct atio_conf conf;
	char *text = NULL;
	int r;

	if (!reason)
		text = read_text(d, file, &reason);
	if (reason)
		return list_failed(d, "command", name, source, reason);
	if (atio_conf_parse(&conf, text, &err) < 0) {
		r = list_failed(d, conf.base ? "validated" : "command", name,
				source, err.text);
		atio_conf_done(&conf);
		return r;
	}
	return add_conf(d, name, source, &conf);
}

/* ---- NAME.so ----------------------------------------------------------- */

static const char *host_of(const struct discovery *d)
{
	const char *host = d->opts ? d->opts->host : NULL;

	if (!host)
		host = secure_getenv("ATOMICIO_FORMAT_HOST");
	return host ? host : ATIO_FORMAT_HOST;
}

static int take_object(const struct discovery *d, const char *file,
		       const char *name, const char *source)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const char *reason = distrust(d, file);
	struct atio_format_entry entry = {
		.kind = "object",
		.source = source,
		.free_codec = atio_command_free,
	};
	struct atio_object object;
	int r;

	if (reason)
		return list_failed(d, "object", name, source, reason);
	r = atio_object_describe(host_of(d), source, &object, &err);
	if (r < 0)
		return list_failed(d, "object", name, source, err.error.text);
	entry.name = object.name;
	entry.suffixes = object.suffixes;
	r = atio_object_codec(host_of(d), source, &object, &entry.codec);
	if (r == 0)
		r = atio_formats_add(d->formats, &entry);
	atio_doc_free(object.doc);
	return r;
}

/* ---- directories ------------------------------------------------------- */

/* The part of @file before @ending, or false. */
static bool cut(const char *file, const char *ending, char name[NAME_MOST + 1])
{
	size_t len = strlen(file), n = strlen(ending);
	size_t i;

	if (len <= n || strcmp(file + len - n, ending) != 0 ||
	    len - n > NAME_MOST)
		return false;
	for (i = 0; i < len - n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			    file[i]))
			return false;
	memcpy(name, file, len - n);
	name[len - n] = '\0';
	return *name != '.';
}

static int take_file(const struct discovery *d, const char *file)
{
	size_t size = strlen(d->dir) + strlen(file) + 2;
	char name[NAME_MOST + 1];
	char *source;
	int r = 0;

	source = malloc(size);
	if (!source)
		return -ENOMEM;
	(void)snprintf(source, size, "%s/%s", d->dir, file);
	if (cut(file, ".conf", name))
		r = take_conf(d, file, name, source);
	else if (cut(file, ".so", name))
		r = take_object(d, file, name, source);
	free(source);
	return r;
}

static int select_plugin(const struct dirent *entry)
{
	char name[NAME_MOST + 1];

	return cut(entry->d_name, ".conf", name) ||
	       cut(entry->d_name, ".so", name);
}

/* In the order of names.  Objects and commands before what may be based on
 * them. */
static int take_files(const struct discovery *d)
{
	struct dirent **files;
	int n, i, r = 0;

	n = scandirat(d->dirfd, ".", &files, select_plugin, alphasort);
	if (n < 0)
		return errno == ENOMEM ? -ENOMEM : 0;
	for (i = 0; i < n; i++) {
		if (r == 0 && i < FILES_MOST)
			r = take_file(d, files[i]->d_name);
		free(files[i]);
	}
	free(files);
	return r;
}

/* A directory that is not there has no plugins; one that cannot be trusted is
 * listed, so that somebody finds out. */
static int take_dir(struct discovery *d)
{
	struct stat st;
	int r = 0;

	d->dirfd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->dirfd < 0)
		return errno == ENOENT
			       ? 0
			       : list_failed(d, "directory", d->dir, d->dir,
					     strerrordesc_np(errno));
	if (fstat(d->dirfd, &st) < 0 || !is_ours(&st))
		r = list_failed(d, "directory", d->dir, d->dir,
				"it belongs to somebody else, or others can "
				"write to it");
	else if (d->opts && lies_below(d->dirfd, d->opts->never_below_fd))
		r = list_failed(d, "directory", d->dir, d->dir,
				"it lies in the tree that is mounted");
	else
		r = take_files(d);
	(void)close(d->dirfd);
	return r;
}

const char *const *atio_formats_default_dirs(void)
{
	static const char *const dirs[] = {
		"/etc/atomicfs/formats.d", ATIO_LIBDIR "/atomicfs/formats.d",
		NULL};

	return dirs;
}

int atio_plugins_add(struct atio_formats *formats,
		     const struct atio_formats_options *opts)
{
	const char *const *dir = opts ? opts->dirs : NULL;
	struct discovery d = {.formats = formats, .opts = opts};
	int r = 0;

	if (opts && opts->builtin_only)
		return 0;
	for (dir = dir ? dir : atio_formats_default_dirs(); *dir && r == 0;
	     dir++) {
		d.dir = *dir;
		r = take_dir(&d);
	}
	return r;
}
