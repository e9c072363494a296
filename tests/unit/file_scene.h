/* SPDX-License-Identifier: MIT
 *
 * file_scene.h - what tests of lib/file need besides scene.h.
 */
#ifndef TESTS_UNIT_FILE_SCENE_H
#define TESTS_UNIT_FILE_SCENE_H

#include <atomicio/file.h>
#include "scene.h"

/* "DIR/NAME", in one of eight buffers in turn. */
const char *at(int dirfd, const char *name);

/* Of "DIR/NAME", with a timeout.  NEEDed. */
struct atio_file *file_at(int dirfd, const char *name, long timeout_ms);
struct atio_file *file_of(const char *path, long timeout_ms);

/* Write @text; the result. */
int wrote(struct atio_file *file, const char *text);
int appended(struct atio_file *file, const char *text);
/* What is read, in a buffer until the next call; NULL: an error, in errno. */
const char *read_text(struct atio_file *file);

/* Tasks: run to the end with poll(2). */
struct atio_task *begun(struct atio_file *file, enum atio_task_kind kind,
			uint64_t owner, const char *text, long timeout_ms);
int finished(struct atio_task *task);
/* The same, and freed. */
int did(struct atio_file *file, enum atio_task_kind kind, uint64_t owner,
	const char *text, long timeout_ms);

uint64_t now_ms(void);
/* Locks are the paths' there, and the daemon's. */
bool is_on_mount(int dirfd);

#endif
