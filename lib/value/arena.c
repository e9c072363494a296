/* SPDX-License-Identifier: MIT
 *
 * arena.c - memory that is given back all at once.
 *
 * Chunks double from 1 KiB to 1 MiB, so that a small document is one or two
 * calls of malloc, and a large one wastes little.  What is larger than a
 * quarter of a chunk gets a chunk of its own, and does not end the present one.
 */
#include <stdlib.h>
#include <string.h>

#include "value/inside.h"

#define CHUNK_FIRST ((size_t)1024)
#define CHUNK_MOST  ((size_t)1 << 20)
#define ALIGN       ((size_t)8)

struct atio_chunk {
	struct atio_chunk *next;
	/* the bytes follow */
};

static size_t aligned(size_t size)
{
	return (size + ALIGN - 1) & ~(ALIGN - 1);
}

static char *new_chunk(struct atio_arena *arena, size_t bytes)
{
	struct atio_chunk *chunk;

	if (bytes > SIZE_MAX - sizeof(*chunk))
		return NULL;
	chunk = malloc(sizeof(*chunk) + bytes);
	if (!chunk)
		return NULL;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return (char *)(chunk + 1);
}

static void *get_slow(struct atio_arena *arena, size_t size)
{
	size_t next = arena->size ? arena->size * 2 : CHUNK_FIRST;
	char *bytes;

	if (next > CHUNK_MOST)
		next = CHUNK_MOST;
	if (size > next / 4)
		return new_chunk(arena, size);
	bytes = new_chunk(arena, next);
	if (!bytes)
		return NULL;
	arena->size = next;
	arena->next = bytes + size;
	arena->end = bytes + next;
	return bytes;
}

void *atio_arena_get(struct atio_arena *arena, size_t size)
{
	char *bytes = arena->next;

	if (size > SIZE_MAX - ALIGN)
		return NULL;
	size = aligned(size);
	if (size > (size_t)(arena->end - bytes))
		return get_slow(arena, size);
	arena->next += size;
	return bytes;
}

char *atio_arena_text(struct atio_arena *arena, const char *text, size_t len)
{
	char *copy = len < SIZE_MAX ? atio_arena_get(arena, len + 1) : NULL;

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void atio_arena_shrink(struct atio_arena *arena, char *bytes, size_t size,
		       size_t used)
{
	if (bytes + aligned(size) == arena->next)
		arena->next = bytes + aligned(used);
}

void atio_arena_go_back(struct atio_arena *arena, const struct atio_arena *then)
{
	struct atio_chunk *chunk;

	while (arena->chunks != then->chunks) {
		chunk = arena->chunks;
		arena->chunks = chunk->next;
		free(chunk);
	}
	*arena = *then;
}

void atio_arena_done(struct atio_arena *arena)
{
	struct atio_chunk *chunk, *next;

	for (chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	*arena = (struct atio_arena){0};
}
