/* SPDX-License-Identifier: MIT
 *
 * test_json_jansson.c - random documents, right and wrong ones, by two readers:
 * ours and jansson's agree on what is JSON, and read what the other one writes.
 */
#include <jansson.h>

#include "check.h"
#include "format/codec.h"
#include "mutate.h"

#define DOCUMENTS 60000
#define DEEPEST   2048 /* of jansson */
#define FLAGS     (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

static const char *const seeds[] = {
	"{\"a\": [1, -2, 3.5, 1e5, -0, 0.0], \"b\": {\"c\": null}}",
	"[\"text\", \"\\u00e9\\ud83d\\ude00\\n\\t\\\\\\\"\", \"é€😀\", \"\"]",
	"[[[[]]], {}, {\"\": {}}, [true, false, null]]",
	"  [ 1 , \"x\" , { \"k\" : -1.25E-3 } ]\r\n",
	"{\"k1\":1,\"k2\":2,\"k3\":3,\"k4\":4,\"k5\":5,\"k6\":6,\"k7\":7,"
	"\"k8\":8,\"k9\":9,\"k10\":10,\"k11\":11}",
	"[9223372036854775807, -9223372036854775808, 1.7976931348623157e308]",
	"\"only a string\"",
	"-12.75e+2",
};

static unsigned both, neither;

static const struct atio_limits limits = {
	.version = ATIO_LIMITS_VERSION,
	.depth = DEEPEST,
};

/* What the two do differently, and why. */
static bool excused(const char *text, size_t len, int r, const json_error_t *e)
{
	enum json_error_code code = json_error_code(e);

	return r == -EFBIG || /* our limits */
	       /* integers beyond 64 bits: we keep them */
	       code == json_error_numeric_overflow ||
	       /* NUL in keys: fine with us */
	       code == json_error_null_byte_in_key ||
	       code == json_error_stack_overflow ||
	       /* blank ones, and a BOM, are no error of ours */
	       strspn(text, " \t\r\n") >= len || *text == '\xef';
}

static json_t *reread(const struct atio_node *root)
{
	json_error_t error;
	json_t *json;
	char *text;
	size_t len;

	NEED(atio_codec_dump(&atio_codec_json, root, NULL, &text, &len, NULL) ==
	     0);
	json = json_loadb(text, len, FLAGS, &error);
	if (!json)
		printf("%s:\n%s\n", error.text, text);
	CHECK(json);
	free(text);
	return json;
}

/* Read by us, written by us, read by jansson, written by jansson, read by us.
 */
static void check_same(const struct atio_node *root, const json_t *theirs)
{
	json_t *json = reread(root);
	struct atio_doc *doc = NULL;
	char *text;

	CHECK(json_equal(json, theirs));
	text = json_dumps(json, JSON_ENCODE_ANY);
	NEED(text);
	CHECK_INT(atio_codec_load(&atio_codec_json, text, strlen(text), &limits,
				  &doc, NULL),
		  0);
	if (!doc || !atio_value_equal(root, atio_doc_root(doc)))
		printf("%s\n", text);
	CHECK(doc && atio_value_equal(root, atio_doc_root(doc)));
	atio_doc_free(doc);
	free(text);
	json_decref(json);
}

static void check_document(const char *text, size_t len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = NULL;
	json_error_t error;
	json_t *json;
	int r;

	json = json_loadb(text, len, FLAGS, &error);
	r = atio_codec_load(&atio_codec_json, text, len, &limits, &doc, &err);
	if ((r == 0) != (json != NULL) && !excused(text, len, r, &error)) {
		printf("ours: %s, jansson's: %s:\n%.*s\n", err.error.text,
		       error.text, (int)len, text);
		CHECK(!"both agree");
	}
	both += r == 0 && json;
	neither += r < 0 && !json;
	if (r == 0 && json)
		check_same(atio_doc_root(doc), json);
	json_decref(json);
	atio_doc_free(doc);
}

int main(void)
{
	static struct pool pool;
	static char text[MUTATE_MOST];
	uint64_t random = 1;
	size_t len;

	for (size_t i = 0; i < sizeof(seeds) / sizeof(*seeds); i++) {
		pool_add(&pool, seeds[i], strlen(seeds[i]));
		check_document(seeds[i], strlen(seeds[i]));
	}
	CHECK_INT(both, sizeof(seeds) / sizeof(*seeds));
	for (int i = 0; i < DOCUMENTS; i++) {
		unsigned good = both;

		len = mutate(&pool, &random, text);
		text[len] = '\0';
		check_document(text, len);
		if (both > good && len < 2000)
			pool_change(&pool, &random, text, len);
	}
	pool_done(&pool);
	printf("%u documents, %u others\n", both, neither);
	CHECK(both > DOCUMENTS / 10 && neither > DOCUMENTS / 10);
	return check_result();
}
