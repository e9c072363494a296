/* SPDX-License-Identifier: MIT
 *
 * formats: do one work on one document, and print what it took.
 *
 *	formats WORK FORMAT FILE [RESULT]    nanoseconds, or bytes for `memory`
 *
 * Works: load and dump of this library; memory, the peak that a load needs
 * beside the document itself; and what other libraries do with the document:
 * jansson-load, jansson-dump, libyaml-events, libyaml-emit, expat-events.
 * What is not part of the work (reading the file, loading what is to be dumped,
 * freeing) is not measured.
 *
 * RESULT is a file for what came of it, by which is seen that they did the same
 * work: the text that was written, or how many members the top has, scalars
 * there are, elements begin.
 */
#include <errno.h>
#include <expat.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <yaml.h>

#include <atomicio/format.h>

struct work {
	const struct atio_format *format;
	char *bytes;
	size_t len;
	FILE *result; /* NULL: nobody asks for it */
};

/* The documents are larger than what anybody is sent unasked. */
static const struct atio_limits limits = {
	.version = ATIO_LIMITS_VERSION,
	.input_bytes = (size_t)256 << 20,
	.output_bytes = (size_t)512 << 20,
	.nodes = 100000000,
};

static int64_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "formats: %s\n", what);
	exit(1);
}

static void tell_text(const struct work *w, const char *text, size_t len)
{
	if (w->result && fwrite(text, 1, len, w->result) != len)
		die("the result cannot be written");
}

static void tell_count(const struct work *w, size_t count)
{
	if (w->result && fprintf(w->result, "%zu\n", count) < 0)
		die("the result cannot be written");
}

/* ---- this library ------------------------------------------------------ */

static struct atio_doc *load(const struct work *w)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc;

	if (atio_format_load(w->format, w->bytes, w->len, &limits, &doc, &err))
		die(err.error.text);
	return doc;
}

static int64_t our_load(const struct work *w)
{
	int64_t begin = now(), end;
	struct atio_doc *doc = load(w);

	end = now();
	tell_count(w, atio_node_count(atio_doc_root(doc)));
	atio_doc_free(doc);
	return end - begin;
}

static int64_t our_dump(const struct work *w)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_doc *doc = load(w);
	int64_t begin = now(), end;
	char *text;
	size_t len;

	if (atio_format_dump(w->format, atio_doc_root(doc), &limits, &text,
			     &len, &err))
		die(err.error.text);
	end = now();
	tell_text(w, text, len);
	free(text);
	atio_doc_free(doc);
	return end - begin;
}

/* Bytes of this process's memory, at its highest. */
static int64_t peak(void)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld kB", &kib) == 1)
			break;
	if (f)
		(void)fclose(f);
	if (kib < 0)
		die("VmHWM is not told");
	return (int64_t)kib * 1024;
}

static int64_t our_memory(const struct work *w)
{
	int64_t before = peak();
	struct atio_doc *doc = load(w);
	int64_t after = peak();

	atio_doc_free(doc);
	return after - before;
}

/* ---- jansson ----------------------------------------------------------- */

static json_t *parse(const struct work *w)
{
	json_error_t err;
	json_t *root;

	root = json_loadb(w->bytes, w->len, JSON_REJECT_DUPLICATES, &err);
	if (!root)
		die(err.text);
	return root;
}

static int64_t jansson_load(const struct work *w)
{
	int64_t begin = now(), end;
	json_t *root = parse(w);

	end = now();
	tell_count(w, json_array_size(root));
	json_decref(root);
	return end - begin;
}

static int64_t jansson_dump(const struct work *w)
{
	json_t *root = parse(w);
	int64_t begin = now(), end;
	char *text = json_dumps(root, JSON_INDENT(4));

	end = now();
	if (!text)
		die("json_dumps");
	tell_text(w, text, strlen(text));
	free(text);
	json_decref(root);
	return end - begin;
}

/* ---- libyaml ------------------------------------------------------------ */

static int64_t libyaml_events(const struct work *w)
{
	int64_t begin = now();
	yaml_parser_t parser;
	yaml_event_t event;
	size_t scalars = 0;
	int done = 0;

	if (!yaml_parser_initialize(&parser))
		die("yaml_parser_initialize");
	yaml_parser_set_input_string(&parser, (unsigned char *)w->bytes,
				     w->len);
	while (!done) {
		if (!yaml_parser_parse(&parser, &event))
			die(parser.problem);
		done = event.type == YAML_STREAM_END_EVENT;
		scalars += event.type == YAML_SCALAR_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	begin = now() - begin;
	tell_count(w, scalars);
	return begin;
}

static int take_bytes(void *data, unsigned char *bytes, size_t size)
{
	tell_text(data, (const char *)bytes, size);
	return 1;
}

/* All events of the document first, so that only emitting is measured. */
static int64_t libyaml_emit(const struct work *w)
{
	size_t n = 0, room = 1024, i;
	yaml_event_t *events = malloc(room * sizeof(*events));
	yaml_parser_t parser;
	yaml_emitter_t emitter;
	int64_t begin;

	if (!events || !yaml_parser_initialize(&parser))
		die("no memory");
	yaml_parser_set_input_string(&parser, (unsigned char *)w->bytes,
				     w->len);
	do {
		if (n == room)
			events = realloc(events, (room *= 2) * sizeof(*events));
		if (!events || !yaml_parser_parse(&parser, &events[n]))
			die("libyaml");
	} while (events[n++].type != YAML_STREAM_END_EVENT);
	begin = now();
	if (!yaml_emitter_initialize(&emitter))
		die("yaml_emitter_initialize");
	yaml_emitter_set_output(&emitter, take_bytes, (void *)(uintptr_t)w);
	yaml_emitter_set_unicode(&emitter, 1);
	for (i = 0; i < n; i++)
		if (!yaml_emitter_emit(&emitter, &events[i]))
			die(emitter.problem);
	(void)yaml_emitter_flush(&emitter);
	begin = now() - begin;
	yaml_emitter_delete(&emitter);
	yaml_parser_delete(&parser);
	free(events);
	return begin;
}

/* ---- expat --------------------------------------------------------------- */

static void on_start(void *data, const XML_Char *name, const XML_Char **attrs)
{
	(void)name;
	(void)attrs;
	++*(size_t *)data;
}

static void on_end(void *data, const XML_Char *name)
{
	(void)data;
	(void)name;
}

static void on_text(void *data, const XML_Char *text, int len)
{
	(void)data;
	(void)text;
	(void)len;
}

static int64_t expat_events(const struct work *w)
{
	int64_t begin = now();
	XML_Parser parser = XML_ParserCreate(NULL);
	size_t count = 0;

	if (!parser)
		die("XML_ParserCreate");
	XML_SetUserData(parser, &count);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	if (XML_Parse(parser, w->bytes, (int)w->len, 1) != XML_STATUS_OK)
		die(XML_ErrorString(XML_GetErrorCode(parser)));
	XML_ParserFree(parser);
	begin = now() - begin;
	tell_count(w, count);
	return begin;
}

/* ---- the command line ---------------------------------------------------- */

static void slurp(struct work *w, const char *path)
{
	FILE *f = fopen(path, "rb");
	long size = -1;

	if (f && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	if (size < 0 || fseek(f, 0, SEEK_SET) < 0)
		die(path);
	w->len = (size_t)size;
	w->bytes = malloc(w->len + 1);
	if (!w->bytes || fread(w->bytes, 1, w->len, f) != w->len)
		die(path);
	(void)fclose(f);
}

static const struct {
	const char *name;
	int64_t (*run)(const struct work *w);
} works[] = {
	{"load", our_load},
	{"dump", our_dump},
	{"memory", our_memory},
	{"jansson-load", jansson_load},
	{"jansson-dump", jansson_dump},
	{"libyaml-events", libyaml_events},
	{"libyaml-emit", libyaml_emit},
	{"expat-events", expat_events},
};

int main(int argc, char **argv)
{
	const struct atio_formats_options options = {
		.version = ATIO_FORMATS_OPTIONS_VERSION, .builtin_only = true};
	struct atio_formats *formats;
	struct work w = {0};
	size_t i;

	if (argc != 4 && argc != 5)
		die("usage: formats WORK FORMAT FILE [RESULT]");
	if (atio_formats_new(&options, &formats, NULL))
		die("atio_formats_new");
	w.format = atio_formats_by_name(formats, argv[2]);
	if (!w.format)
		die("no such format");
	slurp(&w, argv[3]);
	if (argc == 5 && !(w.result = fopen(argv[4], "wb")))
		die(argv[4]);
	for (i = 0; i < sizeof(works) / sizeof(*works); i++)
		if (!strcmp(works[i].name, argv[1])) {
			printf("%lld\n", (long long)works[i].run(&w));
			atio_formats_free(formats);
			free(w.bytes);
			if (w.result && fclose(w.result) != 0)
				die(argv[4]);
			return 0;
		}
	die("no such work");
	return 1;
}
