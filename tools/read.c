/* SPDX-License-Identifier: MIT
 *
 * atomicio read: print what a file says.
 */
#include <stdlib.h>
#include <string.h>

#include "document.h"

static const struct command command = {
	.name = "read",
	.operands = "FILE",
	.about = "Print the value of FILE: a map or list as JSON, a text as it "
		 "is.  The file is read\n"
		 "while nobody has it locked, and as a whole.\n",
	.least = 1,
	.most = 1,
};

struct reading {
	const char *path, *to;
	const struct atio_formats *formats;
	struct atio_file *file;
};

static int read_bytes(const struct reading *r)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	AUTO_FREE char *bytes = NULL;
	size_t len;

	if (atio_file_read_bytes(r->file, &bytes, &len, &err) < 0)
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
	const struct atio_format *format;
	AUTO_FREE char *bytes = NULL;
	size_t len;
	int code;

	if (!r->to && atio_node_type(root) == ATIO_STRING)
		return print_text(root);
	if (!r->to)
		code = atio_json_print(root, 2, &bytes, &len, &err);
	else {
		format = document_format(r->formats, r->to, NULL);
		if (!format)
			return EXIT_FORMAT;
		code = atio_format_dump(format, root, NULL, &bytes, &len, &err);
	}
	if (code < 0)
		return document_failed(r->path, &err);
	return document_print(bytes, len);
}

static int read_value(const struct reading *r)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc;
	int code;

	if (atio_file_read(r->file, &doc, &err) < 0)
		return document_failed(r->path, &err);
	code = print_as(r, atio_doc_root(doc));
	atio_doc_free(doc);
	return code;
}

int read_main(int argc, char **argv)
{
	const char *seconds = NULL, *dir = NULL;
	bool as_bytes = false, nonblock = false;
	struct atio_formats *formats;
	struct reading reading = {0};
	long timeout_ms;
	const struct flag flags[] = {
		{.name = "as-bytes",
		 .help = "print the bytes of the file, whatever they are",
		 .on = &as_bytes},
		{.name = "to",
		 .value = "FORMAT",
		 .help = "print the value in this format",
		 .text = &reading.to},
		DOCUMENT_FLAGS(&seconds, &nonblock, &dir),
		{0},
	};
	int code;

	if (args_parse(&command, flags, argc, argv, &code) < 0)
		return code;
	if (as_bytes && reading.to)
		return usage_error("read: --as-bytes and --to do not go "
				   "together");
	if (!document_timeout("read", seconds, nonblock, &timeout_ms))
		return EXIT_USAGE;
	formats = document_formats(dir);
	if (!formats)
		return EXIT_DATA;
	reading.path = argv[0];
	reading.formats = formats;
	reading.file = document_file(argv[0], formats, timeout_ms, &code);
	if (reading.file)
		code = as_bytes ? read_bytes(&reading) : read_value(&reading);
	atio_file_free(reading.file);
	atio_formats_free(formats);
	return code;
}
