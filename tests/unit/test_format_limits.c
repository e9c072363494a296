/* SPDX-License-Identifier: MIT
 *
 * test_format_limits.c - the limits that a caller sets, from both sides: of one
 * call, and of one file.
 */
#include <atomicio/file.h>
#include <unistd.h>

#include "check.h"
#include "format/codec.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define FIELD(name)   offsetof(struct atio_limits, name)
#define FILL(what)    memset(&(what), 0x5A, sizeof(what))

static struct atio_formats *formats;

/* Documents that need exactly @least of one limit to be read... */
static const struct {
	const char *format, *text;
	size_t field, least;
	const char *message;
} reading[] = {
	{"json", "[1,2,3]", FIELD(input_bytes), 7,
	 "larger than 6 bytes of input"},
	{"json.gz", "[1,2,3]", FIELD(unzipped_bytes), 7,
	 "gzip: unpacks to more than 6 bytes"},
	{"json", "[[[1]]]", FIELD(depth), 3, "nested deeper than 2 levels"},
	{"json", "{\"a\": [1]}", FIELD(nodes), 4, "more than 3 values"},
	{"json", "\"abcd\"", FIELD(scalar_bytes), 4,
	 "a string of more than 3 bytes"},
	{"json", "{\"abcd\": 1}", FIELD(key_bytes), 4,
	 "a key of more than 3 bytes"},
	{"json", "12345", FIELD(number_chars), 5,
	 "a number of more than 4 characters"},
	{"yaml", "a: [1]\n", FIELD(depth), 2, "nested deeper than 1 levels"},
	{"yaml.gz", "- 1\n- 2\n", FIELD(nodes), 3, "more than 2 values"},
	{"yaml", "--- 1\n--- 2\n", FIELD(documents), 2,
	 "more than 1 documents"},
	{"toml", "[a.b]\nc = 1\n", FIELD(depth), 3,
	 "nested deeper than 2 levels"},
	{"toml.gz", "a = 12345", FIELD(number_chars), 5,
	 "a number of more than 4 characters"},
	{"csv", "a,b,c\n1,2,3\n", FIELD(columns), 3, "more than 2 columns"},
	{"xml", "<a><b>text</b></a>", FIELD(scalar_bytes), 4,
	 "a text of more than 3 bytes"},
	{"txt", "text", FIELD(scalar_bytes), 4,
	 "a string of more than 3 bytes"},
	{"typed", "[{\"type\": \"integer\", \"value\": \"12345\"}]",
	 FIELD(number_chars), 5, "a number of more than 4 characters"},
};

/* ... and to be written as JSON. */
static const struct {
	const char *format, *text;
	size_t field, least;
} writing[] = {
	{"json", "[1]", FIELD(output_bytes), sizeof("[\n    1\n]\n") - 1},
	{"yaml", "- &a [1, 2]\n- *a\n- *a\n", FIELD(alias_nodes), 6},
	{"yaml", "- &a text\n- *a\n- *a\n", FIELD(alias_bytes), 8},
};

static struct atio_limits with(size_t field, size_t value)
{
	struct atio_limits limits = {.version = ATIO_LIMITS_VERSION};

	*(size_t *)((char *)&limits + field) = value;
	return limits;
}

static const struct atio_format *format_named(const char *name)
{
	const struct atio_format *format = atio_formats_by_name(formats, name);

	NEED(format);
	return format;
}

/* The bytes of the document @text; the caller frees them. */
static char *packed(const char *format, const char *text, size_t *ret_len)
{
	char *bytes = strdup(text);

	*ret_len = strlen(text);
	if (strstr(format, ".gz")) {
		free(bytes);
		NEED(atio_gzip_pack(text, *ret_len, &bytes, ret_len, NULL) ==
		     0);
	}
	NEED(bytes);
	return bytes;
}

/* @limits are gone when it returns: they are lent for the call. */
static int load(const char *format, const char *bytes, size_t len,
		struct atio_limits limits, struct atio_doc **ret_doc,
		struct atio_value_error *err)
{
	int r = atio_format_load(format_named(format), bytes, len, &limits,
				 ret_doc, err);

	FILL(limits);
	return r;
}

static void test_reading(void)
{
	struct atio_value_error err;
	struct atio_doc *doc;
	size_t i, len;
	char *bytes;

	for (i = 0; i < LENGTH(reading); i++) {
		const char *format = reading[i].format;
		size_t least = reading[i].least, field = reading[i].field;

		bytes = packed(format, reading[i].text, &len);
		err = (struct atio_value_error)ATIO_VALUE_ERROR_INIT;
		CHECK_INT(load(format, bytes, len, with(field, least), &doc,
			       &err),
			  0);
		CHECK_STR(err.error.text, "");
		atio_doc_free(doc);
		CHECK_INT(load(format, bytes, len, with(field, least - 1), &doc,
			       &err),
			  -EFBIG);
		CHECK_STR(err.error.text, reading[i].message);
		free(bytes);
	}
}

/* What is within gzip counts by itself: its size is not that of the input. */
static void test_input_is_what_is_packed(void)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	char text[20001], *bytes;
	struct atio_limits limits;
	struct atio_doc *doc;
	size_t len;

	memset(text, ' ', sizeof(text));
	text[0] = '[';
	text[sizeof(text) - 2] = ']';
	text[sizeof(text) - 1] = 0;
	bytes = packed("json.gz", text, &len);
	CHECK(len < 1000);
	CHECK_INT(load("json.gz", bytes, len, with(FIELD(input_bytes), len),
		       &doc, &err),
		  0);
	atio_doc_free(doc);
	limits = with(FIELD(input_bytes), len);
	CHECK_INT(atio_format_validate(format_named("json.gz"), bytes, len,
				       &limits, &err),
		  0);
	limits.input_bytes--;
	CHECK_INT(atio_format_validate(format_named("json.gz"), bytes, len,
				       &limits, &err),
		  -EFBIG);
	CHECK(strstr(err.error.text, "bytes of input"));
	CHECK_INT(load("json.gz", bytes, len, limits, &doc, NULL), -EFBIG);
	free(bytes);
}

static void test_writing(void)
{
	struct atio_limits limits;
	struct atio_doc *doc;
	char *bytes;
	size_t i, n, len;

	for (i = 0; i < LENGTH(writing); i++) {
		NEED(atio_format_load(format_named(writing[i].format),
				      writing[i].text, strlen(writing[i].text),
				      NULL, &doc, NULL) == 0);
		for (n = 0; n < 2; n++) {
			limits = with(writing[i].field, writing[i].least - n);
			bytes = NULL;
			CHECK_INT(atio_format_dump(format_named("json.gz"),
						   atio_doc_root(doc), &limits,
						   &bytes, &len, NULL),
				  n ? -EFBIG : 0);
			free(bytes);
		}
		atio_doc_free(doc);
	}
}

/* ---- of a file --------------------------------------------------------- */

static char path[] = "/tmp/atio-limits-XXXXXX.json";

/* The options, too, are lent for the call only. */
static struct atio_file *file_with(size_t field, size_t value)
{
	struct atio_limits limits = with(field, value);
	struct atio_file_options options = {
		.version = ATIO_FILE_OPTIONS_VERSION,
		.timeout_ms = ATIO_WAIT,
		.limits = &limits,
		.not_durable = true,
	};
	struct atio_file *file;

	NEED(atio_file_new(path, &options, &file, NULL) == 0);
	FILL(limits);
	FILL(options);
	return file;
}

static void check_read(size_t field, size_t value, const char *message)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_file *file = file_with(field, value);
	struct atio_doc *doc = NULL;

	CHECK_INT(atio_file_read(file, &doc, &err), *message ? -EFBIG : 0);
	CHECK(strstr(err.error.text, message));
	atio_doc_free(doc);
	atio_file_free(file);
}

static void check_update(size_t field, size_t value, int result)
{
	struct atio_file *file = file_with(field, value);
	struct atio_doc *doc;

	NEED(atio_format_load(format_named("json"), "[[2]]", 5, NULL, &doc,
			      NULL) == 0);
	CHECK_INT(atio_file_update(file, atio_doc_root(doc), 0, NULL), result);
	atio_doc_free(doc);
	atio_file_free(file);
}

static void write_text(const char *text)
{
	struct atio_file *file = file_with(0, ATIO_LIMITS_VERSION);

	NEED(atio_file_write_bytes(file, text, strlen(text), NULL) == 0);
	atio_file_free(file);
}

static void test_files(void)
{
	write_text("[[1]]");
	check_read(FIELD(input_bytes), 5, "");
	check_read(FIELD(input_bytes), 4, "larger than 4 bytes of input");
	check_read(FIELD(depth), 2, "");
	check_read(FIELD(depth), 1, "nested deeper than 1 levels");
	check_update(FIELD(input_bytes), 4, -EFBIG);
	check_update(FIELD(depth), 1, -EFBIG);
	check_update(FIELD(output_bytes), 10, -EFBIG);
	check_read(FIELD(input_bytes), 5, ""); /* it is as it was */
	check_update(FIELD(input_bytes), 5, 0);
	check_read(FIELD(input_bytes), 5, "larger than 5 bytes of input");
}

static void test_wrong(void)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_limits limits = with(FIELD(depth), 10001);
	const struct atio_file_options options = {
		.version = ATIO_FILE_OPTIONS_VERSION, .limits = &limits};
	struct atio_file *file;
	struct atio_doc *doc;

	CHECK_INT(atio_file_new(path, &options, &file, &err), -EINVAL);
	CHECK_STR(err.error.text, "wrong limits");
	CHECK_INT(load("json", "1", 1, limits, &doc, NULL), -EINVAL);
	limits = (struct atio_limits){0};
	CHECK_INT(atio_file_new(path, &options, &file, NULL), -EINVAL);
	CHECK_INT(load("json", "1", 1, limits, &doc, NULL), -EINVAL);
}

int main(void)
{
	const struct atio_formats_options options = {
		.version = ATIO_FORMATS_OPTIONS_VERSION, .builtin_only = true};
	int fd = mkstemps(path, 5);

	NEED(fd >= 0 && atio_formats_new(&options, &formats, NULL) == 0);
	(void)close(fd);
	test_reading();
	test_input_is_what_is_packed();
	test_writing();
	test_files();
	test_wrong();
	atio_formats_free(formats);
	(void)unlink(path);
	return check_result();
}
