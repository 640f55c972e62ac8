/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the hooks remember of a socket, and the hooks that use it: the same for both families. */
#ifndef LIB_MEMORY_H
#define LIB_MEMORY_H

#include "lib/count.h"
#include "lib/ctx.h"
#include "lib/guard.h"
#include "lib/kernel_socket.h"
#include "lib/multipath.h"
#include "lib/unconnected.h"
#include "lib/wayback.h"

/*
 * Where a connected socket's record goes: its place, or storage of its own when that is taken, or
 * when nothing would tell the hooks to give it back.
 */
static __always_inline struct origin *sock_origin_of(struct bpf_sock_addr *ctx)
{
	struct origin *origin = NULL;

	if (!sock_is_kernels(ctx->sk))
		origin = wayback_claim(bpf_get_socket_cookie(ctx));
	if (origin || !ctx->sk)
		return origin;
	return bpf_sk_storage_get(&sock_spill, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
}

/*
 * Notes where a socket was connected to. Multipath TCP connects a subflow, while the program's
 * socket is another one: that shows the VIP, and the subflow is what is found when the backend
 * goes. Both carry their record themselves, because the kernel releases subflows without telling
 * the hooks.
 */
static __always_inline void sock_remember(struct bpf_sock_addr *ctx, __u32 service_id,
					  __u32 backend_id, const struct peer *vip,
					  const struct peer *backend)
{
	struct mptcp_sock *multipath = sock_multipath(ctx);
	struct origin *origin;

	if (multipath) {
		origin = bpf_sk_storage_get(&sock_spill, multipath, NULL,
					    BPF_SK_STORAGE_GET_F_CREATE);
		if (origin)
			wayback_fill(origin, service_id, backend_id, vip, backend);
		origin =
			bpf_sk_storage_get(&sock_spill, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	} else {
		origin = sock_origin_of(ctx);
	}
	if (origin)
		wayback_fill(origin, service_id, backend_id, vip, backend);
	else
		count(COUNT_NO_WAY_BACK);
}

static __always_inline struct flows *sock_flows_of(struct bpf_sock_addr *ctx)
{
	if (!ctx->sk)
		return NULL;
	return bpf_sk_storage_get(&sock_flows, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
}

/*
 * Whether a socket may have been connected before. TCP forgets its port when it is disconnected,
 * but not whom it was connected to; UDP forgets both.
 */
static __always_inline bool sock_was_connected(const struct bpf_sock *sk, __u32 protocol,
					       enum ctx_form form)
{
	if (protocol == IPPROTO_UDP || sk->src_port)
		return true;
	return form == CTX_IP4 ? sk->dst_ip4 : sk->dst_ip6[0] || sk->dst_ip6[3];
}

/*
 * A socket that was connected to a VIP before must not show it any more. Nearly all connects are
 * a socket's first one and pay for no look-up.
 */
static __always_inline void sock_forget(struct bpf_sock_addr *ctx, enum ctx_form form)
{
	struct mptcp_sock *multipath;
	struct origin *place;
	__u64 cookie;

	if (!ctx->sk || !sock_was_connected(ctx->sk, ctx->protocol, form))
		return;
	cookie = bpf_get_socket_cookie(ctx);
	place = wayback_place(cookie);
	if (place && place->cookie == cookie)
		place->service_id = 0;
	bpf_sk_storage_delete(&sock_spill, ctx->sk);
	multipath = sock_multipath(ctx);
	if (multipath)
		bpf_sk_storage_delete(&sock_spill, multipath);
	guard_forget(ctx);
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

/*
 * The backend that a socket was connected to by a VIP, or 0. Not static: the verifier walks it
 * once.
 */
__noinline __u32 sock_connected_to(struct bpf_sock_addr *ctx, __u64 first, __u64 second, __u32 port)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct origin *origin = wayback_place(cookie);
	struct peer vip;

	if (!ctx->sk)
		return 0;
	if (!origin || origin->cookie != cookie)
		origin = bpf_sk_storage_get(&sock_spill, ctx->sk, NULL, 0);
	if (!origin || !origin->service_id)
		return 0;
	peer_of_halves(&vip, first, second, port);
	return peer_is(&vip, origin->vip, origin->vip_port) ? origin->backend_id : 0;
}

/* What an unconnected socket has spoken to by VIPs, or NULL: nothing, as nearly all have. */
static __always_inline struct flows *sock_known_flows(struct bpf_sock_addr *ctx)
{
	if (!ctx->sk)
		return NULL;
	return bpf_sk_storage_get(&sock_flows, ctx->sk, NULL, 0);
}

/* The backend that a socket has sent to by a VIP, or 0. Not static: the verifier walks it once. */
__noinline __u32 sock_sent_to(struct bpf_sock_addr *ctx, __u64 first, __u64 second, __u32 port)
{
	struct flows *flows = sock_known_flows(ctx);
	struct known_flow known = {};
	struct peer vip;

	if (!flows)
		return 0;
	peer_of_halves(&vip, first, second, port);
	flow_known(ctx, flows, &vip, &known);
	return known.backend_id;
}

/* A datagram goes to an address that is no VIP: if it is a VIP's backend, it answers as itself. */
static __always_inline void sock_speaks_directly(struct bpf_sock_addr *ctx, enum ctx_form form)
{
	struct flows *flows = sock_known_flows(ctx);
	struct peer peer;

	if (!flows)
		return;
	ctx_get_peer(ctx, form, &peer);
	flow_end(ctx, flows, &peer);
	if (flows->guarded)
		guard_end(ctx, &peer);
}

/*
 * Shows the VIP where the program would see the backend: the peer's name, a reply's source. The
 * record of a connection counts while it lasts: a socket that was disconnected has it still.
 */
static __always_inline int sock_reverse(struct bpf_sock_addr *ctx, enum ctx_form form,
					enum counter reason)
{
	struct origin *origin = NULL;
	struct peer peer, vip = {};
	struct flows *flows;

	ctx_get_peer(ctx, form, &peer);
	if (reason == COUNT_REVERSE_PEER || (ctx->sk && ctx->sk->state == BPF_TCP_ESTABLISHED))
		origin = sock_connection(ctx, &peer);
	if (origin) {
		peer_fill(&vip, origin->vip, 16, origin->vip_port);
	} else {
		if (reason != COUNT_REVERSE_REPLY)
			return HOOK_ALLOW;
		flows = sock_known_flows(ctx);
		if (!flows || !flow_vip(ctx, flows, &peer, &vip))
			return HOOK_ALLOW;
	}
	ctx_set_peer(ctx, form, (const __u8 *)vip.address, vip.port);
	count(reason);
	return HOOK_ALLOW;
}

#endif
