/* SPDX-License-Identifier: MIT
 *
 * atomicio recover: settle what a crash left in a source, as the next mount
 * would do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <atomicio/stage.h>

#include "place.h"
#include "store.h"
#include "text.h"
#include "tool.h"

static const struct command command = {
	.name = "recover",
	.operands = "SOURCE",
	.about = "Settle what a crash of the machine or of the daemon left in "
		 "SOURCE, as the next\n"
		 "mount would do it: one line per item.\n",
	.least = 1,
	.most = 1,
};

struct report {
	bool dry_run;
	json_t *array; /* NULL: print lines */
	bool failed;
	bool no_memory;
};

struct wording {
	const char *name, *done, *would;
};

static const struct wording *wording_of(enum atio_recovery_action action)
{
	static const struct wording words[] = {
		[ATIO_RECOVERED_PUBLISHED] = {"published", "published",
					      "would be published"},
		[ATIO_RECOVERED_REDONE] = {"redone", "rewritten in place",
					   "would be rewritten in place"},
		[ATIO_RECOVERED_QUARANTINED] = {"quarantined",
						"kept in quarantine",
						"would be kept in quarantine"},
		[ATIO_RECOVERED_DISCARDED] = {"discarded", "discarded",
					      "would be discarded"},
		[ATIO_RECOVERED_FAILED] = {"failed", "left as it is",
					   "would be left as it is"},
	};

	return &words[action];
}

static void add_json(struct report *report, const struct atio_recovered *what)
{
	json_t *j = json_object();

	if (!j ||
	    json_object_set_new(j, "action",
				json_string(wording_of(what->action)->name)) <
		    0 ||
	    text_set_json(j, "path", what->path) < 0 ||
	    text_set_json(j, "id", what->id) < 0 ||
	    json_object_set_new(j, "error", json_integer(what->error)) < 0 ||
	    json_array_append_new(report->array, json_incref(j)) < 0)
		report->no_memory = true;
	json_decref(j);
}

static void tell(const struct atio_recovered *what, void *arg)
{
	const struct wording *words = wording_of(what->action);
	struct report *report = arg;

	if (what->action == ATIO_RECOVERED_FAILED)
		report->failed = true;
	if (report->array) {
		add_json(report, what);
		return;
	}
	if (*what->path)
		(void)text_put(stdout, what->path);
	else
		fputs("(path not known)", stdout);
	printf(": %s", report->dry_run ? words->would : words->done);
	if (what->error)
		printf(": %s", strerror(what->error));
	fputs(" (", stdout);
	(void)text_put(stdout, what->id);
	puts(")");
}

static int print(const struct report *report, int count)
{
	if (report->no_memory)
		complain("out of memory: not everything is reported");
	if (report->array) {
		json_incref(report->array);
		if (text_print_json(report->array))
			return EXIT_FAILED;
	} else if (!count) {
		puts("nothing to settle");
	}
	return report->failed || report->no_memory ? EXIT_FAILED : EXIT_OK;
}

static int recover(const char *path, struct report *report)
{
	struct atio_error err = ATIO_ERROR_INIT;
	struct atio_store *store = NULL;
	AUTO_CLOSE int fd = -1;
	int r;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		complain("%s: %s", path, strerror(errno));
		return EXIT_FAILED;
	}
	r = store_open(path, fd, report->dry_run, &store, &err);
	if (!r)
		r = atio_store_recover(store, report->dry_run, tell, report,
				       &err);
	atio_store_free(store);
	return r < 0 ? failed(&err) : print(report, r);
}

int recover_main(int argc, char **argv)
{
	struct report report = {0};
	bool json = false;
	const struct flag flags[] = {
		{'n', "dry-run", NULL, "only say what would be done",
		 &report.dry_run, NULL},
		{.name = "json", .help = "print an array of JSON", .on = &json},
		{0},
	};
	int code, n = args_parse(&command, flags, argc, argv, &code);

	if (n < 0)
		return code;
	if (json) {
		report.array = json_array();
		if (!report.array) {
			complain("out of memory");
			return EXIT_FAILED;
		}
	}
	code = recover(argv[0], &report);
	json_decref(report.array);
	return code;
}
