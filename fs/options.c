/* SPDX-License-Identifier: MIT
 *
 * options.c - what the command line of atomicfs says.
 *
 * A word that is not understood is refused rather than ignored: a misspelt
 * `durability=none` must not look like a slow disk, nor the other way round.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

#define DAY_S         86400
#define AGE_MAX_DAYS  36500
#define TIMEOUT_MAX_S 1e6
#define USAGE         "usage: atomicfs [-f] [-d] [-o OPTIONS] SOURCE MOUNTPOINT"

/* ---- values ---------------------------------------------------------- */

static int keep_string(char **at, const char *value, struct atio_error *err)
{
	char *copy = strdup(value);

	if (!copy)
		return atio_fail(err, ENOMEM, "out of memory");
	free(*at);
	*at = copy;
	return 0;
}

static int parse_choice(const char *key, const char *value, const char *no,
			const char *yes, bool *ret_yes, struct atio_error *err)
{
	if (strcmp(value, yes) != 0 && strcmp(value, no) != 0)
		return atio_fail(err, EINVAL,
				 "%s=%.64s: the value must be %s or %s", key,
				 value, no, yes);
	*ret_yes = strcmp(value, yes) == 0;
	return 0;
}

/* A decimal number without sign or blanks, at most @max. */
static int parse_number(const char *value, uint64_t max, char **ret_end,
			uint64_t *ret_number)
{
	unsigned long long n;

	if (*value < '0' || *value > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(value, ret_end, 10);
	if (errno || n > max)
		return -ERANGE;
	*ret_number = n;
	return 0;
}

static int parse_size(const char *key, const char *value, uint64_t *ret_bytes,
		      struct atio_error *err)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned shift = 0;
	uint64_t n;
	char *end;
	int r;

	r = parse_number(value, INT64_MAX, &end, &n);
	if (r == 0 && *end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			r = -EINVAL;
		else
			shift = 10 * (unit - units + 1);
	}
	if (r == 0 && (n == 0 || n > (uint64_t)INT64_MAX >> shift))
		r = -ERANGE;
	if (r < 0)
		return atio_fail(err, EINVAL,
				 "%s=%.64s: the value must be a number of "
				 "bytes above 0, such as 500M or 2G",
				 key, value);
	*ret_bytes = n << shift;
	return 0;
}

static int parse_days(const char *key, const char *value, uint64_t *ret_s,
		      struct atio_error *err)
{
	uint64_t days;
	char *end;

	if (parse_number(value, AGE_MAX_DAYS, &end, &days) < 0 || *end ||
	    days == 0)
		return atio_fail(err, EINVAL,
				 "%s=%.64s: the value must be a number of "
				 "days, 1 to %d",
				 key, value, AGE_MAX_DAYS);
	*ret_s = days * DAY_S;
	return 0;
}

static int parse_seconds(const char *key, const char *value, double *ret_s,
			 struct atio_error *err)
{
	double s = -1;
	char *end;

	/* strtod also knows hexadecimal, "nan" and "inf". */
	if (*value && strspn(value, "0123456789.") == strlen(value)) {
		s = strtod(value, &end);
		if (*end)
			s = -1;
	}
	if (!(s >= 0 && s <= TIMEOUT_MAX_S))
		return atio_fail(err, EINVAL,
				 "%s=%.64s: the value must be a number of "
				 "seconds, 0 to %.0f",
				 key, value, TIMEOUT_MAX_S);
	*ret_s = s;
	return 0;
}

static int parse_fd(const char *key, const char *value, int *ret_fd,
		    struct atio_error *err)
{
	uint64_t fd;
	char *end;

	if (parse_number(value, INT_MAX, &end, &fd) < 0 || *end)
		return atio_fail(err, EINVAL,
				 "%s=%.64s: the value must be the number of "
				 "an open descriptor",
				 key, value);
	*ret_fd = fd;
	return 0;
}

/* ---- -o -------------------------------------------------------------- */

enum key {
	KEY_DURABILITY,
	KEY_POLICY,
	KEY_CONFLICT,
	KEY_ON_KILL,
	KEY_PASSTHROUGH,
	KEY_ENTRY_TIMEOUT,
	KEY_LOCKS,
	KEY_LOCK_TIMEOUT,
	KEY_QUARANTINE_SIZE,
	KEY_QUARANTINE_AGE,
	KEY_NOTIFY_READY,
	KEY_COUNT,
};

static const char *const keys[KEY_COUNT] = {
	[KEY_DURABILITY] = "durability",
	[KEY_POLICY] = "policy",
	[KEY_CONFLICT] = "conflict",
	[KEY_ON_KILL] = "on_kill",
	[KEY_PASSTHROUGH] = "passthrough",
	[KEY_ENTRY_TIMEOUT] = "entry_timeout",
	[KEY_LOCKS] = "locks",
	[KEY_LOCK_TIMEOUT] = "lock_timeout",
	[KEY_QUARANTINE_SIZE] = "quarantine_size",
	[KEY_QUARANTINE_AGE] = "quarantine_age",
	[KEY_NOTIFY_READY] = "notify-ready",
};

/* What libfuse, fusermount3 and the kernel know; "=" at the end: with a
 * value. */
static const char *const kernel_words[] = {
	"suid",       "nosuid",      "dev",          "nodev",
	"exec",       "noexec",      "noatime",      "async",
	"sync",       "dirsync",     "auto_unmount", "default_permissions",
	"fsname=",    "subtype=",    "max_read=",    "context=",
	"fscontext=", "defcontext=", "rootcontext=",
};

/* For mount(8) and fstab(5), or what holds anyway. */
static const char *const ignored_words[] = {
	"defaults", "auto",  "noauto",   "nofail", "_netdev",
	"user",     "users", "owner",    "group",  "nouser",
	"relatime", "user=", "comment=",
};

static bool word_in(const char *word, const char *const *list, size_t n)
{
	size_t i, len;

	for (i = 0; i < n; i++) {
		len = strlen(list[i]);
		if (list[i][len - 1] == '='
			    ? strncmp(word, list[i], len) == 0 && word[len]
			    : strcmp(word, list[i]) == 0)
			return true;
	}
	return false;
}

#define WORD_IN(word, list) word_in(word, list, sizeof(list) / sizeof(*(list)))

static int parse_pair(struct options *opts, enum key key, const char *value,
		      struct atio_error *err)
{
	const char *name = keys[key];
	bool yes = false;
	double s = 0;
	int r;

	switch (key) {
	case KEY_DURABILITY:
		return parse_choice(name, value, "none", "full", &opts->durable,
				    err);
	case KEY_POLICY:
		if (!*value)
			return atio_fail(err, EINVAL,
					 "policy=: the value must be a file, "
					 "or none");
		return keep_string(&opts->policy, value, err);
	case KEY_CONFLICT:
		return parse_choice(name, value, "fail", "last",
				    &opts->conflict_last, err);
	case KEY_ON_KILL:
		return parse_choice(name, value, "rollback", "commit",
				    &opts->kill_commits, err);
	case KEY_PASSTHROUGH:
		r = parse_choice(name, value, "auto", "off", &yes, err);
		if (r == 0)
			opts->passthrough =
				yes ? PASSTHROUGH_OFF : PASSTHROUGH_AUTO;
		return r;
	case KEY_ENTRY_TIMEOUT:
		return parse_seconds(name, value, &opts->entry_timeout_s, err);
	case KEY_LOCKS:
		return parse_choice(name, value, "recursive", "strict",
				    &opts->locks_strict, err);
	case KEY_LOCK_TIMEOUT:
		r = parse_seconds(name, value, &s, err);
		if (r == 0)
			opts->lock_timeout_ms = (uint64_t)(s * 1000 + 0.999);
		return r;
	case KEY_QUARANTINE_SIZE:
		return parse_size(name, value, &opts->quarantine_max_bytes,
				  err);
	case KEY_QUARANTINE_AGE:
		return parse_days(name, value, &opts->quarantine_max_age_s,
				  err);
	case KEY_NOTIFY_READY:
		return parse_fd(name, value, &opts->notify_fd, err);
	case KEY_COUNT:
		break;
	}
	return -EINVAL;
}

/* Hand @raw (still escaped) on to libfuse. */
static int add_fuse_opt(struct options *opts, const char *raw, size_t len,
			struct atio_error *err)
{
	const char *old = opts->fuse_opts;
	char *joined;

	if (asprintf(&joined, "%s%s%.*s", old ? old : "", old ? "," : "",
		     (int)len, raw) < 0)
		return atio_fail(err, ENOMEM, "out of memory");
	free(opts->fuse_opts);
	opts->fuse_opts = joined;
	return 0;
}

static int unknown_word(const char *word, struct atio_error *err)
{
	enum key key;
	size_t len = strcspn(word, "=");

	for (key = 0; key < KEY_COUNT; key++) {
		if (len == strlen(keys[key]) &&
		    strncmp(word, keys[key], len) == 0)
			return atio_fail(err, EINVAL,
					 "option '%s' needs a value: %s=...",
					 keys[key], keys[key]);
	}
	return atio_fail(err, EINVAL,
			 "unknown option '%.100s' (atomicfs --help lists all)",
			 word);
}

/* One option: @word with escapes taken away, @raw as it was. */
static int parse_word(struct options *opts, const char *word, const char *raw,
		      size_t raw_len, struct atio_error *err)
{
	enum key key;
	size_t len;

	if (strcmp(word, "ro") == 0 || strcmp(word, "rw") == 0) {
		opts->read_only = word[1] == 'o';
		return 0;
	}
	if (strcmp(word, "allow_other") == 0) {
		opts->allow_other = true;
		return 0;
	}
	if (strcmp(word, "allow_root") == 0) {
		/* libfuse takes one of the two. */
		opts->allow_other = false;
		return add_fuse_opt(opts, raw, raw_len, err);
	}
	if (WORD_IN(word, ignored_words) || strncmp(word, "x-", 2) == 0 ||
	    strncmp(word, "X-", 2) == 0)
		return 0;
	if (WORD_IN(word, kernel_words))
		return add_fuse_opt(opts, raw, raw_len, err);
	for (key = 0; key < KEY_COUNT; key++) {
		len = strlen(keys[key]);
		if (strncmp(word, keys[key], len) == 0 && word[len] == '=')
			return parse_pair(opts, key, word + len + 1, err);
	}
	return unknown_word(word, err);
}

/* A comma list; a backslash before a comma or backslash makes it plain. */
static int parse_list(struct options *opts, const char *list,
		      struct atio_error *err)
{
	char *word = malloc(strlen(list) + 1);
	const char *at = list, *raw;
	size_t n;
	int r = 0;

	if (!word)
		return atio_fail(err, ENOMEM, "out of memory");
	while (r == 0 && *at) {
		for (raw = at, n = 0; *at && *at != ','; at++) {
			if (*at == '\\' && at[1])
				at++;
			word[n++] = *at;
		}
		word[n] = '\0';
		if (n > 0)
			r = parse_word(opts, word, raw, at - raw, err);
		at += *at == ',';
	}
	free(word);
	return r;
}

/* ---- the command line ------------------------------------------------ */

/* Letters behind one dash; *i moves on when -o takes the next argument. */
static int parse_letters(int argc, char **argv, int *i, struct options *opts,
			 struct atio_error *err)
{
	const char *at;

	for (at = argv[*i] + 1; *at; at++) {
		switch (*at) {
		case 'f':
			opts->foreground = true;
			break;
		case 'd':
			opts->foreground = opts->debug = true;
			break;
		case 's':
			break; /* sshfs's "single thread": nothing to change */
		case 'h':
			opts->show_help = true;
			break;
		case 'V':
			opts->show_version = true;
			break;
		case 'o':
			if (at[1])
				return parse_list(opts, at + 1, err);
			if (*i + 1 == argc)
				return atio_fail(err, EINVAL,
						 "-o needs options behind it");
			return parse_list(opts, argv[++*i], err);
		default:
			return atio_fail(err, EINVAL,
					 "unknown option '-%c' (atomicfs "
					 "--help lists all)",
					 *at);
		}
	}
	return 0;
}

static int take_path(struct options *opts, const char *path,
		     struct atio_error *err)
{
	if (!*path)
		return atio_fail(err, EINVAL, "an empty path; " USAGE);
	if (!opts->source)
		return keep_string(&opts->source, path, err);
	if (!opts->mountpoint)
		return keep_string(&opts->mountpoint, path, err);
	return atio_fail(err, EINVAL, "unexpected '%.100s'; " USAGE, path);
}

static int parse_args(int argc, char **argv, struct options *opts,
		      struct atio_error *err)
{
	bool only_paths = false;
	int i, r = 0;

	for (i = 1; r == 0 && i < argc; i++) {
		if (only_paths || argv[i][0] != '-')
			r = take_path(opts, argv[i], err);
		else if (strcmp(argv[i], "--") == 0)
			only_paths = true;
		else if (strcmp(argv[i], "--help") == 0)
			opts->show_help = true;
		else if (strcmp(argv[i], "--version") == 0)
			opts->show_version = true;
		else if (argv[i][1] == '-' || argv[i][1] == '\0')
			r = unknown_word(argv[i], err);
		else
			r = parse_letters(argc, argv, &i, opts, err);
	}
	if (r < 0 || opts->show_help || opts->show_version)
		return r;
	if (!opts->source)
		return atio_fail(err, EINVAL, "no source given; " USAGE);
	if (!opts->mountpoint)
		return atio_fail(err, EINVAL, "no mountpoint given; " USAGE);
	return 0;
}

int options_parse(int argc, char **argv, struct options *opts,
		  struct atio_error *err)
{
	int r;

	*opts = (struct options){
		.notify_fd = -1,
		.durable = true,
		.entry_timeout_s = 1,
		.quarantine_max_age_s = 30 * DAY_S,
		.allow_other = geteuid() == 0,
	};
	r = parse_args(argc, argv, opts, err);
	if (r < 0)
		options_done(opts);
	return r;
}

void options_done(struct options *opts)
{
	free(opts->source);
	free(opts->mountpoint);
	free(opts->policy);
	free(opts->fuse_opts);
	opts->source = opts->mountpoint = NULL;
	opts->policy = opts->fuse_opts = NULL;
}

void options_print_help(void)
{
	fputs(USAGE
	      "\n\n"
	      "Mount the directory SOURCE at MOUNTPOINT (which may be SOURCE "
	      "itself), so that\n"
	      "every file written there is published whole when it is closed, "
	      "or not at all.\n"
	      "\n"
	      "  -f                 stay in the foreground, log to stderr\n"
	      "  -d                 the same, and log every request\n"
	      "  -o OPT[,OPT...]    options, see below\n"
	      "  -h, --help         print this\n"
	      "  -V, --version      print the version\n"
	      "\n"
	      "Options (first value: the default)\n"
	      "  durability=full|none       flush to disk before publishing, "
	      "or never\n"
	      "  policy=FILE|none           which files are staged; without: "
	      "the built-in rules\n"
	      "  conflict=fail|last         a file replaced while it was "
	      "updated: close fails,\n"
	      "                             or the last one stands\n"
	      "  on_kill=rollback|commit    what a killed program wrote\n"
	      "  passthrough=auto|off       let the kernel do reads and writes "
	      "itself\n"
	      "  entry_timeout=SECONDS      how long the kernel remembers "
	      "names (1)\n"
	      "  locks=recursive|strict     a thread gets a lock that it has "
	      "through another\n"
	      "                             descriptor, or waits for itself\n"
	      "  lock_timeout=SECONDS       who waits longer for a lock gets "
	      "ETIMEDOUT (never)\n"
	      "  quarantine_size=BYTES      keep at most so much of what was "
	      "rolled back (1G,\n"
	      "                             or a tenth of a smaller disk)\n"
	      "  quarantine_age=DAYS        and at most so long (30)\n"
	      "  notify-ready=FD            write \"ready\" to this descriptor "
	      "once mounted\n"
	      "  ro, allow_other, allow_root, nosuid, nodev, noexec, noatime, "
	      "auto_unmount,\n"
	      "  fsname=NAME, subtype=NAME, max_read=N, context=... as "
	      "mount.fuse3(8) says\n"
	      "\n"
	      "Unmount with: fusermount3 -u MOUNTPOINT (or umount, as root)\n",
	      stdout);
}
