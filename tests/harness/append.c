/* SPDX-License-Identifier: MIT
 *
 * append - many processes append records to one file.
 *
 *	append FILE PROCESSES RECORDS short|long|mixed|create
 *
 * short: each record is an open, a write and a close; long: one open for all;
 * mixed: every other process long; create: as short, with O_CREAT, and the
 * file is not there at the start.  A record is the line "PROCESS NUMBER xxx".
 * Exits with 1 when a call failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int record(int fd, int me, int n)
{
	char text[256];
	int len = snprintf(text, sizeof(text), "%d %d %.*s\n", me, n,
			   (me * 7 + n) % 90,
			   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");

	return write(fd, text, len) == len ? 0 : -1;
}

static int child(const char *file, int me, int records, char mode)
{
	int flags = O_WRONLY | O_APPEND | (mode == 'c' ? O_CREAT : 0);
	int is_long = mode == 'l' || (mode == 'm' && me % 2);
	int fd = -1;

	for (int n = 0; n < records; n++) {
		if (fd < 0)
			fd = open(file, flags, 0644);
		if (fd < 0 || record(fd, me, n) < 0) {
			perror("open or write");
			return 1;
		}
		if (is_long && n < records - 1)
			continue;
		if (close(fd) < 0) {
			perror("close");
			return 1;
		}
		fd = -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int status, bad = 0;

	if (argc != 5)
		return 2;
	for (int i = 0; i < atoi(argv[2]); i++)
		if (fork() == 0)
			_exit(child(argv[1], i, atoi(argv[3]), argv[4][0]));
	while (wait(&status) > 0)
		bad |= status;
	return bad ? 1 : 0;
}
