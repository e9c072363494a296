/* SPDX-License-Identifier: MIT
 *
 * xml_error.c - what expat found to be wrong, in words that help.
 */
#include <errno.h>
#include <string.h>

#include "format/xml.h"

/* What is wrong together with the two characters before it. */
static const char *wrong_here(const struct atio_xml_reader *x, size_t offset)
{
	const char *at = x->text + offset - 2;

	if (offset < 2 || offset >= x->len)
		return NULL;
	if (memcmp(at, "]]>", 3) == 0)
		return "']]>' cannot stand in a text";
	if (memcmp(at, "--", 2) == 0)
		return "'--' cannot stand within a comment";
	return NULL;
}

/* A character that cannot stand where it does, or bytes that are none. */
static int wrong_character(struct atio_xml_reader *x, size_t offset)
{
	unsigned char byte =
		offset < x->len ? (unsigned char)x->text[offset] : 0;
	size_t left = x->len - offset, n;
	const char *why = wrong_here(x, offset);

	if (!x->utf8)
		return atio_build_fail(x->b, EINVAL, offset,
				       "a character that cannot stand here");
	if (x->ascii && byte >= 0x80)
		return atio_build_fail(x->b, EILSEQ, offset,
				       "byte 0x%02X is not US-ASCII", byte);
	if (!atio_utf8_check(x->text + offset, left < 4 ? left : 4))
		return atio_build_fail(x->b, EILSEQ, offset,
				       "byte 0x%02X is not UTF-8", byte);
	if (why)
		return atio_build_fail(x->b, EINVAL, offset, "%s", why);
	if (byte > ' ' && byte < 0x7F)
		return atio_build_fail(x->b, EINVAL, offset,
				       "'%c' cannot stand here", byte);
	return atio_build_fail(x->b, EINVAL, offset,
			       "the character U+%04X cannot stand here",
			       (unsigned)atio_utf8_get(x->text + offset, &n));
}

/* Whether "&name;" at @text is one of those that XML itself has. */
static bool is_known(const char *text, size_t len)
{
	static const char *const known[] = {"&#",    "&lt;",   "&gt;",
					    "&amp;", "&apos;", "&quot;"};
	size_t i, n;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		n = strlen(known[i]);
		if (len >= n && memcmp(text, known[i], n) == 0)
			return true;
	}
	return false;
}

/* Of an entity in an attribute, expat says only in which tag it is. */
static size_t find_entity(const struct atio_xml_reader *x, size_t offset)
{
	size_t at;

	for (at = offset; at < x->len; at++)
		if (x->text[at] == '&' && !is_known(x->text + at, x->len - at))
			return at;
	return offset;
}

/* "&name;" at @offset */
static int unknown_entity(struct atio_xml_reader *x, size_t offset)
{
	const char *name;
	size_t len = 0;

	if (x->utf8)
		offset = find_entity(x, offset);
	name = x->text + offset + 1;
	while (x->utf8 && len < NAME_MOST && name[len] != ';')
		len++;
	len = atio_utf8_check(name, len);
	return atio_build_fail(x->b, EINVAL, offset,
			       "the entity '%.*s' is not known; lt, gt, amp, "
			       "apos and quot are",
			       (int)len, name);
}

static int too_short(struct atio_xml_reader *x, size_t offset)
{
	int len;
	const char *name = atio_xml_open_name(x, &len);

	if (name)
		return atio_build_fail(x->b, EINVAL, offset,
				       "the document ends within '%.*s'", len,
				       name);
	return atio_build_fail(x->b, EINVAL, offset,
			       "the document has no root element");
}

static int mismatch(struct atio_xml_reader *x, size_t offset)
{
	int len;
	const char *name = atio_xml_open_name(x, &len);

	return atio_build_fail(x->b, EINVAL, offset,
			       "this does not close '%.*s', which is open", len,
			       name ? name : "");
}

/* The rest needs no more than a text. */
static const struct {
	enum XML_Error error;
	int code;
	const char *text;
} reasons[] = {
	{XML_ERROR_NO_MEMORY, ENOMEM, "out of memory"},
	{XML_ERROR_SYNTAX, EINVAL, "this cannot stand here"},
	{XML_ERROR_UNCLOSED_TOKEN, EINVAL, "this is never closed"},
	{XML_ERROR_PARTIAL_CHAR, EILSEQ,
	 "the document ends within a character"},
	{XML_ERROR_DUPLICATE_ATTRIBUTE, EEXIST,
	 "the attribute stands twice in one tag"},
	{XML_ERROR_JUNK_AFTER_DOC_ELEMENT, EINVAL,
	 "something follows the root element"},
	{XML_ERROR_BAD_CHAR_REF, EINVAL,
	 "a reference to a character that XML does not have"},
	{XML_ERROR_MISPLACED_XML_PI, EINVAL,
	 "the XML declaration can only stand at the very beginning"},
	{XML_ERROR_XML_DECL, EINVAL, "the XML declaration is not right"},
	{XML_ERROR_UNCLOSED_CDATA_SECTION, EINVAL,
	 "the CDATA section is never closed"},
	{XML_ERROR_UNKNOWN_ENCODING, EOPNOTSUPP,
	 "only UTF-8, UTF-16, ISO-8859-1 and US-ASCII are supported"},
	{XML_ERROR_INCORRECT_ENCODING, EILSEQ,
	 "the document is not in the encoding that it declares"},
};

/* Lines and columns are counted in the source, if that is UTF-8. */
void atio_xml_correct_position(struct atio_xml_reader *x)
{
	struct atio_value_error *err = &x->b->error;
	size_t bom = x->b->doc->traits & ATIO_DOC_BOM ? 1 : 0;

	if (x->utf8)
		return;
	err->line = XML_GetCurrentLineNumber(x->parser);
	err->column = XML_GetCurrentColumnNumber(x->parser) + 1;
	if (err->line == 1 && err->column > 1)
		err->column -= bom;
}

static int explain(struct atio_xml_reader *x)
{
	enum XML_Error error = XML_GetErrorCode(x->parser);
	size_t i, offset = atio_xml_offset(x);

	switch (error) {
	case XML_ERROR_INVALID_TOKEN:
		return wrong_character(x, offset);
	case XML_ERROR_UNDEFINED_ENTITY:
		return unknown_entity(x, offset);
	case XML_ERROR_NO_ELEMENTS:
		return too_short(x, x->len);
	case XML_ERROR_TAG_MISMATCH:
		return mismatch(x, offset);
	default:
		break;
	}
	for (i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].error == error)
			return atio_build_fail(x->b, reasons[i].code, offset,
					       "%s", reasons[i].text);
	return atio_build_fail(x->b, EINVAL, offset, "%s",
			       XML_ErrorString(error));
}

int atio_xml_explain(struct atio_xml_reader *x)
{
	int r = explain(x);

	atio_xml_correct_position(x);
	return r;
}
