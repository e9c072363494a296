/* SPDX-License-Identifier: MIT
 *
 * What the cases of tests/formats cannot show of TOML: spans, lexemes, forms,
 * limits, documents made to be slow, and trees that TOML cannot hold.
 */
#include <malloc.h>
#include <math.h>
#include <sys/resource.h>
#include <time.h>

#include "check.h"
#include "format/codec.h"

static struct atio_value_error error;

static int load_within(const char *text, size_t len,
		       const struct atio_limits *limits,
		       struct atio_doc **ret_doc)
{
	error = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
	*ret_doc = NULL;
	return atio_codec_load(&atio_codec_toml, text, len, limits, ret_doc,
			       &error);
}

static struct atio_doc *load(const char *text)
{
	struct atio_doc *doc;

	CHECK_INT(load_within(text, strlen(text), NULL, &doc), 0);
	CHECK_STR(error.error.text, "");
	NEED(doc);
	return doc;
}

/* The value at "a.b.0.c". */
static const struct atio_node *at(const struct atio_doc *doc, const char *path)
{
	const struct atio_node *node = atio_doc_root(doc);

	while (*path) {
		size_t len = strcspn(path, ".");

		if (atio_node_type(node) == ATIO_SEQ)
			node = atio_node_at(node, (size_t)(*path - '0'));
		else
			node = atio_node_member(node, path, len);
		NEED(node);
		path += len + (path[len] == '.');
	}
	return node;
}

/* ---- spans ----------------------------------------------------------- */

static void check_span(const char *text, const struct atio_node *node,
		       const char *should)
{
	struct atio_span span = atio_node_span(node);
	char is[256] = "";

	NEED(span.length < sizeof(is) && strlen(text) >= span.offset);
	memcpy(is, text + span.offset, span.length);
	CHECK_STR(is, should);
}

static const struct atio_node *key_at(const struct atio_doc *doc,
				      const char *path, size_t index)
{
	return atio_node_key(at(doc, path), index);
}

static void spans_of_values(void)
{
	static const char text[] =
		"# c\n'k 1' = \"\\u00e9\" # d\nn=0x1F\n"
		"a = [ 1,\n [] , { x . y = 1979-05-27 07:32:00 } ]\n"
		"m = \"\"\"\nx\"\"\"\"\"\n";
	struct atio_doc *doc = load(text);

	check_span(text, at(doc, ""), text);
	check_span(text, key_at(doc, "", 0), "'k 1'");
	check_span(text, at(doc, "k 1"), "\"\\u00e9\"");
	check_span(text, at(doc, "n"), "0x1F");
	check_span(text, at(doc, "a"),
		   "[ 1,\n [] , { x . y = 1979-05-27 07:32:00 } ]");
	check_span(text, at(doc, "a.0"), "1");
	check_span(text, at(doc, "a.1"), "[]");
	check_span(text, at(doc, "a.2"), "{ x . y = 1979-05-27 07:32:00 }");
	check_span(text, key_at(doc, "a.2", 0), "x");
	check_span(text, at(doc, "a.2.x"), "x");
	check_span(text, key_at(doc, "a.2.x", 0), "y");
	check_span(text, at(doc, "a.2.x.y"), "1979-05-27 07:32:00");
	check_span(text, at(doc, "m"), "\"\"\"\nx\"\"\"\"\"");
	atio_doc_free(doc);
}

static void spans_of_tables(void)
{
	static const char text[] =
		"[ a.b ] # c\nx = 1\ny.z = [\n] # d\n\n[empty]\n\n"
		"[[t]]\nx=1\n[t.u]\n[[t]]\ny = 2 \n[a]\nk=''\n";
	struct atio_doc *doc = load(text);

	check_span(text, key_at(doc, "", 0), "a");
	check_span(text, at(doc, "a"), "[a]\nk=''");
	check_span(text, key_at(doc, "a", 0), "b");
	check_span(text, at(doc, "a.b"), "[ a.b ] # c\nx = 1\ny.z = [\n]");
	check_span(text, at(doc, "a.b.y"), "y");
	check_span(text, at(doc, "empty"), "[empty]");
	check_span(text, at(doc, "t"), "[[t]]\nx=1\n[t.u]\n[[t]]\ny = 2");
	check_span(text, at(doc, "t.0"), "[[t]]\nx=1");
	check_span(text, at(doc, "t.0.u"), "[t.u]");
	check_span(text, at(doc, "t.1"), "[[t]]\ny = 2");
	atio_doc_free(doc);
}

static void spans_behind_a_bom(void)
{
	static const char text[] = "\xef\xbb\xbf[t]\nk = 'v'\n[t.u]\n[[a]]\n";
	struct atio_doc *doc = load(text);

	CHECK_INT(atio_doc_traits(doc), ATIO_DOC_BOM);
	check_span(text, key_at(doc, "t", 0), "k");
	check_span(text, at(doc, "t.k"), "'v'");
	check_span(text, at(doc, "t"), "[t]\nk = 'v'");
	check_span(text, at(doc, "a"), "[[a]]");
	atio_doc_free(doc);
	CHECK_INT(load_within("\xef\xbb\xbf[t]\nk=1\nk=2", 15, NULL, &doc),
		  -EEXIST);
	CHECK_STR(error.error.text, "'k' is already defined, in line 2");
	CHECK_INT(error.line, 3);
	CHECK_INT(error.column, 1);
	CHECK_INT(error.offset, 11);
}

/* ---- lexemes and forms ----------------------------------------------- */

static void check_lexeme(const char *value, const char *lexeme)
{
	char text[128];
	struct atio_doc *doc;
	const char *is;

	(void)snprintf(text, sizeof(text), "k = %s", value);
	doc = load(text);
	is = atio_node_lexeme(at(doc, "k"), NULL);
	if (lexeme)
		CHECK_STR(is, lexeme);
	else
		CHECK(!is);
	atio_doc_free(doc);
}

static void lexemes(void)
{
	static const char *const kept[] = {
		"0x1F",
		"0o17",
		"0b1_0",
		"1_000",
		"+1",
		"-0",
		"1e2",
		"+1.50",
		"-nan",
		"+inf",
		"1979-05-27 07:32:00Z",
		"1979-05-27t07:32:00",
		"1979-05-27T07:32:00.500z",
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		check_lexeme(kept[i], kept[i]);
	check_lexeme("1", NULL);
	check_lexeme("-9223372036854775808", NULL);
	check_lexeme("1979-05-27T07:32:00.500Z", NULL);
	check_lexeme("07:32:00", NULL);
}

static void check_float(const char *value, double should)
{
	char text[128];
	struct atio_doc *doc;
	double is;

	(void)snprintf(text, sizeof(text), "k = %s", value);
	doc = load(text);
	CHECK_INT(atio_node_type(at(doc, "k")), ATIO_FLOAT);
	is = atio_node_float(at(doc, "k"));
	CHECK(is == should || (isnan(is) && isnan(should)));
	CHECK_INT(!!signbit(is), !!signbit(should));
	atio_doc_free(doc);
}

static void floats(void)
{
	check_float("1_0.2_5", 10.25);
	check_float("-0.0", -0.0);
	check_float("6.626e-34", 6.626e-34);
	check_float("1E0_2", 100);
	check_float("-inf", -INFINITY);
	check_float("nan", NAN);
	check_float("-nan", -NAN);
	check_float("1e400", INFINITY);
}

static void traits(void)
{
	struct atio_doc *doc = load(" \r\n\t\n");

	CHECK_INT(atio_doc_traits(doc), ATIO_DOC_EMPTY);
	CHECK_INT(atio_node_type(atio_doc_root(doc)), ATIO_MAP);
	CHECK_INT(atio_node_count(atio_doc_root(doc)), 0);
	atio_doc_free(doc);
	doc = load("");
	CHECK_INT(atio_doc_traits(doc), ATIO_DOC_EMPTY);
	CHECK_INT(atio_node_type(atio_doc_root(doc)), ATIO_MAP);
	atio_doc_free(doc);
	doc = load("# c");
	CHECK_INT(atio_doc_traits(doc), ATIO_DOC_COMMENTS);
	atio_doc_free(doc);
	doc = load("k = '#' \n");
	CHECK_INT(atio_doc_traits(doc), 0);
	atio_doc_free(doc);
	doc = load("k = [ # c\n]");
	CHECK_INT(atio_doc_traits(doc), ATIO_DOC_COMMENTS);
	atio_doc_free(doc);
}

/* ---- limits ---------------------------------------------------------- */

/* @text is within @fits and not within @small. */
static void check_limit(const char *text, const struct atio_limits *fits,
			const struct atio_limits *small, const char *message)
{
	struct atio_doc *doc;

	CHECK_INT(load_within(text, strlen(text), fits, &doc), 0);
	atio_doc_free(doc);
	CHECK_INT(load_within(text, strlen(text), small, &doc), -EFBIG);
	CHECK_STR(error.error.text, message);
}

#define LIMIT(field, value)                                                    \
	&(struct atio_limits)                                                  \
	{                                                                      \
		.version = ATIO_LIMITS_VERSION, .field = (value)               \
	}

static void limits(void)
{
	static const char deep[] = "nested deeper than 3 levels";

	check_limit("a = [[[]]]", LIMIT(depth, 4), LIMIT(depth, 3), deep);
	check_limit("a = [{b = {}}]", LIMIT(depth, 4), LIMIT(depth, 3), deep);
	check_limit("a.b.c.d = 1", LIMIT(depth, 4), LIMIT(depth, 3), deep);
	check_limit("[a.b.c]", LIMIT(depth, 4), LIMIT(depth, 3), deep);
	check_limit("[a.b]\nc.d=1", LIMIT(depth, 4), LIMIT(depth, 3), deep);
	check_limit("[[a]]\n[a.b]", LIMIT(depth, 4), LIMIT(depth, 3), deep);
	check_limit("[[a]]\n[[a.b]]", LIMIT(depth, 5), LIMIT(depth, 4),
		    "nested deeper than 4 levels");
	check_limit("a = {x.y = 1}", LIMIT(depth, 3), LIMIT(depth, 2),
		    "nested deeper than 2 levels");
	/* root, a, its table, b, 1, c, its list, 2, 3 */
	check_limit("[a]\nb=1\nc=[2,3]", LIMIT(nodes, 9), LIMIT(nodes, 8),
		    "more than 8 values");
	check_limit("a = 12345", LIMIT(number_chars, 5), LIMIT(number_chars, 4),
		    "a number of more than 4 characters");
	check_limit("a = '12345'", LIMIT(scalar_bytes, 5),
		    LIMIT(scalar_bytes, 4), "a string of more than 4 bytes");
	check_limit("a = \"\\u00e9\"", LIMIT(scalar_bytes, 2),
		    LIMIT(scalar_bytes, 1), "a string of more than 1 bytes");
	check_limit("abcde = 1", LIMIT(key_bytes, 5), LIMIT(key_bytes, 4),
		    "a key of more than 4 bytes");
	check_limit("[\"abc\\u00e9\"]", LIMIT(key_bytes, 5),
		    LIMIT(key_bytes, 4), "a key of more than 4 bytes");
	check_limit("abcde = 1", LIMIT(input_bytes, 9), LIMIT(input_bytes, 8),
		    "larger than 8 bytes of input");
}

static void place_of_a_limit(void)
{
	struct atio_doc *doc;

	CHECK_INT(load_within("a = 1\nb = [[1]]", 15, LIMIT(depth, 2), &doc),
		  -EFBIG);
	CHECK_INT(error.line, 2);
	CHECK_INT(error.column, 6);
	CHECK_INT(error.offset, 11);
}

/* ---- documents made to be slow --------------------------------------- */

#define SECONDS 5 /* many times what it takes, for slow machines */
#define MEBI    ((size_t)1 << 20)

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* @begin, @times @part, @middle, @times @end; the caller frees it. */
static char *pile(const char *begin, const char *part, const char *middle,
		  const char *end, size_t times, size_t *ret_len)
{
	size_t b = strlen(begin), p = strlen(part), m = strlen(middle);
	size_t e = strlen(end);
	char *text = malloc(b + m + times * (p + e) + 1), *to = text;

	NEED(text);
	memcpy(to, begin, b);
	to += b;
	for (size_t i = 0; i < times; i++, to += p)
		memcpy(to, part, p);
	memcpy(to, middle, m);
	to += m;
	for (size_t i = 0; i < times; i++, to += e)
		memcpy(to, end, e);
	*ret_len = (size_t)(to - text);
	return text;
}

/* Load it, write it, and load that again. */
static void check_pile(const char *begin, const char *part, const char *middle,
		       const char *end, size_t times,
		       const struct atio_limits *limits, int should)
{
	struct atio_doc *doc, *again;
	struct atio_out out;
	double start = now();
	size_t len;
	char *text = pile(begin, part, middle, end, times, &len);

	CHECK_INT(load_within(text, len, limits, &doc), should);
	free(text);
	CHECK(now() - start < SECONDS);
	if (!doc)
		return;
	start = now();
	atio_out_init(&out, 64 * MEBI);
	CHECK_INT(atio_codec_toml.dump(&atio_codec_toml, atio_doc_root(doc),
				       &out, NULL),
		  0);
	CHECK(now() - start < SECONDS);
	if (!out.failed) {
		CHECK_INT(load_within(out.bytes, out.len, limits, &again), 0);
		/* (Comparing would call itself at each level.) */
		atio_doc_free(again);
	} else {
		CHECK_INT(out.failed, -EFBIG);
	}
	atio_out_done(&out);
	atio_doc_free(doc);
}

static void hostile(void)
{
	struct atio_limits wide = {
		.version = ATIO_LIMITS_VERSION,
		.depth = 10000,
		.nodes = 10000000,
	};
	size_t deep = 9998;

	check_pile("a=", "[", "", "]", deep, &wide, 0);
	check_pile("a=", "[", "", "", 1000000, &wide, -EFBIG);
	check_pile("a=", "[", "", "", deep, &wide, -EINVAL);
	check_pile("a=", "{a=", "1", "}", deep, &wide, 0);
	check_pile("", "a.", "a=1", "", deep, &wide, 0);
	check_pile("[", "a.", "a]", "", deep, &wide, 0);
	check_pile("[[", "a.", "a]]", "", deep / 2, &wide, 0);
	check_pile("a={", "a.", "a=1}", "", deep - 2, &wide, 0);
	check_pile("", "[[a]]\n", "", "", 1000000, &wide, 0);
	check_pile("[[a]]\n", "[[a.b]]\nx.y=1\n", "", "", 300000, &wide, 0);
	check_pile("k=\"", "\\u0041", "\"", "", 1000000, &wide, 0);
	check_pile("k=\"\"\"", "\"\"", "\\\n\"\"\"", "", 1000000, &wide,
		   -EINVAL);
	check_pile("k='''", "''\n", "'''", "", 1000000, &wide, 0);
	check_pile("k=\"\"\"\\\n", " \n", "\"\"\"", "", 1000000, &wide, 0);
	check_pile("", "#\n", "", "", 1000000, &wide, 0);
	check_pile("", "k", "=1", "", 65536, &wide, 0);
	check_pile("", "k", "=1", "", 10000000, &wide, -EFBIG);
	check_pile("k=", "1", "", "", 10000000, &wide, -EFBIG);
	check_pile("k=[", "1,", "]", "", 1000000, &wide, 0);
	check_pile("", "a.", "a=1", "", 100000, NULL, -EFBIG);
	check_pile("[", "a.", "a]", "", 100000, NULL, -EFBIG);
	check_pile("a=", "[", "", "]", 100000, NULL, -EFBIG);
	check_pile("a=", "{a=", "1", "}", 100000, NULL, -EFBIG);
	check_pile("k=[", "1,", "]", "", 1000000, NULL, -EFBIG);
}

/* A table for each line: with names that differ. */
static void many_tables(void)
{
	struct atio_limits wide = {.version = ATIO_LIMITS_VERSION,
				   .nodes = 10000000};
	size_t count = 1000000, len = 0;
	char *text = malloc(count * 12);
	struct atio_doc *doc;
	double start;

	NEED(text);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, 12, "[t%zu]\n", i);
	start = now();
	CHECK_INT(load_within(text, len, &wide, &doc), 0);
	CHECK(now() - start < SECONDS);
	CHECK_INT(atio_node_count(atio_doc_root(doc)), count);
	atio_doc_free(doc);
	free(text);
}

/* With its source, the tree of a document takes eight times the source. */
static void memory_of_a_tree(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	static const char entry[] =
		"[[package]]\nname = \"package\"\nversion = \"1.0.0\"\n"
		"source = \"registry+https://example.org/index\"\n"
		"dependencies = [\n \"first\",\n \"second 0.1\",\n]\n"
		"count = 37\nratio = 0.5\nwhen = 2020-01-01T07:32:00Z\n\n";
	struct mallinfo2 before, after;
	struct atio_doc *doc;
	size_t len;
	char *text = pile("", entry, "", "", 50000, &len);

	before = mallinfo2();
	CHECK_INT(load_within(text, len, NULL, &doc), 0);
	after = mallinfo2();
	CHECK(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd <
	      7 * len);
	atio_doc_free(doc);
	free(text);
#endif
}

/* So far, in this process.  A sanitizer keeps what was freed for a while. */
static void memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	struct rusage usage;

	CHECK_INT(getrusage(RUSAGE_SELF, &usage), 0);
	CHECK((size_t)usage.ru_maxrss * 1024 < 256 * MEBI);
#endif
}

/* ---- what TOML cannot hold ------------------------------------------- */

/* Writing what @b tells fails with @code at @pointer. */
static void check_refused(struct atio_builder *b, int code, const char *pointer)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = NULL;
	struct atio_out out;

	NEED(!atio_builder_finish(b, &doc, NULL));
	atio_out_init(&out, MEBI);
	CHECK_INT(atio_codec_toml.dump(&atio_codec_toml, atio_doc_root(doc),
				       &out, &err),
		  -code);
	CHECK_INT(err.error.code, code);
	CHECK(err.has_pointer);
	CHECK_STR(err.pointer, pointer);
	atio_out_done(&out);
	atio_doc_free(doc);
	atio_builder_free(b);
}

static struct atio_builder *builder(void)
{
	struct atio_builder *b;

	NEED(!atio_builder_new(NULL, &b));
	return b;
}

static void begin_key(struct atio_builder *b, const char *key)
{
	(void)atio_build_map(b);
	(void)atio_build_string(b, key, strlen(key));
}

static void refusals(void)
{
	struct atio_builder *b = builder();

	(void)atio_build_null(b);
	check_refused(b, EOPNOTSUPP, "");

	b = builder();
	begin_key(b, "a/b");
	begin_key(b, "c");
	(void)atio_build_null(b);
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	check_refused(b, EOPNOTSUPP, "/a~1b/c");

	b = builder();
	begin_key(b, "l");
	(void)atio_build_seq(b);
	(void)atio_build_int(b, 1);
	begin_key(b, "n");
	(void)atio_build_integer(b, "9223372036854775808", 19);
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	check_refused(b, ERANGE, "/l/1/n");

	b = builder();
	begin_key(b, "t");
	(void)atio_build_map(b);
	(void)atio_build_int(b, 1);
	(void)atio_build_int(b, 2);
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	check_refused(b, EOPNOTSUPP, "/t");

	b = builder();
	begin_key(b, "t");
	(void)atio_build_seq(b);
	begin_key(b, "n");
	(void)atio_build_bytes(b, "x", 1);
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	check_refused(b, EOPNOTSUPP, "/t/0/n");
}

/* Texts of other formats that are no numbers of TOML. */
static void foreign_lexemes(void)
{
	struct atio_builder *b = builder();
	struct atio_doc *doc = NULL;
	struct atio_out out;

	begin_key(b, "a");
	(void)atio_build_float_as(b, 0.5, ".5", 2);
	(void)atio_build_string(b, "b", 1);
	(void)atio_build_int_as(b, 12, "012", 3);
	(void)atio_build_string(b, "c", 1);
	(void)atio_build_float_as(b, 1.0, "1", 1);
	(void)atio_build_string(b, "d", 1);
	(void)atio_build_float_as(b, INFINITY, ".inf", 4);
	(void)atio_build_string(b, "e", 1);
	(void)atio_build_float_as(b, 1e300, "1E300", 5);
	(void)atio_build_end(b);
	NEED(!atio_builder_finish(b, &doc, NULL));
	atio_out_init(&out, MEBI);
	CHECK_INT(atio_codec_toml.dump(&atio_codec_toml, atio_doc_root(doc),
				       &out, NULL),
		  0);
	atio_out_char(&out, '\0');
	CHECK_STR(out.bytes, "a = 0.5\nb = 12\nc = 1.0\nd = inf\ne = 1E300\n");
	atio_out_done(&out);
	atio_doc_free(doc);
	atio_builder_free(b);
}

int main(void)
{
	hostile();
	many_tables();
	memory();
	memory_of_a_tree();
	spans_of_values();
	spans_of_tables();
	spans_behind_a_bom();
	lexemes();
	floats();
	traits();
	limits();
	place_of_a_limit();
	refusals();
	foreign_lexemes();
	return check_result();
}
