/* SPDX-License-Identifier: MIT
 *
 * number.c - numbers and their text, in whatever locale the program runs.
 *
 * Most floats that people write have few digits and a small exponent: they are
 * an integer below 2^53 times or divided by a power of ten that is exact in a
 * double, so one operation rounds correctly (W. D. Clinger, How to read
 * floating point numbers accurately, 1990).  All others go through strtod_l(3).
 */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value/inside.h"

#define EXACT_POWER  22 /* 10^22 is the largest that a double holds exactly */
#define EXACT_DIGITS 15
#define STACK_TEXT   128

static locale_t c_locale;

static void make_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* (locale_t)0: no memory for it. */
static locale_t the_locale(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_locale);
	return c_locale;
}

/* ---- integers -------------------------------------------------------- */

int atio_int_parse(const char *text, size_t len, int64_t *ret)
{
	bool negative = len && text[0] == '-';
	uint64_t most = (uint64_t)INT64_MAX + negative, value = 0;
	bool over = false;
	unsigned digit;
	size_t i;

	i = len && (text[0] == '-' || text[0] == '+');
	if (i == len)
		return -EINVAL;
	for (; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		digit = (unsigned)(text[i] - '0');
		if (value > (most - digit) / 10)
			over = true;
		else
			value = value * 10 + digit;
	}
	if (over)
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - value) : (int64_t)value;
	return 0;
}

size_t atio_int_text(int64_t value, char text[ATIO_FLOAT_TEXT_MAX])
{
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char digits[ATIO_FLOAT_TEXT_MAX];
	size_t n = 0, len = 0;

	do {
		digits[n++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		text[len++] = '-';
	while (n)
		text[len++] = digits[--n];
	text[len] = '\0';
	return len;
}

/* ---- reading floats -------------------------------------------------- */

struct decimal {
	uint64_t digits; /* the first 19 at most */
	int count;       /* of significant digits */
	long exponent;
	bool negative;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void take_digit(struct decimal *d, char c)
{
	if (d->count || c != '0')
		d->count++;
	if (d->count <= EXACT_DIGITS)
		d->digits = d->digits * 10 + (uint64_t)(c - '0');
}

/* What the grammar says; false: it is none. */
static bool scan_decimal(const char *s, const char *end, struct decimal *d)
{
	bool minus, any = false;
	long e = 0;

	if (s < end && (*s == '-' || *s == '+'))
		d->negative = *s++ == '-';
	for (; s < end && is_digit(*s); s++, any = true)
		take_digit(d, *s);
	if (s < end && *s == '.')
		for (s++; s < end && is_digit(*s); s++, any = true) {
			take_digit(d, *s);
			d->exponent--;
		}
	if (!any || s == end)
		return any;
	if (*s != 'e' && *s != 'E')
		return false;
	s++;
	minus = s < end && *s == '-';
	if (s < end && (*s == '-' || *s == '+'))
		s++;
	if (s == end)
		return false;
	for (; s < end && is_digit(*s); s++)
		if (e < 1000000) /* far beyond any double */
			e = e * 10 + (*s - '0');
	d->exponent += minus ? -e : e;
	return s == end;
}

static int parse_slowly(const char *text, size_t len, double *ret)
{
	char stack[STACK_TEXT], *copy = stack;
	double value;

	if (!the_locale())
		return -ENOMEM;
	if (len >= sizeof(stack)) {
		copy = malloc(len + 1);
		if (!copy)
			return -ENOMEM;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	value = strtod_l(copy, NULL, the_locale());
	if (copy != stack)
		free(copy);
	*ret = value;
	return isinf(value) ? -ERANGE : 0;
}

int atio_float_parse(const char *text, size_t len, double *ret)
{
	static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,
					1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
					1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
					1e18, 1e19, 1e20, 1e21, 1e22};
	struct decimal d = {0};
	double value;

	if (!scan_decimal(text, text + len, &d))
		return -EINVAL;
	if (d.count > EXACT_DIGITS || d.exponent > EXACT_POWER ||
	    d.exponent < -EXACT_POWER)
		return parse_slowly(text, len, ret);
	value = (double)d.digits;
	if (d.exponent < 0)
		value /= powers[-d.exponent];
	else
		value *= powers[d.exponent];
	*ret = d.negative ? -value : value;
	return 0;
}

/* ---- writing floats -------------------------------------------------- */

/* The decimal behind that of @text ("d.ddde+xx"); false: it has more digits. */
static bool next_decimal(char *text)
{
	char *s = strchr(text, 'e') - 1;

	for (; s >= text; s--) {
		if (!is_digit(*s))
			continue;
		if (*s != '9') {
			++*s;
			return true;
		}
		*s = '0';
	}
	return false;
}

/* Write @value with @precision digits.  Whether it reads back. */
static bool try_precision(double value, int precision,
			  char text[ATIO_FLOAT_TEXT_MAX])
{
	int exponent;

	(void)snprintf(text, ATIO_FLOAT_TEXT_MAX, "%.*e", precision - 1, value);
	if (strtod(text, NULL) == value)
		return true;
	/* Below a power of two doubles are twice as dense as above it, so the
	 * nearest decimal may be that of another double, and the next one above
	 * not. */
	return frexp(value, &exponent) == 0.5 && next_decimal(text) &&
	       strtod(text, NULL) == value;
}

/* The digits of the shortest decimal that reads back as @value (finite, not
 * 0, positive) without the point, and the exponent of the first one. */
static size_t shortest(double value, char digits[ATIO_FLOAT_TEXT_MAX],
		       int *ret_exponent)
{
	/* Any decimal of at most 15 digits survives the way through a normal
	 * double, so 15 digits, less the zeros at the end, are the shortest if
	 * any so short ones are.  Subnormal doubles hold less. */
	int precision = value < 2.2250738585072014e-308 ? 1 : EXACT_DIGITS;
	char text[ATIO_FLOAT_TEXT_MAX];
	const char *s;
	size_t n = 0;

	while (!try_precision(value, precision, text) && precision < 17)
		precision++;
	for (s = text; *s != 'e'; s++)
		if (is_digit(*s))
			digits[n++] = *s;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	*ret_exponent = (int)strtol(s + 1, NULL, 10);
	return n;
}

/* d.ddde+xx */
static size_t put_scientific(const char *digits, size_t n, int exponent,
			     char *text)
{
	char number[ATIO_FLOAT_TEXT_MAX];
	size_t len = 0, e;

	text[len++] = digits[0];
	if (n > 1) {
		text[len++] = '.';
		memcpy(text + len, digits + 1, n - 1);
		len += n - 1;
	}
	text[len++] = 'e';
	text[len++] = exponent < 0 ? '-' : '+';
	e = atio_int_text(exponent < 0 ? -exponent : exponent, number);
	if (e < 2)
		text[len++] = '0';
	memcpy(text + len, number, e);
	return len + e;
}

static size_t put_fixed(const char *digits, size_t n, int exponent, char *text)
{
	size_t len = 0, whole = exponent < 0 ? 0 : (size_t)exponent + 1, i;

	if (!whole) {
		text[len++] = '0';
		text[len++] = '.';
		for (i = 1; i < (size_t)-exponent; i++)
			text[len++] = '0';
		memcpy(text + len, digits, n);
		return len + n;
	}
	for (i = 0; i < whole; i++)
		text[len++] = i < n ? digits[i] : '0';
	text[len++] = '.';
	if (n <= whole) {
		text[len++] = '0';
		return len;
	}
	memcpy(text + len, digits + whole, n - whole);
	return len + n - whole;
}

static size_t finite_text(double value, char text[ATIO_FLOAT_TEXT_MAX])
{
	char digits[ATIO_FLOAT_TEXT_MAX];
	locale_t before = (locale_t)0;
	size_t len = 0, n = 1;
	int exponent = 0;

	if (signbit(value))
		text[len++] = '-';
	digits[0] = '0';
	if (value != 0) {
		if (the_locale())
			before = uselocale(the_locale());
		n = shortest(fabs(value), digits, &exponent);
		if (before)
			(void)uselocale(before);
	}
	if (exponent < -4 || exponent >= 16)
		len += put_scientific(digits, n, exponent, text + len);
	else
		len += put_fixed(digits, n, exponent, text + len);
	text[len] = '\0';
	return len;
}

size_t atio_float_text(double value, char text[ATIO_FLOAT_TEXT_MAX])
{
	const char *name;

	if (isfinite(value))
		return finite_text(value, text);
	name = isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
	memcpy(text, name, strlen(name) + 1);
	return strlen(name);
}
