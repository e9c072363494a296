/* SPDX-License-Identifier: MIT
 *
 * policy.h - which files are staged, and which are not (S26).
 */
#ifndef FS_POLICY_H
#define FS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <atomicio/error.h>

enum file_class {
	CLASS_ATOMIC, /* staged, committed at close */
	CLASS_APPEND, /* O_APPEND opens go straight to the file; others atomic
		       */
	CLASS_DIRECT, /* plain passthrough */
};

struct policy;

/* The built-in policy (*ret_policy with the globs of S26). */
int policy_new_default(struct policy **ret_policy);

/* Everything is CLASS_ATOMIC (policy=none). */
int policy_new_none(struct policy **ret_policy);

/* Read @file: one rule a line, "CLASS GLOB" (class atomic, append or direct;
 * `#` starts a comment).  A glob without a slash is matched against the file's
 * name, one with a slash against the path from the mount's root (`*` does not
 * match a slash, `**` does).  First match wins; after the last rule the
 * built-in ones apply, unless a line says `no-builtin`.
 * -EINVAL with file and line in @err for a bad rule. */
int policy_load(const char *file, struct policy **ret_policy,
		struct atio_error *err);
void policy_free(struct policy *policy);

/* Class of the file @name, whose path from the mount's root is @path (without
 * leading slash; may be NULL when policy_needs_path says no). */
enum file_class policy_class(const struct policy *policy, const char *name,
			     const char *path);

/* Whether a rule of the file decided that, so that the file's content need
 * not be looked at: an `atomic` rule also holds for a SQLite database. */
bool policy_ruled(const struct policy *policy, const char *name,
		  const char *path);

/* Whether a rule has a path, so that policy_class needs one. */
bool policy_needs_path(const struct policy *policy);

/* Whether the built-in SQLite rules hold: look at the magic too. */
bool policy_sqlite(const struct policy *policy);

/* For "x.y-wal", "-shm" or "-journal": length of the base name ("x.y"), else
 * 0. */
size_t policy_sqlite_base_len(const char *name);

/* Whether the 16 bytes at @head are those a SQLite 3 database begins with
 * (https://www.sqlite.org/fileformat.html, 1.3). */
bool policy_is_sqlite(const void *head, size_t n);

const char *policy_class_name(enum file_class c);

#endif
