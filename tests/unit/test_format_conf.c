/* SPDX-License-Identifier: MIT
 *
 * test_format_conf.c - descriptions of plugins, right ones and wrong ones.
 */
#include "check.h"
#include "format/plugin.h"

/* ---- wrong ones ------------------------------------------------------- */

#define MANY4(s)  s s s s
#define MANY64(s) MANY4(MANY4(MANY4(s)))

static const struct {
	const char *text, *error;
} wrong[] = {
	{"", "no suffix is given"},
	{"\n# nothing\n", "no suffix is given"},
	{"suffix=.a", "neither load, dump nor base"},
	{"suffix=.a\nvalidate=/bin/true", "neither load, dump nor base"},
	{"load=/bin/cat", "no suffix is given"},
	{"suffix=.a\nbase=json", "with a base format there must be a validate"},
	{"suffix=.a\nbase=json\nload=/bin/cat",
	 "with a base format there is no load or dump"},
	{"suffix=.a\nbase=json\nvalidate=/x\ndump=/bin/cat",
	 "with a base format there is no load or dump"},
	{"suffix=.a\nbase=", "line 2: 'base' needs the name of a format"},
	{"base=a\nbase=b", "line 2: 'base' a second time"},
	{"nonsense", "line 1: no 'key = value'"},
	{"\n\nnonsense", "line 3: no 'key = value'"},
	{"\r\nno=1", "line 2: unknown key 'no'"},
	{"=1", "line 1: unknown key ''"},
	{"Suffix=.a", "line 1: unknown key 'Suffix'"},
	{"suffix=a", "line 1: 'a' is no suffix: it begins with a dot"},
	{"suffix=.", "line 1: '.' is no suffix: it begins with a dot"},
	{"suffix=.a/b", "line 1: '.a/b' is no suffix: it begins with a dot"},
	{"suffix=.a b", "line 1: 'b' is no suffix: it begins with a dot"},
	{"suffix=.a\x01", "line 1: '.a\x01' is no suffix: it begins with a "
			  "dot"},
	{"suffix=.a\x7f", "line 1: '.a\x7f' is no suffix: it begins with a "
			  "dot"},
	{"suffix=.a .b .A", "line 1: '.A' a second time"},
	{"suffix=.a\nsuffix=.a", "line 2: '.a' a second time"},
	{"suffix=.a\xff", "line 1: not UTF-8"},
	{"suffix=.a\n#\xff", "line 2: not UTF-8"},
	{"load=cat", "line 1: 'load' needs the whole path of a program"},
	{"load=", "line 1: 'load' needs the whole path of a program"},
	{"dump= \t", "line 1: 'dump' needs the whole path of a program"},
	{"validate=./a", "line 1: 'validate' needs the whole path of a "
			 "program"},
	{"load=/a\nload=/a", "line 2: 'load' a second time"},
	{"load=/a " MANY64("b "), "line 1: too many arguments"},
};

/* All are for free(3). */
static int parse(const char *text, struct atio_conf *conf,
		 struct atio_error *err)
{
	char *copy = strdup(text);

	NEED(copy);
	return atio_conf_parse(conf, copy, err);
}

static void test_wrong(void)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct atio_error err = ATIO_ERROR_INIT;
		struct atio_conf conf;

		CHECK_INT(parse(wrong[i].text, &conf, &err), -EINVAL);
		CHECK_STR(err.text, wrong[i].error);
		CHECK_INT(err.code, EINVAL);
		atio_conf_done(&conf);
		CHECK(!conf.text && !conf.base && !*conf.suffixes);
	}
}

/* Many suffixes are not written by hand. */
static void test_many_suffixes(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_conf conf;
	char text[1024] = "load=/a\nsuffix=";
	size_t len = strlen(text);

	for (int i = 0; i < ATIO_CONF_SUFFIXES; i++)
		len += (size_t)sprintf(text + len, ".s%d ", i);
	CHECK_INT(parse(text, &conf, &err), 0);
	CHECK_INT(conf.n_suffixes, ATIO_CONF_SUFFIXES);
	CHECK(!conf.suffixes[ATIO_CONF_SUFFIXES]);
	atio_conf_done(&conf);
	strcpy(text + len, ".x");
	CHECK_INT(parse(text, &conf, &err), -EINVAL);
	CHECK_STR(err.text, "line 2: too many suffixes");
	atio_conf_done(&conf);
}

/* ---- right ones ------------------------------------------------------- */

/* The words, with a '|' between them. */
static const char *joined(const char *const *words)
{
	static char text[2048];
	char *end = text;

	*text = '\0';
	for (; *words; words++) {
		if (end > text)
			*end++ = '|';
		end = stpcpy(end, *words);
	}
	return text;
}

static void test_command(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_conf conf;

	CHECK_INT(parse("# a comment = no key\n"
			"  # another\r\n"
			"\tsuffix = .one\t.TWO  \r\n"
			"suffix=.three=3\n"
			"load = /usr/bin/env  python3 a=b #c\r\n"
			"dump=/d\n"
			"validate\t=\t/v \"x y\"",
			&conf, &err),
		  0);
	CHECK_STR(joined(conf.suffixes), ".one|.TWO|.three=3");
	CHECK_STR(joined(conf.load), "/usr/bin/env|python3|a=b|#c");
	CHECK_STR(joined(conf.dump), "/d");
	CHECK_STR(joined(conf.validate), "/v|\"x|y\"");
	CHECK(!conf.base);
	atio_conf_done(&conf);
}

static void test_validated(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_conf conf;

	CHECK_INT(parse("suffix=.users.json\nbase = json \nvalidate=/v\n\n",
			&conf, &err),
		  0);
	CHECK_STR(conf.base, "json");
	CHECK_STR(joined(conf.validate), "/v");
	CHECK(!*conf.load && !*conf.dump);
	atio_conf_done(&conf);
}

/* As many arguments as fit. */
static void test_arguments(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_conf conf;
	char text[] = "suffix=.a\nload=/a " MANY64("b ");

	text[strlen(text) - 2] = '\0';
	CHECK_INT(parse(text, &conf, &err), 0);
	CHECK_STR(conf.load[ATIO_CONF_WORDS - 1], "b");
	CHECK(!conf.load[ATIO_CONF_WORDS]);
	atio_conf_done(&conf);
}

/* ---- names ------------------------------------------------------------ */

static void test_names(void)
{
	char name[66];

	CHECK(atio_plugin_name_is_valid("a"));
	CHECK(atio_plugin_name_is_valid("Az-09_"));
	CHECK(!atio_plugin_name_is_valid(""));
	CHECK(!atio_plugin_name_is_valid("a.b"));
	CHECK(!atio_plugin_name_is_valid("a b"));
	CHECK(!atio_plugin_name_is_valid("../a"));
	CHECK(!atio_plugin_name_is_valid("\xc3\xa4"));
	memset(name, 'x', sizeof(name));
	name[64] = '\0';
	CHECK(atio_plugin_name_is_valid(name));
	name[64] = 'x';
	name[65] = '\0';
	CHECK(!atio_plugin_name_is_valid(name));
}

static void test_suffixes(void)
{
	char suffix[257];

	CHECK(atio_suffix_is_valid(".a"));
	CHECK(atio_suffix_is_valid(".users.json"));
	CHECK(atio_suffix_is_valid("..a"));
	CHECK(atio_suffix_is_valid(".\xc3\xa4"));
	CHECK(!atio_suffix_is_valid(""));
	memset(suffix, 'x', sizeof(suffix));
	suffix[0] = '.';
	suffix[255] = '\0';
	CHECK(atio_suffix_is_valid(suffix));
	suffix[255] = 'x';
	suffix[256] = '\0';
	CHECK(!atio_suffix_is_valid(suffix));
}

int main(void)
{
	test_wrong();
	test_many_suffixes();
	test_command();
	test_validated();
	test_arguments();
	test_names();
	test_suffixes();
	return check_result();
}
