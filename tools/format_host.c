/* SPDX-License-Identifier: MIT
 *
 * atomicfs format-host: runs a plugin that is a shared object (plugin.h), in a
 * process of its own.
 *
 *	format-host OBJECT describe     what it is, as JSON, on stdout
 *	format-host OBJECT load         its document on stdin, typed JSON on
 *	                                stdout
 *	format-host OBJECT dump         the reverse
 *	format-host OBJECT validate     a document on stdin
 *
 * It is run by the library, not by people.  Exit codes are those of external
 * commands: 0, 1 an error, 2 not supported, 3 not valid; the first line of
 * stderr says why.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <atomicio/format.h>
#include <atomicio/plugin.h>

enum { DONE, FAILED, NOT_SUPPORTED, NOT_VALID };

/* The plugin may print to stdout: what is for the library goes to a copy. */
static FILE *answer;

struct call {
	struct atio_plugin_call call; /* the first member */
	char message[512];
	bool failed;
};

static int say(int code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int say(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return code;
}

static int exit_of(int r)
{
	switch (-r) {
	case 0:
		return DONE;
	case EOPNOTSUPP:
		return NOT_SUPPORTED;
	case EIO:
	case ENOMEM:
		return FAILED;
	default:
		return NOT_VALID;
	}
}

/* ---- what a plugin may call ------------------------------------------- */

static int call_write(struct atio_plugin_call *call, const void *bytes,
		      size_t len)
{
	(void)call;
	return fwrite(bytes, 1, len, answer) == len ? 0 : -EIO;
}

static void call_fail(struct atio_plugin_call *call, size_t line, size_t column,
		      const char *message)
{
	struct call *c = (struct call *)call;

	if (c->failed)
		return;
	c->failed = true;
	if (line)
		(void)snprintf(c->message, sizeof(c->message), "%zu:%zu: %s",
			       line, column, message);
	else
		(void)snprintf(c->message, sizeof(c->message), "%s", message);
}

static const struct atio_plugin_build build = {
	.size = sizeof(build),
	.null = atio_build_null,
	.boolean = atio_build_bool,
	.integer = atio_build_int,
	.digits = atio_build_integer,
	.real = atio_build_float,
	.string = atio_build_string,
	.bytes = atio_build_bytes,
	.datetime = atio_build_datetime,
	.seq = atio_build_seq,
	.map = atio_build_map,
	.end = atio_build_end,
};

static const struct atio_plugin_read reader = {
	.size = sizeof(reader),
	.type = atio_node_type,
	.boolean = atio_node_bool,
	.integer = atio_node_int,
	.real = atio_node_float,
	.text = atio_node_text,
	.count = atio_node_count,
	.at = atio_node_at,
	.key = atio_node_key,
	.member = atio_node_member,
};

/* ---- input ------------------------------------------------------------- */

static char *slurp(size_t *ret_len)
{
	size_t len = 0, room = 65536, n;
	char *bytes = malloc(room), *larger;

	while (bytes && (n = fread(bytes + len, 1, room - len - 1, stdin))) {
		len += n;
		if (room - len > 1)
			continue;
		larger = realloc(bytes, room * 2);
		if (!larger) {
			free(bytes);
			return NULL;
		}
		bytes = larger;
		room *= 2;
	}
	if (bytes)
		bytes[len] = '\0';
	*ret_len = len;
	return bytes;
}

/* ---- verbs ------------------------------------------------------------- */

static int failure(const struct call *c, int r, const char *what)
{
	if (c->failed)
		return say(exit_of(r), "%s", c->message);
	return say(exit_of(r), "%s: %s", what, strerror(-r));
}

static int describe(const struct atio_plugin *plugin, struct call *c)
{
	struct atio_builder *b;
	struct atio_doc *doc;
	const struct atio_format *json;
	struct atio_formats *formats;
	const struct atio_formats_options options = {
		.version = ATIO_FORMATS_OPTIONS_VERSION, .builtin_only = true};
	const char *const *suffix = plugin->suffixes;
	char *text;
	size_t len;

	(void)c;
	if (atio_builder_new(NULL, &b) < 0 ||
	    atio_formats_new(&options, &formats, NULL) < 0)
		return say(FAILED, "out of memory");
	json = atio_formats_by_name(formats, "json");
	(void)atio_build_map(b);
	(void)atio_build_string(b, "name", 4);
	(void)atio_build_string(b, plugin->name, strlen(plugin->name));
	(void)atio_build_string(b, "load", 4);
	(void)atio_build_bool(b, plugin->load);
	(void)atio_build_string(b, "dump", 4);
	(void)atio_build_bool(b, plugin->dump);
	(void)atio_build_string(b, "validate", 8);
	(void)atio_build_bool(b, plugin->validate);
	(void)atio_build_string(b, "suffixes", 8);
	(void)atio_build_seq(b);
	for (; suffix && *suffix; suffix++)
		(void)atio_build_string(b, *suffix, strlen(*suffix));
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	if (atio_builder_finish(b, &doc, NULL) < 0 ||
	    atio_format_dump(json, atio_doc_root(doc), NULL, &text, &len,
			     NULL) < 0)
		return say(FAILED, "its name or a suffix is not UTF-8");
	(void)fwrite(text, 1, len, answer);
	return DONE;
}

/* The typed format, or NULL. */
static const struct atio_format *typed(void)
{
	const struct atio_formats_options options = {
		.version = ATIO_FORMATS_OPTIONS_VERSION, .builtin_only = true};
	struct atio_formats *formats;

	if (atio_formats_new(&options, &formats, NULL) < 0)
		return NULL;
	return atio_formats_by_name(formats, "typed");
}

static int print_typed(const struct atio_doc *doc)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_format *format = typed();
	char *text;
	size_t len;

	if (!format)
		return say(FAILED, "out of memory");
	if (atio_format_dump(format, atio_doc_root(doc), NULL, &text, &len,
			     &err) < 0)
		return say(FAILED, "%s", err.error.text);
	return fwrite(text, 1, len, answer) == len ? DONE : FAILED;
}

static int load(const struct atio_plugin *plugin, struct call *c)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_builder *b;
	struct atio_doc *doc;
	size_t len;
	char *bytes = slurp(&len);
	int r;

	if (!bytes || atio_builder_new(NULL, &b) < 0)
		return say(FAILED, "out of memory");
	c->call.build = &build;
	r = plugin->load(&c->call, b, bytes, len);
	if (r < 0)
		return failure(c, r, "load");
	r = atio_builder_finish(b, &doc, &err);
	if (r < 0)
		return say(exit_of(r), "%s", err.error.text);
	return print_typed(doc);
}

static int dump(const struct atio_plugin *plugin, struct call *c)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_format *format = typed();
	struct atio_doc *doc;
	size_t len;
	char *bytes = slurp(&len);
	int r;

	if (!bytes || !format)
		return say(FAILED, "out of memory");
	r = atio_format_load(format, bytes, len, NULL, &doc, &err);
	if (r < 0)
		return say(FAILED, "%s", err.error.text);
	c->call.read = &reader;
	r = plugin->dump(&c->call, atio_doc_root(doc));
	return r < 0 ? failure(c, r, "dump") : DONE;
}

static int validate(const struct atio_plugin *plugin, struct call *c)
{
	size_t len;
	char *bytes = slurp(&len);
	int r;

	if (!bytes)
		return say(FAILED, "out of memory");
	r = plugin->validate(&c->call, bytes, len);
	return r < 0 ? failure(c, r, "validate") : DONE;
}

/* ---- the object -------------------------------------------------------- */

static const struct atio_plugin *open_object(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct atio_plugin *plugin;
	atio_plugin_fn *entry;

	if (!object) {
		(void)say(FAILED, "it cannot be loaded: %s", dlerror());
		return NULL;
	}
	*(void **)&entry = dlsym(object, ATIO_PLUGIN_SYMBOL);
	if (!entry) {
		(void)say(FAILED, "it has no symbol " ATIO_PLUGIN_SYMBOL);
		return NULL;
	}
	plugin = entry();
	if (!plugin)
		(void)say(FAILED, ATIO_PLUGIN_SYMBOL "() returned nothing");
	else if (plugin->size != sizeof(*plugin))
		(void)say(FAILED,
			  "its descriptor has %zu bytes, this host knows %zu",
			  plugin->size, sizeof(*plugin));
	else if (plugin->abi != ATIO_PLUGIN_ABI)
		(void)say(FAILED, "it is of ABI %u, this host is of %d",
			  plugin->abi, ATIO_PLUGIN_ABI);
	else if (!plugin->name || !plugin->suffixes)
		(void)say(FAILED, "it has no name or no suffixes");
	else
		return plugin;
	return NULL;
}

static int run(const struct atio_plugin *plugin, const char *verb)
{
	struct call c = {
		.call = {.size = sizeof(c.call),
			 .write = call_write,
			 .fail = call_fail},
	};

	if (!strcmp(verb, "describe"))
		return describe(plugin, &c);
	if (!strcmp(verb, "load") && plugin->load)
		return load(plugin, &c);
	if (!strcmp(verb, "dump") && plugin->dump)
		return dump(plugin, &c);
	if (!strcmp(verb, "validate") && plugin->validate)
		return validate(plugin, &c);
	return say(NOT_SUPPORTED, "it cannot %s", verb);
}

int main(int argc, char **argv)
{
	const struct atio_plugin *plugin;
	int fd, code;

	if (argc != 3)
		return say(FAILED, "usage: format-host OBJECT "
				   "describe|load|dump|validate");
	fd = dup(STDOUT_FILENO);
	answer = fd < 0 ? NULL : fdopen(fd, "w");
	if (!answer || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return say(FAILED, "no output: %s", strerror(errno));
	plugin = open_object(argv[1]);
	if (!plugin)
		return FAILED;
	code = run(plugin, argv[2]);
	if (fflush(answer) != 0 && code == DONE)
		code = say(FAILED, "write: %s", strerror(errno));
	/* The plugin's destructors have nothing to add. */
	_exit(code);
}
