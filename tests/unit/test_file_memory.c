/* SPDX-License-Identifier: MIT
 *
 * test_file_memory.c - lib/file, with each allocation in turn failing.
 *
 * A deed is done again and again, with the first, the second, ... allocation
 * failing, until there is none left to fail.  Every failure is -ENOMEM and
 * leaves the file as it was, no lock, no descriptor, and nothing else in the
 * directory.  (That no memory is lost is for the address sanitizer to say.)
 */
#include <pthread.h>

#include "failing.h"
#include "file_scene.h"

#define MAX_ALLOCATIONS 500
#define OLD		"{\"a\": 1}\n"

static int dir;
static struct atio_file *file;

static const struct atio_node *value(void)
{
	static struct atio_doc *doc;
	struct atio_builder *builder;

	if (doc)
		return atio_doc_root(doc);
	NEED(atio_builder_new(NULL, &builder) == 0);
	NEED(atio_build_map(builder) == 0);
	NEED(atio_build_string(builder, "b", 1) == 0);
	NEED(atio_build_int(builder, 2) == 0);
	NEED(atio_build_end(builder) == 0);
	NEED(atio_builder_finish(builder, &doc, NULL) == 0);
	atio_builder_free(builder);
	return atio_doc_root(doc);
}

/* ---- deeds: what they return is what the library returned ----------------- */

static int deed_new(void)
{
	struct atio_file *other = NULL;
	int r = atio_file_new("x", NULL, &other, NULL);

	CHECK((r == 0) == (other != NULL));
	atio_file_free(other);
	return r;
}

static int deed_write(void)
{
	return wrote(file, "new");
}

static int deed_append(void)
{
	return appended(file, "new");
}

static int deed_read(void)
{
	char *bytes = NULL;
	size_t len;
	int r = atio_file_read_bytes(file, &bytes, &len, NULL);

	free(bytes);
	return r;
}

static int deed_delete(void)
{
	return atio_file_delete(file, NULL);
}

static int deed_section(void)
{
	int r = atio_file_lock(file, NULL);

	if (r < 0)
		return r;
	r = wrote(file, "new");
	CHECK_INT(atio_file_unlock(file), 0);
	return r;
}

static int deed_value_read(void)
{
	struct atio_doc *doc = NULL;
	int r = atio_file_read(file, &doc, NULL);

	atio_doc_free(doc);
	return r;
}

static int deed_value_write(void)
{
	return atio_file_write(file, value(), NULL);
}

static int deed_value_update(void)
{
	return atio_file_update(file, value(), 0, NULL);
}

static int deed_value_merge(void)
{
	return atio_file_update(file, value(), ATIO_UPDATE_DEEP, NULL);
}

static int deed_task(void)
{
	const struct atio_task_request request = {
		.version = ATIO_TASK_REQUEST_VERSION,
		.kind = ATIO_TASK_APPEND,
		.owner = 1,
		.bytes = "new",
		.len = 3,
		.timeout_ms = ATIO_WAIT,
	};
	struct atio_task *task = NULL;
	int r = atio_task_begin(file, &request, &task, NULL);

	if (r == 0)
		r = finished(task);
	atio_task_free(task);
	return r;
}

/* In line behind somebody. */
static int deed_wait(void)
{
	unsigned was = failing_countdown;
	struct atio_task *task;
	int r;

	failing_countdown = 0;
	NEED(did(file, ATIO_TASK_LOCK, 2, NULL, ATIO_TRY) == 0);
	task = begun(file, ATIO_TASK_WRITE_BYTES, 1, "new", ATIO_WAIT);
	failing_countdown = was;
	r = atio_task_run(task);
	was = failing_countdown;
	failing_countdown = 0;
	CHECK_INT(did(file, ATIO_TASK_UNLOCK, 2, NULL, ATIO_TRY), 0);
	failing_countdown = was;
	if (r == -EAGAIN)
		r = finished(task);
	atio_task_free(task);
	return r;
}

struct deed {
	const char *name;
	int (*fn)(void);
	bool linked, missing;
};

static const struct deed deeds[] = {
	{"new", .fn = deed_new},
	{"write", .fn = deed_write},
	{"write, linked", .fn = deed_write, .linked = true},
	{"write, missing", .fn = deed_write, .missing = true},
	{"append", .fn = deed_append},
	{"append, linked", .fn = deed_append, .linked = true},
	{"read", .fn = deed_read},
	{"delete", .fn = deed_delete},
	{"section", .fn = deed_section},
	{"section, missing", .fn = deed_section, .missing = true},
	{"read a value", .fn = deed_value_read},
	{"write a value", .fn = deed_value_write},
	{"update", .fn = deed_value_update},
	{"update, missing", .fn = deed_value_update, .missing = true},
	{"merge", .fn = deed_value_merge},
	{"task", .fn = deed_task},
	{"wait", .fn = deed_wait},
};

/* ---- doing them -------------------------------------------------------------- */

static void *lock_elsewhere(void *arg)
{
	int *r = arg;

	*r = atio_file_lock(file, NULL);
	if (*r == 0)
		CHECK_INT(atio_file_unlock(file), 0);
	return NULL;
}

static void check_unlocked(void)
{
	pthread_t thread;
	int r = 1;

	NEED(pthread_create(&thread, NULL, lock_elsewhere, &r) == 0);
	NEED(pthread_join(thread, NULL) == 0);
	CHECK_INT(r, 0);
}

static void before(const struct deed *deed)
{
	(void)unlinkat(dir, "b.json", 0);
	(void)unlinkat(dir, "a.json", 0);
	if (!deed->missing)
		put(dir, "a.json", OLD);
	if (deed->linked)
		NEED(linkat(dir, "a.json", dir, "b.json", 0) == 0);
}

static void check_failed(const struct deed *deed, unsigned k, int r)
{
	const char *text = text_at(dir, "a.json");

	if (r == 0) /* it could do without: a sweep, a flush aside */
		return;
	if (r != -ENOMEM || (deed->missing ? text != NULL
					   : !text || strcmp(text, OLD) != 0))
		printf("%s, allocation %u: %d, '%s'\n", deed->name, k, r,
		       text ? text : "(none)");
	CHECK_INT(r, -ENOMEM);
	if (deed->missing)
		CHECK(!text);
	else
		CHECK_STR(text, OLD);
	CHECK_INT(entries(dir, "."), !deed->missing + deed->linked);
}

static void walk(const struct deed *deed)
{
	unsigned k, failures = 0;
	bool reached = true;
	int fds = -1, r;

	for (k = 1; k < MAX_ALLOCATIONS && reached; k++) {
		before(deed);
		failing_begin(k);
		r = deed->fn();
		reached = failing_end();
		if (reached)
			check_failed(deed, k, r);
		else
			CHECK_INT(r, 0);
		failures += r < 0;
		check_unlocked();
		if (fds < 0)
			fds = open_fds();
		CHECK_INT(open_fds(), fds);
	}
	CHECK(k < MAX_ALLOCATIONS && failures > 0);
}

int main(void)
{
	dir = fresh_dir();
	file = file_at(dir, "a.json", ATIO_TRY);
	(void)value();
	/* What is made once for the process, like the flushing, is there. */
	CHECK_INT(did(file, ATIO_TASK_WRITE_BYTES, 1, OLD, ATIO_WAIT), 0);
	for (size_t i = 0; i < LENGTH(deeds); i++)
		walk(&deeds[i]);
	atio_file_free(file);
	close(dir);
	return check_result();
}
