/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Source ranges that hold for a pod's socket before it has an address (spec 24): the hooks note
 * which backends it was led to, and its packets are checked when they leave. See egress.h.
 */
#ifndef LIB_GUARD_H
#define LIB_GUARD_H

#include "lib/wayback.h"

LB_SOCKET_STORAGE(sock_guards, struct guards);

/* 1 for another peer, else 0, without a branch: the verifier would walk on from each. */
static __always_inline __u32 guard_differs(const struct guard *guard, const struct peer *peer)
{
	const __u32 *words = (const __u32 *)guard->address;
	__u32 other = (__u32)(guard->port ^ peer->port) | (words[0] ^ peer->address[0]) |
		      (words[1] ^ peer->address[1]) | (words[2] ^ peer->address[2]) |
		      (words[3] ^ peer->address[3]);

	asm volatile("" : "+r"(other));
	return (other | (0 - other)) >> 31;
}

/* The place of a datagram's backend: its own, or the oldest. */
static __always_inline __u32 guard_place(struct guards *guards, const struct peer *backend)
{
	__u32 place = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 1; i < LB_GUARDS; i++) {
		place |= (1 - guard_differs(&guards->guard[i], backend)) * i;
		asm volatile("" : "+r"(place));
	}
	return place ? place : 1 + guards->next++ % (LB_GUARDS - 1);
}

/* What follows is not static: the verifier walks it once, and not from each way there. */
#define GUARD_SENDS 0x10000u /* above the port */

__noinline int guard_note(struct bpf_sock_addr *ctx, __u32 service_id, __u64 first, __u64 second,
			  __u32 port)
{
	const __u32 sends = port & GUARD_SENDS;
	struct peer backend;
	struct guards *guards;
	struct guard *guard;
	__u32 place = 0;

	if (!ctx->sk)
		return 0;
	guards = bpf_sk_storage_get(&sock_guards, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!guards)
		return 0;
	peer_of_halves(&backend, first, second, port);
	if (sends)
		place = guard_place(guards, &backend);
	/* The compiler knows the place to be small; a verifier must see it made so. */
	asm volatile("" : "+r"(place));
	guard = &guards->guard[place & (LB_GUARDS - 1)];
	if (sends && guard->service_id == service_id && !guard_differs(guard, &backend))
		return 1;
	guard->admitted = 0;
	guard->port = backend.port;
	__builtin_memcpy(guard->address, backend.address, 16);
	guard->service_id = service_id;
	return 1;
}

static __always_inline bool guard_begin(struct bpf_sock_addr *ctx, __u32 service_id,
					const struct peer *backend, bool sends)
{
	return guard_note(ctx, service_id, peer_half(backend, 0), peer_half(backend, 2),
			  backend->port | (sends ? GUARD_SENDS : 0));
}

__noinline int guard_admits(struct bpf_sock_addr *ctx, __u32 service_id, __u64 first, __u64 second,
			    __u32 port)
{
	const struct guards *guards;
	struct peer backend;
	__u32 admitted = 0;
	int i;

	if (!ctx->sk)
		return 0;
	guards = bpf_sk_storage_get(&sock_guards, ctx->sk, NULL, 0);
	if (!guards)
		return 0;
	peer_of_halves(&backend, first, second, port);
#pragma clang loop unroll(full)
	for (i = 1; i < LB_GUARDS; i++)
		admitted |= (1 - guard_differs(&guards->guard[i], &backend)) *
			    guards->guard[i].admitted;
	return admitted == service_id;
}

/* Whether the ranges of the service port have let a datagram to this backend through. */
static __always_inline bool guard_has_admitted(struct bpf_sock_addr *ctx, __u32 service_id,
					       const struct peer *backend)
{
	return guard_admits(ctx, service_id, peer_half(backend, 0), peer_half(backend, 2),
			    backend->port);
}

__noinline int guard_drop(struct bpf_sock_addr *ctx, __u64 first, __u64 second, __u32 port)
{
	struct guards *guards;
	struct peer backend;
	int i;

	if (!ctx->sk)
		return 0;
	guards = bpf_sk_storage_get(&sock_guards, ctx->sk, NULL, 0);
	if (!guards)
		return 0;
	peer_of_halves(&backend, first, second, port);
#pragma clang loop unroll(full)
	for (i = 1; i < LB_GUARDS; i++)
		guards->guard[i].service_id *= guard_differs(&guards->guard[i], &backend);
	return 0;
}

/* Datagrams go to this backend by a way that asks for no source. */
static __always_inline void guard_end(struct bpf_sock_addr *ctx, const struct peer *backend)
{
	guard_drop(ctx, peer_half(backend, 0), peer_half(backend, 2), backend->port);
}

/* The socket is connected to no backend of a Service any more. */
static __always_inline void guard_forget(struct bpf_sock_addr *ctx)
{
	struct guards *guards = bpf_sk_storage_get(&sock_guards, ctx->sk, NULL, 0);

	if (guards)
		guards->guard[0].service_id = 0;
}

/* The records of the socket that sends a packet, or NULL. For TCP only the SYN counts. */
static __always_inline struct guards *guard_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return NULL;
	sk = bpf_sk_fullsock(sk);
	if (!sk || (sk->protocol == IPPROTO_TCP && sk->state != BPF_TCP_SYN_SENT))
		return NULL;
	return bpf_sk_storage_get(&sock_guards, sk, NULL, 0);
}

/* What the socket that sends a packet was connected to last, or NULL. */
static __always_inline const struct origin *guard_origin(struct __sk_buff *skb)
{
	const __u64 cookie = bpf_get_socket_cookie(skb);
	const struct origin *origin = wayback_place(cookie);
	struct bpf_sock *sk = skb->sk;

	if (origin && origin->cookie == cookie)
		return origin;
	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	return sk ? bpf_sk_storage_get(&sock_spill, sk, NULL, 0) : NULL;
}

#endif
