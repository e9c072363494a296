/* SPDX-License-Identifier: MIT
 *
 * ini.c - a sample of a plugin that is a shared object: INI files.
 *
 *	; a comment
 *	key = value
 *	[section]
 *	key = value
 *
 * Build and install it with
 *
 *	cc -shared -fPIC -o /etc/atomicfs/formats.d/ini.so ini.c
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <atomicio/plugin.h>

/* ---- load -------------------------------------------------------------- */

struct line {
	const char *text;
	size_t len, number;
};

static void trim(struct line *line)
{
	while (line->len && strchr(" \t\r", line->text[line->len - 1]))
		line->len--;
	while (line->len && strchr(" \t", *line->text)) {
		line->text++;
		line->len--;
	}
}

/* The next line of what is left, without blanks around it. */
static int next_line(const char **bytes, const char *end, struct line *line)
{
	const char *newline;

	if (*bytes == end)
		return 0;
	newline = memchr(*bytes, '\n', (size_t)(end - *bytes));
	line->text = *bytes;
	line->len = (size_t)((newline ? newline : end) - *bytes);
	line->number++;
	*bytes = newline ? newline + 1 : end;
	trim(line);
	return 1;
}

static int load_pair(struct atio_plugin_call *call, struct atio_builder *b,
		     const struct line *line)
{
	const char *equals = memchr(line->text, '=', line->len);
	struct line key, value;

	if (!equals) {
		call->fail(call, line->number, 1,
			   "neither a section nor key = value");
		return -EINVAL;
	}
	key = value = *line;
	key.len = (size_t)(equals - line->text);
	value.text = equals + 1;
	value.len = line->len - key.len - 1;
	trim(&key);
	trim(&value);
	call->build->string(b, key.text, key.len);
	return call->build->string(b, value.text, value.len);
}

static int load_section(struct atio_plugin_call *call, struct atio_builder *b,
			const struct line *line)
{
	if (line->text[line->len - 1] != ']') {
		call->fail(call, line->number, line->len, "']' is missing");
		return -EINVAL;
	}
	call->build->string(b, line->text + 1, line->len - 2);
	return call->build->map(b);
}

static int load(struct atio_plugin_call *call, struct atio_builder *b,
		const char *bytes, size_t len)
{
	const char *end = bytes + len;
	struct line line = {0};
	int in_section = 0, r = call->build->map(b);

	while (r == 0 && next_line(&bytes, end, &line)) {
		if (!line.len || strchr(";#", *line.text))
			continue;
		if (*line.text != '[') {
			r = load_pair(call, b, &line);
			continue;
		}
		if (in_section)
			call->build->end(b);
		in_section = 1;
		r = load_section(call, b, &line);
	}
	if (in_section)
		call->build->end(b);
	return r < 0 ? r : call->build->end(b);
}

/* ---- dump -------------------------------------------------------------- */

static void put(struct atio_plugin_call *call, const char *text)
{
	call->write(call, text, strlen(text));
}

static void put_text(struct atio_plugin_call *call,
		     const struct atio_node *node)
{
	size_t len;
	const char *text = call->read->text(node, &len);

	call->write(call, text, len);
}

static int dump_scalar(struct atio_plugin_call *call,
		       const struct atio_node *key,
		       const struct atio_node *value)
{
	const struct atio_plugin_read *read = call->read;
	char number[32];

	put_text(call, key);
	put(call, " = ");
	switch (read->type(value)) {
	case ATIO_STRING:
	case ATIO_DATETIME:
	case ATIO_BIGINT:
		put_text(call, value);
		break;
	case ATIO_BOOL:
		put(call, read->boolean(value) ? "true" : "false");
		break;
	case ATIO_INT:
		snprintf(number, sizeof(number), "%lld",
			 (long long)read->integer(value));
		put(call, number);
		break;
	default:
		call->fail(call, 0, 0, "INI holds texts, numbers and sections");
		return -EOPNOTSUPP;
	}
	put(call, "\n");
	return 0;
}

/* The pairs of @map that are no sections. */
static int dump_pairs(struct atio_plugin_call *call,
		      const struct atio_node *map, int sections)
{
	const struct atio_plugin_read *read = call->read;
	const struct atio_node *value;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < read->count(map); i++) {
		value = read->at(map, i);
		if (!sections || read->type(value) != ATIO_MAP)
			r = dump_scalar(call, read->key(map, i), value);
	}
	return r;
}

static int dump(struct atio_plugin_call *call, const struct atio_node *root)
{
	const struct atio_plugin_read *read = call->read;
	const struct atio_node *section;
	size_t i;
	int r;

	if (read->type(root) != ATIO_MAP) {
		call->fail(call, 0, 0, "INI holds a map");
		return -EOPNOTSUPP;
	}
	r = dump_pairs(call, root, 1);
	for (i = 0; r == 0 && i < read->count(root); i++) {
		section = read->at(root, i);
		if (read->type(section) != ATIO_MAP)
			continue;
		put(call, "[");
		put_text(call, read->key(root, i));
		put(call, "]\n");
		r = dump_pairs(call, section, 0);
	}
	return r;
}

/* ---- validate ---------------------------------------------------------- */

/* A section of nothing is most often a mistake. */
static int validate(struct atio_plugin_call *call, const char *bytes,
		    size_t len)
{
	const char *end = bytes + len;
	struct line line = {0};
	size_t section = 0;

	while (next_line(&bytes, end, &line)) {
		if (!line.len || strchr(";#", *line.text))
			continue;
		if (*line.text == '[' && section)
			break;
		section = *line.text == '[' ? line.number : 0;
	}
	if (!section)
		return 0;
	call->fail(call, section, 1, "a section without keys");
	return -EINVAL;
}

const struct atio_plugin *atio_plugin(void)
{
	static const char *const suffixes[] = {".ini", ".cfg", NULL};
	static const struct atio_plugin plugin = {
		.size = sizeof(plugin),
		.abi = ATIO_PLUGIN_ABI,
		.name = "ini",
		.suffixes = suffixes,
		.load = load,
		.dump = dump,
		.validate = validate,
	};

	return &plugin;
}
