/* SPDX-License-Identifier: MIT
 *
 * quarantine.h - what was rolled back and had data.
 *
 * The quarantine is a directory of pairs: ID (the bytes, mode 0600) and
 * ID.json (what is known about them).  These functions work on any descriptor
 * of such a directory: SOURCE/.atomicfs/quarantine, or MOUNT/.@ctl/quarantine
 * through a mount.
 */
#ifndef ATOMICIO_QUARANTINE_H
#define ATOMICIO_QUARANTINE_H

#include <stdint.h>
#include <sys/types.h>
#include <atomicio/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATIO_QUARANTINE_ID_MAX 32

struct atio_quarantined {
	char id[ATIO_QUARANTINE_ID_MAX];
	char *path;    /* where it would have gone, relative to the source */
	char *reason;  /* "killed", "disk full", ... */
	char *detail;  /* may be NULL */
	char *command; /* may be NULL */
	pid_t pid;     /* 0: not known */
	uid_t uid;
	mode_t mode; /* mode, owner and group the file was to have */
	uid_t owner;
	gid_t group;
	int error;      /* errno told to the program, 0: none */
	int64_t time_s; /* seconds since the epoch */
	uint64_t size;  /* bytes */
};

/* All items, oldest first, in an array of *ret_n that the caller frees with
 * atio_quarantine_list_free.  Pairs of which one half is missing are left out.
 */
int atio_quarantine_list(int dirfd, struct atio_quarantined **ret_items,
			 size_t *ret_n, struct atio_error *err);
void atio_quarantine_list_free(struct atio_quarantined *items, size_t n);

/* One item, into *ret_item, which the caller empties with
 * atio_quarantine_item_done. -ENOENT: there is none. -EBADMSG: its description
 * cannot be read. */
int atio_quarantine_get(int dirfd, const char *id,
			struct atio_quarantined *ret_item,
			struct atio_error *err);
void atio_quarantine_item_done(struct atio_quarantined *item);

/* Open the bytes of @id for reading.  Returns a descriptor or -errno. */
int atio_quarantine_open(int dirfd, const char *id);

/* Delete an item. -ENOENT: there is none. */
int atio_quarantine_drop(int dirfd, const char *id);

/* Drop items older than @max_age_s, then the oldest until the rest fits in
 * @max_bytes; 0 means no bound.  Returns how many were dropped. */
int atio_quarantine_trim(int dirfd, uint64_t max_bytes, uint64_t max_age_s);

#ifdef __cplusplus
}
#endif
#endif
