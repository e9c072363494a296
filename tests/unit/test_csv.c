/* SPDX-License-Identifier: MIT
 *
 * What the cases of tests/formats cannot show of CSV: spans, ends of lines that
 * are kept, limits, traits, and documents made to be slow.
 */
#define TEST_CODEC atio_codec_csv
#include "document.h"

#define SECONDS 5 /* ten times what it takes under a sanitizer */

/* ---- spans ----------------------------------------------------------- */

static void spans(void)
{
	static const char text[] = "\xEF\xBB\xBF"
				   "a,\"b\"\r\n1,\"x\"\"\r\ny\"\r\n\r\n,2";
	struct atio_doc *doc = load(text);

	check_span(text, at(doc, ""), text + 3);
	check_span(text, at(doc, "0"), "1,\"x\"\"\r\ny\"");
	check_span(text, atio_node_key(at(doc, "0"), 0), "a");
	check_span(text, atio_node_key(at(doc, "0"), 1), "\"b\"");
	check_span(text, at(doc, "0.a"), "1");
	check_span(text, at(doc, "0.b"), "\"x\"\"\r\ny\"");
	check_span(text, at(doc, "1"), ",2");
	check_span(text, atio_node_key(at(doc, "1"), 1), "\"b\"");
	/* Nothing, but in its place. */
	CHECK_INT(atio_node_span(at(doc, "1.a")).offset, strlen(text) - 2);
	CHECK_INT(atio_node_span(at(doc, "1.a")).length, 0);
	check_span(text, at(doc, "1.b"), "2");
	atio_doc_free(doc);
}

/* ---- ends of lines --------------------------------------------------- */

/* What is added to a table gets the ends that its lines have. */
static void ends_of_lines(void)
{
	struct atio_doc *doc = load("a,b\r\n1,2\r\n");

	CHECK_INT(atio_seq_insert(doc, doc->root, 1, doc->root->items[0]), 0);
	check_written(doc, "a,b\r\n1,2\r\n1,2\r\n");
	atio_doc_free(doc);
	doc = load("a,b\n1,2\n");
	CHECK_INT(atio_seq_insert(doc, doc->root, 1, doc->root->items[0]), 0);
	check_written(doc, "a,b\n1,2\n1,2\n");
	atio_doc_free(doc);
}

/* A cell that is no text yet makes the conversion copy the table. */
static void ends_of_lines_are_converted(void)
{
	struct atio_doc *doc = load("a\r\n1\r\n");
	struct atio_node *cell = atio_node_new(doc, ATIO_INT);
	char *text = NULL;
	size_t len;

	NEED(cell);
	cell->integer = 23;
	doc->root->items[0]->pairs[0].value = cell;
	CHECK_INT(atio_codec_dump(&atio_codec_csv, doc->root, NULL, &text, &len,
				  NULL), 0);
	CHECK_STR(text, "a\r\n23\r\n");
	free(text);
	atio_doc_free(doc);
}

/* ---- traits, codes --------------------------------------------------- */

static void traits(void)
{
	check_traits("", ATIO_DOC_EMPTY);
	check_traits(" \r\n\t\n", ATIO_DOC_EMPTY);
	check_traits("\xEF\xBB\xBF", ATIO_DOC_EMPTY | ATIO_DOC_BOM);
	check_traits("\xEF\xBB\xBF" "a\n", ATIO_DOC_BOM);
	check_traits("a\n", 0);
	check_traits("#a\n1\n", 0);
}

static void codes(void)
{
	check_code("a,b\n1\n", 6, EINVAL, 5);
	check_code("a,b\n1,2,3\n", 10, EINVAL, 8);
	check_code("a,a\n", 4, EEXIST, 2);
	check_code("a,\n", 3, EINVAL, 2);
	check_code("a\n\xFF", 3, EILSEQ, 2);
	check_code("\xEF\xBB\xBF" "a,a\n", 7, EEXIST, 5);
	check_code("a\n\0", 3, EINVAL, 2);
	check_code("a\n\"", 3, EINVAL, 2);
}

/* ---- limits ---------------------------------------------------------- */

static void limits(void)
{
	check_limit("a,b,c\n1,2,3\n", LIMIT(columns, 3), LIMIT(columns, 2), 1,
		    5, "more than 2 columns");
	check_limit("a,b,c\n", LIMIT(columns, 3), LIMIT(columns, 2), 1, 5,
		    "more than 2 columns");
	/* the list, a map, a, 1, b, 2, a map, a, 3, b, 4 */
	check_limit("a,b\n1,2\n3,4\n", LIMIT(nodes, 11), LIMIT(nodes, 10), 3, 3,
		    "more than 10 values");
	check_limit("a\n12345\n", LIMIT(scalar_bytes, 5),
		    LIMIT(scalar_bytes, 4), 2, 1,
		    "a string of more than 4 bytes");
	/* It is the content that counts. */
	check_limit("a\n\"1\"\"34\"\n", LIMIT(scalar_bytes, 4),
		    LIMIT(scalar_bytes, 3), 2, 1,
		    "a string of more than 3 bytes");
	check_limit("x,abcd\n1,2\n", LIMIT(key_bytes, 4), LIMIT(key_bytes, 3),
		    1, 3, "a name of more than 3 bytes");
	check_limit("x,\"a\"\"cd\"\n", LIMIT(key_bytes, 4), LIMIT(key_bytes, 3),
		    1, 3, "a name of more than 3 bytes");
	check_limit("a\n1\n", LIMIT(depth, 2), LIMIT(depth, 1), 2, 1,
		    "nested deeper than 1 levels");
	check_limit("a\n1\n", LIMIT(input_bytes, 4), LIMIT(input_bytes, 3), 0,
		    0, "larger than 3 bytes of input");
}

/* ---- documents made to be slow --------------------------------------- */

static const struct pile piles[] = {
	{"a", ",", "", "", 16000000, -EINVAL},
	{"a", ",b@", "", "", 4095, 0},
	{"a", ",b@", "", "", 4096, -EFBIG},
	{"a\n", "1\n", "", "", 333333, 0},
	{"a\n", "1\n", "", "", 333334, -EFBIG},
	{"a,b\n", "@,some text\n", "", "", 150000, 0},
	{"a\n\"", "\"\"", "\"", "", 8000000, 0},
	{"a\n\"", "\"", "", "", 16000000, -EINVAL},
	{"a\n", "\"\n", "", "", 100001, -EINVAL},
	{"a\n", "\n", "", "", 16000000, 0},
	{"a\n", "\r", "", "", 16000000, -EINVAL},
	{"a\n", "x", "", "", 16000000, 0},
	{"", "x", "", "", 65536, 0},
	{"", "x", "", "", 65537, -EFBIG},
	{"", "\"\"", "", "", 8000000, -EFBIG},
	{"", "x", "", "", 16777217, -EFBIG},
};

static void hostile(void)
{
	for (size_t i = 0; i < sizeof(piles) / sizeof(*piles); i++)
		check_pile(&piles[i], NULL, SECONDS);
	check_memory(256 * MEBI);
}

int main(void)
{
	spans();
	ends_of_lines();
	ends_of_lines_are_converted();
	traits();
	codes();
	limits();
	hostile();
	return check_result();
}
