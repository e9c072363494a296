/* SPDX-License-Identifier: MIT
 *
 * xattr.c - extended attributes and ACLs.
 *
 * ACLs are set and read as the kernel sees them: attributes whose layout is
 * that of include/uapi/linux/posix_acl_xattr.h.  Text form, as an argument:
 * "u::rwx,u:1000:rw-,g::r--,m::rwx,o::---".
 */
#include "calls.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define ACL_MAX 16

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct acl_entry entry[ACL_MAX];
};

static bool by_link(struct run *run)
{
	return run->argv[0][0] == 'l' && run->argv[0][1] != 'i';
}

static bool by_fd(struct run *run)
{
	return run->argv[0][0] == 'f';
}

/* setxattr|lsetxattr|fsetxattr WHAT NAME DATA [FLAGS] */
static long op_setxattr(struct run *run)
{
	size_t n;
	char *data = arg_data(run, 3, &n);
	int flags = (int)arg_num(run, 4, 0);
	long r;

	if (by_fd(run))
		r = result(fsetxattr(arg_fd(run, 1), run->argv[2], data, n,
				     flags));
	else if (by_link(run))
		r = result(lsetxattr(arg_path(run, 1), run->argv[2], data, n,
				     flags));
	else
		r = result(setxattr(arg_path(run, 1), run->argv[2], data, n,
				    flags));
	free(data);
	return r;
}

/* getxattr|lgetxattr|fgetxattr WHAT NAME [SIZE] */
static long op_getxattr(struct run *run)
{
	size_t size = (size_t)arg_num(run, 3, 65536);
	char *buf = malloc(size + 1);
	ssize_t got;
	long r;

	if (by_fd(run))
		got = fgetxattr(arg_fd(run, 1), run->argv[2], buf, size);
	else if (by_link(run))
		got = lgetxattr(arg_path(run, 1), run->argv[2], buf, size);
	else
		got = getxattr(arg_path(run, 1), run->argv[2], buf, size);
	r = result(got);
	if (got >= 0 && size) {
		fputc(' ', run->more);
		print_bytes(run->more, buf, (size_t)got);
	}
	free(buf);
	return r;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The labels of a security module are the mount's own affair. */
static void print_list(struct run *run, char *buf, size_t len)
{
	char *names[256];
	size_t n = 0;

	for (char *s = buf; s < buf + len && n < 256; s += strlen(s) + 1)
		names[n++] = s;
	qsort(names, n, sizeof(names[0]), compare);
	for (size_t i = 0; i < n; i++)
		fprintf(run->more, " %s", names[i]);
}

/* listxattr|llistxattr|flistxattr WHAT [SIZE] */
static long op_listxattr(struct run *run)
{
	size_t size = (size_t)arg_num(run, 2, 65536);
	char *buf = calloc(1, size + 1);
	ssize_t got;
	long r;

	if (by_fd(run))
		got = flistxattr(arg_fd(run, 1), buf, size);
	else if (by_link(run))
		got = llistxattr(arg_path(run, 1), buf, size);
	else
		got = listxattr(arg_path(run, 1), buf, size);
	r = result(got);
	if (got >= 0 && size)
		print_list(run, buf, (size_t)got);
	free(buf);
	return r;
}

static long op_removexattr(struct run *run)
{
	if (by_fd(run))
		return result(fremovexattr(arg_fd(run, 1), run->argv[2]));
	if (by_link(run))
		return result(lremovexattr(arg_path(run, 1), run->argv[2]));
	return result(removexattr(arg_path(run, 1), run->argv[2]));
}

static const char *acl_name(struct run *run)
{
	return arg_is(run, 2, "default") ? "system.posix_acl_default"
					 : "system.posix_acl_access";
}

/* One "u:1000:rw-" at *@s into @e.  -EDOM when it is none. */
static int acl_parse(char **s, struct acl_entry *e)
{
	static const char kinds[] = "ugmo";
	static const uint16_t own[] = {0x01, 0x04, 0x10, 0x20};
	const char *kind = strchr(kinds, **s);
	uint16_t perm = 0;
	uint16_t tag;

	if (!kind || (*s)[1] != ':')
		return -EDOM;
	tag = own[kind - kinds];
	*s += 2;
	e->id = htole32(UINT32_MAX);
	if (**s != ':') {
		tag = (uint16_t)(tag * 2);
		e->id = htole32((uint32_t)strtoul(*s, s, 10));
	}
	for (*s += 1; **s && **s != ','; *s += 1)
		perm = (uint16_t)(perm | (**s == 'r'   ? 4
					  : **s == 'w' ? 2
					  : **s == 'x' ? 1
						       : 0));
	e->tag = htole16(tag);
	e->perm = htole16(perm);
	*s += **s == ',';
	return 0;
}

/* setacl PATH access|default TEXT */
static long op_setacl(struct run *run)
{
	struct acl acl = {.version = htole32(2)};
	char *s = run->argv[3];
	size_t n = 0;

	for (; *s && n < ACL_MAX; n++) {
		if (acl_parse(&s, &acl.entry[n]) < 0)
			return -EDOM;
	}
	return result(setxattr(arg_path(run, 1), acl_name(run), &acl,
			       sizeof(uint32_t) + n * sizeof(acl.entry[0]), 0));
}

/* getacl PATH access|default */
static long op_getacl(struct run *run)
{
	struct acl acl;
	ssize_t got =
		getxattr(arg_path(run, 1), acl_name(run), &acl, sizeof(acl));
	size_t n;

	if (got < 0)
		return -errno;
	n = ((size_t)got - sizeof(uint32_t)) / sizeof(acl.entry[0]);
	for (size_t i = 0; i < n; i++)
		fprintf(run->more, " %x:%d:%o", le16toh(acl.entry[i].tag),
			(int)le32toh(acl.entry[i].id),
			le16toh(acl.entry[i].perm));
	return (long)n;
}

const struct op xattr_ops[] = {
	{"setxattr", 3, op_setxattr},
	{"lsetxattr", 3, op_setxattr},
	{"fsetxattr", 3, op_setxattr},
	{"getxattr", 2, op_getxattr},
	{"lgetxattr", 2, op_getxattr},
	{"fgetxattr", 2, op_getxattr},
	{"listxattr", 1, op_listxattr},
	{"llistxattr", 1, op_listxattr},
	{"flistxattr", 1, op_listxattr},
	{"removexattr", 2, op_removexattr},
	{"lremovexattr", 2, op_removexattr},
	{"fremovexattr", 2, op_removexattr},
	{"setacl", 3, op_setacl},
	{"getacl", 2, op_getacl},
	{NULL, 0, NULL},
};
