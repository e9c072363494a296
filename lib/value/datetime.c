/* SPDX-License-Identifier: MIT
 *
 * datetime.c - dates and times as of RFC 3339, with TOML's local ones.
 */
#include <errno.h>
#include <string.h>

#include "value/inside.h"

struct cursor {
	const char *s, *end;
	char *out; /* has room for all of the text and ":00" */
};

/* Exactly @n digits; their value, or -1. */
static int digits(struct cursor *c, int n)
{
	int value = 0;

	while (n--) {
		if (c->s == c->end || *c->s < '0' || *c->s > '9')
			return -1;
		value = value * 10 + (*c->s - '0');
		*c->out++ = *c->s++;
	}
	return value;
}

static bool take(struct cursor *c, char what)
{
	if (c->s == c->end || *c->s != what)
		return false;
	*c->out++ = *c->s++;
	return true;
}

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30,
				   31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool take_date(struct cursor *c)
{
	int year, month, day;

	year = digits(c, 4);
	if (year < 0 || !take(c, '-'))
		return false;
	month = digits(c, 2);
	if (month < 1 || month > 12 || !take(c, '-'))
		return false;
	day = digits(c, 2);
	return day >= 1 && day <= days_of(year, month);
}

static bool take_time(struct cursor *c)
{
	int hour, minute, second;

	hour = digits(c, 2);
	if (hour < 0 || hour > 23 || !take(c, ':'))
		return false;
	minute = digits(c, 2);
	if (minute < 0 || minute > 59 || !take(c, ':'))
		return false;
	second = digits(c, 2);
	if (second < 0 || second > 60) /* 60: a leap second */
		return false;
	if (!take(c, '.'))
		return true;
	if (digits(c, 1) < 0)
		return false;
	while (c->s < c->end && *c->s >= '0' && *c->s <= '9')
		*c->out++ = *c->s++;
	return true;
}

static bool take_offset(struct cursor *c)
{
	int hour, minute;

	if (*c->s == 'Z' || *c->s == 'z') {
		c->s++;
		*c->out++ = 'Z';
		return true;
	}
	if (!take(c, '+') && !take(c, '-'))
		return false;
	hour = digits(c, 2);
	if (hour < 0 || hour > 23 || !take(c, ':'))
		return false;
	minute = digits(c, 2);
	return minute >= 0 && minute <= 59;
}

static bool take_all(struct cursor *c, enum atio_datetime *ret_kind)
{
	if (c->end - c->s > 2 && c->s[2] == ':') {
		*ret_kind = ATIO_LOCAL_TIME;
		return take_time(c);
	}
	if (!take_date(c))
		return false;
	*ret_kind = ATIO_LOCAL_DATE;
	if (c->s == c->end)
		return true;
	if (*c->s != 'T' && *c->s != 't' && *c->s != ' ')
		return false;
	c->s++;
	*c->out++ = 'T';
	if (!take_time(c))
		return false;
	*ret_kind = ATIO_LOCAL_DATETIME;
	if (c->s == c->end)
		return true;
	*ret_kind = ATIO_OFFSET_DATETIME;
	return take_offset(c);
}

int atio_datetime_parse(const char *text, size_t len,
			enum atio_datetime *ret_kind,
			char canonical[ATIO_DATETIME_TEXT_MAX])
{
	char own[ATIO_DATETIME_TEXT_MAX];
	struct cursor c = {text, text + len, canonical ? canonical : own};
	enum atio_datetime kind;

	if (len >= ATIO_DATETIME_TEXT_MAX)
		return -EFBIG;
	if (!take_all(&c, &kind) || c.s != c.end)
		return -EINVAL;
	*c.out = '\0';
	*ret_kind = kind;
	return 0;
}
