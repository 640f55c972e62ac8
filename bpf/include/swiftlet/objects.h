/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The compiled BPF objects, embedded so that the installed program is one file. */
#ifndef SWIFTLET_OBJECTS_H
#define SWIFTLET_OBJECTS_H

#include <stddef.h>

struct bpf_object_bytes {
	const unsigned char *start;
	size_t size;
};

/* The cgroup socket hooks: sock.bpf.c. */
struct bpf_object_bytes swiftlet_sock_object(void);

/* The same where the kernel's structures can be read: see lib/multipath.h. */
struct bpf_object_bytes swiftlet_sock_cast_object(void);

/* The programs at tc: tc.bpf.c. */
struct bpf_object_bytes swiftlet_tc_object(void);

/* The same where the kernel's connection tracking cannot be asked: see lib/kernel.h. */
struct bpf_object_bytes swiftlet_tc_untracked_object(void);

/* The iterators that end sockets, for kernels from 6.5: destroy.bpf.c. */
struct bpf_object_bytes swiftlet_destroy_object(void);

/* A program that does nothing, the zero of every measurement: empty.bpf.c. */
struct bpf_object_bytes swiftlet_empty_object(void);

#endif
