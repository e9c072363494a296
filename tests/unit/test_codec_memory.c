/* SPDX-License-Identifier: MIT
 *
 * test_codec_memory.c - each allocation of each codec in turn fails: loading
 * and writing end with -ENOMEM, say so, and lose no memory (which is for the
 * address sanitizer to say).
 */
#include "check.h"
#include "codecs.h"
#include "failing.h"

#define MOST_ALLOCATIONS 2000

/* @text, with @times the @part in the place of its '@'. */
static const struct document {
	const char *codec, *text, *part;
	unsigned times;
	int r; /* of loading, when there is memory */
} documents[] = {
	{"json",
	 .text = "{\"a\": [1, -0, 1e2, \"x\\u0041\\n\", {}, [], null, true]}"},
	{"json", .text = "[1234567890123456789012345678901234567890, 0.1]"},
	{"json", .text = "[0.12345678901234567890, 1.7976931348623157e308]"},
	{"json", .text = "[@0]", .part = "\"some text\", {\"a\": \"b\\tc\"}, ",
	 .times = 100},
	{"json", .text = "@", .part = "[", .times = 100, .r = -EINVAL},
	{"json", .text = "@@", .part = "[[[[[[[[", .times = 5, .r = -EINVAL},
	{"json",
	 .text = "{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4, \"e\": 5, \"f\": 6,"
		 " \"g\": 7, \"h\": 8, \"i\": 9, \"j\": 10, \"k\": [11]}"},
	{"json", .text = "{\"a\": 1, \"a\": 2}", .r = -EEXIST},
	{"json", .text = ""},
	{"typed",
	 .text = "[{\"type\": \"bytes\", \"value\": \"AAECAwQFBgcICQ==\"}]"},
	{"typed",
	 .text = "{\"type\": \"tagged\", \"tag\": \"!a\", \"value\": {\"type\":"
		 " \"map\", \"value\": [[[], {\"a\": []}], [[[]], {}]]}}"},
	{"typed", .text = "{\"type\": \"stream\", \"value\": [[], {}, [[]]]}"},
	{"typed",
	 .text = "{\"type\": \"date-local\", \"value\": \"1979-05-27\"}"},
	{"typed", .text = "[@[]]",
	 .part = "{\"type\": \"float\", \"value\": \"0.5\"}, ", .times = 100},
	{"typed", .text = "[[]", .r = -EINVAL},
	{"toml",
	 .text = "a.b = 0x1F\nc = \"\\u00e9\"\nd = [1_0.5, {e = 1}, [] ]\n"
		 "f = 1979-05-27 07:32:00z\n[g.h]\ni = '''\nj\n'''\n[[k]]\n"
		 "[[k]]\nl = [\"a long text\", \"a long text, again\", "
		 "\"a long text, once more\", \"the last of the texts\"]\n"},
	{"toml", .text = "[[t]]\nx.y = 1_0.0\n@",
	 .part = "[[t.u]]\nd = 07:32:00.5\nk = 'some text'\n", .times = 100},
	{"toml", .text = "k = \"@\"", .part = "\\U0001F600", .times = 500},
	{"toml", .text = "a = @@", .part = "[[[[[[[[", .times = 5, .r = -EINVAL},
	{"toml", .text = "@", .part = "a.", .times = 100, .r = -EINVAL},
	{"toml", .text = "[@a]\nb.c = 1", .part = "a.", .times = 100},
	{"toml", .text = "a = 1\na = 2", .r = -EEXIST},
	{"toml", .text = ""},
	{"yaml",
	 .text = "a: 1 # c\nb: [0x1F, 1e2, \"x\", {}, []]\nc: |\n  d\n  e\n"},
	{"yaml",
	 .text = "- 9223372036854775808\n- 0xFFFFFFFFFFFFFFFFFF\n- .inf\n"},
	{"yaml",
	 .text = "- &a !t [b]\n- *a\n- !!binary aGVsbG8=\n- !!float 3\n"
		 "- !!timestamp 2001-12-14 21:59:43.10Z\n- !<x:y> z\n"},
	{"yaml", .text = "? [&a b, *a]\n: &c {d: *a}\n? {e: f}\n: *c\n"},
	{"yaml", .text = "--- &a a\n--- [&a b, *a]\n...\nc: d\n...\n# e\n"},
	{"yaml", .text = "%TAG !e! tag:x,1:\n%FOO\n--- !e!a \"\x7f \xC2\x85\"\n"},
	{"yaml", .text = "- &a b\n@", .part = "- *a\n- &a c\n", .times = 50},
	{"yaml", .text = "@a", .part = "- ", .times = 100},
	{"yaml", .text = "@- a", .part = "- some text\n", .times = 100},
	{"yaml", .text = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\nh: 8\ni: 9\n"},
	{"yaml", .text = "a: 1\na: 2\n", .r = -EEXIST},
	{"yaml", .text = "&a [*a]\n? [*a]\n", .r = -EINVAL},
	{"yaml", .text = "&a\n? [*a]\n: b\n", .r = -ELOOP},
	{"yaml", .text = "a: 'b\n", .r = -EINVAL},
	{"yaml", .text = "# a\n"},
	{"txt", .text = "some text\n"},
	{"txt", .text = "@", .part = "some text\n", .times = 1000},
	{"txt", .text = ""},
	{"csv", .text = "a,b\r\n1,\"x\"\"y\"\r\n,2"},
	{"csv", .text = "a,b,c,d,e,f,g,h,i,j\n@", .part = "1,,2,,3,,4,,5,\n",
	 .times = 30},
	{"csv", .text = "a,b\n1\n", .r = -EINVAL},
	{"csv", .text = "a,a\n", .r = -EEXIST},
	{"csv", .text = ""},
	{"xml", .text = "<a b='1' c.d='&lt;'>x&amp;y<![CDATA[z]]></a>"},
	{"xml", .text = "<r>@</r>", .part = "<a/><b x='1'>t</b><c><d/></c>",
	 .times = 30},
	{"xml",
	 .text = "<r><a/><b/><c/><d/><e/><f/><g/><h/><i/><j/><a/><j/></r>"},
	{"xml", .text = "<\xC3\xA9 \xC3\xB6='1'><\xC3\xBC/></\xC3\xA9>"},
	{"xml", .text = "<r>@</r>", .part = "some text\n", .times = 1000},
	{"xml", .text = "<r a='@'/>", .part = "some &lt; text\n", .times = 200},
	{"xml", .text = "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9</a>"},
	{"xml", .text = "<a><b></a>", .r = -EINVAL},
	{"xml", .text = "<!DOCTYPE a><a/>", .r = -EOPNOTSUPP},
	{"xml", .text = "<a x='1' x='2'/>", .r = -EEXIST},
};

/* ---- a document's text ----------------------------------------------- */

static char *text_of(const struct document *d)
{
	size_t room = strlen(d->text) + 1;
	char *text, *to;

	for (const char *s = d->text; d->part && *s; s++)
		room += *s == '@' ? strlen(d->part) * d->times : 0;
	text = to = malloc(room);
	NEED(text);
	for (const char *s = d->text; *s; s++) {
		if (!d->part || *s != '@') {
			*to++ = *s;
			continue;
		}
		for (unsigned i = 0; i < d->times; i++)
			to = stpcpy(to, d->part);
	}
	*to = '\0';
	return text;
}

static void check_failure(const struct document *d, const char *what,
			  unsigned k, int r, int should,
			  const struct atio_value_error *err)
{
	if (r == should && err->error.code == -should)
		return;
	printf("%s, %s '%.40s', allocation %u: %d (%d: %s)\n", d->codec, what,
	       d->text, k, r, err->error.code, err->error.text);
	CHECK(!"every failure is -ENOMEM");
}

/* ---- deeds: true while there was an allocation to fail ---------------- */

static bool load_failing(const struct document *d, const char *text, size_t len,
			 unsigned k)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = NULL;
	bool reached;
	int r;

	failing_begin(k);
	r = atio_codec_load(codec_named(d->codec, strlen(d->codec)), text, len,
			    NULL, &doc, &err);
	reached = failing_end();
	check_failure(d, "load", k, r, reached ? -ENOMEM : d->r, &err);
	CHECK((r == 0) == (doc != NULL));
	atio_doc_free(doc);
	return reached;
}

static bool dump_failing(const struct document *d, const char *codec,
			 const struct atio_node *root, unsigned k)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	char *bytes = NULL;
	bool reached;
	size_t len;
	int r;

	failing_begin(k);
	r = atio_codec_dump(codec_named(codec, strlen(codec)), root, NULL,
			    &bytes, &len, &err);
	reached = failing_end();
	check_failure(d, codec, k, r, reached ? -ENOMEM : 0, &err);
	CHECK((r == 0) == (bytes != NULL));
	free(bytes);
	return reached;
}

static bool unzip_failing(const struct document *d, const char *packed,
			  size_t len, unsigned k)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	char *bytes = NULL;
	size_t unpacked;
	bool reached;
	int r;

	failing_begin(k);
	r = atio_gzip_unpack(packed, len, SIZE_MAX / 2, &bytes, &unpacked,
			     &err);
	reached = failing_end();
	check_failure(d, "unzip", k, r, reached ? -ENOMEM : 0, &err);
	CHECK((r == 0) == (bytes != NULL));
	free(bytes);
	return reached;
}

/* *ret_packed is the caller's, in the end. */
static bool zip_failing(const struct document *d, const char *text, size_t len,
			unsigned k, char **ret_packed, size_t *ret_len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	bool reached;
	int r;

	failing_begin(k);
	r = atio_gzip_pack(text, len, ret_packed, ret_len, &err);
	reached = failing_end();
	check_failure(d, "zip", k, r, reached ? -ENOMEM : 0, &err);
	return reached;
}

/* ---- every allocation of a document ----------------------------------- */

static void test_load(const struct document *d, const char *text)
{
	unsigned k = 1;

	while (k < MOST_ALLOCATIONS && load_failing(d, text, strlen(text), k))
		k++;
	CHECK(k > 1 && k < MOST_ALLOCATIONS);
}

/* In its own format, and in the one that holds everything. */
static void test_dump(const struct document *d, const char *text)
{
	const char *const codecs[] = {d->codec, "typed"};
	struct atio_doc *doc;
	unsigned k;

	if (d->r)
		return;
	NEED(atio_codec_load(codec_named(d->codec, strlen(d->codec)), text,
			     strlen(text), NULL, &doc, NULL) == 0);
	for (size_t i = 0; i < 2; i++) {
		k = 1;
		while (k < MOST_ALLOCATIONS &&
		       dump_failing(d, codecs[i], atio_doc_root(doc), k))
			k++;
		CHECK(k > 1 && k < MOST_ALLOCATIONS);
	}
	atio_doc_free(doc);
}

static void test_gzip(const struct document *d, const char *text)
{
	char *packed = NULL;
	unsigned k = 1;
	size_t len;

	while (k < MOST_ALLOCATIONS &&
	       zip_failing(d, text, strlen(text), k, &packed, &len))
		k++;
	NEED(packed);
	CHECK(k > 1);
	k = 1;
	while (k < MOST_ALLOCATIONS && unzip_failing(d, packed, len, k))
		k++;
	CHECK(k > 1);
	free(packed);
}

int main(void)
{
	const struct document *d;
	char *text;

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		d = &documents[i];
		text = text_of(d);
		test_load(d, text);
		test_dump(d, text);
		test_gzip(d, text);
		free(text);
	}
	return check_result();
}
