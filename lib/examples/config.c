/* SPDX-License-Identifier: MIT
 *
 * config FILE KEY VALUE: set one key of a configuration file, in whichever
 * format it is.  Other programs may do the same at the same time: no change is
 * lost, and whoever reads the file sees all of it or all of the old one.
 *
 *	cc config.c $(pkg-config --cflags --libs atomicio) -o config
 */
#include <stdio.h>
#include <string.h>

#include <atomicio/file.h>

/* {KEY: VALUE} */
static int patch_new(const char *key, const char *value,
		     struct atio_doc **ret_doc, struct atio_value_error *err)
{
	struct atio_builder *b;
	int r;

	r = atio_builder_new(NULL, &b);
	if (r < 0)
		return r;
	(void)atio_build_map(b);
	(void)atio_build_string(b, key, strlen(key));
	(void)atio_build_string(b, value, strlen(value));
	(void)atio_build_end(b);
	r = atio_builder_finish(b, ret_doc, err); /* tells of all of them */
	atio_builder_free(b);
	return r;
}

int main(int argc, char **argv)
{
	struct atio_file_options options = {
		.version = ATIO_FILE_OPTIONS_VERSION,
		.timeout_ms = 10000, /* if somebody has the file locked */
	};
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *patch = NULL;
	struct atio_file *file = NULL;
	int r;

	if (argc != 4) {
		fprintf(stderr, "usage: config FILE KEY VALUE\n");
		return 2;
	}
	r = patch_new(argv[2], argv[3], &patch, &err);
	if (r == 0)
		r = atio_file_new(argv[1], &options, &file, &err);
	if (r == 0)
		r = atio_file_update(file, atio_doc_root(patch), 0, &err);
	if (r < 0)
		fprintf(stderr, "config: %s: %s\n", argv[1], err.error.text);
	atio_file_free(file);
	atio_doc_free(patch);
	return r < 0;
}
