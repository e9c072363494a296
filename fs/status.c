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
static json_t *text(const char *s)
{
	json_t *v = json_string(s);

	return v ? v : json_string("(not UTF-8)");
}

static json_t *options_json(const struct options *o)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:b}", "durability",
			 o->durable ? "full" : "none", "policy",
			 o->policy ? o->policy : "built-in", "conflict",
			 o->conflict_last ? "last" : "fail", "on_kill",
			 o->kill_commits ? "commit" : "rollback", "passthrough",
			 o->passthrough == PASSTHROUGH_OFF ? "off" : "auto",
			 "entry_timeout_s", o->entry_timeout_s, "read_only",
			 o->read_only);
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

char *status_json(struct fs *fs)
{
	struct totals q = quarantine_totals(fs);
	struct utsname un;
	char proto[16];
	char *s = NULL;
	json_t *j;

	(void)guard_is_low(fs);
	if (uname(&un) < 0)
		return NULL;
	snprintf(proto, sizeof(proto), "7.%u", fs->proto_minor);
	j = json_pack(
		"{s:s, s:o, s:o, s:i, s:f, s:{s:s, s:s}, s:{s:s, s:s}, s:s,"
		" s:b, s:o, s:I, s:I, s:I, s:I, s:o, s:{s:I, s:I},"
		" s:{s:I, s:I, s:b}}",
		"version", ATOMICFS_VERSION, "source", text(fs->opts->source),
		"mountpoint", text(fs->opts->mountpoint), "pid", (int)getpid(),
		"uptime_s", uptime_s(fs), "io", "path",
		fs->passthrough ? "passthrough" : "served", "reason",
		fs->io_reason, "kernel", "release", un.release, "fuse", proto,
		"libfuse", fuse_pkgversion(), "pids_visible",
		(int)fs->pids_visible, "options", options_json(fs->opts),
		"nodes", (json_int_t)fs->nodes.n, "open_handles",
		(json_int_t)fs->n_handles, "shadows", (json_int_t)fs->n_txns,
		"descriptors", (json_int_t)descriptors(fs), "transactions",
		transactions_json(&fs->count), "quarantine", "items",
		(json_int_t)q.items, "bytes", (json_int_t)q.bytes, "disk",
		"free_bytes", (json_int_t)fs->disk_free, "guard_bytes",
		(json_int_t)fs->guard_bytes, "low", (int)fs->disk_low);
	if (j) {
		s = json_dumps(j, JSON_INDENT(2));
		json_decref(j);
	}
	if (s) {
		size_t n = strlen(s);
		char *line = realloc(s, n + 2);

		s = line ? line : s;
		if (line)
			memcpy(line + n, "\n", 2);
	}
	return s;
}

static void metric(FILE *f, const char *name, const char *type,
		   const char *help, uint64_t value)
{
	fprintf(f,
		"# HELP atomicfs_%s %s\n# TYPE atomicfs_%s %s\n"
		"atomicfs_%s %llu\n",
		name, help, name, type, name, (unsigned long long)value);
}

static void counters_metrics(FILE *f, const struct counters *c)
{
	metric(f, "transactions_total", "counter", "Shadows that were staged.",
	       c->staged);
	metric(f, "commits_total", "counter", "Versions that were published.",
	       c->commits);
	metric(f, "snapshots_total", "counter",
	       "Versions published while their shadow stayed open.",
	       c->snapshots);
	metric(f, "in_place_commits_total", "counter",
	       "Files with several links rewritten in place.", c->in_place);
	metric(f, "rollbacks_total", "counter", "Shadows that were put aside.",
	       c->rollbacks);
	metric(f, "conflicts_total", "counter",
	       "Updates whose file was replaced by another process.",
	       c->conflicts);
	metric(f, "failures_total", "counter", "Steps that failed.",
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
	metric(f, "passthrough", "gauge",
	       "1 when the kernel reads and writes files itself.",
	       fs->passthrough);
	metric(f, "shadows", "gauge", "Open shadows.", fs->n_txns);
	metric(f, "open_handles", "gauge", "Open files.", fs->n_handles);
	metric(f, "nodes", "gauge", "Inodes the kernel knows.", fs->nodes.n);
	metric(f, "descriptors", "gauge", "Descriptors in use for files.",
	       descriptors(fs));
	metric(f, "quarantine_items", "gauge", "Items in the quarantine.",
	       q.items);
	metric(f, "quarantine_bytes", "gauge", "Bytes in the quarantine.",
	       q.bytes);
	metric(f, "disk_free_bytes", "gauge", "Free space of the source.",
	       fs->disk_free);
	metric(f, "disk_low", "gauge", "1 while free space is below the guard.",
	       fs->disk_low);
	if (fclose(f)) {
		free(s);
		return NULL;
	}
	return s;
}
