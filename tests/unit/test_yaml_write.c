/* SPDX-License-Identifier: MIT
 *
 * test_yaml_write.c - what is written as YAML reads back as the same: trees of
 * random values, nodes that are shared, and what cannot be written.
 */
#include "check.h"
#include "format/codec.h"

#define TREES 6000

static struct atio_doc *load(const char *text, size_t len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = NULL;

	if (atio_codec_load(&atio_codec_yaml, text, len, NULL, &doc, &err) < 0)
		printf("%.*s\n%zu:%zu: %s\n", (int)len, text, err.line,
		       err.column, err.error.text);
	return doc;
}

static int dump(const struct atio_node *root, char **ret_text, size_t *ret_len,
		struct atio_value_error *err)
{
	*err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
	*ret_text = NULL;
	return atio_codec_dump(&atio_codec_yaml, root, NULL, ret_text, ret_len,
			       err);
}

static void check_text(const struct atio_node *root, const char *should)
{
	struct atio_value_error err;
	char *text;
	size_t len;

	CHECK_INT(dump(root, &text, &len, &err), 0);
	CHECK_STR(text, should);
	free(text);
}

/* ---- random values --------------------------------------------------- */

static uint64_t state;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545F4914F6CDD1Dull;
}

static size_t below(size_t most)
{
	return (size_t)((draw() >> 16) % most);
}

/* What strings are made of: all that means something somewhere. */
#define PIECE(text)                                                            \
	{                                                                      \
		text, sizeof(text) - 1                                         \
	}
static const struct {
	const char *text;
	size_t len;
} pieces[] = {
	PIECE("a"),
	PIECE("word"),
	PIECE(" "),
	PIECE("  "),
	PIECE("\n"),
	PIECE("\n"),
	PIECE("\n\n"),
	PIECE("\r"),
	PIECE("\t"),
	PIECE(": "),
	PIECE(":"),
	PIECE(" #"),
	PIECE("#"),
	PIECE("-"),
	PIECE("- "),
	PIECE("? "),
	PIECE("'"),
	PIECE("\""),
	PIECE("\\"),
	PIECE("\xC3\xA4"),
	PIECE("\xC2\x85"),
	PIECE("\xC2\xA0"),
	PIECE("\xE2\x80\xA8"),
	PIECE("\xE2\x80\xA9"),
	PIECE("\xEF\xBB\xBF"),
	PIECE("\xEF\xBF\xBF"),
	PIECE("\x7F"),
	PIECE("\xC2\x80"),
	PIECE("\x01"),
	PIECE("\0"),
	PIECE("\x1B"),
	PIECE("\xF0\x9F\x98\x80"),
	PIECE("no"),
	PIECE("1"),
	PIECE("1.5"),
	PIECE("0x1F"),
	PIECE("0"),
	PIECE("---"),
	PIECE("..."),
	PIECE("|"),
	PIECE(">"),
	PIECE("%"),
	PIECE("@"),
	PIECE("`"),
	PIECE("&a"),
	PIECE("*a"),
	PIECE("!t "),
	PIECE(","),
	PIECE("["),
	PIECE("]"),
	PIECE("{"),
	PIECE("}"),
	PIECE("~"),
	PIECE("="),
	PIECE("<<"),
	PIECE("null"),
	PIECE("."),
	PIECE("+"),
	PIECE("e3"),
	PIECE("2001-01-01"),
	PIECE("1:30"),
	PIECE("_"),
	PIECE("\xF4\x80\x80\x80"),
};

static size_t draw_text(char *text)
{
	size_t n = below(7), len = 0, i;

	if (below(12) == 0)
		n = 60;
	while (n--) {
		i = below(sizeof(pieces) / sizeof(*pieces));
		memcpy(text + len, pieces[i].text, pieces[i].len);
		len += pieces[i].len;
	}
	return len;
}

static void build_string(struct atio_builder *b)
{
	char text[1024];

	(void)atio_build_string(b, text, draw_text(text));
}

static void build_bytes(struct atio_builder *b)
{
	uint64_t words[32];

	for (size_t i = 0; i < 32; i++)
		words[i] = draw();
	(void)atio_build_bytes(b, words, below(sizeof(words)));
}

static void build_float(struct atio_builder *b)
{
	static const double some[] = {0.0,  -0.0, 1.0,      1e22,
				      1e-7, 0.1,  -2.5e300, 1e16};
	uint64_t bits = draw();
	double value;

	memcpy(&value, &bits, sizeof(value));
	if (below(2))
		value = some[below(sizeof(some) / sizeof(*some))];
	else if (below(8) == 0)
		value = below(2) ? __builtin_inf() : -__builtin_nan("");
	(void)atio_build_float(b, value);
}

static void build_datetime(struct atio_builder *b)
{
	static const char *const some[] = {
		"1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5-01:00",
		"1979-05-27T07:32:00", "1979-05-27", "07:32:00"};
	const char *text = some[below(sizeof(some) / sizeof(*some))];

	/* As it is read from YAML, where it had a tag. */
	b->style = ATIO_STYLE_PLAIN;
	(void)atio_build_datetime(b, text, strlen(text));
}

/* No bytes and dates: they have a tag already. */
static void build_untagged(struct atio_builder *b)
{
	char digits[64];

	switch (below(8)) {
	case 0:
		(void)atio_build_null(b);
		break;
	case 1:
		(void)atio_build_bool(b, below(2));
		break;
	case 2:
		(void)atio_build_int(b, (int64_t)draw() >> below(64));
		break;
	case 3:
		snprintf(digits, sizeof(digits), "%s9%020llu",
			 below(2) ? "-" : "", (unsigned long long)draw());
		(void)atio_build_integer(b, digits, strlen(digits));
		break;
	case 4:
		build_float(b);
		break;
	default:
		build_string(b);
		break;
	}
}

static void build_scalar(struct atio_builder *b, bool tagged)
{
	size_t kind = tagged ? 9 : below(10);

	if (kind == 0)
		build_bytes(b);
	else if (kind == 1)
		build_datetime(b);
	else
		build_untagged(b);
}

static const char *const names[] = {"x", "y-1", "Z_"};
static bool anchored[3];

static bool build_tag(struct atio_builder *b)
{
	static const char *const tags[] = {"!t",
					   "!a b%",
					   "tag:example.com,2000:x#[]",
					   "!\xC3\xA4!c",
					   "tag:yaml.org,2002:set",
					   "urn:x",
					   "!<>"};
	const char *tag = tags[below(sizeof(tags) / sizeof(*tags))];

	if (below(8))
		return false;
	(void)atio_build_tag(b, tag, strlen(tag));
	return true;
}

static void build_value(struct atio_builder *b, size_t depth);

/* Anchors that are given once it is complete: no cycles. */
static void build_collection(struct atio_builder *b, size_t depth)
{
	bool map = below(2);
	size_t n = below(4);

	if (below(20) == 0)
		n = 12;
	(void)(map ? atio_build_map(b) : atio_build_seq(b));
	for (; n; n--) {
		if (map && below(4))
			build_string(b);
		else if (map)
			build_value(b, depth + 2);
		build_value(b, depth + 1);
	}
	(void)atio_build_end(b);
}

static void build_value(struct atio_builder *b, size_t depth)
{
	size_t name = below(3), i = below(3);
	bool anchor, tagged;

	if (anchored[i] && below(5) == 0) {
		(void)atio_build_alias(b, names[i], strlen(names[i]));
		return;
	}
	anchor = below(6) == 0;
	if (anchor)
		(void)atio_build_anchor(b, names[name], strlen(names[name]));
	tagged = build_tag(b);
	if (depth < 5 && below(2)) {
		if (anchor) /* not while it is open */
			anchored[name] = false;
		build_collection(b, depth);
	} else {
		build_scalar(b, tagged);
	}
	if (anchor)
		anchored[name] = true;
}

/* NULL: two keys were the same. */
static struct atio_doc *build_tree(struct atio_builder *b)
{
	struct atio_doc *doc = NULL;
	size_t documents = below(8) ? 1 : 2 + below(3);

	while (documents--) {
		memset(anchored, 0, sizeof(anchored));
		build_value(b, 0);
		if (documents)
			(void)atio_build_document(b);
	}
	CHECK(b->failed == 0 || b->failed == -EEXIST);
	(void)atio_builder_finish(b, &doc, NULL);
	return doc;
}

static void check_tree(const struct atio_node *root, unsigned seed)
{
	struct atio_value_error err;
	char *text, *again = NULL;
	size_t len, again_len;
	struct atio_doc *back;
	bool same = false;

	CHECK_INT(dump(root, &text, &len, &err), 0);
	NEED(text);
	back = load(text, len);
	if (back) {
		same = atio_value_equal(root, atio_doc_root(back));
		CHECK_INT(dump(atio_doc_root(back), &again, &again_len, &err),
			  0);
		same = same && again && len == again_len &&
		       memcmp(text, again, len) == 0;
	}
	CHECK(same);
	if (!same)
		printf("seed %u:\n%.*s\nthen\n%s\n", seed, (int)len, text,
		       again ? again : "(nothing)");
	atio_doc_free(back);
	free(text);
	free(again);
}

static void test_random(void)
{
	unsigned seed, trees = 0;

	for (seed = 1; seed <= TREES; seed++) {
		struct atio_builder *b;
		struct atio_doc *doc;

		state = seed * 0x9E3779B97F4A7C15ull;
		NEED(atio_builder_new(NULL, &b) == 0);
		doc = build_tree(b);
		if (doc) {
			trees++;
			check_tree(atio_doc_root(doc), seed);
		}
		atio_doc_free(doc);
		atio_builder_free(b);
	}
	CHECK(trees > TREES / 2);
	printf("%u trees\n", trees);
}

/* ---- what is shared -------------------------------------------------- */

static struct atio_doc *must_load(const char *text)
{
	struct atio_doc *doc = load(text, strlen(text));

	NEED(doc);
	return doc;
}

/* An edit removed the anchor, or moved it behind its alias. */
static void test_shared(void)
{
	struct atio_doc *doc = must_load("a: &x [b]\nc: *x\nd: *x\n");
	struct atio_node *root = doc->root;
	struct atio_pair pair = root->pairs[0];

	root->pairs[0] = root->pairs[2];
	root->pairs[2] = pair;
	check_text(root, "d: &x\n  - b\nc: *x\na: *x\n");
	atio_map_remove(root, 2);
	check_text(root, "d: &x\n  - b\nc: *x\n");
	check_text(root->pairs[0].value, "&x\n- b\n");
	atio_doc_free(doc);
}

static void test_cycle(void)
{
	static const char text[] =
		"&a\nb: *a\nc:\n  - &d\n    - *d\n    - *a\n";
	struct atio_doc *doc = must_load(text);

	check_text(atio_doc_root(doc), text);
	atio_doc_free(doc);
}

/* Two trees without an end, or with 9^20 members, are compared all the same. */
static void test_equal(void)
{
	static const char *const rows[][3] = {
		{"&a [*a, *a, b]\n", "&c [*c, *c, b]\n", "&a [*a, *a, c]\n"},
		{"&a {b: *a, c: [*a, d]}\n", "&x {b: *x, c: [*x, d]}\n",
		 "&a {b: *a, c: [*a, e]}\n"},
		{"- &a [x,x,x]\n- &b [*a,*a,*a]\n- &c [*b,*b,*b]\n"
		 "- &d [*c,*c,*c]\n- &e [*d,*d,*d]\n- &f [*e,*e,*e]\n"
		 "- &g [*f,*f,*f]\n- &h [*g,*g,*g]\n- &i [*h,*h,*h]\n"
		 "- &j [*i,*i,*i]\n- &k [*j,*j,*j]\n- &l [*k,*k,*k]\n"
		 "- &m [*l,*l,*l]\n- &n [*m,*m,*m]\n- &o [*n,*n,*n]\n"
		 "- &p [*o,*o,*o]\n- &q [*p,*p,*p]\n- &r [*q,*q,*q]\n"
		 "- &s [*r,*r,*r]\n- &t [*s,*s,*s]\n- [*t,*t,x]\n",
		 NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *other = rows[i][1] ? rows[i][1] : rows[i][0];
		struct atio_doc *a = must_load(rows[i][0]);
		struct atio_doc *b = must_load(other);
		struct atio_doc *c = must_load(rows[i][2] ? rows[i][2] : "a");

		CHECK(atio_value_equal(a->root, b->root));
		CHECK(!atio_value_equal(a->root, c->root));
		atio_doc_free(a);
		atio_doc_free(b);
		atio_doc_free(c);
	}
}

/* A value with a tag is shared once with it, once without. */
static void test_shared_tag(void)
{
	struct atio_doc *doc = must_load("- &a !t [b]\n- *a\n- &b c\n- *b\n");
	struct atio_node **items = doc->root->items;

	items[3]->inner = items[0]->inner;
	check_text(doc->root, "- &a !t\n  - b\n- *a\n- c\n- &b\n  - b\n");
	atio_doc_free(doc);
}

/* Each document has its anchors for itself. */
static void test_shared_documents(void)
{
	struct atio_doc *doc = must_load("- &a b\n- *a\n---\n- &a c\n- *a\n");
	struct atio_node **documents = doc->root->items;

	check_text(doc->root, "---\n- &a b\n- *a\n---\n- &a c\n- *a\n");
	documents[1]->items[0] = documents[0]->items[1];
	check_text(doc->root, "---\n- &a b\n- *a\n---\n- &id1 b\n- &id2 c\n");
	atio_doc_free(doc);
}

/* ---- what cannot be written ------------------------------------------ */

static void check_refused(struct atio_builder *b, const char *pointer)
{
	struct atio_value_error err;
	struct atio_doc *doc;
	char *text;
	size_t len;

	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	CHECK_INT(dump(atio_doc_root(doc), &text, &len, &err), -EOPNOTSUPP);
	CHECK_INT(err.error.code, EOPNOTSUPP);
	CHECK_STR(err.pointer, pointer);
	CHECK(!text);
	atio_doc_free(doc);
}

static void test_refused(void)
{
	struct atio_builder *b;

	NEED(atio_builder_new(NULL, &b) == 0);
	atio_build_seq(b);
	atio_build_null(b);
	atio_build_tag(b, "!t", 2);
	atio_build_bytes(b, "x", 1);
	atio_build_end(b);
	check_refused(b, "/1");
	atio_build_map(b);
	atio_build_string(b, "a/b", 3);
	atio_build_tag(b, "!", 1);
	atio_build_null(b);
	atio_build_end(b);
	check_refused(b, "/a~1b");
	atio_build_anchor(b, "a", 1);
	atio_build_seq(b);
	atio_build_tag(b, "!t", 2);
	atio_build_alias(b, "a", 1);
	atio_build_end(b);
	check_refused(b, "/0");
	atio_builder_free(b);
}

/* The last that fits, and one byte less. */
static void test_output_limit(void)
{
	static const char text[] = "- &a word\n- *a\n- - |\n    b\n    c\n";
	struct atio_limits limits = {.version = ATIO_LIMITS_VERSION};
	struct atio_value_error err;
	struct atio_doc *doc = load(text, strlen(text));
	char *out = NULL;
	size_t len;

	NEED(doc);
	for (limits.output_bytes = 1; limits.output_bytes <= strlen(text);
	     limits.output_bytes++) {
		bool fits = limits.output_bytes == strlen(text);

		err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
		CHECK_INT(atio_codec_dump(&atio_codec_yaml, atio_doc_root(doc),
					  &limits, &out, &len, &err),
			  fits ? 0 : -EFBIG);
		CHECK_INT(err.error.code, fits ? 0 : EFBIG);
		CHECK(fits == (out != NULL));
	}
	CHECK_STR(out, text);
	free(out);
	atio_doc_free(doc);
}

/* ---- what other formats have ----------------------------------------- */

static void test_foreign(void)
{
	struct atio_builder *b;
	struct atio_doc *doc;

	NEED(atio_builder_new(NULL, &b) == 0);
	atio_build_seq(b);
	atio_build_datetime(b, "1979-05-27 07:32:00Z", 20);
	atio_build_datetime(b, "1979-05-27", 10);
	atio_build_int_as(b, 1000, "1_000", 5);
	atio_build_int_as(b, 3, "0b11", 4);
	atio_build_int_as(b, 8, "010", 3); /* not what YAML reads */
	atio_build_int_as(b, 10, "010", 3); /* needs a tag for that */
	atio_build_tag(b, "!t", 2);
	atio_build_int_as(b, 10, "010", 3);
	atio_build_tag(b, "!t", 2);
	atio_build_bigint_as(b, "12345678901234567890", "012345678901234567890",
			     21);
	atio_build_int_as(b, 255, "0xFF", 4);
	atio_build_float_as(b, 1000.5, "1_000.5", 7);
	atio_build_float_as(b, 1e22, "1e22", 4);
	atio_build_float_as(b, __builtin_inf(), "inf", 3);
	atio_build_float(b, 1e22);
	atio_build_float(b, 1.5e-9);
	atio_build_float(b, -__builtin_inf());
	atio_build_float(b, __builtin_nan(""));
	b->style = ATIO_STYLE_PLAIN; /* merges only as a key */
	atio_build_string(b, "<<", 2);
	atio_build_end(b);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	check_text(atio_doc_root(doc),
		   "- 1979-05-27 07:32:00Z\n- 1979-05-27\n- 1000\n- 3\n- 8\n"
		   "- !!int 010\n- !t 10\n- !t 12345678901234567890\n"
		   "- 0xFF\n- 1000.5\n- 1e22\n- .inf\n- 1.0e+22\n- 1.5e-09\n"
		   "- -.inf\n- .nan\n- '<<'\n");
	atio_doc_free(doc);
	atio_builder_free(b);
}

int main(void)
{
	test_random();
	test_shared();
	test_cycle();
	test_equal();
	test_shared_tag();
	test_shared_documents();
	test_refused();
	test_output_limit();
	test_foreign();
	return check_result();
}
