/* SPDX-License-Identifier: MIT
 *
 * quarantine.h - the commands of `atomicio quarantine`.
 */
#ifndef TOOLS_QUARANTINE_H
#define TOOLS_QUARANTINE_H

#include "place.h"
#include "tool.h"

int restore_main(int argc, char **argv);

/* For an array of struct flag; *@dir_text begins as ".". */
#define FLAG_DIR(dir_text)                                                     \
	{                                                                      \
		.letter = 'C', .name = "mount", .value = "DIR",                \
		.help = "the mount or source that DIR lies in (the current "   \
			"directory)",                                          \
		.text = (dir_text)                                             \
	}

/* Find the place that @dir lies in and open its quarantine.  Returns its
 * descriptor, or -1 when that was complained about.  *ret_place (may be NULL)
 * is freed with place_done. */
int quarantine_open(const char *dir, struct place *ret_place);

#endif
