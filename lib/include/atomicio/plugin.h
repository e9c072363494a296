/* SPDX-License-Identifier: MIT
 *
 * plugin.h - a format of your own, as a shared object.
 *
 * The object exports one symbol, the function atio_plugin, which returns a
 * descriptor that stays valid:
 *
 *	const struct atio_plugin *atio_plugin(void)
 *	{
 *		static const char *const suffixes[] = {".pairs", NULL};
 *		static const struct atio_plugin plugin = {
 *			.size = sizeof(plugin),
 *			.abi = ATIO_PLUGIN_ABI,
 *			.name = "pairs",
 *			.suffixes = suffixes,
 *			.load = load,
 *			.dump = dump,
 *		};
 *		return &plugin;
 *	}
 *
 * It is put as NAME.so into a directory of plugins: /etc/atomicfs/formats.d,
 * LIBDIR/atomicfs/formats.d, or one that is named (--formats-dir of atomicio,
 * use_formats_dir of Python).
 * The file and its directory must belong to root or to the user who runs the
 * program, and not be writable by others.
 *
 * A plugin runs in a process of its own, for one document at a time: what it
 * crashes, leaks, prints or waits for is its own affair.  It has 5 s of
 * processor time, 10 s in all and 512 MiB of memory; to say what it is, 3 s.
 * Its standard output is thrown away, and so is its memory: it need not free
 * anything.  It links with nothing: the host passes all functions it may need.
 */
#ifndef ATOMICIO_PLUGIN_H
#define ATOMICIO_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <atomicio/value.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATIO_PLUGIN_ABI 1

/* Tables of the host's functions; see value.h for what they do.  Newer hosts
 * have more at the end: look at @size before using what ABI 1 did not have. */

/* For load: tell the values of the document one after another; in a map, key
 * and value in turn.  A failure is kept, so what these return need not be
 * looked at. */
struct atio_plugin_build {
	size_t size;
	int (*null)(struct atio_builder *b);
	int (*boolean)(struct atio_builder *b, bool value);
	int (*integer)(struct atio_builder *b, int64_t value);
	int (*digits)(struct atio_builder *b, const char *digits, size_t len);
	int (*real)(struct atio_builder *b, double value);
	int (*string)(struct atio_builder *b, const char *text, size_t len);
	int (*bytes)(struct atio_builder *b, const void *bytes, size_t len);
	int (*datetime)(struct atio_builder *b, const char *text, size_t len);
	int (*seq)(struct atio_builder *b);
	int (*map)(struct atio_builder *b);
	int (*end)(struct atio_builder *b); /* of the last seq or map begun */
};

/* For dump: look at the value. */
struct atio_plugin_read {
	size_t size;
	enum atio_type (*type)(const struct atio_node *node);
	bool (*boolean)(const struct atio_node *node);
	int64_t (*integer)(const struct atio_node *node);
	double (*real)(const struct atio_node *node);
	const char *(*text)(const struct atio_node *node, size_t *ret_len);
	enum atio_datetime (*datetime)(const struct atio_node *node);
	const char *(*lexeme)(const struct atio_node *node, size_t *ret_len);
	size_t (*count)(const struct atio_node *node);
	const struct atio_node *(*at)(const struct atio_node *node,
				      size_t index);
	const struct atio_node *(*key)(const struct atio_node *map,
				       size_t index);
	const struct atio_node *(*member)(const struct atio_node *map,
					  const char *key, size_t key_len);
	const struct atio_node *(*inner)(const struct atio_node *node);
};

/* What a call of the plugin may do besides. */
struct atio_plugin_call {
	size_t size;
	const struct atio_plugin_build *build; /* load only, else NULL */
	const struct atio_plugin_read *read;   /* dump only, else NULL */
	/* dump: add to what is written. */
	int (*write)(struct atio_plugin_call *call, const void *bytes,
		     size_t len);
	/* Say why it failed, for a person; @line and @column (from 1) of the
	 * source, or 0.  The first time counts. */
	void (*fail)(struct atio_plugin_call *call, size_t line, size_t column,
		     const char *message);
};

struct atio_plugin {
	size_t size;  /* sizeof(struct atio_plugin) */
	unsigned abi; /* ATIO_PLUGIN_ABI */
	const char *name;             /* letters, digits, '-', '_' */
	const char *const *suffixes;  /* with their dots; NULL-terminated */
	/* Each returns 0, or -errno: -EINVAL for what is not valid,
	 * -EOPNOTSUPP for what cannot be held.  Each may be NULL, but not both
	 * load and dump.  A file of nothing but blanks is not loaded: it has no
	 * value. */
	int (*load)(struct atio_plugin_call *call, struct atio_builder *b,
		    const char *bytes, size_t len);
	int (*dump)(struct atio_plugin_call *call,
		    const struct atio_node *root);
	/* A check beyond that of load, of the same bytes: of what is read,
	 * and of what is about to be written. */
	int (*validate)(struct atio_plugin_call *call, const char *bytes,
			size_t len);
};

typedef const struct atio_plugin *atio_plugin_fn(void);
#define ATIO_PLUGIN_SYMBOL "atio_plugin"

#ifdef __cplusplus
}
#endif
#endif
