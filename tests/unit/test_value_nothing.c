/* SPDX-License-Identifier: MIT
 *
 * test_value_nothing.c - documents without a value: what they are read as, and
 * written as in another format; and that a null that somebody wrote is none.
 */
#include "../formats/codecs.h"
#include "value_text.h"

#define TYPED_NULL "{\"type\": \"null\", \"value\": \"\"}\n"

/* Of each format: blank documents, what their root is, and as what no value is
 * written; NULL: it cannot be. */
static const struct row {
	const char *format, *blank[5], *root, *written;
} rows[] = {
	{"json", {"", " \n", "\xEF\xBB\xBF\r\n"}, "nothing: null", "null\n"},
	{"typed", {"", "\t"}, "nothing: null", TYPED_NULL},
	{"yaml",
	 {"", " \n", "# only this\n", "...\n"},
	 "nothing: null",
	 "null\n"},
	{"toml", {"", " \n\t\r\n", "\xEF\xBB\xBF"}, "nothing: {}", ""},
	{"csv", {"", " \n\n", "\xEF\xBB\xBF\r\n"}, "nothing: []", ""},
	{"xml", {"", " \n", "\xEF\xBB\xBF"}, "nothing: null", NULL},
	{"txt", {""}, "nothing: ''", ""},
};

static const struct atio_codec *codec(const char *name)
{
	const struct atio_codec *found = codec_named(name, strlen(name));

	NEED(found);
	return found;
}

static struct atio_doc *loaded(const char *format, const char *text)
{
	struct atio_doc *doc = NULL;

	CHECK_INT(atio_codec_load(codec(format), text, strlen(text), NULL, &doc,
				  NULL),
		  0);
	NEED(doc);
	return doc;
}

/* "E": it cannot be written.  The caller frees it. */
static char *dumped(const char *format, const struct atio_node *root)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	char *bytes = NULL;
	size_t len = 0;
	int r;

	r = atio_codec_dump(codec(format), root, NULL, &bytes, &len, &err);
	CHECK(r == 0 || r == -EOPNOTSUPP);
	CHECK_INT(err.error.code, -r);
	CHECK(r < 0 || strlen(bytes) == len);
	return r < 0 ? strdup("E") : bytes;
}

static void check_dump(const char *format, const struct atio_node *root,
		       const char *should)
{
	char *is = dumped(format, root);

	CHECK_STR(is, should);
	free(is);
}

/* ---- formats --------------------------------------------------------- */

/* A null becomes a document without a value, too, which is read as one. */
static void check_no_value(const struct atio_node *root,
			     const struct row *target)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_node *made;
	struct atio_doc *doc = NULL;

	if (!target->written) {
		CHECK_INT(atio_value_convert(root, codec(target->format)->target,
					     NULL, &doc, &made, &err),
			  -EOPNOTSUPP);
		CHECK_STR(err.error.text,
			  "there is no value, and XML is one element, no more "
			  "and no less");
		CHECK(err.has_pointer && !*err.pointer);
		check_dump(target->format, root, "E");
		return;
	}
	CHECK_INT(atio_value_convert(root, codec(target->format)->target, NULL,
				     &doc, &made, &err),
		  0);
	if (doc)
		CHECK_INT(atio_doc_traits(doc), ATIO_DOC_EMPTY);
	else
		CHECK(made == root);
	CHECK_STR(text_of(made), target->root);
	check_dump(target->format, made, target->written);
	check_dump(target->format, root, target->written);
	atio_doc_free(doc);
}

/* {}, [] and "" are what they are: they are the same whether the file is blank
 * or a value was written to it. */
static void check_value(const struct atio_node *root, const struct row *target)
{
	const char *value = text_of(root) + strlen("nothing: ");
	struct atio_doc *same = doc_of(value);
	char *should = dumped(target->format, atio_doc_root(same));

	CHECK(!atio_node_is_nothing(atio_doc_root(same)));
	check_dump(target->format, root, should);
	free(should);
	atio_doc_free(same);
}

static void test_formats(void)
{
	const struct row *row;
	struct atio_doc *doc;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		row = &rows[i];
		for (size_t n = 0; n < LENGTH(row->blank) && row->blank[n];
		     n++) {
			doc = loaded(row->format, row->blank[n]);
			CHECK(atio_doc_traits(doc) & ATIO_DOC_EMPTY);
			CHECK_STR(text_of(atio_doc_root(doc)), row->root);
			for (size_t t = 0; t < LENGTH(rows); t++)
				if (atio_doc_root(doc)->type == ATIO_NULL)
					check_no_value(atio_doc_root(doc),
						       &rows[t]);
				else
					check_value(atio_doc_root(doc),
						    &rows[t]);
			atio_doc_free(doc);
		}
	}
}

/* ---- values that somebody wrote -------------------------------------- */

static const struct {
	const char *format, *text, *as[LENGTH(rows)];
} values[] = {
	/* json, typed, yaml, toml, csv, xml, txt */
	{"json", "null", {"null\n", TYPED_NULL, "null\n", "E", "E", "E", ""}},
	{"json", "{}", {"{}\n", "{}\n", "{}\n", "", "E", "E", "E"}},
	{"json", "[]", {"[]\n", "[]\n", "[]\n", "E", "", "E", "E"}},
	{"yaml", "---\n", {"null\n", TYPED_NULL, "null\n", "E", "E", "E", ""}},
	{"yaml", "~", {"null\n", TYPED_NULL, "null\n", "E", "E", "E", ""}},
	{"toml", "# c\n", {"{}\n", "{}\n", "{}\n", "", "E", "E", "E"}},
	{"csv", "a\n", {"[]\n", "[]\n", "[]\n", "E", "", "E", "E"}},
	{"txt", "\n", {"\"\\n\"\n", NULL, NULL, "E", "E", "E", "\n"}},
};

static void test_values(void)
{
	struct atio_doc *doc;

	for (size_t i = 0; i < LENGTH(values); i++) {
		doc = loaded(values[i].format, values[i].text);
		CHECK(!(atio_doc_traits(doc) & ATIO_DOC_EMPTY));
		CHECK(!atio_node_is_nothing(atio_doc_root(doc)));
		for (size_t t = 0; t < LENGTH(rows); t++)
			if (values[i].as[t])
				check_dump(rows[t].format, atio_doc_root(doc),
					   values[i].as[t]);
		atio_doc_free(doc);
	}
}

/* ---- copies and changes ---------------------------------------------- */

/* A copy is a value, at the top and within others. */
static void test_copies(void)
{
	struct atio_doc *blank = loaded("toml", ""), *doc;
	struct atio_builder *b;

	NEED(atio_builder_new(NULL, &b) == 0);
	CHECK_INT(atio_build_copy(b, atio_doc_root(blank)), 0);
	CHECK_INT(atio_builder_finish(b, &doc, NULL), 0);
	CHECK_STR(text_of(atio_doc_root(doc)), "{}");
	CHECK_INT(atio_doc_traits(doc), 0);
	atio_doc_free(doc);
	CHECK_INT(atio_build_seq(b), 0);
	CHECK_INT(atio_build_copy(b, atio_doc_root(blank)), 0);
	CHECK_INT(atio_build_end(b), 0);
	CHECK_INT(atio_builder_finish(b, &doc, NULL), 0);
	CHECK(!atio_node_is_nothing(atio_node_at(atio_doc_root(doc), 0)));
	check_dump("csv", atio_doc_root(doc), "E");
	atio_doc_free(doc);
	atio_doc_free(blank);
	atio_builder_free(b);
}

typedef int change_fn(struct atio_doc *doc, const struct atio_node *with,
		      struct atio_value_error *err);

static void check_change(const char *format, change_fn *change,
			 const char *with, const char *after, bool nothing)
{
	struct atio_doc *doc = loaded(format, ""), *by = doc_of(with);

	CHECK_INT(change(doc, atio_doc_root(by), NULL), 0);
	atio_doc_free(by);
	CHECK_STR(text_of(atio_doc_root(doc)), after);
	CHECK_INT(atio_doc_traits(doc) & ATIO_DOC_EMPTY,
		  nothing ? ATIO_DOC_EMPTY : 0);
	atio_doc_free(doc);
}

/* Whatever is changed becomes a value; what fails, or does nothing at all,
 * leaves no value. */
static void test_changes(void)
{
	struct atio_doc *doc = loaded("toml", ""), *with;

	check_change("json", atio_value_merge, "{}", "{}", false);
	check_change("json", atio_value_merge, "null", "null", false);
	check_change("json", atio_value_update, "null", "null", false);
	check_change("toml", atio_value_merge, "{}", "nothing: {}", true);
	check_change("toml", atio_value_update, "{a: 1}", "{'a': 1}", false);
	check_change("toml", atio_value_update, "[1]", "[1]", false);
	check_change("toml", atio_value_replace, "{}", "{}", false);
	check_change("toml", atio_value_replace, "", "null", false);
	check_change("csv", atio_value_update, "[{a: b}]", "[{'a': 'b'}]",
		     false);
	check_change("csv", atio_value_update, "[]", "[]", false);
	check_change("txt", atio_value_update, "text", "'text'", false);
	check_change("json", atio_value_patch, "[]", "nothing: null", true);
	check_change("json", atio_value_patch,
		     "[{op: replace, path: '', value: null}]", "null", false);
	check_change("toml", atio_value_patch,
		     "[{op: add, path: /a, value: {b: 1}}]",
		     "{'a': {'b': 1}}", false);
	with = doc_of("[{op: remove, path: /a}]");
	CHECK_INT(atio_value_patch(doc, atio_doc_root(with), NULL), -ENOENT);
	CHECK_STR(text_of(atio_doc_root(doc)), "nothing: {}");
	CHECK_INT(atio_doc_traits(doc), ATIO_DOC_EMPTY);
	atio_doc_free(with);
	atio_doc_free(doc);
}

/* ---- views ----------------------------------------------------------- */

/* A view of no value that was not changed, or made blank again, is no value of
 * the base's format. */
static void test_views(void)
{
	struct atio_doc *base, *view, *made;
	const struct atio_node *root;
	char *shown;

	for (size_t b = 0; b < LENGTH(rows); b++) {
		for (size_t v = 0; v < LENGTH(rows); v++) {
			base = loaded(rows[b].format, "");
			shown = dumped(rows[v].format, atio_doc_root(base));
			if (!strcmp(shown, "E"))
				*shown = '\0';
			view = loaded(rows[v].format, shown);
			CHECK_INT(atio_value_restore(
					  atio_doc_root(view),
					  codec(rows[v].format)->target,
					  atio_doc_root(base), NULL, &made,
					  &root, NULL),
				  0);
			CHECK_STR(text_of(root), rows[b].root);
			CHECK(!made ||
			      atio_doc_traits(made) == ATIO_DOC_EMPTY);
			atio_doc_free(made);
			atio_doc_free(view);
			atio_doc_free(base);
			free(shown);
		}
	}
}

int main(void)
{
	test_formats();
	test_values();
	test_copies();
	test_changes();
	test_views();
	return check_result();
}
