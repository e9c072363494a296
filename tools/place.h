/* SPDX-License-Identifier: MIT
 *
 * place.h - where the user is: in a mount, or in a source.
 */
#ifndef TOOLS_PLACE_H
#define TOOLS_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <atomicio/error.h>

#define CONTROL_DIR ".@ctl"
#define FUSE_MAGIC  0x65735546 /* statfs(2) */

enum place_kind { PLACE_MOUNT, PLACE_SOURCE };

struct place {
	enum place_kind kind;
	char *root;  /* absolute path of the mount or source */
	int root_fd; /* O_PATH */
};

/* The place that @dir lies in: the nearest directory at or above it that is
 * the root of a mount, or else holds the state of a source.  *ret_place is
 * freed with place_done. -ENOENT: neither. */
int place_find(const char *dir, struct place *ret_place,
	       struct atio_error *err);
void place_done(struct place *place);

/* Open what the mount says of itself, as "status.json", or its quarantine
 * directory.  Returns a descriptor or -errno. */
int place_open_control(const struct place *mount, const char *name, int flags,
		       struct atio_error *err);

/* A descriptor of the quarantine of either kind, or -errno. */
int place_open_quarantine(const struct place *place, struct atio_error *err);

/* ---- every mount ----------------------------------------------------- */

struct mount {
	char *path; /* of its root, or of the part that is bound here */
	dev_t dev;
	bool whole; /* it is the root */
};

/* The atomicfs mounts of this process's mount namespace, each once, in the
 * order of mountinfo; freed with mounts_free. */
int mounts_list(struct mount **ret_mounts, size_t *ret_n,
		struct atio_error *err);
void mounts_free(struct mount *mounts, size_t n);

#endif
