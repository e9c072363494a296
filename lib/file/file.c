/* SPDX-License-Identifier: MIT
 *
 * Files, their sections, and the operations that wait.
 */
#include "file/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "value/limits.h"

/* ---- formats of this machine -------------------------------------------- */

static _Atomic(struct atio_formats *) default_formats;

/* Two threads may make them at once; the first one's are taken.  (No mutex:
 * making them may fork.) */
static int get_formats(const struct atio_formats **ret_formats,
		       struct atio_error *err)
{
	struct atio_formats *formats = default_formats, *mine;
	int r;

	if (!formats) {
		r = atio_formats_new(NULL, &mine, err);
		if (r < 0)
			return r;
		if (atomic_compare_exchange_strong(&default_formats, &formats,
						   mine))
			formats = mine;
		else
			atio_formats_free(mine);
	}
	*ret_formats = formats;
	return 0;
}

/* ---- life ---------------------------------------------------------------- */

int atio_file_new(const char *path, const struct atio_file_options *opts,
		  struct atio_file **ret_file, struct atio_value_error *err)
{
	const struct atio_file_options none = {
		.version = ATIO_FILE_OPTIONS_VERSION,
		.timeout_ms = ATIO_WAIT,
	};
	struct atio_file *file;
	int r;

	if (!opts)
		opts = &none;
	if (opts->version != ATIO_FILE_OPTIONS_VERSION ||
	    opts->timeout_ms < ATIO_WAIT || !path || !*path)
		return atio_fail(atio_error_of(err), EINVAL,
				 "no path, or no such options");
	file = calloc(1, sizeof(*file));
	if (file)
		file->path = strdup(path);
	if (!file || !file->path) {
		free(file);
		return atio_fail(atio_error_of(err), ENOMEM, "out of memory");
	}
	file->timeout_ms = opts->timeout_ms;
	file->durable = !opts->not_durable;
	file->formats = opts->formats;
	r = atio_limits_complete(opts->limits, &file->limits);
	if (r < 0)
		(void)atio_fail(atio_error_of(err), -r, "wrong limits");
	else if (!file->formats)
		r = get_formats(&file->formats, atio_error_of(err));
	if (r < 0) {
		atio_file_free(file);
		return r;
	}
	file->format = atio_formats_by_path(file->formats, path);
	*ret_file = file;
	return 0;
}

/* The newest section of @owner; of any, if 0.  Out of the list. */
static struct atio_section *take_section(struct atio_file *file, uint64_t owner)
{
	struct atio_section **at, *found;

	atio_process_lock();
	for (at = &file->sections; *at; at = &(*at)->next)
		if (!owner || ((*at)->owner == owner &&
			       (*at)->generation == atio_generation()))
			break;
	found = *at;
	if (found)
		*at = found->next;
	atio_process_unlock();
	return found;
}

static void end_section(struct atio_section *section)
{
	if (section->generation == atio_generation()) {
		atio_claim_put(section->claim);
		atio_ask_free(section->ask);
	}
	free(section);
}

void atio_file_free(struct atio_file *file)
{
	struct atio_section *section;

	if (!file)
		return;
	while ((section = take_section(file, 0)))
		end_section(section);
	free(file->path);
	free(file);
}

const char *atio_file_path(const struct atio_file *file)
{
	return file->path;
}

const struct atio_format *atio_file_format(const struct atio_file *file)
{
	return file->format;
}

/* ---- sections ------------------------------------------------------------ */

int atio_section_enter(struct atio_task *task)
{
	struct atio_section *section = calloc(1, sizeof(*section));
	struct atio_file *file = task->file;

	if (!section)
		return -ENOMEM;
	section->owner = task->request.owner;
	section->generation = task->generation;
	section->ask = task->ask;
	section->claim = task->claim;
	if (atio_ask_fd(task->ask) >= 0)
		atio_waiter_remove(&task->waiter, atio_ask_fd(task->ask));
	task->ask = NULL;
	task->claim = NULL;
	atio_process_lock();
	section->next = file->sections;
	file->sections = section;
	atio_process_unlock();
	return 0;
}

int atio_section_leave(struct atio_file *file, uint64_t owner)
{
	struct atio_section *section = take_section(file, owner);

	if (!section)
		return -EPERM;
	end_section(section);
	return 0;
}

/* ---- operations ---------------------------------------------------------- */

static struct atio_task_request request_of(const struct atio_file *file,
					   enum atio_task_kind kind)
{
	const struct atio_task_request request = {
		.version = ATIO_TASK_REQUEST_VERSION,
		.kind = kind,
		.owner = atio_thread_number(),
		.timeout_ms = file->timeout_ms,
	};

	return request;
}

static int do_value(struct atio_file *file, enum atio_task_kind kind,
		    const struct atio_node *value, unsigned flags,
		    struct atio_value_error *err)
{
	struct atio_task_request request = request_of(file, kind);
	struct atio_task task = {0};

	request.value = value;
	request.flags = flags;
	return atio_task_do(file, &request, &task, err);
}

static int do_bytes(struct atio_file *file, enum atio_task_kind kind,
		    const void *bytes, size_t len, struct atio_value_error *err)
{
	struct atio_task_request request = request_of(file, kind);
	struct atio_task task = {0};

	request.bytes = bytes;
	request.len = len;
	return atio_task_do(file, &request, &task, err);
}

int atio_file_read(struct atio_file *file, struct atio_doc **ret_doc,
		   struct atio_value_error *err)
{
	struct atio_task_request request = request_of(file, ATIO_TASK_READ);
	struct atio_task task = {0};
	int r = atio_task_do(file, &request, &task, err);

	if (r == 0)
		*ret_doc = task.doc;
	return r;
}

int atio_file_write(struct atio_file *file, const struct atio_node *value,
		    struct atio_value_error *err)
{
	return do_value(file, ATIO_TASK_WRITE, value, 0, err);
}

int atio_file_update(struct atio_file *file, const struct atio_node *value,
		     unsigned flags, struct atio_value_error *err)
{
	return do_value(file, ATIO_TASK_UPDATE, value, flags, err);
}

int atio_file_read_bytes(struct atio_file *file, char **ret_bytes,
			 size_t *ret_len, struct atio_value_error *err)
{
	struct atio_task_request request =
		request_of(file, ATIO_TASK_READ_BYTES);
	struct atio_task task = {0};
	int r = atio_task_do(file, &request, &task, err);

	if (r == 0) {
		*ret_bytes = task.bytes;
		*ret_len = task.len;
	} else {
		free(task.bytes);
	}
	return r;
}

int atio_file_write_bytes(struct atio_file *file, const void *bytes, size_t len,
			  struct atio_value_error *err)
{
	return do_bytes(file, ATIO_TASK_WRITE_BYTES, bytes, len, err);
}

int atio_file_append(struct atio_file *file, const void *bytes, size_t len,
		     struct atio_value_error *err)
{
	return do_bytes(file, ATIO_TASK_APPEND, bytes, len, err);
}

int atio_file_delete(struct atio_file *file, struct atio_value_error *err)
{
	return do_bytes(file, ATIO_TASK_DELETE, NULL, 0, err);
}

int atio_file_lock(struct atio_file *file, struct atio_value_error *err)
{
	return do_bytes(file, ATIO_TASK_LOCK, NULL, 0, err);
}

int atio_file_lock_within(struct atio_file *file, long timeout_ms,
			  struct atio_value_error *err)
{
	struct atio_task_request request = request_of(file, ATIO_TASK_LOCK);
	struct atio_task task = {0};

	request.timeout_ms = timeout_ms;
	return atio_task_do(file, &request, &task, err);
}

int atio_file_unlock(struct atio_file *file)
{
	return atio_section_leave(file, atio_thread_number());
}
