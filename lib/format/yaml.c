/* SPDX-License-Identifier: MIT
 *
 * yaml.c - the YAML codec: 1.2, core schema.  Read through the events of
 * libyaml, which is of YAML 1.1; written by ourselves.
 *
 * What of 1.2 libyaml gets wrong and is put right around it:
 *
 *	U+0085, U+2028, U+2029 end no lines         yaml_source.c
 *	DEL, C1 controls, U+FFFE within quotes      yaml_source.c
 *	a BOM before each document, in quotes only
 *	elsewhere                                   yaml_source.c, yaml_gap.c
 *	%YAML 1.3, unknown directives, `...` first,
 *	`...` and a document without `---`          yaml_gap.c
 *	a # without a blank before it, text after
 *	`...`, directives without `...` before them yaml_gap.c, yaml_load.c
 *	`&a:b c` is not the anchor a and `:b c`,
 *	[?a] is not [? a]: refused                  yaml_gap.c
 *	types, base 8, sexagesimals, dates          yaml_scalar.c
 *
 * What is meant otherwise than 1.2 has it:
 *
 *	012, -007: strings, since 1.1 has 10 for the
 *	first; an integer is `!!int 012`             yaml_scalar.c
 *
 * What is valid, but refused:
 *
 *	keys that are nothing                       : a, {: a}, - :
 *	a colon at a bracket, a comma               {a:}, [a:]
 *	a colon on a later line than its key        {a LF : b}
 *	a colon at the begin of a word in brackets  [:a], {"a"::b}
 *	names of anchors beyond letters, digits, _- &a/b, &\u00E4
 *	tabs after - ? or an indentation, on blank
 *	lines and before comments                   - TAB a, a: 1 LF TAB LF b: 2
 *	a block scalar at the root that is not
 *	indented                                    --- | LF a
 *	surrogates as two escapes                   "\uD83D\uDE00"
 *
 * What is not valid, but taken, because libyaml does, and so does everybody:
 *
 *	[-] as a list of one "-"
 *	lines of quotes and brackets that are indented less than what is
 *	around them
 *	`*a :b` in brackets as a pair
 */
#include "format/yaml.h"

static const char *const suffixes[] = {".yaml", ".yml", NULL};

const struct atio_codec atio_codec_yaml = {
	.name = "yaml",
	.suffixes = suffixes,
	.target = ATIO_TO_YAML,
	.load = atio_yaml_load,
	.dump = atio_yaml_dump,
};
