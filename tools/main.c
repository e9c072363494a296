/* SPDX-License-Identifier: MIT
 *
 * atomicio: the command line of atomicfs.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "text.h"
#include "tool.h"

static const struct {
	const char *name, *operands, *about;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"status", "[MOUNT]", "what a mount is doing, or all mounts",
	 status_main},
	{"quarantine", "list", "what was rolled back", quarantine_main},
	{"quarantine", "show ID", "what is known of it, or its bytes",
	 quarantine_main},
	{"quarantine", "restore ID [TO]", "make it a file again",
	 quarantine_main},
	{"quarantine", "drop ID...", "delete it", quarantine_main},
	{"commit", "FD-or-PATH...", "publish what was written so far",
	 commit_main},
	{"abort", "FD-or-PATH...", "roll back what was written", abort_main},
	{"recover", "SOURCE", "settle what a crash left, without mounting",
	 recover_main},
	{"lock", "FILE COMMAND...", "run a command with a file locked",
	 lock_main},
	{"locks", "[MOUNT]", "who holds and who waits for which lock",
	 locks_main},
	{"read", "FILE", "print the value of a file", read_main},
	{"write", "FILE DATA|-", "write a file as a whole, or not at all",
	 write_main},
	{"update", "FILE DATA|-", "change its value under its lock",
	 update_main},
	{"append", "FILE TEXT|-", "append to it", append_main},
	{"convert", "[IN|-] [OUT|-]", "one format to another", convert_main},
	{"validate", "FILE...", "check what is in files", validate_main},
	{"formats", "", "which formats are known", formats_main},
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

void free_cleanup(void *p)
{
	free(*(void **)p);
}

/* ---- failures -------------------------------------------------------- */

static void print_message(const char *prefix, const char *fmt, va_list ap)
{
	AUTO_FREE char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		return;
	}
	(void)fflush(stdout); /* in the order in which things happened */
	progress_pause();
	(void)fputs(prefix, stderr);
	text_put_message(stderr, text);
	(void)fputc('\n', stderr);
	progress_resume();
}

static void complain_va(const char *fmt, va_list ap)
{
	print_message("atomicio: ", fmt, ap);
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_va(fmt, ap);
	va_end(ap);
}

void complain_bare(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_message("", fmt, ap);
	va_end(ap);
}

int usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_va(fmt, ap);
	va_end(ap);
	return EXIT_USAGE;
}

int failed(const struct atio_error *err)
{
	complain("%s", err->code ? err->text : "failed");
	return EXIT_FAILED;
}

/* ---- the command line ------------------------------------------------ */

static void print_help(void)
{
	char left[48];

	puts("usage: atomicio COMMAND [OPTIONS] [ARGUMENTS]\n\n"
	     "Look after mounts of atomicfs(1), whose files are published "
	     "whole or not at all.\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		(void)snprintf(left, sizeof(left), "%s %s", commands[i].name,
			       commands[i].operands);
		printf("  %-28s  %s\n", left, commands[i].about);
	}
	puts("\n  -h, --help                    print this, or after a command "
	     "its options\n"
	     "  -V, --version                 print the version\n\n"
	     "Exit codes: 0 done, 1 failed, 2 the command line is wrong; "
	     "of lock: that of COMMAND,\n"
	     "or 4 not to be had in time, 5 not to be had at all.  Of read, "
	     "write, update, append,\n"
	     "convert, validate and formats: 0 done, 1 there is no such file, "
	     "2 it cannot be read\n"
	     "or written, 3 unknown format, 4 not in time, 5 a lock that is "
	     "not to be had");
}

/* ---- the output ------------------------------------------------------ */

static int output_failed = EXIT_FAILED; /* the exit code */
static int output_errno;

void output_failure_is(int code)
{
	output_failed = code;
}

bool output_put(const void *bytes, size_t len)
{
	errno = 0;
	if (fwrite(bytes, 1, len, stdout) == len && fflush(stdout) == 0)
		return true;
	if (!output_errno)
		output_errno = errno;
	return false;
}

/* A full disk under the output must not look like success. */
static int finish_output(int code)
{
	if (output_put("", 0) && !ferror(stdout))
		return code;
	complain("cannot write the output: %s",
		 strerror(output_errno ? output_errno : EIO));
	return output_failed;
}

/* ---- all of it ------------------------------------------------------- */

static int run(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;

	if (!word)
		return usage_error("no command given (atomicio --help lists "
				   "all)");
	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		print_help();
		return EXIT_OK;
	}
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		printf("atomicio %s\n", ATOMICFS_VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(word, commands[i].name))
			return commands[i].run(argc - 2, argv + 2);
	return usage_error("unknown %s '%s' (atomicio --help lists all)",
			   *word == '-' ? "option" : "command", word);
}

int main(int argc, char **argv)
{
	/* Whoever has started this may ignore it, and nobody could tell how
	 * the commands and plugins end that are run here. */
	(void)signal(SIGCHLD, SIG_DFL);
	return finish_output(run(argc, argv));
}
