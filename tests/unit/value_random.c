/* SPDX-License-Identifier: MIT */
#include "value_random.h"

static void put(struct value_maker *m, const char *more)
{
	size_t len = strlen(m->text);

	(void)snprintf(m->text + len, sizeof(m->text) - len, "%s", more);
}

static void put_number(struct value_maker *m, const char *before, unsigned number,
		       const char *after)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%s%u%s", before, number, after);
	put(m, text);
}

static void put_scalar(struct value_maker *m)
{
	static const char *const scalars[] = {
		"null",
		"true",
		"0",
		"-7",
		"31~0x1F",
		"1000~1_000",
		"0~-0",
		"123456789012345678901234567890",
		"9223372036854775808~9_223_372_036_854_775_808",
		"2.5",
		"0.5~.5",
		"-0.0",
		"inf",
		"-inf",
		"nan",
		"100.0~1e2",
		"1e+300",
		"text",
		"'1'",
		"'true'",
		"'null'",
		"''",
		"' a b '",
		"'a\\nb'",
		"'<<'",
		"'2020-02-29'",
		"'aGVsbG8='",
		"@2020-02-29",
		"@1979-05-27T07:32:00Z",
		"@1979-05-27t07:32:00.50+01:00",
		"@07:32:00",
		"b'bytes'",
		"b'\\0\\xFF'",
		"b''",
	};

	put(m, scalars[pick(&m->random, LENGTH(scalars))]);
}

static void put_value(struct value_maker *m, unsigned depth);

static void put_members(struct value_maker *m, bool map, unsigned depth)
{
	unsigned n = pick(&m->random, 4), last = m->anchors - 1;
	bool merges = map && m->anchors && m->anchors <= VALUE_ANCHORS &&
		      m->is_map[last] && pick(&m->random, 2);

	put(m, map ? "{" : "[");
	if (merges)
		put_number(m, "<<: *a", last, n ? ", " : "");
	for (unsigned i = 0; i < n; i++) {
		if (map)
			put_number(m, "k", i, ": ");
		put_value(m, depth - 1);
		if (i + 1 < n)
			put(m, ", ");
	}
	put(m, map ? "}" : "]");
}

static void put_value(struct value_maker *m, unsigned depth)
{
	unsigned kind = depth ? pick(&m->random, 4) : 0, anchor = VALUE_ANCHORS;

	if (kind == 1 && m->anchors) {
		put_number(m, "*a", pick(&m->random, m->anchors), "");
		return;
	}
	if (kind < 2) {
		put_scalar(m);
		return;
	}
	/* An alias within is that of another one: its number comes later. */
	if (pick(&m->random, 3) == 0 && m->anchors < VALUE_ANCHORS && depth == 1)
		anchor = m->anchors;
	if (anchor < VALUE_ANCHORS)
		put_number(m, "&a", anchor, " ");
	put_members(m, kind == 2, depth);
	if (anchor == VALUE_ANCHORS)
		return;
	m->is_map[anchor] = kind == 2;
	m->anchors = anchor + 1;
}

/* Rows of one header, which is what CSV can hold. */
static void put_table(struct value_maker *m)
{
	unsigned columns = 1 + pick(&m->random, 3);
	unsigned rows = 1 + pick(&m->random, 3);

	put(m, "[");
	for (unsigned row = 0; row < rows; row++) {
		put(m, row ? ", {" : "{");
		for (unsigned column = 0; column < columns; column++) {
			/* Of each row in its own order. */
			put_number(m, column ? ", k" : "k",
				   (column + row) % columns, ": ");
			put_scalar(m);
		}
		put(m, "}");
	}
	put(m, "]");
}

/* {"root": ...}, which XML can hold more often than others. */
static void put_element(struct value_maker *m)
{
	put(m, "{root: {'@attributes': {a: ");
	put_scalar(m);
	put(m, "}, b: [");
	put_scalar(m);
	put(m, ", {'@attributes': {d: ");
	put_scalar(m);
	put(m, ", e: 1}, '#text': 5}], c: ");
	put_value(m, 1);
	put(m, "}}");
}

const char *value_make(struct value_maker *m, unsigned seed)
{
	*m = (struct value_maker){
		.random = {(uint64_t)(seed + 1) * 0x9E3779B97F4A7C15ull}};
	switch (seed % 5) {
	case 0:
		put_table(m);
		break;
	case 1:
		put_element(m);
		break;
	case 2:
		put_members(m, true, 3);
		break;
	case 3:
		put_scalar(m);
		break;
	default:
		put_value(m, 3);
		break;
	}
	return m->text;
}
