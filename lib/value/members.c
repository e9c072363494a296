/* SPDX-License-Identifier: MIT
 *
 * members.c - the members of seqs and maps: finding, adding, removing.
 *
 * A map with few members is searched from its begin.  A larger one has an
 * index: open addressing, at most half full, of positions in the array of
 * pairs.  Keys come from files that anybody may have written, so they are
 * hashed with SipHash-1-3 (J.-P. Aumasson, D. J. Bernstein, SipHash, 2012) and
 * a key of this process, lest somebody makes a file whose keys all fall into
 * one slot.
 *
 * An array that has been changed has an index, too, which says how much room it
 * has; without one it is as large as its count.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "value/inside.h"

/* How deep into a key that is a collection.  Keys that differ only below fall
 * into one slot, so it is more than anybody needs. */
#define HASH_DEPTH 1000

/* ---- hashing --------------------------------------------------------- */

static uint64_t secret[2];

static void make_secret(void)
{
	/* Should there be no randomness yet, the address has to do. */
	secret[0] = (uintptr_t)&secret ^ 0x9E3779B97F4A7C15ull;
	(void)!getrandom(secret, sizeof(secret), GRND_NONBLOCK);
}

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static uint64_t hash_bytes(uint64_t seed, const char *bytes, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t v[4], word;
	size_t i, n;

	(void)pthread_once(&once, make_secret);
	v[0] = secret[0] ^ 0x736F6D6570736575ull ^ seed;
	v[1] = secret[1] ^ 0x646F72616E646F6Dull;
	v[2] = secret[0] ^ 0x6C7967656E657261ull;
	v[3] = secret[1] ^ 0x7465646279746573ull;
	for (i = 0; i <= len; i += n) {
		n = len - i < 8 ? len - i : 8;
		word = n < 8 ? (uint64_t)len << 56 : 0;
		if (n)
			memcpy(&word, bytes + i, n);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
		if (n < 8)
			break;
	}
	v[2] ^= 0xFF;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t hash_node(const struct atio_node *node, int depth);

/* Equal maps may have their members in another order. */
static uint64_t hash_map(const struct atio_node *map, int depth)
{
	uint64_t sum = 0, pair[2];
	size_t i;

	for (i = 0; i < map->count; i++) {
		pair[0] = hash_node(map->pairs[i].key, depth);
		pair[1] = hash_node(map->pairs[i].value, depth);
		sum += hash_bytes(ATIO_MAP, (char *)pair, sizeof(pair));
	}
	return sum;
}

static uint64_t hash_seq(const struct atio_node *seq, int depth)
{
	uint64_t hash = seq->count, member;
	size_t i;

	for (i = 0; i < seq->count; i++) {
		member = hash_node(seq->items[i], depth);
		hash = hash_bytes(hash, (char *)&member, sizeof(member));
	}
	return hash;
}

static uint64_t hash_node(const struct atio_node *node, int depth)
{
	const char *text;
	uint64_t bits = 0;
	double real;
	size_t len;

	/* That is no level: what stands there may be equal to a key without. */
	while (node->type == ATIO_ALIAS)
		node = node->inner;
	if (depth >= HASH_DEPTH)
		return 0;
	switch ((enum atio_type)node->type) {
	case ATIO_NULL:
	case ATIO_ALIAS:
		break;
	case ATIO_BOOL:
		bits = node->boolean;
		break;
	case ATIO_INT:
		bits = (uint64_t)node->integer;
		break;
	case ATIO_FLOAT: /* one hash for 0.0 and -0.0, and for all nan */
		real = node->real == 0 ? 0 : node->real;
		if (real == real)
			memcpy(&bits, &real, sizeof(bits));
		break;
	case ATIO_SEQ:
	case ATIO_STREAM:
		return hash_seq(node, depth + 1);
	case ATIO_MAP:
		return hash_map(node, depth + 1);
	case ATIO_TAGGED:
		bits = hash_node(node->inner, depth + 1);
		return hash_bytes(bits, node->text, node->count);
	default:
		text = atio_node_text(node, &len);
		return hash_bytes(node->type, text, len);
	}
	return hash_bytes(node->type, (char *)&bits, sizeof(bits));
}

uint64_t atio_node_hash(const struct atio_node *key)
{
	return hash_node(key, 0);
}

/* ---- finding --------------------------------------------------------- */

static bool same_text(const struct atio_node *key, const char *text, size_t len)
{
	return key->type == ATIO_STRING && key->count == len &&
	       memcmp(key->text, text, len) == 0;
}

static bool same_key(const struct atio_node *a, const struct atio_node *b)
{
	while (a->type == ATIO_ALIAS)
		a = a->inner;
	if (b->type == ATIO_STRING)
		return same_text(a, b->text, b->count);
	return atio_value_equal(a, b);
}

static bool has_hashes(const struct atio_node *map)
{
	return map->index && map->index->mask;
}

long atio_map_find(const struct atio_node *map, const struct atio_node *key)
{
	const struct atio_index_slot *at;
	uint32_t hash, slot;
	size_t i;

	if (!has_hashes(map)) {
		for (i = 0; i < map->count; i++)
			if (same_key(map->pairs[i].key, key))
				return (long)i;
		return -1;
	}
	hash = (uint32_t)atio_node_hash(key);
	slot = hash & map->index->mask;
	while ((at = &map->index->slots[slot])->position) {
		if (at->hash == hash &&
		    same_key(map->pairs[at->position - 1].key, key))
			return (long)at->position - 1;
		slot = (slot + 1) & map->index->mask;
	}
	return -1;
}

long atio_map_find_text(const struct atio_node *map, const char *key,
			size_t len)
{
	struct atio_node node = {
		.type = ATIO_STRING, .count = (uint32_t)len, .text = key};

	if (len >= UINT32_MAX)
		return -1;
	return atio_map_find(map, &node);
}

/* ---- the index ------------------------------------------------------- */

static size_t slots_for(size_t room)
{
	size_t slots = 4 * ATIO_MAP_LINEAR;

	while (slots < room * 2)
		slots *= 2;
	return slots;
}

/* An index for @room members; NULL: no memory. */
static struct atio_index *index_new(struct atio_doc *doc, size_t room,
				    bool hashes)
{
	size_t slots = hashes ? slots_for(room) : 0;
	struct atio_index *index;

	index = atio_arena_get(&doc->arena,
			       sizeof(*index) + slots * sizeof(*index->slots));
	if (!index)
		return NULL;
	memset(index, 0, sizeof(*index) + slots * sizeof(*index->slots));
	index->room = (uint32_t)room;
	index->mask = slots ? (uint32_t)slots - 1 : 0;
	return index;
}

static void index_add(struct atio_index *index, uint64_t hash, size_t position)
{
	uint32_t slot = (uint32_t)hash & index->mask;

	while (index->slots[slot].position)
		slot = (slot + 1) & index->mask;
	index->slots[slot] = (struct atio_index_slot){
		.position = (uint32_t)position + 1,
		.hash = (uint32_t)hash,
	};
}

static void index_all(struct atio_node *map)
{
	size_t i, slots = (size_t)map->index->mask + 1;

	memset(map->index->slots, 0, slots * sizeof(*map->index->slots));
	for (i = 0; i < map->count; i++)
		index_add(map->index, atio_node_hash(map->pairs[i].key), i);
}

/* The same from an older and smaller index, which has the hashes. */
static void index_move(struct atio_index *index, const struct atio_index *old)
{
	for (size_t i = 0; i <= old->mask; i++) {
		if (old->slots[i].position)
			index_add(index, old->slots[i].hash,
				  old->slots[i].position - 1);
	}
}

int atio_map_seal(struct atio_doc *doc, struct atio_node *map,
		  const struct atio_node **ret_twice)
{
	size_t i, count = map->count;
	bool hashes = count > ATIO_MAP_LINEAR;

	map->index = NULL;
	if (hashes) {
		map->index = index_new(doc, count, true);
		if (!map->index)
			return -ENOMEM;
	}
	for (i = 0; i < count; i++) {
		map->count = (uint32_t)i; /* those before it */
		if (atio_map_find(map, map->pairs[i].key) >= 0) {
			*ret_twice = map->pairs[i].key;
			map->count = (uint32_t)count;
			return -EEXIST;
		}
		if (hashes)
			index_add(map->index, atio_node_hash(map->pairs[i].key),
				  i);
	}
	map->count = (uint32_t)count;
	return 0;
}

int atio_map_seal_like(struct atio_doc *doc, struct atio_node *map,
		       const struct atio_node *like)
{
	size_t bytes;

	map->index = NULL;
	if (map->count <= ATIO_MAP_LINEAR)
		return 0;
	bytes = sizeof(*like->index) +
		((size_t)like->index->mask + 1) * sizeof(*like->index->slots);
	map->index = atio_arena_get(&doc->arena, bytes);
	if (!map->index)
		return -ENOMEM;
	memcpy(map->index, like->index, bytes);
	map->index->room = map->count;
	return 0;
}

/* ---- changing -------------------------------------------------------- */

static size_t room_of(const struct atio_node *node)
{
	return node->index ? node->index->room : node->count;
}

/* Room for one member more of @size bytes each, in *@array. */
static int grow(struct atio_doc *doc, struct atio_node *node, void **array,
		size_t size)
{
	size_t room = node->count ? (size_t)node->count * 2 : 2;
	bool had_hashes,
		hashes = node->type == ATIO_MAP && room > ATIO_MAP_LINEAR;
	struct atio_index *index;
	void *larger;

	if (node->count < room_of(node))
		return 0;
	if (node->count >= UINT32_MAX / 4)
		return -EFBIG;
	larger = atio_arena_get(&doc->arena, room * size);
	index = larger ? index_new(doc, room, hashes) : NULL;
	if (!index)
		return -ENOMEM;
	if (node->count)
		memcpy(larger, *array, node->count * size);
	*array = larger;
	had_hashes = has_hashes(node);
	if (had_hashes)
		index_move(index, node->index);
	node->index = index;
	if (hashes && !had_hashes)
		index_all(node);
	return 0;
}

int atio_map_add(struct atio_doc *doc, struct atio_node *map,
		 struct atio_node *key, struct atio_node *value)
{
	void *array = map->pairs;
	int r;

	r = grow(doc, map, &array, sizeof(*map->pairs));
	if (r < 0)
		return r;
	map->pairs = array;
	map->pairs[map->count] = (struct atio_pair){key, value};
	if (has_hashes(map))
		index_add(map->index, atio_node_hash(key), map->count);
	map->count++;
	return 0;
}

int atio_map_set(struct atio_doc *doc, struct atio_node *map,
		 struct atio_node *key, struct atio_node *value)
{
	long at = atio_map_find(map, key);

	if (at < 0)
		return atio_map_add(doc, map, key, value);
	map->pairs[at].value = value;
	return 0;
}

/* Take the slot of @position out of the index.  Those that follow in the same
 * run move up, lest a search for them ends at the gap. */
static void index_remove(struct atio_node *map, size_t position)
{
	struct atio_index_slot *slots = map->index->slots;
	uint32_t mask = map->index->mask, gap, slot;
	uint32_t number = (uint32_t)position + 1;

	gap = (uint32_t)atio_node_hash(map->pairs[position].key) & mask;
	while (slots[gap].position != number)
		gap = (gap + 1) & mask;
	for (slot = (gap + 1) & mask; slots[slot].position;
	     slot = (slot + 1) & mask) {
		if (((slot - slots[slot].hash) & mask) < ((slot - gap) & mask))
			continue; /* there it would be before its place */
		slots[gap] = slots[slot];
		gap = slot;
	}
	slots[gap].position = 0;
	/* Without a branch, so that many slots are done at once. */
	for (slot = 0; slot <= mask; slot++)
		slots[slot].position -= slots[slot].position > number;
}

void atio_map_remove(struct atio_node *map, size_t position)
{
	if (position >= map->count)
		return;
	if (has_hashes(map))
		index_remove(map, position);
	map->count--;
	memmove(map->pairs + position, map->pairs + position + 1,
		(map->count - position) * sizeof(*map->pairs));
}

void atio_map_drop(struct atio_node *map)
{
	uint32_t i, n = 0;

	for (i = 0; i < map->count; i++)
		if (map->pairs[i].value)
			map->pairs[n++] = map->pairs[i];
	map->count = n;
	if (has_hashes(map))
		index_all(map);
}

int atio_seq_insert(struct atio_doc *doc, struct atio_node *seq,
		    size_t position, struct atio_node *value)
{
	void *array = seq->items;
	int r;

	if (position > seq->count)
		return -EINVAL;
	r = grow(doc, seq, &array, sizeof(*seq->items));
	if (r < 0)
		return r;
	seq->items = array;
	memmove(seq->items + position + 1, seq->items + position,
		(seq->count - position) * sizeof(*seq->items));
	seq->items[position] = value;
	seq->count++;
	return 0;
}

void atio_seq_remove(struct atio_node *seq, size_t position)
{
	if (position >= seq->count)
		return;
	seq->count--;
	memmove(seq->items + position, seq->items + position + 1,
		(seq->count - position) * sizeof(*seq->items));
}
