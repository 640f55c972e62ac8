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
	struct origin *origin = wayback_claim(bpf_get_socket_cookie(ctx));

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
 * A socket that was connected to a VIP before must not show it any more. One that has no local port
 * was not, which spares the look-ups to all but those that connect again.
 */
static __always_inline void sock_forget(struct bpf_sock_addr *ctx)
{
	struct origin *place;
	__u64 cookie;

	if (!ctx->sk || !ctx->sk->src_port)
		return;
	cookie = bpf_get_socket_cookie(ctx);
	place = wayback_place(cookie);
	if (place && place->cookie == cookie)
		place->service_id = 0;
	bpf_sk_storage_delete(&sock_spill, ctx->sk);
}

/* Shows the VIP where the program would see the backend: the peer's name, a reply's source. */
static __always_inline int sock_reverse(struct bpf_sock_addr *ctx, enum ctx_form form,
					enum counter reason)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct origin *origin = wayback_place(cookie);
	struct flows *flows;
	struct peer peer;

	ctx_get_peer(ctx, form, &peer);
	if (origin && (origin->cookie != cookie || !wayback_from(origin, &peer)))
		origin = NULL;
	if (!origin && ctx->sk) {
		origin = bpf_sk_storage_get(&sock_spill, ctx->sk, NULL, 0);
		if (origin && !wayback_from(origin, &peer))
			origin = NULL;
	}
	if (!origin && ctx->sk && reason == COUNT_REVERSE_REPLY) {
		flows = bpf_sk_storage_get(&sock_flows, ctx->sk, NULL, 0);
		if (flows)
			origin = wayback_from_any(flows, &peer);
	}
	if (!origin)
		return HOOK_ALLOW;
	ctx_set_peer(ctx, form, origin->vip, origin->vip_port);
	count(reason);
	return HOOK_ALLOW;
}

#endif
