/* SPDX-License-Identifier: MIT
 *
 * yaml_source.c - the text of a YAML stream as libyaml can read it.
 *
 * libyaml reads YAML 1.1, where U+0085, U+2028 and U+2029 end lines; in 1.2
 * they are characters like any other.  And it refuses DEL, the C1 controls,
 * U+FFFE and U+FFFF, which may stand in quotes since 1.2 (so that all JSON is
 * YAML).  A text with one of them is given to libyaml as a copy, in which each
 * of these is a code point of plane 16 that does not occur in the text, and
 * they are put back into the values.  One character for one: marks stay right.
 *
 * A mark of libyaml counts characters.  Marks come nearly in order, so a
 * cursor that moves from the last one to the next passes over the text once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/yaml.h"

#define BLOCK_SIZE  64u /* code points: UTF-8 that differs in the last byte */
#define PLANE       0x100000u
#define BLOCKS      1023u /* the last one has U+10FFFF: not used */
#define BLOCK_BYTES 4u
#define WORD_BYTES  8u

/* The odd characters, by their number within the block. */
enum {
	ODD_C1 = 0, /* U+0080 and the 31 that follow */
	ODD_NEL = 5,
	ODD_LINE = 32,
	ODD_PARAGRAPH,
	ODD_BOM,
	ODD_FFFE,
	ODD_FFFF,
	ODD_DEL,
};

static uint32_t odd_code(unsigned number)
{
	static const uint32_t codes[] = {0x2028, 0x2029, 0xFEFF,
					 0xFFFE, 0xFFFF, 0x7F};

	return number < ODD_LINE ? 0x80 + number : codes[number - ODD_LINE];
}

/* YAML's c-printable. */
static bool is_printable(unsigned number)
{
	return number == ODD_NEL || number == ODD_LINE ||
	       number == ODD_PARAGRAPH;
}

/* The number of the character at @s, or -1; it is well-formed UTF-8. */
static int odd_number(const unsigned char *s)
{
	switch (s[0]) {
	case 0x7F:
		return ODD_DEL;
	case 0xC2:
		return s[1] < 0xA0 ? ODD_C1 + (s[1] - 0x80) : -1;
	case 0xE2:
		if (s[1] != 0x80 || (s[2] != 0xA8 && s[2] != 0xA9))
			return -1;
		return s[2] == 0xA8 ? ODD_LINE : ODD_PARAGRAPH;
	case 0xEF:
		if (s[1] == 0xBB && s[2] == 0xBF)
			return ODD_BOM;
		if (s[1] != 0xBF || s[2] < 0xBE)
			return -1;
		return s[2] == 0xBE ? ODD_FFFE : ODD_FFFF;
	default:
		return -1;
	}
}

static size_t char_bytes(unsigned char first)
{
	if (first < 0x80)
		return 1;
	return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Whether none of the WORD_BYTES at @s is above 0x7E, and so a character by
 * itself that is not odd.  Most text is so, and is passed in such steps. */
static bool is_simple_word(const char *s)
{
	const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
	uint64_t word;

	memcpy(&word, s, WORD_BYTES);
	return !((word | (word + ones)) & tops);
}

/* ---- code points that the text does not use -------------------------- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of an escape \U00XXXXXX; 0: none. */
static uint32_t escaped_code(const char *s, const char *end)
{
	uint32_t code = 0;
	int i, digit;

	if (end - s < 10 || s[1] != 'U')
		return 0;
	for (i = 2; i < 10; i++) {
		digit = hex_value(s[i]);
		if (digit < 0)
			return 0;
		code = code << 4 | (uint32_t)digit;
	}
	return code;
}

/* 0: all are used. */
static uint32_t find_stand_in(const char *text, size_t len)
{
	unsigned char used[BLOCKS / 8 + 1] = {0};
	const char *s, *end = text + len;
	uint32_t code, block;
	size_t bytes;

	for (s = text; s < end; s++) {
		code = 0;
		if ((unsigned char)*s == 0xF4)
			code = atio_utf8_get(s, &bytes);
		else if (*s == '\\')
			code = escaped_code(s, end);
		if (code < PLANE || code >= PLANE + BLOCKS * BLOCK_SIZE)
			continue;
		block = (code - PLANE) / BLOCK_SIZE;
		used[block / 8] |= (unsigned char)(1u << block % 8);
	}
	for (block = 0; block < BLOCKS; block++)
		if (!(used[block / 8] & 1u << block % 8))
			return PLANE + block * BLOCK_SIZE;
	return 0;
}

/* ---- the text and its parts ------------------------------------------ */

void atio_yaml_source_init(struct atio_yaml_source *source, const char *text,
			   size_t len)
{
	const char *s = text, *end = text + len;
	unsigned char all = 0;

	*source = (struct atio_yaml_source){.text = text, .len = len};
	while (s < end) {
		if ((size_t)(end - s) >= WORD_BYTES && is_simple_word(s)) {
			s += WORD_BYTES;
			continue;
		}
		all |= (unsigned char)*s;
		if ((unsigned char)*s >= 0x7F && !source->odd)
			source->odd = odd_number((const unsigned char *)s) >= 0;
		s++;
	}
	source->ascii = all < 0x80;
	if (source->odd)
		source->stand_in = find_stand_in(text, len);
}

void atio_yaml_source_done(struct atio_yaml_source *source)
{
	free(source->copy);
	source->copy = NULL;
}

/* Bytes of the copy that the present part needs. */
static size_t copy_size(const struct atio_yaml_source *source)
{
	const char *s = source->text + source->begin;
	const char *end = source->text + source->end;
	size_t size = (size_t)(end - s);

	for (; source->stand_in && s < end; s++)
		if (odd_number((const unsigned char *)s) >= 0)
			size += BLOCK_BYTES;
	return size;
}

static bool is_break(char c)
{
	return c == '\n' || c == '\r';
}

/* Whether @s, on a line of directives that begins at @begin, is the % of one
 * that libyaml does not know, or knows too well (of a version that it does not
 * support).  It is given a comment in its place. */
static bool is_hidden(const char *s, const char *begin, const char *end)
{
	if (*s != '%' || (s > begin && !is_break(s[-1])))
		return false;
	return end - s < 5 || memcmp(s, "%TAG", 4) != 0 ||
	       (s[4] != ' ' && s[4] != '\t');
}

static void copy_chars(struct atio_yaml_source *source, size_t content)
{
	const char *begin = source->text + source->begin, *s = begin;
	const char *end = source->text + source->end;
	char *to = source->copy;
	size_t bytes;
	int number;

	while (s < end) {
		bytes = char_bytes((unsigned char)*s);
		number = source->stand_in ? odd_number((const unsigned char *)s)
					  : -1;
		if (number >= 0) {
			to += atio_utf8_put(source->stand_in + (uint32_t)number,
					    to);
		} else if (s < source->text + content &&
			   is_hidden(s, begin, end)) {
			*to++ = '#';
		} else {
			memcpy(to, s, bytes);
			to += bytes;
		}
		s += bytes;
	}
	source->copy_len = (size_t)(to - source->copy);
}

int atio_yaml_source_part(struct atio_yaml_source *source, size_t begin,
			  size_t content, size_t end)
{
	const char *text = source->text;
	bool hide = false;
	size_t i;

	for (i = begin; i < content && !hide; i++)
		hide = is_hidden(text + i, text + begin, text + content);
	atio_yaml_source_done(source);
	source->begin = source->byte = begin;
	source->end = end;
	source->index = 0;
	if (!hide && !source->stand_in)
		return 0;
	source->copy = malloc(copy_size(source) + 1);
	if (!source->copy)
		return -ENOMEM;
	copy_chars(source, content);
	return 0;
}

const char *atio_yaml_source_feed(const struct atio_yaml_source *source,
				  size_t *ret_len)
{
	if (source->copy) {
		*ret_len = source->copy_len;
		return source->copy;
	}
	*ret_len = source->end - source->begin;
	return source->text + source->begin;
}

/* ---- marks ----------------------------------------------------------- */

static bool begins_char(char c)
{
	return ((unsigned char)c & 0xC0) != 0x80;
}

size_t atio_yaml_source_offset(struct atio_yaml_source *source, size_t index)
{
	const char *text = source->text;
	size_t byte = source->byte, at = source->index;

	if (source->ascii)
		return index < source->end - source->begin
			       ? source->begin + index
			       : source->end;
	while (at > index) {
		while (!begins_char(text[--byte]))
			;
		at--;
	}
	while (at < index && byte < source->end) {
		if (index - at >= WORD_BYTES &&
		    source->end - byte >= WORD_BYTES &&
		    is_simple_word(text + byte)) {
			byte += WORD_BYTES;
			at += WORD_BYTES;
			continue;
		}
		byte += char_bytes((unsigned char)text[byte]);
		at++;
	}
	source->byte = byte;
	source->index = at;
	return byte;
}

size_t atio_yaml_source_fed(struct atio_yaml_source *source, size_t offset)
{
	size_t len, i, index = 0;
	const char *feed = atio_yaml_source_feed(source, &len);

	for (i = 0; i < offset && i < len; i++)
		index += begins_char(feed[i]);
	return atio_yaml_source_offset(source, index);
}

/* ---- what was stood in for ------------------------------------------- */

size_t atio_yaml_source_restore(const struct atio_yaml_source *source,
				char *value, size_t len, bool *ret_unprintable)
{
	const char *s = value, *end = value + len;
	char prefix[BLOCK_BYTES], *to = value;
	unsigned number;

	*ret_unprintable = false;
	if (!source->stand_in)
		return len;
	(void)atio_utf8_put(source->stand_in, prefix);
	while (s < end) {
		if ((size_t)(end - s) < BLOCK_BYTES ||
		    memcmp(s, prefix, BLOCK_BYTES - 1) != 0) {
			*to++ = *s++;
			continue;
		}
		number = (unsigned char)s[BLOCK_BYTES - 1] & 0x3F;
		if (!is_printable(number))
			*ret_unprintable = true;
		to += atio_utf8_put(odd_code(number), to);
		s += BLOCK_BYTES;
	}
	return (size_t)(to - value);
}

size_t atio_yaml_source_unprintable(const struct atio_yaml_source *source,
				    size_t begin, size_t end)
{
	const unsigned char *text = (const unsigned char *)source->text;
	int number;

	for (; source->odd && begin < end; begin++) {
		number = odd_number(text + begin);
		if (number >= 0 && !is_printable((unsigned)number))
			return begin;
	}
	return end;
}
