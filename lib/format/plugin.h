/* SPDX-License-Identifier: MIT
 *
 * plugin.h - formats that are not built in.
 *
 * All of them are programs that are run for one document (run.h):
 *   command    NAME.conf names a program for load, dump, validate; it speaks
 *              JSON
 *   object     NAME.so is run by the format host, which speaks typed JSON
 *   validated  NAME.conf names a base format and a program for validate
 */
#ifndef ATIO_FORMAT_PLUGIN_H
#define ATIO_FORMAT_PLUGIN_H

#include "format/registry.h"
#include "format/run.h"

/* ---- conf.c: a NAME.conf --------------------------------------------- */

#define ATIO_CONF_BYTES	   ((size_t)64 * 1024)
#define ATIO_CONF_SUFFIXES 64
#define ATIO_CONF_WORDS	   64

/* `key = value` lines; `#` begins a comment line:
 *	suffix   = .users.json     (again for more, or several with blanks)
 *	base     = json
 *	load     = /path/to/program [ARGUMENT...]
 *	dump     = ...
 *	validate = ...
 * Arguments are separated by blanks; there is no shell and no quoting. */
struct atio_conf {
	char *text; /* what the others point into */
	const char *suffixes[ATIO_CONF_SUFFIXES + 1];
	size_t n_suffixes;
	const char *base;
	const char *load[ATIO_CONF_WORDS + 1];
	const char *dump[ATIO_CONF_WORDS + 1];
	const char *validate[ATIO_CONF_WORDS + 1];
};

/* Parse @text (taken, for free(3), NUL-terminated).  -EINVAL: @err says the
 * line.  atio_conf_done in any case. */
int atio_conf_parse(struct atio_conf *conf, char *text, struct atio_error *err);
void atio_conf_done(struct atio_conf *conf);

/* Whether @suffix is one: a dot, and no slash, blank or control character. */
bool atio_suffix_is_valid(const char *suffix);
/* Whether @name may be the name of a plugin: letters, digits, '-' and '_'. */
bool atio_plugin_name_is_valid(const char *name);

/* ---- command.c: the codecs ------------------------------------------- */

/* @conf is taken (also on failure).  @base: of a validated format, or NULL;
 * lent.  -ENOMEM. */
int atio_command_codec(const char *name, struct atio_conf *conf,
		       const struct atio_codec *base,
		       const struct atio_codec **ret_codec);
void atio_command_free(const struct atio_codec *codec);

/* What an object says of itself; all lent from @doc, which the caller frees. */
struct atio_object {
	struct atio_doc *doc;
	const char *name;
	const char *suffixes[ATIO_CONF_SUFFIXES + 1];
	bool load, dump, validate;
};

/* To say it takes an object no time, and everybody waits for it. */
#define ATIO_DESCRIBE_WALL_MS 3000

/* The last byte of what the format host writes, which says that the object has
 * let it come to its end, and did not end the process. */
#define ATIO_HOST_END '\x06'

/* Run @host for the object at the absolute path @path.  Errors: what is wrong
 * with it. */
int atio_object_describe(const char *host, const char *path,
			 struct atio_object *ret_object,
			 struct atio_value_error *err);
int atio_object_codec(const char *host, const char *path,
		      const struct atio_object *object,
		      const struct atio_codec **ret_codec);

/* ---- trust.c --------------------------------------------------------- */

/* Why the directory @path must not be looked into for plugins; NULL: it may.
 * It and what is above it must be nobody else's; @never_below: see struct
 * atio_formats_options. */
const char *atio_distrust_dir(const char *path, int never_below);
/* The same for a file that would be used or run; links are followed. */
const char *atio_distrust_file(const char *path, int never_below);

/* ---- discover.c ------------------------------------------------------ */

/* Add the plugins of @opts to @formats.  -ENOMEM; whatever is wrong with a
 * plugin is listed there. */
int atio_plugins_add(struct atio_formats *formats,
		     const struct atio_formats_options *opts);

#endif
