/* SPDX-License-Identifier: MIT
 *
 * test_value_views.c - views with the codecs that there are: a document is
 * shown as a text of each format, the text is read again, unchanged, and
 * restored; then the document is what it was, to the letter.
 */
#include "../formats/codecs.h"
#include "value_text.h"

#define TREES   8000
#define ANCHORS 4

static const char *const formats[] = {"json", "yaml", "toml", "csv",
				      "xml",  "txt",  "typed"};

static const struct atio_codec *codec(const char *name)
{
	const struct atio_codec *found = codec_named(name, strlen(name));

	NEED(found);
	return found;
}

/* ---- back ------------------------------------------------------------ */

/* As YAML, which shows anchors and styles, too.  The caller frees it. */
static char *yaml_of(const struct atio_node *root)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	char *bytes = NULL;
	size_t len;

	if (atio_codec_dump(codec("yaml"), root, NULL, &bytes, &len, &err) < 0)
		printf("%s: %s\n", text_of(root), err.error.text);
	NEED(bytes);
	return bytes;
}

static void check_same(const char *format, const char *shown,
		       const struct atio_node *is,
		       const struct atio_node *should)
{
	static char is_text[20000], should_text[20000];
	char *is_yaml = yaml_of(is), *should_yaml = yaml_of(should);

	(void)snprintf(is_text, sizeof(is_text), "%s", text_of(is));
	(void)snprintf(should_text, sizeof(should_text), "%s", text_of(should));
	if (strcmp(is_text, should_text) != 0 ||
	    strcmp(is_yaml, should_yaml) != 0)
		printf("by %s:\n%s\n", format, shown);
	CHECK_STR(is_text, should_text);
	CHECK_STR(is_yaml, should_yaml);
	free(is_yaml);
	free(should_yaml);
}

/* Whether @format can show it. */
static bool check_back(const struct atio_node *base, const char *format)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_codec *view = codec(format);
	struct atio_doc *doc = NULL, *made = NULL;
	const struct atio_node *root = NULL;
	char *bytes;
	size_t len;

	if (atio_codec_dump(view, base, NULL, &bytes, &len, NULL) < 0)
		return false;
	if (atio_codec_load(view, bytes, len, NULL, &doc, &err) < 0)
		printf("%s of %s:\n%s\n%s\n", format, text_of(base), bytes,
		       err.error.text);
	NEED(doc);
	CHECK_INT(atio_value_restore(atio_doc_root(doc), view->target, base,
				     NULL, &made, &root, &err),
		  0);
	if (root)
		check_same(format, bytes, root, base);
	atio_doc_free(made);
	atio_doc_free(doc);
	free(bytes);
	return true;
}

/* ---- documents at random --------------------------------------------- */

struct maker {
	struct random random;
	char text[8192];
	unsigned anchors;
	bool is_map[ANCHORS];
};

static void put(struct maker *m, const char *more)
{
	size_t len = strlen(m->text);

	(void)snprintf(m->text + len, sizeof(m->text) - len, "%s", more);
}

static void put_number(struct maker *m, const char *before, unsigned number,
		       const char *after)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%s%u%s", before, number, after);
	put(m, text);
}

static void put_scalar(struct maker *m)
{
	static const char *const scalars[] = {
		"null",
		"true",
		"0",
		"-7",
		"31~0x1F",
		"1000~1_000",
		"0~-0",
		"123456789012345678901234567890",
		"9223372036854775808~9_223_372_036_854_775_808",
		"2.5",
		"0.5~.5",
		"-0.0",
		"inf",
		"-inf",
		"nan",
		"100.0~1e2",
		"1e+300",
		"text",
		"'1'",
		"'true'",
		"'null'",
		"''",
		"' a b '",
		"'a\\nb'",
		"'<<'",
		"'2020-02-29'",
		"'aGVsbG8='",
		"@2020-02-29",
		"@1979-05-27T07:32:00Z",
		"@1979-05-27t07:32:00.50+01:00",
		"@07:32:00",
		"b'bytes'",
		"b'\\0\\xFF'",
		"b''",
	};

	put(m, scalars[pick(&m->random, LENGTH(scalars))]);
}

static void put_value(struct maker *m, unsigned depth);

static void put_members(struct maker *m, bool map, unsigned depth)
{
	unsigned n = pick(&m->random, 4), last = m->anchors - 1;
	bool merges = map && m->anchors && m->anchors <= ANCHORS &&
		      m->is_map[last] && pick(&m->random, 2);

	put(m, map ? "{" : "[");
	if (merges)
		put_number(m, "<<: *a", last, n ? ", " : "");
	for (unsigned i = 0; i < n; i++) {
		if (map)
			put_number(m, "k", i, ": ");
		put_value(m, depth - 1);
		if (i + 1 < n)
			put(m, ", ");
	}
	put(m, map ? "}" : "]");
}

static void put_value(struct maker *m, unsigned depth)
{
	unsigned kind = depth ? pick(&m->random, 4) : 0, anchor = ANCHORS;

	if (kind == 1 && m->anchors) {
		put_number(m, "*a", pick(&m->random, m->anchors), "");
		return;
	}
	if (kind < 2) {
		put_scalar(m);
		return;
	}
	/* An alias within is that of another one: its number comes later. */
	if (pick(&m->random, 3) == 0 && m->anchors < ANCHORS && depth == 1)
		anchor = m->anchors;
	if (anchor < ANCHORS)
		put_number(m, "&a", anchor, " ");
	put_members(m, kind == 2, depth);
	if (anchor == ANCHORS)
		return;
	m->is_map[anchor] = kind == 2;
	m->anchors = anchor + 1;
}

/* Rows of one header, which is what CSV can hold. */
static void put_table(struct maker *m)
{
	unsigned columns = 1 + pick(&m->random, 3);
	unsigned rows = 1 + pick(&m->random, 3);

	put(m, "[");
	for (unsigned row = 0; row < rows; row++) {
		put(m, row ? ", {" : "{");
		for (unsigned column = 0; column < columns; column++) {
			/* Of each row in its own order. */
			put_number(m, column ? ", k" : "k",
				   (column + row) % columns, ": ");
			put_scalar(m);
		}
		put(m, "}");
	}
	put(m, "]");
}

/* {"root": ...}, which XML can hold more often than others. */
static void put_element(struct maker *m)
{
	put(m, "{root: {'@a': ");
	put_scalar(m);
	put(m, ", b: [");
	put_scalar(m);
	put(m, ", {'@d': ");
	put_scalar(m);
	put(m, ", '#text': 5}], c: ");
	put_value(m, 1);
	put(m, "}}");
}

static void make(struct maker *m, unsigned seed)
{
	*m = (struct maker){
		.random = {(uint64_t)(seed + 1) * 0x9E3779B97F4A7C15ull}};
	switch (seed % 5) {
	case 0:
		put_table(m);
		break;
	case 1:
		put_element(m);
		break;
	case 2:
		put_members(m, true, 3);
		break;
	case 3:
		put_scalar(m);
		break;
	default:
		put_value(m, 3);
		break;
	}
}

/* Aliases in a view are what somebody wrote, and are not restored. */
static bool is_kept(const char *format, const char *text)
{
	return strcmp(format, "yaml") == 0 && strchr(text, '*');
}

static void test_random(void)
{
	static struct maker m;
	unsigned shown[LENGTH(formats)] = {0};
	struct atio_doc *doc;

	for (unsigned seed = 0; seed < TREES; seed++) {
		make(&m, seed);
		doc = doc_of(m.text);
		for (size_t i = 0; i < LENGTH(formats); i++)
			if (!is_kept(formats[i], m.text))
				shown[i] += check_back(atio_doc_root(doc),
						       formats[i]);
		atio_doc_free(doc);
	}
	for (size_t i = 0; i < LENGTH(formats); i++)
		CHECK(shown[i] > TREES / 20);
}

/* ---- documents as people write them ---------------------------------- */

static const struct {
	const char *format, *text, *shown_by; /* a letter for each */
} documents[] = {
	{"yaml",
	 "# of a service\n"
	 "base: &base\n"
	 "  image: app:1.2\n"
	 "  ports: [80, 0x1F90]\n"
	 "  'quoted': \"twice\"\n"
	 "web:\n"
	 "  <<: *base\n"
	 "  replicas: 3\n"
	 "db:\n"
	 "  <<: [*base, {ports: [5432]}]\n"
	 "  text: |\n"
	 "    one\n"
	 "    two\n"
	 "same: *base\n"
	 "none: ~\n",
	 "jYt"},
	{"yaml",
	 "- &a [1, &b {x: 1e3}]\n- *a\n- {y: *b, z: *a}\n- !!binary aGk=\n",
	 "jYt"},
	{"toml",
	 "title = 'a'\n"
	 "big = 1_000\n"
	 "when = 1979-05-27 07:32:00z\n"
	 "[server]\n"
	 "mask = 0xFF\n"
	 "ratio = 1e3\n"
	 "days = [1979-05-27, 1979-05-28]\n"
	 "[[user]]\n"
	 "name = 'a'\n"
	 "[[user]]\n"
	 "name = 'b'\n"
	 "at.x = +1.5\n",
	 "jYTt"},
	{"json", "[{\"a\": 1.50, \"b\": null}, {\"b\": true, \"a\": -0}]",
	 "jYct"},
	{"json",
	 "{\"r\": {\"@x\": 1e2, \"i\": [{\"n\": 1}, {\"n\": false}], \"t\":"
	 " \"007\"}}",
	 "jYTxt"},
	{"csv", "a,b\r\n1,\"x\ny\"\r\n,3\r\n", "jYct"},
	{"xml", "<r a='1'><b>x</b><b/><c d='2'>t</c></r>", "jYTxt"},
	{"txt", "some\ntext\n", "jYXt"},
};

static void test_documents(void)
{
	static const char letters[] = "jYTcxXt"; /* of @formats */
	struct atio_doc *doc;
	const char *text;
	bool shown;

	for (size_t i = 0; i < LENGTH(documents); i++) {
		text = documents[i].text;
		NEED(atio_codec_load(codec(documents[i].format), text,
				     strlen(text), NULL, &doc, NULL) == 0);
		for (size_t f = 0; f < LENGTH(formats); f++) {
			if (is_kept(formats[f], text))
				continue;
			shown = check_back(atio_doc_root(doc), formats[f]);
			if (shown !=
			    !!strchr(documents[i].shown_by, letters[f]))
				printf("%s by %s\n", text, formats[f]);
			CHECK(shown ==
			      !!strchr(documents[i].shown_by, letters[f]));
		}
		atio_doc_free(doc);
	}
}

int main(void)
{
	test_random();
	test_documents();
	return check_result();
}
