/* SPDX-License-Identifier: MIT
 *
 * stage/journal: what recovery has to know, one line a fact.
 *
 *	B id pid uid path	a shadow was begun
 *	P id path		its file has another name now
 *	S id size		flushed up to here; publish it (on disk when
 *said) U id 0			a later flush failed: do not
 *	R id inode		the inode is being rewritten from it (likewise)
 *	E id			it is over
 *
 * Each line ends in `*` and a checksum (FNV-1a, 64 bits, in hexadecimal) of
 * what stands before; reading stops at the first line that does not fit.  One
 * write(2) a line, in append mode: lines of several threads do not mix.  B, P
 * and E need not be on disk: without them an unfinished shadow is only known
 * by its number.
 */
#include "stage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define JOURNAL     "journal"
#define JOURNAL_NEW "journal.new"
/* Begun anew above this, when no shadow is live ... */
#define IDLE_BYTES (64 * 1024)
/* ... and rewritten above this, with the live ones only. */
#define BUSY_BYTES     (4 * 1024 * 1024)
#define LINE_MAX_BYTES (3 * 4096 + 128)
#define READ_MAX_BYTES (64u * 1024 * 1024)

static uint64_t fnv1a(const char *s, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ull;

	while (n--)
		h = (h ^ (unsigned char)*s++) * 0x100000001b3ull;
	return h;
}

char *atio_escape(const char *bytes)
{
	char *text = malloc(3 * strlen(bytes) + 2), *p = text;

	if (!text)
		return NULL;
	for (; *bytes; bytes++) {
		unsigned char c = (unsigned char)*bytes;

		if (c > ' ' && c < 0x7f && c != '%' && c != '*')
			*p++ = (char)c;
		else
			p += snprintf(p, 4, "%%%02X", c);
	}
	if (p == text)
		*p++ = '%'; /* an empty one is still a word */
	*p = 0;
	return text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *atio_unescape(const char *text)
{
	char *bytes = malloc(strlen(text) + 1), *p = bytes;

	if (!bytes)
		return NULL;
	while (*text) {
		int hi = *text == '%' && text[1] ? hex_digit(text[1]) : -1;
		int lo = hi >= 0 && text[2] ? hex_digit(text[2]) : -1;

		if (lo >= 0) {
			*p++ = (char)(hi << 4 | lo);
			text += 3;
		} else if (*text == '%') {
			text++;
		} else {
			*p++ = *text++;
		}
	}
	*p = 0;
	return bytes;
}

/* ---- writing --------------------------------------------------------- */

static int append_to(int fd, char *line, size_t n, uint64_t *size)
{
	ssize_t w;

	n += (size_t)snprintf(line + n, 32, "*%016" PRIx64 "\n",
			      fnv1a(line, n));
	w = write(fd, line, n);
	if (w < 0)
		return -errno;
	if ((size_t)w == n) {
		*size += n;
		return 0;
	}
	/* The next record must not run into half a line. */
	(void)ftruncate(fd, (off_t)*size);
	return -ENOSPC;
}

static int put_path(int fd, uint64_t *size, const struct atio_shadow *s,
		    bool begin)
{
	AUTO_FREE char *path = atio_escape(s->path);
	AUTO_FREE char *line = malloc(LINE_MAX_BYTES);
	int n;

	if (!path || !line)
		return -ENOMEM;
	if (begin)
		n = snprintf(line, LINE_MAX_BYTES - 32,
			     "B %016" PRIx64 " %d %u %s", s->id, (int)s->pid,
			     (unsigned)s->uid, path);
	else
		n = snprintf(line, LINE_MAX_BYTES - 32, "P %016" PRIx64 " %s",
			     s->id, path);
	if (n < 0 || n >= LINE_MAX_BYTES - 32)
		return -ENAMETOOLONG;
	return append_to(fd, line, (size_t)n, size);
}

static int put_number(int fd, uint64_t *size, char kind, uint64_t id,
		      uint64_t number)
{
	char line[96];
	int n = snprintf(line, 64, "%c %016" PRIx64 " %" PRIu64, kind, id,
			 number);

	return append_to(fd, line, (size_t)n, size);
}

/* With the lock held: everything that recovery needs of a live shadow. */
static int put_live(int fd, uint64_t *size, const struct atio_shadow *s)
{
	int r = put_path(fd, size, s, true);

	if (!r && s->synced)
		r = put_number(fd, size, 'S', s->id,
			       (uint64_t)s->synced_st.st_size);
	if (!r && s->redo_ino)
		r = put_number(fd, size, 'R', s->id, s->redo_ino);
	return r;
}

static int rewrite_journal(struct atio_store *store)
{
	uint64_t size = 0;
	int r = 0, fd;

	fd = openat(store->stage_fd, JOURNAL_NEW,
		    O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC |
			    O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return -errno;
	for (struct atio_shadow *s = store->live; s && !r; s = s->next)
		r = put_live(fd, &size, s);
	if (!r && store->durable && fsync(fd) < 0)
		r = -errno;
	if (!r && renameat(store->stage_fd, JOURNAL_NEW, store->stage_fd,
			   JOURNAL) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(store->stage_fd, JOURNAL_NEW, 0);
		close(fd);
		return r;
	}
	close(store->journal_fd);
	store->journal_fd = fd;
	store->journal_size = size;
	return 0;
}

static void keep_short(struct atio_store *store)
{
	if (!store->live && store->journal_size > IDLE_BYTES) {
		if (ftruncate(store->journal_fd, 0) == 0)
			store->journal_size = 0;
	} else if (store->journal_size > BUSY_BYTES) {
		(void)rewrite_journal(store); /* it only stays long */
	}
}

int atio_journal_begin(struct atio_shadow *s)
{
	struct atio_store *store = s->store;
	int r;

	pthread_mutex_lock(&store->lock);
	r = put_path(store->journal_fd, &store->journal_size, s, true);
	if (!r) {
		s->next = store->live;
		if (s->next)
			s->next->prev = s;
		store->live = s;
	}
	pthread_mutex_unlock(&store->lock);
	return r;
}

int atio_journal_path(struct atio_shadow *s, char *path)
{
	int r;

	pthread_mutex_lock(&s->store->lock);
	free(s->path); /* others read it when they rewrite the journal */
	s->path = path;
	r = put_path(s->store->journal_fd, &s->store->journal_size, s, false);
	if (!r && s->synced && s->store->durable &&
	    fdatasync(s->store->journal_fd) < 0)
		r = -errno;
	pthread_mutex_unlock(&s->store->lock);
	return r;
}

/* Called with the lock held, and releases it before the flush: somebody may
 * have rewritten the journal meanwhile, and then flushed it. */
static int put_durably(struct atio_shadow *s, char kind, uint64_t number)
{
	struct atio_store *store = s->store;
	int r, fd = -1;

	r = put_number(store->journal_fd, &store->journal_size, kind, s->id,
		       number);
	if (!r && store->durable) {
		fd = fcntl(store->journal_fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			r = -errno;
	}
	pthread_mutex_unlock(&store->lock);
	if (fd >= 0) {
		if (fdatasync(fd) < 0 || fsync(store->stage_fd) < 0)
			r = -errno;
		close(fd);
	}
	return r;
}

int atio_journal_synced(struct atio_shadow *s, const struct stat *st)
{
	pthread_mutex_lock(&s->store->lock);
	s->synced = true;
	s->synced_st = *st;
	return put_durably(s, 'S', (uint64_t)st->st_size);
}

int atio_journal_unsynced(struct atio_shadow *s)
{
	pthread_mutex_lock(&s->store->lock);
	s->synced = false;
	return put_durably(s, 'U', 0);
}

void atio_journal_retract(struct atio_shadow *s)
{
	pthread_mutex_lock(&s->store->lock);
	if (s->synced)
		(void)put_number(s->store->journal_fd, &s->store->journal_size,
				 'U', s->id, 0);
	s->synced = false;
	pthread_mutex_unlock(&s->store->lock);
}

int atio_journal_redo(struct atio_shadow *s, uint64_t ino)
{
	int r;

	pthread_mutex_lock(&s->store->lock);
	s->redo_ino = ino;
	r = put_durably(s, 'R', ino);
	if (r < 0) { /* nothing will be rewritten */
		pthread_mutex_lock(&s->store->lock);
		s->redo_ino = 0;
		pthread_mutex_unlock(&s->store->lock);
	}
	return r;
}

void atio_journal_end(struct atio_shadow *s)
{
	struct atio_store *store = s->store;

	pthread_mutex_lock(&store->lock);
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else if (store->live == s)
		store->live = s->next;
	s->prev = s->next = NULL;
	(void)put_number(store->journal_fd, &store->journal_size, 'E', s->id,
			 0);
	keep_short(store);
	pthread_mutex_unlock(&store->lock);
}

/* ---- reading --------------------------------------------------------- */

static struct atio_record *record_of(struct atio_record **recs, size_t *n,
				     uint64_t id)
{
	struct atio_record *more;

	for (size_t i = *n; i-- > 0;)
		if ((*recs)[i].id == id)
			return &(*recs)[i];
	if ((*n & (*n - 1)) == 0) { /* grow at each power of two */
		more = realloc(*recs, (*n ? 2 * *n : 1) * sizeof(*more));
		if (!more)
			return NULL;
		*recs = more;
	}
	(*recs)[*n] = (struct atio_record){.id = id};
	return &(*recs)[(*n)++];
}

static int set_path(struct atio_record *rec, const char *text)
{
	free(rec->path);
	rec->path = atio_unescape(text);
	return rec->path ? 0 : -ENOMEM;
}

/* One line without its checksum.  -EINVAL: not a record. */
static int take_line(char *line, struct atio_record **recs, size_t *n)
{
	char *save, *kind = strtok_r(line, " ", &save);
	char *id = strtok_r(NULL, " ", &save);
	char *a = strtok_r(NULL, " ", &save), *b, *c;
	struct atio_record *rec;

	if (!kind || !id || !a)
		return -EINVAL;
	rec = record_of(recs, n, strtoull(id, NULL, 16));
	if (!rec)
		return -ENOMEM;
	b = strtok_r(NULL, " ", &save);
	c = strtok_r(NULL, " ", &save);
	switch (*kind) {
	case 'B':
		if (!b || !c)
			return -EINVAL;
		rec->ended = false;
		rec->pid = (pid_t)strtol(a, NULL, 10);
		rec->uid = (uid_t)strtoul(b, NULL, 10);
		return set_path(rec, c);
	case 'P':
		return set_path(rec, a);
	case 'S':
		rec->synced = true;
		rec->synced_size = strtoull(a, NULL, 10);
		return 0;
	case 'U':
		rec->synced = false;
		return 0;
	case 'R':
		rec->redo_ino = strtoull(a, NULL, 10);
		return 0;
	case 'E':
		rec->ended = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int take_all(char *text, struct atio_record **recs, size_t *n)
{
	char *end, *star;
	int r = 0;

	for (; (end = strchr(text, '\n')) && !r; text = end + 1) {
		*end = 0;
		star = strrchr(text, '*');
		if (!star || strtoull(star + 1, NULL, 16) !=
				     fnv1a(text, (size_t)(star - text)))
			continue; /* torn: what it said was not promised */
		*star = 0;
		r = take_line(text, recs, n);
	}
	return r == -EINVAL ? 0 : r;
}

int atio_journal_read(struct atio_store *store, struct atio_record **ret_recs,
		      size_t *ret_n)
{
	AUTO_CLOSE int fd = openat(store->stage_fd, JOURNAL,
				   O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct atio_record *recs = NULL;
	AUTO_FREE char *text = NULL;
	size_t n = 0, done = 0;
	struct stat st;
	ssize_t got;
	int r;

	*ret_recs = NULL;
	*ret_n = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > READ_MAX_BYTES)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (done < (size_t)st.st_size) {
		got = read(fd, text + done, (size_t)st.st_size - done);
		if (got < 0)
			return -errno;
		if (!got)
			break;
		done += (size_t)got;
	}
	text[done] = 0;
	r = take_all(text, &recs, &n);
	if (r < 0) {
		atio_journal_free(recs, n);
		return r;
	}
	*ret_recs = recs;
	*ret_n = n;
	return 0;
}

void atio_journal_free(struct atio_record *recs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(recs[i].path);
	free(recs);
}

/* ---- life ------------------------------------------------------------ */

int atio_journal_open(struct atio_store *store, struct atio_error *err)
{
	struct stat st;
	int fd = openat(store->stage_fd, JOURNAL,
			O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
			0600);

	if (fd < 0 || fstat(fd, &st) < 0) {
		int e = errno;

		if (fd >= 0)
			close(fd);
		return atio_fail(err, e, "open the journal: %s", strerror(e));
	}
	store->journal_fd = fd;
	store->journal_size = (uint64_t)st.st_size;
	return 0;
}

void atio_journal_new_line(struct atio_store *store)
{
	pthread_mutex_lock(&store->lock);
	if (write(store->journal_fd, "\n", 1) == 1)
		store->journal_size++;
	pthread_mutex_unlock(&store->lock);
}

int atio_journal_clear(struct atio_store *store)
{
	int r = 0;

	pthread_mutex_lock(&store->lock);
	if (ftruncate(store->journal_fd, 0) < 0)
		r = -errno;
	else
		store->journal_size = 0;
	pthread_mutex_unlock(&store->lock);
	return r;
}
