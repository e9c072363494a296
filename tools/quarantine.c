/* SPDX-License-Identifier: MIT
 *
 * atomicio quarantine list, show, drop: look at what was rolled back.
 */
#include <atomicio/quarantine.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quarantine.h"
#include "text.h"

#define COPY_BYTES (128 * 1024)

int quarantine_open(const char *dir, struct place *ret_place)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct place place;
	int fd, r = place_find(dir, &place, &err);

	if (r < 0) {
		(void)failed(&err);
		return -1;
	}
	fd = place_open_quarantine(&place, &err);
	if (fd < 0)
		(void)failed(&err);
	if (fd >= 0 && ret_place)
		*ret_place = place;
	else
		place_done(&place);
	return fd < 0 ? -1 : fd;
}

static int get_item(int fd, const char *id, struct atio_quarantined *ret_item)
{
	struct atio_error err = ATIO_ERROR_INIT;

	return atio_quarantine_get(fd, id, ret_item, &err) < 0 ? failed(&err)
							       : EXIT_OK;
}

/* ---- as JSON --------------------------------------------------------- */

static json_t *item_json(const struct atio_quarantined *q)
{
	json_t *j = json_pack(
		"{s:s, s:I, s:I, s:i, s:i, s:I, s:i, s:I, s:I}", "id", q->id,
		"time", (json_int_t)q->time_s, "size", (json_int_t)q->size,
		"error", q->error, "pid", (int)q->pid, "uid",
		(json_int_t)q->uid, "mode", (int)q->mode, "owner",
		(json_int_t)q->owner, "group", (json_int_t)q->group);

	if (j && !text_set_json(j, "path", q->path) &&
	    !text_set_json(j, "reason", q->reason) &&
	    !text_set_json(j, "detail", q->detail) &&
	    !text_set_json(j, "command", q->command))
		return j;
	json_decref(j);
	return NULL;
}

static json_t *items_json(const struct atio_quarantined *items, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++) {
		if (json_array_append_new(array, item_json(&items[i])) == 0)
			continue;
		json_decref(array);
		array = NULL;
	}
	return array;
}

/* ---- list ------------------------------------------------------------ */

/* Columns of unknown width; the path, the widest, comes last. */
struct widths {
	int size, reason, pid, command;
};

static const char *pid_text(char buf[16], pid_t pid)
{
	if (pid > 0)
		(void)snprintf(buf, 16, "%d", (int)pid);
	else
		(void)snprintf(buf, 16, "-");
	return buf;
}

static const char *or_dash(const char *s)
{
	return s && *s ? s : "-";
}

static void widen(int *width, int n)
{
	if (*width < n)
		*width = n;
}

static struct widths measure(const struct atio_quarantined *items, size_t n)
{
	struct widths w = {4, 6, 3, 7}; /* of the heading */
	char buf[TEXT_SIZE_MAX];

	for (size_t i = 0; i < n; i++) {
		widen(&w.size, (int)strlen(text_size(buf, items[i].size)));
		widen(&w.reason, text_width(items[i].reason));
		widen(&w.pid, (int)strlen(pid_text(buf, items[i].pid)));
		widen(&w.command, text_width(or_dash(items[i].command)));
	}
	return w;
}

static void put_padded(const char *s, int width)
{
	int n = text_put(stdout, s);

	printf("%*s  ", n < width ? width - n : 0, "");
}

static void put_row(const struct atio_quarantined *q, const struct widths *w)
{
	char size[TEXT_SIZE_MAX], when[TEXT_TIME_MAX], pid[16];

	printf("%-16s  %-19s  %*s  ", q->id, text_time(when, q->time_s),
	       w->size, text_size(size, q->size));
	put_padded(q->reason, w->reason);
	printf("%*s  ", w->pid, pid_text(pid, q->pid));
	put_padded(or_dash(q->command), w->command);
	(void)text_put(stdout, *q->path ? q->path : "(not known)");
	putchar('\n');
}

static void put_table(const struct atio_quarantined *items, size_t n)
{
	const struct widths w = measure(items, n);

	printf("%-16s  %-19s  %*s  %-*s  %*s  %-*s  %s\n", "ID", "TIME", w.size,
	       "SIZE", w.reason, "REASON", w.pid, "PID", w.command, "COMMAND",
	       "PATH");
	for (size_t i = 0; i < n; i++)
		put_row(&items[i], &w);
}

static const struct command list_command = {
	.name = "quarantine list",
	.operands = "",
	.about = "Print what was rolled back and had data, oldest first.\n",
};

static int list_main(int argc, char **argv)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_quarantined *items = NULL;
	const char *dir = ".";
	bool json = false;
	const struct flag flags[] = {
		FLAG_DIR(&dir),
		{.name = "json", .help = "print an array of JSON", .on = &json},
		{0},
	};
	AUTO_CLOSE int fd = -1;
	size_t n = 0;
	int code;

	if (args_parse(&list_command, flags, argc, argv, &code) < 0)
		return code;
	fd = quarantine_open(dir, NULL);
	if (fd < 0)
		return EXIT_FAILED;
	if (atio_quarantine_list(fd, &items, &n, &err) < 0)
		return failed(&err);
	if (json)
		code = text_print_json(items_json(items, n));
	else if (n)
		put_table(items, n);
	else
		puts("the quarantine is empty");
	atio_quarantine_list_free(items, n);
	return code;
}

/* ---- show ------------------------------------------------------------ */

static const struct command show_command = {
	.name = "quarantine show",
	.operands = "ID",
	.about = "Print what is known of an item or, with --content, nothing "
		 "but its bytes.\n",
	.least = 1,
	.most = 1,
};

static void put_field(const char *name, const char *value)
{
	if (!value)
		return;
	printf("%-9s", name);
	(void)text_put(stdout, value);
	putchar('\n');
}

static void put_item(const struct atio_quarantined *q)
{
	char when[TEXT_TIME_MAX], pid[16];

	put_field("id", q->id);
	put_field("path", *q->path ? q->path : "(not known)");
	put_field("time", text_time(when, q->time_s));
	printf("%-9s%" PRIu64 " bytes\n", "size", q->size);
	put_field("reason", q->reason);
	put_field("detail", q->detail);
	if (q->error)
		put_field("error", strerror(q->error));
	put_field("pid", pid_text(pid, q->pid));
	printf("%-9s%u\n", "uid", (unsigned)q->uid);
	put_field("command", q->command);
	printf("%-9s%04o, owner %u, group %u\n", "mode", (unsigned)q->mode,
	       (unsigned)q->owner, (unsigned)q->group);
}

static int write_out(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(STDOUT_FILENO, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			complain("cannot write the output: %s",
				 strerror(errno));
			return EXIT_FAILED;
		}
		p += w;
		n -= (size_t)w;
	}
	return EXIT_OK;
}

static int put_content(int dirfd, const char *id)
{
	AUTO_FREE char *buf = malloc(COPY_BYTES);
	AUTO_CLOSE int fd = atio_quarantine_open(dirfd, id);
	int code = EXIT_OK;
	ssize_t n = 1;

	if (!buf || fd < 0) {
		complain("item '%s': %s", id, strerror(fd < 0 ? -fd : ENOMEM));
		return EXIT_FAILED;
	}
	while (n > 0 && !code) {
		n = read(fd, buf, COPY_BYTES);
		if (n < 0) {
			complain("read item '%s': %s", id, strerror(errno));
			return EXIT_FAILED;
		}
		code = write_out(buf, (size_t)n);
	}
	return code;
}

static int show_main(int argc, char **argv)
{
	struct atio_quarantined item;
	const char *dir = ".";
	bool json = false, content = false;
	const struct flag flags[] = {
		FLAG_DIR(&dir),
		{.name = "content", .help = "its bytes", .on = &content},
		{.name = "json", .help = "print it as JSON", .on = &json},
		{0},
	};
	AUTO_CLOSE int fd = -1;
	int code;

	if (args_parse(&show_command, flags, argc, argv, &code) < 0)
		return code;
	if (json && content)
		return usage_error("quarantine show: --content and --json do "
				   "not go together");
	fd = quarantine_open(dir, NULL);
	if (fd < 0)
		return EXIT_FAILED;
	if (content)
		return put_content(fd, argv[0]);
	code = get_item(fd, argv[0], &item);
	if (code)
		return code;
	if (json)
		code = text_print_json(item_json(&item));
	else
		put_item(&item);
	atio_quarantine_item_done(&item);
	return code;
}

/* ---- drop ------------------------------------------------------------ */

static const struct command drop_command = {
	.name = "quarantine drop",
	.operands = "ID...|--all",
	.about = "Delete items for good.\n",
	.most = -1,
};

static int drop(int fd, const char *id)
{
	int r = atio_quarantine_drop(fd, id);

	if (!r)
		return EXIT_OK;
	if (r == -ENOENT)
		complain("no item '%s' in the quarantine", id);
	else
		complain("drop item '%s': %s", id, strerror(-r));
	return EXIT_FAILED;
}

static int drop_all(int fd)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_quarantined *items = NULL;
	int code = EXIT_OK;
	size_t n = 0;

	if (atio_quarantine_list(fd, &items, &n, &err) < 0)
		return failed(&err);
	for (size_t i = 0; i < n; i++) {
		/* Gone by itself (its age, another hand) is as good. */
		int r = atio_quarantine_drop(fd, items[i].id);

		if (!r || r == -ENOENT)
			continue;
		complain("drop item '%s': %s", items[i].id, strerror(-r));
		code = EXIT_FAILED;
	}
	atio_quarantine_list_free(items, n);
	return code;
}

static int drop_main(int argc, char **argv)
{
	const char *dir = ".";
	bool all = false;
	const struct flag flags[] = {
		FLAG_DIR(&dir),
		{.name = "all", .help = "all that are there", .on = &all},
		{0},
	};
	AUTO_CLOSE int fd = -1;
	int code, n = args_parse(&drop_command, flags, argc, argv, &code);

	if (n < 0)
		return code;
	if (all == (n > 0))
		return usage_error("quarantine drop: give either IDs or --all");
	fd = quarantine_open(dir, NULL);
	if (fd < 0)
		return EXIT_FAILED;
	if (all)
		return drop_all(fd);
	for (int i = 0; i < n; i++)
		code = drop(fd, argv[i]) ? EXIT_FAILED : code;
	return code;
}

/* ---- which ----------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{"list", list_main},
	{"show", show_main},
	{"restore", restore_main},
	{"drop", drop_main},
};

int quarantine_main(int argc, char **argv)
{
	const char *word = argc ? argv[0] : "";

	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		puts("usage: atomicio quarantine list|show|restore|drop "
		     "[OPTIONS] [ARGUMENTS]\n\n"
		     "Look after what was rolled back.  Each has a --help of "
		     "its own.");
		return EXIT_OK;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(word, verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	if (!*word)
		return usage_error("quarantine: one of list, show, restore or "
				   "drop must follow");
	return usage_error("quarantine: unknown %s '%s' (list, show, restore, "
			   "drop)",
			   *word == '-' ? "option" : "command", word);
}
