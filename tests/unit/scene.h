/* SPDX-License-Identifier: MIT
 *
 * scene.h - what every test of lib/stage starts from: empty directories, a
 * store, files, and a look at what is left afterwards.
 *
 * Everything is made below one temporary directory, which goes away when the
 * process that made it exits. What a test cannot go on without is NEEDed: the
 * program stops there with a message.
 */
#ifndef TESTS_UNIT_SCENE_H
#define TESTS_UNIT_SCENE_H

#include <fcntl.h>
#include <unistd.h>

#include <atomicio/stage.h>
#include <atomicio/quarantine.h>
#include "check.h"
#include "stage/store.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* For meson: this machine cannot run the test. */
#define SKIPPED 77

/* Say why a part of a test cannot be had here. */
void skip(const char *what, const char *why);

/* ---- directories and files ------------------------------------------- */

/* A new empty directory; the caller closes it. */
int fresh_dir(void);
/* Its name, in a buffer of the caller's thread until the next call. */
const char *path_of(int fd);

void put_bytes(int dirfd, const char *name, const void *bytes, size_t size);
void put(int dirfd, const char *name, const char *text);
/* The content of a small file; NULL: there is none.  Valid until the next. */
const char *text_at(int dirfd, const char *name);
const char *text_of(int fd);
void write_to(int fd, const char *text);
/* Entries of a directory below @dirfd, `.` and `..` aside; -1: none such. */
int entries(int dirfd, const char *name);
bool exists(int dirfd, const char *name);
int open_file(int dirfd, const char *name);
/* Descriptors that this process has open. */
int open_fds(void);

/* ---- stores and shadows ---------------------------------------------- */

#define STAGE      ATIO_STATE_DIR "/stage"
#define QUARANTINE ATIO_STATE_DIR "/quarantine"
#define JOURNAL    STAGE "/journal"

struct atio_store *store_at(int dirfd);
/* Opened again, as after a crash of the process that had it. */
struct atio_store *store_again(struct atio_store *store, int dirfd);

extern const struct atio_store_options plain, lasting, looking;

struct atio_shadow *created(struct atio_store *store, int dirfd,
			    const char *path);
struct atio_shadow *updated(struct atio_store *store, int dirfd,
			    const char *path);
/* A shadow for @path with @text in it. */
struct atio_shadow *written(struct atio_store *store, int dirfd,
			    const char *path, const char *text);

/* Nothing but the journal is in the stage. */
bool stage_empty(int dirfd);

/* ---- recovery -------------------------------------------------------- */

struct found {
	enum atio_recovery_action action;
	char path[256];
	char id[64];
	int error;
};

struct findings {
	struct found at[64];
	int n;
};

/* Recover, and what it told; NEEDs that it can be run at all. */
struct findings recovered(struct atio_store *store, bool dry_run);

/* ---- processes and file systems -------------------------------------- */

/* The wait status of a child that runs @fn and exits with 0, or with 1 if one
 * of its checks failed. */
int in_child(void (*fn)(void *arg), void *arg);

/* Mounts of this process are its own from now on, and go away with it. */
bool own_mounts(void);
/* Mounted on a fresh directory: its descriptor, or -1 where that cannot be
 * had.  own_mounts() comes first. */
int mount_kind(const char *kind, unsigned long flags, const char *options);
/* The same for xfs with reflinks, on a loop device. */
int mount_xfs(void);

#endif
