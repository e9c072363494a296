/* SPDX-License-Identifier: MIT
 *
 * document.h - what the commands that read and write formats have in common.
 */
#ifndef TOOLS_DOCUMENT_H
#define TOOLS_DOCUMENT_H

#include <atomicio/file.h>

#include "tool.h"

/* Of these commands; 4 and 5 are those of tool.h. */
enum {
	EXIT_MISSING = 1, /* there is no such file */
	EXIT_DATA = 2,    /* it cannot be read, parsed, converted or written */
	EXIT_FORMAT = 3,  /* no format is known by this name or suffix */
};

/* The flags of all of these commands: their last members. */
#define DOCUMENT_FORMATS_FLAG(dir_pointer)                                     \
	{.name = "formats-dir",                                                \
	 .value = "DIR",                                                       \
	 .help = "take plugins from this directory, too",                      \
	 .text = (dir_pointer)}

#define DOCUMENT_FLAGS(seconds_pointer, nonblock_pointer, dir_pointer)         \
	{.letter = 'w',                                                        \
	 .name = "wait",                                                       \
	 .value = "SECONDS",                                                   \
	 .help = "give up if it is locked for so long",                        \
	 .text = (seconds_pointer)},                                           \
		{.letter = 'n',                                                \
		 .name = "nonblock",                                           \
		 .help = "give up at once if it is locked",                    \
		 .on = (nonblock_pointer)},                                    \
		DOCUMENT_FORMATS_FLAG(dir_pointer)

/* The formats of this machine, with those of @dir before them, which may be
 * NULL.  NULL: it was complained about.  To be called first: a failure of the
 * output is EXIT_DATA from now on. */
struct atio_formats *document_formats(const char *dir);

/* The format called @name or, where that is NULL, the one of @path.  NULL: it
 * was complained about. */
const struct atio_format *document_format(const struct atio_formats *formats,
					  const char *name, const char *path);

/* One line of what is wrong with @path ("-": standard input):
 * "PATH:LINE:COLUMN: TEXT", or where the place is not known "atomicio: PATH:
 * TEXT".  Returns the exit code. */
int document_failed(const char *path, const struct atio_value_error *err);

#define DOCUMENT_TEXT_MAX  ((size_t)16 << 20) /* what the library parses */
#define DOCUMENT_BYTES_MAX ((size_t)1 << 30)

/* All of @path, or of standard input for "-".  More than @most bytes are
 * refused.  The caller frees *ret_bytes.  Returns the exit code, complained
 * about. */
int document_slurp(const char *path, size_t most, char **ret_bytes,
		   size_t *ret_len);

/* Write all to standard output.  Returns the exit code; a failure is told of at
 * the end of the program. */
int document_print(const void *bytes, size_t len);

/* SECONDS of --wait, or --nonblock, as a timeout of the library.  Returns
 * false, complained about, when they are wrong. */
bool document_timeout(const char *command, const char *seconds, bool nonblock,
		      long *ret_timeout_ms);

/* A SafeFile; NULL: complained about, with *ret_exit. */
struct atio_file *document_file(const char *path,
				const struct atio_formats *formats,
				long timeout_ms, int *ret_exit);

#endif
