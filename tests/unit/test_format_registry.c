/* SPDX-License-Identifier: MIT
 *
 * test_format_registry.c - which format a name or a suffix stands for, and whose
 * plugins are used.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "format/plugin.h"

static char dir[] = "/tmp/atio-formats-XXXXXX";

/* ---- a registry of plugins that do nothing ---------------------------- */

static int load_nothing(const struct atio_codec *codec, struct atio_builder *b,
			const char *text, size_t len)
{
	return 0;
}

static struct atio_formats *new_registry(void)
{
	const struct atio_formats_options options = {
		.version = ATIO_FORMATS_OPTIONS_VERSION, .builtin_only = true};
	struct atio_formats *formats;

	NEED(atio_formats_new(&options, &formats, NULL) == 0);
	return formats;
}

static unsigned freed;

static void count_free(const struct atio_codec *codec)
{
	freed++;
}

static void add(struct atio_formats *formats, const char *name,
		const char *suffix, const char *more)
{
	static const struct atio_codec codec = {.name = "dummy",
						.load = load_nothing};
	const char *const suffixes[] = {suffix, more, NULL};
	const struct atio_format_entry entry = {
		.name = name,
		.kind = "command",
		.source = "/somewhere",
		.suffixes = suffixes,
		.codec = &codec,
		.free_codec = count_free,
	};

	NEED(atio_formats_add(formats, &entry) == 0);
}

static const char *name_of(const struct atio_format *format)
{
	return format ? atio_format_name(format) : "none";
}

static const char *by_path(const struct atio_formats *formats, const char *path)
{
	return name_of(atio_formats_by_path(formats, path));
}

static const char *by_name(const struct atio_formats *formats, const char *name)
{
	return name_of(atio_formats_by_name(formats, name));
}

/* Why the only format that has failed has. */
static const char *reason_of(const struct atio_formats *formats)
{
	struct atio_format_info info;
	const char *reason = "none has failed";
	size_t i;

	for (i = 0; i < atio_formats_count(formats); i++) {
		NEED(atio_formats_info(formats, i, &info) == 0);
		CHECK_INT(info.loaded, !info.reason);
		if (!info.loaded)
			reason = info.reason;
	}
	return reason;
}

/* ---- suffixes and names ------------------------------------------------ */

static void test_builtins(void)
{
	static const struct {
		const char *path, *format;
	} cases[] = {
		{"a.json", "json"},
		{"/x/y.z/a.JsOn", "json"},
		{"a.json.gz", "json.gz"},
		{"a.JSON.GZ", "json.gz"},
		{"a.yml", "yaml"},
		{"a.yaml.gz", "yaml.gz"},
		{"a.toml", "toml"},
		{"a.txt", "txt"},
		{"a.csv", "csv"},
		{"a.xml", "xml"},
		{"a.typed.json", "typed"},
		{"a.b.json", "json"},
		{".json", "json"},
		{"json", "none"},
		{"a.json/", "none"},
		{"a.json/b", "none"},
		{"a.jsonx", "none"},
		{"a.gz", "none"},
		{"a.json.gz.gz", "none"},
		{"", "none"},
	};
	struct atio_formats *formats = new_registry();

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		CHECK_STR(by_path(formats, cases[i].path), cases[i].format);
	CHECK_STR(by_name(formats, "JSON"), "json");
	CHECK_STR(by_name(formats, "json.gz"), "json.gz");
	CHECK_STR(by_name(formats, ".json"), "none");
	CHECK_STR(by_name(formats, ""), "none");
	CHECK_STR(reason_of(formats), "none has failed");
	atio_formats_free(formats);
}

/* The longest suffix wins, in whichever order they came. */
static void test_longest(void)
{
	struct atio_formats *formats = new_registry();

	add(formats, "users", ".users.json", ".x");
	add(formats, "more", ".more.users.json", NULL);
	CHECK_STR(by_path(formats, "a.json"), "json");
	CHECK_STR(by_path(formats, "a.USERS.json"), "users");
	CHECK_STR(by_path(formats, "a.users.json.gz"), "users.gz");
	CHECK_STR(by_path(formats, "a.more.users.json"), "more");
	CHECK_STR(by_path(formats, "users.json"), "json");
	CHECK_STR(by_path(formats, ".users.json"), "users");
	CHECK_STR(by_path(formats, "a.x"), "users");
	CHECK_STR(by_name(formats, "Users"), "users");
	CHECK_STR(by_name(formats, "users.gz"), "users.gz");
	atio_formats_free(formats);
}

/* A plugin goes before what is built in, and what is named before what is only
 * made up. */
static void test_order(void)
{
	struct atio_formats *formats = new_registry();

	add(formats, "mine", ".json", NULL);
	CHECK_STR(by_path(formats, "a.json"), "mine");
	CHECK_STR(by_path(formats, "a.json.gz"), "mine.gz");
	CHECK_STR(by_name(formats, "json"), "json");
	add(formats, "zipped", ".json.gz", NULL);
	CHECK_STR(by_path(formats, "a.json.gz"), "zipped");
	add(formats, "awkward", ".x.gz", NULL);
	add(formats, "x", ".x", NULL);
	CHECK_STR(by_path(formats, "a.x.gz"), "awkward");
	CHECK_STR(by_path(formats, "a.x"), "x");
	atio_formats_free(formats);
}

static void test_clashes(void)
{
	static const struct {
		const char *name, *suffix, *reason;
	} cases[] = {
		{"json", ".a", "the name is taken by builtin"},
		{"JSON", ".a", "the name is taken by builtin"},
		{"First", ".a", "the name is taken by /somewhere"},
		{"second", ".FIRST", ".FIRST is taken by first"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct atio_formats *formats = new_registry();
		size_t count = atio_formats_count(formats);

		freed = 0;
		add(formats, "first", ".first", NULL);
		add(formats, cases[i].name, cases[i].suffix, NULL);
		CHECK_INT(atio_formats_count(formats), count + 2);
		CHECK_STR(reason_of(formats), cases[i].reason);
		CHECK_INT(freed, 1); /* that of the one that has failed */
		CHECK_STR(by_path(formats, "a.first"), "first");
		CHECK_STR(by_path(formats, "a.a"), "none");
		atio_formats_free(formats);
		CHECK_INT(freed, 2);
	}
}

static char lent_suffix[] = ".first";

static void forget_suffix(const struct atio_codec *codec)
{
	(void)codec;
	memset(lent_suffix, 'x', sizeof(lent_suffix) - 1);
}

/* What an entry says may be the codec's, which is freed when it fails. */
static void test_clash_of_what_is_lent(void)
{
	static const struct atio_codec codec = {.name = "second"};
	const char *const suffixes[] = {lent_suffix, NULL};
	const struct atio_format_entry entry = {
		.name = "second",
		.kind = "command",
		.suffixes = suffixes,
		.codec = &codec,
		.free_codec = forget_suffix,
	};
	struct atio_formats *formats = new_registry();
	struct atio_format_info info = {0};
	size_t i = 0;

	add(formats, "first", ".first", NULL);
	NEED(atio_formats_add(formats, &entry) == 0);
	CHECK_STR(lent_suffix, "xxxxxx");
	while (atio_formats_info(formats, i++, &info) == 0 &&
	       strcmp(info.name, "second") != 0)
		;
	CHECK_STR(info.reason, ".first is taken by first");
	CHECK_STR(info.suffixes[0], ".first");
	atio_formats_free(formats);
}

/* One that has failed keeps nobody from its name. */
static void test_after_failure(void)
{
	const struct atio_format_entry failed = {
		.name = "x", .kind = "object", .source = "/a", .reason = "bad"};
	struct atio_formats *formats = new_registry();
	struct atio_format_info info;

	NEED(atio_formats_add(formats, &failed) == 0);
	CHECK_STR(by_name(formats, "x"), "none");
	CHECK_STR(by_name(formats, "x.gz"), "none");
	add(formats, "x", ".x", NULL);
	CHECK_STR(by_name(formats, "x"), "x");
	CHECK_STR(reason_of(formats), "bad");
	CHECK_INT(atio_formats_info(formats, atio_formats_count(formats),
				    &info),
		  -ENOENT);
	atio_formats_free(formats);
}

static void test_sorted(void)
{
	struct atio_formats *formats = new_registry();
	struct atio_format_info info;
	char before[80] = "";
	size_t i;

	add(formats, "zz", ".zz", NULL);
	add(formats, "Aa", ".aa", NULL);
	add(formats, "m", ".m", NULL);
	for (i = 0; atio_formats_info(formats, i, &info) == 0; i++) {
		CHECK(strcasecmp(before, info.name) < 0);
		NEED(strlen(info.name) < sizeof(before));
		memcpy(before, info.name, strlen(info.name) + 1);
		CHECK(info.can_load && info.can_validate);
	}
	CHECK_INT(i, atio_formats_count(formats));
	atio_formats_free(formats);
}

/* ---- whose plugins are used -------------------------------------------- */

/* @name in the directory of the test, which may have subdirectories. */
static const char *in(const char *name)
{
	static char paths[4][200];
	static unsigned next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(in(name), "w");

	NEED(f && fputs(text, f) >= 0 && fclose(f) == 0);
	NEED(chmod(in(name), mode) == 0);
}

static struct atio_formats *look_into(const char *where, int never_below)
{
	const char *const dirs[] = {where, NULL};
	const struct atio_formats_options options = {
		.version = ATIO_FORMATS_OPTIONS_VERSION,
		.dirs = dirs,
		.never_below_fd = never_below,
	};
	struct atio_formats *formats;

	NEED(atio_formats_new(&options, &formats, NULL) == 0);
	return formats;
}

/* What becomes of d/x.conf. */
static void expect(const char *where, int never_below, const char *reason)
{
	struct atio_formats *formats = look_into(where, never_below);

	CHECK_STR(by_name(formats, "x"), reason ? "none" : "x");
	CHECK_STR(reason_of(formats), reason ? reason : "none has failed");
	atio_formats_free(formats);
}

#define FOREIGN "it belongs to somebody else, or others can write to it"
#define FOREIGN_ABOVE                                                          \
	"it lies below a directory that belongs to somebody else, or that "    \
	"others can write to"
#define MOUNTED "it lies in the tree that is mounted"

static void build_scene(void)
{
	char text[300];

	NEED(mkdtemp(dir) && chmod(dir, 0755) == 0);
	NEED(mkdir(in("d"), 0755) == 0 && mkdir(in("e"), 0755) == 0);
	put_file("e/program", "#!/bin/sh\n", 0755);
	(void)snprintf(text, sizeof(text), "suffix=.x\nload=%s a /no/file\n",
		       in("e/program"));
	put_file("d/x.conf", text, 0644);
	put_file("d/README", "no plugin", 0666);
	put_file("d/.y.conf", "no plugin", 0666);
	put_file("d/x.conf.bak", "no plugin", 0666);
}

static void test_modes(void)
{
	static const struct {
		const char *name;
		mode_t wrong, right;
		const char *reason; /* "%s" is that file */
	} cases[] = {
		{"d/x.conf", 0666, 0644, FOREIGN},
		{"d/x.conf", 0664, 0644, FOREIGN},
		{"d", 0777, 0755, FOREIGN},
		{"d", 01777, 0755, FOREIGN},
		{"d", 0775, 0755, FOREIGN},
		{"", 0777, 0755, FOREIGN_ABOVE},
		{"e/program", 0777, 0755, "%s: " FOREIGN},
		{"e/program", 0644, 0755, "%s: Permission denied"},
		{"e", 0777, 0755, "%s: " FOREIGN_ABOVE},
	};
	char reason[400];

	expect(in("d"), -1, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *text = cases[i].reason;

		if (*text == '%') {
			(void)snprintf(reason, sizeof(reason), "%s%s",
				       in("e/program"), text + 2);
			text = reason;
		}
		NEED(chmod(in(cases[i].name), cases[i].wrong) == 0);
		expect(in("d"), -1, text);
		NEED(chmod(in(cases[i].name), cases[i].right) == 0);
		expect(in("d"), -1, NULL);
	}
	/* As /tmp is. */
	NEED(chmod(dir, 01777) == 0);
	expect(in("d"), -1, NULL);
	NEED(chmod(dir, 0755) == 0);
}

static void test_owners(void)
{
	static const struct {
		const char *name, *reason;
	} cases[] = {
		{"d/x.conf", FOREIGN},
		{"d", FOREIGN},
		{"", FOREIGN_ABOVE},
	};

	if (geteuid() != 0) /* who else cannot give files away */
		return;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		NEED(chown(in(cases[i].name), 12345, 0) == 0);
		expect(in("d"), -1, cases[i].reason);
		NEED(chown(in(cases[i].name), 0, 0) == 0);
	}
	expect(in("d"), -1, NULL);
}

/* A link is as good as what it leads to. */
static void test_links(void)
{
	NEED(mkdir(in("f"), 0755) == 0);
	NEED(symlink("../d/x.conf", in("f/x.conf")) == 0);
	NEED(symlink("f", in("g")) == 0);
	expect(in("f"), -1, NULL);
	expect(in("g"), -1, NULL);
	NEED(chmod(in("d"), 0777) == 0);
	expect(in("g"), -1, FOREIGN_ABOVE);
	NEED(chmod(in("d"), 0755) == 0);
	NEED(unlink(in("f/x.conf")) == 0);
	NEED(symlink("/no/such/file", in("f/x.conf")) == 0);
	expect(in("f"), -1, "No such file or directory");
	NEED(unlink(in("f/x.conf")) == 0);
	NEED(mkdir(in("f/x.conf"), 0755) == 0);
	expect(in("f"), -1, "it is no regular file");
	NEED(rmdir(in("f/x.conf")) == 0);
	NEED(mkfifo(in("f/x.conf"), 0644) == 0);
	expect(in("f"), -1, "it is no regular file");
	NEED(unlink(in("f/x.conf")) == 0 && rmdir(in("f")) == 0 &&
	     unlink(in("g")) == 0);
}

/* What a mount shows is written by its users. */
static void test_never_below(void)
{
	int top = open(dir, O_PATH), d = open(in("d"), O_PATH);
	int e = open(in("e"), O_PATH);
	char reason[300];

	NEED(top >= 0 && d >= 0 && e >= 0);
	expect(in("d"), top, MOUNTED);
	expect(in("d"), d, MOUNTED);
	(void)snprintf(reason, sizeof(reason), "%s: " MOUNTED,
		       in("e/program"));
	expect(in("d"), e, reason);
	NEED(mkdir(in("f"), 0755) == 0);
	NEED(symlink("../d/x.conf", in("f/x.conf")) == 0);
	expect(in("f"), d, MOUNTED);
	NEED(unlink(in("f/x.conf")) == 0 && rmdir(in("f")) == 0);
	NEED(close(top) == 0 && close(d) == 0 && close(e) == 0);
}

static void test_directories(void)
{
	static const char *const two[] = {"/nonexistent", "/proc/version",
					  NULL};
	struct atio_formats_options options = {
		.version = ATIO_FORMATS_OPTIONS_VERSION, .dirs = two};
	struct atio_formats *formats;
	struct atio_format_info info;
	size_t i, n = 0;

	NEED(atio_formats_new(&options, &formats, NULL) == 0);
	for (i = 0; atio_formats_info(formats, i, &info) == 0; i++)
		if (!strcmp(info.kind, "directory"))
			CHECK_STR(info.reason,
				  n++ ? "Not a directory"
				      : "No such file or directory");
	CHECK_INT(n, 2);
	atio_formats_free(formats);
	options.version = 7;
	CHECK_INT(atio_formats_new(&options, &formats, NULL), -EINVAL);
	CHECK_STR(*atio_formats_default_dirs(), "/etc/atomicfs/formats.d");
}

/* What has a base may come before it, and bases may have bases. */
static void test_bases(void)
{
	static const struct {
		const char *base, *reason;
	} cases[] = {
		{"x", NULL},
		{"json", NULL},
		{"JSON", NULL},
		{"nonsense", "there is no such base format"},
		{"json.gz", "there is no such base format"},
		{"a", "there is no such base format"},
	};
	struct atio_format_info info;
	char text[300];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct atio_formats *formats;

		(void)snprintf(text, sizeof(text),
			       "suffix=.a\nbase=%s\nvalidate=%s\n",
			       cases[i].base, in("e/program"));
		put_file("d/a.conf", text, 0644);
		formats = look_into(in("d"), -1);
		NEED(atio_formats_info(formats, 0, &info) == 0);
		CHECK_STR(info.name, "a");
		CHECK_STR(info.kind, "validated");
		CHECK_STR(info.base, cases[i].base);
		CHECK_STR(info.reason ? info.reason : "none",
			  cases[i].reason ? cases[i].reason : "none");
		atio_formats_free(formats);
	}
	NEED(unlink(in("d/a.conf")) == 0);
}

static void test_contents(void)
{
	static const struct {
		const char *name, *text, *reason;
	} cases[] = {
		{"d/w.conf", "nonsense", "line 1: no 'key = value'"},
		{"d/a name.conf", "",
		 "its name is not of letters, digits, '-' and '_'"},
		{"d/w.conf", "suffix=.w\nload=/no/such/program\n",
		 "/no/such/program: No such file or directory"},
		{"d/w.so", "no object",
		 "run /no/host: No such file or directory"},
	};

	NEED(setenv("ATOMICIO_FORMAT_HOST", "/no/host", 1) == 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct atio_formats *formats;

		put_file(cases[i].name, cases[i].text, 0644);
		formats = look_into(in("d"), -1);
		CHECK_STR(reason_of(formats), cases[i].reason);
		CHECK_STR(by_name(formats, "x"), "x");
		atio_formats_free(formats);
		NEED(unlink(in(cases[i].name)) == 0);
	}
}

int main(void)
{
	char clean[100];

	test_builtins();
	test_longest();
	test_order();
	test_clashes();
	test_clash_of_what_is_lent();
	test_after_failure();
	test_sorted();
	build_scene();
	test_modes();
	test_owners();
	test_links();
	test_never_below();
	test_directories();
	test_bases();
	test_contents();
	(void)snprintf(clean, sizeof(clean), "rm -r %s", dir);
	NEED(system(clean) == 0);
	return check_result();
}
