/* SPDX-License-Identifier: MIT */
#include <atomicio/error.h>

#include <stdarg.h>
#include <stdio.h>

int atio_fail(struct atio_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err && !err->code) {
		err->code = code;
		va_start(ap, fmt);
		(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return -code;
}
