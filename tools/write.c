/* SPDX-License-Identifier: MIT
 *
 * atomicio write, update, append: change a file as a whole, under its lock.
 */
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "progress.h"

static const struct command commands[] = {
	{
		.name = "write",
		.operands = "FILE DATA|-",
		.about = "Make DATA, which is JSON, the value of FILE; of a "
			 "text file DATA is the text.\n"
			 "-: DATA is read from standard input.  The old file "
			 "stays until all is on disk.\n",
		.least = 2,
		.most = 2,
	},
	{
		.name = "update",
		.operands = "FILE DATA|-",
		.about = "Change the value of FILE by DATA, which is JSON: the "
			 "keys of a map are set in a\n"
			 "map, the members of a list are appended to a list; "
			 "anything else replaces.  A\n"
			 "missing FILE is written.\n",
		.least = 2,
		.most = 2,
	},
	{
		.name = "append",
		.operands = "FILE TEXT|-",
		.about = "Append TEXT to FILE, which is made if it is not "
			 "there.  -: TEXT is read from\n"
			 "standard input.\n",
		.least = 2,
		.most = 2,
	},
};

enum how { WRITE, UPDATE, APPEND };

struct job {
	enum how how;
	const char *path, *from;
	bool as_bytes, deep;
	const struct atio_formats *formats;
	struct atio_file *file;
	/* What is written. */
	const char *bytes;
	size_t len;
	const char *name; /* of where it comes from, for messages */
};

/* ---- doing it -------------------------------------------------------- */

/* In which format the data is: JSON, unless the file is text. */
static const struct atio_format *data_format(const struct job *job)
{
	const struct atio_format *format = atio_file_format(job->file);

	if (job->from)
		return document_format(job->formats, job->from, NULL);
	if (!format) /* it will be said of the file */
		return document_format(job->formats, NULL, job->path);
	if (atio_format_target(format) == ATIO_TO_TXT)
		return document_format(job->formats, "txt", NULL);
	return document_format(job->formats, "json", NULL);
}

static int change_value(const struct job *job, const struct atio_node *value)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	int r;

	if (job->how == UPDATE)
		r = atio_file_update(job->file, value,
				     job->deep ? ATIO_UPDATE_DEEP : 0, &err);
	else
		r = atio_file_write(job->file, value, &err);
	return r < 0 ? document_failed(job->path, &err) : EXIT_OK;
}

static int change_by_value(const struct job *job)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_format *format = data_format(job);
	struct atio_doc *doc;
	int code;

	if (!format)
		return EXIT_FORMAT;
	if (atio_format_load(format, job->bytes, job->len, NULL, &doc, &err) <
	    0)
		return document_failed(job->name, &err);
	code = change_value(job, atio_doc_root(doc));
	atio_doc_free(doc);
	return code;
}

static int change(const struct job *job)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	int r;

	if (job->how == APPEND)
		r = atio_file_append(job->file, job->bytes, job->len, &err);
	else if (job->as_bytes)
		r = atio_file_write_bytes(job->file, job->bytes, job->len,
					  &err);
	else
		return change_by_value(job);
	return r < 0 ? document_failed(job->path, &err) : EXIT_OK;
}

static int with_data(struct job *job, const char *data)
{
	AUTO_FREE char *bytes = NULL;
	int code;

	job->bytes = data;
	job->len = strlen(data);
	job->name = "DATA";
	if (!strcmp(data, "-")) {
		code = document_slurp("-",
				      job->how == APPEND || job->as_bytes
					      ? DOCUMENT_BYTES_MAX
					      : DOCUMENT_TEXT_MAX,
				      &bytes, &job->len);
		if (code != EXIT_OK)
			return code;
		job->bytes = bytes;
		job->name = "-";
	}
	progress_begin(commands[job->how].name, 1);
	progress_at(0, job->path);
	code = change(job);
	progress_end();
	return code;
}

/* ---- the command line ------------------------------------------------ */

static int run(enum how how, int argc, char **argv)
{
	const char *seconds = NULL, *dir = NULL;
	struct atio_formats *formats;
	struct job job = {.how = how};
	bool nonblock = false;
	long timeout_ms;
	const struct flag flags[] = {
		DOCUMENT_FLAGS(&seconds, &nonblock, &dir),
		{.name = how == APPEND ? NULL : "from",
		 .value = "FORMAT",
		 .help = "DATA is in this format instead of JSON",
		 .text = &job.from},
		{.name = how == UPDATE ? "deep" : "as-bytes",
		 .help = how == UPDATE
				 ? "maps within maps, too; null deletes a key "
				   "(RFC 7396)"
				 : "DATA is the bytes of the file",
		 .on = how == UPDATE ? &job.deep : &job.as_bytes},
		{0},
	};
	int code;

	if (args_parse(&commands[how], flags, argc, argv, &code) < 0)
		return code;
	if (job.as_bytes && job.from)
		return usage_error("write: --as-bytes and --from do not go "
				   "together");
	if (!document_timeout(commands[how].name, seconds, nonblock,
			      &timeout_ms))
		return EXIT_USAGE;
	formats = document_formats(dir);
	if (!formats)
		return EXIT_DATA;
	job.path = argv[0];
	job.formats = formats;
	job.file = document_file(argv[0], formats, timeout_ms, &code);
	if (job.file)
		code = with_data(&job, argv[1]);
	atio_file_free(job.file);
	atio_formats_free(formats);
	return code;
}

int write_main(int argc, char **argv)
{
	return run(WRITE, argc, argv);
}

int update_main(int argc, char **argv)
{
	return run(UPDATE, argc, argv);
}

int append_main(int argc, char **argv)
{
	return run(APPEND, argc, argv);
}
