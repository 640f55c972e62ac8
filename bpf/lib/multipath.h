/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Subflows of multipath TCP. The kernel's helper says whose subflow a socket is; to ask it at each
 * connect takes a sixth of a whole connect hook where returns are slow. From 6.2 on a program may
 * read in the kernel's own structure that there is nothing to ask. sock_cast.bpf.o does, and names
 * a function of the kernel; on others sock.bpf.o is loaded, which names none (see kernel.h).
 */
#ifndef LIB_MULTIPATH_H
#define LIB_MULTIPATH_H

#include "lib/ctx.h"

#ifdef LB_CAST

#include <bpf/bpf_core_read.h>

struct tcp_sock {
	__u8 is_mptcp;
} __attribute__((preserve_access_index));

extern void *bpf_rdonly_cast(void *object, __u32 type) __ksym;

/* Whether it may be one. Of a byte with more than this flag another one may be set: then ask. */
static __always_inline bool sock_may_be_subflow(struct bpf_sock *sk)
{
	const struct tcp_sock *tcp;

	if (!bpf_core_field_exists(struct tcp_sock, is_mptcp))
		return false; /* a kernel without multipath TCP */
	if (bpf_core_field_size(struct tcp_sock, is_mptcp) != 1)
		return true;
	tcp = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
	return tcp->is_mptcp;
}

#else

static __always_inline bool sock_may_be_subflow(struct bpf_sock *sk)
{
	return true;
}

#endif

/* The connection whose subflow this socket is, or NULL: a socket of its own, as nearly all are. */
static __always_inline struct mptcp_sock *sock_multipath(struct bpf_sock_addr *ctx)
{
	if (!config.has_multipath || !ctx->sk || ctx->protocol != IPPROTO_TCP)
		return NULL;
	return sock_may_be_subflow(ctx->sk) ? bpf_skc_to_mptcp_sock(ctx->sk) : NULL;
}

#endif
