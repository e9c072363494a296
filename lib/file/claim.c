/* SPDX-License-Identifier: MIT
 *
 * The lock of a file, as other processes see it, in a directory like any other.
 *
 * It has two parts, each of which the kernel takes back when its holder dies:
 *
 *	inode  flock(2) on the file.  It is what other programs know, and what
 *	       all names of a file share.  But an inode comes and goes: it is
 *	       replaced by each writing, and anybody may delete it.
 *	name   A lock on the name in its directory, whether or not there is such
 *	       a file: an OFD lock on one byte of the directory, which the name
 *	       is hashed to.  A directory cannot be open for writing, so that
 *	       the kernel grants shared locks only.  Exclusive use is made of
 *	       that by saying so first and looking then: whoever finds that he
 *	       is not alone withdraws.
 *
 * Invariants
 *   1. Who writes has both.  So nobody else does, even if the file is deleted
 *      or put there anew by somebody who knows nothing of locks.
 *   2. Who reads has the inode shared, and has seen that nobody had the name;
 *      or there is no such file, and nobody had the name.
 *   3. After locking, the name was seen to lead to that inode (or to none).
 *   4. What replaces the file is locked before it gets the name (loose.h), so
 *      the inode is never free in between.
 *   5. Who waits has neither.  He looks when he was woken (waiter.c), so there
 *      is no waiting for a part while another is held, and no cycle of that
 *      kind.  He keeps what he has open, because closing would wake others.
 *   6. A lock is given up before its descriptor is closed, because it is the
 *      close that wakes others.
 *
 * Two that say at the same time that they want a name (there is no file yet)
 * may both withdraw.  They come again after times that differ.
 *
 * On a directory that may not be read (only searched) names cannot be locked:
 * there it is the inode alone.
 */
#include "file/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* How often the file may be replaced by strangers while it is being locked. */
#define MAX_TRIES 64

/* ---- the name ---------------------------------------------------------- */

static off_t name_byte(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */

	while (*name)
		h = (h ^ (unsigned char)*name++) * 0x100000001b3ull;
	return (off_t)(h >> 2);
}

static int name_call(const struct atio_claim *claim, int command, short type,
		     short *ret_type)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = name_byte(claim->place.name),
		.l_len = 1,
	};

	if (fcntl(claim->place.dir.fd, command, &lock) < 0)
		return -errno;
	*ret_type = lock.l_type;
	return 0;
}

static void unlock_name(struct atio_claim *claim)
{
	short type;

	if (claim->named)
		(void)name_call(claim, F_OFD_SETLK, F_UNLCK, &type);
	claim->named = false;
}

static int lock_name(struct atio_claim *claim)
{
	short type = F_UNLCK;
	int r = 0;

	if (!claim->place.readable)
		return 0;
	if (!claim->shared) {
		r = name_call(claim, F_OFD_SETLK, F_RDLCK, &type);
		claim->named = r == 0;
	}
	type = F_UNLCK;
	if (!r)
		r = name_call(claim, F_OFD_GETLK, F_WRLCK, &type);
	if (!r && type != F_UNLCK)
		r = -EAGAIN;
	if (r < 0)
		unlock_name(claim);
	return r;
}

/* ---- the inode --------------------------------------------------------- */

static void release(struct atio_hold *hold)
{
	if (hold->on_mount)
		atio_mount_unlock(hold->fd.fd);
	else
		(void)flock(hold->fd.fd, LOCK_UN);
}

static void hold_put(struct atio_hold *hold)
{
	bool last;

	if (!hold)
		return;
	atio_process_lock();
	last = --hold->refs == 0;
	atio_process_unlock();
	if (!last)
		return;
	if (hold->locked)
		release(hold);
	atio_kept_close(&hold->fd);
	free(hold);
}

/* @hold is taken. */
static void set_hold(struct atio_claim *claim, struct atio_hold *hold)
{
	struct atio_hold *old;

	atio_process_lock();
	old = claim->hold;
	claim->hold = hold;
	atio_process_unlock();
	hold_put(old);
}

/* @fd is taken; so is *spare, if there is one. */
static int hold_new(int fd, struct atio_hold **spare,
		    struct atio_hold **ret_hold)
{
	struct atio_hold *hold = *spare ? *spare : calloc(1, sizeof(*hold));
	struct stat st;
	int r = 0;

	*spare = NULL;
	if (!hold)
		r = -ENOMEM;
	else if (fstat(fd, &st) < 0)
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	if (r < 0) {
		close(fd);
		free(hold);
		return r;
	}
	atio_keep(&hold->fd, fd);
	hold->dev = st.st_dev;
	hold->ino = st.st_ino;
	hold->refs = 1;
	hold->on_mount = atio_mount_is(fd, &st);
	*ret_hold = hold;
	return 0;
}

/* 0: *ret_hold is what the name leads to, or NULL.  -ESTALE: a link. */
static int hold_open(const struct atio_place *place,
		     struct atio_hold **ret_hold)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(place->dir.fd, place->name, O_RDONLY | flags);
	struct atio_hold *none = NULL;

	*ret_hold = NULL;
	if (fd < 0 && errno == EACCES) /* that, too, can be locked */
		fd = openat(place->dir.fd, place->name, O_WRONLY | flags);
	if (fd >= 0)
		return hold_new(fd, &none, ret_hold);
	if (errno == ENOENT)
		return 0;
	if (errno == ELOOP)
		return -ESTALE;
	return errno == ENXIO || errno == ENODEV ? -EINVAL : -errno;
}

static bool same(const struct atio_hold *hold, const struct stat *st)
{
	return hold && hold->ino == st->st_ino && hold->dev == st->st_dev;
}

/* What the name leads to: *ret_st, with st_mode 0 if that is nothing. */
static int stat_name(const struct atio_claim *claim, struct stat *ret_st)
{
	if (fstatat(claim->place.dir.fd, claim->place.name, ret_st,
		    AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISLNK(ret_st->st_mode) ? -ESTALE : 0;
	if (errno != ENOENT)
		return -errno;
	memset(ret_st, 0, sizeof(*ret_st));
	return 0;
}

/* Whether claim->hold is still what the name leads to. */
static int is_current(struct atio_claim *claim)
{
	struct stat st;
	int r = stat_name(claim, &st);

	if (r < 0)
		return r;
	return st.st_mode ? same(claim->hold, &st) : !claim->hold;
}

/* The owner has that inode locked by another name of it: share that. */
static bool share(struct atio_claim *claim)
{
	struct atio_hold *found = NULL;
	struct atio_claim *at;

	atio_process_lock();
	for (at = claim->owner->claims; at && !found; at = at->next)
		if (at != claim && at->hold && at->hold->locked &&
		    at->hold->ino == claim->hold->ino &&
		    at->hold->dev == claim->hold->dev)
			found = at->hold;
	if (found)
		found->refs++;
	atio_process_unlock();
	if (found)
		set_hold(claim, found);
	return found;
}

static int lock_inode(struct atio_claim *claim, uint64_t wait_ns)
{
	struct atio_hold *hold = claim->hold;
	int r = 0;

	if (!hold || hold->locked) /* locked: shared with another claim */
		return 0;
	if (hold->on_mount) {
		r = atio_mount_lock(hold->fd.fd, claim->shared, wait_ns);
		if (r == -ENOTTY) /* it is none, or no more */
			hold->on_mount = false;
	}
	if (!hold->on_mount)
		r = flock(hold->fd.fd, (claim->shared ? LOCK_SH : LOCK_EX) |
					       LOCK_NB) < 0
			    ? -errno
			    : 0;
	if (r == 0) {
		atio_process_lock();
		hold->locked = true;
		atio_process_unlock();
	}
	return r == -EAGAIN && share(claim) ? 0 : r;
}

/* Back to where lock_inode began; what is open stays so. */
static void unlock_inode(struct atio_claim *claim)
{
	struct atio_hold *hold = claim->hold;
	bool shared, locked;

	if (!hold)
		return;
	atio_process_lock();
	shared = hold->refs > 1;
	locked = hold->locked;
	if (!shared)
		hold->locked = false;
	atio_process_unlock();
	if (shared)
		set_hold(claim, NULL);
	else if (locked)
		release(hold);
}

/* ---- both -------------------------------------------------------------- */

/* Have open what the name leads to. */
static int look(struct atio_claim *claim)
{
	struct atio_hold *hold;
	int r;

	if (claim->hold) {
		r = is_current(claim);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	r = hold_open(&claim->place, &hold);
	if (r < 0)
		return r;
	set_hold(claim, hold);
	return 0;
}

/* On a mount the lock is the path's, and whoever had it has most likely put a
 * new version there meanwhile.  To lock that, too, before the old one is given
 * up, keeps one's place.  Whether that could be done. */
static bool lock_version(struct atio_claim *claim)
{
	struct atio_hold *hold;

	if (!claim->hold || !claim->hold->on_mount ||
	    hold_open(&claim->place, &hold) < 0 || !hold)
		return false;
	if (!hold->on_mount ||
	    atio_mount_lock(hold->fd.fd, claim->shared, 0) < 0) {
		hold_put(hold);
		return false;
	}
	hold->locked = true;
	set_hold(claim, hold);
	return true;
}

static int try_once(struct atio_claim *claim, uint64_t wait_ns)
{
	int r = look(claim);

	if (r < 0)
		return r;
	claim->waits_for_name = false;
	r = lock_inode(claim, wait_ns);
	if (r < 0)
		return r;
	r = lock_name(claim);
	if (r < 0) {
		claim->waits_for_name = true;
		unlock_inode(claim);
		return r;
	}
	r = is_current(claim);
	if (r == 0 && lock_version(claim))
		r = is_current(claim);
	if (r > 0)
		return 1;
	unlock_name(claim);
	unlock_inode(claim);
	return r;
}

int atio_claim_lock(struct atio_claim *claim, uint64_t wait_ns,
		    struct atio_error *err)
{
	int r = 0;

	if (claim->held)
		return 0;
	for (int i = 0; i < MAX_TRIES && r == 0; i++)
		r = try_once(claim, wait_ns);
	if (r == 0)
		return -EAGAIN;
	claim->held = r > 0;
	if (r > 0 || r == -EAGAIN || r == -ESTALE)
		return r > 0 ? 0 : r;
	return atio_fail(err, -r, "lock '%s': %s", claim->place.name,
			 r == -EINVAL ? "no regular file" : strerror(-r));
}

int atio_claim_refresh(struct atio_claim *claim, struct stat *ret_st,
		       struct atio_error *err)
{
	struct atio_hold *hold = NULL;
	int r = stat_name(claim, ret_st);

	if (!r && ret_st->st_mode &&
	    (same(claim->hold, ret_st) ||
	     (claim->hold && claim->hold->on_mount)))
		return 0;
	if (!r && ret_st->st_mode)
		r = hold_open(&claim->place, &hold);
	if (!r && hold && fstat(hold->fd.fd, ret_st) < 0) {
		r = -errno;
		hold_put(hold);
	}
	if (r < 0)
		return atio_fail(err, -r, "look at '%s': %s",
				 claim->place.name, strerror(-r));
	if (!hold)
		memset(ret_st, 0, sizeof(*ret_st));
	/* A stranger put it there, although the name is ours.  If he has it
	 * locked, that is not for us to wait for. */
	if (hold && !hold->on_mount)
		hold->locked = flock(hold->fd.fd, LOCK_EX | LOCK_NB) == 0;
	set_hold(claim, hold);
	return 0;
}

int atio_claim_reserve(struct atio_claim *claim)
{
	if (!claim->spare)
		claim->spare = calloc(1, sizeof(*claim->spare));
	return claim->spare ? 0 : -ENOMEM;
}

int atio_claim_set(struct atio_claim *claim, int fd, bool on_mount)
{
	struct atio_hold *hold = NULL;
	int r = fd >= 0 ? hold_new(fd, &claim->spare, &hold) : 0;

	if (r < 0)
		return r;
	if (hold) {
		hold->locked = true;
		hold->on_mount = on_mount;
	}
	set_hold(claim, hold);
	return 0;
}

/* ---- life -------------------------------------------------------------- */

struct atio_claim *atio_claim_find(struct atio_owner *owner,
				   const struct atio_place *place)
{
	struct atio_claim *at;

	atio_process_lock();
	for (at = owner->claims; at; at = at->next)
		if (atio_place_equal(&at->place, place))
			break;
	if (at)
		at->refs++;
	atio_process_unlock();
	return at;
}

int atio_claim_new(struct atio_owner *owner, struct atio_place *place,
		   bool shared, struct atio_claim **ret_claim)
{
	struct atio_claim *claim = calloc(1, sizeof(*claim));

	if (!claim)
		return -ENOMEM;
	atio_place_move(&claim->place, place);
	pthread_mutex_init(&claim->mutex, NULL);
	claim->refs = 1;
	claim->shared = shared;
	claim->owner = owner;
	atio_process_lock();
	owner->refs++;
	if (!shared) {
		claim->next = owner->claims;
		owner->claims = claim;
	}
	atio_process_unlock();
	*ret_claim = claim;
	return 0;
}

void atio_claim_put(struct atio_claim *claim)
{
	struct atio_claim **at;
	bool last;

	if (!claim)
		return;
	atio_process_lock();
	last = --claim->refs == 0;
	if (last && !claim->shared) {
		for (at = &claim->owner->claims; *at != claim;)
			at = &(*at)->next;
		*at = claim->next;
	}
	atio_process_unlock();
	if (!last)
		return;
	unlock_name(claim);
	set_hold(claim, NULL);
	free(claim->spare);
	atio_place_done(&claim->place);
	atio_owner_put(claim->owner);
	pthread_mutex_destroy(&claim->mutex);
	free(claim);
}
