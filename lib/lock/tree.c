/* SPDX-License-Identifier: MIT */
#include "lock/tree.h"

/* Good enough that nobody who only chooses keys can choose the shape. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15u;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u;
	return x ^ (x >> 32);
}

static int compare(const struct tree_node *node, uint64_t key, uint64_t id)
{
	if (node->key != key)
		return node->key < key ? -1 : 1;
	if (node->id != id)
		return node->id < id ? -1 : 1;
	return 0;
}

static void update(struct tree_node *node)
{
	node->max_end = node->end;
	if (node->left && node->left->max_end > node->max_end)
		node->max_end = node->left->max_end;
	if (node->right && node->right->max_end > node->max_end)
		node->max_end = node->right->max_end;
}

/* What is below @at goes to *low, the rest to *high. */
static void split(struct tree_node *tree, const struct tree_node *at,
		  struct tree_node **low, struct tree_node **high)
{
	if (!tree) {
		*low = *high = NULL;
		return;
	}
	if (compare(tree, at->key, at->id) < 0) {
		split(tree->right, at, &tree->right, high);
		*low = tree;
	} else {
		split(tree->left, at, low, &tree->left);
		*high = tree;
	}
	update(tree);
}

static struct tree_node *join(struct tree_node *low, struct tree_node *high)
{
	if (!low || !high)
		return low ? low : high;
	if (low->priority > high->priority) {
		low->right = join(low->right, high);
		update(low);
		return low;
	}
	high->left = join(low, high->left);
	update(high);
	return high;
}

static struct tree_node *add(struct tree_node *tree, struct tree_node *node)
{
	if (!tree || tree->priority < node->priority) {
		split(tree, node, &node->left, &node->right);
		update(node);
		return node;
	}
	if (compare(tree, node->key, node->id) < 0)
		tree->right = add(tree->right, node);
	else
		tree->left = add(tree->left, node);
	update(tree);
	return tree;
}

static struct tree_node *del(struct tree_node *tree, struct tree_node *node)
{
	if (!tree)
		return NULL;
	if (tree == node)
		return join(tree->left, tree->right);
	if (compare(tree, node->key, node->id) < 0)
		tree->right = del(tree->right, node);
	else
		tree->left = del(tree->left, node);
	update(tree);
	return tree;
}

void atio_tree_add(struct tree_node **root, struct tree_node *node)
{
	node->priority =
		mix(mix((uintptr_t)node) ^ node->key ^ mix(node->id + 1));
	*root = add(*root, node);
}

void atio_tree_del(struct tree_node **root, struct tree_node *node)
{
	*root = del(*root, node);
}

struct tree_node *atio_tree_ge(struct tree_node *root, uint64_t key,
			       uint64_t id)
{
	struct tree_node *best = NULL;

	while (root) {
		if (compare(root, key, id) >= 0) {
			best = root;
			root = root->left;
		} else {
			root = root->right;
		}
	}
	return best;
}

struct tree_node *atio_tree_le(struct tree_node *root, uint64_t key,
			       uint64_t id)
{
	struct tree_node *best = NULL;

	while (root) {
		if (compare(root, key, id) <= 0) {
			best = root;
			root = root->right;
		} else {
			root = root->left;
		}
	}
	return best;
}

struct tree_node *atio_tree_next(struct tree_node *root,
				 const struct tree_node *node)
{
	struct tree_node *best = NULL;

	while (root) {
		if (compare(root, node->key, node->id) > 0) {
			best = root;
			root = root->left;
		} else {
			root = root->right;
		}
	}
	return best;
}

struct tree_node *
atio_tree_overlap(struct tree_node *root, uint64_t start, uint64_t end,
		  bool (*fn)(struct tree_node *node, void *arg), void *arg)
{
	struct tree_node *found;

	if (!root || root->max_end < start)
		return NULL;
	found = atio_tree_overlap(root->left, start, end, fn, arg);
	if (found || root->key > end)
		return found;
	if (root->end >= start && fn(root, arg))
		return root;
	return atio_tree_overlap(root->right, start, end, fn, arg);
}
