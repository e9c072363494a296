/* SPDX-License-Identifier: MIT */
#include "status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <atomicio/quarantine.h>

#include "guard.h"
#include "status_locks.h"
#include "txn.h"

struct totals {
	uint64_t items, bytes;
};

static struct totals quarantine_totals(struct fs *fs)
{
	struct atio_quarantined *items = NULL;
	struct totals t = {0};
	size_t n = 0;

	if (atio_quarantine_list(atio_store_quarantine_fd(fs->store), &items,
				 &n, NULL) < 0)
		return t;
	for (size_t i = 0; i < n; i++)
		t.bytes += items[i].size;
	t.items = n;
	atio_quarantine_list_free(items, n);
	return t;
}

static double uptime_s(const struct fs *fs)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - fs->started.tv_sec) +
	       (double)(now.tv_nsec - fs->started.tv_nsec) / 1e9;
}

static unsigned descriptors(const struct fs *fs)
{
	return fs->n_opened + fs->nodes.n_dirfds + fs->n_txns;
}

/* Paths are bytes; JSON strings are not: what is not UTF-8 is replaced. */
json_t *status_text(const char *s)
{
	json_t *v = json_string(s);

	return v ? v : json_string("(not UTF-8)");
}

static json_t *options_json(const struct options *o)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:s, s:f, s:b}",
			 "durability", o->durable ? "full" : "none", "policy",
			 o->policy ? o->policy : "built-in", "conflict",
			 o->conflict_last ? "last" : "fail", "on_kill",
			 o->kill_commits ? "commit" : "rollback", "passthrough",
			 o->passthrough == PASSTHROUGH_OFF ? "off" : "auto",
			 "entry_timeout_s", o->entry_timeout_s, "locks",
			 o->locks_strict ? "strict" : "recursive",
			 "lock_timeout_s", (double)o->lock_timeout_ms / 1000,
			 "read_only", o->read_only);
}

static json_t *transactions_json(const struct counters *c)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "staged",
		(json_int_t)c->staged, "commits", (json_int_t)c->commits,
		"snapshots", (json_int_t)c->snapshots, "in_place",
		(json_int_t)c->in_place, "rollbacks", (json_int_t)c->rollbacks,
		"conflicts", (json_int_t)c->conflicts, "failures",
		(json_int_t)c->failures);
}

char *status_dump(json_t *j)
{
	char *s = j ? json_dumps(j, JSON_INDENT(2)) : NULL, *line;
	size_t n = s ? strlen(s) : 0;

	json_decref(j);
	line = s ? realloc(s, n + 2) : NULL;
	if (!line)
		return s;
	memcpy(line + n, "\n", 2);
	return line;
}

char *status_json(struct fs *fs)
{
	struct totals q = quarantine_totals(fs);
	struct utsname un;
	char proto[16];
	json_t *j;

	(void)guard_is_low(fs);
	if (uname(&un) < 0)
		return NULL;
	snprintf(proto, sizeof(proto), "7.%u", fs->proto_minor);
	j = json_pack(
		"{s:s, s:o, s:o, s:i, s:f, s:{s:s, s:s}, s:{s:s, s:s}, s:s,"
		" s:b, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:{s:I, s:I},"
		" s:{s:I, s:I, s:b}}",
		"version", ATOMICFS_VERSION, "source",
		status_text(fs->opts->source), "mountpoint",
		status_text(fs->opts->mountpoint), "pid", (int)getpid(),
		"uptime_s", uptime_s(fs), "io", "path",
		fs->passthrough ? "passthrough" : "served", "reason",
		fs->io_reason, "kernel", "release", un.release, "fuse", proto,
		"libfuse", fuse_pkgversion(), "pids_visible",
		(int)fs->pids_visible, "options", options_json(fs->opts),
		"nodes", (json_int_t)fs->nodes.n, "open_handles",
		(json_int_t)fs->n_handles, "shadows", (json_int_t)fs->n_txns,
		"descriptors", (json_int_t)descriptors(fs), "transactions",
		transactions_json(&fs->count), "locks",
		status_locks_counted(fs), "quarantine", "items",
		(json_int_t)q.items, "bytes", (json_int_t)q.bytes, "disk",
		"free_bytes", (json_int_t)fs->disk_free, "guard_bytes",
		(json_int_t)fs->guard_bytes, "low", (int)fs->disk_low);
	return status_dump(j);
}

void status_metric(FILE *f, const char *name, const char *type,
		   const char *help, uint64_t value)
{
	fprintf(f,
		"# HELP atomicfs_%s %s\n# TYPE atomicfs_%s %s\n"
		"atomicfs_%s %llu\n",
		name, help, name, type, name, (unsigned long long)value);
}

static void counters_metrics(FILE *f, const struct counters *c)
{
	status_metric(f, "transactions_total", "counter",
		      "Shadows that were staged.", c->staged);
	status_metric(f, "commits_total", "counter",
		      "Versions that were published.", c->commits);
	status_metric(f, "snapshots_total", "counter",
		      "Versions published while their shadow stayed open.",
		      c->snapshots);
	status_metric(f, "in_place_commits_total", "counter",
		      "Files with several links rewritten in place.",
		      c->in_place);
	status_metric(f, "rollbacks_total", "counter",
		      "Shadows that were put aside.", c->rollbacks);
	status_metric(f, "conflicts_total", "counter",
		      "Updates whose file was replaced by another process.",
		      c->conflicts);
	status_metric(f, "failures_total", "counter", "Steps that failed.",
		      c->failures);
}

char *status_metrics(struct fs *fs)
{
	struct totals q = quarantine_totals(fs);
	char *s = NULL;
	size_t size;
	FILE *f = open_memstream(&s, &size);

	if (!f)
		return NULL;
	(void)guard_is_low(fs);
	counters_metrics(f, &fs->count);
	status_locks_metrics(fs, f);
	status_metric(f, "passthrough", "gauge",
		      "1 when the kernel reads and writes files itself.",
		      fs->passthrough);
	status_metric(f, "shadows", "gauge", "Open shadows.", fs->n_txns);
	status_metric(f, "open_handles", "gauge", "Open files.", fs->n_handles);
	status_metric(f, "nodes", "gauge", "Inodes the kernel knows.",
		      fs->nodes.n);
	status_metric(f, "descriptors", "gauge",
		      "Descriptors in use for files.", descriptors(fs));
	status_metric(f, "quarantine_items", "gauge",
		      "Items in the quarantine.", q.items);
	status_metric(f, "quarantine_bytes", "gauge",
		      "Bytes in the quarantine.", q.bytes);
	status_metric(f, "disk_free_bytes", "gauge",
		      "Free space of the source.", fs->disk_free);
	status_metric(f, "disk_low", "gauge",
		      "1 while free space is below the guard.", fs->disk_low);
	if (fclose(f)) {
		free(s);
		return NULL;
	}
	return s;
}
