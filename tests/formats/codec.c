/* SPDX-License-Identifier: MIT
 *
 * codec.c - convert a document: codec FROM TO <in >out.
 *
 * FROM and TO are names of codecs, with ".gz" behind them under gzip.  What is
 * wrong is said as "LINE:COLUMN: message", or "POINTER: message" where the
 * source is not to blame: exit 1.  Wrong arguments: exit 2.
 */
#include <stdio.h>
#include <stdlib.h>

#include "codecs.h"

struct end {
	const struct atio_codec *codec;
	bool gzip;
};

static bool find(const char *name, struct end *ret_end)
{
	size_t len = strlen(name);

	ret_end->gzip = len > 3 && strcmp(name + len - 3, ".gz") == 0;
	ret_end->codec = codec_named(name, ret_end->gzip ? len - 3 : len);
	if (!ret_end->codec)
		fprintf(stderr, "codec: there is no codec '%s'\n", name);
	return ret_end->codec;
}

/* All of @in; NULL: no memory, or it cannot be read. */
static char *read_all(FILE *in, size_t *ret_len)
{
	size_t len = 0, room = 1 << 16;
	char *bytes = malloc(room), *larger;

	while (bytes) {
		len += fread(bytes + len, 1, room - len, in);
		if (len < room)
			break;
		larger = realloc(bytes, room *= 2);
		if (!larger)
			free(bytes);
		bytes = larger;
	}
	if (bytes && ferror(in)) {
		free(bytes);
		return NULL;
	}
	*ret_len = len;
	return bytes;
}

static int load(const struct end *from, const char *bytes, size_t len,
		struct atio_doc **ret_doc, struct atio_value_error *err)
{
	char *plain;
	int r;

	if (!from->gzip)
		return atio_codec_load(from->codec, bytes, len, NULL, ret_doc,
				       err);
	r = atio_gzip_unpack(bytes, len, (size_t)64 << 20, &plain, &len, err);
	if (r < 0)
		return r;
	r = atio_codec_load(from->codec, plain, len, NULL, ret_doc, err);
	free(plain);
	return r;
}

static int dump(const struct end *to, const struct atio_node *root,
		char **ret_bytes, size_t *ret_len, struct atio_value_error *err)
{
	char *plain;
	size_t len;
	int r;

	if (!to->gzip)
		return atio_codec_dump(to->codec, root, NULL, ret_bytes,
				       ret_len, err);
	r = atio_codec_dump(to->codec, root, NULL, &plain, &len, err);
	if (r < 0)
		return r;
	r = atio_gzip_pack(plain, len, ret_bytes, ret_len, err);
	free(plain);
	return r;
}

static int complain(int r, const struct atio_value_error *err)
{
	const char *text =
		err->error.code ? err->error.text : "no reason given";

	if (r != -err->error.code)
		fprintf(stderr, "returned %d, but says %d: ", r,
			err->error.code);
	if (err->has_pointer)
		fprintf(stderr, "%s: %s\n", err->pointer, text);
	else
		fprintf(stderr, "%zu:%zu: %s\n", err->line, err->column, text);
	return 1;
}

int main(int argc, char **argv)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = NULL;
	struct end from, to;
	size_t len, out_len;
	char *in, *out = NULL;
	int r;

	if (argc != 3 || !find(argv[1], &from) || !find(argv[2], &to))
		return 2;
	in = read_all(stdin, &len);
	if (!in)
		return 2;
	r = load(&from, in, len, &doc, &err);
	free(in); /* a document does not need its source */
	if (r == 0)
		r = dump(&to, atio_doc_root(doc), &out, &out_len, &err);
	if (r == 0 &&
	    (fwrite(out, 1, out_len, stdout) != out_len || fflush(stdout) != 0))
		r = 2;
	else if (r < 0)
		r = complain(r, &err);
	free(out);
	atio_doc_free(doc);
	return r;
}
