/* SPDX-License-Identifier: MIT
 *
 * command.c - the codec of a format whose work other programs do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/plugin.h"

struct command {
	struct atio_codec codec; /* the first member: this is what others see */
	struct atio_conf conf;
	const struct atio_codec *base; /* of a validated format */
	/* What the programs speak: JSON, or typed JSON. */
	const struct atio_codec *language;
	bool is_object; /* the format host runs it */
};

static const struct command *command_of(const struct atio_codec *codec)
{
	return (const struct command *)(const void *)codec;
}

static struct atio_run_limits run_limits(size_t output)
{
	return (struct atio_run_limits){
		.cpu_seconds = ATIO_RUN_CPU_SECONDS,
		.wall_ms = ATIO_RUN_WALL_MS,
		.memory = ATIO_RUN_MEMORY,
		.output = output,
	};
}

/* Take ATIO_HOST_END off.  An object that has ended the process with exit code
 * 0 must not look as if it had done its work. */
static int cut_end(char *output, size_t *len, struct atio_value_error *err)
{
	if (!*len || output[*len - 1] != ATIO_HOST_END)
		return atio_fail(err ? &err->error : NULL, EIO,
				 "the plugin ended its process");
	output[--*len] = '\0';
	return 0;
}

/* Run one of the programs. */
static int run(const struct command *c, const char *const *argv,
	       const char *input, size_t input_len, size_t most,
	       char **ret_output, size_t *ret_len, struct atio_value_error *err)
{
	const struct atio_run_limits limits = run_limits(most);
	char *output;
	int r;

	r = atio_run(argv, input, input_len, &limits, &output, ret_len, err);
	if (r < 0)
		return r;
	if (c->is_object)
		r = cut_end(output, ret_len, err);
	if (r < 0)
		free(output);
	else
		*ret_output = output;
	return r;
}

/* ---- what a codec does ------------------------------------------------ */

/* The output of a plugin is not the source: a position in it says nothing to
 * anybody. */
static int load_output(const struct command *c, struct atio_builder *b,
		       const char *text, size_t len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_limits limits = b->limits;
	struct atio_doc *doc;
	int r;

	limits.input_bytes = limits.output_bytes; /* which it is within */
	r = atio_codec_load(c->language, text, len, &limits, &doc, &err);
	if (r < 0) {
		b->source = NULL;
		return atio_build_fail(b, -r, 0,
				       "what the plugin wrote is no %s JSON, "
				       "line %zu: %s",
				       c->is_object ? "typed" : "valid",
				       err.line, err.error.text);
	}
	if (atio_doc_traits(doc) & ATIO_DOC_EMPTY) {
		b->source = NULL;
		r = atio_build_fail(b, EINVAL, 0, "the plugin wrote nothing");
	} else {
		r = atio_build_copy(b, atio_doc_root(doc));
	}
	atio_doc_free(doc);
	return r;
}

static int command_load(const struct atio_codec *codec, struct atio_builder *b,
			const char *text, size_t len)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	const struct command *c = command_of(codec);
	char *output;
	size_t output_len;
	int r;

	r = run(c, c->conf.load, text, len, b->limits.output_bytes, &output,
		&output_len, &err);
	if (r < 0) {
		b->source = NULL;
		b->error.line = err.line;
		b->error.column = err.column;
		return atio_build_fail(b, -r, 0, "%s", err.error.text);
	}
	r = load_output(c, b, output, output_len);
	free(output);
	return r;
}

static int command_dump(const struct atio_codec *codec,
			const struct atio_node *root, struct atio_out *out,
			struct atio_value_error *err)
{
	const struct command *c = command_of(codec);
	struct atio_out input;
	char *output;
	size_t len;
	int r;

	atio_out_init(&input, out->limit);
	r = c->language->dump(c->language, root, &input, err);
	if (r < 0 || input.failed) {
		out->failed = input.failed; /* which the caller tells */
		atio_out_done(&input);
		return r;
	}
	r = run(c, c->conf.dump, input.bytes, input.len, out->limit, &output,
		&len, err);
	atio_out_done(&input);
	if (r < 0)
		return r;
	atio_out_put(out, output, len);
	free(output);
	return 0;
}

/* What the base has against it comes first. */
static int command_validate(const struct atio_codec *codec, const char *bytes,
			    size_t len, struct atio_value_error *err)
{
	const struct command *c = command_of(codec);
	const struct atio_run_limits limits = run_limits(0);
	char *output;
	int r = 0;

	if (c->base && c->base->validate)
		r = c->base->validate(c->base, bytes, len, err);
	if (r == 0 && !c->is_object)
		return atio_run(c->conf.validate, bytes, len, &limits, NULL,
				NULL, err);
	if (r == 0)
		r = run(c, c->conf.validate, bytes, len, ATIO_CONF_BYTES,
			&output, &len, err);
	if (r == 0)
		free(output);
	return r;
}

/* ---- validated: the base does the rest -------------------------------- */

static int base_load(const struct atio_codec *codec, struct atio_builder *b,
		     const char *text, size_t len)
{
	const struct atio_codec *base = command_of(codec)->base;

	return base->load(base, b, text, len);
}

static int base_dump(const struct atio_codec *codec,
		     const struct atio_node *root, struct atio_out *out,
		     struct atio_value_error *err)
{
	const struct atio_codec *base = command_of(codec)->base;

	return base->dump(base, root, out, err);
}

static void lean_on(struct command *c, const struct atio_codec *base)
{
	c->base = base;
	c->codec = *base;
	c->codec.load = base->load ? base_load : NULL;
	c->codec.dump = base->dump ? base_dump : NULL;
	c->codec.validate = command_validate;
}

/* ---- life ------------------------------------------------------------ */

static int command_new(const char *name, const struct atio_conf *conf,
		       bool is_object, const struct atio_codec *base,
		       const struct atio_codec **ret_codec)
{
	struct command *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->is_object = is_object;
	c->language = is_object ? &atio_codec_typed : &atio_codec_json;
	c->conf = *conf;
	c->codec.target = c->language->target;
	c->codec.raw = true; /* whatever it is, the programs know it */
	c->codec.load = *conf->load ? command_load : NULL;
	c->codec.dump = *conf->dump ? command_dump : NULL;
	c->codec.validate = *conf->validate ? command_validate : NULL;
	if (base)
		lean_on(c, base);
	c->codec.name = strdup(name);
	c->codec.suffixes = NULL;
	if (!c->codec.name) {
		free(c);
		return -ENOMEM;
	}
	*ret_codec = &c->codec;
	return 0;
}

int atio_command_codec(const char *name, struct atio_conf *conf,
		       const struct atio_codec *base,
		       const struct atio_codec **ret_codec)
{
	int r = command_new(name, conf, false, base, ret_codec);

	if (r < 0)
		atio_conf_done(conf);
	return r;
}

void atio_command_free(const struct atio_codec *codec)
{
	struct command *c = (struct command *)(void *)(uintptr_t)codec;

	if (!c)
		return;
	atio_conf_done(&c->conf);
	free((char *)(uintptr_t)c->codec.name);
	free(c);
}

/* ---- objects ---------------------------------------------------------- */

/* The words of `host path verb`, in one piece of memory. */
static void put_words(const char **words, const char *host, const char *path,
		      const char *verb)
{
	words[0] = host;
	words[1] = path;
	words[2] = verb;
}

int atio_object_codec(const char *host, const char *path,
		      const struct atio_object *object,
		      const struct atio_codec **ret_codec)
{
	size_t host_size = strlen(host) + 1, path_size = strlen(path) + 1;
	struct atio_conf conf = {.text = malloc(host_size + path_size)};
	const char *own_path;
	int r;

	if (!conf.text)
		return -ENOMEM;
	memcpy(conf.text, host, host_size);
	memcpy(conf.text + host_size, path, path_size);
	own_path = conf.text + host_size;
	if (object->load)
		put_words(conf.load, conf.text, own_path, "load");
	if (object->dump)
		put_words(conf.dump, conf.text, own_path, "dump");
	if (object->validate)
		put_words(conf.validate, conf.text, own_path, "validate");
	r = command_new(object->name, &conf, true, NULL, ret_codec);
	if (r < 0)
		atio_conf_done(&conf);
	return r;
}

static const char *text_of(const struct atio_node *map, const char *key)
{
	const struct atio_node *node;

	node = atio_node_member(map, key, strlen(key));
	return node && atio_node_type(node) == ATIO_STRING
		       ? atio_node_text(node, NULL)
		       : NULL;
}

static bool flag_of(const struct atio_node *map, const char *key)
{
	const struct atio_node *node;

	node = atio_node_member(map, key, strlen(key));
	return node && atio_node_bool(node);
}

static int fault(struct atio_value_error *err, const char *fmt,
		 const char *text) __attribute__((format(printf, 2, 0)));

static int fault(struct atio_value_error *err, const char *fmt,
		 const char *text)
{
	return atio_fail(err ? &err->error : NULL, EINVAL, fmt, text);
}

static int take_suffixes(struct atio_object *object,
			 const struct atio_node *list,
			 struct atio_value_error *err)
{
	size_t i, n = list ? atio_node_count(list) : 0;

	if (!n || n > ATIO_CONF_SUFFIXES)
		return fault(err, "it has %s suffixes", n ? "too many" : "no");
	for (i = 0; i < n; i++) {
		object->suffixes[i] =
			atio_node_text(atio_node_at(list, i), NULL);
		if (!atio_suffix_is_valid(object->suffixes[i]))
			return fault(err, "'%s' is no suffix",
				     object->suffixes[i]);
	}
	return 0;
}

static int understand(struct atio_object *object, struct atio_value_error *err)
{
	const struct atio_node *root = atio_doc_root(object->doc);

	object->name = text_of(root, "name");
	object->load = flag_of(root, "load");
	object->dump = flag_of(root, "dump");
	object->validate = flag_of(root, "validate");
	if (!object->name || !atio_plugin_name_is_valid(object->name))
		return fault(err,
			     "its name '%s' is not of letters, digits, "
			     "'-' and '_'",
			     object->name ? object->name : "");
	if (!object->load && !object->dump)
		return fault(err, "it can %s", "neither load nor dump");
	return take_suffixes(
		object, atio_node_member(root, "suffixes", strlen("suffixes")),
		err);
}

int atio_object_describe(const char *host, const char *path,
			 struct atio_object *ret_object,
			 struct atio_value_error *err)
{
	const char *const argv[] = {host, path, "describe", NULL};
	struct atio_run_limits limits = run_limits(ATIO_CONF_BYTES);
	struct atio_object object = {0};
	char *output;
	size_t len;
	int r;

	limits.wall_ms = ATIO_DESCRIBE_WALL_MS;
	r = atio_run(argv, NULL, 0, &limits, &output, &len, err);
	if (r < 0)
		return r;
	r = cut_end(output, &len, err);
	if (r == 0)
		r = atio_codec_load(&atio_codec_json, output, len, NULL,
				    &object.doc, err);
	free(output);
	if (r == 0)
		r = understand(&object, err);
	if (r < 0) {
		atio_doc_free(object.doc);
		return r;
	}
	*ret_object = object;
	return 0;
}
