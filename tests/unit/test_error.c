/* SPDX-License-Identifier: MIT
 *
 * test_error.c - the first cause wins.
 */
#include <atomicio/error.h>
#include "check.h"

static void test_first_cause_wins(void)
{
	struct atio_error err = ATIO_ERROR_INIT;

	CHECK_INT(err.code, 0);
	CHECK_STR(err.text, "");
	CHECK_INT(atio_fail(&err, EIO, "flush '%s'", "a"), -EIO);
	CHECK_INT(err.code, EIO);
	CHECK_STR(err.text, "flush 'a'");
	CHECK_INT(atio_fail(&err, ENOSPC, "write"), -ENOSPC);
	CHECK_INT(err.code, EIO);
	CHECK_STR(err.text, "flush 'a'");
}

static void test_nobody_asks(void)
{
	CHECK_INT(atio_fail(NULL, EBUSY, "%s", "unused"), -EBUSY);
}

static void test_long_texts_are_cut(void)
{
	struct atio_error err = ATIO_ERROR_INIT;
	char text[2 * ATIO_ERROR_TEXT_MAX];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK_INT(atio_fail(&err, EPERM, "%s", text), -EPERM);
	CHECK_INT(strlen(err.text), ATIO_ERROR_TEXT_MAX - 1);
	CHECK(!strncmp(err.text, text, ATIO_ERROR_TEXT_MAX - 1));
}

int main(void)
{
	test_first_cause_wins();
	test_nobody_asks();
	test_long_texts_are_cut();
	return check_result();
}
