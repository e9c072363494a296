/* SPDX-License-Identifier: MIT
 *
 * discover.c - the plugins that are installed.
 *
 * Nothing that is wrong with a plugin is an error: it is listed, and why.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/plugin.h"

#define FILES_MOST 512 /* plugins of a directory */

struct discovery {
	struct atio_formats *formats;
	const struct atio_formats_options *opts;
	const char *dir; /* the one that is looked into, absolute */
	int dirfd;
	bool bases; /* those that need no base, or those that do */
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

static int never_below(const struct discovery *d)
{
	return d->opts ? d->opts->never_below_fd : -1;
}

/* ---- NAME.conf --------------------------------------------------------- */

/* The text of the file, for free(3). */
static char *read_text(const char *path, const char **ret_reason)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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

/* NULL: whoever may use the description may run what it names.  The arguments
 * that are files are looked at, too: an interpreter is told its program so. */
static const char *distrust_program(const struct discovery *d,
				    const char *const *argv, char *text,
				    size_t size)
{
	const char *reason = NULL, *const *word;

	for (word = argv; *word && !reason; word++) {
		if (**word != '/' || (word > argv && access(*word, F_OK) < 0))
			continue;
		reason = atio_distrust_file(*word, never_below(d));
		if (!reason && word == argv && access(*word, X_OK) < 0)
			reason = strerrordesc_np(errno);
		if (reason)
			(void)snprintf(text, size, "%s: %s", *word, reason);
	}
	return reason ? text : NULL;
}

static const char *distrust_programs(const struct discovery *d,
				     const struct atio_conf *conf, char *text,
				     size_t size)
{
	const char *reason = distrust_program(d, conf->load, text, size);

	if (!reason)
		reason = distrust_program(d, conf->dump, text, size);
	if (!reason)
		reason = distrust_program(d, conf->validate, text, size);
	return reason;
}

/* @conf is taken. */
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
	char text[ATIO_ERROR_TEXT_MAX];
	const char *reason = distrust_programs(d, conf, text, sizeof(text));
	int r;

	if (conf->base)
		base = atio_formats_by_name(d->formats, conf->base);
	if (conf->base && (!base || base->is_zipped))
		reason = "there is no such base format";
	if (reason) {
		entry.reason = reason;
		r = atio_formats_add(d->formats, &entry);
		atio_conf_done(conf);
		return r;
	}
	r = atio_command_codec(name, conf, base ? base->codec : NULL,
			       &entry.codec);
	/* The words and suffixes live in the codec from now on, and @conf has
	 * the same pointers. */
	return r < 0 ? r : atio_formats_add(d->formats, &entry);
}

/* One that has a base is left for when all of these are known. */
static int take_conf(const struct discovery *d, const char *name,
		     const char *source)
{
	struct atio_error err = ATIO_ERROR_INIT;
	const char *reason, *kind = "command";
	struct atio_conf conf = {0};
	char *text = NULL;
	int r = 0;

	reason = atio_distrust_file(source, never_below(d));
	if (!reason)
		text = read_text(source, &reason);
	if (!reason && atio_conf_parse(&conf, text, &err) < 0)
		reason = err.text;
	if (conf.base)
		kind = "validated";
	if (d->bases == !!conf.base) {
		atio_conf_done(&conf);
		return 0;
	}
	if (!reason)
		return add_conf(d, name, source, &conf);
	r = list_failed(d, kind, name, source, reason);
	atio_conf_done(&conf);
	return r;
}

/* ---- NAME.so ----------------------------------------------------------- */

static const char *host_of(const struct discovery *d)
{
	const char *host = d->opts ? d->opts->host : NULL;

	if (!host)
		host = secure_getenv("ATOMICIO_FORMAT_HOST");
	return host ? host : ATIO_FORMAT_HOST;
}

static int take_object(const struct discovery *d, const char *name,
		       const char *source)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const char *reason = atio_distrust_file(source, never_below(d));
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

/* What is before the ending of a plugin's file, for free(3); NULL: it is none,
 * or there is no memory. */
static char *name_of(const char *file, bool *ret_object)
{
	const char *dot = strrchr(file, '.');

	*ret_object = dot && strcmp(dot, ".so") == 0;
	if (*file == '.' || !dot || (strcmp(dot, ".conf") && !*ret_object))
		return NULL;
	return strndup(file, (size_t)(dot - file));
}

static int take_file(const struct discovery *d, const char *file)
{
	char *source, *name;
	bool is_object;
	int r = 0;

	name = name_of(file, &is_object);
	if (!name || asprintf(&source, "%s/%s", d->dir, file) < 0) {
		free(name);
		return -ENOMEM;
	}
	if (!atio_plugin_name_is_valid(name) && d->bases)
		r = list_failed(d, is_object ? "object" : "command", name,
				source,
				"its name is not of letters, digits, '-' and "
				"'_'");
	else if (!atio_plugin_name_is_valid(name))
		r = 0;
	else if (!is_object)
		r = take_conf(d, name, source);
	else if (d->bases)
		r = take_object(d, name, source);
	free(source);
	free(name);
	return r;
}

static int select_plugin(const struct dirent *entry)
{
	bool is_object;
	char *name = name_of(entry->d_name, &is_object);

	free(name);
	return name != NULL;
}

static int list_dir(const struct discovery *d, const char *reason)
{
	return list_failed(d, "directory", d->dir, d->dir, reason);
}

/* In the order of names. */
static int take_files(const struct discovery *d)
{
	struct dirent **files;
	int n, i, r = 0;

	n = scandirat(d->dirfd, ".", &files, select_plugin, alphasort);
	if (n < 0)
		return errno == ENOMEM ? -ENOMEM
				       : list_dir(d, strerrordesc_np(errno));
	if (n > FILES_MOST && d->bases)
		r = list_dir(d, "it has more than 512 plugins");
	for (i = 0; i < n; i++) {
		if (r == 0 && i < FILES_MOST)
			r = take_file(d, files[i]->d_name);
		free(files[i]);
	}
	free(files);
	return r;
}

/* One that cannot be trusted is listed, so that somebody finds out. */
static int look_into(struct discovery *d)
{
	const char *reason = atio_distrust_dir(d->dir, never_below(d));
	int r;

	d->dirfd = -1;
	if (!reason) {
		d->dirfd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (d->dirfd < 0)
			reason = strerrordesc_np(errno);
	}
	if (reason)
		return d->bases ? list_dir(d, reason) : 0;
	r = take_files(d);
	(void)close(d->dirfd);
	return r;
}

static int take_dir(struct discovery *d, const char *path)
{
	char *real = realpath(path, NULL);
	int r;

	d->dir = real ? real : path;
	if (real)
		r = look_into(d);
	else if (errno == ENOMEM)
		r = -ENOMEM;
	else if (!d->bases || (errno == ENOENT && (!d->opts || !d->opts->dirs)))
		r = 0; /* nobody has asked for this one */
	else
		r = list_dir(d, strerrordesc_np(errno));
	free(real);
	return r;
}

const char *const *atio_formats_default_dirs(void)
{
	static const char *const dirs[] = {
		"/etc/atomicfs/formats.d", ATIO_LIBDIR "/atomicfs/formats.d",
		NULL};

	return dirs;
}

/* Twice: what has a base may have any of the others for it. */
int atio_plugins_add(struct atio_formats *formats,
		     const struct atio_formats_options *opts)
{
	const char *const *dirs = opts ? opts->dirs : NULL, *const *dir;
	struct discovery d = {.formats = formats, .opts = opts, .bases = true};
	int r = 0;

	if (opts && opts->builtin_only)
		return 0;
	if (!dirs)
		dirs = atio_formats_default_dirs();
	for (dir = dirs; *dir && r == 0; dir++)
		r = take_dir(&d, *dir);
	d.bases = false;
	for (dir = dirs; *dir && r == 0; dir++)
		r = take_dir(&d, *dir);
	return r;
}
