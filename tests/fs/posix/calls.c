/* SPDX-License-Identifier: MIT
 *
 * calls.c - read the table, run each case in a process of its own.
 */
#include "calls.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A case that takes longer hangs, and is reported so. */
#define CASE_SECONDS 20

static const struct op *const tables[] = {
	io_ops,   move_ops,  map_ops,   name_ops,
	attr_ops, xattr_ops, state_ops, proc_ops,
};

static const struct op *find_op(const char *name)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct op *op = tables[t]; op->name; op++) {
			if (!strcmp(op->name, name))
				return op;
		}
	}
	fprintf(stderr, "calls: unknown op '%s'\n", name);
	exit(2);
}

void run_op(struct run *run, FILE *out)
{
	const struct op *op = find_op(run->argv[0]);
	char *text = NULL;
	size_t len = 0;
	long r;

	if (run->argc <= op->min_args) {
		fprintf(stderr, "calls: '%s' wants %d arguments\n", op->name,
			op->min_args);
		exit(2);
	}
	run->more = open_memstream(&text, &len);
	if (!run->more)
		exit(2);
	r = op->fn(run);
	fclose(run->more);
	for (int i = 0; i < run->argc; i++) {
		print_name(out, run->argv[i], run->arglen[i]);
		fputc(' ', out);
	}
	if (r < 0)
		fprintf(out, "= %s%s", errno_name((int)-r), text);
	else
		fprintf(out, "= %ld%s", r, text);
	free(text);
}

/* In the child: all ops of one case.  Its line goes out in one piece. */
static void run_case(const char *dir, char *ops)
{
	struct run run = {.dir = dir};
	char *text = NULL, *save = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out || (mkdir(dir, 0755) < 0 && errno != EEXIST))
		_exit(3);
	for (int i = 0; i < MAX_SLOTS; i++)
		run.fd[i] = -1;
	alarm(CASE_SECONDS);
	for (char *s = strtok_r(ops, ";", &save); s;
	     s = strtok_r(NULL, ";", &save)) {
		if (args_parse(&run, s) < 0)
			_exit(2);
		if (!run.argc)
			continue;
		run_op(&run, out);
		fputs(" | ", out);
	}
	fputc('\n', out);
	fclose(out);
	fwrite(text, 1, len, stdout);
	fflush(stdout);
	free(text);
	exit(0);
}

static int do_case(unsigned n, char *line)
{
	char *ops = strchr(line, ':');
	char dir[32];
	int status = 0;
	pid_t pid;

	if (!ops)
		return 2;
	*ops++ = '\0';
	snprintf(dir, sizeof(dir), "c%u", n);
	printf("%s: ", line);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return 2;
	if (!pid)
		run_case(dir, ops);
	if (waitpid(pid, &status, 0) < 0)
		return 2;
	if (WIFSIGNALED(status))
		printf("died: SIG%s\n", sigabbrev_np(WTERMSIG(status)));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int r = 0;

	for (unsigned n = 0; !r && (len = getline(&line, &size, stdin)) > 0;
	     n++) {
		line[strcspn(line, "\n")] = '\0';
		r = do_case(n, line);
	}
	free(line);
	return r;
}
