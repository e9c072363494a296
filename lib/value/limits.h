/* SPDX-License-Identifier: MIT
 *
 * limits.h - how large a document may be.
 */
#ifndef ATIO_VALUE_LIMITS_H
#define ATIO_VALUE_LIMITS_H

#include <atomicio/value.h>

/* A copy in which every 0 is the default.  -EINVAL: version, too large. */
int atio_limits_complete(const struct atio_limits *limits,
			 struct atio_limits *ret_limits);

#endif
