/* SPDX-License-Identifier: MIT
 *
 * test_yaml_source.c - what the reader of YAML says of the source: spans,
 * comments and other traits, limits, and that no document takes long.
 */
#include <time.h>

#include "check.h"
#include "format/codec.h"

static int load(const char *text, size_t len, const struct atio_limits *limits,
		struct atio_doc **ret_doc, struct atio_value_error *err)
{
	*err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
	*ret_doc = NULL;
	return atio_codec_load(&atio_codec_yaml, text, len, limits, ret_doc,
			       err);
}

static struct atio_doc *must_load(const char *text)
{
	struct atio_value_error err;
	struct atio_doc *doc;

	if (load(text, strlen(text), NULL, &doc, &err) < 0)
		printf("'%s': %zu:%zu: %s\n", text, err.line, err.column,
		       err.error.text);
	NEED(doc);
	return doc;
}

/* ---- spans ----------------------------------------------------------- */

/* Text of a span, in a few turns. */
static const char *slice(const char *text, const struct atio_node *node)
{
	static char turns[4][256];
	static unsigned turn;
	struct atio_span span = atio_node_span(node);
	char *to = turns[++turn % 4];

	NEED(span.length < sizeof(turns[0]));
	memcpy(to, text + span.offset, span.length);
	to[span.length] = '\0';
	return to;
}

/* @path: a digit is a member, k and a digit a key, a dot what is inside. */
static void check_span(const char *text, const char *path, const char *is)
{
	struct atio_doc *doc = must_load(text);
	const struct atio_node *node = atio_doc_root(doc);

	for (; *path; path++) {
		if (*path == '.')
			node = atio_node_inner(node);
		else if (*path == 'k')
			node = atio_node_key(node, (size_t)(*++path - '0'));
		else
			node = atio_node_at(node, (size_t)(*path - '0'));
		NEED(node);
	}
	CHECK_STR(slice(text, node), is);
	atio_doc_free(doc);
}

static void test_spans(void)
{
	static const struct {
		const char *text, *path, *is;
	} rows[] = {
		{"a: 1 # c\nb: 2\n", "", "a: 1 # c\nb: 2"},
		{"a: 1 # c\nb: 2\n", "0", "1"},
		{"a: 1 # c\nb: 2\n", "k1", "b"},
		{"# x\n\na:\n  b:\n    - c\n\n# d\ne: f\n", "0", "b:\n    - c"},
		{"a:\n- b\n- c\nd: e\n", "0", "- b\n- c"},
		{"- - a\n  - b\n- c\n", "0", "- a\n  - b"},
		{"a: [1, {b: c}] # d\n", "0", "[1, {b: c}]"},
		{"a: [1, {b: c}] # d\n", "01", "{b: c}"},
		{"a: [1, b: c , d]\n", "01", "b: c"},
		{"a: \"b\"  \n", "0", "\"b\""},
		{"a: 'b''c' # d\n", "0", "'b''c'"},
		{"a: b c  # d\n", "0", "b c"},
		{"a: b\n  c\n\nd: e\n", "0", "b\n  c"},
		{"ä: ö # ü\nß: \"€\"\n", "0", "ö"},
		{"ä: ö # ü\nß: \"€\"\n", "k1", "ß"},
		{"ä: ö # ü\nß: \"€\"\n", "1", "\"€\""},
		{"😀: [ü, é]\nb: ñ\n", "0", "[ü, é]"},
		{"😀: [ü, é]\nb: ñ\n", "1", "ñ"},
		{"a: \"\x7f \xc2\x85\" # x\nb: c\n", "1", "c"},
		{"- |\n  a\n  b\n\n\n- c\n", "0", "|\n  a\n  b"},
		{"- |+\n  a\n\n\n- c\n", "0", "|+\n  a\n\n"},
		{"- |- # c\n  a\n\n- c\n", "0", "|- # c\n  a"},
		{"- |2 # c\n    a\n  b\n\n- c\n", "0", "|2 # c\n    a\n  b"},
		{"- | # c\n\n- c\n", "0", "|"},
		{"- >\n  a\n   b\n  \n# d\n", "0", ">\n  a\n   b"},
		{"a: &x 1\nb: *x\n", "0", "1"},
		{"a: &x 1\nb: *x\n", "1", "*x"},
		{"a: !!str 1\n", "0", "!!str 1"},
		{"a: &x !!str 1\n", "0", "!!str 1"},
		{"a: !!str &x 1\n", "0", "!!str &x 1"},
		{"a: !t b\n", "0", "!t b"},
		{"a: !t b\n", "0.", "b"},
		{"a: !t # c\n  b: c\nd: e\n", "0", "!t # c\n  b: c"},
		{"a: !t # c\n  b: c\nd: e\n", "0.", "b: c"},
		{"a: &x !t [b, c] # d\n", "0", "!t [b, c]"},
		{"a: &x !t [b, c] # d\n", "0.", "[b, c]"},
		{"? [a, b]\n: - c\n", "k0", "[a, b]"},
		{"? [a, b]\n: - c\n", "0", "- c"},
		{"--- a\n--- [b]\n...\nc: d\n", "1", "[b]"},
		{"--- a\n--- [b]\n...\nc: d\n", "2", "c: d"},
		{"a:\r\n  b: c\r\nd: e\r\n", "0", "b: c"},
		{"a:\r\n  b: c\r\nd: e\r\n", "1", "e"},
		{"\xEF\xBB\xBF"
		 "a: 1\n",
		 "0", "1"},
		{"\xEF\xBB\xBF"
		 "ä: ö\n...\n\xEF\xBB\xBF--- ü\n",
		 "1", "ü"},
		{"%TAG !e! tag:x,1:\n--- !e!a\n- b\n", "", "!e!a\n- b"},
		{"a:\n", "", "a:"},
		{"a:\n", "0", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_span(rows[i].text, rows[i].path, rows[i].is);
}

/* ---- traits ---------------------------------------------------------- */

static void check_traits(const char *text, unsigned should)
{
	struct atio_doc *doc = must_load(text);

	if (atio_doc_traits(doc) != should)
		printf("traits of '%s'\n", text);
	CHECK_INT(atio_doc_traits(doc), should);
	atio_doc_free(doc);
}

static void check_comment(const char *text, bool should)
{
	struct atio_doc *doc = must_load(text);
	bool is = atio_doc_traits(doc) & ATIO_DOC_COMMENTS;

	if (is != should)
		printf("%s comment in '%s'\n", is ? "a" : "no", text);
	CHECK_INT(is, should);
	atio_doc_free(doc);
}

static void test_comments(void)
{
	static const char *const with[] = {
		"a: b # c\n",
		"# c\na: b\n",
		"a: b\n# c\n",
		"a: # c\n  b\n",
		"- # c\n  a\n",
		"[a, # c\n b]\n",
		"[a # c\n]\n",
		"a: | # c\n  b\n",
		"a: |\n  b\n# c\n",
		"a: |\n  b\n # c\nd: e\n",
		"--- # c\na\n",
		"a\n... # c\n",
		"a\n...\n# c\n",
		"# c\n...\na\n",
		"%YAML 1.2 # c\n---\na\n",
		"a: &x # c\n  b\n",
		"a: !t # c\n  b\n",
		"? # c\n  a\n: b\n",
		"a: 'b'\t# c\n",
		"a: \"b\" #\n",
		"a:\n  - b\n\n  # c\n",
		"{a: b} # c\n",
		"&a b: c # d\n",
		"ä: ö # c\n",
		"- \"\x7f\" # c\n",
		"{a # c\n , b}\n",
		"# c",
	};
	static const char *const without[] = {
		"a: b#c\n",
		"a#b: c\n",
		"a: 'b # c'\n",
		"a: \"b # c\"\n",
		"a: |\n  # b\n  c # d\n",
		"a: >\n  b\n  # c\n",
		"a: 'b\n  # c'\n",
		"a: \"b\n  # c\"\n",
		"[a#b, c#d#]\n",
		"%TAG !e! tag:x/%23\n---\na\n",
		"a: http://b/#c\n",
		"a: b\n  c#d\n",
		"- 'a''#''b'\n",
		"ä: ö#c\n",
		"a: |+\n\n  # b\n\n",
		"- |\n # a\n- b\n",
		"|\n  # a\n",
	};

	for (size_t i = 0; i < sizeof(with) / sizeof(*with); i++)
		check_comment(with[i], true);
	for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++)
		check_comment(without[i], false);
}

static void test_traits(void)
{
	check_traits("a: 1\n", 0);
	check_traits("a: &x 1\n", ATIO_DOC_ANCHORS);
	check_traits("a: !!str 1\n", ATIO_DOC_TAGS);
	check_traits("a: !t 1\n", ATIO_DOC_TAGS);
	check_traits("a: ! 1\n", ATIO_DOC_TAGS);
	check_traits("\xEF\xBB\xBF"
		     "a: 1\n",
		     ATIO_DOC_BOM);
	check_traits("# c\n", ATIO_DOC_COMMENTS | ATIO_DOC_EMPTY);
	check_traits("...\n", ATIO_DOC_EMPTY);
	check_traits(" \t\n", ATIO_DOC_EMPTY);
	check_traits("---\n", 0);
	check_traits("&x !t a: b # c\n",
		     ATIO_DOC_ANCHORS | ATIO_DOC_TAGS | ATIO_DOC_COMMENTS);
}

/* Only unquoted it is a merge key. */
static void test_merge_key(void)
{
	struct atio_doc *plain = must_load("<<: {a: 1}\n");
	struct atio_doc *quoted = must_load("\"<<\": {a: 1}\n");

	CHECK_INT(atio_node_key(atio_doc_root(plain), 0)->style,
		  ATIO_STYLE_PLAIN);
	CHECK_INT(atio_node_key(atio_doc_root(quoted), 0)->style,
		  ATIO_STYLE_DOUBLE);
	atio_doc_free(plain);
	atio_doc_free(quoted);
}

/* ---- limits ---------------------------------------------------------- */

static void check_limit(const struct atio_limits *limits, const char *text,
			int should)
{
	struct atio_value_error err;
	struct atio_doc *doc;
	int r = load(text, strlen(text), limits, &doc, &err);

	if (r != should)
		printf("'%s': %d: %s\n", text, r, err.error.text);
	CHECK_INT(r, should);
	CHECK_INT(err.error.code, -should);
	atio_doc_free(doc);
}

/* Each of them is the last that is taken, and one too many. */
static void test_limits(void)
{
	static const struct {
		struct atio_limits limits;
		const char *good, *bad;
	} rows[] = {
		{{.depth = 3}, "[[[a]]]\n", "[[[[a]]]]\n"},
		{{.depth = 3}, "- - - a\n", "- - - - a\n"},
		{{.depth = 3}, "a: {b: {c: d}}\n", "a: {b: {c: {d: e}}}\n"},
		{{.depth = 3}, "? ? ? a\n", "? ? ? ? a\n"},
		{{.depth = 2}, "[!t [a]]\n", "[!t [[a]]]\n"},
		{{.nodes = 4}, "[a, b, c]\n", "[a, b, c, d]\n"},
		{{.nodes = 3}, "a: b\n", "a: [b]\n"},
		{{.documents = 2}, "--- a\n--- b\n", "--- a\n--- b\n--- c\n"},
		{{.documents = 2}, "a\n...\nb\n", "a\n...\nb\n...\nc\n"},
		{{.scalar_bytes = 4}, "a: bcde\n", "a: bcdef\n"},
		{{.scalar_bytes = 4}, "a: 'äö'\n", "a: 'äöü'\n"},
		{{.scalar_bytes = 4},
		 "a: '\x7f\x7f\x7f\x7f'\n",
		 "a: '\x7f\x7f\x7f\x7f\x7f'\n"},
		{{.key_bytes = 3}, "abc: d\n", "abcd: d\n"},
		{{.key_bytes = 3}, "a: !bc d\n", "a: !bcd e\n"},
		{{.key_bytes = 3}, "a: &bcd e\n", "a: &bcde f\n"},
		{{.number_chars = 5}, "12345\n", "123456\n"},
		{{.number_chars = 5}, "0x123\n", "0x1234\n"},
		{{.number_chars = 5}, "1.2e3\n", "1.2e34\n"},
		{{.input_bytes = 5}, "a: b\n", "a: bc\n"},
		{{.alias_nodes = 3},
		 "- &a [b]\n- {*a : c}\n",
		 "- &a [b, c]\n- {*a : d}\n"},
	};
	struct atio_limits limits;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		limits = rows[i].limits;
		limits.version = ATIO_LIMITS_VERSION;
		check_limit(&limits, rows[i].good, 0);
		check_limit(&limits, rows[i].bad, -EFBIG);
	}
}

/* ---- hostile documents ----------------------------------------------- */

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct hostile {
	const char *begin, *part;
	size_t times;
	const char *end;
	int r;
};

/* A % in @part is the number of the part, and a $ is a %. */
static char *hostile_text(const struct hostile *h, size_t *ret_len)
{
	size_t room = strlen(h->begin) + strlen(h->end) + 1;
	char *text, *to;

	room += (strlen(h->part) + 24) * h->times;
	text = malloc(room);
	NEED(text);
	to = stpcpy(text, h->begin);
	for (size_t i = 0; i < h->times; i++)
		for (const char *s = h->part; *s; s++) {
			if (*s == '%')
				to += snprintf(to, 24, "%zu", i);
			else
				*to++ = *s == '$' ? '%' : *s;
		}
	to = stpcpy(to, h->end);
	*ret_len = (size_t)(to - text);
	return text;
}

static void check_hostile(const struct hostile *h)
{
	const char *slow = getenv("ATOMICFS_TEST_SLOW");
	double most = 1.0 * (slow ? strtod(slow, NULL) : 1), begin;
	struct atio_value_error err;
	struct atio_doc *doc;
	size_t len;
	char *text = hostile_text(h, &len);
	int r;

	begin = seconds();
	r = load(text, len, NULL, &doc, &err);
	begin = seconds() - begin;
	if (r != h->r || begin >= most)
		printf("'%s%s' x %zu: %d (%s) in %.2f s\n", h->begin, h->part,
		       h->times, r, err.error.text, begin);
	CHECK_INT(r, h->r);
	CHECK(begin < most);
	atio_doc_free(doc);
	free(text);
}

/* What is quadratic in libyaml, or would be here. */
static void test_hostile(void)
{
	static const struct hostile rows[] = {
		{"", "[", 1000000, "", -EFBIG},
		{"", "{", 100000, "", -EFBIG},
		{"", "{a: ", 100000, "", -EFBIG},
		{"", "- ", 100000, "", -EFBIG},
		{"", "? ", 100000, "", -EFBIG},
		{"", "?\n", 1000000, "", -EFBIG},
		{"", "?\n", 400000, "", -EEXIST},
		{"", "-\n", 1000000, "", -EFBIG},
		{"", "- a\n", 900000, "", 0},
		{"", "-", 1 << 20, "\n", 0},
		{"", "&a ", 100000, "b\n", -EINVAL},
		{"", "!a ", 100000, "b\n", -EINVAL},
		{"", "&a [", 100000, "", -EFBIG},
		{"", "k", 15 << 20, ": v\n", -EINVAL},
		{"? ", "k", 15 << 20, "\n: v\n", -EFBIG},
		{"\"", "a", 15 << 20, "", -EINVAL},
		{"\"", "\x7f", 8 << 20, "\"\n", 0},
		{"", "---\na\n", 1000000, "", -EFBIG},
		{"", "--- a\n...\n", 1000000, "", -EFBIG},
		{"", "--- a\n... # b\n", 999, "", 0},
		{"", "...\n", 1000000, "", 0},
		{"", "\xEF\xBB\xBF--- a\n", 999, "# c\n", 0},
		{"", "$TAG !a%! tag:x,1\n", 100000, "---\n", -EFBIG},
		{"", "# c\n", 1000000, "", 0},
		{"", "- &a% x\n- *a%\n", 200000, "", 0},
		{"", "- &a x\n- *a\n", 400000, "", 0},
		{"[", "&a% ,", 400000, "]\n", 0},
		{"[", "{},", 900000, "]\n", 0},
		{"[", "a: b,", 300000, "]\n", 0},
		{"[\"\xC3\xA4\",", "a ,", 900000, "]\n", 0},
		{"", "k%: v\n", 300000, "", 0},
		{"", "? [%]\n: v\n", 200000, "", 0},
		{"", "? {a: %}\n: v\n", 100000, "", 0},
		{"",
		 "? "
		 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
		 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
		 "%"
		 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
		 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
		 "\n: v\n",
		 4000, "", 0},
		{"&m\n", "? [*m, %]\n: v\n", 30, "", -ELOOP},
		{"", "? &a% [*a%, *a%]\n: v\n", 30, "", -ELOOP},
		{"", "9", 1 << 20, "\n", -EFBIG},
		{"0x", "9", 1 << 20, "\n", -EFBIG},
		{"1e", "9", 1 << 20, "\n", -EFBIG},
		{"a: |\n", " \n", 5 << 20, "", 0},
		{"- >\n", "  a\n\n   b\n", 1 << 20, "", 0},
		{"\"", "a\n", 4 << 20, "\"\n", 0},
		{"", "a:", 4 << 20, "\n", -EINVAL},
		{"!", "$41", 5 << 20, " a\n", -EFBIG},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_hostile(&rows[i]);
}

/* 9^20 values, and more: no problem unless they are keys. */
static void test_bomb(void)
{
	char text[4096] = "a: &a [x,x,x,x,x,x,x,x,x]\n", *to = text;
	struct atio_value_error err;
	struct atio_doc *doc;

	to += strlen(to);
	for (char c = 'b'; c < 'w'; c++)
		to += snprintf(to, 128,
			       "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c,
			       c, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1,
			       c - 1, c - 1);
	CHECK_INT(load(text, strlen(text), NULL, &doc, &err), 0);
	atio_doc_free(doc);
	(void)snprintf(to, 128, "? *v\n: 1\n");
	CHECK_INT(load(text, strlen(text), NULL, &doc, &err), -EFBIG);
	CHECK_INT(err.line, 23);
	CHECK_INT(err.column, 3);
}

int main(void)
{
	test_spans();
	test_comments();
	test_traits();
	test_merge_key();
	test_limits();
	test_hostile();
	test_bomb();
	return check_result();
}
