/* SPDX-License-Identifier: MIT
 *
 * xml.c - XML 1.0, read by expat.
 *
 * The root element is the only key of the document's map; xml_tree.c says what
 * elements, attributes and text become.  Names are kept with their prefixes,
 * and xmlns attributes are attributes.
 *
 * A DOCTYPE is refused as soon as it begins: what it says has no place in a
 * tree, and entities that it declares can be as large as they like or stand for
 * other files.  Comments and processing instructions are passed over, and the
 * document says so (ATIO_DOC_COMMENTS).  CDATA is text.
 *
 * UTF-8, UTF-16, ISO-8859-1 and US-ASCII are read, and UTF-8 is written.
 * Positions and spans are those of the bytes as they are; in UTF-16 and
 * ISO-8859-1 those of names and attributes are not known.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "format/xml.h"

#define CHUNK ((size_t)1 << 30) /* expat counts with an int */

/* ---- memory ---------------------------------------------------------- */

/* What expat may take: it counts a tag's attributes only when it has them all,
 * which can be twelve times the tag.  Its allocator knows no parser, so the
 * account is that of the thread. */
struct memory {
	size_t used, most;
	bool exceeded;
};

static _Thread_local struct memory *account;

/* As long as it pays for all that the limits allow: text and names, and for
 * each name with its value what expat has of it in its tables. */
static size_t most_memory(const struct atio_limits *limits, size_t len)
{
	size_t names = (limits->nodes < len ? limits->nodes : len) / 2;

	return ((size_t)16 << 20) + 3 * len + 128 * names;
}

static bool can_pay(size_t size)
{
	if (size <= account->most && account->used <= account->most - size)
		return true;
	account->exceeded = true;
	return false;
}

static void *memory_get(size_t size)
{
	void *bytes = can_pay(size) ? malloc(size) : NULL;

	account->used += malloc_usable_size(bytes);
	return bytes;
}

static void *memory_resize(void *bytes, size_t size)
{
	size_t before = malloc_usable_size(bytes);
	void *larger = can_pay(size) ? realloc(bytes, size) : NULL;

	if (larger)
		account->used += malloc_usable_size(larger) - before;
	return larger;
}

static void memory_free(void *bytes)
{
	account->used -= malloc_usable_size(bytes);
	free(bytes);
}

static const XML_Memory_Handling_Suite suite = {
	.malloc_fcn = memory_get,
	.realloc_fcn = memory_resize,
	.free_fcn = memory_free,
};

/* ---- encodings ------------------------------------------------------- */

/* Read as expat does. */
static bool is_utf16(const char *text, size_t len)
{
	if (len < 2)
		return false;
	return !text[0] || !text[1] || memcmp(text, "\xFE\xFF", 2) == 0 ||
	       memcmp(text, "\xFF\xFE", 2) == 0;
}

static unsigned unit_at(const char *text, size_t at, bool big)
{
	const unsigned char *s = (const unsigned char *)text + at;

	return big ? (unsigned)s[0] << 8 | s[1] : (unsigned)s[1] << 8 | s[0];
}

/* Of how many bytes the character at @at is; 0: it is none.  Expat does not
 * look at the second half of a pair. */
static size_t utf16_length(const struct atio_xml_reader *x, size_t at, bool big)
{
	unsigned unit;

	if (x->len - at < 2)
		return 0;
	unit = unit_at(x->text, at, big);
	if (unit < 0xD800 || unit > 0xDFFF)
		return 2;
	if (unit > 0xDBFF || x->len - at < 4)
		return 0;
	unit = unit_at(x->text, at + 2, big);
	return unit >= 0xDC00 && unit <= 0xDFFF ? 4 : 0;
}

static int check_utf16(struct atio_xml_reader *x)
{
	bool big = x->text[0] == '\xFE' || !x->text[0];
	size_t at, n, line = 1, column = 1;
	unsigned unit;

	for (at = 0; at < x->len; at += n) {
		n = utf16_length(x, at, big);
		if (!n)
			break;
		unit = unit_at(x->text, at, big);
		if (unit == '\n') {
			line++;
			column = 1;
		} else if (at || unit != 0xFEFF) {
			column++;
		}
	}
	if (at == x->len)
		return 0;
	(void)atio_build_fail(x->b, EILSEQ, at, "this is not UTF-16");
	x->b->error.line = line;
	x->b->error.column = column;
	return x->b->failed;
}

/* Take the BOM away, or see that it is UTF-16. */
static int begin_encoding(struct atio_xml_reader *x)
{
	struct atio_builder *b = x->b;

	if (is_utf16(x->text, x->len)) {
		x->utf8 = false;
		if (x->text[0] && x->text[1])
			b->doc->traits |= ATIO_DOC_BOM;
		return check_utf16(x);
	}
	if (x->len < 3 || memcmp(x->text, "\xEF\xBB\xBF", 3) != 0)
		return 0;
	b->doc->traits |= ATIO_DOC_BOM;
	b->shift = 3;
	b->source = x->text += 3;
	b->source_len = x->len -= 3;
	return 0;
}

static int declared_encoding(struct atio_xml_reader *x, const char *name)
{
	size_t offset = atio_xml_offset(x);

	if (strcasecmp(name, "UTF-8") == 0)
		return 0;
	if (x->b->shift)
		return atio_build_fail(x->b, EILSEQ, offset,
				       "the document begins as UTF-8, but "
				       "declares another encoding");
	if (strcasecmp(name, "US-ASCII") == 0)
		x->ascii = true;
	else
		x->utf8 = false;
	return 0;
}

/* ---- what is around the elements ------------------------------------- */

/* XML 1.0, 5th edition, 2.8: any 1.x is read as 1.0 is. */
static bool known_version(const char *version)
{
	return strncmp(version, "1.", 2) == 0 && version[2] &&
	       !version[2 + strspn(version + 2, "0123456789")];
}

static void XMLCALL on_declaration(void *data, const XML_Char *version,
				   const XML_Char *encoding, int standalone)
{
	struct atio_xml_reader *x = data;
	int r = 0;

	x->prolog = true;
	if (version && !known_version(version))
		r = atio_build_fail(x->b, EINVAL, atio_xml_offset(x),
				    "XML of version '%.20s' is not known",
				    version);
	else if (encoding)
		r = declared_encoding(x, encoding);
	atio_xml_check(x, r);
}

static void XMLCALL on_comment(void *data, const XML_Char *text)
{
	struct atio_xml_reader *x = data;

	x->prolog = true;
	x->b->doc->traits |= ATIO_DOC_COMMENTS;
}

static void XMLCALL on_instruction(void *data, const XML_Char *target,
				   const XML_Char *text)
{
	on_comment(data, text);
}

/* A handler for the DOCTYPE itself would be called only at its end; this one is
 * told its first word. */
static void XMLCALL on_other(void *data, const XML_Char *text, int len)
{
	static const char doctype[] = "<!DOCTYPE";
	struct atio_xml_reader *x = data;

	if ((size_t)len < strlen(doctype) ||
	    memcmp(text, doctype, strlen(doctype)) != 0)
		return;
	(void)atio_build_fail(x->b, EOPNOTSUPP, atio_xml_offset(x),
			      "DOCTYPE is not allowed");
	atio_xml_check(x, x->b->failed);
}

/* ---- reading --------------------------------------------------------- */

static enum XML_Status feed(struct atio_xml_reader *x)
{
	enum XML_Status status = XML_STATUS_OK;
	size_t at = 0, n;
	bool last = false;

	while (status == XML_STATUS_OK && !last) {
		n = x->len - at < CHUNK ? x->len - at : CHUNK;
		last = at + n == x->len;
		status = XML_Parse(x->parser, x->text + at, (int)n, last);
		at += n;
	}
	return status;
}

static int explain(struct atio_xml_reader *x)
{
	enum XML_Error error = XML_GetErrorCode(x->parser);

	if (error == XML_ERROR_NO_ELEMENTS && !x->prolog && !x->depth)
		return 0; /* nothing but blanks */
	if (x->b->failed)
		return x->b->failed;
	if (error == XML_ERROR_NO_MEMORY && account->exceeded)
		(void)atio_build_fail(x->b, EFBIG, atio_xml_offset(x),
				      "more names than the limits allow");
	return atio_xml_explain(x); /* the first cause stays */
}

static int parse(struct atio_xml_reader *x)
{
	int r;

	atio_xml_tree_init(x);
	XML_SetXmlDeclHandler(x->parser, on_declaration);
	XML_SetCommentHandler(x->parser, on_comment);
	XML_SetProcessingInstructionHandler(x->parser, on_instruction);
	XML_SetDefaultHandler(x->parser, on_other);
	if (feed(x) != XML_STATUS_OK)
		return explain(x);
	r = atio_xml_tree_finish(x);
	if (r < 0 && !x->utf8) /* the parser is no longer there */
		x->b->error.line = x->b->error.column = 0;
	return r;
}

static int xml_load(const struct atio_codec *codec, struct atio_builder *b,
		    const char *text, size_t len)
{
	struct memory memory = {.most = most_memory(&b->limits, len)};
	struct atio_xml_reader x = {
		.b = b,
		.text = text,
		.len = len,
		.utf8 = true,
	};
	int r = begin_encoding(&x);

	if (r < 0)
		return r;
	account = &memory;
	x.parser = XML_ParserCreate_MM(NULL, &suite, NULL);
	if (x.parser)
		r = parse(&x);
	else
		r = atio_build_fail(b, ENOMEM, 0, "out of memory");
	if (x.parser)
		XML_ParserFree(x.parser);
	account = NULL;
	atio_xml_tree_done(&x);
	return r;
}

static const char *const suffixes[] = {".xml", NULL};

const struct atio_codec atio_codec_xml = {
	.name = "xml",
	.suffixes = suffixes,
	.target = ATIO_TO_XML,
	.load = xml_load,
	.dump = atio_xml_dump,
	.raw = true,
	.needs_value = true,
};
