/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What Swift imports of libbpf and the kernel; each wrapper says why Swift cannot call the thing
 * itself. */
#ifndef SWIFTLET_CLIBBPF_SHIM_H
#define SWIFTLET_CLIBBPF_SHIM_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* glibc has no wrapper, and Swift cannot call the variadic syscall(). Returns -1 with errno set. */
static inline int swl_membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0, 0);
}

/* Moves the calling thread, and only it, into the network namespace behind the descriptor: glibc
 * declares setns for _GNU_SOURCE only. Returns 0 or a negative errno. */
static inline int swl_enter_network_namespace(int descriptor)
{
	return syscall(SYS_setns, descriptor, 0x40000000) < 0 ? -errno : 0;
}

/* A descriptor of a process, and a copy of one of its own descriptors (kernel 5.6): glibc 2.36 has
 * the first only. Return a negative errno when they fail. */
static inline int swl_pidfd_open(int process)
{
	long descriptor = syscall(SYS_pidfd_open, process, 0);

	return descriptor < 0 ? -errno : (int)descriptor;
}

static inline int swl_pidfd_getfd(int process, int descriptor)
{
	long copy = syscall(SYS_pidfd_getfd, process, descriptor, 0);

	return copy < 0 ? -errno : (int)copy;
}

/* Links of programs to devices came with kernel 6.6; older headers have neither their numbers nor
 * their part of bpf_link_info and bpf_attr. */
enum {
	SWL_F_BEFORE = 1 << 3,
	SWL_F_AFTER = 1 << 4,
	SWL_LINK_TYPE_TCX = 11,
	SWL_TCX_INGRESS = 46,
	SWL_TCX_EGRESS = 47,
};

struct swl_tcx_link_info {
	__u32 type;
	__u32 id;
	__u32 prog_id;
	__u32 padding;
	__u32 ifindex; /* 0 when the device is gone, or the link detached */
	__u32 attach_type;
};

struct swl_tcx_query {
	__u32 ifindex;
	__u32 attach_type;
	__u32 query_flags;
	__u32 attach_flags;
	__u64 prog_ids;
	__u32 count;
	__u32 padding;
	__u64 prog_attach_flags;
	__u64 link_ids; /* 0 for a program that is attached without a link */
	__u64 link_attach_flags;
	__u64 revision;
};

/* libbpf 1.1 asks for program ids alone. Returns 0 or a negative errno. */
static inline int swl_tcx_query(struct swl_tcx_query *query)
{
	return syscall(SYS_bpf, BPF_PROG_QUERY, query, sizeof(*query)) < 0 ? -errno : 0;
}

/* Without the padding behind the last field: Swift does not clear it, and libbpf refuses options
 * that it does not know. */
enum {
	SWL_TC_HOOK_SIZE = offsetof(struct bpf_tc_hook, parent) + sizeof(__u32),
	SWL_TC_OPTIONS_SIZE = offsetof(struct bpf_tc_opts, priority) + sizeof(__u32),
};

/* A log line of any length, to be freed: Swift has no va_copy, which measuring first needs. */
static inline char *swl_format(const char *format, va_list arguments)
{
	va_list measured;
	char *text;
	int length;

	va_copy(measured, arguments);
	length = vsnprintf(NULL, 0, format, measured);
	va_end(measured);
	if (length < 0)
		return NULL;
	text = (char *)malloc((size_t)length + 1);
	if (text)
		vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

#endif
