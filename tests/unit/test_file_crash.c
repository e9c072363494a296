/* SPDX-License-Identifier: MIT
 *
 * test_file_crash.c - lib/file, killed at every step, and at every step of
 * finishing what the killed one left.
 *
 * Each act runs in a child.  A first run finds the fault points on its way; the
 * following ones are killed at each of them in turn.  Then somebody reads the
 * file by another of its names, and writes another file in the directory: the
 * content is wholly old or wholly new, and nothing lies around.
 */
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "file_scene.h"
#include "stage/loose.h"

#define MAX_POINTS 64
#define OLD	   "old and rather long"
#define NEW	   "new"

/* ---- file systems without O_TMPFILE -------------------------------------- */

static bool no_tmpfile;

int __real_atio_tmpfile_open(int dirfd, mode_t mode);
int __wrap_atio_tmpfile_open(int dirfd, mode_t mode);

int __wrap_atio_tmpfile_open(int dirfd, mode_t mode)
{
	return no_tmpfile ? -EOPNOTSUPP : __real_atio_tmpfile_open(dirfd, mode);
}

/* ---- acts ------------------------------------------------------------------ */

/* Of "a" in scene.dir, which is "b" in scene.other, too, if it is linked. */
static struct {
	int dir, other;
} scene;

static void act_write(void)
{
	struct atio_file *a = file_at(scene.dir, "a", ATIO_WAIT);

	NEED(wrote(a, NEW) == 0);
	atio_file_free(a);
}

static void act_append(void)
{
	struct atio_file *a = file_at(scene.dir, "a", ATIO_WAIT);

	NEED(appended(a, NEW) == 0);
	atio_file_free(a);
}

static void act_task(void)
{
	struct atio_file *a = file_at(scene.dir, "a", ATIO_WAIT);

	NEED(did(a, ATIO_TASK_WRITE_BYTES, 1, NEW, ATIO_WAIT) == 0);
	atio_file_free(a);
}

static void act_section(void)
{
	struct atio_file *a = file_at(scene.dir, "a", ATIO_WAIT);

	NEED(atio_file_lock(a, NULL) == 0);
	NEED(read_text(a) || errno == ENOENT);
	NEED(wrote(a, NEW) == 0);
	NEED(atio_file_unlock(a) == 0);
	atio_file_free(a);
}

struct act {
	const char *name;
	void (*fn)(void);
	const char *after; /* what it makes of OLD */
	const char *decided; /* from this point on it must be that */
	bool missing;	   /* there is no such file before */
	bool linked;
	bool no_tmpfile;
};

#define REPLACED    "loose.committed"
#define OVERWRITTEN "overwrite.decided"

static const struct act acts[] = {
	{"write", act_write, NEW, REPLACED, false, false, false},
	{"append", act_append, OLD NEW, REPLACED, false, false, false},
	{"task", act_task, NEW, REPLACED, false, false, false},
	{"section", act_section, NEW, REPLACED, false, false, false},
	{"create", act_write, NEW, REPLACED, true, false, false},
	{"named", act_write, NEW, REPLACED, false, false, true},
	{"create named", act_write, NEW, REPLACED, true, false, true},
	{"linked", act_write, NEW, OVERWRITTEN, false, true, false},
	{"linked append", act_append, OLD NEW, OVERWRITTEN, false, true, false},
	{"linked task", act_task, NEW, OVERWRITTEN, false, true, false},
	{"linked named", act_write, NEW, OVERWRITTEN, false, true, true},
};

static void before(const struct act *act)
{
	scene.dir = fresh_dir();
	scene.other = fresh_dir();
	if (!act->missing)
		put(scene.dir, "a", OLD);
	if (act->linked)
		NEED(linkat(scene.dir, "a", scene.other, "b", 0) == 0);
}

static void after(void)
{
	close(scene.dir);
	close(scene.other);
}

/* ---- runs -------------------------------------------------------------------- */

struct points {
	char at[MAX_POINTS][64]; /* "name:number" */
	size_t n;
};

struct run {
	void (*fn)(void);
	bool no_tmpfile;
	const char *fault, *trace;
};

static void perform(void *arg)
{
	const struct run *run = arg;

	no_tmpfile = run->no_tmpfile;
	if (run->trace)
		NEED(setenv("ATIO_FAULT_TRACE", run->trace, 1) == 0);
	if (run->fault)
		NEED(setenv("ATIO_FAULT", run->fault, 1) == 0);
	run->fn();
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

static void find_points(void (*fn)(void), bool without, struct points *p)
{
	struct run run = {.fn = fn, .no_tmpfile = without};
	char trace[PATH_MAX];
	int traces = fresh_dir();

	(void)snprintf(trace, sizeof(trace), "%s/trace", path_of(traces));
	run.trace = trace;
	CHECK_INT(in_child(perform, &run), 0);
	load(trace, p);
	CHECK(p->n > 0);
	close(traces);
}

static bool dies(void (*fn)(void), bool without, const char *fault)
{
	struct run run = {.fn = fn, .no_tmpfile = without, .fault = fault};
	int status = in_child(perform, &run);

	if (!WIFSIGNALED(status))
		printf("%s: it ended with status %#x\n", fault, status);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* ---- verdicts ------------------------------------------------------------------ */

static void read_by_other_name(void)
{
	struct atio_file *b = file_at(scene.other, "b", ATIO_TRY);

	NEED(read_text(b));
	atio_file_free(b);
}

/* A process that knows nothing of what happened. */
static void write_another(void)
{
	struct atio_file *c = file_at(scene.dir, "c", ATIO_TRY);

	NEED(wrote(c, "x") == 0);
	atio_file_free(c);
}

static void check_content(const struct act *act, const char *what, bool decided)
{
	const char *text = text_at(scene.dir, "a");
	bool is_old = text ? !strcmp(text, OLD) : act->missing;
	bool is_new = text && !strcmp(text, act->after);
	bool is_right = is_new || (is_old && !decided);

	if (!is_right)
		printf("%s: the file is '%s'\n", what, text ? text : "(none)");
	CHECK(is_right);
}

static void check_after(const struct act *act, const char *what, bool decided)
{
	struct run reading = {.fn = read_by_other_name};
	struct run writing = {.fn = write_another};
	struct stat a, b;
	int n;

	if (act->linked)
		CHECK_INT(in_child(perform, &reading), 0);
	check_content(act, what, decided);
	CHECK_INT(in_child(perform, &writing), 0);
	n = entries(scene.dir, ".");
	if (n != 1 + exists(scene.dir, "a")) /* and c */
		printf("%s: %d files\n", what, n);
	CHECK_INT(n, 1 + exists(scene.dir, "a"));
	CHECK_INT(entries(scene.other, "."), act->linked);
	if (act->linked) {
		NEED(fstatat(scene.dir, "a", &a, 0) == 0);
		NEED(fstatat(scene.other, "b", &b, 0) == 0);
		CHECK(a.st_ino == b.st_ino);
		CHECK(getxattr(at(scene.dir, "a"), "user.atomicio.redo", NULL,
			       0) < 0);
	}
}

/* ---- walks ----------------------------------------------------------------------- */

static bool begins_with(const char *text, const char *word)
{
	return !strncmp(text, word, strlen(word));
}

static void walk(const struct act *act)
{
	static struct points p;
	bool decided = false;
	char what[160];

	before(act);
	find_points(act->fn, act->no_tmpfile, &p);
	CHECK_STR(text_at(scene.dir, "a"), act->after);
	after();
	for (size_t i = 0; i < p.n; i++) {
		(void)snprintf(what, sizeof(what), "%s, killed at %s",
			       act->name, p.at[i]);
		decided = decided || begins_with(p.at[i], act->decided);
		before(act);
		CHECK(dies(act->fn, act->no_tmpfile, p.at[i]));
		check_after(act, what, decided);
		after();
	}
	CHECK(decided);
}

static const struct act *act_of(const char *name)
{
	const struct act *act = acts;

	while (strcmp(act->name, name))
		act++;
	return act;
}

/* Killed when it was decided, and again at each step of whoever finishes it. */
static void walk_finishing(const char *name)
{
	const struct act *act = act_of(name);
	static struct points p;
	char what[160];

	before(act);
	CHECK(dies(act->fn, act->no_tmpfile, act->decided));
	find_points(read_by_other_name, false, &p);
	after();
	for (size_t i = 0; i < p.n; i++) {
		(void)snprintf(what, sizeof(what), "%s, and then at %s",
			       act->name, p.at[i]);
		before(act);
		CHECK(dies(act->fn, act->no_tmpfile, act->decided));
		CHECK(dies(read_by_other_name, false, p.at[i]));
		check_after(act, what, true);
		after();
	}
}

/* ---- what else may be found ------------------------------------------------------ */

/* A copy goes as soon as nobody asks for it, and no sooner. */
static void test_sweep(void)
{
	const struct act *act = act_of("linked");

	before(act);
	CHECK(dies(act->fn, false, "overwrite.cleared"));
	CHECK_INT(entries(scene.dir, "."), 2);
	CHECK_INT(atio_loose_sweep(scene.dir), 1);
	CHECK_STR(text_at(scene.dir, "a"), NEW);
	after();
	before(act);
	CHECK(dies(act->fn, false, "overwrite.flushed"));
	CHECK_INT(atio_loose_sweep(scene.dir), 0);
	check_after(act, "after a sweep", true);
	after();
}

static void read_only(void)
{
	struct atio_file *b = file_at(scene.other, "b", ATIO_TRY);
	const char *text;

	NEED(setresuid(20002, 20002, 20002) == 0);
	text = read_text(b);
	NEED(text && !strcmp(text, NEW));
	atio_file_free(b);
}

/* Who may only read cannot finish it, but reads what it is going to be. */
static void test_reader_without_rights(void)
{
	const struct act *act = act_of("linked");
	struct run run = {.fn = read_only};

	if (getuid() != 0) {
		skip(__func__, "needs root");
		return;
	}
	before(act);
	NEED(fchmodat(scene.dir, "..", 0711, 0) == 0);
	CHECK(dies(act->fn, false, act->decided));
	CHECK_STR(text_at(scene.dir, "a"), OLD);
	CHECK_INT(in_child(perform, &run), 0);
	CHECK_STR(text_at(scene.dir, "a"), OLD);
	check_after(act, "read by somebody without rights", true);
	after();
}

/* The directory of the copy is gone: nobody is given a half. */
static void test_copy_out_of_reach(void)
{
	const struct act *act = act_of("linked");
	char from[PATH_MAX], to[PATH_MAX + 8];
	struct atio_file *b;

	before(act);
	CHECK(dies(act->fn, false, "overwrite.copied"));
	(void)snprintf(from, sizeof(from), "%s", path_of(scene.dir));
	(void)snprintf(to, sizeof(to), "%s/moved", path_of(scene.other));
	NEED(rename(from, to) == 0);
	b = file_at(scene.other, "b", ATIO_TRY);
	CHECK(!read_text(b) && errno == EIO);
	CHECK_INT(wrote(b, "x"), -EIO);
	NEED(rename(to, from) == 0);
	CHECK_STR(read_text(b), NEW);
	atio_file_free(b);
	check_after(act, "moved and back", true);
	after();
}

/* Somebody who may write to the file says that another one is its copy. */
static void test_forged_record(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);
	char record[PATH_MAX + 64];
	struct stat st, at_dir;

	put(dir, "a", "mine");
	put(dir, ATIO_REDO_PREFIX "1", "a secret");
	NEED(fstatat(dir, "a", &st, 0) == 0 && fstat(dir, &at_dir) == 0);
	(void)snprintf(record, sizeof(record), "%llu %llu %s %s",
		       (unsigned long long)st.st_ino,
		       (unsigned long long)at_dir.st_ino, ATIO_REDO_PREFIX "1",
		       path_of(dir));
	NEED(setxattr(at(dir, "a"), "user.atomicio.redo", record,
		      strlen(record), 0) == 0);
	CHECK(!read_text(a) && errno == EIO);
	CHECK_STR(text_at(dir, "a"), "mine");
	/* One that came along with a copy of the file is of no meaning. */
	record[0] = record[0] == '9' ? '8' : (char)(record[0] + 1);
	NEED(setxattr(at(dir, "a"), "user.atomicio.redo", record,
		      strlen(record), 0) == 0);
	CHECK_STR(read_text(a), "mine");
	atio_file_free(a);
	close(dir);
}

int main(void)
{
	NEED(unsetenv("ATIO_FAULT") == 0);
	NEED(unsetenv("ATIO_FAULT_TRACE") == 0);
	for (size_t i = 0; i < LENGTH(acts); i++)
		walk(&acts[i]);
	walk_finishing("linked");
	walk_finishing("linked append");
	test_sweep();
	test_reader_without_rights();
	test_copy_out_of_reach();
	test_forged_record();
	return check_result();
}
