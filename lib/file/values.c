/* SPDX-License-Identifier: MIT
 *
 * Between the bytes of a file and its value.
 */
#include "file/inside.h"

#include <errno.h>
#include <stdlib.h>

#include "format/gzip.h"

static int no_format(struct atio_task *task)
{
	return atio_fail(&task->err.error, ENOPKG,
			 "no format is known for '%s'", task->file->path);
}

int atio_values_dump(struct atio_task *task, const struct atio_node *value)
{
	char *bytes;
	size_t len;
	int r;

	if (!task->file->format)
		return no_format(task);
	r = atio_format_dump(task->file->format, value, &task->file->limits,
			     &bytes, &len, &task->err);
	if (r < 0)
		return r;
	free(task->bytes);
	task->bytes = bytes;
	task->text = bytes;
	task->text_len = len;
	return 0;
}

/* A text behind the end of what is compressed would not be part of it. */
int atio_values_pack(struct atio_task *task)
{
	const struct atio_task_request *request = &task->request;
	const struct atio_format *format = task->file->format;
	char *bytes;
	size_t len;
	int r;

	if (!format || !atio_format_is_zipped(format) || !request->len ||
	    request->flags & ATIO_TASK_AS_BYTES)
		return 0;
	r = atio_gzip_pack(request->bytes, request->len, &bytes, &len,
			   &task->err);
	if (r < 0)
		return r;
	free(task->bytes);
	task->bytes = bytes;
	task->text = bytes;
	task->text_len = len;
	return 0;
}

int atio_values_load(struct atio_task *task)
{
	int r;

	if (task->file->format)
		r = atio_format_load(task->file->format, task->bytes, task->len,
				     &task->file->limits, &task->doc,
				     &task->err);
	else
		r = no_format(task);
	free(task->bytes);
	task->bytes = NULL;
	return r;
}

/* A document without a value. */
static int make_doc(struct atio_task *task)
{
	struct atio_builder *builder;
	int r = atio_builder_new(&task->file->limits, &builder);

	if (r < 0)
		return r;
	r = atio_builder_finish(builder, &task->doc, &task->err);
	atio_builder_free(builder);
	return r;
}

int atio_values_update(struct atio_task *task)
{
	const struct atio_task_request *request = &task->request;
	int r = task->bytes ? atio_values_load(task) : make_doc(task);

	if (!r && request->flags & ATIO_UPDATE_DEEP)
		r = atio_value_merge(task->doc, request->value, &task->err);
	else if (!r)
		r = atio_value_update(task->doc, request->value, &task->err);
	if (!r)
		r = atio_values_dump(task, atio_doc_root(task->doc));
	atio_doc_free(task->doc);
	task->doc = NULL;
	return r;
}
