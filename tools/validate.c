/* SPDX-License-Identifier: MIT
 *
 * atomicio validate: whether files are what their format demands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "progress.h"

static const struct command command = {
	.name = "validate",
	.operands = "FILE...",
	.about = "Check each FILE (-: standard input), and print a line for "
		 "each that is not\nvalid: "
		 "FILE:LINE:COLUMN: what is wrong.  Nothing is printed when "
		 "all are valid.\n",
	.least = 1,
	.most = -1,
};

static int validate_file(const struct atio_formats *formats, const char *from,
			 const char *path)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_format *format;
	AUTO_FREE char *bytes = NULL;
	size_t len;
	int code;

	format = document_format(formats, from, path);
	if (!format)
		return EXIT_FORMAT;
	code = document_slurp(path, DOCUMENT_TEXT_MAX, &bytes, &len);
	if (code != EXIT_OK)
		return code;
	if (atio_format_validate(format, bytes, len, NULL, &err) < 0)
		return document_failed(path, &err);
	return EXIT_OK;
}

/* The first failure is the exit code; the others are told of, too. */
static int validate_all(const struct atio_formats *formats, const char *from,
			char **paths, size_t n)
{
	int first = EXIT_OK, code;
	size_t i;

	progress_begin("validate", n);
	for (i = 0; i < n; i++) {
		progress_at(i, paths[i]);
		code = validate_file(formats, from, paths[i]);
		if (first == EXIT_OK)
			first = code;
	}
	progress_end();
	return first;
}

int validate_main(int argc, char **argv)
{
	const char *from = NULL, *dir = NULL;
	struct atio_formats *formats;
	const struct flag flags[] = {
		{.name = "from",
		 .value = "FORMAT",
		 .help = "the format, if the names do not tell",
		 .text = &from},
		DOCUMENT_FORMATS_FLAG(&dir),
		{0},
	};
	int code, n = args_parse(&command, flags, argc, argv, &code);

	if (n < 0)
		return code;
	formats = document_formats(dir);
	if (!formats)
		return EXIT_DATA;
	code = validate_all(formats, from, argv, (size_t)n);
	atio_formats_free(formats);
	return code;
}
