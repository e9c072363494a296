/* SPDX-License-Identifier: MIT
 *
 * ring.h - doubly linked lists of things that carry their own links, closed to
 * a ring by the list's head.
 */
#ifndef FS_RING_H
#define FS_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring {
	struct ring *prev, *next; /* NULL: in no ring */
};

#define RING_INIT(head)                                                        \
	{                                                                      \
		&(head), &(head)                                               \
	}

/* The structure of @type whose @member is @link. */
#define ring_item(link, type, member)                                          \
	((type *)((char *)(link)-offsetof(type, member)))

#define ring_each(link, head)                                                  \
	for (struct ring *link = (head)->next; link != (head);                 \
	     link = link->next)

static inline void ring_init(struct ring *head)
{
	head->prev = head->next = head;
}

static inline bool ring_empty(const struct ring *head)
{
	return head->next == head;
}

/* As the last one. */
static inline void ring_add(struct ring *head, struct ring *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

/* Does nothing when it is in none. */
static inline void ring_del(struct ring *link)
{
	if (!link->next)
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = NULL;
}

#endif
