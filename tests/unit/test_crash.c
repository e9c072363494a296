/* SPDX-License-Identifier: MIT
 *
 * test_crash.c - killed at every step, and at every step of the recovery.
 *
 * Each act runs in a child.  A first run finds the fault points on its way; the
 * following ones are killed at each of them in turn.  Then the store is opened
 * again and recovered: every file is wholly old or wholly new, and nothing
 * lies around.
 */
#include <limits.h>
#include <sys/wait.h>

#include "scene.h"

#define MAX_POINTS 256

struct act {
	const char *name;
	void (*fn)(struct atio_store *store, int dir);
	const char *kept_after; /* from this point on it must be the new one */
};

struct points {
	char at[MAX_POINTS][64]; /* "name:number" */
	size_t n;
};

struct run {
	const struct act *act; /* NULL: recovery */
	int dir;
	const char *fault, *trace;
};

/* ---- acts ------------------------------------------------------------ */

#define OLD "old"
#define NEW "new and longer"

static void end(struct atio_shadow *s, int dir, const char *name)
{
	NEED(atio_shadow_prepare(s, NULL) == 0);
	NEED(atio_shadow_commit(s, dir, name, 0, NULL) == 0);
	atio_shadow_free(s);
}

static void act_create(struct atio_store *store, int dir)
{
	end(written(store, dir, "a", NEW), dir, "a");
	(void)atio_dir_sync(store, dir);
}

static void act_update(struct atio_store *store, int dir)
{
	struct atio_shadow *s = updated(store, dir, "a");

	write_to(atio_shadow_fd(s), NEW);
	end(s, dir, "a");
}

static void act_sync(struct atio_store *store, int dir)
{
	struct atio_shadow *s = updated(store, dir, "a");

	write_to(atio_shadow_fd(s), NEW);
	NEED(atio_shadow_sync(s, NULL) == 0);
	end(s, dir, "a");
}

static void act_snapshot(struct atio_store *store, int dir)
{
	struct atio_shadow *s = updated(store, dir, "a"), *snap = NULL;

	write_to(atio_shadow_fd(s), NEW);
	NEED(atio_shadow_snapshot(s, &snap, NULL) == 0);
	end(snap, dir, "a");
	NEED(atio_shadow_discard(s) == 0);
	atio_shadow_free(s);
}

static void act_redo(struct atio_store *store, int dir)
{
	struct atio_shadow *s = updated(store, dir, "a");
	int target = open_file(dir, "a");

	write_to(atio_shadow_fd(s), NEW);
	NEED(atio_shadow_prepare(s, NULL) == 0);
	NEED(atio_shadow_redo(s, target, NULL) == 0);
	atio_shadow_free(s);
	close(target);
}

static void act_quarantine(struct atio_store *store, int dir)
{
	const struct atio_rollback why = {.reason = "killed"};
	struct atio_shadow *s = updated(store, dir, "a");

	write_to(atio_shadow_fd(s), NEW);
	NEED(atio_shadow_quarantine(s, &why, NULL, NULL) == 1);
	atio_shadow_free(s);
}

static void act_discard(struct atio_store *store, int dir)
{
	struct atio_shadow *s = updated(store, dir, "a");

	NEED(atio_shadow_discard(s) == 0);
	atio_shadow_free(s);
}

static const struct act acts[] = {
	{"create", act_create, "commit.renamed"},
	{"update", act_update, "commit.renamed"},
	{"sync", act_sync, "sync.recorded"},
	{"snapshot", act_snapshot, "commit.renamed"},
	{"redo", act_redo, "redo.recorded"},
	{"quarantine", act_quarantine, NULL},
	{"discard", act_discard, NULL},
};

/* ---- runs ------------------------------------------------------------ */

static void perform(void *arg)
{
	const struct run *run = arg;
	struct atio_store *store;

	store = store_at(run->dir);
	if (run->trace)
		NEED(setenv("ATIO_FAULT_TRACE", run->trace, 1) == 0);
	if (run->fault)
		NEED(setenv("ATIO_FAULT", run->fault, 1) == 0);
	if (run->act)
		run->act->fn(store, run->dir);
	else
		(void)recovered(store, false);
	atio_store_free(store);
}

static void load(const char *trace, struct points *p)
{
	FILE *f = fopen(trace, "r");
	char line[48], seen[MAX_POINTS][48];
	unsigned number;

	p->n = 0;
	if (!f)
		return; /* none on the way */
	while (fgets(line, sizeof(line), f)) {
		NEED(p->n < MAX_POINTS);
		line[strcspn(line, "\n")] = '\0';
		number = 1;
		for (size_t i = 0; i < p->n; i++)
			number += !strcmp(seen[i], line);
		memcpy(seen[p->n], line, sizeof(line));
		(void)snprintf(p->at[p->n++], sizeof(p->at[0]), "%s:%u", line,
			       number);
	}
	fclose(f);
}

/* The points on the way of an act (NULL: of recovery) that starts in @dir. */
static void find_points(const struct act *act, int dir, struct points *p)
{
	struct run run = {.act = act, .dir = dir};
	char trace[PATH_MAX];
	int traces = fresh_dir();

	(void)snprintf(trace, sizeof(trace), "%s/trace", path_of(traces));
	run.trace = trace;
	CHECK_INT(in_child(perform, &run), 0);
	load(trace, p);
	CHECK(p->n > 0);
	close(traces);
}

static bool dies(const struct act *act, int dir, const char *fault)
{
	struct run run = {.act = act, .dir = dir, .fault = fault};
	int status = in_child(perform, &run);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static int before(void)
{
	int dir = fresh_dir();

	put(dir, "a", OLD);
	NEED(linkat(dir, "a", dir, "b", 0) == 0);
	return dir;
}

/* ---- verdicts -------------------------------------------------------- */

static void check_quarantine(struct atio_store *store, int dir)
{
	struct atio_quarantined *items = NULL;
	size_t n = 0;

	CHECK_INT(atio_quarantine_list(atio_store_quarantine_fd(store), &items,
				       &n, NULL),
		  0);
	CHECK_INT(entries(dir, QUARANTINE), 2 * n); /* no halves */
	for (size_t i = 0; i < n; i++) /* "": it was not yet in the journal */
		CHECK(!*items[i].path || !strcmp(items[i].path, "a"));
	atio_quarantine_list_free(items, n);
}

static bool check_files(int dir, const char *what, bool must_be_new)
{
	char a[64];
	bool same, is_new;

	(void)snprintf(a, sizeof(a), "%s", text_at(dir, "a"));
	is_new = !strcmp(a, NEW);
	same = !strcmp(text_at(dir, "b"), is_new ? NEW : OLD) ||
	       !strcmp(text_at(dir, "b"), OLD); /* "a" was replaced */
	if ((is_new || !strcmp(a, OLD)) && same && (is_new || !must_be_new))
		return true;
	printf("%s: a is '%s', b is '%s'\n", what, a, text_at(dir, "b"));
	return false;
}

static void check_after(int dir, const char *what, bool must_be_new)
{
	struct atio_store *store = store_at(dir);
	struct findings f = recovered(store, false);

	for (int i = 0; i < f.n; i++)
		CHECK(f.at[i].action != ATIO_RECOVERED_FAILED);
	CHECK(check_files(dir, what, must_be_new));
	CHECK(stage_empty(dir));
	CHECK_INT(entries(dir, "."), 3); /* a, b and .atomicfs */
	check_quarantine(store, dir);
	CHECK_INT(recovered(store, false).n, 0);
	act_update(store, dir); /* it can be worked with */
	CHECK(check_files(dir, what, true));
	atio_store_free(store);
}

/* ---- walks ----------------------------------------------------------- */

static void walk(const struct act *act)
{
	static struct points p;
	bool must_be_new = false;
	char what[160];
	int dir = before();

	find_points(act, dir, &p);
	close(dir);
	for (size_t i = 0; i < p.n; i++) {
		(void)snprintf(what, sizeof(what), "%s, killed at %s",
			       act->name, p.at[i]);
		if (act->kept_after &&
		    !strncmp(p.at[i], act->kept_after, strlen(act->kept_after)))
			must_be_new = true;
		dir = before();
		CHECK(dies(act, dir, p.at[i]));
		check_after(dir, what, must_be_new);
		close(dir);
	}
	CHECK(must_be_new || !act->kept_after);
}

/* Killed at @point of @act, and again at each step of the recovery. */
static void walk_recovery(const char *act_name, const char *point)
{
	static struct points p;
	const struct act *act = acts;
	char what[160];
	int dir = before();
	bool must_be_new;

	while (strcmp(act->name, act_name))
		act++;
	must_be_new = act->kept_after && !strcmp(act->kept_after, point);
	CHECK(dies(act, dir, point));
	find_points(NULL, dir, &p);
	close(dir);
	for (size_t i = 0; i < p.n; i++) {
		(void)snprintf(what, sizeof(what), "%s, killed at %s and %s",
			       act->name, point, p.at[i]);
		dir = before();
		CHECK(dies(act, dir, point));
		CHECK(dies(NULL, dir, p.at[i]));
		check_after(dir, what, must_be_new);
		close(dir);
	}
}

int main(void)
{
	NEED(unsetenv("ATIO_FAULT") == 0);
	NEED(unsetenv("ATIO_FAULT_TRACE") == 0);
	for (size_t i = 0; i < LENGTH(acts); i++)
		walk(&acts[i]);
	walk_recovery("update", "stage.begun");
	walk_recovery("update", "prepare.flushed");
	walk_recovery("sync", "sync.recorded");
	walk_recovery("redo", "redo.recorded");
	walk_recovery("redo", "redo.copied");
	walk_recovery("redo", "redo.written");
	walk_recovery("quarantine", "quarantine.described");
	return check_result();
}
