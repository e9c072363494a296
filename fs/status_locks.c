/* SPDX-License-Identifier: MIT */
#include "status_locks.h"

#include <stdlib.h>
#include <string.h>

#include "locks.h"
#include "proc.h"
#include "session.h"
#include "status.h"

#define COMMANDS 256

struct item {
	struct atio_lock_info info;
	const char *path; /* of who.handle; often the one of the item before */
	bool gone;
};

struct command {
	pid_t tgid;
	char text[64];
};

struct list {
	struct fs *fs;
	struct item *items;
	size_t n, room;
	bool failed;
	struct command commands[COMMANDS]; /* looked up lately */
};

static void collect(void *arg, const struct atio_lock_info *info)
{
	struct list *list = arg;

	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		void *items = realloc(list->items, room * sizeof(struct item));

		if (!items) {
			list->failed = true;
			return;
		}
		list->items = items;
		list->room = room;
	}
	list->items[list->n++] = (struct item){.info = *info};
}

/* With fs->lock: the open files are there as long as that is held. */
static void find_path(struct list *list, size_t i)
{
	const struct item *before = i ? &list->items[i - 1] : NULL;
	struct item *item = &list->items[i];
	const struct handle *h = (void *)(uintptr_t)item->info.who.handle;
	char path[PATH_MAX];

	if (before && before->info.who.handle == item->info.who.handle) {
		item->path = before->path;
		item->gone = before->gone;
		return;
	}
	item->gone = lock_path(list->fs, h, path, sizeof(path));
	item->path = strdup(path);
	list->failed |= !item->path;
}

static void list_done(struct list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (!i || list->items[i].path != list->items[i - 1].path)
			free((char *)list->items[i].path);
	free(list->items);
	free(list);
}

static const char *command_of(struct list *list, pid_t tgid)
{
	struct command *command = &list->commands[tgid % COMMANDS];

	if (!tgid)
		return "";
	if (command->tgid != tgid) {
		command->tgid = tgid;
		proc_command(tgid, command->text, sizeof(command->text));
	}
	return command->text;
}

/* Paths are bytes, JSON strings are not: what is not UTF-8 is given with %XX
 * for all that is not plain, and said to be so. */
static void set_path(json_t *object, const char *path)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[3 * PATH_MAX + 1], *to = text;
	json_t *plain = json_string(path);

	if (plain) {
		(void)json_object_set_new(object, "path", plain);
		return;
	}
	for (const char *p = path; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c > ' ' && c < 0x7f && c != '%') {
			*to++ = *p;
			continue;
		}
		*to++ = '%';
		*to++ = digits[c >> 4];
		*to++ = digits[c & 15];
	}
	*to = 0;
	(void)json_object_set_new(object, "path", json_string(text));
	(void)json_object_set_new(object, "path_escaped", json_true());
}

static const char *kind_text(enum atio_lock_kind kind)
{
	static const char *const texts[] = {
		[ATIO_LOCK_FLOCK] = "flock",
		[ATIO_LOCK_POSIX] = "posix",
		[ATIO_LOCK_OFD] = "ofd",
	};

	return texts[kind];
}

static json_t *one(struct list *list, const struct item *item)
{
	const struct atio_lock_info *info = &item->info;
	const char *command = command_of(list, info->who.tgid);
	json_t *j;

	j = json_pack(
		"{s:I, s:s, s:s, s:I, s:s, s:i, s:i, s:I}", "id",
		(json_int_t)info->id, "kind", kind_text(info->kind), "mode",
		info->mode == ATIO_LOCK_EXCLUSIVE ? "exclusive" : "shared",
		"start", (json_int_t)info->range.start, "state",
		info->waiting ? "waiting" : "held", "pid", (int)info->who.tgid,
		"tid", (int)info->who.tid, "age_ms", (json_int_t)info->age_ms);
	if (!j)
		return NULL;
	set_path(j, item->path);
	if (item->gone)
		(void)json_object_set_new(j, "deleted", json_true());
	(void)json_object_set_new(
		j, "end",
		info->range.end == ATIO_LOCK_END
			? json_null()
			: json_integer((json_int_t)info->range.end));
	if (info->kind == ATIO_LOCK_FLOCK && !info->waiting)
		(void)json_object_set_new(j, "count",
					  json_integer(info->count));
	(void)json_object_set_new(j, "command",
				  status_text(*command ? command : "?"));
	(void)json_object_set_new(
		j, "waits_for",
		info->waits_for ? json_integer((json_int_t)info->waits_for)
				: json_null());
	return j;
}

char *status_locks(struct fs *fs)
{
	struct list *list = calloc(1, sizeof(*list));
	size_t held = 0;
	json_t *array, *j;

	if (!list)
		return NULL;
	list->fs = fs;
	session_may_block(fs);
	fs_lock(fs);
	atio_lock_each(fs->locks, collect, list);
	for (size_t i = 0; i < list->n; i++)
		find_path(list, i);
	fs_unlock(fs);
	array = list->failed ? NULL : json_array();
	for (size_t i = 0; array && i < list->n; i++) {
		held += !list->items[i].info.waiting;
		if (json_array_append_new(array, one(list, &list->items[i])) <
		    0) {
			json_decref(array);
			array = NULL;
		}
	}
	j = array ? json_pack("{s:I, s:I, s:o}", "held", (json_int_t)held,
			      "waiting", (json_int_t)(list->n - held), "locks",
			      array)
		  : NULL;
	list_done(list);
	return status_dump(j);
}

/* ---- figures --------------------------------------------------------- */

json_t *status_locks_counted(struct fs *fs)
{
	struct atio_lock_counters c;

	atio_lock_count(fs->locks, &c);
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "held",
		(json_int_t)c.held, "waiting", (json_int_t)c.waiting, "grants",
		(json_int_t)c.grants, "waited", (json_int_t)c.waited,
		"timeouts", (json_int_t)c.timeouts, "interrupted",
		(json_int_t)c.cancels, "deadlocks", (json_int_t)c.deadlocks);
}

static void waits_metrics(FILE *f, const struct atio_lock_counters *c)
{
	uint64_t n = 0;

	fputs("# HELP atomicfs_lock_wait_seconds How long granted locks were "
	      "waited for.\n"
	      "# TYPE atomicfs_lock_wait_seconds histogram\n",
	      f);
	for (size_t i = 0; i < ATIO_LOCK_WAIT_BOUNDS; i++) {
		n += c->waits[i];
		fprintf(f,
			"atomicfs_lock_wait_seconds_bucket{le=\"%g\"} %llu\n",
			(double)atio_lock_wait_bounds_ms[i] / 1000,
			(unsigned long long)n);
	}
	fprintf(f,
		"atomicfs_lock_wait_seconds_bucket{le=\"+Inf\"} %llu\n"
		"atomicfs_lock_wait_seconds_sum %g\n"
		"atomicfs_lock_wait_seconds_count %llu\n",
		(unsigned long long)c->waited, (double)c->waited_ms / 1000,
		(unsigned long long)c->waited);
}

void status_locks_metrics(struct fs *fs, FILE *f)
{
	struct atio_lock_counters c;

	atio_lock_count(fs->locks, &c);
	status_metric(f, "locks_held", "gauge", "Locks that are held.", c.held);
	status_metric(f, "locks_waiting", "gauge",
		      "Requests for locks that wait.", c.waiting);
	status_metric(f, "lock_grants_total", "counter",
		      "Locks that were granted.", c.grants);
	status_metric(f, "lock_timeouts_total", "counter",
		      "Requests for locks that ran out of time.", c.timeouts);
	status_metric(f, "lock_interrupts_total", "counter",
		      "Requests for locks that were interrupted.", c.cancels);
	status_metric(f, "lock_deadlocks_total", "counter",
		      "Requests for locks refused with EDEADLK.", c.deadlocks);
	waits_metrics(f, &c);
}
