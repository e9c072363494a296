/* SPDX-License-Identifier: MIT */
#include "format/toml.h"

/* Parts of the entries below. */
#define TEXT    (TOML_BASIC | TOML_LITERAL)
#define LETTER  (TOML_BARE | TOML_WORD | TEXT)
#define DECIMAL (LETTER | TOML_DIGIT | TOML_HEX)
#define OCTAL   (DECIMAL | TOML_OCTAL)

const uint16_t atio_toml_classes[256] = {
	[0x00 ... 0x08] = TOML_CONTROL,
	['\t'] = TEXT,
	[0x0a ... 0x1f] = TOML_CONTROL,
	[0x20 ... 0x21] = TEXT,
	['"'] = TOML_LITERAL,
	['#' ... '&'] = TEXT,
	['\''] = TOML_BASIC,
	['(' ... '*'] = TEXT,
	['+'] = TOML_WORD | TEXT,
	[','] = TEXT,
	['-'] = LETTER,
	['.'] = TOML_WORD | TEXT,
	['/'] = TEXT,
	['0' ... '1'] = OCTAL | TOML_BINARY,
	['2' ... '7'] = OCTAL,
	['8' ... '9'] = DECIMAL,
	[':'] = TOML_WORD | TEXT,
	[';' ... '@'] = TEXT,
	['A' ... 'F'] = LETTER | TOML_HEX,
	['G' ... 'Z'] = LETTER,
	['['] = TEXT,
	['\\'] = TOML_LITERAL,
	[']' ... '^'] = TEXT,
	['_'] = LETTER,
	['`'] = TEXT,
	['a' ... 'f'] = LETTER | TOML_HEX,
	['g' ... 'z'] = LETTER,
	['{' ... '~'] = TEXT,
	[0x7f] = TOML_CONTROL,
	[0x80 ... 0xff] = TEXT,
};
