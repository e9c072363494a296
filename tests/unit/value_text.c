/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <math.h>

#include "value_text.h"

/* ---- from text ------------------------------------------------------- */

struct source {
	struct atio_builder *b;
	const char *s;
};

static void blanks(struct source *in)
{
	while (*in->s == ' ' || *in->s == '\n')
		in->s++;
}

static bool take(struct source *in, const char *what)
{
	size_t len = strlen(what);

	blanks(in);
	if (strncmp(in->s, what, len) != 0)
		return false;
	in->s += len;
	return true;
}

static void value(struct source *in);

/* The text between quotes, without them. */
static size_t quoted(struct source *in, char *text)
{
	size_t n = 0;
	char hex[3] = {0};

	for (in->s++; *in->s != '\''; in->s++) {
		NEED(*in->s && n < 4000);
		if (*in->s != '\\') {
			text[n++] = *in->s;
			continue;
		}
		in->s++;
		if (*in->s == 'x') {
			memcpy(hex, in->s + 1, 2);
			text[n++] = (char)strtol(hex, NULL, 16);
			in->s += 2;
			continue;
		}
		text[n++] = *in->s == 'n' ? '\n' : *in->s == '0' ? 0 : *in->s;
	}
	in->s++;
	return n;
}

/* Up to a blank or a sign of the notation. */
static size_t word(struct source *in, char *text)
{
	size_t n = strcspn(in->s, " ,]}\n");

	/* The colon of a map, not that of a time. */
	if (n && in->s[n - 1] == ':' && in->s[n] == ' ')
		n--;
	NEED(n && n < 2000);
	memcpy(text, in->s, n);
	text[n] = '\0';
	in->s += n;
	return n;
}

static void number(struct atio_builder *b, char *text)
{
	char *lexeme = strchr(text, '~');
	size_t len;
	double real;

	if (lexeme)
		*lexeme++ = '\0';
	len = strlen(text);
	if (strspn(text, "-+0123456789") == len && !lexeme)
		(void)atio_build_integer(b, text, len);
	else if (strspn(text, "-0123456789") == len && len > 18)
		(void)atio_build_bigint_as(b, text, lexeme, strlen(lexeme));
	else if (strspn(text, "-0123456789") == len)
		(void)atio_build_int_as(b, atoll(text), lexeme, strlen(lexeme));
	else if (strcmp(text + (*text == '-'), "inf") == 0)
		(void)atio_build_float(b, *text == '-' ? -INFINITY : INFINITY);
	else if (strcmp(text, "nan") == 0)
		(void)atio_build_float(b, NAN);
	else if (atio_float_parse(text, len, &real) == 0)
		(void)atio_build_float_as(b, real, lexeme,
					  lexeme ? strlen(lexeme) : 0);
	else
		NEED(!"a number");
}

static void plain(struct source *in)
{
	struct atio_builder *b = in->b;
	char text[2048];
	size_t len = word(in, text);

	if (strcmp(text, "<<") == 0) {
		b->style = ATIO_STYLE_PLAIN;
		(void)atio_build_string(b, text, len);
	} else if (strcmp(text, "null") == 0) {
		(void)atio_build_null(b);
	} else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
		(void)atio_build_bool(b, *text == 't');
	} else if (isdigit((unsigned char)*text) || *text == '-' ||
		   *text == '+' || strcmp(text, "inf") == 0 ||
		   strcmp(text, "nan") == 0) {
		number(b, text);
	} else {
		(void)atio_build_string(b, text, len);
	}
}

static void collection(struct source *in, const char *end)
{
	bool map = *end == '}';

	if (map)
		(void)atio_build_map(in->b);
	else
		(void)atio_build_seq(in->b);
	while (!take(in, end)) {
		(void)take(in, ",");
		value(in);
		if (!map)
			continue;
		NEED(take(in, ":"));
		value(in);
	}
	(void)atio_build_end(in->b);
}

static void value(struct source *in)
{
	char text[4096];
	size_t len;

	while (take(in, "&")) {
		len = word(in, text);
		(void)atio_build_anchor(in->b, text, len);
	}
	if (take(in, "!")) {
		len = word(in, text);
		(void)atio_build_tag(in->b, text, len);
		value(in);
	} else if (take(in, "*")) {
		len = word(in, text);
		(void)atio_build_alias(in->b, text, len);
	} else if (take(in, "[")) {
		collection(in, "]");
	} else if (take(in, "{")) {
		collection(in, "}");
	} else if (take(in, "@")) {
		len = word(in, text);
		(void)atio_build_datetime(in->b, text, len);
	} else if (take(in, "b'")) {
		in->s--;
		len = quoted(in, text);
		(void)atio_build_bytes(in->b, text, len);
	} else if (*in->s == '\'') {
		len = quoted(in, text);
		(void)atio_build_string(in->b, text, len);
	} else {
		plain(in);
	}
}

int build_of(struct atio_builder *b, const char *text)
{
	struct source in = {b, text};

	blanks(&in);
	if (!*in.s)
		return b->failed;
	value(&in);
	while (take(&in, "---")) {
		(void)atio_build_document(b);
		value(&in);
	}
	blanks(&in);
	NEED(!*in.s);
	return b->failed;
}

struct atio_doc *doc_within(const char *text, const struct atio_limits *limits)
{
	struct atio_builder *b;
	struct atio_doc *doc = NULL;

	NEED(atio_builder_new(limits, &b) == 0);
	if (build_of(b, text) < 0)
		printf("%s: %s\n", text, b->error.error.text);
	NEED(atio_builder_finish(b, &doc, NULL) == 0);
	atio_builder_free(b);
	return doc;
}

struct atio_doc *doc_of(const char *text)
{
	return doc_within(text, NULL);
}

/* ---- to text --------------------------------------------------------- */

#define TEXTS     4
#define TEXT_ROOM 20000

struct sink {
	char *text;
	size_t len;
};

static void put(struct sink *out, const char *text, size_t len)
{
	if (len > TEXT_ROOM - 1 - out->len)
		len = TEXT_ROOM - 1 - out->len;
	memcpy(out->text + out->len, text, len);
	out->len += len;
}

static void puts_to(struct sink *out, const char *text)
{
	put(out, text, strlen(text));
}

static void put_quoted(struct sink *out, const char *text, size_t len)
{
	char hex[8];
	size_t i;

	puts_to(out, "'");
	for (i = 0; i < len; i++) {
		if (text[i] == '\n') {
			puts_to(out, "\\n");
		} else if (!text[i]) {
			puts_to(out, "\\0");
		} else if ((unsigned char)text[i] < ' ') {
			(void)snprintf(hex, sizeof(hex), "\\x%02X", text[i]);
			puts_to(out, hex);
		} else {
			if (text[i] == '\'' || text[i] == '\\')
				puts_to(out, "\\");
			put(out, text + i, 1);
		}
	}
	puts_to(out, "'");
}

static void put_node(struct sink *out, const struct atio_node *node);

static void put_members(struct sink *out, const struct atio_node *node)
{
	const char *between = node->type == ATIO_STREAM ? " --- " : ", ";
	size_t i;

	for (i = 0; i < atio_node_count(node); i++) {
		if (i)
			puts_to(out, between);
		if (node->type == ATIO_MAP) {
			put_node(out, atio_node_key(node, i));
			puts_to(out, ": ");
		}
		put_node(out, atio_node_at(node, i));
	}
}

static void put_number(struct sink *out, const struct atio_node *node)
{
	char room[ATIO_FLOAT_TEXT_MAX];
	const char *text = room;
	size_t len;

	if (node->type == ATIO_INT)
		len = atio_int_text(atio_node_int(node), room);
	else if (node->type == ATIO_FLOAT)
		len = atio_float_text(atio_node_float(node), room);
	else
		text = atio_node_text(node, &len);
	put(out, text, len);
	text = atio_node_lexeme(node, &len);
	if (text) {
		puts_to(out, "~");
		put(out, text, len);
	}
}

static void put_node(struct sink *out, const struct atio_node *node)
{
	size_t len;
	const char *text = atio_node_text(node, &len);

	switch (atio_node_type(node)) {
	case ATIO_NULL:
		puts_to(out, "null");
		break;
	case ATIO_BOOL:
		puts_to(out, atio_node_bool(node) ? "true" : "false");
		break;
	case ATIO_INT:
	case ATIO_BIGINT:
	case ATIO_FLOAT:
		put_number(out, node);
		break;
	case ATIO_BYTES:
		puts_to(out, "b");
		put_quoted(out, text, len);
		break;
	case ATIO_STRING:
		if (len == 2 && memcmp(text, "<<", 2) == 0 &&
		    node->style == ATIO_STYLE_PLAIN)
			put(out, text, len);
		else
			put_quoted(out, text, len);
		break;
	case ATIO_DATETIME:
		puts_to(out, "@");
		put_number(out, node);
		break;
	case ATIO_SEQ:
	case ATIO_MAP:
		puts_to(out, node->type == ATIO_SEQ ? "[" : "{");
		put_members(out, node);
		puts_to(out, node->type == ATIO_SEQ ? "]" : "}");
		break;
	case ATIO_STREAM:
		put_members(out, node);
		break;
	case ATIO_TAGGED:
		puts_to(out, "!");
		put(out, text, len);
		puts_to(out, " ");
		put_node(out, atio_node_inner(node));
		break;
	case ATIO_ALIAS:
		puts_to(out, "*");
		put(out, text, len);
		break;
	}
}

const char *text_of(const struct atio_node *node)
{
	static char texts[TEXTS][TEXT_ROOM];
	static unsigned turn;
	struct sink out = {texts[turn++ % TEXTS], 0};

	if (atio_node_is_nothing(node))
		puts_to(&out, "nothing: ");
	put_node(&out, node);
	out.text[out.len] = '\0';
	return out.text;
}

/* ---- at random ------------------------------------------------------- */

unsigned pick(struct random *random, unsigned below)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return (unsigned)((random->state >> 20) % below);
}
