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

int main(void)
{
	test_scalars();
	return check_result();
}
