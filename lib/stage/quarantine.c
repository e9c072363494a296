/* SPDX-License-Identifier: MIT
 *
 * The quarantine: pairs ID and ID.json.
 *
 * ID.json is made first (under another name, then renamed), the bytes follow
 * by one rename; so bytes are never without their description, and a
 * description without bytes is what a crash in between leaves: recovery
 * removes it, and finds the shadow still in the stage.
 */
#include "stage/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SUFFIX       ".json"
#define TRIM_EVERY_S 3600

static void json_name(char *buf, size_t size, const char *id)
{
	(void)snprintf(buf, size, "%s" SUFFIX, id);
}

static bool valid_id(const char *id)
{
	size_t n = strlen(id);

	return n > 0 && n < ATIO_QUARANTINE_ID_MAX &&
	       strspn(id, "0123456789abcdef") == n;
}

/* ---- keeping --------------------------------------------------------- */

/* Paths are bytes.  JSON has only Unicode: an escaped copy keeps the rest. */
static int set_path(json_t *j, const char *path)
{
	AUTO_FREE char *escaped = NULL;
	json_t *v = json_string(path);

	if (v)
		return json_object_set_new(j, "path", v);
	escaped = atio_escape(path);
	if (!escaped || json_object_set_new(j, "path", json_string(escaped)))
		return -1;
	return json_object_set_new(j, "path_escaped", json_true());
}

static int set_text(json_t *j, const char *key, const char *text)
{
	AUTO_FREE char *escaped = NULL;
	json_t *v;

	if (!text)
		return 0;
	v = json_string(text);
	if (!v) {
		escaped = atio_escape(text);
		v = escaped ? json_string(escaped) : NULL;
	}
	return json_object_set_new(j, key, v);
}

static json_t *describe(const struct atio_keep *k, const struct stat *st)
{
	struct timespec now;
	json_t *j;

	clock_gettime(CLOCK_REALTIME, &now);
	j = json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:I}", "pid",
		      (int)k->pid, "uid", (json_int_t)k->uid, "mode",
		      (json_int_t)(st->st_mode & 07777), "owner",
		      (json_int_t)st->st_uid, "group", (json_int_t)st->st_gid,
		      "time", (json_int_t)now.tv_sec, "error", k->error, "size",
		      (json_int_t)st->st_size, "transaction",
		      (json_int_t)k->id);
	if (j && !set_path(j, k->path) && !set_text(j, "reason", k->reason) &&
	    !set_text(j, "detail", k->detail) &&
	    !set_text(j, "command", k->command))
		return j;
	json_decref(j);
	return NULL;
}

static int write_description(struct atio_store *store,
			     const struct atio_keep *k, const struct stat *st)
{
	char name[64], tmp[72];
	json_t *j = describe(k, st);
	int r = 0, fd;

	if (!j)
		return -ENOMEM;
	json_name(name, sizeof(name), k->name);
	(void)snprintf(tmp, sizeof(tmp), "%s.new", name);
	fd = openat(store->quarantine_fd, tmp,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0) {
		r = -errno;
	} else {
		errno = 0;
		if (json_dumpfd(j, fd, JSON_INDENT(2)) < 0)
			r = errno ? -errno : -EIO;
		close(fd);
		if (!r && renameat(store->quarantine_fd, tmp,
				   store->quarantine_fd, name) < 0)
			r = -errno;
		if (r < 0)
			(void)unlinkat(store->quarantine_fd, tmp, 0);
	}
	json_decref(j);
	return r;
}

static int trim(int dirfd, uint64_t max_bytes, uint64_t max_age_s,
		uint64_t *ret_left);

static void account(struct atio_store *store, uint64_t bytes)
{
	struct timespec now;
	uint64_t left;
	bool due;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&store->lock);
	store->quarantine_bytes += bytes;
	due = store->quarantine_bytes > store->quarantine_max_bytes ||
	      !store->trimmed_at ||
	      now.tv_sec - store->trimmed_at > TRIM_EVERY_S;
	pthread_mutex_unlock(&store->lock);
	if (!due || trim(store->quarantine_fd, store->quarantine_max_bytes,
			 store->quarantine_max_age_s, &left) < 0)
		return;
	pthread_mutex_lock(&store->lock);
	store->quarantine_bytes = left;
	store->trimmed_at = now.tv_sec;
	pthread_mutex_unlock(&store->lock);
}

static int keep(struct atio_store *store, const struct atio_keep *k, int fd,
		const struct stat *st, struct atio_error *err)
{
	int r = write_description(store, k, st);

	if (r < 0)
		return atio_fail(err, -r, "describe the item: %s",
				 strerror(-r));
	ATIO_FAULT("quarantine.described");
	/* Nobody shall run or read it by accident. */
	(void)fchmod(fd, 0600);
	if (fchown(fd, geteuid(), getegid()) < 0 && errno != EPERM)
		return atio_fail(err, errno, "take the item");
	if (renameat(store->stage_fd, k->name, store->quarantine_fd, k->name) <
	    0)
		return atio_fail(err, errno, "move to the quarantine: %s",
				 strerror(errno));
	ATIO_FAULT("quarantine.kept");
	return 0;
}

int atio_quarantine_keep(struct atio_store *store, const struct atio_keep *k,
			 struct atio_error *err)
{
	AUTO_CLOSE int fd = openat(store->stage_fd, k->name,
				   O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct atio_error first = ATIO_ERROR_INIT;
	struct stat st;
	bool full;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return atio_fail(err, errno, "open the shadow: %s",
				 strerror(errno));
	r = keep(store, k, fd, &st, &first);
	full = r == -ENOSPC || r == -EDQUOT;
	if (r < 0 && !full)
		return atio_fail(err, -r, "%s", first.text);
	if (full) {
		atio_reserve_release(store);
		r = keep(store, k, fd, &st, err);
		if (r < 0)
			return r;
	}
	account(store, (uint64_t)st.st_size);
	if (full)
		atio_reserve_take(store);
	return 0;
}

/* ---- reading --------------------------------------------------------- */

static char *get_text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? strdup(s) : NULL;
}

static int64_t get_number(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

void atio_quarantine_item_done(struct atio_quarantined *q)
{
	free(q->path);
	free(q->reason);
	free(q->detail);
	free(q->command);
	q->path = q->reason = q->detail = q->command = NULL;
}

static int item_read(int dirfd, const char *id, struct atio_quarantined *q)
{
	AUTO_CLOSE int fd = -1;
	char name[64];
	struct stat st;
	json_t *j;

	if (fstatat(dirfd, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	json_name(name, sizeof(name), id);
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	j = json_loadfd(fd, 0, NULL);
	if (!j)
		return -EBADMSG;
	*q = (struct atio_quarantined){
		.path = get_text(j, "path"),
		.reason = get_text(j, "reason"),
		.detail = get_text(j, "detail"),
		.command = get_text(j, "command"),
		.pid = (pid_t)get_number(j, "pid"),
		.uid = (uid_t)get_number(j, "uid"),
		.mode = (mode_t)get_number(j, "mode"),
		.owner = (uid_t)get_number(j, "owner"),
		.group = (gid_t)get_number(j, "group"),
		.error = (int)get_number(j, "error"),
		.time_s = get_number(j, "time"),
		.size = (uint64_t)st.st_size,
	};
	if (q->path && json_is_true(json_object_get(j, "path_escaped"))) {
		char *bytes = atio_unescape(q->path);

		free(q->path);
		q->path = bytes;
	}
	json_decref(j);
	(void)snprintf(q->id, sizeof(q->id), "%s", id);
	if (q->path && q->reason)
		return 0;
	atio_quarantine_item_done(q);
	return -EBADMSG;
}

static int by_time(const void *a, const void *b)
{
	const struct atio_quarantined *x = a, *y = b;

	if (x->time_s != y->time_s)
		return x->time_s < y->time_s ? -1 : 1;
	return strcmp(x->id, y->id);
}

int atio_quarantine_list(int dirfd, struct atio_quarantined **ret_items,
			 size_t *ret_n, struct atio_error *err)
{
	struct atio_quarantined *items = NULL, *more;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	size_t n = 0;

	if (!dir) {
		int e = errno;

		if (fd >= 0)
			close(fd);
		return atio_fail(err, e, "open the quarantine: %s",
				 strerror(e));
	}
	while ((de = readdir(dir))) {
		if (!valid_id(de->d_name))
			continue;
		more = realloc(items, (n + 1) * sizeof(*items));
		if (!more) {
			closedir(dir);
			atio_quarantine_list_free(items, n);
			return atio_fail(err, ENOMEM, "out of memory");
		}
		items = more;
		if (item_read(dirfd, de->d_name, &items[n]) == 0)
			n++;
	}
	closedir(dir);
	if (n)
		qsort(items, n, sizeof(*items), by_time);
	*ret_items = items;
	*ret_n = n;
	return 0;
}

void atio_quarantine_list_free(struct atio_quarantined *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		atio_quarantine_item_done(&items[i]);
	free(items);
}

int atio_quarantine_get(int dirfd, const char *id,
			struct atio_quarantined *ret_item,
			struct atio_error *err)
{
	struct atio_quarantined item;
	int r = valid_id(id) ? item_read(dirfd, id, &item) : -ENOENT;

	if (r == -ENOENT)
		return atio_fail(err, ENOENT,
				 "no item '%.64s' in the quarantine", id);
	if (r < 0)
		return atio_fail(err, -r, "item '%s': %s", id,
				 r == -EBADMSG ? "its description is damaged"
					       : strerror(-r));
	*ret_item = item;
	return 0;
}

int atio_quarantine_open(int dirfd, const char *id)
{
	int fd;

	if (!valid_id(id))
		return -ENOENT;
	fd = openat(dirfd, id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ---- dropping -------------------------------------------------------- */

int atio_quarantine_drop(int dirfd, const char *id)
{
	char name[64];

	if (!valid_id(id))
		return -ENOENT;
	if (unlinkat(dirfd, id, 0) < 0)
		return -errno;
	json_name(name, sizeof(name), id);
	/* Through a mount the daemon has removed both. */
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static int trim(int dirfd, uint64_t max_bytes, uint64_t max_age_s,
		uint64_t *ret_left)
{
	struct atio_quarantined *items;
	int64_t now = (int64_t)time(NULL);
	uint64_t total = 0;
	size_t n;
	int r, dropped = 0;

	r = atio_quarantine_list(dirfd, &items, &n, NULL);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		total += items[i].size;
	for (size_t i = 0; i < n; i++) { /* oldest first */
		bool old =
			max_age_s && now - items[i].time_s > (int64_t)max_age_s;

		if (!old && !(max_bytes && total > max_bytes))
			continue;
		if (atio_quarantine_drop(dirfd, items[i].id) == 0) {
			total -= items[i].size;
			dropped++;
		}
	}
	atio_quarantine_list_free(items, n);
	*ret_left = total;
	return dropped;
}

int atio_quarantine_trim(int dirfd, uint64_t max_bytes, uint64_t max_age_s)
{
	uint64_t left;

	return trim(dirfd, max_bytes, max_age_s, &left);
}

/* ---- after a crash --------------------------------------------------- */

/* Descriptions whose bytes never came, or were dropped. */
int atio_quarantine_repair(struct atio_store *store)
{
	int fd = openat(store->quarantine_fd, ".",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	while ((de = readdir(dir))) {
		char id[NAME_MAX + 1];
		char *dot;

		(void)snprintf(id, sizeof(id), "%s", de->d_name);
		dot = strchr(id, '.');
		if (!dot || dot == id)
			continue;
		*dot = 0;
		if (strcmp(dot + 1, "json") == 0 &&
		    faccessat(store->quarantine_fd, id, F_OK,
			      AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		(void)unlinkat(store->quarantine_fd, de->d_name, 0);
	}
	closedir(dir);
	return 0;
}
