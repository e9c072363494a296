/* SPDX-License-Identifier: MIT
 *
 * test_value_fail.c - errors that name a value: which one wins, and pointers
 * and messages that are too long or of no printable characters.
 */
#include "value_text.h"

/* The pointer of a step by @key from the root; static. */
static const char *pointer_of(const char *key)
{
	static char pointer[ATIO_POINTER_MAX];
	struct atio_doc *doc = doc_of(key);
	struct atio_step step = {NULL, atio_doc_root(doc), 0};

	memset(pointer, 'x', sizeof(pointer));
	atio_step_pointer(&step, pointer);
	atio_doc_free(doc);
	return pointer;
}

static void test_keys(void)
{
	CHECK_STR(pointer_of("'a/b~c'"), "/a~1b~0c");
	CHECK_STR(pointer_of("''"), "/");
	CHECK_STR(pointer_of("'a\\0b'"), "/a?b");
	CHECK_STR(pointer_of("'\xC3\xA4'"), "/\xC3\xA4");
	CHECK_STR(pointer_of("null"), "/null");
	CHECK_STR(pointer_of("true"), "/true");
	CHECK_STR(pointer_of("31~0x1F"), "/31");
	CHECK_STR(pointer_of("1.5"), "/1.5");
	CHECK_STR(pointer_of("@1979-05-27"), "/1979-05-27");
	CHECK_STR(pointer_of("99999999999999999999"), "/99999999999999999999");
	CHECK_STR(pointer_of("b'x'"), "/bytes");
	CHECK_STR(pointer_of("[1]"), "/list");
	CHECK_STR(pointer_of("{a: 1}"), "/map");
	CHECK_STR(pointer_of("!t 1"), "/tagged value");
}

/* Of a key as long as can be, the begin is left, without half a character and
 * without half an escape. */
static void test_long_keys(void)
{
	static const char *const parts[] = {"a", "\xC3\xA4", "\xE2\x82\xAC",
					    "\xF0\x9F\x98\x80", "~", "/"};
	static const char *const shown[] = {"a", "\xC3\xA4", "\xE2\x82\xAC",
					    "\xF0\x9F\x98\x80", "~0", "~1"};
	char text[2000], should[2000];
	const char *is;

	for (size_t part = 0; part < LENGTH(parts); part++) {
		for (size_t n = 1; n < 300; n++) {
			text[0] = should[0] = '\0';
			strcat(text, "'");
			strcat(should, "/");
			for (size_t i = 0; i < n; i++) {
				strcat(text, parts[part]);
				strcat(should, shown[part]);
			}
			strcat(text, "'");
			is = pointer_of(text);
			CHECK(strlen(is) < ATIO_POINTER_MAX);
			CHECK(atio_utf8_check(is, strlen(is)) == strlen(is));
			CHECK(strncmp(is, should, strlen(is)) == 0);
			CHECK((strlen(is) - 1) % strlen(shown[part]) == 0);
			CHECK(strlen(is) > 245 || strcmp(is, should) == 0);
		}
	}
}

/* What is left of a long way is its end. */
static void test_long_ways(void)
{
	struct atio_doc *doc = doc_of("'0123456789'");
	struct atio_step steps[100];
	char pointer[ATIO_POINTER_MAX], whole[2000] = "";
	size_t len;

	for (size_t i = 0; i < LENGTH(steps); i++) {
		steps[i] = (struct atio_step){i ? &steps[i - 1] : NULL,
					      atio_doc_root(doc), 0};
		strcat(whole, "/0123456789");
		memset(pointer, 'x', sizeof(pointer));
		atio_step_pointer(&steps[i], pointer);
		len = strlen(pointer);
		CHECK(len < ATIO_POINTER_MAX);
		if (strlen(whole) + 3 < ATIO_POINTER_MAX) {
			CHECK_STR(pointer, whole);
			continue;
		}
		CHECK(strncmp(pointer, ".../", 4) == 0);
		CHECK_STR(pointer + 3, whole + strlen(whole) - (len - 3));
		CHECK(len > ATIO_POINTER_MAX - 20);
	}
	atio_doc_free(doc);
}

/* ---- messages -------------------------------------------------------- */

static void check_tidy(const char *text, const char *should)
{
	char is[64];

	(void)snprintf(is, sizeof(is), "%s", text);
	atio_text_tidy(is);
	CHECK_STR(is, should);
}

static void test_tidy(void)
{
	check_tidy("", "");
	check_tidy("a b\xC3\xA4", "a b\xC3\xA4");
	check_tidy("a\nb\tc\x1B[1m\x7F", "a?b?c?[1m?");
	check_tidy("a\xFF\xC3", "a??");
	check_tidy("\xE2\x82", "??");
	check_tidy("\xED\xA0\x80z", "???z");
}

static void test_first_wins(void)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_step step = {NULL, NULL, 7};

	CHECK_INT(atio_value_fail(NULL, EINVAL, &step, "nobody asks"),
		  -EINVAL);
	CHECK_INT(atio_value_fail(&err, ERANGE, &step, "the %s", "first\n"),
		  -ERANGE);
	CHECK_INT(atio_value_fail(&err, EINVAL, NULL, "the second"), -EINVAL);
	CHECK_INT(err.error.code, ERANGE);
	CHECK_STR(err.error.text, "the first?");
	CHECK(err.has_pointer);
	CHECK_STR(err.pointer, "/7");
	CHECK(!err.line && !err.column && !err.offset);
}

/* A message that is cut is well-formed UTF-8, too. */
static void test_long_messages(void)
{
	struct atio_value_error err;
	char text[2000] = "";
	size_t len;

	for (size_t n = 0; n < 600; n++) {
		strcat(text, "\xE2\x82\xAC");
		err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
		(void)atio_value_fail(&err, EINVAL, NULL, "%s", text);
		len = strlen(err.error.text);
		CHECK(len < sizeof(err.error.text));
		CHECK(atio_utf8_check(err.error.text, len) == len);
		CHECK(strncmp(err.error.text, text, len - len % 3) == 0);
		if (strlen(text) < sizeof(err.error.text))
			CHECK_STR(err.error.text, text);
	}
}

int main(void)
{
	test_keys();
	test_long_keys();
	test_long_ways();
	test_tidy();
	test_first_wins();
	test_long_messages();
	return check_result();
}
