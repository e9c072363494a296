/* SPDX-License-Identifier: MIT
 *
 * test_value_convert.c - what each format can hold: the table of conversions,
 * cell by cell.
 */
#include "value_text.h"

#define TARGETS (ATIO_TO_TYPED + 1)

static const char *const target_names[TARGETS] = {
	"JSON", "YAML", "TOML", "CSV", "XML", "TXT", "TYPED",
};

/* What becomes of the value, in each target.  "=": the same root, without a
 * copy.  Otherwise the text of the value, or an error: "E", "ERANGE"..., with
 * the pointer behind it unless that is the one of the row. */
struct row {
	const char *name, *value;
	/* Where the value is put: as it is; in [{'k': V}] for CSV, {'r': V} for
	 * XML, {'k': V} for TOML. */
	const char *becomes[TARGETS];
};

static const struct row scalars[] = {
	/* name, value, JSON, YAML, TOML, CSV, XML, TXT, TYPED */
	{"null", "null", {"=", "=", "E", "''", "E", "''", "="}},
	{"true", "true", {"=", "=", "=", "'true'", "'true'", "'true'", "="}},
	{"false",
	 "false",
	 {"=", "=", "=", "'false'", "'false'", "'false'", "="}},
	{"int", "-12", {"=", "=", "=", "'-12'", "'-12'", "'-12'", "="}},
	{"int, hexadecimal",
	 "31~0x1F",
	 {"=", "=", "=", "'31'", "'31'", "'31'", "="}},
	{"minus zero", "0~-0", {"=", "=", "=", "'-0'", "'-0'", "'-0'", "="}},
	{"largest",
	 "9223372036854775807",
	 {"=", "=", "=", "'9223372036854775807'", "'9223372036854775807'",
	  "'9223372036854775807'", "="}},
	{"bigint",
	 "9223372036854775808",
	 {"=", "=", "ERANGE", "'9223372036854775808'", "'9223372036854775808'",
	  "'9223372036854775808'", "="}},
	{"bigint, grouped",
	 "9223372036854775808~9_223_372_036_854_775_808",
	 {"=", "=", "ERANGE", "'9223372036854775808'", "'9223372036854775808'",
	  "'9223372036854775808'", "="}},
	{"float", "0.1", {"=", "=", "=", "'0.1'", "'0.1'", "'0.1'", "="}},
	{"float as written",
	 "100.0~1e2",
	 {"=", "=", "=", "'1e2'", "'1e2'", "'1e2'", "="}},
	{"float, not of JSON",
	 "0.5~.5",
	 {"=", "=", "=", "'0.5'", "'0.5'", "'0.5'", "="}},
	{"inf", "inf", {"E", "=", "=", "'inf'", "'inf'", "'inf'", "="}},
	{"-inf", "-inf", {"E", "=", "=", "'-inf'", "'-inf'", "'-inf'", "="}},
	{"nan", "nan", {"E", "=", "=", "'nan'", "'nan'", "'nan'", "="}},
	{"string", "'a'", {"=", "=", "=", "=", "=", "=", "="}},
	{"empty string", "''", {"=", "=", "=", "=", "=", "=", "="}},
	{"string with NUL", "'a\\0b'", {"=", "=", "=", "E", "E", "=", "="}},
	{"control character", "'\\x01'", {"=", "=", "=", "=", "E", "=", "="}},
	{"escape", "'a\\x1B'", {"=", "=", "=", "=", "E", "=", "="}},
	{"blanks that XML has",
	 "'\\x09\\n\\x0D'",
	 {"=", "=", "=", "=", "=", "=", "="}},
	{"U+FFFE", "'\xEF\xBF\xBE'", {"=", "=", "=", "=", "E", "=", "="}},
	{"U+FFFD", "'\xEF\xBF\xBD'", {"=", "=", "=", "=", "=", "=", "="}},
	{"bytes",
	 "b'\\xFF\\0'",
	 {"'/wA='", "=", "'/wA='", "'/wA='", "'/wA='", "'/wA='", "="}},
	{"no bytes", "b''", {"''", "=", "''", "''", "''", "''", "="}},
	{"datetime",
	 "@1979-05-27T07:32:00Z",
	 {"'1979-05-27T07:32:00Z'", "=", "=", "'1979-05-27T07:32:00Z'",
	  "'1979-05-27T07:32:00Z'", "'1979-05-27T07:32:00Z'", "="}},
	{"datetime in small letters",
	 "@1979-05-27t07:32:00z",
	 {"'1979-05-27T07:32:00Z'", "=", "=", "'1979-05-27T07:32:00Z'",
	  "'1979-05-27T07:32:00Z'", "'1979-05-27T07:32:00Z'", "="}},
	{"local date",
	 "@1979-05-27",
	 {"'1979-05-27'", "=", "=", "'1979-05-27'", "'1979-05-27'",
	  "'1979-05-27'", "="}},
	{"local time",
	 "@07:32:00.5",
	 {"'07:32:00.5'", "=", "=", "'07:32:00.5'", "'07:32:00.5'",
	  "'07:32:00.5'", "="}},
	{"tagged", "!t 1", {"E", "=", "E", "E", "E", "E", "="}},
	{"list", "['a', 'b']", {"=", "=", "=", "E", "=", "E", "="}},
	{"list of lists",
	 "[['a', 'b'], ['c', 'd']]",
	 {"=", "=", "=", "E", "E /r/k/0", "E", "="}},
	{"empty list", "[]", {"=", "=", "=", "E", "E", "E", "="}},
	{"map", "{'a': 'b'}", {"=", "=", "=", "E", "=", "E", "="}},
	{"empty map", "{}", {"=", "=", "=", "E", "E", "E", "="}},
	{"key of a number",
	 "{1: 'b'}",
	 {"E /1", "=", "E /k/1", "E", "E /r/k/1", "E", "="}},
	{"null as a key",
	 "{null: 'b'}",
	 {"E /null", "=", "E /k/null", "E", "E /r/k/null", "E", "="}},
};

static int convert(const struct atio_node *root, enum atio_target target,
		   struct atio_doc **ret_doc, const struct atio_node **ret_root,
		   struct atio_value_error *err)
{
	*err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
	*ret_doc = NULL;
	return atio_value_convert(root, target, NULL, ret_doc, ret_root, err);
}

static const char *code_name(int r)
{
	return r == -EOPNOTSUPP ? "E"
	       : r == -ERANGE   ? "ERANGE"
	       : r == -ELOOP    ? "ELOOP"
	       : r == -EFBIG    ? "EFBIG"
				: "another error";
}

/* "=", an error, or the text. */
static void check_becomes(const char *name, const char *text,
			  enum atio_target target, const char *should,
			  const char *pointer)
{
	struct atio_doc *doc = doc_of(text), *made;
	const struct atio_node *root;
	struct atio_value_error err;
	char is[5000];
	int r;

	r = convert(atio_doc_root(doc), target, &made, &root, &err);
	if (r < 0)
		(void)snprintf(is, sizeof(is), "%s%s%s", code_name(r),
			       strcmp(err.pointer, pointer) ? " " : "",
			       strcmp(err.pointer, pointer) ? err.pointer : "");
	else if (!made)
		(void)snprintf(is, sizeof(is), "=");
	else
		(void)snprintf(is, sizeof(is), "%s", text_of(root));
	if (strcmp(is, should) != 0)
		printf("%s to %s: %s\n", name, target_names[target],
		       r < 0 ? err.error.text : "");
	CHECK_STR(is, should);
	CHECK((r < 0) == (err.error.code != 0) && err.error.code == -r);
	CHECK(r == 0 || (err.has_pointer && *err.error.text));
	CHECK(r < 0 || made || root == atio_doc_root(doc));
	CHECK(r < 0 || !made || root == atio_doc_root(made));
	atio_doc_free(made);
	atio_doc_free(doc);
}

static void check_cell(const struct row *row, enum atio_target target)
{
	static const char *const around[TARGETS] = {
		[ATIO_TO_JSON] = "%s",
		[ATIO_TO_YAML] = "%s",
		[ATIO_TO_TOML] = "{'k': %s}",
		[ATIO_TO_CSV] = "[{'k': %s}]",
		[ATIO_TO_XML] = "{'r': {'k': %s}}",
		[ATIO_TO_TXT] = "%s",
		[ATIO_TO_TYPED] = "%s",
	};
	static const char *const pointers[TARGETS] = {
		[ATIO_TO_JSON] = "",    [ATIO_TO_YAML] = "",
		[ATIO_TO_TOML] = "/k",  [ATIO_TO_CSV] = "/0/k",
		[ATIO_TO_XML] = "/r/k", [ATIO_TO_TXT] = "",
		[ATIO_TO_TYPED] = "",
	};
	const char *becomes = row->becomes[target];
	const char *before = around[target];
	const char *after = strstr(before, "%s") + 2;
	int front = (int)(after - 2 - before);
	char text[500], should[500];

	(void)snprintf(text, sizeof(text), "%.*s%s%s", front, before,
		       row->value, after);
	if (*becomes == '=' || *becomes == 'E')
		(void)snprintf(should, sizeof(should), "%s", becomes);
	else
		(void)snprintf(should, sizeof(should), "%.*s%s%s", front,
			       before, becomes, after);
	check_becomes(row->name, text, target, should, pointers[target]);
}

static void test_scalars(void)
{
	int target;

	for (size_t i = 0; i < LENGTH(scalars); i++)
		for (target = 0; target < TARGETS; target++)
			check_cell(&scalars[i], target);
}

/* ---- whole documents ------------------------------------------------- */

struct document {
	enum atio_target target;
	const char *value, *becomes;
};

/* What is at the top, and what a table or an element may be. */
static const struct document shapes[] = {
	{ATIO_TO_TOML, "{}", "="},
	{ATIO_TO_TOML, "[]", "E"},
	{ATIO_TO_TOML, "1", "E"},
	{ATIO_TO_TOML, "null", "E"},
	{ATIO_TO_TOML, "!t {a: 1}", "E"},
	{ATIO_TO_TOML, "{a: [1, 'x', [2.0, {b: nan}]]}", "="},
	{ATIO_TO_TOML, "{a: [1, {b: null}]}", "E /a/1/b"},
	{ATIO_TO_TXT, "'text'", "="},
	{ATIO_TO_TXT, "{}", "E"},
	{ATIO_TO_TXT, "[a]", "E"},
	{ATIO_TO_CSV, "[]", "="},
	{ATIO_TO_CSV, "[{a: x, b: y}]", "="},
	{ATIO_TO_CSV, "[{a: x, b: y}, {a: z, b: ''}]", "="},
	/* All rows in the order of the first one. */
	{ATIO_TO_CSV, "[{a: x, b: y}, {b: z, a: w}]",
	 "[{'a': 'x', 'b': 'y'}, {'a': 'w', 'b': 'z'}]"},
	{ATIO_TO_CSV,
	 "[{a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 10},"
	 " {j: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, a: 10}]",
	 "[{'a': '1', 'b': '2', 'c': '3', 'd': '4', 'e': '5', 'f': '6',"
	 " 'g': '7', 'h': '8', 'i': '9', 'j': '10'}, {'a': '10', 'b': '2',"
	 " 'c': '3', 'd': '4', 'e': '5', 'f': '6', 'g': '7', 'h': '8',"
	 " 'i': '9', 'j': '1'}]"},
	{ATIO_TO_CSV, "{a: x}", "E"},
	{ATIO_TO_CSV, "null", "E"},
	{ATIO_TO_CSV, "[{a: x}, [y]]", "E /1"},
	{ATIO_TO_CSV, "[x]", "E /0"},
	{ATIO_TO_CSV, "[{}]", "E /0"},
	{ATIO_TO_CSV, "[{a: x}, {}]", "E /1"},
	{ATIO_TO_CSV, "[{a: x, b: y}, {a: x}]", "E /1"},
	{ATIO_TO_CSV, "[{a: x}, {a: x, b: y}]", "E /1"},
	{ATIO_TO_CSV, "[{a: x}, {b: y}]", "E /1"},
	{ATIO_TO_CSV, "[{a: x}, {a: [y]}]", "E /1/a"},
	{ATIO_TO_CSV, "[{'': x}]", "E /0/"},
	{ATIO_TO_CSV, "[{'a\\0': x}]", "E /0/a?"},
	{ATIO_TO_CSV, "[{a: x}, {1: y}]", "E /1/1"},
	{ATIO_TO_XML, "{r: x}", "="},
	{ATIO_TO_XML, "{r: 1}", "{'r': '1'}"},
	{ATIO_TO_XML, "{r: ''}", "="},
	{ATIO_TO_XML, "{r: {a: [x, {b: y}], c: z}}", "="},
	{ATIO_TO_XML, "{r: {'@attributes': {a: x, 'xmlns:b': ''}}}", "="},
	{ATIO_TO_XML, "{r: {'@attributes': {a: 1, b: true}, '#text': 2}}",
	 "{'r': {'@attributes': {'a': '1', 'b': 'true'}, '#text': '2'}}"},
	{ATIO_TO_XML, "{r: {a: [x, {'@attributes': {b: 1.5~1.50}}], c: z}}",
	 "{'r': {'a': ['x', {'@attributes': {'b': '1.50'}}], 'c': 'z'}}"},
	{ATIO_TO_XML, "{}", "E"},
	{ATIO_TO_XML, "[r]", "E"},
	{ATIO_TO_XML, "r", "E"},
	{ATIO_TO_XML, "{r: x, s: y}", "E"},
	{ATIO_TO_XML, "{'@attributes': {a: x}}", "E /@attributes"},
	{ATIO_TO_XML, "{'#text': x}", "E /#text"},
	{ATIO_TO_XML, "{r: [x, y]}", "E /r"},
	{ATIO_TO_XML, "{r: null}", "E /r"},
	{ATIO_TO_XML, "{r: {}}", "E /r"},
	{ATIO_TO_XML, "{r: {a: []}}", "E /r/a"},
	{ATIO_TO_XML, "{r: {a: [x]}}", "E /r/a"},
	{ATIO_TO_XML, "{r: {a: [x, [y, z]]}}", "E /r/a/1"},
	{ATIO_TO_XML, "{r: {a: [x, null]}}", "E /r/a/1"},
	{ATIO_TO_XML, "{r: {a: [x, {b: {}}]}}", "E /r/a/1/b"},
	{ATIO_TO_XML, "{r: {'#text': x}}", "E /r/#text"},
	{ATIO_TO_XML, "{r: {'#text': y, b: z}}", "E /r/#text"},
	{ATIO_TO_XML, "{r: {'@attributes': {a: x}, '#text': ''}}",
	 "E /r/#text"},
	{ATIO_TO_XML, "{r: {'@attributes': {a: x}, '#text': b''}}",
	 "E /r/#text"},
	{ATIO_TO_XML, "{r: {'@attributes': {a: x}, '#text': y, b: z}}",
	 "E /r/#text"},
	{ATIO_TO_XML, "{r: {'@attributes': {a: x}, '#text': [y, z]}}",
	 "E /r/#text"},
	{ATIO_TO_XML, "{r: {'@attributes': x}}", "E /r/@attributes"},
	{ATIO_TO_XML, "{r: {'@attributes': null, b: x}}", "E /r/@attributes"},
	{ATIO_TO_XML, "{r: {'@attributes': [{a: x}, {b: x}]}}",
	 "E /r/@attributes"},
	{ATIO_TO_XML, "{r: {'@attributes': {}}}", "E /r/@attributes"},
	{ATIO_TO_XML, "{r: {'@attributes': {}, b: x}}", "E /r/@attributes"},
	{ATIO_TO_XML, "{r: {'@attributes': {a: [x, y]}}}",
	 "E /r/@attributes/a"},
	{ATIO_TO_XML, "{r: {'@attributes': {a: {b: x}}}}",
	 "E /r/@attributes/a"},
	{ATIO_TO_XML, "{r: {'@attributes': {a: null}}}", "E /r/@attributes/a"},
	{ATIO_TO_XML, "{r: {'@attributes': {a: 'x\\0'}}}",
	 "E /r/@attributes/a"},
	{ATIO_TO_XML, "{r: {b: {'@attributes': {1: x}}}}",
	 "E /r/b/@attributes/1"},
	{ATIO_TO_XML, "{1: x}", "E /1"},
};

/* Several documents, tags, aliases, merge keys. */
static const struct document yaml[] = {
	{ATIO_TO_YAML, "1 --- [2]", "="},
	{ATIO_TO_TYPED, "1 --- [2]", "="},
	{ATIO_TO_JSON, "1 --- [2]", "E"},
	{ATIO_TO_TOML, "{} --- {}", "E"},
	{ATIO_TO_CSV, "[] --- []", "E"},
	{ATIO_TO_XML, "{r: x} --- {r: y}", "E"},
	{ATIO_TO_TXT, "x --- y", "E"},
	{ATIO_TO_TYPED, "[&a 1, *a] --- {b: @1979-05-27}",
	 "[1, 1] --- {'b': @1979-05-27}"},
	{ATIO_TO_YAML, "{a: !t {b: !u 1}}", "="},
	{ATIO_TO_TYPED, "{a: !t {b: !u 1}}", "="},
	{ATIO_TO_JSON, "{a: [!t {b: 1}]}", "E /a/0"},
	{ATIO_TO_YAML, "[&a {b: 1}, *a, {<<: *a}]", "="},
	{ATIO_TO_JSON, "[&a {b: 1}, *a]", "[{'b': 1}, {'b': 1}]"},
	{ATIO_TO_TYPED, "[&a !t b''  , *a]", "[!t b'', !t b'']"},
	{ATIO_TO_JSON, "[&a 31~0x1F, *a]", "[31~0x1F, 31~0x1F]"},
	{ATIO_TO_JSON, "[&a @1979-05-27, *a]", "['1979-05-27', '1979-05-27']"},
	{ATIO_TO_TOML, "{a: &a [1], b: {c: *a}}",
	 "{'a': [1], 'b': {'c': [1]}}"},
	{ATIO_TO_TOML, "{a: [&a null]}", "E /a/0"},
	{ATIO_TO_CSV, "[&a {x: 1}, *a]", "[{'x': '1'}, {'x': '1'}]"},
	{ATIO_TO_CSV, "[{x: &a y, z: *a}]", "[{'x': 'y', 'z': 'y'}]"},
	{ATIO_TO_CSV, "[{x: &a [y], z: *a}]", "E /0/x"},
	{ATIO_TO_CSV, "[&a {x: 1}, {<<: *a, y: 2}]", "E /1"},
	{ATIO_TO_CSV, "[&a {x: 1, y: 2}, {y: 3, <<: *a}]",
	 "[{'x': '1', 'y': '2'}, {'x': '1', 'y': '3'}]"},
	{ATIO_TO_XML, "{r: {a: &a x, b: [*a, *a]}}",
	 "{'r': {'a': 'x', 'b': ['x', 'x']}}"},
	{ATIO_TO_XML, "{r: {a: &a [x, y], b: *a}}",
	 "{'r': {'a': ['x', 'y'], 'b': ['x', 'y']}}"},
	/* An alias as a key. */
	{ATIO_TO_JSON, "[&a k, {*a: 1}]", "['k', {'k': 1}]"},
	{ATIO_TO_JSON, "[&a 7, {*a: 1}]", "E /1/7"},
	{ATIO_TO_TOML, "{a: &a k, b: {*a: null}}", "E /b/k"},
	{ATIO_TO_TYPED, "[&a [7], {*a: 1}]", "[[7], {[7]: 1}]"},
	{ATIO_TO_CSV, "[{&a k: v}, {*a: w}]", "[{'k': 'v'}, {'k': 'w'}]"},
	{ATIO_TO_XML, "{&a r: {*a: x}}", "{'r': {'r': 'x'}}"},
	/* Merge keys: own ones win, then the earlier map. */
	{ATIO_TO_JSON, "[&a {x: 1, y: 2}, {<<: *a, z: 3}]",
	 "[{'x': 1, 'y': 2}, {'x': 1, 'y': 2, 'z': 3}]"},
	{ATIO_TO_JSON, "[&a {x: 1, y: 2}, {z: 3, <<: *a, x: 4}]",
	 "[{'x': 1, 'y': 2}, {'z': 3, 'y': 2, 'x': 4}]"},
	{ATIO_TO_JSON, "[&a {x: 1}, &b {x: 2, y: 3}, {<<: [*a, *b]}]",
	 "[{'x': 1}, {'x': 2, 'y': 3}, {'x': 1, 'y': 3}]"},
	{ATIO_TO_JSON, "[&a {x: 1}, &b {<<: *a, y: 2}, {<<: *b, x: 3}]",
	 "[{'x': 1}, {'x': 1, 'y': 2}, {'y': 2, 'x': 3}]"},
	{ATIO_TO_JSON, "{<<: {x: 1}}", "{'x': 1}"},
	{ATIO_TO_JSON, "{<<: {}}", "{}"},
	{ATIO_TO_JSON, "{<<: []}", "{}"},
	{ATIO_TO_JSON, "{a: &a [{x: 1}, {y: 2}], b: {<<: *a}}",
	 "{'a': [{'x': 1}, {'y': 2}], 'b': {'x': 1, 'y': 2}}"},
	{ATIO_TO_JSON, "{<<: {'<<': 1}, x: 2}", "{'<<': 1, 'x': 2}"},
	{ATIO_TO_TYPED, "{<<: {1: a}}", "{1: 'a'}"},
	{ATIO_TO_JSON, "{<<: {1: a}}", "E /1"},
	{ATIO_TO_JSON, "{'<<': {x: 1}}", "="},
	{ATIO_TO_JSON, "{<<: 1}", "E /<<"},
	{ATIO_TO_JSON, "{a: {<<: [{}, 1]}}", "E /a/<</1"},
	{ATIO_TO_JSON, "{<<: [[{}]]}", "E /<</0"},
	{ATIO_TO_JSON, "{<<: null}", "E /<<"},
	/* Without end. */
	{ATIO_TO_YAML, "&a [*a]", "="},
	{ATIO_TO_JSON, "&a [*a]", "ELOOP /0"},
	{ATIO_TO_JSON, "{a: &a {b: [1, *a]}}", "ELOOP /a/b/1"},
	{ATIO_TO_JSON, "[&a !t [*a]]", "E /0"},
	{ATIO_TO_TYPED, "[&a !t [*a]]", "ELOOP /0/0"},
	{ATIO_TO_JSON, "&a {<<: *a}", "ELOOP /<<"},
	{ATIO_TO_JSON, "&a {b: {<<: *a}}", "ELOOP /b/<<"},
	{ATIO_TO_JSON, "&a {<<: {<<: *a}}", "ELOOP /<</<<"},
	{ATIO_TO_CSV, "&a [{x: *a}]", "ELOOP /0/x"},
	{ATIO_TO_XML, "&a {r: *a}", "ELOOP /r"},
	{ATIO_TO_TOML, "&a {x: [*a]}", "ELOOP /x/0"},
};

static void check_documents(const struct document *documents, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_becomes(documents[i].value, documents[i].value,
			      documents[i].target, documents[i].becomes, "");
}

/* ---- limits ---------------------------------------------------------- */

static void check_limited(struct atio_limits limits, enum atio_target target,
			  const char *text, int error)
{
	struct atio_doc *doc = doc_of(text), *made = NULL;
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_node *root;
	int r;

	limits.version = ATIO_LIMITS_VERSION;
	r = atio_value_convert(atio_doc_root(doc), target, &limits, &made,
			       &root, &err);
	if (r != -error)
		printf("%s: %s\n", text, err.error.text);
	CHECK_INT(r, -error);
	CHECK_INT(err.error.code, error);
	atio_doc_free(made);
	atio_doc_free(doc);
}

#define WITHIN(...) ((struct atio_limits){__VA_ARGS__})

static void test_limits(void)
{
	const enum atio_target json = ATIO_TO_JSON;

	check_limited(WITHIN(.nodes = 5), json, "{a: [1], b: 2}", EFBIG);
	check_limited(WITHIN(.nodes = 6), json, "{a: [1], b: 2}", 0);
	check_limited(WITHIN(.depth = 2), json, "[[1], {}]", 0);
	check_limited(WITHIN(.depth = 2), json, "[[1], [{}]]", EFBIG);
	check_limited(WITHIN(.depth = 1), ATIO_TO_YAML, "[{}]", EFBIG);
	check_limited(WITHIN(.depth = 1), ATIO_TO_TYPED, "[1] --- [2]", 0);
	check_limited(WITHIN(.depth = 1), ATIO_TO_TYPED, "!t [!t 1]", 0);
	/* Aliases are counted on their own: 4 times {x: 1} is 12 values. */
	check_limited(WITHIN(.alias_nodes = 12), json,
		      "[&a {x: 1}, *a, *a, *a, *a]", 0);
	check_limited(WITHIN(.alias_nodes = 11), json,
		      "[&a {x: 1}, *a, *a, *a, *a]", EFBIG);
	check_limited(WITHIN(.alias_bytes = 9), json,
		      "[&a {x: 'ab'}, *a, *a, *a]", 0);
	check_limited(WITHIN(.alias_bytes = 8), json,
		      "[&a {x: 'ab'}, *a, *a, *a]", EFBIG);
	check_limited(WITHIN(.alias_nodes = 1), ATIO_TO_YAML,
		      "[&a {x: 1}, *a, *a, *a, *a]", 0);
	/* An alias makes a tree deeper than it was written. */
	check_limited(WITHIN(.depth = 3), json, "[&a [1], [*a]]", 0);
	check_limited(WITHIN(.depth = 2), json, "[&a [1], [*a]]", EFBIG);
	check_limited(WITHIN(.depth = 2), json, "[&a 1, [*a]]", 0);
	/* What is merged is counted, even if it is not taken. */
	check_limited(WITHIN(.alias_nodes = 4), json, "{<<: [{}, {}, {}, {}]}",
		      0);
	check_limited(WITHIN(.alias_nodes = 3), json, "{<<: [{}, {}, {}, {}]}",
		      EFBIG);
	check_limited(WITHIN(.columns = 2), ATIO_TO_CSV, "[{a: 1, b: 2}]", 0);
	check_limited(WITHIN(.columns = 1), ATIO_TO_CSV, "[{a: 1, b: 2}]",
		      EFBIG);
	check_limited(WITHIN(.depth = 10001), json, "1", EINVAL);
	check_limited(WITHIN(0), (enum atio_target)TARGETS, "1", EINVAL);
	check_limited(WITHIN(0), (enum atio_target) - 1, "1", EINVAL);
}

/* ---- bombs ----------------------------------------------------------- */

/* @levels lists or merges of ten aliases to the level before. */
static struct atio_doc *bomb(int levels, bool merges)
{
	struct atio_builder *b;
	struct atio_doc *doc = NULL;
	char name[16];

	NEED(atio_builder_new(NULL, &b) == 0);
	(void)atio_build_seq(b);
	for (int level = 0; level < levels; level++) {
		(void)snprintf(name, sizeof(name), "a%d", level);
		(void)atio_build_anchor(b, name, strlen(name));
		if (merges) {
			(void)atio_build_map(b);
			b->style = ATIO_STYLE_PLAIN;
			(void)atio_build_string(b, "<<", 2);
		}
		(void)atio_build_seq(b);
		(void)snprintf(name, sizeof(name), "a%d", level - 1);
		for (int i = 0; i < 10; i++)
			(void)(level ? atio_build_alias(b, name, strlen(name))
				     : atio_build_map(b) + atio_build_end(b));
		(void)atio_build_end(b);
		if (merges)
			(void)atio_build_end(b);
	}
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	return doc;
}

/* Were it expanded, it would have 10^30 values. */
static void test_bombs(void)
{
	static const enum atio_target targets[] = {ATIO_TO_JSON, ATIO_TO_TYPED};
	struct atio_value_error err;
	const struct atio_node *root;
	struct atio_doc *doc, *made;

	for (int merges = 0; merges < 2; merges++) {
		doc = bomb(30, merges);
		for (size_t i = 0; i < LENGTH(targets); i++)
			CHECK_INT(convert(atio_doc_root(doc), targets[i], &made,
					  &root, &err),
				  -EFBIG);
		CHECK_INT(convert(atio_doc_root(doc), ATIO_TO_YAML, &made,
				  &root, &err),
			  0);
		CHECK(!made && root == atio_doc_root(doc));
		atio_doc_free(doc);
	}
}

/* A chain is no bomb, but deeper than what may be nested. */
static void test_chain(void)
{
	struct atio_doc *doc, *made;
	struct atio_value_error err;
	const struct atio_node *root;
	struct atio_builder *b;
	char name[16];

	NEED(atio_builder_new(NULL, &b) == 0);
	(void)atio_build_seq(b);
	for (int i = 0; i < 100000; i++) {
		(void)snprintf(name, sizeof(name), "a%d", i);
		(void)atio_build_anchor(b, name, strlen(name));
		(void)atio_build_seq(b);
		(void)snprintf(name, sizeof(name), "a%d", i - 1);
		if (i)
			(void)atio_build_alias(b, name, strlen(name));
		(void)atio_build_end(b);
	}
	(void)atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	CHECK_INT(convert(atio_doc_root(doc), ATIO_TO_JSON, &made, &root, &err),
		  -EFBIG);
	CHECK(strncmp(err.pointer, ".../0/0/", 8) == 0);
	atio_doc_free(doc);
}

/* ---- what stays ------------------------------------------------------ */

/* A document of its own: nothing of it is of the other one.  Spans and styles
 * are those of the source. */
static void test_own(void)
{
	struct atio_doc *doc = doc_of("[@1979-05-27, &a 0.1~0.10, *a, {k: v}]");
	const struct atio_node *root, *node;
	struct atio_doc *made;
	struct atio_value_error err;

	doc->root->items[0]->offset = 7;
	doc->root->items[0]->length = 10;
	doc->root->items[3]->style = ATIO_STYLE_FLOW;
	CHECK_INT(convert(atio_doc_root(doc), ATIO_TO_JSON, &made, &root, &err),
		  0);
	atio_doc_free(doc);
	CHECK_STR(text_of(root), "['1979-05-27', 0.1~0.10, 0.1~0.10,"
				 " {'k': 'v'}]");
	node = atio_node_at(root, 0);
	CHECK_INT(atio_node_span(node).offset, 7);
	CHECK_INT(atio_node_span(node).length, 10);
	CHECK_INT(atio_node_at(root, 3)->style, ATIO_STYLE_FLOW);
	atio_doc_free(made);
}

/* ---- what is said ---------------------------------------------------- */

static void test_texts(void)
{
	static const struct {
		enum atio_target target;
		const char *value, *text;
	} cases[] = {
		{ATIO_TO_XML, "1",
		 "XML is a map with one key, its root element, not an integer"},
		{ATIO_TO_XML, "[r]",
		 "XML is a map with one key, its root element, not a list"},
		{ATIO_TO_XML, "{r: x, s: y}",
		 "XML is a map with one key, its root element, not a map of "
		 "several"},
		{ATIO_TO_CSV, "1", "CSV is a list of maps, not an integer"},
		{ATIO_TO_CSV, "[1]", "a row of CSV is a map, not an integer"},
		{ATIO_TO_TXT, "[1]", "a text file cannot hold a list here"},
	};
	struct atio_doc *doc, *made;
	const struct atio_node *root;
	struct atio_value_error err;

	for (size_t i = 0; i < LENGTH(cases); i++) {
		doc = doc_of(cases[i].value);
		CHECK_INT(convert(atio_doc_root(doc), cases[i].target, &made,
				  &root, &err),
			  -EOPNOTSUPP);
		CHECK_STR(err.error.text, cases[i].text);
		atio_doc_free(doc);
	}
}

int main(void)
{
	test_scalars();
	check_documents(shapes, LENGTH(shapes));
	check_documents(yaml, LENGTH(yaml));
	test_limits();
	test_bombs();
	test_chain();
	test_own();
	test_texts();
	return check_result();
}
