/* SPDX-License-Identifier: MIT
 *
 * policy.c - which files are staged, and which are not (S26).
 *
 * Globs: `?` is one byte but a slash, `*` any number of them, `[a-z]` and
 * `[!a-z]` one of a set, `\` takes the next byte as it is.  `**` matches
 * slashes too; between slashes (or at the start) it stands for any number of
 * directories, also none, so that a/ ** /b without the blanks matches a/b.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy.h"

#define FILE_LIMIT  (1 << 20) /* bytes of a rule file */
#define RULES_LIMIT 10000
#define LINE_LIMIT  4096 /* bytes of a line */

struct rule {
	enum file_class file_class;
	bool on_path;
	char *glob;
};

struct policy {
	struct rule *rules; /* of the file */
	size_t n_rules, room;
	bool builtin;
	bool needs_path;
};

static const struct {
	const char *glob;
	enum file_class file_class;
} builtin[] = {
	{"*.log", CLASS_APPEND},
	{"*.db", CLASS_DIRECT},
	{"*.sqlite", CLASS_DIRECT},
	{"*.sqlite3", CLASS_DIRECT},
};

/* ---- globs ----------------------------------------------------------- */

/* Match byte @c with the set at @p (behind its bracket); returns the glob
 * behind the set, NULL when the set is not closed. */
static const char *match_set(const char *p, unsigned char c, bool *ret_match)
{
	bool invert = *p == '!' || *p == '^', match = false;
	const char *first = p += invert;
	unsigned char low, high;

	while (*p && (*p != ']' || p == first)) {
		if (*p == '\\' && p[1])
			p++;
		low = high = *p++;
		if (p[0] == '-' && p[1] && p[1] != ']') {
			p++;
			if (*p == '\\' && p[1])
				p++;
			high = *p++;
		}
		if (c >= low && c <= high)
			match = true;
	}
	if (!*p)
		return NULL;
	*ret_match = match != invert;
	return p + 1;
}

/* Match one byte of text, not a star; returns the glob behind it or NULL. */
static const char *match_one(const char *p, unsigned char c)
{
	bool match;

	switch (*p) {
	case '\0':
		return NULL;
	case '?':
		return c != '/' ? p + 1 : NULL;
	case '[':
		p = match_set(p + 1, c, &match);
		return p && match && c != '/' ? p : NULL;
	case '\\':
		if (p[1])
			p++;
		break;
	}
	return (unsigned char)*p == c ? p + 1 : NULL;
}

/* Where to go on when a match fails: the last star of each kind, and how much
 * of the text it has taken.  Older stars need no second try: if the part of
 * the glob between two stars fits anywhere, its first fit leaves the most text
 * to what follows.  So time is bounded by glob times text (squared, with both
 * kinds). */
struct retry {
	const char *glob, *text;
	bool whole_dirs;
};

static bool retry_star(struct retry *star, const char **p, const char **t)
{
	if (!star->glob || *star->text == '\0' || *star->text == '/')
		return false;
	*t = ++star->text;
	*p = star->glob;
	return true;
}

static bool retry_deep(struct retry *deep, const char **p, const char **t)
{
	if (!deep->glob || *deep->text == '\0')
		return false;
	if (deep->whole_dirs) {
		deep->text = strchr(deep->text, '/');
		if (!deep->text) {
			deep->glob = NULL;
			return false;
		}
	}
	*t = ++deep->text;
	*p = deep->glob;
	return true;
}

/* Step over the stars at *p and remember them. */
static void meet_star(const char *glob, const char **p, const char *t,
		      struct retry *star, struct retry *deep)
{
	const char *begin = *p;

	while (**p == '*')
		(*p)++;
	if (*p - begin == 1) {
		*star = (struct retry){.glob = *p, .text = t};
		return;
	}
	star->glob = NULL;
	deep->whole_dirs = **p == '/' && (begin == glob || begin[-1] == '/');
	if (deep->whole_dirs)
		(*p)++;
	deep->glob = *p;
	deep->text = t;
}

static bool glob_match(const char *glob, const char *text)
{
	struct retry star = {0}, deep = {0};
	const char *p = glob, *t = text, *next;

	while (*p || *t) {
		if (*p == '*') {
			meet_star(glob, &p, t, &star, &deep);
			continue;
		}
		next = *t ? match_one(p, *t) : NULL;
		if (next) {
			p = next;
			t++;
			continue;
		}
		if (retry_star(&star, &p, &t))
			continue;
		star.glob = NULL;
		if (!retry_deep(&deep, &p, &t))
			return false;
	}
	return true;
}

/* What is wrong with @glob, or NULL. */
static const char *glob_fault(const char *glob)
{
	bool match;

	for (; *glob; glob++) {
		if (*glob == '\\') {
			if (!*++glob)
				return "ends with a backslash";
		} else if (*glob == '[') {
			glob = match_set(glob + 1, 'a', &match);
			if (!glob)
				return "has a '[' without its ']'";
			glob--;
		}
	}
	return NULL;
}

/* ---- rule files ------------------------------------------------------ */

static int parse_class(const char *word, enum file_class *ret_class)
{
	enum file_class c;

	for (c = CLASS_ATOMIC; c <= CLASS_DIRECT; c++) {
		if (strcmp(word, policy_class_name(c)) == 0) {
			*ret_class = c;
			return 0;
		}
	}
	return -EINVAL;
}

static int add_rule(struct policy *policy, enum file_class c, const char *glob)
{
	struct rule *rules = policy->rules;
	size_t room = policy->room;
	bool on_path = strchr(glob, '/') != NULL;

	if (policy->n_rules == room) {
		room = room ? 2 * room : 16;
		rules = reallocarray(rules, room, sizeof(*rules));
		if (!rules)
			return -ENOMEM;
		policy->rules = rules;
		policy->room = room;
	}
	glob += *glob == '/'; /* anchored at the root as any path is */
	rules += policy->n_rules;
	rules->glob = strdup(glob);
	if (!rules->glob)
		return -ENOMEM;
	rules->file_class = c;
	rules->on_path = on_path;
	policy->n_rules++;
	policy->needs_path |= on_path;
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cut a comment (`#` at the start or after a blank) and blanks around. */
static char *trim(char *line)
{
	char *at, *end;

	while (is_blank(*line))
		line++;
	for (at = line; *at; at++) {
		if (*at == '#' && (at == line || is_blank(at[-1]))) {
			*at = '\0';
			break;
		}
	}
	end = line + strlen(line);
	/* A blank behind a backslash belongs to the glob. */
	while (end > line && is_blank(end[-1]) &&
	       !(end - line > 1 && end[-2] == '\\'))
		end--;
	*end = '\0';
	return line;
}

static int parse_line(struct policy *policy, const char *file, unsigned number,
		      char *line, struct atio_error *err)
{
	const char *fault;
	enum file_class c;
	char *glob;
	int r;

	line = trim(line);
	if (!*line)
		return 0;
	if (strcmp(line, "no-builtin") == 0) {
		policy->builtin = false;
		return 0;
	}
	for (glob = line; *glob && !is_blank(*glob);)
		glob++;
	if (*glob)
		*glob++ = '\0';
	while (is_blank(*glob))
		glob++;
	if (parse_class(line, &c) < 0)
		return atio_fail(err, EINVAL,
				 "%.100s:%u: unknown class '%.32s' (a rule is "
				 "atomic, append or direct, and a glob)",
				 file, number, line);
	if (!*glob)
		return atio_fail(err, EINVAL, "%.100s:%u: '%s' without a glob",
				 file, number, line);
	fault = glob_fault(glob);
	if (fault)
		return atio_fail(err, EINVAL, "%.100s:%u: the glob %s", file,
				 number, fault);
	if (policy->n_rules == RULES_LIMIT)
		return atio_fail(err, EINVAL, "%.100s:%u: more than %d rules",
				 file, number, RULES_LIMIT);
	r = add_rule(policy, c, glob);
	return r < 0 ? atio_fail(err, -r, "out of memory") : 0;
}

static int parse_text(struct policy *policy, const char *file, char *text,
		      size_t size, struct atio_error *err)
{
	char *line = text, *end;
	unsigned number = 1;
	int r;

	for (; line < text + size; line = end + 1, number++) {
		end = memchr(line, '\n', size - (line - text));
		if (!end)
			end = text + size;
		if (end - line > LINE_LIMIT)
			return atio_fail(err, EINVAL,
					 "%.100s:%u: the line is longer than "
					 "%d bytes",
					 file, number, LINE_LIMIT);
		if (memchr(line, '\0', end - line))
			return atio_fail(err, EINVAL,
					 "%.100s:%u: not a text file", file,
					 number);
		*end = '\0'; /* there is room for one behind the text */
		r = parse_line(policy, file, number, line, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Read @file whole into *ret_text, which has room for one byte more. */
static int read_file(const char *file, char **ret_text, size_t *ret_size,
		     struct atio_error *err)
{
	/* A pipe would block, a device never end. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t size = 0;
	ssize_t n = 1;
	struct stat st;
	char *text;

	if (fd < 0)
		return atio_fail(err, errno, "open the policy '%.100s': %s",
				 file, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return atio_fail(err, EINVAL,
				 "the policy '%.100s' is not a regular file",
				 file);
	}
	text = malloc(FILE_LIMIT + 2);
	while (text && size <= FILE_LIMIT && n > 0) {
		n = read(fd, text + size, FILE_LIMIT + 1 - size);
		if (n > 0)
			size += n;
	}
	close(fd);
	if (text && n >= 0 && size <= FILE_LIMIT) {
		*ret_text = text;
		*ret_size = size;
		return 0;
	}
	free(text);
	if (!text)
		return atio_fail(err, ENOMEM, "out of memory");
	if (n < 0)
		return atio_fail(err, EIO, "read the policy '%.100s'", file);
	return atio_fail(err, EINVAL,
			 "the policy '%.100s' is larger than %d "
			 "bytes",
			 file, FILE_LIMIT);
}

/* ---- the interface --------------------------------------------------- */

static int policy_new(bool with_builtin, struct policy **ret_policy)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return -ENOMEM;
	policy->builtin = with_builtin;
	*ret_policy = policy;
	return 0;
}

int policy_new_default(struct policy **ret_policy)
{
	return policy_new(true, ret_policy);
}

int policy_new_none(struct policy **ret_policy)
{
	return policy_new(false, ret_policy);
}

int policy_load(const char *file, struct policy **ret_policy,
		struct atio_error *err)
{
	struct policy *policy;
	char *text = NULL;
	size_t size = 0;
	int r;

	r = read_file(file, &text, &size, err);
	if (r < 0)
		return r;
	r = policy_new(true, &policy);
	if (r < 0) {
		free(text);
		return atio_fail(err, -r, "out of memory");
	}
	r = parse_text(policy, file, text, size, err);
	free(text);
	if (r < 0)
		policy_free(policy);
	else
		*ret_policy = policy;
	return r;
}

void policy_free(struct policy *policy)
{
	size_t i;

	if (!policy)
		return;
	for (i = 0; i < policy->n_rules; i++)
		free(policy->rules[i].glob);
	free(policy->rules);
	free(policy);
}

/* The first rule of the file that matches, or NULL. */
static const struct rule *find_rule(const struct policy *policy,
				    const char *name, const char *path)
{
	const struct rule *rule;
	const char *text;
	size_t i;

	for (i = 0; i < policy->n_rules; i++) {
		rule = &policy->rules[i];
		text = rule->on_path ? path : name;
		if (text && glob_match(rule->glob, text))
			return rule;
	}
	return NULL;
}

enum file_class policy_class(const struct policy *policy, const char *name,
			     const char *path)
{
	const struct rule *rule = find_rule(policy, name, path);
	size_t i;

	if (rule)
		return rule->file_class;
	for (i = 0; policy->builtin && i < sizeof(builtin) / sizeof(*builtin);
	     i++) {
		if (glob_match(builtin[i].glob, name))
			return builtin[i].file_class;
	}
	return CLASS_ATOMIC;
}

bool policy_ruled(const struct policy *policy, const char *name,
		  const char *path)
{
	return find_rule(policy, name, path) != NULL;
}

bool policy_needs_path(const struct policy *policy)
{
	return policy->needs_path;
}

bool policy_sqlite(const struct policy *policy)
{
	return policy->builtin;
}

size_t policy_sqlite_base_len(const char *name)
{
	static const char *const tails[] = {"-wal", "-shm", "-journal"};
	size_t len = strlen(name), tail, i;

	for (i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		tail = strlen(tails[i]);
		if (len > tail && strcmp(name + len - tail, tails[i]) == 0)
			return len - tail;
	}
	return 0;
}

bool policy_is_sqlite(const void *head, size_t n)
{
	static const char magic[16] = "SQLite format 3"; /* and its NUL */

	return n >= sizeof(magic) && memcmp(head, magic, sizeof(magic)) == 0;
}

const char *policy_class_name(enum file_class c)
{
	switch (c) {
	case CLASS_ATOMIC:
		return "atomic";
	case CLASS_APPEND:
		return "append";
	case CLASS_DIRECT:
		return "direct";
	}
	return "unknown";
}
