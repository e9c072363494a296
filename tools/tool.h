/* SPDX-License-Identifier: MIT
 *
 * tool.h - what the commands of `atomicio` have in common.
 *
 * A command gets its own part of the command line, without its name, and
 * returns the exit code.  Those codes are a promise: see atomicio(1).
 */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>
#include <atomicio/error.h>

enum {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_TIMEOUT = 4,   /* a lock was not to be had in time */
	EXIT_LOCK = 5,      /* nor would it have been later */
	EXIT_NO_EXEC = 126, /* as shells do, of a command that was to be run */
	EXIT_NO_COMMAND = 127,
	EXIT_SIGNAL = 128, /* and the number of the signal */
};

#define AUTO_CLOSE __attribute__((cleanup(close_cleanup)))
#define AUTO_FREE  __attribute__((cleanup(free_cleanup)))

static inline void close_cleanup(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

void free_cleanup(void *p);

/* ---- commands -------------------------------------------------------- */

int status_main(int argc, char **argv);
int quarantine_main(int argc, char **argv);
int commit_main(int argc, char **argv);
int abort_main(int argc, char **argv);
int recover_main(int argc, char **argv);
int lock_main(int argc, char **argv);
int locks_main(int argc, char **argv);
int read_main(int argc, char **argv);
int write_main(int argc, char **argv);
int update_main(int argc, char **argv);
int append_main(int argc, char **argv);
int convert_main(int argc, char **argv);
int validate_main(int argc, char **argv);
int formats_main(int argc, char **argv);

/* ---- args.c: the command line ---------------------------------------- */

struct flag {
	char letter;       /* 0: it has only a name */
	const char *name;  /* without the dashes; NULL ends an array */
	const char *value; /* what help calls its value; NULL: it takes none */
	const char *help;
	bool *on;          /* set when it is given, may be NULL */
	const char **text; /* set to its value, may be NULL */
};

struct command {
	const char *name;     /* "quarantine list" */
	const char *operands; /* "[MOUNT]", for help */
	const char *about;    /* whole lines */
	int least, most;      /* operands; most < 0: any number */
	bool runs; /* a command: its own flags end at the first operand */
};

/* Take the flags out of @argv, so that the operands stand at its beginning, in
 * their order, and a NULL behind them.  Returns how many, or -1 when the
 * command is over: help was printed or a fault was told of, and *ret_exit is
 * the exit code. */
int args_parse(const struct command *command, const struct flag *flags,
	       int argc, char **argv, int *ret_exit);

/* ---- failures -------------------------------------------------------- */

/* One line on stderr, with control characters escaped. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same without the name of the tool in front, as compilers tell of a place
 * in a file, so that editors find it. */
void complain_bare(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for a fault of the command line; returns EXIT_USAGE. */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for a failure of the library; returns EXIT_FAILED. */
int failed(const struct atio_error *err);

/* What the exit code is when standard output cannot be written, if not
 * EXIT_FAILED; it is told of at the end. */
void output_failure_is(int code);

/* Write all to standard output, now.  A failure is told of at the end. */
bool output_put(const void *bytes, size_t len);

#endif
