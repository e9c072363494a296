/* SPDX-License-Identifier: MIT
 *
 * translate FILE FORMAT: print the value of FILE in another format.
 *
 *	cc translate.c $(pkg-config --cflags --libs atomicio) -o translate
 */
#include <stdio.h>
#include <stdlib.h>

#include <atomicio/file.h>

static void complain(const char *path, const struct atio_value_error *err)
{
	if (err->line) /* of the source */
		fprintf(stderr, "translate: %s:%zu:%zu: %s\n", path, err->line,
			err->column, err->error.text);
	else if (err->has_pointer) /* a value that the format cannot hold */
		fprintf(stderr, "translate: %s: at '%s': %s\n", path,
			err->pointer, err->error.text);
	else
		fprintf(stderr, "translate: %s: %s\n", path, err->error.text);
}

int main(int argc, char **argv)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_format *format;
	struct atio_formats *formats;
	struct atio_file *file = NULL;
	struct atio_doc *doc = NULL;
	char *text = NULL;
	size_t len = 0;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: translate FILE FORMAT\n");
		return 2;
	}
	r = atio_formats_new(NULL, &formats, &err.error);
	if (r < 0)
		return 1;
	format = atio_formats_by_name(formats, argv[2]);
	if (!format) {
		fprintf(stderr, "translate: no format '%s'\n", argv[2]);
		atio_formats_free(formats);
		return 2;
	}
	r = atio_file_new(argv[1], NULL, &file, &err);
	if (r == 0)
		r = atio_file_read(file, &doc, &err);
	if (r == 0)
		r = atio_format_dump(format, atio_doc_root(doc), NULL, &text,
				     &len, &err);
	if (r < 0)
		complain(argv[1], &err);
	else
		fwrite(text, 1, len, stdout);
	free(text);
	atio_doc_free(doc);
	atio_file_free(file);
	atio_formats_free(formats);
	return r < 0;
}
