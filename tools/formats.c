/* SPDX-License-Identifier: MIT
 *
 * atomicio formats: which formats are known here.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "document.h"
#include "text.h"

static const struct command command = {
	.name = "formats",
	.operands = "",
	.about = "List the formats: their names, the suffixes of file names, "
		 "and where they come\n"
		 "from.  A plugin that could not be loaded is listed with the "
		 "reason.\n",
};

/* ---- for people ------------------------------------------------------ */

static int width_of_suffixes(const struct atio_format_info *info)
{
	const char *const *suffix;
	int width = 0;

	for (suffix = info->suffixes; *suffix; suffix++)
		width += text_width(*suffix) + 1;
	return width;
}

static void put_padded(const char *text, int width)
{
	int used = text_put(stdout, text);

	printf("%*s", width > used ? width - used : 1, "");
}

static void print_line(const struct atio_format_info *info, const int widths[2])
{
	const char *const *suffix;
	int used = 0;

	put_padded(info->name, widths[0] + 2);
	for (suffix = info->suffixes; *suffix; suffix++) {
		used += text_put(stdout, *suffix) + 1;
		(void)putchar(' ');
	}
	printf("%*s", widths[1] + 1 - used, "");
	(void)text_put(stdout, info->source);
	if (info->base)
		printf(" (%s, validated)", info->base);
	if (!info->loaded) {
		printf("  NOT LOADED: ");
		text_put_message(stdout, info->reason ? info->reason : "");
	}
	(void)putchar('\n');
}

static int print_table(const struct atio_formats *formats)
{
	struct atio_format_info info;
	int widths[2] = {0}, width;
	size_t i;

	for (i = 0; atio_formats_info(formats, i, &info) == 0; i++) {
		width = text_width(info.name);
		widths[0] = width > widths[0] ? width : widths[0];
		width = width_of_suffixes(&info);
		widths[1] = width > widths[1] ? width : widths[1];
	}
	for (i = 0; atio_formats_info(formats, i, &info) == 0; i++)
		print_line(&info, widths);
	return EXIT_OK;
}

/* ---- as JSON --------------------------------------------------------- */

static json_t *suffixes_json(const struct atio_format_info *info)
{
	json_t *array = json_array();
	const char *const *suffix;

	for (suffix = info->suffixes; array && *suffix; suffix++)
		if (json_array_append_new(array, json_string(*suffix)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *format_json(const struct atio_format_info *info)
{
	json_t *j = json_pack("{s:o, s:s, s:b, s:b, s:b, s:b}", "suffixes",
			      suffixes_json(info), "kind", info->kind,
			      "loaded", info->loaded, "load", info->can_load,
			      "dump", info->can_dump, "validate",
			      info->can_validate);

	if (j && !text_set_json(j, "name", info->name) &&
	    !text_set_json(j, "source", info->source) &&
	    !text_set_json(j, "base", info->base) &&
	    !text_set_json(j, "reason", info->reason))
		return j;
	json_decref(j);
	return NULL;
}

static int print_json(const struct atio_formats *formats)
{
	json_t *array = json_array();
	struct atio_format_info info;
	size_t i;

	for (i = 0; array && atio_formats_info(formats, i, &info) == 0; i++)
		if (json_array_append_new(array, format_json(&info)) < 0) {
			json_decref(array);
			array = NULL;
		}
	return text_print_json(array);
}

int formats_main(int argc, char **argv)
{
	struct atio_formats *formats;
	const char *dir = NULL;
	bool json = false;
	const struct flag flags[] = {
		{.name = "json", .help = "print them as JSON", .on = &json},
		DOCUMENT_FORMATS_FLAG(&dir),
		{0},
	};
	int code;

	if (args_parse(&command, flags, argc, argv, &code) < 0)
		return code;
	formats = document_formats(dir);
	if (!formats)
		return EXIT_DATA;
	code = json ? print_json(formats) : print_table(formats);
	atio_formats_free(formats);
	return code;
}
