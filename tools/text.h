/* SPDX-License-Identifier: MIT
 *
 * text.h - bytes, sizes and times for people and for JSON.
 *
 * File names may hold anything but a slash and a NUL: on their way to a
 * terminal, control characters, characters that hide or reorder others and
 * what is not UTF-8 become \xHH, and a backslash becomes two.
 */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* Print @s escaped; returns how many columns that takes. */
int text_put(FILE *f, const char *s);

/* The same without a change to backslashes, for messages. */
void text_put_message(FILE *f, const char *s);

/* Columns that text_put takes for @s. */
int text_width(const char *s);

#define TEXT_SIZE_MAX 24
/* "17", "1.5 KiB" */
const char *text_size(char buf[TEXT_SIZE_MAX], uint64_t bytes);

#define TEXT_TIME_MAX 32
/* "2026-11-24 13:05:00", local time */
const char *text_time(char buf[TEXT_TIME_MAX], int64_t seconds);

#define TEXT_SPAN_MAX 48
/* "3d 4h", "12s" */
const char *text_span(char buf[TEXT_SPAN_MAX], double seconds);

/* Set @key to the string @s.  JSON has only Unicode: other bytes are set with
 * %XX for what is not plain ASCII, and "KEY_escaped" is true beside it.  A NULL
 * @s is left out.  Returns 0, or -1: no memory. */
int text_set_json(json_t *object, const char *key, const char *s);

/* Print @j (taken) and a newline to stdout.  Returns the exit code. */
int text_print_json(json_t *j);

#endif
