/* SPDX-License-Identifier: MIT
 *
 * test_value_views.c - views with the codecs that there are: a document is
 * shown as a text of each format, the text is read again, unchanged, and
 * restored; then the document is what it was, to the letter.
 */
#include "../formats/codecs.h"
#include "value_random.h"

#define TREES 8000

static const char *const formats[] = {"json", "yaml", "toml", "csv",
				      "xml",  "txt",  "typed"};

static const struct atio_codec *codec(const char *name)
{
	const struct atio_codec *found = codec_named(name, strlen(name));

	NEED(found);
	return found;
}

/* ---- back ------------------------------------------------------------ */

/* NULL: @format cannot hold it.  The caller frees it. */
static char *dumped(const struct atio_node *root, const char *format)
{
	char *bytes = NULL;
	size_t len;

	(void)atio_codec_dump(codec(format), root, NULL, &bytes, &len, NULL);
	return bytes;
}

/* In each format that can hold it, too: that shows anchors, styles, order. */
static void check_same(const char *view, const char *shown,
		       const struct atio_node *is,
		       const struct atio_node *should)
{
	static char is_text[20000];
	char *is_bytes, *should_bytes;

	(void)snprintf(is_text, sizeof(is_text), "%s", text_of(is));
	CHECK_STR(is_text, text_of(should));
	for (size_t i = 0; i < LENGTH(formats); i++) {
		is_bytes = dumped(is, formats[i]);
		should_bytes = dumped(should, formats[i]);
		CHECK(!is_bytes == !should_bytes);
		if (is_bytes && should_bytes) {
			if (strcmp(is_bytes, should_bytes) != 0)
				printf("as %s by %s:\n%s\n", formats[i], view,
				       shown);
			CHECK_STR(is_bytes, should_bytes);
		}
		free(is_bytes);
		free(should_bytes);
	}
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

/* Aliases in a view are what somebody wrote, and are not restored. */
static bool is_kept(const char *format, const char *text)
{
	return strcmp(format, "yaml") == 0 && strchr(text, '*');
}

/* A document of each format is a base, too. */
static void check_as(const struct atio_node *root, const char *format)
{
	char *bytes = dumped(root, format);
	struct atio_doc *base = NULL;

	if (!bytes)
		return;
	NEED(atio_codec_load(codec(format), bytes, strlen(bytes), NULL, &base,
			     NULL) == 0);
	for (size_t i = 0; i < LENGTH(formats); i++)
		if (!is_kept(formats[i], bytes))
			(void)check_back(atio_doc_root(base), formats[i]);
	atio_doc_free(base);
	free(bytes);
}

static void test_random(void)
{
	static struct value_maker m;
	unsigned shown[LENGTH(formats)] = {0};
	struct atio_doc *doc;

	for (unsigned seed = 0; seed < TREES; seed++) {
		doc = doc_of(value_make(&m, seed));
		for (size_t i = 0; i < LENGTH(formats); i++)
			if (!is_kept(formats[i], m.text))
				shown[i] += check_back(atio_doc_root(doc),
						       formats[i]);
		for (size_t i = 0; i < LENGTH(formats); i++)
			check_as(atio_doc_root(doc), formats[i]);
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
	{"yaml", "mode: 012\nn: !!int 012\nm: -0012\n", "jYTt"},
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
	 "{\"r\": {\"i\": [{\"n\": 1}, {\"n\": false}], \"t\": \"007\","
	 " \"@attributes\": {\"x\": 1e2, \"y\": true}}}",
	 "jYTxt"},
	{"json", "{\"r\": {\"@attributes\": {}, \"a\": 1}}", "jYTt"},
	{"yaml", "r:\n  '@attributes': &a {id: 0x1F}\n  '#text': 1.50\n",
	 "jYTxt"},
	{"yaml",
	 "r:\n  a: {'@attributes': &a {b: 1, c: 2}, d: x}\n"
	 "  e: {'@attributes': {<<: *a, c: 3}}\n",
	 "jTxt"},
	{"toml", "[r]\n'@attributes' = {on = 1979-05-27}\na = 1\n", "jYTxt"},
	{"csv", "a,b\r\n1,\"x\ny\"\r\n,3\r\n", "jYct"},
	{"xml", "<r a='1'><b>x</b><b/><c d='2'>t</c></r>", "jYTxt"},
	{"xml", "<r xmlns='u' a=''><p:b xmlns:p='v' p:c='d'/></r>", "jYTxt"},
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
