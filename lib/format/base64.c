/* SPDX-License-Identifier: MIT
 *
 * base64.c - bytes as text (RFC 4648, with padding, the usual alphabet).
 */
#include <errno.h>

#include "format/codec.h"

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t atio_base64_text(const void *bytes, size_t len, char *text)
{
	const unsigned char *s = bytes, *end = s + len;
	char *out = text;
	uint32_t three;

	for (; end - s >= 3; s += 3) {
		three = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];
		*out++ = alphabet[three >> 18];
		*out++ = alphabet[three >> 12 & 63];
		*out++ = alphabet[three >> 6 & 63];
		*out++ = alphabet[three & 63];
	}
	if (s < end) {
		three = (uint32_t)s[0] << 16;
		if (end - s == 2)
			three |= (uint32_t)s[1] << 8;
		*out++ = alphabet[three >> 18];
		*out++ = alphabet[three >> 12 & 63];
		*out++ = end - s == 2 ? alphabet[three >> 6 & 63] : '=';
		*out++ = '=';
	}
	return (size_t)(out - text);
}

/* -1: not of the alphabet. */
static int value_of(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next character that is no blank, or -1: the end. */
static int next(const char **s, const char *end)
{
	while (*s < end && is_blank(**s))
		(*s)++;
	return *s < end ? (unsigned char)*(*s)++ : -1;
}

/* The last group: two or three characters, then padding up to four, and
 * nothing behind it.  Bits that no byte takes are 0: one content, one text. */
static long last_group(const char *s, const char *end, uint32_t bits, int have,
		       unsigned char *out)
{
	int pad = 1; /* one was read */

	while (have + pad < 4 && next(&s, end) == '=')
		pad++;
	if (have < 2 || have + pad < 4 || next(&s, end) >= 0)
		return -EINVAL;
	if (have == 2) {
		out[0] = (unsigned char)(bits >> 4);
		return bits & 0xF ? -EINVAL : 1;
	}
	out[0] = (unsigned char)(bits >> 10);
	out[1] = (unsigned char)(bits >> 2);
	return bits & 3 ? -EINVAL : 2;
}

long atio_base64_bytes(const char *text, size_t len, void *bytes)
{
	const char *s = text, *end = text + len;
	unsigned char *out = bytes;
	uint32_t bits = 0;
	int have = 0, value, c;
	long more;

	while ((c = next(&s, end)) >= 0) {
		if (c == '=') {
			more = last_group(s, end, bits, have, out);
			if (more < 0)
				return more;
			return out - (unsigned char *)bytes + more;
		}
		value = value_of(c);
		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		if (++have < 4)
			continue;
		*out++ = (unsigned char)(bits >> 16);
		*out++ = (unsigned char)(bits >> 8);
		*out++ = (unsigned char)bits;
		bits = 0;
		have = 0;
	}
	if (have)
		return -EINVAL;
	return out - (unsigned char *)bytes;
}
