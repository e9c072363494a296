/* SPDX-License-Identifier: MIT
 *
 * atomicio read: print what a file says.
 */
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "progress.h"

static const struct command command = {
	.name = "read",
	.operands = "FILE",
	.about = "Print the value of FILE: a map or list as JSON, a text as it "
		 "is.  The file is\n"
		 "read while nobody has it locked, and as a whole.\n",
	.least = 1,
	.most = 1,
};

struct reading {
	const char *path;
	const struct atio_format *to; /* NULL: for people */
	struct atio_file *file;
};

static int read_bytes(const struct reading *r)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	AUTO_FREE char *bytes = NULL;
	size_t len;

	int failure;

	progress_begin("read", 1);
	progress_at(0, r->path);
	failure = atio_file_read_bytes(r->file, &bytes, &len, &err);
	progress_end();
	if (failure < 0)
		return document_failed(r->path, &err);
	return document_print(bytes, len);
}

/* A text without the newline that it ends with would end within the prompt. */
static int print_text(const struct atio_node *node)
{
	size_t len;
	const char *text = atio_node_text(node, &len);
	int code = document_print(text, len);

	if (code == EXIT_OK && len && text[len - 1] != '\n')
		code = document_print("\n", 1);
	return code;
}

static int print_as(const struct reading *r, const struct atio_node *root)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	AUTO_FREE char *bytes = NULL;
	size_t len;
	int code;

	if (!r->to && atio_node_type(root) == ATIO_STRING)
		return print_text(root);
	if (r->to)
		code = atio_format_dump(r->to, root, NULL, &bytes, &len, &err);
	else
		code = atio_format_print(root, 2, NULL, &bytes, &len, &err);
	if (code < 0)
		return document_failed(r->path, &err);
	return document_print(bytes, len);
}

static int read_value(const struct reading *r)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc;
	int code;

	progress_begin("read", 1);
	progress_at(0, r->path);
	code = atio_file_read(r->file, &doc, &err);
	progress_end();
	if (code < 0)
		return document_failed(r->path, &err);
	code = print_as(r, atio_doc_root(doc));
	atio_doc_free(doc);
	return code;
}

static int read_file(const char *path, const char *to, bool as_bytes,
		     const struct atio_formats *formats, long timeout_ms)
{
	struct reading reading = {.path = path};
	int code;

	if (to) {
		reading.to = document_format(formats, to, NULL);
		if (!reading.to)
			return EXIT_FORMAT;
	}
	reading.file = document_file(path, formats, timeout_ms, &code);
	if (!reading.file)
		return code;
	code = as_bytes ? read_bytes(&reading) : read_value(&reading);
	atio_file_free(reading.file);
	return code;
}

int read_main(int argc, char **argv)
{
	const char *seconds = NULL, *dir = NULL, *to = NULL;
	bool as_bytes = false, nonblock = false;
	struct atio_formats *formats;
	long timeout_ms;
	const struct flag flags[] = {
		{.name = "as-bytes",
		 .help = "print the bytes of the file, whatever they are",
		 .on = &as_bytes},
		{.name = "to",
		 .value = "FORMAT",
		 .help = "print the value in this format",
		 .text = &to},
		DOCUMENT_FLAGS(&seconds, &nonblock, &dir),
		{0},
	};
	int code;

	if (args_parse(&command, flags, argc, argv, &code) < 0)
		return code;
	if (as_bytes && to)
		return usage_error("read: --as-bytes and --to do not go "
				   "together");
	if (!document_timeout("read", seconds, nonblock, &timeout_ms))
		return EXIT_USAGE;
	formats = document_formats(dir);
	if (!formats)
		return EXIT_DATA;
	code = read_file(argv[0], to, as_bytes, formats, timeout_ms);
	atio_formats_free(formats);
	return code;
}
