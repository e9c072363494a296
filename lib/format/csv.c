/* SPDX-License-Identifier: MIT
 *
 * csv.c - CSV as RFC 4180 has it: a list of maps with strings.
 *
 * The first row is the header: the keys of the maps that all other rows are.
 * A row with another number of cells is refused, for nothing can be made of it
 * that would be written back as it was.  Cells are kept as they are, blanks
 * around them, too.
 *
 * Where the RFC leaves something open:
 *
 *	ends of lines  CR LF or LF.  A CR alone is refused outside of quotes.
 *	               The root remembers CR LF (ATIO_STYLE_CRLF), and then they
 *	               are written, too; otherwise LF, as files are on Linux.
 *	empty lines    are passed over.  Therefore the only cell of a row is
 *	               quoted when it is empty.
 *	names          of the header are neither empty nor there twice.
 *	a header only  is an empty list: its names are nowhere in a tree.
 *	a NUL          is refused.
 */
#include <errno.h>
#include <string.h>

#include "format/codec.h"

#define BOM       "\xEF\xBB\xBF"
#define BOM_LEN   3
#define NAME_MOST 60 /* bytes of a name in a message */

/* ---- reading --------------------------------------------------------- */

struct csv_reader {
	struct atio_builder *b;
	const char *text;
	size_t len, at;
	/* Names of the header: keys, in their order.  Values are unused. */
	struct atio_node *header;
};

/* A cell as it was written. */
struct csv_cell {
	size_t offset, length; /* with its quotes */
	size_t doubled;        /* quotes within it that stand for one */
	bool quoted;
};

static bool at_line_end(const struct csv_reader *c)
{
	return c->at == c->len || c->text[c->at] == '\n' ||
	       (c->text[c->at] == '\r' && c->at + 1 < c->len &&
		c->text[c->at + 1] == '\n');
}

static void skip_line_end(struct csv_reader *c)
{
	if (c->at < c->len && c->text[c->at] == '\r')
		c->at++;
	if (c->at < c->len)
		c->at++;
}

static int scan_quoted(struct csv_reader *c, struct csv_cell *cell)
{
	const char *quote;

	for (;;) {
		c->at++;
		quote = memchr(c->text + c->at, '"', c->len - c->at);
		if (!quote)
			return atio_build_fail(c->b, EINVAL, cell->offset,
					       "this quote is never closed");
		c->at = quote - c->text + 1;
		if (c->at == c->len || c->text[c->at] != '"')
			break;
		cell->doubled++;
	}
	if (at_line_end(c) || c->text[c->at] == ',')
		return 0;
	return atio_build_fail(c->b, EINVAL, c->at,
			       "text behind the closing quote of a cell");
}

static int scan_plain(struct csv_reader *c)
{
	for (; !at_line_end(c) && c->text[c->at] != ','; c->at++) {
		if (c->text[c->at] == '"')
			return atio_build_fail(c->b, EINVAL, c->at,
					       "a quote in a cell that does "
					       "not begin with one");
		if (c->text[c->at] == '\r')
			return atio_build_fail(c->b, EINVAL, c->at,
					       "a CR without LF in a cell "
					       "without quotes");
	}
	return 0;
}

/* From its first byte to the comma, end of line or end of text behind it. */
static int scan_cell(struct csv_reader *c, struct csv_cell *cell)
{
	int r;

	*cell = (struct csv_cell){.offset = c->at};
	cell->quoted = c->at < c->len && c->text[c->at] == '"';
	r = cell->quoted ? scan_quoted(c, cell) : scan_plain(c);
	cell->length = c->at - cell->offset;
	return r;
}

static size_t content_length(const struct csv_cell *cell)
{
	return cell->length - (cell->quoted ? 2 : 0) - cell->doubled;
}

/* The content of @cell; @to has room for it. */
static void put_content(const struct csv_reader *c, const struct csv_cell *cell,
			char *to)
{
	const char *from = c->text + cell->offset + cell->quoted;
	const char *end = c->text + cell->offset + cell->length - cell->quoted;
	const char *quote;

	while ((quote = memchr(from, '"', end - from))) {
		quote++;
		memcpy(to, from, quote - from);
		to += quote - from;
		from = quote + 1; /* the other one of the pair */
	}
	memcpy(to, from, end - from);
}

static int build_cell(struct csv_reader *c, const struct csv_cell *cell)
{
	size_t len = content_length(cell);
	char *room;

	c->b->offset = cell->offset;
	c->b->length = cell->length;
	if (!cell->doubled)
		return atio_build_text(c->b, ATIO_STRING,
				       c->text + cell->offset + cell->quoted,
				       len);
	room = atio_build_room(c->b, len);
	if (!room)
		return c->b->failed;
	put_content(c, cell, room);
	return atio_build_owned_text(c->b, ATIO_STRING, room, len);
}

/* The next cell of the header. */
static int add_name(struct csv_reader *c, const struct csv_cell *cell)
{
	struct atio_doc *doc = c->b->doc;
	size_t len = content_length(cell);
	size_t shown = len < NAME_MOST ? len : NAME_MOST;
	struct atio_node *key;
	char *text;

	if (c->header->count >= c->b->limits.columns)
		return atio_build_fail(c->b, EFBIG, cell->offset,
				       "more than %zu columns",
				       c->b->limits.columns);
	if (!len)
		return atio_build_fail(c->b, EINVAL, cell->offset,
				       "an empty name in the header");
	if (len > c->b->limits.key_bytes)
		return atio_build_fail(c->b, EFBIG, cell->offset,
				       "a name of more than %zu bytes",
				       c->b->limits.key_bytes);
	text = atio_arena_get(&doc->arena, len + 1);
	key = atio_node_new(doc, ATIO_STRING);
	if (!text || !key)
		return atio_build_fail(c->b, ENOMEM, cell->offset, "no memory");
	put_content(c, cell, text);
	text[len] = '\0';
	key->text = text;
	key->count = len;
	key->offset = cell->offset;
	key->length = cell->length;
	if (atio_map_find(c->header, key) >= 0)
		return atio_build_fail(c->b, EEXIST, cell->offset,
				       "the name '%.*s' twice in the header",
				       (int)atio_utf8_check(text, shown), text);
	if (atio_map_set(doc, c->header, key, key) < 0)
		return atio_build_fail(c->b, ENOMEM, cell->offset, "no memory");
	return 0;
}

static int read_header(struct csv_reader *c)
{
	struct csv_cell cell;
	int r;

	for (;;) {
		r = scan_cell(c, &cell);
		if (!r)
			r = add_name(c, &cell);
		if (r < 0)
			return r;
		if (at_line_end(c))
			return 0;
		c->at++;
	}
}

/* The name of a column once more: all rows share its text, which may be long.
 */
static int build_key(struct csv_reader *c, const struct atio_node *name)
{
	struct atio_node *key = atio_node_new(c->b->doc, ATIO_STRING);

	if (!key)
		return atio_build_fail(c->b, ENOMEM, c->at, "no memory");
	key->text = name->text;
	key->count = name->count;
	c->b->offset = name->offset;
	c->b->length = name->length;
	return atio_build_place(c->b, key);
}

/* One cell of a row with its key. */
static int read_member(struct csv_reader *c, size_t column)
{
	struct csv_cell cell;
	int r;

	if (column == c->header->count)
		return atio_build_fail(c->b, EINVAL, c->at,
				       "more cells than the header has: %zu",
				       column);
	r = scan_cell(c, &cell);
	if (r < 0)
		return r;
	r = build_key(c, c->header->pairs[column].key);
	r = r < 0 ? r : build_cell(c, &cell);
	/* Nothing between two commas has a place, too. */
	if (!r && !cell.length)
		c->b->stack[c->b->count - 1]->offset =
			(uint32_t)(cell.offset + c->b->shift);
	return r;
}

static int read_row(struct csv_reader *c)
{
	size_t column;
	int r;

	c->b->offset = c->at;
	c->b->length = 1;
	r = atio_build_map(c->b);
	for (column = 0; !r; column++) {
		r = read_member(c, column);
		if (r < 0 || at_line_end(c))
			break;
		c->at++;
	}
	if (r < 0)
		return r;
	if (column + 1 < c->header->count)
		return atio_build_fail(c->b, EINVAL, c->at,
				       "fewer cells than the header has: %zu "
				       "of %u",
				       column + 1, c->header->count);
	return atio_build_end_at(c->b, c->at);
}

/* To the next line that is not empty; false: there is none. */
static bool next_line(struct csv_reader *c)
{
	while (c->at < c->len && at_line_end(c))
		skip_line_end(c);
	return c->at < c->len;
}

static int read_rows(struct csv_reader *c)
{
	int r;

	c->header = atio_node_new(c->b->doc, ATIO_MAP);
	if (!c->header)
		return atio_build_fail(c->b, ENOMEM, 0, "no memory");
	(void)next_line(c);
	r = read_header(c);
	if (!r && c->at < c->len && c->text[c->at] == '\r')
		c->b->doc->root->style = ATIO_STYLE_CRLF;
	while (!r && next_line(c))
		r = read_row(c);
	return r < 0 ? r : atio_build_end_at(c->b, c->len);
}

/* A table that was never begun has no rows. */
static bool is_blank(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!memchr(" \t\r\n", text[i], 4))
			return false;
	return true;
}

static int csv_load(const struct atio_codec *codec, struct atio_builder *b,
		    const char *text, size_t len)
{
	struct csv_reader c = {.b = b, .text = text, .len = len};
	const char *nul = memchr(text, '\0', len);
	int r;

	if (nul)
		return atio_build_fail(b, EINVAL, nul - text,
				       "a NUL, which CSV cannot have");
	b->length = len ? 1 : 0; /* completed by its end, as that of rows */
	r = atio_build_seq(b);
	if (r < 0)
		return r;
	if (!is_blank(text, len))
		return read_rows(&c);
	b->doc->traits |= ATIO_DOC_EMPTY;
	return atio_build_end_at(b, len);
}

/* ---- writing --------------------------------------------------------- */

struct csv_writer {
	struct atio_out *out;
	struct atio_value_error *err;
	const struct atio_node *header; /* the first map */
	const char *line_end;
};

/* Whether a cell would be read as another one, or not at all, without quotes.
 * A line of nothing but blanks could make a blank document, and a BOM at the
 * very beginning is no content. */
static bool needs_quotes(const char *text, size_t len, bool only_cell)
{
	size_t i;

	if (len >= BOM_LEN && memcmp(text, BOM, BOM_LEN) == 0)
		return true;
	for (i = 0; i < len; i++) {
		switch (text[i]) {
		case ',':
		case '"':
		case '\r':
		case '\n':
			return true;
		case ' ':
		case '\t':
			break;
		default:
			only_cell = false;
		}
	}
	return only_cell;
}

static void put_quoted(struct atio_out *out, const char *text, size_t len)
{
	const char *end = text + len, *quote;

	atio_out_char(out, '"');
	while ((quote = memchr(text, '"', end - text))) {
		quote++;
		atio_out_put(out, text, quote - text);
		atio_out_char(out, '"');
		text = quote;
	}
	atio_out_put(out, text, end - text);
	atio_out_char(out, '"');
}

static int put_cell(struct csv_writer *w, const struct atio_node *cell,
		    const struct atio_step *step)
{
	if (cell->type != ATIO_STRING)
		return atio_value_fail(w->err, EOPNOTSUPP, step,
				       "a cell of CSV is a string, not: %s",
				       atio_type_name(cell->type));
	if (memchr(cell->text, '\0', cell->count))
		return atio_value_fail(w->err, EOPNOTSUPP, step,
				       "CSV cannot have a NUL");
	if (needs_quotes(cell->text, cell->count, w->header->count == 1))
		put_quoted(w->out, cell->text, cell->count);
	else
		atio_out_put(w->out, cell->text, cell->count);
	return 0;
}

static int put_header(struct csv_writer *w, const struct atio_step *row)
{
	const struct atio_node *key;
	uint32_t i;
	int r;

	if (w->header->type != ATIO_MAP || !w->header->count)
		return atio_value_fail(w->err, EOPNOTSUPP, row,
				       "a row of CSV is a map with keys");
	for (i = 0; i < w->header->count; i++) {
		key = w->header->pairs[i].key;
		struct atio_step step = {row, key, 0};

		if (!key->count)
			return atio_value_fail(w->err, EOPNOTSUPP, &step,
					       "a column of CSV has a name");
		if (i)
			atio_out_char(w->out, ',');
		r = put_cell(w, key, &step);
		if (r < 0)
			return r;
	}
	atio_out_text(w->out, w->line_end);
	return 0;
}

/* The value of the column @i in @row, where it most often is at @i, too. */
static const struct atio_node *member(const struct csv_writer *w,
				      const struct atio_node *row, uint32_t i)
{
	const struct atio_node *key = w->header->pairs[i].key;
	const struct atio_node *same = row->pairs[i].key;
	long at;

	if (same->type == ATIO_STRING && same->count == key->count &&
	    memcmp(same->text, key->text, key->count) == 0)
		return row->pairs[i].value;
	at = atio_map_find(row, key);
	return at < 0 ? NULL : row->pairs[at].value;
}

static int put_row(struct csv_writer *w, const struct atio_node *row,
		   const struct atio_step *up)
{
	const struct atio_node *cell;
	uint32_t i;
	int r;

	if (row->type != ATIO_MAP || row->count != w->header->count)
		return atio_value_fail(w->err, EOPNOTSUPP, up,
				       "rows of CSV are maps of the same keys");
	for (i = 0; i < row->count; i++) {
		struct atio_step step = {up, w->header->pairs[i].key, 0};

		cell = member(w, row, i);
		if (!cell)
			return atio_value_fail(w->err, EOPNOTSUPP, &step,
					       "rows of CSV are maps of the "
					       "same keys");
		if (i)
			atio_out_char(w->out, ',');
		r = put_cell(w, cell, &step);
		if (r < 0)
			return r;
	}
	atio_out_text(w->out, w->line_end);
	return 0;
}

static int csv_dump(const struct atio_codec *codec,
		    const struct atio_node *root, struct atio_out *out,
		    struct atio_value_error *err)
{
	struct csv_writer w = {.out = out, .err = err, .line_end = "\n"};
	uint32_t i;
	int r = 0;

	if (root->type != ATIO_SEQ)
		return atio_value_fail(err, EOPNOTSUPP, NULL,
				       "CSV is a list of maps");
	if (root->style == ATIO_STYLE_CRLF)
		w.line_end = "\r\n";
	for (i = 0; i < root->count && !r && !out->failed; i++) {
		struct atio_step step = {NULL, NULL, i};

		if (i == 0) {
			w.header = root->items[0];
			r = put_header(&w, &step);
		}
		if (!r)
			r = put_row(&w, root->items[i], &step);
	}
	return r;
}

static const char *const csv_suffixes[] = {".csv", NULL};

const struct atio_codec atio_codec_csv = {
	.name = "csv",
	.suffixes = csv_suffixes,
	.target = ATIO_TO_CSV,
	.load = csv_load,
	.dump = csv_dump,
	.wants_blank = true,
};
