/* SPDX-License-Identifier: MIT
 *
 * gather FILE...: read many files at once in one thread, as an event loop does,
 * and print the size of each.  A file that somebody has locked does not hold up
 * the others.
 *
 *	cc gather.c $(pkg-config --cflags --libs atomicio) -o gather
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <atomicio/file.h>

struct job {
	const char *path;
	struct atio_file *file;
	struct atio_task *task;
};

static int begin(struct job *job, uint64_t number, struct atio_value_error *err)
{
	const struct atio_task_request request = {
		.version = ATIO_TASK_REQUEST_VERSION,
		.kind = ATIO_TASK_READ_BYTES,
		.owner = number, /* whose lock it is */
		.timeout_ms = 5000,
	};
	int r;

	r = atio_file_new(job->path, NULL, &job->file, err);
	if (r == 0)
		r = atio_task_begin(job->file, &request, &job->task, err);
	return r;
}

/* Print what came of it. */
static void finish(struct job *job, int r)
{
	size_t len;
	char *bytes;

	if (r == 0) {
		bytes = atio_task_take_bytes(job->task, &len);
		printf("%s: %zu bytes\n", job->path, len);
		free(bytes);
	} else {
		printf("%s: %s\n", job->path,
		       atio_task_error(job->task)->error.text);
	}
	atio_task_free(job->task);
	job->task = NULL;
}

/* All of them, until none is left.  A task is asked whenever its descriptor is
 * readable; at the begin, each is. */
static int loop(struct job *jobs, struct pollfd *fds, nfds_t n)
{
	nfds_t i, left = n;
	int r;

	while (left) {
		for (i = 0; i < n; i++) {
			if (!jobs[i].task || fds[i].revents == 0)
				continue;
			r = atio_task_run(jobs[i].task);
			if (r == -EAGAIN)
				continue;
			finish(&jobs[i], r);
			fds[i].fd = -1; /* poll passes it over */
			left--;
		}
		if (left && poll(fds, n, -1) < 0 && errno != EINTR)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	nfds_t i, n = (nfds_t)argc - 1;
	struct job *jobs = calloc(n + 1, sizeof(*jobs));
	struct pollfd *fds = calloc(n + 1, sizeof(*fds));
	int code = jobs && fds ? 0 : 1;

	for (i = 0; code == 0 && i < n; i++) {
		jobs[i].path = argv[i + 1];
		if (begin(&jobs[i], i + 1, &err) < 0) {
			fprintf(stderr, "gather: %s: %s\n", jobs[i].path,
				err.error.text);
			code = 1;
			break;
		}
		fds[i] = (struct pollfd){.fd = atio_task_fd(jobs[i].task),
					 .events = POLLIN,
					 .revents = POLLIN};
	}
	if (code == 0)
		code = loop(jobs, fds, n);
	for (i = 0; jobs && i < n; i++) {
		atio_task_free(jobs[i].task); /* cancels what is not done */
		atio_file_free(jobs[i].file);
	}
	free(jobs);
	free(fds);
	return code;
}
