/* SPDX-License-Identifier: MIT
 *
 * codec.c - the target of a codec: whatever bytes it is given, it says what is
 * wrong with them, or it loads a document that survives being written, in its
 * own format and as typed JSON.
 *
 * Built once for each codec, with CODEC as its name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "codecs.h"
#include "fuzz.h"

bool fuzz_accepted;

/* Small, so that inputs which reach them are found. */
static const struct atio_limits small = {
	.version = ATIO_LIMITS_VERSION,
	.input_bytes = 1 << 16,
	.output_bytes = 1 << 20,
	.depth = 40,
	.nodes = 5000,
	.alias_nodes = 5000,
	.alias_bytes = 1 << 18,
	.scalar_bytes = 1 << 12,
	.key_bytes = 300,
	.number_chars = 100,
	.columns = 50,
	.documents = 20,
};

/* For what was written out of that: indented, and with aliases expanded. */
static const struct atio_limits large = {
	.version = ATIO_LIMITS_VERSION,
	.depth = 5000,
	.output_bytes = (size_t)1 << 30,
};

static const struct atio_codec *codec_of(const char *name)
{
	const struct atio_codec *codec = codec_named(name, strlen(name));

	MUST(codec, "%s", name);
	return codec;
}

static void check_error(int r, const struct atio_value_error *err, size_t len)
{
	const char *text = err->error.text;

	MUST(r < 0 && r != -ENOMEM, "%d", r);
	MUST(err->error.code == -r, "%d, not %d", err->error.code, -r);
	MUST(*text && !strchr(text, '\n'), "'%s'", text);
	MUST(atio_utf8_check(text, strlen(text)) == strlen(text), "'%s'", text);
	MUST(err->offset <= len, "%zu", err->offset);
	MUST(!err->line == !err->column, "%zu:%zu", err->line, err->column);
}

/* Everything was read from within the source. */
static void check_spans(const struct atio_node *node, size_t len, int depth)
{
	struct atio_span span = atio_node_span(node);

	MUST(span.offset <= len && span.length <= len - span.offset,
	     "%s: %zu + %zu", atio_type_name(atio_node_type(node)), span.offset,
	     span.length);
	for (size_t i = 0; i < atio_node_count(node); i++) {
		if (atio_node_key(node, i))
			check_spans(atio_node_key(node, i), len, depth + 1);
		check_spans(atio_node_at(node, i), len, depth + 1);
	}
	if (atio_node_type(node) == ATIO_TAGGED)
		check_spans(atio_node_inner(node), len, depth + 1);
}

/* NULL: it is too large for the target. */
static char *written(const struct atio_codec *codec,
		     const struct atio_node *root,
		     const struct atio_limits *limits, size_t *ret_len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	char *bytes = NULL;
	int r = atio_codec_dump(codec, root, limits, &bytes, ret_len, &err);

	/* Typed JSON has no `<<`: a wrong one of YAML cannot be written. */
	if (r == -EFBIG || r == -ELOOP ||
	    (r == -EOPNOTSUPP && strcmp(codec->name, CODEC) != 0))
		return NULL;
	MUST(r == 0, "%s: %d: %s at '%s'", codec->name, r, err.error.text,
	     err.pointer);
	MUST(bytes[*ret_len] == '\0', "%s", codec->name);
	return bytes;
}

/* What @root is written as means the same, and is written so again. */
static void check_round(const char *name, const struct atio_node *root)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_codec *codec = codec_of(name);
	char *first, *second;
	struct atio_doc *doc, *converted;
	size_t len, again;
	int r;

	first = written(codec, root, &small, &len);
	if (!first)
		return;
	/* YAML's `<<` is merged for others. */
	r = atio_value_convert(root, codec->target, &small, &converted, &root,
			       &err);
	MUST(r == 0, "%s: %s", name, err.error.text);
	r = atio_codec_load(codec, first, len, &large, &doc, &err);
	MUST(r == 0, "%s: %zu:%zu: %s in\n%s", name, err.line, err.column,
	     err.error.text, first);
	MUST(atio_value_equal(root, atio_doc_root(doc)), "%s:\n%s", name,
	     first);
	second = written(codec, atio_doc_root(doc), &large, &again);
	MUST(second && again == len && memcmp(first, second, len) == 0,
	     "%s:\n%s\n%s", name, first, second);
	free(second);
	atio_doc_free(doc);
	atio_doc_free(converted);
	free(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc;
	int r;

	r = atio_codec_load(codec_of(CODEC), bytes, len, &small, &doc, &err);
	fuzz_accepted = r == 0;
	if (r < 0) {
		check_error(r, &err, len);
		return 0;
	}
	check_spans(atio_doc_root(doc), len, 0);
	/* Nothing is no XML: it is read, but cannot be written. */
	if (!(codec_of(CODEC)->needs_value &&
	      atio_doc_traits(doc) & ATIO_DOC_EMPTY))
		check_round(CODEC, atio_doc_root(doc));
	check_round("typed", atio_doc_root(doc));
	atio_doc_free(doc);
	return 0;
}
