/* SPDX-License-Identifier: MIT
 *
 * test_value_number.c - numbers, dates and UTF-8 as text and back.
 */
#include <locale.h>
#include <math.h>

#include "value_text.h"

#define DOUBLES 200000

/* ---- integers ------------------------------------------------------------ */

static void test_integers(void)
{
	static const struct {
		const char *text;
		int r;
		int64_t value;
	} rows[] = {
		{"0", 0, 0}, {"-0", 0, 0}, {"+7", 0, 7}, {"-7", 0, -7},
		{"007", 0, 7},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -ERANGE, 0},
		{"-9223372036854775809", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0}, {"-", -EINVAL, 0}, {"+", -EINVAL, 0},
		{"1a", -EINVAL, 0}, {" 1", -EINVAL, 0}, {"1.0", -EINVAL, 0},
		{"--1", -EINVAL, 0}, {"99999999999999999999x", -EINVAL, 0},
	};
	char text[ATIO_FLOAT_TEXT_MAX];
	int64_t value;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		value = 0;
		CHECK_INT(atio_int_parse(rows[i].text, strlen(rows[i].text),
					 &value),
			  rows[i].r);
		CHECK(value == rows[i].value);
	}
	CHECK_INT(atio_int_text(INT64_MIN, text), 20);
	CHECK_STR(text, "-9223372036854775808");
	CHECK_INT(atio_int_text(0, text), 1);
	CHECK_STR(text, "0");
}

/* ---- floats -------------------------------------------------------------- */

static void test_float_texts(void)
{
	static const struct {
		double value;
		const char *text;
	} rows[] = {
		{0.0, "0.0"}, {-0.0, "-0.0"}, {1, "1.0"}, {0.1, "0.1"},
		{100, "100.0"}, {1e15, "1000000000000000.0"}, {1e16, "1e+16"},
		{1e22, "1e+22"}, {1.5e300, "1.5e+300"}, {0.0001, "0.0001"},
		{0.00001, "1e-05"}, {5e-324, "5e-324"},
		{2.2250738585072014e-308, "2.2250738585072014e-308"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{123456.789, "123456.789"}, {1.0 / 3, "0.3333333333333333"},
		/* Powers of two: of 16 digits the nearest one is another
		 * double's, and the next one is not. */
		{0x1p-44, "5.684341886080802e-14"},
		{0x1p-1017, "7.120236347223045e-307"},
		{0x1p-957, "8.209073602596753e-289"},
		{9007199254740993.0, "9007199254740992.0"},
		{INFINITY, "inf"}, {-INFINITY, "-inf"}, {NAN, "nan"},
	};
	char text[ATIO_FLOAT_TEXT_MAX];

	for (size_t i = 0; i < LENGTH(rows); i++) {
		CHECK_INT(atio_float_text(rows[i].value, text),
			  strlen(rows[i].text));
		CHECK_STR(text, rows[i].text);
	}
}

static void test_float_parse(void)
{
	static const struct {
		const char *text;
		int r;
		double value;
	} rows[] = {
		{"1", 0, 1}, {"1.", 0, 1}, {".5", 0, 0.5}, {"+1.5", 0, 1.5},
		{"-1.5e3", 0, -1500}, {"1E+2", 0, 100}, {"1e-2", 0, 0.01},
		{"0.1", 0, 0.1}, {"1e22", 0, 1e22}, {"1e23", 0, 1e23},
		{"123456789012345678", 0, 123456789012345678.0},
		{"0.000000000000000000000000000001", 0, 1e-30},
		{"5e-324", 0, 5e-324}, {"1e-400", 0, 0},
		{"1e400", -ERANGE, INFINITY}, {"-1e400", -ERANGE, -INFINITY},
		{"1e999999999999999999999", -ERANGE, INFINITY},
		{"0e999999999999999999999", 0, 0},
		{"", -EINVAL, 0}, {".", -EINVAL, 0}, {"e1", -EINVAL, 0},
		{"1e", -EINVAL, 0}, {"1e+", -EINVAL, 0}, {"1,5", -EINVAL, 0},
		{"0x1p3", -EINVAL, 0}, {"inf", -EINVAL, 0}, {"1 ", -EINVAL, 0},
	};
	double value;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		value = 0;
		CHECK_INT(atio_float_parse(rows[i].text, strlen(rows[i].text),
					   &value),
			  rows[i].r);
		CHECK(value == rows[i].value);
	}
}

/* It reads back equal, and no shorter text does. */
static void check_shortest(double value)
{
	char text[ATIO_FLOAT_TEXT_MAX], shorter[64], *s;
	size_t len = atio_float_text(value, text), digits = 0;
	double back = 0;

	CHECK_INT(atio_float_parse(text, len, &back), 0);
	CHECK(memcmp(&back, &value, sizeof(value)) == 0);
	for (s = text; *s && *s != 'e'; s++)
		digits += *s >= '0' && *s <= '9';
	for (s = text; *s == '-' || *s == '0' || *s == '.'; s++)
		digits -= *s == '0';
	while (digits > 1 && s > text && strchr("0.", *s))
		s++;
	if (digits < 2 || digits > 17 || !strchr(text, 'e'))
		return; /* zeros for the place are no digits */
	(void)snprintf(shorter, sizeof(shorter), "%.*e", (int)digits - 2,
		       value);
	CHECK(strtod(shorter, NULL) != value);
}

static void test_random_doubles(void)
{
	struct random random = {7};
	uint64_t bits;
	double value;

	for (int i = 0; i < DOUBLES; i++) {
		bits = (uint64_t)pick(&random, 1u << 31) << 33 ^
		       (uint64_t)pick(&random, 1u << 31) << 11 ^
		       pick(&random, 1u << 11);
		if (i % 8 == 0) /* subnormal */
			bits &= 0x800FFFFFFFFFFFFFull;
		memcpy(&value, &bits, sizeof(value));
		if (isfinite(value))
			check_shortest(value);
	}
}

/* In a locale with a decimal comma nothing is different. */
static void test_locale(void)
{
	static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8",
					    "de_DE", NULL};
	const char *const *name = names;
	char text[ATIO_FLOAT_TEXT_MAX];
	double value = 0;

	while (*name && !setlocale(LC_ALL, *name))
		name++;
	CHECK_INT(atio_float_text(0.1 + 0.2, text), 19);
	CHECK_STR(text, "0.30000000000000004");
	CHECK_INT(atio_float_parse(text, 19, &value), 0);
	CHECK(value == 0.1 + 0.2);
	(void)setlocale(LC_ALL, "C");
}

/* ---- dates --------------------------------------------------------------- */

static void test_datetimes(void)
{
	static const struct {
		const char *text, *canonical; /* NULL: it is none */
		enum atio_datetime kind;
	} rows[] = {
		{"1979-05-27", "1979-05-27", ATIO_LOCAL_DATE},
		{"07:32:00", "07:32:00", ATIO_LOCAL_TIME},
		{"07:32:00.5", "07:32:00.5", ATIO_LOCAL_TIME},
		{"1979-05-27t07:32:00z", "1979-05-27T07:32:00Z",
		 ATIO_OFFSET_DATETIME},
		{"1979-05-27 07:32:00-07:00", "1979-05-27T07:32:00-07:00",
		 ATIO_OFFSET_DATETIME},
		{"1979-05-27T23:59:60.999999", "1979-05-27T23:59:60.999999",
		 ATIO_LOCAL_DATETIME},
		{"2000-02-29", "2000-02-29", ATIO_LOCAL_DATE},
		{"2020-02-29", "2020-02-29", ATIO_LOCAL_DATE},
		{"1900-02-29", NULL, 0}, {"2021-02-29", NULL, 0},
		{"2020-04-31", NULL, 0}, {"2020-13-01", NULL, 0},
		{"2020-00-01", NULL, 0}, {"2020-01-00", NULL, 0},
		{"2020-1-01", NULL, 0}, {"20200101", NULL, 0},
		{"24:00:00", NULL, 0}, {"07:60:00", NULL, 0},
		{"07:00:61", NULL, 0}, {"07:32", NULL, 0},
		{"07:32:00.", NULL, 0}, {"07:32:00Z", NULL, 0},
		{"1979-05-27T", NULL, 0}, {"1979-05-27T07:32:00+24:00", NULL, 0},
		{"1979-05-27T07:32:00+07:60", NULL, 0},
		{"1979-05-27T07:32:00+0700", NULL, 0},
		{"1979-05-27  07:32:00", NULL, 0}, {"", NULL, 0},
		{"1979-05-27T07:32:00Zx", NULL, 0},
	};
	char canonical[ATIO_DATETIME_TEXT_MAX], text[80];
	enum atio_datetime kind;
	int r;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		r = atio_datetime_parse(rows[i].text, strlen(rows[i].text),
					&kind, canonical);
		CHECK_INT(r, rows[i].canonical ? 0 : -EINVAL);
		if (r == 0 && rows[i].canonical) {
			CHECK_STR(canonical, rows[i].canonical);
			CHECK_INT(kind, rows[i].kind);
		}
	}
	memset(text, '1', sizeof(text));
	memcpy(text, "07:32:00.", 9);
	CHECK_INT(atio_datetime_parse(text, 63, &kind, NULL), 0);
	CHECK_INT(atio_datetime_parse(text, 64, &kind, NULL), -EFBIG);
}

/* ---- UTF-8 --------------------------------------------------------------- */

static void test_utf8(void)
{
	static const struct {
		const char *text;
		size_t len, good;
	} rows[] = {
		{"abc", 3, 3}, {"", 0, 0}, {"a\0b", 3, 3},
		{"\xC3\xA4", 2, 2}, {"\xE2\x82\xAC", 3, 3},
		{"\xF0\x9F\x98\x80", 4, 4}, {"\xF4\x8F\xBF\xBF", 4, 4},
		{"a\x80", 2, 1}, {"a\xC0\x80", 3, 1}, {"a\xC1\xBF", 3, 1},
		{"a\xE0\x9F\xBF", 4, 1}, {"a\xED\xA0\x80", 4, 1},
		{"a\xF0\x8F\xBF\xBF", 5, 1}, {"a\xF4\x90\x80\x80", 5, 1},
		{"a\xF5\x80\x80\x80", 5, 1}, {"a\xFF", 2, 1},
		{"a\xC3", 2, 1}, {"a\xE2\x82", 3, 1}, {"a\xF0\x9F\x98", 4, 1},
		{"12345678\x80", 9, 8}, {"1234567\xC3\xA4", 9, 9},
	};
	char text[4];
	size_t len, n;

	for (size_t i = 0; i < LENGTH(rows); i++)
		CHECK_INT(atio_utf8_check(rows[i].text, rows[i].len),
			  rows[i].good);
	for (uint32_t code = 0; code <= 0x10FFFF; code++) {
		if (code >= 0xD800 && code < 0xE000)
			continue;
		n = atio_utf8_put(code, text);
		if (atio_utf8_check(text, n) != n ||
		    atio_utf8_get(text, &len) != code || len != n)
			CHECK_INT(code, -1);
	}
}

static void test_positions(void)
{
	static const char text[] = "a\xC3\xA4\x62\r\nc\rd\ne";
	static const size_t rows[][3] = {{0, 1, 1}, {1, 1, 2}, {3, 1, 3},
					 {6, 2, 1}, {8, 3, 1}, {10, 4, 1},
					 {99, 4, 2}};
	size_t line, column;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		atio_text_position(text, sizeof(text) - 1, rows[i][0], &line,
				   &column);
		CHECK_INT(line, rows[i][1]);
		CHECK_INT(column, rows[i][2]);
	}
}

int main(void)
{
	test_integers();
	test_float_texts();
	test_float_parse();
	test_random_doubles();
	test_locale();
	test_datetimes();
	test_utf8();
	test_positions();
	return check_result();
}
