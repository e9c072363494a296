/* SPDX-License-Identifier: MIT
 *
 * counter FILE TIMES: add one to the number in FILE so many times.  Run as many
 * of them as you like at once: the number is exact.
 *
 *	cc counter.c $(pkg-config --cflags --libs atomicio) -o counter
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <atomicio/file.h>

/* Read, add, write under one lock. */
static int add_one(struct atio_file *file, struct atio_value_error *err)
{
	char *text = NULL, number[32];
	size_t len;
	long value = 0;
	int r;

	r = atio_file_lock(file, err);
	if (r < 0)
		return r;
	r = atio_file_read_bytes(file, &text, &len, NULL);
	if (r == 0)
		value = strtol(text, NULL, 10);
	free(text);
	if (r == 0 || r == -ENOENT) { /* it begins with nothing */
		len = (size_t)snprintf(number, sizeof(number), "%ld\n",
				       value + 1);
		r = atio_file_write_bytes(file, number, len, err);
	}
	(void)atio_file_unlock(file);
	return r;
}

int main(int argc, char **argv)
{
	struct atio_value_error err = ATIO_VALUE_ERROR_INIT;
	struct atio_file *file;
	long times;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: counter FILE TIMES\n");
		return 2;
	}
	r = atio_file_new(argv[1], NULL, &file, &err);
	for (times = strtol(argv[2], NULL, 10); r == 0 && times > 0; times--)
		r = add_one(file, &err);
	if (r < 0)
		fprintf(stderr, "counter: %s: %s\n", argv[1], err.error.text);
	else
		atio_file_free(file);
	return r < 0;
}
