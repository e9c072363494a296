/* SPDX-License-Identifier: MIT
 *
 * yaml_gap.c - what stands between the values of a YAML stream: comments,
 * indicators, directives, marks of documents.
 *
 * libyaml tells of none of the comments, and of their rules it does not know
 * that a blank must stand before them.  All that stands between the end of one
 * scalar and the begin of the next is blanks, comments, indicators, anchors and
 * tags; so a # there, and only there, begins a comment.
 *
 * libyaml wants `---` before each document but the first, and stops at unknown
 * directives and at a BOM between documents.  So it gets the stream in parts,
 * each of which ends before a line `...`, or before a BOM and `---`, and what
 * comes before the first document of a part is read here.
 */
#include <errno.h>
#include <string.h>

#include "format/yaml.h"

/* libyaml compares each %TAG with all others, and each tag with all of them. */
#define TAG_DIRECTIVES_MOST 100

#define BOM "\xEF\xBB\xBF"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_break(char c)
{
	return c == '\n' || c == '\r';
}

static size_t end_of_line(const struct atio_yaml_source *source, size_t at,
			  size_t end)
{
	while (at < end && !is_break(source->text[at]))
		at++;
	return at;
}

static size_t pass_blanks(const struct atio_yaml_source *source, size_t at,
			  size_t end)
{
	while (at < end && is_blank(source->text[at]))
		at++;
	return at;
}

/* ---- comments -------------------------------------------------------- */

static int bad_character(struct atio_yaml_gaps *gaps, size_t at)
{
	return atio_build_fail(gaps->b, EINVAL, at,
			       "a control character outside of quotes");
}

/* The comment at @at, with nothing but blanks before it on its line; *ret_end:
 * the end of the line. */
static int pass_first_comment(struct atio_yaml_gaps *gaps, size_t at,
			      size_t *ret_end)
{
	size_t end = end_of_line(gaps->source, at, gaps->source->len), bad;

	bad = atio_yaml_source_unprintable(gaps->source, at, end);
	if (bad < end)
		return bad_character(gaps, bad);
	gaps->comments = true;
	*ret_end = end;
	return 0;
}

/* The comment at @at, if it is one. */
static int pass_comment(struct atio_yaml_gaps *gaps, size_t at, size_t *ret_end)
{
	const char *text = gaps->source->text;

	if (at > gaps->source->begin && !is_blank(text[at - 1]) &&
	    !is_break(text[at - 1]))
		return atio_build_fail(gaps->b, EINVAL, at,
				       "no blank before a comment");
	return pass_first_comment(gaps, at, ret_end);
}

/* libyaml takes the ? of [?a] for an indicator; since YAML 1.2 it is not. */
static bool is_word(const struct atio_yaml_source *source, size_t at)
{
	return at < source->end && !is_blank(source->text[at]) &&
	       !is_break(source->text[at]);
}

int atio_yaml_gap(struct atio_yaml_gaps *gaps, size_t end)
{
	const char *text = gaps->source->text;
	size_t at = gaps->at;

	while (at < end) {
		if (text[at] == '#') {
			if (pass_comment(gaps, at, &at) < 0)
				return gaps->b->failed;
			continue;
		}
		if (text[at] == '?' && is_word(gaps->source, at + 1))
			return atio_build_fail(gaps->b, EINVAL, at,
					       "a word in brackets that begins "
					       "with '?' has to be quoted");
		at++;
	}
	gaps->at = at;
	return 0;
}

/* ---- anchors and tags ------------------------------------------------ */

static bool ends_property(char c)
{
	return is_blank(c) || is_break(c) || strchr(",[]{}", c);
}

static int pass_anchor(struct atio_yaml_gaps *gaps, size_t limit)
{
	const char *text = gaps->source->text;
	size_t at = gaps->at + 1;

	while (at < limit &&
	       (text[at] == '_' || text[at] == '-' ||
		(text[at] >= '0' && text[at] <= '9') ||
		((text[at] | 0x20) >= 'a' && (text[at] | 0x20) <= 'z')))
		at++;
	/* Even behind a node that is nothing, as in `&a: b`. */
	if (at < gaps->source->end && !ends_property(text[at]))
		return atio_build_fail(gaps->b, EINVAL, at,
				       "an anchor of other than letters, "
				       "digits, _ and -");
	gaps->at = at;
	return 0;
}

static void pass_tag(struct atio_yaml_gaps *gaps, size_t limit)
{
	const char *text = gaps->source->text;
	bool verbatim = gaps->at + 1 < limit && text[gaps->at + 1] == '<';
	size_t at = gaps->at;

	while (at < limit && !is_blank(text[at]) && !is_break(text[at]) &&
	       (verbatim || !ends_property(text[at])))
		at++;
	gaps->at = at;
}

int atio_yaml_properties(struct atio_yaml_gaps *gaps, size_t limit,
			 struct atio_yaml_properties *ret)
{
	const char *text = gaps->source->text;
	bool anchor = false;

	ret->tag = SIZE_MAX;
	while (gaps->at < limit) {
		if (text[gaps->at] == '&' && !anchor) {
			anchor = true;
			if (pass_anchor(gaps, limit) < 0)
				return gaps->b->failed;
		} else if (text[gaps->at] == '!' && ret->tag == SIZE_MAX) {
			ret->tag = gaps->at;
			pass_tag(gaps, limit);
		} else if (text[gaps->at] == '#') {
			if (pass_comment(gaps, gaps->at, &gaps->at) < 0)
				return gaps->b->failed;
		} else if (is_blank(text[gaps->at]) ||
			   is_break(text[gaps->at])) {
			gaps->at++;
		} else {
			break;
		}
	}
	ret->content = gaps->at;
	return 0;
}

/* ---- block scalars --------------------------------------------------- */

static size_t spaces_at(const char *text, size_t at, size_t end)
{
	size_t n = 0;

	while (at + n < end && text[at + n] == ' ')
		n++;
	return n;
}

static size_t next_line(const char *text, size_t at, size_t end)
{
	if (at + 1 < end && text[at] == '\r' && text[at + 1] == '\n')
		return at + 2;
	return at < end ? at + 1 : end;
}

/* The indentation of the lines from @at to @end: the least of those that are
 * not empty. */
static size_t indent_of(const struct atio_yaml_source *source, size_t at,
			size_t end)
{
	size_t least = SIZE_MAX, n, line_end;

	for (; at < end; at = next_line(source->text, line_end, end)) {
		line_end = end_of_line(source, at, end);
		n = spaces_at(source->text, at, line_end);
		if (at + n < line_end && n < least)
			least = n;
	}
	return least;
}

/* Where the last line ends that is more than indentation. */
static size_t last_content(const struct atio_yaml_source *source, size_t header,
			   size_t end)
{
	size_t at = next_line(source->text, header, end), line_end;
	size_t indent = indent_of(source, at, end), last = header;

	for (; at < end; at = next_line(source->text, line_end, end)) {
		line_end = end_of_line(source, at, end);
		if (line_end - at > indent ||
		    spaces_at(source->text, at, line_end) < line_end - at)
			last = line_end;
	}
	return last;
}

int atio_yaml_block_scalar(struct atio_yaml_gaps *gaps, size_t begin,
			   size_t end, size_t *ret_end)
{
	const struct atio_yaml_source *source = gaps->source;
	const char *text = source->text;
	size_t header = begin + 1, line_end;
	bool keep = false;

	while (header < end && strchr("+-123456789", text[header]))
		keep |= text[header++] == '+';
	line_end = end_of_line(source, header, end);
	gaps->at = header;
	if (atio_yaml_gap(gaps, line_end) < 0)
		return gaps->b->failed;
	gaps->at = end;
	*ret_end = last_content(source, line_end, end);
	if (*ret_end == line_end)
		*ret_end = header; /* nothing: less a comment */
	if (!keep)
		return 0;
	if (end > line_end && is_break(text[end - 1]))
		end -= end - 1 > line_end && text[end - 1] == '\n' &&
				       text[end - 2] == '\r'
			       ? 2
			       : 1;
	if (end > *ret_end && end > line_end)
		*ret_end = end;
	return 0;
}

/* ---- directives ------------------------------------------------------ */

struct prelude {
	bool version;     /* %YAML was there */
	size_t tags;      /* how many %TAG */
	size_t first_tag; /* where the first one is */
	size_t directive; /* where the first directive is; SIZE_MAX: none */
};

/* The word at *at of a line; its length. */
static size_t word(const struct atio_yaml_source *source, size_t *at,
		   size_t end)
{
	size_t begin;

	*at = begin = pass_blanks(source, *at, end);
	while (begin < end && !is_blank(source->text[begin]))
		begin++;
	return begin - *at;
}

/* "1.2", "1.1"; one of another minor number is read as 1.2. */
static bool is_version(const char *text, size_t len)
{
	size_t i;

	if (len < 3 || text[0] != '1' || text[1] != '.')
		return false;
	for (i = 2; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

static int yaml_directive(struct atio_yaml_gaps *gaps, struct prelude *prelude,
			  size_t at, size_t end)
{
	const struct atio_yaml_source *source = gaps->source;
	size_t directive = at, len;

	if (prelude->version)
		return atio_build_fail(gaps->b, EINVAL, at,
				       "a second %%YAML directive");
	prelude->version = true;
	at += strlen("%YAML");
	len = word(source, &at, end);
	if (!is_version(source->text + at, len))
		return atio_build_fail(gaps->b, EINVAL, len ? at : directive,
				       "not a version 1.x of YAML");
	at += len;
	len = word(source, &at, end);
	if (len && source->text[at] != '#')
		return atio_build_fail(gaps->b, EINVAL, at,
				       "more than a version after %%YAML");
	return 0;
}

static bool is_name(const struct atio_yaml_source *source, size_t at,
		    size_t len, const char *name)
{
	return len == strlen(name) && memcmp(source->text + at, name, len) == 0;
}

static int pass_directive(struct atio_yaml_gaps *gaps, struct prelude *prelude,
			  size_t at, size_t end)
{
	const struct atio_yaml_source *source = gaps->source;
	size_t len = word(source, &at, end), i;
	int r = 0;

	if (prelude->directive == SIZE_MAX)
		prelude->directive = at;
	if (is_name(source, at, len, "%YAML")) {
		r = yaml_directive(gaps, prelude, at, end);
	} else if (is_name(source, at, len, "%TAG")) {
		if (!prelude->tags++)
			prelude->first_tag = at;
		if (prelude->tags > TAG_DIRECTIVES_MOST)
			return atio_build_fail(gaps->b, EFBIG, at,
					       "more than %d %%TAG directives",
					       TAG_DIRECTIVES_MOST);
	}
	for (i = at; r == 0 && i < end; i++)
		if (source->text[i] == '#' && is_blank(source->text[i - 1]))
			r = pass_comment(gaps, i, &i);
	return r;
}

/* ---- parts ----------------------------------------------------------- */

/* Whether the mark of three characters is at @at, where a line begins. */
static bool is_mark(const struct atio_yaml_source *source, size_t at,
		    const char *mark)
{
	const char *text = source->text + at;

	return source->len - at >= 3 && memcmp(text, mark, 3) == 0 &&
	       (source->len - at == 3 || is_blank(text[3]) ||
		is_break(text[3]));
}

static bool is_bom(const struct atio_yaml_source *source, size_t at)
{
	return source->len - at >= 3 && memcmp(source->text + at, BOM, 3) == 0;
}

/* The first line from @at to @end that begins with the three @bytes. */
static size_t find_line(const struct atio_yaml_source *source, size_t at,
			size_t end, const char *bytes)
{
	const char *text = source->text, *hit;

	while ((hit = memmem(text + at, end - at, bytes, 3))) {
		at = (size_t)(hit - text);
		if (!at || is_break(text[at - 1]))
			return at;
		at++;
	}
	return end;
}

/* The line `...` that follows.  It is kept: a stream may have many parts that
 * end in another way before it. */
static size_t next_dots(struct atio_yaml_gaps *gaps, size_t at)
{
	const struct atio_yaml_source *source = gaps->source;
	size_t dots = gaps->dots;

	if (dots > at)
		return dots;
	dots = find_line(source, at, source->len, "...");
	while (dots < source->len && !is_mark(source, dots, "..."))
		dots = find_line(source, dots + 1, source->len, "...");
	gaps->dots = dots;
	return dots;
}

/* Where the part ends that begins at @at. */
static size_t find_end(struct atio_yaml_gaps *gaps, size_t at)
{
	const struct atio_yaml_source *source = gaps->source;
	size_t end = next_dots(gaps, at), bom;

	if (!source->odd)
		return end;
	bom = find_line(source, at, end, BOM);
	while (bom < end && !is_mark(source, bom + 3, "---"))
		bom = find_line(source, bom + 1, end, BOM);
	return bom;
}

/* The line `...` at *at. */
static int pass_end(struct atio_yaml_gaps *gaps, size_t *at)
{
	const struct atio_yaml_source *source = gaps->source;
	size_t end = end_of_line(source, *at, source->len);

	*at = pass_blanks(source, *at + 3, end);
	if (*at == end)
		return 0;
	if (source->text[*at] == '#')
		return pass_comment(gaps, *at, at);
	return atio_build_fail(gaps->b, EINVAL, *at,
			       "more than a comment after '...'");
}

/* One line before a document.  1: it was one; 0: the document begins. */
static int pass_line(struct atio_yaml_gaps *gaps, struct prelude *prelude,
		     size_t *at)
{
	const struct atio_yaml_source *source = gaps->source;
	size_t end = end_of_line(source, *at, source->len);
	size_t first = pass_blanks(source, *at, end);
	int r = 0;

	if (first < end && source->text[first] == '#')
		r = pass_first_comment(gaps, first, &first);
	else if (source->text[*at] == '%')
		r = pass_directive(gaps, prelude, *at, end);
	else if (is_mark(source, *at, "...") && prelude->directive == SIZE_MAX)
		r = pass_end(gaps, &first);
	else if (first < end)
		return 0;
	*at = next_line(source->text, end, source->len);
	return r < 0 ? r : 1;
}

int atio_yaml_next_part(struct atio_yaml_gaps *gaps)
{
	struct atio_yaml_source *source = gaps->source;
	struct prelude prelude = {.directive = SIZE_MAX};
	size_t at = gaps->next, end, begin;
	int r = 1;

	/* The lines before it are the part, too, for what looks back. */
	source->begin = at;
	while (r > 0 && at < source->len) {
		if (is_bom(source, at))
			at += 3;
		else
			r = pass_line(gaps, &prelude, &at);
	}
	if (r < 0)
		return r;
	if (prelude.directive != SIZE_MAX &&
	    (at == source->len || !is_mark(source, at, "---")))
		return atio_build_fail(gaps->b, EINVAL, at,
				       "no '---' after directives");
	if (at == source->len)
		return 0;
	end = find_end(gaps, at);
	begin = prelude.tags ? prelude.first_tag : at;
	gaps->at = at;
	gaps->next = end;
	r = atio_yaml_source_part(source, begin, at, end);
	return r < 0 ? atio_build_fail(gaps->b, -r, at, "out of memory") : 1;
}
