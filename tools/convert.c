/* SPDX-License-Identifier: MIT
 *
 * atomicio convert: one format to another.
 */
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "progress.h"

static const struct command command = {
	.name = "convert",
	.operands = "[IN|-] [OUT|-]",
	.about = "Convert a document.  Without IN, or for -, it is read from "
		 "standard input;\n"
		 "without OUT, or for -, it is printed.  OUT is written as a "
		 "whole or not at all.\n"
		 "Nothing is changed silently: what the other format cannot "
		 "hold is an error.\n",
	.least = 0,
	.most = 2,
};

struct conversion {
	const char *in, *out;
	const struct atio_formats *formats;
	const struct atio_format *from, *to;
};

static int put(const struct conversion *c, const char *bytes, size_t len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_file *file;
	int code = EXIT_OK;

	if (!strcmp(c->out, "-")) {
		progress_end(); /* it would stand in the output */
		return document_print(bytes, len);
	}
	file = document_file(c->out, c->formats, ATIO_WAIT, &code);
	if (!file)
		return code;
	if (atio_file_write_bytes(file, bytes, len, &err) < 0)
		code = document_failed(c->out, &err);
	atio_file_free(file);
	return code;
}

static int convert_bytes(const struct conversion *c, const char *bytes,
			 size_t len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	AUTO_FREE char *converted = NULL;
	struct atio_doc *doc;
	size_t converted_len;
	int r;

	if (atio_format_load(c->from, bytes, len, NULL, &doc, &err) < 0)
		return document_failed(c->in, &err);
	r = atio_format_dump(c->to, atio_doc_root(doc), NULL, &converted,
			     &converted_len, &err);
	atio_doc_free(doc);
	if (r < 0)
		return document_failed(c->in, &err);
	return put(c, converted, converted_len);
}

static int convert(struct conversion *c, const char *from, const char *to)
{
	AUTO_FREE char *bytes = NULL;
	size_t len;
	int code;

	c->from = document_format(c->formats, from, c->in);
	if (!c->from)
		return EXIT_FORMAT;
	if (!to && !strcmp(c->out, "-"))
		return usage_error("convert: say with --to which format it "
				   "shall be");
	c->to = document_format(c->formats, to, c->out);
	if (!c->to)
		return EXIT_FORMAT;
	progress_begin("convert", 1);
	progress_at(0, c->in);
	code = document_slurp(c->in, DOCUMENT_TEXT_MAX, &bytes, &len);
	if (code == EXIT_OK)
		code = convert_bytes(c, bytes, len);
	progress_end();
	return code;
}

int convert_main(int argc, char **argv)
{
	const char *from = NULL, *to = NULL, *dir = NULL;
	struct conversion conversion = {.in = "-", .out = "-"};
	struct atio_formats *formats;
	const struct flag flags[] = {
		{.name = "from",
		 .value = "FORMAT",
		 .help = "the format of IN, if its name does not tell",
		 .text = &from},
		{.name = "to",
		 .value = "FORMAT",
		 .help = "the format of OUT, if its name does not tell",
		 .text = &to},
		DOCUMENT_FORMATS_FLAG(&dir),
		{0},
	};
	int code, n = args_parse(&command, flags, argc, argv, &code);

	if (n < 0)
		return code;
	if (n > 0)
		conversion.in = argv[0];
	if (n > 1)
		conversion.out = argv[1];
	formats = document_formats(dir);
	if (!formats)
		return EXIT_DATA;
	conversion.formats = formats;
	code = convert(&conversion, from, to);
	atio_formats_free(formats);
	return code;
}
