/* SPDX-License-Identifier: MIT
 *
 * atomicio locks: who holds and who waits for which lock, for people; and
 * taking one away.
 *
 * The daemon may be older or newer than this program: what it does not say is
 * shown as a dash.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <atomicio/ioctl.h>

#include "place.h"
#include "text.h"
#include "tool.h"

static const struct command command = {
	.name = "locks",
	.operands = "[MOUNT]",
	.about = "Print who holds and who waits for which lock in MOUNT, or "
		 "in the mount that this\n"
		 "path (or else the current directory) lies in; by file, and "
		 "in the order of the\n"
		 "queue.  Or take a lock from whoever has it.\n",
	.most = 1,
};

/* ---- asking ---------------------------------------------------------- */

static int ask(const struct place *mount, json_t **ret_j,
	       struct atio_error *err)
{
	struct atio_error first = ATIO_ERROR_INIT;
	AUTO_CLOSE int fd =
		place_open_control(mount, "locks.json", O_RDONLY, &first);
	json_error_t je;
	json_t *j;

	if (fd == -ENOENT)
		return atio_fail(err, ENOENT,
				 "%s: the daemon of this mount does not tell "
				 "its locks (an older version?)",
				 mount->root);
	if (fd < 0)
		return atio_fail(err, -fd, "%s", first.text);
	j = json_loadfd(fd, 0, &je);
	if (!json_is_array(json_object_get(j, "locks"))) {
		json_decref(j);
		return atio_fail(err, EBADMSG,
				 "%s: the list of locks is not readable: %s",
				 mount->root, j ? "no locks in it" : je.text);
	}
	*ret_j = j;
	return 0;
}

static int find_mount(const char *path, struct place *ret_place,
		      struct atio_error *err)
{
	int r = place_find(path, ret_place, err);

	if (r < 0 || ret_place->kind == PLACE_MOUNT)
		return r;
	r = atio_fail(err, ENOENT,
		      "%s is a source, not a mount (atomicio status lists the "
		      "mounts)",
		      ret_place->root);
	place_done(ret_place);
	return r;
}

/* ---- one lock -------------------------------------------------------- */

static json_int_t number(const json_t *lock, const char *key)
{
	return json_integer_value(json_object_get(lock, key));
}

static const char *string(const json_t *lock, const char *key)
{
	const char *s = json_string_value(json_object_get(lock, key));

	return s && *s ? s : "-";
}

static bool is_true(const json_t *lock, const char *key)
{
	return json_is_true(json_object_get(lock, key));
}

static bool is_waiting(const json_t *lock)
{
	return !strcmp(string(lock, "state"), "waiting");
}

static const json_t *find(const json_t *locks, json_int_t id)
{
	for (size_t i = 0; i < json_array_size(locks); i++) {
		const json_t *lock = json_array_get(locks, i);

		if (number(lock, "id") == id)
			return lock;
	}
	return NULL;
}

/* ---- cells ------------------------------------------------------------ */

enum column {
	ID,
	STATE,
	KIND,
	MODE,
	RANGE,
	PID,
	AGE,
	COMMAND,
	WAITS_FOR,
	PATH, /* the widest comes last */
	COLUMNS,
};

static const char *const headings[COLUMNS] = {
	[ID] = "ID",     [STATE] = "STATE",     [KIND] = "KIND",
	[MODE] = "MODE", [RANGE] = "RANGE",     [PID] = "PID",
	[AGE] = "AGE",   [COMMAND] = "COMMAND", [WAITS_FOR] = "WAITS FOR",
	[PATH] = "PATH",
};

static bool is_number(int column)
{
	return column == ID || column == PID;
}

struct row {
	const json_t *lock;
	size_t at;           /* in what the daemon said */
	char *cell[COLUMNS]; /* before they are escaped */
};

static int hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* What text_set_json did to a string that is not UTF-8, undone. */
static void decode_percent(char *s)
{
	char *to = s;

	for (; *s; s++) {
		int high = *s == '%' ? hex_digit(s[1]) : -1;
		int low = high < 0 ? -1 : hex_digit(s[2]);

		if (low >= 0 && (high || low)) {
			*to++ = (char)(high << 4 | low);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

static char *name_text(const json_t *lock, const char *key)
{
	char mark[32], *s = strdup(string(lock, key));

	(void)snprintf(mark, sizeof(mark), "%s_escaped", key);
	if (s && is_true(lock, mark))
		decode_percent(s);
	return s;
}

static char *path_text(const json_t *lock)
{
	char *path = name_text(lock, "path"), *s = NULL;

	if (!path || !is_true(lock, "deleted"))
		return path;
	if (asprintf(&s, "%s (deleted)", path) < 0)
		s = NULL;
	free(path);
	return s;
}

static char *number_text(json_int_t n)
{
	char *s;

	if (n <= 0)
		return strdup("-");
	return asprintf(&s, "%" JSON_INTEGER_FORMAT, n) < 0 ? NULL : s;
}

static char *range_text(const json_t *lock)
{
	const json_t *last = json_object_get(lock, "end");
	json_int_t first = number(lock, "start");
	char *s;
	int n;

	if (json_is_integer(last))
		n = asprintf(&s,
			     "%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT,
			     first, json_integer_value(last));
	else if (first)
		n = asprintf(&s, "%" JSON_INTEGER_FORMAT "-", first);
	else
		return strdup("all");
	return n < 0 ? NULL : s;
}

static char *age_text(const json_t *lock)
{
	char buf[TEXT_SPAN_MAX];

	return strdup(text_span(buf, (double)number(lock, "age_ms") / 1000));
}

/* "12 (pid 345, python3)" */
static char *waits_text(const json_t *locks, const json_t *lock)
{
	json_int_t id = number(lock, "waits_for");
	const json_t *other = id ? find(locks, id) : NULL;
	AUTO_FREE char *who = NULL;
	char *s;

	if (!other || !number(other, "pid"))
		return number_text(id);
	who = name_text(other, "command");
	if (!who || asprintf(&s,
			     "%" JSON_INTEGER_FORMAT
			     " (pid %" JSON_INTEGER_FORMAT ", %s)",
			     id, number(other, "pid"), who) < 0)
		return NULL;
	return s;
}

static void empty_row(struct row *row)
{
	for (int i = 0; i < COLUMNS; i++)
		free(row->cell[i]);
}

/* false: no memory. */
static bool fill_row(const json_t *locks, struct row *row)
{
	const json_t *lock = row->lock;
	char **cell = row->cell;

	cell[ID] = number_text(number(lock, "id"));
	cell[STATE] = strdup(string(lock, "state"));
	cell[KIND] = strdup(string(lock, "kind"));
	cell[MODE] = strdup(string(lock, "mode"));
	cell[RANGE] = range_text(lock);
	cell[PID] = number_text(number(lock, "pid"));
	cell[AGE] = age_text(lock);
	cell[COMMAND] = name_text(lock, "command");
	cell[WAITS_FOR] = waits_text(locks, lock);
	cell[PATH] = path_text(lock);
	for (int i = 0; i < COLUMNS; i++)
		if (!cell[i])
			return false;
	return true;
}

/* ---- the table -------------------------------------------------------- */

/* By file; holders before waiters; and these as they come. */
static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int r = strcmp(string(x->lock, "path"), string(y->lock, "path"));

	if (!r)
		r = is_true(x->lock, "deleted") - is_true(y->lock, "deleted");
	if (!r)
		r = is_waiting(x->lock) - is_waiting(y->lock);
	return r ? r : x->at < y->at ? -1 : 1;
}

static void put_row(const char *const *cells, const int *widths)
{
	for (int i = 0; i < COLUMNS; i++) {
		int gap = widths[i] - text_width(cells[i]);

		if (is_number(i))
			printf("%*s", gap, "");
		(void)text_put(stdout, cells[i]);
		if (i == COLUMNS - 1)
			putchar('\n');
		else
			printf("%*s", is_number(i) ? 2 : gap + 2, "");
	}
}

static void put_table(const struct row *rows, size_t n)
{
	int widths[COLUMNS];

	for (int i = 0; i < COLUMNS; i++) {
		widths[i] = text_width(headings[i]);
		for (size_t k = 0; k < n; k++) {
			int width = text_width(rows[k].cell[i]);

			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	put_row(headings, widths);
	for (size_t k = 0; k < n; k++)
		put_row((const char *const *)rows[k].cell, widths);
}

static int render(const json_t *locks)
{
	size_t n = json_array_size(locks);
	struct row *rows = calloc(n + 1, sizeof(*rows));
	bool ok = rows != NULL;

	for (size_t k = 0; ok && k < n; k++) {
		rows[k].lock = json_array_get(locks, k);
		rows[k].at = k;
		ok = fill_row(locks, &rows[k]);
	}
	if (!ok) {
		complain("out of memory");
	} else if (n) {
		qsort(rows, n, sizeof(*rows), compare);
		put_table(rows, n);
	} else {
		puts("no locks");
	}
	for (size_t k = 0; rows && k < n; k++)
		empty_row(&rows[k]);
	free(rows);
	return ok ? EXIT_OK : EXIT_FAILED;
}

static int list(const struct place *mount, bool json)
{
	struct atio_error err = ATIO_ERROR_INIT;
	json_t *j = NULL;
	int code;

	if (ask(mount, &j, &err) < 0)
		return failed(&err);
	if (json)
		return text_print_json(j);
	code = render(json_object_get(j, "locks"));
	json_decref(j);
	return code;
}

/* ---- breaking one ----------------------------------------------------- */

/* Returns 0 or -errno. */
static int break_lock(const struct place *mount, uint64_t id)
{
	AUTO_CLOSE int fd =
		openat(mount->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	__u64 arg = id;

	if (fd < 0)
		return -errno;
	return ioctl(fd, ATIO_IOC_BREAK_LOCK, &arg) < 0 ? -errno : 0;
}

/* "took lock 12 (flock, exclusive, all) of dir/file from pid 123 (python3)" */
static void put_broken(const struct row *row)
{
	char *const *cell = row->cell;
	bool waiting = is_waiting(row->lock);

	printf("%s %s (%s, %s, %s) %s ",
	       waiting ? "ended the waiting" : "took the lock", cell[ID],
	       cell[KIND], cell[MODE], cell[RANGE], waiting ? "for" : "of");
	(void)text_put(stdout, cell[PATH]);
	printf(" %s pid %s (", waiting ? "by" : "from", cell[PID]);
	(void)text_put(stdout, cell[COMMAND]);
	puts(")");
}

static int cannot_break(uint64_t id, int code)
{
	if (code == ENOENT)
		complain("no lock with id %" PRIu64 " any more", id);
	else if (code == EPERM)
		complain("only root may break locks");
	else if (code == ENOTTY || code == ENOSYS)
		complain("the daemon of this mount cannot break locks (an "
			 "older version?)");
	else
		complain("break lock %" PRIu64 ": %s", id, strerror(code));
	return EXIT_FAILED;
}

static int break_and_tell(const struct place *mount, uint64_t id)
{
	struct atio_error ignored = ATIO_ERROR_INIT;
	const json_t *locks = NULL;
	struct row row = {0};
	json_t *j = NULL;
	int r;

	/* Whose it was is known only before. */
	if (ask(mount, &j, &ignored) == 0) {
		locks = json_object_get(j, "locks");
		row.lock = find(locks, (json_int_t)id);
	}
	r = break_lock(mount, id);
	if (!r && row.lock && fill_row(locks, &row))
		put_broken(&row);
	else if (!r)
		printf("took the lock %" PRIu64 "\n", id);
	empty_row(&row);
	json_decref(j);
	return r < 0 ? cannot_break(id, -r) : EXIT_OK;
}

/* ---- the command ----------------------------------------------------- */

static int parse_id(const char *text, uint64_t *ret_id)
{
	errno = 0;
	*ret_id = strtoull(text, NULL, 10);
	if (!*text || text[strspn(text, "0123456789")] || errno)
		return usage_error("locks: '%s' is no id of a lock (atomicio "
				   "locks lists them)",
				   text);
	return EXIT_OK;
}

int locks_main(int argc, char **argv)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct place mount;
	const char *id_text = NULL;
	bool json = false;
	const struct flag flags[] = {
		{.name = "json", .help = "print it as JSON", .on = &json},
		{.name = "break",
		 .value = "ID",
		 .help = "take this lock away, or end this waiting (root)",
		 .text = &id_text},
		{0},
	};
	int code, n = args_parse(&command, flags, argc, argv, &code);
	uint64_t id = 0;

	if (n < 0)
		return code;
	if (json && id_text)
		return usage_error("locks: --json and --break do not go "
				   "together");
	if (id_text && parse_id(id_text, &id))
		return EXIT_USAGE;
	if (find_mount(n ? argv[0] : ".", &mount, &err) < 0)
		return failed(&err);
	code = id_text ? break_and_tell(&mount, id) : list(&mount, json);
	place_done(&mount);
	return code;
}
