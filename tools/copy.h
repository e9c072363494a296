/* SPDX-License-Identifier: MIT
 *
 * copy.h - from one open file to another.
 */
#ifndef TOOLS_COPY_H
#define TOOLS_COPY_H

#include <stdint.h>

/* Write the first @size bytes of @from to the empty file @to, with its holes
 * and without moving the bytes where the file system can do that.  Returns 0
 * or -errno. */
int copy_data(int from, int to, uint64_t size);

/* Set the attributes user.* and the ACL of @from on @to, as far as its file
 * system takes them.  Returns 0 or -errno. */
int copy_xattrs(int from, int to);

#endif
