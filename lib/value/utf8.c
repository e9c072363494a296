/* SPDX-License-Identifier: MIT
 *
 * utf8.c - UTF-8 as of RFC 3629, and where in a text a byte stands.
 */
#include <string.h>

#include "value/inside.h"

#define HIGH_BITS 0x8080808080808080ull

/* Bytes of the well-formed sequence at @s, or 0. */
static size_t sequence(const unsigned char *s, size_t len)
{
	unsigned char low = 0x80, high = 0xBF;
	size_t need, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 0;
	need = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
	if (len < need)
		return 0;
	if (s[0] == 0xE0)
		low = 0xA0; /* else overlong */
	else if (s[0] == 0xED)
		high = 0x9F; /* surrogates */
	else if (s[0] == 0xF0)
		low = 0x90; /* overlong */
	else if (s[0] == 0xF4)
		high = 0x8F; /* beyond U+10FFFF */
	if (s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < need; i++)
		if (s[i] < 0x80 || s[i] > 0xBF)
			return 0;
	return need;
}

size_t atio_utf8_check(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t i = 0, n;
	uint64_t word;

	while (i < len) {
		if (len - i >= sizeof(word)) {
			memcpy(&word, s + i, sizeof(word));
			if (!(word & HIGH_BITS)) {
				i += sizeof(word);
				continue;
			}
		}
		n = sequence(s + i, len - i);
		if (!n)
			break;
		i += n;
	}
	return i;
}

uint32_t atio_utf8_get(const char *text, size_t *ret_len)
{
	const unsigned char *s = (const unsigned char *)text;

	if (s[0] < 0x80) {
		*ret_len = 1;
		return s[0];
	}
	if (s[0] < 0xE0) {
		*ret_len = 2;
		return (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
	}
	if (s[0] < 0xF0) {
		*ret_len = 3;
		return (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 |
		       (s[2] & 0x3Fu);
	}
	*ret_len = 4;
	return (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 |
	       (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
}

size_t atio_utf8_put(uint32_t code, char *text)
{
	unsigned char *s = (unsigned char *)text;

	if (code < 0x80) {
		s[0] = (unsigned char)code;
		return 1;
	}
	if (code < 0x800) {
		s[0] = (unsigned char)(0xC0 | code >> 6);
		s[1] = (unsigned char)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		s[0] = (unsigned char)(0xE0 | code >> 12);
		s[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
		s[2] = (unsigned char)(0x80 | (code & 0x3F));
		return 3;
	}
	s[0] = (unsigned char)(0xF0 | code >> 18);
	s[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
	s[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
	s[3] = (unsigned char)(0x80 | (code & 0x3F));
	return 4;
}

void atio_text_position(const char *text, size_t len, size_t offset,
			size_t *ret_line, size_t *ret_column)
{
	size_t i, line = 1, column = 1;

	if (offset > len)
		offset = len;
	for (i = 0; i < offset; i++) {
		if (text[i] == '\n' ||
		    (text[i] == '\r' &&
		     !(i + 1 < len && text[i + 1] == '\n'))) {
			line++;
			column = 1;
		} else if (((unsigned char)text[i] & 0xC0) != 0x80) {
			column++; /* not within a character */
		}
	}
	*ret_line = line;
	*ret_column = column;
}
