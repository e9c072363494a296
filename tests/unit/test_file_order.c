/* SPDX-License-Identifier: MIT
 *
 * test_file_order.c - what is flushed, named and renamed, in which order, and
 * how often.
 *
 * The calls are led through this program, and each leaves a letter:
 *	F  fsync of a file		D  fsync of a directory
 *	L  link to a name of ours	N  link to the file's own name
 *	R  rename over the file		X  the redo record set
 *	x  the redo record removed	U  a name of ours removed
 */
#include <sys/stat.h>
#include <sys/xattr.h>

#include "file_scene.h"
#include "stage/loose.h"

static char calls[64];

static void note(char call)
{
	size_t n = strlen(calls);

	NEED(n + 1 < sizeof(calls));
	calls[n] = call;
	calls[n + 1] = '\0';
}

static bool is_ours(const char *name)
{
	return !strncmp(name, ATIO_LOOSE_PREFIX, strlen(ATIO_LOOSE_PREFIX));
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_linkat(int olddir, const char *old, int newdir, const char *name,
		  int flags);
int __wrap_linkat(int olddir, const char *old, int newdir, const char *name,
		  int flags);
int __real_renameat(int olddir, const char *old, int newdir, const char *name);
int __wrap_renameat(int olddir, const char *old, int newdir, const char *name);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
int __real_fsetxattr(int fd, const char *name, const void *value, size_t size,
		     int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t size,
		     int flags);
int __real_fremovexattr(int fd, const char *name);
int __wrap_fremovexattr(int fd, const char *name);

int __wrap_fsync(int fd)
{
	struct stat st;

	NEED(fstat(fd, &st) == 0);
	note(S_ISDIR(st.st_mode) ? 'D' : 'F');
	return __real_fsync(fd);
}

int __wrap_linkat(int olddir, const char *old, int newdir, const char *name,
		  int flags)
{
	note(is_ours(name) ? 'L' : 'N');
	return __real_linkat(olddir, old, newdir, name, flags);
}

int __wrap_renameat(int olddir, const char *old, int newdir, const char *name)
{
	note('R');
	return __real_renameat(olddir, old, newdir, name);
}

int __wrap_unlinkat(int dir, const char *name, int flags)
{
	if (is_ours(name))
		note('U');
	return __real_unlinkat(dir, name, flags);
}

int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t size,
		     int flags)
{
	if (!strcmp(name, "user.atomicio.redo"))
		note('X');
	return __real_fsetxattr(fd, name, value, size, flags);
}

int __wrap_fremovexattr(int fd, const char *name)
{
	if (!strcmp(name, "user.atomicio.redo"))
		note('x');
	return __real_fremovexattr(fd, name);
}

/* ---- the acts ----------------------------------------------------------------- */

static void check(const char *should)
{
	CHECK_STR(calls, should);
	calls[0] = '\0';
}

static struct atio_file *quick(int dir)
{
	const struct atio_file_options options = {
		.version = ATIO_FILE_OPTIONS_VERSION,
		.timeout_ms = ATIO_TRY,
		.not_durable = true,
	};
	struct atio_file *file;

	NEED(atio_file_new(at(dir, "a"), &options, &file, NULL) == 0);
	return file;
}

/* One flush of the file before it has the name, one of the directory after. */
static void test_durable(void)
{
	int dir = fresh_dir();
	struct atio_file *a = file_at(dir, "a", ATIO_TRY);

	CHECK_INT(wrote(a, "new"), 0);
	check("FND");
	CHECK_INT(wrote(a, "old"), 0);
	check("FLRD");
	CHECK_INT(appended(a, "er"), 0);
	check("FLRD");
	CHECK_STR(read_text(a), "older");
	check("");
	NEED(__real_linkat(dir, "a", dir, "b", 0) == 0);
	CHECK_INT(wrote(a, "in place"), 0);
	check("FLDXFFxU");
	CHECK_INT(atio_file_delete(a, NULL), 0);
	check("D");
	atio_file_free(a);
	close(dir);
}

static void test_not_durable(void)
{
	int dir = fresh_dir();
	struct atio_file *a = quick(dir);

	CHECK_INT(wrote(a, "new"), 0);
	check("N");
	CHECK_INT(wrote(a, "old"), 0);
	check("LR");
	NEED(__real_linkat(dir, "a", dir, "b", 0) == 0);
	CHECK_INT(wrote(a, "in place"), 0);
	check("LXxU");
	CHECK_INT(atio_file_delete(a, NULL), 0);
	check("");
	atio_file_free(a);
	close(dir);
}

int main(void)
{
	test_durable();
	test_not_durable();
	return check_result();
}
