/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sockets of the kernel's own (NFS, SMB, Ceph). It connects them by the hooks, but releases them
 * without telling. From 6.2 on a program may read which they are (see multipath.h).
 */
#ifndef LIB_KERNEL_SOCKET_H
#define LIB_KERNEL_SOCKET_H

#include "lib/ctx.h"

#ifdef LB_CAST

#include <bpf/bpf_core_read.h>

struct sock {
	__u8 sk_kern_sock : 1;
} __attribute__((preserve_access_index));

extern void *bpf_rdonly_cast(void *object, __u32 type) __ksym;

static __always_inline bool sock_is_kernels(struct bpf_sock *sk)
{
	const struct sock *sock;

	if (!sk || !bpf_core_field_exists(struct sock, sk_kern_sock))
		return false;
	sock = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct sock));
	return BPF_CORE_READ_BITFIELD(sock, sk_kern_sock);
}

#else

static __always_inline bool sock_is_kernels(struct bpf_sock *sk)
{
	return false;
}

#endif

#endif
