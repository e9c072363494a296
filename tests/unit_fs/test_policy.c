/* SPDX-License-Identifier: MIT
 *
 * test_policy.c - which class a file gets (S26), and rule files good and bad.
 */
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "policy.h"

static char file[] = "/tmp/atomicfs-policy-XXXXXX";

static void write_file(const void *text, size_t size)
{
	FILE *f = fopen(file, "we");

	NEED(f && fwrite(text, 1, size, f) == size && fclose(f) == 0);
}

static struct policy *load(const char *text)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct policy *policy = NULL;

	write_file(text, strlen(text));
	if (policy_load(file, &policy, &err) < 0)
		printf("%s\n", err.text);
	NEED(policy);
	return policy;
}

/* The class that the rules in @text give the file @path. */
static const char *class_by(const char *text, const char *path)
{
	struct policy *policy = load(text);
	const char *slash = strrchr(path, '/');
	enum file_class c;

	c = policy_class(policy, slash ? slash + 1 : path, path);
	policy_free(policy);
	return policy_class_name(c);
}

static void test_builtin(void)
{
	static const struct {
		const char *name;
		enum file_class should;
	} table[] = {
		{"a.log", CLASS_APPEND},     {".log", CLASS_APPEND},
		{".x.log", CLASS_APPEND},    {"a.log.1", CLASS_ATOMIC},
		{"alog", CLASS_ATOMIC},      {"a.LOG", CLASS_ATOMIC},
		{"a.db", CLASS_DIRECT},      {"a.sqlite", CLASS_DIRECT},
		{"a.sqlite3", CLASS_DIRECT}, {"a.sqlite4", CLASS_ATOMIC},
		{"db", CLASS_ATOMIC},        {"\xff.db", CLASS_DIRECT},
		{"a\n.log", CLASS_APPEND},   {"a.txt", CLASS_ATOMIC},
	};
	struct policy *policy;
	size_t i;

	NEED(policy_new_default(&policy) == 0);
	CHECK(!policy_needs_path(policy));
	CHECK(policy_sqlite(policy));
	for (i = 0; i < sizeof(table) / sizeof(*table); i++)
		CHECK_INT(policy_class(policy, table[i].name, NULL),
			  table[i].should);
	CHECK(!policy_ruled(policy, "a.db", NULL));
	policy_free(policy);
}

static void test_none(void)
{
	struct policy *policy;

	NEED(policy_new_none(&policy) == 0);
	CHECK(!policy_needs_path(policy));
	CHECK(!policy_sqlite(policy));
	CHECK_INT(policy_class(policy, "a.db", NULL), CLASS_ATOMIC);
	CHECK_INT(policy_class(policy, "a.log", "x/a.log"), CLASS_ATOMIC);
	policy_free(policy);
	policy_free(NULL);
}

static void test_first_match_wins(void)
{
	const char *rules = "atomic keep.db\n"
			    "direct *.vmdk\n"
			    "append *.csv\n"
			    "direct keep.*\n";

	CHECK_STR(class_by(rules, "keep.db"), "atomic");
	CHECK_STR(class_by(rules, "keep.csv"), "append");
	CHECK_STR(class_by(rules, "d/keep.x"), "direct");
	CHECK_STR(class_by(rules, "d/x.vmdk"), "direct");
	/* The built-in ones come after the file's. */
	CHECK_STR(class_by(rules, "a.db"), "direct");
	CHECK_STR(class_by(rules, "a.log"), "append");
	CHECK_STR(class_by("no-builtin\n", "a.log"), "atomic");
	CHECK_STR(class_by("direct *.x\nno-builtin\n", "a.db"), "atomic");
	CHECK_STR(class_by("direct *.x\nno-builtin\n", "a.x"), "direct");
}

static void test_ruled(void)
{
	struct policy *policy = load("atomic a.db\nappend t/**\n");

	CHECK(policy_needs_path(policy));
	CHECK(policy_sqlite(policy));
	CHECK(policy_ruled(policy, "a.db", "a.db"));
	CHECK(policy_ruled(policy, "x", "t/x"));
	CHECK(!policy_ruled(policy, "b.db", "b.db"));
	/* Without a path, rules with one are left out. */
	CHECK(!policy_ruled(policy, "x", NULL));
	policy_free(policy);
	policy = load("no-builtin\natomic a.db\n");
	CHECK(!policy_needs_path(policy));
	CHECK(!policy_sqlite(policy));
	policy_free(policy);
}

static void test_text_of_rules(void)
{
	CHECK_STR(class_by("", "a"), "atomic");
	CHECK_STR(class_by("direct a", "a"), "direct"); /* no newline */
	CHECK_STR(class_by("\n \t\n  direct \t a \t \r\n", "a"), "direct");
	CHECK_STR(class_by("# direct a\n", "a"), "atomic");
	CHECK_STR(class_by("direct a # why\n", "a"), "direct");
	CHECK_STR(class_by("direct a#b\n", "a#b"), "direct");
	CHECK_STR(class_by("direct \\#b\n", "#b"), "direct");
	CHECK_STR(class_by("direct a b\n", "a b"), "direct");
	CHECK_STR(class_by("direct a\\ \n", "a "), "direct");
	CHECK_STR(class_by("direct \xff*\n", "\xff\xfe"), "direct");
}

static void test_globs(void)
{
	static const struct {
		const char *glob, *path;
		bool should;
	} table[] = {
		{"x", "x", true},
		{"x", "d/x", true}, /* a name, anywhere */
		{"/x", "x", true},
		{"/x", "d/x", false}, /* a path */
		{"d/x", "d/x", true},
		{"d/x", "e/d/x", false},
		{"d/*", "d/x", true},
		{"d/*", "d/e/x", false},
		{"d/**", "d/e/x", true},
		{"d/**", "d", false},
		{"d/**", "dx", false},
		{"**/x", "x", true},
		{"**/x", "a/b/x", true},
		{"**/x", "a/bx", false},
		{"d/**/x", "d/x", true},
		{"d/**/x", "d/a/x", true},
		{"d/**/x", "d/a/b/x", true},
		{"d/**/x", "d/a/bx", false},
		{"d/**/x", "dx", false},
		{"d**/x", "d/a/x", true},
		{"d**/x", "dad/x", true},
		{"**/a/**/b", "x/a/y/z/b", true},
		{"**/a/**/b", "a/b", true},
		{"**/a/**/b", "b/a", false},
		{"**/*.o", "a/b.o", true},
		{"**/*.o", "a/b.o/c", false},
		{"**/a*b*/c", "q/a1b2/x/a3b4/c", true},
		{"*/x", "a/x", true},
		{"*/x", "a/b/x", false},
		{"?/x", "//x", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"[abc]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[!a-c]x", "dx", true},
		{"[^a-c]x", "ax", false},
		{"[]]x", "]x", true},
		{"[!]]x", "]x", false},
		{"[a-]x", "-x", true},
		{"[\\]]x", "]x", true},
		{"[\xe0-\xff]", "\xf0", true},
		{"d[/]x", "d/x", false},
		{"d[!a]x/y", "d/x/y", false},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"\\[a]", "[a]", true},
		{"***", "a", true},
		{"*", ".hidden", true},
		{"*a*a*", "banana", true},
		{"*a*ab", "banana", false},
	};
	char rules[128];
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		snprintf(rules, sizeof(rules), "no-builtin\ndirect %s\n",
			 table[i].glob);
		if ((strcmp(class_by(rules, table[i].path), "direct") == 0) !=
		    table[i].should)
			printf("glob '%s', path '%s':\n", table[i].glob,
			       table[i].path);
		CHECK((strcmp(class_by(rules, table[i].path), "direct") == 0) ==
		      table[i].should);
	}
}

/* The same globs, said as simply as can be: try everything.  @start: at the
 * beginning of the glob or behind a slash. */
static bool slow_match(const char *p, const char *t, bool start)
{
	if (!*p)
		return !*t;
	if (start && strncmp(p, "**/", 3) == 0) {
		if (slow_match(p + 3, t, true))
			return true;
		for (; *t; t++) {
			if (*t == '/' && slow_match(p + 3, t + 1, true))
				return true;
		}
		return false;
	}
	if (strncmp(p, "**", 2) == 0)
		return slow_match(p + 2, t, false) ||
		       (*t && slow_match(p, t + 1, false));
	if (*p == '*')
		return slow_match(p + 1, t, false) ||
		       (*t && *t != '/' && slow_match(p, t + 1, false));
	if (!*t)
		return false;
	if (*p == '?' ? *t == '/' : *t != *p)
		return false;
	return slow_match(p + 1, t + 1, *p == '/');
}

/* Random globs over few letters; a row of three stars or more is left out, as
 * the two would have to agree on what it means. */
static void random_text(char *text, size_t max, const char *letters)
{
	size_t n = 1 + (size_t)rand() % max, i, at = 0;

	for (i = 0; i < n; i++) {
		char c = letters[(size_t)rand() % strlen(letters)];

		if (c == 'S') {
			text[at++] = '*';
			c = '*';
		}
		if (c == '*' && at >= 2 && text[at - 1] == '*' &&
		    text[at - 2] == '*')
			c = 'a';
		text[at++] = c;
	}
	text[at] = '\0';
}

static void test_against_slow_match(void)
{
	char glob[64], rules[128], path[64];
	struct policy *policy;
	unsigned matches = 0;
	int i, k;

	srand(20);
	for (i = 0; i < 1500; i++) {
		/* With a slash at the end of the name's part, so that it is
		 * matched against the path. */
		glob[0] = 'a';
		glob[1] = '/';
		random_text(glob + 2, 9, "aab/*S?/");
		snprintf(rules, sizeof(rules), "no-builtin\ndirect %s\n", glob);
		if (strstr(glob, "***"))
			continue;
		policy = load(rules);
		for (k = 0; k < 40; k++) {
			bool is, should;

			path[0] = 'a';
			path[1] = '/';
			random_text(path + 2, 10, "aab/");
			is = policy_class(policy, "", path) == CLASS_DIRECT;
			should = slow_match(glob, path, true);
			matches += should;
			if (is != should)
				printf("glob '%s', path '%s'\n", glob, path);
			CHECK(is == should);
		}
		policy_free(policy);
	}
	CHECK(matches > 1000);
}

/* @begin, @n times @part, and a last letter that is nowhere else. */
static void repeat(char *text, size_t size, const char *begin, const char *part,
		   int n)
{
	size_t at = snprintf(text, size, "%s", begin);

	while (n-- > 0)
		at += snprintf(text + at, size - at, "%s", part);
	snprintf(text + at, size - at, "b\n");
}

/* Globs that take a matcher by trial until the end of time. */
static void test_hostile_globs_end(void)
{
	static char rules[2100], path[4096];
	struct timespec begin, end;
	int i;

	memset(path, 'a', sizeof(path) - 1);
	for (i = 200; i < 4000; i += 200)
		path[i] = '/';
	clock_gettime(CLOCK_MONOTONIC, &begin);
	repeat(rules, sizeof(rules), "direct x/", "**/aa*a*", 200);
	CHECK_STR(class_by(rules, path), "atomic");
	repeat(rules, sizeof(rules), "direct **a/", "*a**", 500);
	CHECK_STR(class_by(rules, path), "atomic");
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK(end.tv_sec - begin.tv_sec < 10);
}

static void check_refused(const void *text, size_t size, const char *should)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct policy *policy = NULL;

	write_file(text, size);
	CHECK_INT(policy_load(file, &policy, &err), -EINVAL);
	CHECK(!policy);
	CHECK_INT(err.code, EINVAL);
	if (!strstr(err.text, should))
		CHECK_STR(err.text, should);
	CHECK(strchr(err.text, '\n') == NULL);
}

static void refused(const char *text, const char *should)
{
	check_refused(text, strlen(text), should);
}

static void test_bad_rules(void)
{
	refused("direct a\nbad *.x\n", ":2: unknown class 'bad'");
	refused("*.x\n", ":1: unknown class '*.x'");
	refused("\n\ndirect\n", ":3: 'direct' without a glob");
	refused("direct # x\n", ":1: 'direct' without a glob");
	refused("direct a[b\n", ":1: the glob has a '[' without its ']'");
	refused("direct a[]\n", ":1: the glob has a '[' without its ']'");
	refused("direct a\\\n", ":1: the glob ends with a backslash");
	refused("no-builtin x\n", ":1: unknown class 'no-builtin'");
	check_refused("direct a\n\0\n", 11, ":2: not a text file");
}

static void test_limits(void)
{
	static char big[(1 << 20) + 1];
	const size_t n_rule = strlen("direct a\n");
	struct policy *policy = NULL;
	size_t i;

	for (i = 0; i < 10001; i++)
		memcpy(big + i * n_rule, "direct a\n", n_rule);
	check_refused(big, 10001 * n_rule, ":10001: more than 10000 rules");
	write_file(big, 10000 * n_rule);
	CHECK_INT(policy_load(file, &policy, NULL), 0);
	policy_free(policy);

	memset(big, '#', sizeof(big));
	check_refused(big, 4097, ":1: the line is longer than 4096 bytes");
	write_file(big, 4096);
	CHECK_INT(policy_load(file, &policy, NULL), 0);
	policy_free(policy);

	memset(big, '\n', sizeof(big));
	check_refused(big, sizeof(big), "larger than 1048576 bytes");
	write_file(big, sizeof(big) - 1);
	CHECK_INT(policy_load(file, &policy, NULL), 0);
	policy_free(policy);
}

static void test_bad_files(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct policy *policy = NULL;

	CHECK_INT(policy_load("/nonexistent", &policy, &err), -ENOENT);
	CHECK_STR(err.text, "open the policy '/nonexistent': "
			    "No such file or directory");
	err.code = 0;
	CHECK_INT(policy_load("/tmp", &policy, &err), -EINVAL);
	CHECK_STR(err.text, "the policy '/tmp' is not a regular file");
	/* These would never end, or wait for ever. */
	CHECK_INT(policy_load("/dev/zero", &policy, NULL), -EINVAL);
	NEED(unlink(file) == 0 && mkfifo(file, 0600) == 0);
	CHECK_INT(policy_load(file, &policy, NULL), -EINVAL);
	CHECK(!policy);
}

static void test_sqlite(void)
{
	CHECK_INT(policy_sqlite_base_len("x.y-wal"), 3);
	CHECK_INT(policy_sqlite_base_len("x-shm"), 1);
	CHECK_INT(policy_sqlite_base_len("x.db-journal"), 4);
	CHECK_INT(policy_sqlite_base_len("a-wal-wal"), 5);
	CHECK_INT(policy_sqlite_base_len("-wal"), 0);
	CHECK_INT(policy_sqlite_base_len("x-wal2"), 0);
	CHECK_INT(policy_sqlite_base_len("x"), 0);
	CHECK_INT(policy_sqlite_base_len(""), 0);

	CHECK(policy_is_sqlite("SQLite format 3\0more", 20));
	CHECK(policy_is_sqlite("SQLite format 3", 16));
	CHECK(!policy_is_sqlite("SQLite format 3", 15));
	CHECK(!policy_is_sqlite("SQLite format 3 ", 16));
	CHECK(!policy_is_sqlite("", 0));
}

int main(void)
{
	int fd = mkstemp(file);

	NEED(fd >= 0);
	close(fd);
	test_builtin();
	test_none();
	test_first_match_wins();
	test_ruled();
	test_text_of_rules();
	test_globs();
	test_against_slow_match();
	test_hostile_globs_end();
	test_bad_rules();
	test_limits();
	test_bad_files();
	test_sqlite();
	unlink(file);
	return check_result();
}
