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
 * stderr says why.  What it writes ends with the byte ATIO_HOST_END.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <atomicio/format.h>
#include <atomicio/plugin.h>

#define ATIO_HOST_END '\x06' /* as in lib/format/plugin.h */

enum { DONE, FAILED, NOT_SUPPORTED, NOT_VALID };

static FILE *answer; /* see open_answer */

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
	case EINVAL:
	case EILSEQ:
	case EEXIST:
	case EFBIG:
	case ERANGE:
	case ELOOP:
		return NOT_VALID;
	default:
		return FAILED;
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
	.datetime = atio_node_datetime,
	.lexeme = atio_node_lexeme,
	.count = atio_node_count,
	.at = atio_node_at,
	.key = atio_node_key,
	.member = atio_node_member,
	.inner = atio_node_inner,
};

/* ---- input and output -------------------------------------------------- */

/* All of stdin, with a NUL behind it; NULL: no memory, or it cannot be read. */
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
	if (bytes && ferror(stdin)) {
		free(bytes);
		return NULL;
	}
	if (bytes)
		bytes[len] = '\0';
	*ret_len = len;
	return bytes;
}

/* One that is built in, or NULL. */
static const struct atio_format *builtin(const char *name)
{
	const struct atio_formats_options options = {
		.version = ATIO_FORMATS_OPTIONS_VERSION, .builtin_only = true};
	struct atio_formats *formats;

	if (atio_formats_new(&options, &formats, NULL) < 0)
		return NULL;
	return atio_formats_by_name(formats, name);
}

static int print(const struct atio_doc *doc, const char *format_name)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_format *format = builtin(format_name);
	char *text;
	size_t len;

	if (!format)
		return say(FAILED, "out of memory");
	if (atio_format_dump(format, atio_doc_root(doc), NULL, &text, &len,
			     &err) < 0)
		return say(FAILED, "%s", err.error.text);
	return fwrite(text, 1, len, answer) == len ? DONE : FAILED;
}

/* ---- verbs ------------------------------------------------------------- */

/* What a function of the plugin has returned. */
static int outcome(const struct call *c, int r, const char *what)
{
	if (c->failed)
		return say(r < 0 ? exit_of(r) : NOT_VALID, "%s", c->message);
	if (r < 0)
		return say(exit_of(r), "%s: %s", what, strerror(-r));
	if (r > 0)
		return say(FAILED, "%s: it returned %d", what, r);
	return DONE;
}

static void put_key(struct atio_builder *b, const char *key)
{
	(void)atio_build_string(b, key, strlen(key));
}

static int describe(const struct atio_plugin *plugin)
{
	const char *const *suffix = plugin->suffixes;
	struct atio_builder *b;
	struct atio_doc *doc;

	if (atio_builder_new(NULL, &b) < 0)
		return say(FAILED, "out of memory");
	(void)atio_build_map(b);
	put_key(b, "name");
	(void)atio_build_string(b, plugin->name, strlen(plugin->name));
	put_key(b, "load");
	(void)atio_build_bool(b, plugin->load);
	put_key(b, "dump");
	(void)atio_build_bool(b, plugin->dump);
	put_key(b, "validate");
	(void)atio_build_bool(b, plugin->validate);
	put_key(b, "suffixes");
	(void)atio_build_seq(b);
	for (; *suffix; suffix++)
		(void)atio_build_string(b, *suffix, strlen(*suffix));
	(void)atio_build_end(b);
	(void)atio_build_end(b);
	if (atio_builder_finish(b, &doc, NULL) < 0)
		return say(FAILED, "its name or a suffix is not UTF-8");
	return print(doc, "json");
}

static int load(const struct atio_plugin *plugin, struct call *c)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_builder *b;
	struct atio_doc *doc;
	size_t len;
	char *bytes = slurp(&len);
	int r, code;

	if (!bytes || atio_builder_new(NULL, &b) < 0)
		return say(FAILED, "out of memory");
	c->call.build = &build;
	r = plugin->load(&c->call, b, bytes, len);
	/* What the host had against a value comes before what that made the
	 * plugin return. */
	if (c->failed || atio_builder_finish(b, &doc, &err) == 0) {
		code = outcome(c, r, "load");
		return code == DONE ? print(doc, "typed") : code;
	}
	return say(exit_of(-err.error.code), "%s", err.error.text);
}

static int dump(const struct atio_plugin *plugin, struct call *c)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct atio_format *format = builtin("typed");
	struct atio_limits limits = {.version = ATIO_LIMITS_VERSION};
	struct atio_doc *doc;
	size_t len;
	char *bytes = slurp(&len);

	if (!bytes || !format)
		return say(FAILED, "out of memory");
	limits.input_bytes = len + 1; /* the library has looked at it */
	if (atio_format_load(format, bytes, len, &limits, &doc, &err) < 0)
		return say(FAILED, "%s", err.error.text);
	c->call.read = &reader;
	return outcome(c, plugin->dump(&c->call, atio_doc_root(doc)), "dump");
}

static int validate(const struct atio_plugin *plugin, struct call *c)
{
	size_t len;
	char *bytes = slurp(&len);

	if (!bytes)
		return say(FAILED, "out of memory");
	return outcome(c, plugin->validate(&c->call, bytes, len), "validate");
}

/* ---- the object -------------------------------------------------------- */

static bool is_usable(const struct atio_plugin *plugin)
{
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
		return true;
	return false;
}

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
	return is_usable(plugin) ? plugin : NULL;
}

static int run(const struct atio_plugin *plugin, const char *verb)
{
	struct call c = {
		.call = {.size = sizeof(c.call),
			 .write = call_write,
			 .fail = call_fail},
	};

	if (!strcmp(verb, "describe"))
		return describe(plugin);
	if (!strcmp(verb, "load") && plugin->load)
		return load(plugin, &c);
	if (!strcmp(verb, "dump") && plugin->dump)
		return dump(plugin, &c);
	if (!strcmp(verb, "validate") && plugin->validate)
		return validate(plugin, &c);
	return say(NOT_SUPPORTED, "it cannot %s", verb);
}

/* What is for the library goes to a copy of stdout, and what the plugin prints
 * nowhere: on stderr it would look like the reason of a failure. */
static bool open_answer(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	bool ready;

	answer = fd < 0 ? NULL : fdopen(fd, "w");
	ready = answer && nowhere >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0;
	if (!ready)
		(void)say(FAILED, "no output: %s", strerror(errno));
	if (nowhere >= 0)
		(void)close(nowhere);
	return ready;
}

#ifdef __SANITIZE_ADDRESS__
/* A plugin's crash is to end this process as it always does, and what it leaks
 * is its own affair. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:handle_abort=0:detect_leaks=0";
}
#endif

int main(int argc, char **argv)
{
	const struct atio_plugin *plugin;
	int code;

	if (argc != 3)
		return say(FAILED, "usage: format-host OBJECT "
				   "describe|load|dump|validate");
	if (!open_answer())
		return FAILED;
	plugin = open_object(argv[1]);
	if (!plugin)
		_exit(FAILED);
	code = run(plugin, argv[2]);
	if (code == DONE &&
	    (fputc(ATIO_HOST_END, answer) == EOF || fflush(answer) != 0))
		code = say(FAILED, "write: %s", strerror(errno));
	/* Nothing that the plugin has at its end may spoil the exit code. */
	_exit(code);
}
