/* SPDX-License-Identifier: MIT
 *
 * error.h - what went wrong, for a person to read.
 *
 * Functions of this library return 0 (or a count >= 0) on success and -errno
 * on failure.  Those that do several things also take an optional
 * struct atio_error, owned by the caller, that says which step failed.
 */
#ifndef ATOMICIO_ERROR_H
#define ATOMICIO_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define ATIO_ERROR_TEXT_MAX 256

struct atio_error {
	int code; /* errno value (positive); 0: nothing recorded yet */
	char text[ATIO_ERROR_TEXT_MAX]; /* one line, no newline at the end */
};

#define ATIO_ERROR_INIT                                                        \
	{                                                                      \
		0,                                                             \
		{                                                              \
			0                                                      \
		}                                                              \
	}

/* Record @code with a formatted text, unless @err already holds an earlier
 * (the first) cause.  @err may be NULL.  Returns -@code, so that a function
 * can end with: return atio_fail(err, errno, "open '%s'", name); */
int atio_fail(struct atio_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif
#endif
