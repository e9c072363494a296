/* SPDX-License-Identifier: MIT
 *
 * What the cases of tests/formats cannot show of XML: spans, codes, limits,
 * traits, deep trees, and documents made to be slow.
 */
#define TEST_CODEC atio_codec_xml
#include "document.h"

#define SECONDS 8 /* ten times what it takes under a sanitizer */

/* ---- spans ----------------------------------------------------------- */

static const struct atio_node *key_at(const struct atio_doc *doc,
				      const char *path, size_t index)
{
	return atio_node_key(at(doc, path), index);
}

static void spans_of_elements(void)
{
	static const char text[] =
		"\xEF\xBB\xBF<?xml version='1.0'?>\n<r>\n <b>1</b>\n"
		" <c x='1'><d/></c >\n <b>&lt;</b><e></e></r>\n<!-- c -->";
	static const char root[] = "<r>\n <b>1</b>\n <c x='1'><d/></c >\n"
				   " <b>&lt;</b><e></e></r>";
	struct atio_doc *doc = load(text);

	check_span(text, at(doc, ""), root);
	check_span(text, key_at(doc, "", 0), "r");
	check_span(text, at(doc, "r"), root);
	check_span(text, key_at(doc, "r", 0), "b");
	check_span(text, at(doc, "r.b"),
		   "<b>1</b>\n <c x='1'><d/></c >\n <b>&lt;</b>");
	check_span(text, at(doc, "r.b.0"), "<b>1</b>");
	check_span(text, at(doc, "r.b.1"), "<b>&lt;</b>");
	check_span(text, at(doc, "r.c"), "<c x='1'><d/></c >");
	check_span(text, at(doc, "r.c.d"), "<d/>");
	check_span(text, key_at(doc, "r.c", 1), "d");
	check_span(text, at(doc, "r.e"), "<e></e>");
	atio_doc_free(doc);
}

static void spans_of_attributes(void)
{
	static const char text[] =
		"<r a='1'\n\xC3\xA9 =\r\n \"=/> '&lt;\" c.d=''>x&amp;y</r>";
	struct atio_doc *doc = load(text);

	check_span(text, key_at(doc, "r", 0), "");
	check_span(text, at(doc, "r.@attributes"),
		   "a='1'\n\xC3\xA9 =\r\n \"=/> '&lt;\" c.d=''");
	check_span(text, key_at(doc, "r.@attributes", 0), "a");
	check_span(text, at(doc, "r.@attributes.a"), "'1'");
	check_span(text, key_at(doc, "r.@attributes", 1), "\xC3\xA9");
	check_span(text, at(doc, "r.@attributes.\xC3\xA9"), "\"=/> '&lt;\"");
	check_span(text, key_at(doc, "r.@attributes", 2), "c.d");
	CHECK_STR(atio_node_text(key_at(doc, "r.@attributes", 2), NULL), "c.d");
	check_span(text, atio_node_at(at(doc, "r.@attributes"), 2), "''");
	check_span(text, at(doc, "r.#text"), "x&amp;y");
	atio_doc_free(doc);
}

/* Elements have their place in any encoding; names only where they are found as
 * they are told. */
static void spans_in_other_encodings(void)
{
	static const char latin[] = "<?xml version='1.0' encoding='iso-8859-1'"
				    "?><r a='\xE9'>\xE9</r>";
	static const char wide[] = "\xFF\xFE<\0r\0>\0x\0<\0/\0r\0>";
	struct atio_doc *doc = load(latin);

	check_span(latin, at(doc, "r"), "<r a='\xE9'>\xE9</r>");
	check_span(latin, at(doc, "r.#text"), "\xE9");
	check_span(latin, at(doc, "r.@attributes"), "");
	check_span(latin, at(doc, "r.@attributes.a"), "");
	check_span(latin, key_at(doc, "r.@attributes", 0), "");
	atio_doc_free(doc);
	CHECK_INT(load_within(wide, sizeof(wide), NULL, &doc), 0);
	NEED(doc);
	CHECK_INT(atio_node_span(at(doc, "r")).offset, 2);
	CHECK_INT(atio_node_span(at(doc, "r")).length, 16);
	check_span(wide, key_at(doc, "", 0), "");
	atio_doc_free(doc);
}

/* ---- traits, codes --------------------------------------------------- */

static void traits(void)
{
	check_traits("<a/>", 0);
	check_traits("<?xml version='1.0'?><a><![CDATA[<!-- -->]]></a>", 0);
	check_traits("<!-- c --><a/>", ATIO_DOC_COMMENTS);
	check_traits("<a>x<!-- c --></a>", ATIO_DOC_COMMENTS);
	check_traits("<a/><!-- c -->", ATIO_DOC_COMMENTS);
	check_traits("<?style x?><a/>", ATIO_DOC_COMMENTS);
	check_traits("\xEF\xBB\xBF<a/>", ATIO_DOC_BOM);
	check_traits("", ATIO_DOC_EMPTY);
	check_traits(" \n\t\r", ATIO_DOC_EMPTY);
	check_traits("\xEF\xBB\xBF\n", ATIO_DOC_EMPTY | ATIO_DOC_BOM);
	check_traits("\xFF\xFE", ATIO_DOC_EMPTY | ATIO_DOC_BOM);
}

static void codes(void)
{
	static const char bom[] = "\xEF\xBB\xBF<a b='1' b='2'/>";
	static const char lone[] = "\xFF\xFE<\0a\0>\0\0\xDC";
	static const char wide[] = "\xFF\xFE<\0a\0>\0&\0;";

	check_code("<a><b></a>", 10, EINVAL, 8);
	check_code("<!-- -->", 8, EINVAL, 8);
	check_code("<a b='1' b='2'/>", 16, EEXIST, 9);
	check_code(bom, strlen(bom), EEXIST, 12);
	check_code("<a>\xFF</a>", 8, EILSEQ, 3);
	check_code("<a>\0</a>", 8, EINVAL, 3);
	check_code("<a>x<b/></a>", 12, EOPNOTSUPP, 4);
	check_code("<a><b/> x</a>", 13, EOPNOTSUPP, 8);
	check_code(" <!DOCTYPE a><a/>", 17, EOPNOTSUPP, 1);
	check_code("<?xml version='1.0' encoding='x'?><a/>", 38, EOPNOTSUPP,
		   30);
	check_code(lone, sizeof(lone) - 1, EILSEQ, 8);
	check_code(wide, sizeof(wide), EINVAL, 10);
	CHECK_INT(error.line, 1);
	CHECK_INT(error.column, 5);
}

/* ---- limits ---------------------------------------------------------- */

static void limits_of_depth(void)
{
	static const char two[] = "nested deeper than 2 levels";
	static const char three[] = "nested deeper than 3 levels";
	static const char four[] = "nested deeper than 4 levels";
	static const char latin[] = "<?xml version='1.0' encoding='iso-8859-1'"
				    "?><a><b/><b c='1'/></a>";
	struct atio_doc *doc;

	check_limit("<a><b><c/></b></a>", LIMIT(depth, 3), LIMIT(depth, 2),
		    1, 7, two);
	check_limit("<a><b c='1'/></a>", LIMIT(depth, 4), LIMIT(depth, 3), 1, 4,
		    three);
	/* A list is a level, and its first member was there before it. */
	check_limit("<a>\n<b/><b/></a>", LIMIT(depth, 3), LIMIT(depth, 2), 2, 1,
		    two);
	check_limit("<a><b><c/></b><b/></a>", LIMIT(depth, 4), LIMIT(depth, 3),
		    1, 4, three);
	check_limit("<a><b/><b c='1'/></a>", LIMIT(depth, 5), LIMIT(depth, 4),
		    1, 11, four);
	/* Where attributes are is not known; where their element is, is. */
	CHECK_INT(load_within(latin, strlen(latin), LIMIT(depth, 4), &doc),
		  -EFBIG);
	CHECK_INT(error.offset, strlen(latin) - strlen("<b c='1'/></a>"));
}

static void limits_of_size(void)
{
	/* root map, a, its map, b, list, "", "x", map, @attributes, map, c,
	 * "1", #text, "y" */
	check_limit("<a><b/><b>x</b><b c='1'>y</b></a>", LIMIT(nodes, 14),
		    LIMIT(nodes, 13), 1, 1, "more than 13 values");
	check_limit("<a>x</a>", LIMIT(nodes, 3), LIMIT(nodes, 2), 1, 1,
		    "more than 2 values");
	check_limit("<a>12&#51;45</a>", LIMIT(scalar_bytes, 5),
		    LIMIT(scalar_bytes, 4), 1, 4, "a text of more than 4 bytes");
	check_limit("<a b='12&#51;'/>", LIMIT(scalar_bytes, 3),
		    LIMIT(scalar_bytes, 2), 1, 4,
		    "an attribute of more than 2 bytes");
	check_limit("<a>\n</a>", LIMIT(scalar_bytes, 1),
		    LIMIT(input_bytes, 7), 0, 0, "larger than 7 bytes of input");
	check_limit("<a><bcd/></a>", LIMIT(key_bytes, 3), LIMIT(key_bytes, 2),
		    1, 4, "a name of more than 2 bytes");
	check_limit("<a b='1' cde='2'/>", LIMIT(key_bytes, 3),
		    LIMIT(key_bytes, 2), 1, 10, "a name of more than 2 bytes");
}

/* Blanks between elements are no text, however many they are. */
static void blanks_are_no_text(void)
{
	struct atio_doc *doc;

	CHECK_INT(load_within("<a>          <b/>          </a>", 31,
			      LIMIT(scalar_bytes, 4), &doc), 0);
	atio_doc_free(doc);
	CHECK_INT(load_within("<a>     </a>", 12, LIMIT(scalar_bytes, 4), &doc),
		  -EFBIG);
}

/* ---- deep trees ------------------------------------------------------ */

static void deep(void)
{
	static const struct pile elements = {"", "<a>", "", "</a>", 10000, 0};
	static const struct pile deeper = {"", "<a>", "", "</a>", 10001,
					   -EFBIG};
	static const struct pile attributes = {"",     "<a x='@'>", "",
					       "</a>", 9998,        0};
	static const struct pile too_deep = {"",     "<a x='@'>", "",
					     "</a>", 9999,        -EFBIG};
	static const struct pile lists = {"", "<a><b/>", "", "<b/></a>", 9998,
					  0};
	static const struct pile more = {"", "<a><b/>", "", "<b/></a>", 9999,
					 -EFBIG};

	check_pile(&elements, LIMIT(depth, 10000), SECONDS);
	check_pile(&deeper, LIMIT(depth, 10000), SECONDS);
	check_pile(&attributes, LIMIT(depth, 10000), SECONDS);
	check_pile(&too_deep, LIMIT(depth, 10000), SECONDS);
	check_pile(&lists, LIMIT(depth, 10000), SECONDS);
	check_pile(&more, LIMIT(depth, 10000), SECONDS);
}

/* ---- documents made to be slow --------------------------------------- */

static const struct pile piles[] = {
	{"", "<a>", "", "", 100000, -EFBIG},
	{"", "<a>", "", "</a>", 100000, -EFBIG},
	{"<r>", "<a/>", "</r>", "", 999995, 0},
	{"<r>", "<a/>", "</r>", "", 999996, -EFBIG},
	{"<r>", "<a/><b/>", "</r>", "", 490000, 0},
	{"<r>", "<a@/>", "</r>", "", 1000000, -EFBIG},
	{"<r>", "<a@/><b/>", "</r>", "", 200000, 0},
	{"<r ", "a@='' ", "/>", "", 200000, 0},
	{"<r ", "a@='' ", "/>", "", 1300000, -EFBIG},
	{"<r ", "a='' ", "/>", "", 3000000, -EEXIST},
	{"<r>", "x", "</r>", "", 16000000, 0},
	{"<r>", "\n", "</r>", "", 16000000, 0},
	{"<r>", "&lt;", "</r>", "", 4000000, 0},
	{"<r a='", "&lt;", "'/>", "", 4000000, 0},
	{"<r a='", "x", "'/>", "", 16000000, 0},
	{"<", "x", "/>", "", 65536, 0},
	{"<", "x", "/>", "", 65537, -EFBIG},
	{"<", "x", "/>", "", 16000000, -EFBIG},
	{"<r>", "<!---->", "</r>", "", 2000000, 0},
	{"<r>", "<?p?>", "</r>", "", 3000000, 0},
	{"<r>", "<![CDATA[]]>", "</r>", "", 1300000, 0},
	{"", "<", "", "", 16000000, -EINVAL},
	{"<a ", " ", "", "", 16000000, -EINVAL},
	{"<a b='", "<", "", "", 16000000, -EINVAL},
	{"<r>", "&", "", "", 16000000, -EINVAL},
	{"<r>&", "x", ";</r>", "", 16000000, -EINVAL},
	{"<!DOCTYPE l [", "<!ENTITY a@ '&b;&b;&b;'>", "]><l/>", "", 500000,
	 -EOPNOTSUPP},
};

static void hostile(void)
{
	for (size_t i = 0; i < sizeof(piles) / sizeof(*piles); i++)
		check_pile(&piles[i], NULL, SECONDS);
	check_memory(256 * MEBI);
}

int main(void)
{
	spans_of_elements();
	spans_of_attributes();
	spans_in_other_encodings();
	traits();
	codes();
	limits_of_depth();
	limits_of_size();
	blanks_are_no_text();
	deep();
	hostile();
	return check_result();
}
