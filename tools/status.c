/* SPDX-License-Identifier: MIT
 *
 * atomicio status: what a daemon says of itself, for people.
 *
 * The daemon may be older or newer than this program: what it does not say is
 * left out, and counters and options are printed as it names them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "place.h"
#include "text.h"
#include "tool.h"

static const struct command command = {
	.name = "status",
	.operands = "[MOUNT]",
	.about = "Print what the daemon of MOUNT (or of the mount that this "
		 "path lies in) says of\n"
		 "itself; without MOUNT, all mounts of atomicfs.\n",
	.most = 1,
};

/* ---- asking ---------------------------------------------------------- */

static int ask(const struct place *mount, json_t **ret_j,
	       struct atio_error *err)
{
	AUTO_CLOSE int fd =
		place_open_control(mount, "status.json", O_RDONLY, err);
	json_error_t je;
	json_t *j;

	if (fd < 0)
		return fd;
	j = json_loadfd(fd, 0, &je);
	if (!json_is_object(j)) {
		json_decref(j);
		return atio_fail(err, EBADMSG,
				 "%s: the status is not readable: %s",
				 mount->root, j ? "no object" : je.text);
	}
	*ret_j = j;
	return 0;
}

static int ask_path(const char *path, json_t **ret_j, struct atio_error *err)
{
	struct place place;
	int r = place_find(path, &place, err);

	if (r < 0)
		return r;
	if (place.kind == PLACE_MOUNT)
		r = ask(&place, ret_j, err);
	else
		r = atio_fail(err, ENOENT,
			      "%s is a source, not a mount (atomicio status "
			      "lists the mounts)",
			      place.root);
	place_done(&place);
	return r;
}

/* Something else may have been mounted over it. */
static bool is_place(const struct place *place, const struct mount *mount)
{
	struct stat st;

	return place->kind == PLACE_MOUNT && !fstat(place->root_fd, &st) &&
	       st.st_dev == mount->dev;
}

static int ask_mount(const struct mount *mount, json_t **ret_j,
		     struct atio_error *err)
{
	struct atio_error first = ATIO_ERROR_INIT;
	struct place place = {.root_fd = -1};
	int r;

	if (!mount->whole)
		return atio_fail(err, ENOENT,
				 "%s: only a part of a mount, whose root is "
				 "not to be seen here",
				 mount->path);
	r = place_find(mount->path, &place, &first);
	if (r < 0 && r != -ENOENT)
		return atio_fail(err, -r, "%s", first.text);
	if (!r && is_place(&place, mount))
		r = ask(&place, ret_j, err);
	else
		r = atio_fail(err, ENOENT, "%s: hidden under another mount",
			      mount->path);
	place_done(&place);
	return r;
}

/* ---- rendering ------------------------------------------------------- */

/* The member of a member: get2(j, "io", "path"). */
static const json_t *get2(const json_t *j, const char *a, const char *b)
{
	return json_object_get(json_object_get(j, a), b);
}

static uint64_t number(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) > 0
		       ? (uint64_t)json_integer_value(v)
		       : 0;
}

static void put_string(const json_t *v, const char *otherwise)
{
	(void)text_put(stdout,
		       json_is_string(v) ? json_string_value(v) : otherwise);
}

static void put_value(const json_t *v)
{
	if (json_is_boolean(v))
		printf("%s", json_is_true(v) ? "yes" : "no");
	else if (json_is_integer(v))
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_real(v))
		printf("%g", json_real_value(v));
	else
		put_string(v, "?");
}

/* "name value, name value", or with another sign and separator. */
static void put_members(json_t *object, char sign, const char *separator)
{
	const char *key, *between = "";
	json_t *v;

	json_object_foreach(object, key, v)
	{
		fputs(between, stdout);
		(void)text_put(stdout, key);
		putchar(sign);
		put_value(v);
		between = separator;
	}
	putchar('\n');
}

static void label(const char *name)
{
	printf("  %-13s", name);
}

static void put_daemon(const json_t *j)
{
	char span[TEXT_SPAN_MAX];

	label("daemon");
	fputs("atomicfs ", stdout);
	put_string(json_object_get(j, "version"), "?");
	printf(", pid %" PRIu64 ", up %s\n", number(json_object_get(j, "pid")),
	       text_span(span,
			 json_number_value(json_object_get(j, "uptime_s"))));
	label("path");
	put_string(get2(j, "io", "path"), "?");
	fputs(": ", stdout);
	put_string(get2(j, "io", "reason"), "?");
	putchar('\n');
	label("kernel");
	fputs("Linux ", stdout);
	put_string(get2(j, "kernel", "release"), "?");
	fputs(", FUSE ", stdout);
	put_string(get2(j, "kernel", "fuse"), "?");
	fputs(", libfuse ", stdout);
	put_string(json_object_get(j, "libfuse"), "?");
	putchar('\n');
	if (json_is_false(json_object_get(j, "pids_visible"))) {
		label("");
		puts("the daemon does not see every process: a killed writer "
		     "that it does not see publishes");
	}
}

static void put_space(const json_t *j)
{
	uint64_t items = number(get2(j, "quarantine", "items"));
	char size[TEXT_SIZE_MAX];

	label("quarantine");
	if (items)
		printf("%" PRIu64 " item%s, %s\n", items, items == 1 ? "" : "s",
		       text_size(size, number(get2(j, "quarantine", "bytes"))));
	else
		puts("empty");
	label("disk");
	printf("%s free",
	       text_size(size, number(get2(j, "disk", "free_bytes"))));
	if (json_is_true(get2(j, "disk", "low")))
		printf(": LOW (under %s what is written may be rolled back)",
		       text_size(size, number(get2(j, "disk", "guard_bytes"))));
	putchar('\n');
}

static void render(const json_t *j)
{
	put_string(json_object_get(j, "mountpoint"), "?");
	fputs("  (source ", stdout);
	put_string(json_object_get(j, "source"), "?");
	puts(")");
	put_daemon(j);
	label("options");
	put_members(json_object_get(j, "options"), '=', " ");
	label("open");
	printf("transactions %" PRIu64 ", files %" PRIu64 "\n",
	       number(json_object_get(j, "shadows")),
	       number(json_object_get(j, "open_handles")));
	label("transactions");
	put_members(json_object_get(j, "transactions"), ' ', ", ");
	if (json_object_get(j, "locks")) {
		label("locks");
		put_members(json_object_get(j, "locks"), ' ', ", ");
	}
	put_space(j);
}

/* ---- the command ----------------------------------------------------- */

static int status_of(const char *path, bool json)
{
	struct atio_error err = ATIO_ERROR_INIT;
	json_t *j = NULL;

	if (ask_path(path, &j, &err) < 0)
		return failed(&err);
	if (json)
		return text_print_json(j);
	render(j);
	json_decref(j);
	return EXIT_OK;
}

/* Say what can be said: a mount that does not answer hides no other. */
static int ask_all(const struct mount *mounts, size_t n, json_t *array)
{
	int code = EXIT_OK;

	for (size_t i = 0; i < n; i++) {
		struct atio_error err = ATIO_ERROR_INIT;
		json_t *j = NULL;

		if (ask_mount(&mounts[i], &j, &err) < 0 ||
		    json_array_append_new(array, j) < 0)
			code = failed(&err);
	}
	return code;
}

static int status_of_all(bool json)
{
	struct atio_error err = ATIO_ERROR_INIT;
	json_t *array = json_array(), *j;
	struct mount *mounts = NULL;
	int code = EXIT_OK;
	size_t n = 0, i;

	if (!array || mounts_list(&mounts, &n, &err) < 0) {
		json_decref(array);
		return failed(&err);
	}
	code = ask_all(mounts, n, array);
	mounts_free(mounts, n);
	if (json) {
		int r = text_print_json(array);

		return code ? code : r;
	}
	if (!n)
		puts("no atomicfs is mounted");
	json_array_foreach(array, i, j)
	{
		if (i)
			putchar('\n');
		render(j);
	}
	json_decref(array);
	return code;
}

int status_main(int argc, char **argv)
{
	bool json = false;
	const struct flag flags[] = {
		{.name = "json", .help = "print it as JSON", .on = &json},
		{0},
	};
	int code, n = args_parse(&command, flags, argc, argv, &code);

	if (n < 0)
		return code;
	return n ? status_of(argv[0], json) : status_of_all(json);
}
