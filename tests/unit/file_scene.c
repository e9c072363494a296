/* SPDX-License-Identifier: MIT */
#include "file_scene.h"

#include <limits.h>
#include <poll.h>
#include <sys/vfs.h>
#include <time.h>

const char *at(int dirfd, const char *name)
{
	static _Thread_local char paths[8][PATH_MAX];
	static _Thread_local unsigned turn;
	char *path = paths[turn++ % 8];

	NEED(snprintf(path, PATH_MAX, "%s/%s", path_of(dirfd), name) <
	     PATH_MAX);
	return path;
}

struct atio_file *file_of(const char *path, long timeout_ms)
{
	const struct atio_file_options options = {
		.version = ATIO_FILE_OPTIONS_VERSION,
		.timeout_ms = timeout_ms,
	};
	struct atio_file *file;

	NEED(atio_file_new(path, &options, &file, NULL) == 0);
	return file;
}

struct atio_file *file_at(int dirfd, const char *name, long timeout_ms)
{
	return file_of(at(dirfd, name), timeout_ms);
}

int wrote(struct atio_file *file, const char *text)
{
	return atio_file_write_bytes(file, text, strlen(text), NULL);
}

int appended(struct atio_file *file, const char *text)
{
	return atio_file_append(file, text, strlen(text), NULL);
}

const char *read_text(struct atio_file *file)
{
	static _Thread_local char text[4096];
	char *bytes;
	size_t len;
	int r = atio_file_read_bytes(file, &bytes, &len, NULL);

	errno = -r;
	if (r < 0)
		return NULL;
	NEED(len < sizeof(text) && bytes[len] == '\0');
	memcpy(text, bytes, len + 1);
	free(bytes);
	return text;
}

struct atio_task *begun(struct atio_file *file, enum atio_task_kind kind,
			uint64_t owner, const char *text, long timeout_ms)
{
	const struct atio_task_request request = {
		.version = ATIO_TASK_REQUEST_VERSION,
		.kind = kind,
		.owner = owner,
		.bytes = text,
		.len = text ? strlen(text) : 0,
		.timeout_ms = timeout_ms,
	};
	struct atio_task *task;

	NEED(atio_task_begin(file, &request, &task, NULL) == 0);
	return task;
}

int finished(struct atio_task *task)
{
	struct pollfd fd = {.fd = atio_task_fd(task), .events = POLLIN};
	int r;

	while ((r = atio_task_run(task)) == -EAGAIN)
		NEED(poll(&fd, 1, 60000) == 1);
	return r;
}

int did(struct atio_file *file, enum atio_task_kind kind, uint64_t owner,
	const char *text, long timeout_ms)
{
	struct atio_task *task = begun(file, kind, owner, text, timeout_ms);
	int r = finished(task);

	atio_task_free(task);
	return r;
}

uint64_t now_ms(void)
{
	struct timespec t;

	NEED(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool is_on_mount(int dirfd)
{
	struct statfs sf;

	NEED(fstatfs(dirfd, &sf) == 0);
	return sf.f_type == 0x65735546; /* FUSE */
}
