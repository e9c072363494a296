/* SPDX-License-Identifier: MIT */
#include "stage/fault.h"

#ifdef ATIO_FAULT_POINTS
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void trace(const char *name)
{
	const char *file = getenv("ATIO_FAULT_TRACE");
	char line[80];
	size_t n = strlen(name);
	int fd;

	if (!file || n + 1 > sizeof(line))
		return;
	memcpy(line, name, n);
	line[n] = '\n';
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (write(fd, line, n + 1) < 0)
		(void)kill(getpid(), SIGKILL); /* a blind test proves nothing */
	close(fd);
}

void atio_fault_point(const char *name)
{
	static atomic_uint reached;
	const char *want = getenv("ATIO_FAULT");
	size_t n = strlen(name);
	unsigned at = 1;

	trace(name);
	if (!want || strncmp(want, name, n) || (want[n] && want[n] != ':'))
		return;
	if (want[n] == ':')
		at = (unsigned)strtoul(want + n + 1, NULL, 10);
	if (++reached == at) {
		(void)kill(getpid(), SIGKILL);
		for (;;)
			pause();
	}
}
#else
typedef int atio_fault_points_are_off; /* an empty file is not ISO C */
#endif
