/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the hooks remember of a socket, and the hooks that use it: the same for both families. */
#ifndef LIB_MEMORY_H
#define LIB_MEMORY_H

#include "lib/count.h"
#include "lib/ctx.h"
#include "lib/wayback.h"

/* Where a connected socket's record goes: its place, or storage of its own when that is taken. */
static __always_inline struct origin *sock_origin_of(struct bpf_sock_addr *ctx)
{
	struct origin *origin;
	struct mptcp_sock *multipath;

	/*
	 * What connects is a subflow: the program's socket is another one, and the kernel releases
	 * subflows without telling the hooks.
	 */
	if (config.has_multipath && ctx->sk && ctx->protocol == IPPROTO_TCP) {
		multipath = bpf_skc_to_mptcp_sock(ctx->sk);
		if (multipath)
			return bpf_sk_storage_get(&sock_spill, multipath, NULL,
						  BPF_SK_STORAGE_GET_F_CREATE);
	}
	origin = wayback_claim(bpf_get_socket_cookie(ctx));
	if (origin || !ctx->sk)
		return origin;
	return bpf_sk_storage_get(&sock_spill, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
}

static __always_inline struct flows *sock_flows_of(struct bpf_sock_addr *ctx)
{
	if (!ctx->sk)
		return NULL;
	return bpf_sk_storage_get(&sock_flows, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
}

/*
 * A socket that was connected to a VIP before must not show it any more. A TCP socket that has no
 * local port was not, or not lately, which spares the look-ups to nearly all connects; a UDP socket
 * loses its port when it is disconnected, and is looked at always.
 */
static __always_inline void sock_forget(struct bpf_sock_addr *ctx)
{
	struct origin *place;
	__u64 cookie;

	if (!ctx->sk || (ctx->protocol != IPPROTO_UDP && !ctx->sk->src_port))
		return;
	cookie = bpf_get_socket_cookie(ctx);
	place = wayback_place(cookie);
	if (place && place->cookie == cookie)
		place->service_id = 0;
	bpf_sk_storage_delete(&sock_spill, ctx->sk);
}

/* The record of a socket that is connected to a backend, or NULL. */
static __always_inline struct origin *sock_connection(struct bpf_sock_addr *ctx,
						      const struct peer *backend)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct origin *origin = wayback_place(cookie);

	if (origin && origin->cookie == cookie && wayback_from(origin, backend))
		return origin;
	if (!ctx->sk)
		return NULL;
	origin = bpf_sk_storage_get(&sock_spill, ctx->sk, NULL, 0);
	return origin && wayback_from(origin, backend) ? origin : NULL;
}

/* The flow of an unconnected socket that a backend's reply belongs to, or NULL. */
static __always_inline struct origin *sock_flow(struct bpf_sock_addr *ctx,
						const struct peer *backend)
{
	struct flows *flows;

	if (!ctx->sk)
		return NULL;
	flows = bpf_sk_storage_get(&sock_flows, ctx->sk, NULL, 0);
	return flows ? wayback_from_any(flows, backend) : NULL;
}

/*
 * Shows the VIP where the program would see the backend: the peer's name, a reply's source. The
 * record of a connection counts while it lasts: a socket that was disconnected has it still.
 */
static __always_inline int sock_reverse(struct bpf_sock_addr *ctx, enum ctx_form form,
					enum counter reason)
{
	struct origin *origin = NULL;
	struct peer peer;

	ctx_get_peer(ctx, form, &peer);
	if (reason == COUNT_REVERSE_PEER || (ctx->sk && ctx->sk->state == BPF_TCP_ESTABLISHED))
		origin = sock_connection(ctx, &peer);
	if (!origin && reason == COUNT_REVERSE_REPLY)
		origin = sock_flow(ctx, &peer);
	if (!origin)
		return HOOK_ALLOW;
	ctx_set_peer(ctx, form, origin->vip, origin->vip_port);
	count(reason);
	return HOOK_ALLOW;
}

#endif
