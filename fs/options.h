/* SPDX-License-Identifier: MIT
 *
 * options.h - what the command line of atomicfs says.
 */
#ifndef FS_OPTIONS_H
#define FS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <atomicio/error.h>

enum passthrough_mode { PASSTHROUGH_AUTO, PASSTHROUGH_OFF };

/* Every string is owned by the struct (options_done). */
struct options {
	char *source;       /* absolute, resolved */
	char *mountpoint;   /* absolute, resolved */
	bool foreground;    /* -f */
	bool debug;         /* -d: foreground, log every request */
	int notify_fd;      /* -o notify-ready=FD: "ready\n" is written there
			       once requests are answered; -1: none.  With
			       NOTIFY_SOCKET set, sd_notify's READY=1 is sent
			       too (systemd.service(5), Type=notify) */
	bool durable;       /* durability=full|none */
	bool conflict_last; /* conflict=fail|last */
	bool kill_commits;  /* on_kill=rollback|commit */
	char *policy;       /* policy=FILE|none; NULL: built in */
	enum passthrough_mode passthrough; /* passthrough=auto|off */
	double entry_timeout_s;            /* entry_timeout=SECONDS, 1 */
	bool locks_strict;                 /* locks=recursive|strict */
	uint64_t lock_timeout_ms;      /* lock_timeout=SECONDS, 0: no limit */
	uint64_t quarantine_max_bytes; /* quarantine_size=BYTES[KMG]; 0: as
					    atio_store_open has it */
	uint64_t quarantine_max_age_s; /* quarantine_age=DAYS */
	bool read_only;                /* ro */
	bool allow_other; /* default for root; needs user_allow_other else */
	char *fuse_opts;  /* what is left for the kernel: comma list */
	bool show_help, show_version;
};

/* Parse @argv (which is not changed).  Understands sshfs's form
 * [-f] [-d] [-s] [-o OPT[,OPT...]] SOURCE MOUNTPOINT, and what mount(8) hands
 * to a helper (fuse.atomicfs: SOURCE MOUNTPOINT -o OPTS, with noauto, nofail,
 * _netdev, user, x-* ignored).  -EINVAL: @err says what is wrong, in one line.
 * Paths are not looked at here. */
int options_parse(int argc, char **argv, struct options *opts,
		  struct atio_error *err);

/* Resolve source and mountpoint and see that they are directories, that
 * neither is inside the other (equal is allowed), and that this machine can
 * mount at all: /dev/fuse, root or fusermount3, the kernel's version.
 * Changes nothing. */
int options_check(struct options *opts, struct atio_error *err);

void options_done(struct options *opts);

void options_print_help(void);

#endif
