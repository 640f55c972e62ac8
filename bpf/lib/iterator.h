/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The parts of the kernel's own types that an iterator over sockets reads. libbpf finds each field
 * in the running kernel by its name.
 */
#ifndef LIB_ITERATOR_H
#define LIB_ITERATOR_H

#include <linux/bpf.h>
#include <linux/in6.h>
#include <bpf/bpf_helpers.h>

#define KERNEL_TYPE __attribute__((preserve_access_index))

struct sock_common {
	__be32 skc_daddr;
	__be16 skc_dport;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
} KERNEL_TYPE;

struct udp_sock;

/* The contexts of the iterators: pointers at fixed places. */
struct bpf_iter__tcp {
	__bpf_md_ptr(void *, meta);
	__bpf_md_ptr(struct sock_common *, sk_common);
};

struct bpf_iter__udp {
	__bpf_md_ptr(void *, meta);
	__bpf_md_ptr(struct udp_sock *, udp_sk);
};

#endif
