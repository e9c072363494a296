/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

#define LONGEST    ((size_t)16384) /* of a changed input */
#define STEPS_MOST 6
#define PIECE_MOST 64

struct change {
	const struct pool *pool;
	uint64_t *random;
	char *bytes;
	size_t len;
};

/* ---- the generator: splitmix64 ---------------------------------------- */

static uint64_t next(uint64_t *random)
{
	uint64_t x = *random += 0x9E3779B97F4A7C15ull;

	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ x >> 27) * 0x94D049BB133111EBull;
	return x ^ x >> 31;
}

static size_t below(uint64_t *random, size_t n)
{
	return n ? (size_t)(next(random) % n) : 0;
}

/* ---- inputs ---------------------------------------------------------- */

static int set(struct input *input, const char *bytes, size_t len)
{
	char *copy = malloc(len ? len : 1);

	if (!copy)
		return -1;
	if (len)
		memcpy(copy, bytes, len);
	free(input->bytes);
	*input = (struct input){copy, len};
	return 0;
}

void pool_add(struct pool *pool, const char *bytes, size_t len)
{
	/* A half is for those that are found. */
	if (pool->count < POOL_MOST / 2 &&
	    set(&pool->inputs[pool->count], bytes, len) == 0)
		pool->kept = ++pool->count;
}

void pool_change(struct pool *pool, uint64_t *random, const char *bytes,
		 size_t len)
{
	size_t at = pool->count;

	if (below(random, 4))
		return;
	if (at == POOL_MOST)
		at = pool->kept + below(random, POOL_MOST - pool->kept);
	if (set(&pool->inputs[at], bytes, len) == 0 && at == pool->count)
		pool->count++;
}

void pool_done(struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		free(pool->inputs[i].bytes);
	pool->count = 0;
}

static const struct input *any_input(const struct change *c)
{
	return &c->pool->inputs[below(c->random, c->pool->count)];
}

/* ---- changes --------------------------------------------------------- */

/* Room for @len bytes at @at; how many there is. */
static size_t open_gap(struct change *c, size_t at, size_t len)
{
	if (c->len >= LONGEST)
		return 0;
	if (len > LONGEST - c->len)
		len = LONGEST - c->len;
	memmove(c->bytes + at + len, c->bytes + at, c->len - at);
	c->len += len;
	return len;
}

static void flip_bit(struct change *c)
{
	if (c->len)
		c->bytes[below(c->random, c->len)] ^=
			(char)(1 << below(c->random, 8));
}

/* One that means something in one of the formats, or any. */
static char any_char(struct change *c)
{
	static const char special[] =
		"{}[]()<>\"'\\/:;,.=-+*&!?|#%@`~^_$ \t\r\n"
		"0129aeEfinrtuxyzTZ\x7f\x80\xc3\xff";

	if (below(c->random, 4))
		return special[below(c->random, sizeof(special))];
	return (char)below(c->random, 256);
}

static void set_char(struct change *c)
{
	if (c->len)
		c->bytes[below(c->random, c->len)] = any_char(c);
}

static void insert_char(struct change *c)
{
	size_t at = below(c->random, c->len + 1);

	if (open_gap(c, at, 1))
		c->bytes[at] = any_char(c);
}

static void delete_piece(struct change *c)
{
	size_t at, len = 1 + below(c->random, PIECE_MOST);

	if (!c->len)
		return;
	at = below(c->random, c->len);
	if (len > c->len - at)
		len = c->len - at;
	memmove(c->bytes + at, c->bytes + at + len, c->len - at - len);
	c->len -= len;
}

/* A piece of any input, once or many times in a row. */
static void insert_piece(struct change *c)
{
	const struct input *other = any_input(c);
	size_t from = below(c->random, other->len);
	size_t len = 1 + below(c->random, PIECE_MOST);
	size_t at = below(c->random, c->len + 1), i;
	size_t times = below(c->random, 8) ? 1 : 1 + below(c->random, 100);

	if (!other->len)
		return;
	if (len > other->len - from)
		len = other->len - from;
	times = open_gap(c, at, len * times) / len;
	for (i = 0; i < times; i++)
		memcpy(c->bytes + at + i * len, other->bytes + from, len);
}

/* Go on with another input. */
static void splice(struct change *c)
{
	const struct input *other = any_input(c);
	size_t from = below(c->random, other->len);

	c->len = below(c->random, c->len + 1);
	if (other->len)
		memcpy(c->bytes + c->len, other->bytes + from,
		       open_gap(c, c->len, other->len - from));
}

static void copy_within(struct change *c)
{
	size_t from = below(c->random, c->len);
	size_t to = below(c->random, c->len);
	size_t len = 1 + below(c->random, PIECE_MOST);
	size_t most = c->len - (from > to ? from : to);

	if (c->len)
		memmove(c->bytes + to, c->bytes + from,
			len < most ? len : most);
}

/* A digit becomes another one, or many. */
static void change_number(struct change *c)
{
	size_t at = below(c->random, c->len), len;

	while (at < c->len && (c->bytes[at] < '0' || c->bytes[at] > '9'))
		at++;
	if (at == c->len)
		return;
	len = open_gap(c, at, below(c->random, 4) ? 0 : below(c->random, 40));
	for (; len; len--)
		c->bytes[at++] = (char)('0' + below(c->random, 10));
	c->bytes[at] = (char)('0' + below(c->random, 10));
}

size_t mutate(const struct pool *pool, uint64_t *random, char *bytes)
{
	static void (*const changes[])(struct change * c) = {
		flip_bit,     set_char, insert_char, delete_piece,
		insert_piece, splice,   copy_within, change_number,
	};
	struct change c = {.pool = pool, .random = random, .bytes = bytes};
	const struct input *begin = any_input(&c);
	size_t steps = 1 + below(random, STEPS_MOST);

	c.len = begin->len;
	if (c.len)
		memcpy(bytes, begin->bytes, c.len);
	while (steps--)
		changes[below(random, sizeof(changes) / sizeof(*changes))](&c);
	return c.len;
}
