/* SPDX-License-Identifier: MIT
 *
 * args.c - flags and operands, in any order unless a command runs another one.
 *
 * A flag must be written out: if an abbreviation worked today, a flag that is
 * added tomorrow could break somebody's script.
 */
#include <stdio.h>
#include <string.h>

#include "tool.h"

struct args {
	const struct command *command;
	const struct flag *flags;
	int argc, at; /* @at: the argument that is looked at */
	char **argv;
	bool help;
};

static void print_flag(const struct flag *f)
{
	char left[40], letter[8] = "    ";

	if (f->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", f->letter);
	(void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, f->name,
		       f->value ? " " : "", f->value ? f->value : "");
	printf("  %-22s  %s\n", left, f->help);
}

static void print_help(const struct command *c, const struct flag *flags)
{
	printf("usage: atomicio %s [OPTIONS]%s%s\n\n%s\n", c->name,
	       *c->operands ? " " : "", c->operands, c->about);
	for (; flags->name; flags++)
		print_flag(flags);
	printf("  %-22s  %s\n", "-h, --help", "print this");
}

/* Note that @f was given.  @value: behind its `=` or letter; NULL: none. */
static int take_flag(struct args *a, const struct flag *f, const char *value)
{
	const char *name = a->command->name;

	if (!f->value && value)
		return usage_error("%s: --%s takes no value", name, f->name);
	if (f->value && !value) {
		if (a->at + 1 >= a->argc)
			return usage_error("%s: --%s needs a value: --%s %s",
					   name, f->name, f->name, f->value);
		value = a->argv[++a->at];
	}
	if (f->on)
		*f->on = true;
	if (f->text)
		*f->text = value;
	return 0;
}

static int take_long(struct args *a, const char *word)
{
	size_t n = strcspn(word, "=");
	const struct flag *f;

	if (!strcmp(word, "help")) {
		a->help = true;
		return 0;
	}
	for (f = a->flags; f->name; f++)
		if (strlen(f->name) == n && !strncmp(f->name, word, n))
			return take_flag(a, f, word[n] ? word + n + 1 : NULL);
	return usage_error("%s: unknown option '--%s' (atomicio %s --help "
			   "lists all)",
			   a->command->name, word, a->command->name);
}

static int take_letters(struct args *a, const char *letters)
{
	const struct flag *f;
	int r = 0;

	for (; *letters && !r; letters++) {
		if (*letters == 'h') {
			a->help = true;
			continue;
		}
		for (f = a->flags; f->name && f->letter != *letters; f++)
			;
		if (!f->name)
			return usage_error("%s: unknown option '-%c' (atomicio "
					   "%s --help lists all)",
					   a->command->name, *letters,
					   a->command->name);
		if (f->value) /* the rest of the word is its value */
			return take_flag(a, f, letters[1] ? letters + 1 : NULL);
		r = take_flag(a, f, NULL);
	}
	return r;
}

static int check_count(const struct command *c, int n, char **operands)
{
	if (n < c->least)
		return usage_error("%s: too few arguments; usage: atomicio %s "
				   "[OPTIONS] %s",
				   c->name, c->name, c->operands);
	if (c->most >= 0 && n > c->most)
		return usage_error("%s: unexpected '%s'; usage: atomicio %s "
				   "[OPTIONS]%s%s",
				   c->name, operands[c->most], c->name,
				   *c->operands ? " " : "", c->operands);
	return 0;
}

int args_parse(const struct command *command, const struct flag *flags,
	       int argc, char **argv, int *ret_exit)
{
	struct args a = {
		.command = command, .flags = flags, .argc = argc, .argv = argv};
	bool only_operands = false;
	int n = 0, r = 0;

	for (; a.at < argc && !r && !a.help; a.at++) {
		char *word = argv[a.at];

		if (only_operands || word[0] != '-' || !word[1]) {
			argv[n++] = word;
			only_operands = only_operands || command->runs;
		} else if (!strcmp(word, "--")) {
			only_operands = true;
		} else if (word[1] == '-') {
			r = take_long(&a, word + 2);
		} else {
			r = take_letters(&a, word + 1);
		}
	}
	if (!r && a.help)
		print_help(command, flags);
	else if (!r)
		r = check_count(command, n, argv);
	argv[n] = NULL;
	*ret_exit = r;
	return r || a.help ? -1 : n;
}
