/* SPDX-License-Identifier: MIT
 *
 * conf.c - the description of a plugin that is a program.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "format/plugin.h"

bool atio_suffix_is_valid(const char *suffix)
{
	const unsigned char *s = (const unsigned char *)suffix;

	if (*s != '.' || !s[1])
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s == '/' || *s == 0x7F)
			return false;
	return strlen(suffix) < 256; /* of a file name */
}

bool atio_plugin_name_is_valid(const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t len = strlen(name);

	return len && len <= 64 && strspn(name, good) == len;
}

/* ---- values ----------------------------------------------------------- */

/* Cut @s at blanks into @words, behind those that are there. */
static int split(char *s, const char **words, size_t *n, size_t most)
{
	char *word;

	while ((word = strsep(&s, " \t"))) {
		if (!*word)
			continue;
		if (*n >= most)
			return -E2BIG;
		words[(*n)++] = word;
	}
	words[*n] = NULL;
	return 0;
}

static bool is_repeated(const struct atio_conf *conf, size_t at)
{
	size_t i;

	for (i = 0; i < at; i++)
		if (strcasecmp(conf->suffixes[i], conf->suffixes[at]) == 0)
			return true;
	return false;
}

static int take_suffixes(struct atio_conf *conf, char *value, size_t line,
			 struct atio_error *err)
{
	size_t i = conf->n_suffixes;

	if (split(value, conf->suffixes, &conf->n_suffixes,
		  ATIO_CONF_SUFFIXES) < 0)
		return atio_fail(err, EINVAL, "line %zu: too many suffixes",
				 line);
	for (; i < conf->n_suffixes; i++) {
		if (!atio_suffix_is_valid(conf->suffixes[i]))
			return atio_fail(err, EINVAL,
					 "line %zu: '%s' is no suffix: it "
					 "begins with a dot",
					 line, conf->suffixes[i]);
		if (is_repeated(conf, i))
			return atio_fail(err, EINVAL,
					 "line %zu: '%s' a second time", line,
					 conf->suffixes[i]);
	}
	return 0;
}

static int take_command(const char **words, char *value, size_t line,
			const char *key, struct atio_error *err)
{
	size_t n = 0;

	if (*words)
		return atio_fail(err, EINVAL, "line %zu: '%s' a second time",
				 line, key);
	if (split(value, words, &n, ATIO_CONF_WORDS) < 0)
		return atio_fail(err, EINVAL, "line %zu: too many arguments",
				 line);
	if (!n || *words[0] != '/')
		return atio_fail(err, EINVAL,
				 "line %zu: '%s' needs the whole path of a "
				 "program",
				 line, key);
	return 0;
}

/* ---- lines ------------------------------------------------------------ */

static int take(struct atio_conf *conf, const char *key, char *value,
		size_t line, struct atio_error *err)
{
	if (strcmp(key, "suffix") == 0)
		return take_suffixes(conf, value, line, err);
	if (strcmp(key, "load") == 0)
		return take_command(conf->load, value, line, key, err);
	if (strcmp(key, "dump") == 0)
		return take_command(conf->dump, value, line, key, err);
	if (strcmp(key, "validate") == 0)
		return take_command(conf->validate, value, line, key, err);
	if (strcmp(key, "base") != 0)
		return atio_fail(err, EINVAL, "line %zu: unknown key '%s'",
				 line, key);
	if (conf->base)
		return atio_fail(err, EINVAL, "line %zu: 'base' a second time",
				 line);
	if (!*value)
		return atio_fail(err, EINVAL,
				 "line %zu: 'base' needs the name of a format",
				 line);
	conf->base = value;
	return 0;
}

/* Without the blanks at both ends. */
static char *trimmed(char *s)
{
	size_t len;

	s += strspn(s, " \t\r");
	len = strlen(s);
	while (len && strchr(" \t\r", s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

static int take_line(struct atio_conf *conf, char *s, size_t line,
		     struct atio_error *err)
{
	char *equals;

	if (atio_utf8_check(s, strlen(s)) < strlen(s))
		return atio_fail(err, EINVAL, "line %zu: not UTF-8", line);
	s = trimmed(s);
	if (!*s || *s == '#')
		return 0;
	equals = strchr(s, '=');
	if (!equals)
		return atio_fail(err, EINVAL, "line %zu: no 'key = value'",
				 line);
	*equals = '\0';
	return take(conf, trimmed(s), trimmed(equals + 1), line, err);
}

static int check(const struct atio_conf *conf, struct atio_error *err)
{
	if (!conf->n_suffixes)
		return atio_fail(err, EINVAL, "no suffix is given");
	if (conf->base && (*conf->load || *conf->dump))
		return atio_fail(err, EINVAL,
				 "with a base format there is no load or dump");
	if (conf->base && !*conf->validate)
		return atio_fail(err, EINVAL,
				 "with a base format there must be a validate");
	if (!conf->base && !*conf->load && !*conf->dump)
		return atio_fail(err, EINVAL, "neither load, dump nor base");
	return 0;
}

int atio_conf_parse(struct atio_conf *conf, char *text, struct atio_error *err)
{
	char *next = text;
	size_t line = 1;
	int r;

	*conf = (struct atio_conf){.text = text};
	for (; next; line++) {
		char *s = strsep(&next, "\n");

		r = take_line(conf, s, line, err);
		if (r < 0)
			return r;
	}
	return check(conf, err);
}

void atio_conf_done(struct atio_conf *conf)
{
	free(conf->text);
	*conf = (struct atio_conf){0};
}
