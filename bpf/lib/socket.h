/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The socket hooks on the way out, for one family (see family.h): act on what lb.h decides. */
#include <asm-generic/errno.h>
#include "lib/count.h"
#include "lib/ctx.h"
#include "lib/lb.h"
#include "lib/memory.h"

/*
 * In all of these: verifiers before kernel 6.3 refuse to read stack that no path has written, even
 * a reload that the compiler hoisted and nobody uses. What some paths only fill starts out as zero.
 */

/*
 * Whether the ranges of a restricted frontend allow the socket (spec 24). Without an address yet it
 * will have one of the node's, or in another network namespace one that only its packets will show.
 */
static __always_inline bool F(sock_source_allowed)(struct bpf_sock_addr *ctx, enum ctx_form form,
						   bool sends, const struct service *service,
						   __u64 netns)
{
	__u32 source[ADDRESS_SIZE / 4] = {};
	__u32 any = 0;
	int i;

	if (sends)
		ctx_get_sender(ctx, form, (__u8 *)source);
	else
		ctx_get_bound(ctx, form, (__u8 *)source);
#pragma clang loop unroll(full)
	for (i = 0; i < ADDRESS_SIZE / 4; i++)
		any |= source[i];
	if (any)
		return F(lb_source_allowed)(service, (const __u8 *)source);
	return service->host_allowed || !is_host_netns(netns, bpf_get_netns_cookie(NULL));
}

static __always_inline enum counter F(sock_frontend)(struct bpf_sock_addr *ctx, enum ctx_form form,
						     bool sends, struct FX(service, _key) *key,
						     struct service *service, __u64 *netns)
{
	enum counter reason;

	service->service_id = 0;
	key->scope = FROM_NODE;
	key->protocol = socket_protocol(ctx->protocol);
	if (key->protocol == PROTO_ANY)
		return COUNT_PASS_PROTOCOL;
	if (config.host_only &&
	    !is_host_netns(bpf_get_netns_cookie(ctx), bpf_get_netns_cookie(NULL)))
		return COUNT_PASS_HOST_ONLY;
	ctx_get(ctx, form, key->address, &key->port);
	reason = F(lb_frontend)(key, service);
	if (!service->service_id)
		return reason;
	if (service->host_only || service->affinity_seconds || service->source_ranges)
		*netns = bpf_get_netns_cookie(ctx);
	if (service->host_only && !is_host_netns(*netns, bpf_get_netns_cookie(NULL))) {
		service->service_id = 0;
		return COUNT_PASS_HOST_ONLY;
	}
	if (reason == COUNT_FORWARD && service->source_ranges &&
	    !F(sock_source_allowed)(ctx, form, sends, service, *netns))
		return COUNT_REFUSE_SOURCE;
	return reason;
}

/*
 * Without bpf_set_retval (kernel < 6.1) a refused hook can only say EPERM. A connect is sent to a
 * port of loopback that nobody can listen on instead, so that the kernel itself says ECONNREFUSED.
 */
static __always_inline int F(refuse_connect)(struct bpf_sock_addr *ctx, enum ctx_form form)
{
#if FAMILY == 4
	const __u32 loopback[1] = {bpf_htonl(0x7f000001)};
#else
	const __u32 loopback[4] = {0, 0, 0, bpf_htonl(1)};
#endif
	if (config.has_set_retval)
		return refuse_with(ECONNREFUSED);
	ctx_set(ctx, form, (const __u8 *)loopback, 0);
	return HOOK_ALLOW;
}

static __always_inline void F(sock_remember)(struct origin *origin,
					     const struct FX(service, _key) *key,
					     const struct F(slot) *slot)
{
	struct peer vip, backend;

	if (!origin) {
		count(COUNT_NO_WAY_BACK);
		return;
	}
	peer_fill(&vip, key->address, ADDRESS_SIZE, key->port);
	peer_fill(&backend, slot->address, ADDRESS_SIZE, slot->port);
	wayback_fill(origin, slot->service_id, slot->backend_id, &vip, &backend);
}

static __always_inline int F(sock_connect)(struct bpf_sock_addr *ctx, enum ctx_form form)
{
	struct FX(service, _key) key = {};
	struct F(slot) slot = {}; /* kernels before 6.3: see above */
	struct service service;
	enum counter reason;
	__u64 netns = 0;

	reason = F(sock_frontend)(ctx, form, false, &key, &service, &netns);
	if (reason == COUNT_FORWARD)
		reason = F(lb_select)(&service, netns, NULL, bpf_get_prandom_u32(), &slot);
	count(reason);
	if (reason < COUNT_FORWARD) {
		sock_forget(ctx);
		return HOOK_ALLOW;
	}
	count_service(service.service_id, reason);
	if (reason >= COUNT_REFUSE_NO_BACKEND)
		return F(refuse_connect)(ctx, form);

	count_backend(slot.backend_id);
	ctx_set(ctx, form, slot.address, slot.port);
	F(sock_remember)(sock_origin_of(ctx), &key, &slot);
	return HOOK_ALLOW;
}

/* An unconnected UDP socket: stays with one backend per VIP while that is usable. */
static __always_inline int F(sock_send)(struct bpf_sock_addr *ctx, enum ctx_form form)
{
	struct FX(service, _key) key = {};
	struct origin *flow = NULL;
	struct flows *flows = NULL;
	struct F(slot) slot = {}; /* kernels before 6.3: see above */
	struct service service;
	enum counter reason;
	struct peer vip = {};
	__u64 netns = 0;

	reason = F(sock_frontend)(ctx, form, true, &key, &service, &netns);
	if (reason == COUNT_FORWARD) {
		flows = sock_flows_of(ctx);
		peer_fill(&vip, key.address, ADDRESS_SIZE, key.port);
		if (flows)
			flow = wayback_to_vip(flows, &vip);
		if (flow && F(lb_usable)(&service, flow->backend_id, &slot))
			reason = COUNT_FORWARD_SAME_FLOW;
		else
			reason = F(lb_select)(&service, netns, NULL, bpf_get_prandom_u32(), &slot);
	}
	count(reason);
	if (reason < COUNT_FORWARD)
		return HOOK_ALLOW;
	count_service(service.service_id, reason);
	if (reason >= COUNT_REFUSE_NO_BACKEND)
		return refuse_with(ECONNREFUSED);

	ctx_set(ctx, form, slot.address, slot.port);
	if (reason == COUNT_FORWARD_SAME_FLOW)
		return HOOK_ALLOW;
	count_backend(slot.backend_id);
	if (flows && !flow)
		flow = wayback_new(flows);
	F(sock_remember)(flow, &key, &slot);
	return HOOK_ALLOW;
}

/* A listener on a NodePort of ours would never see its clients: say so when it binds. */
static __always_inline int F(sock_bind)(struct bpf_sock *sk, const __u8 *address, bool any)
{
	struct FX(service, _key) key = {
		.port = sk->src_port,
		.protocol = socket_protocol(sk->protocol),
		.scope = FROM_NODE,
	};
	struct node_port_key port = {.port = key.port, .protocol = key.protocol};
	struct node_port *ours = bpf_map_lookup_elem(&node_ports, &port);
	struct service *frontend;

	if (!ours)
		return HOOK_ALLOW;
	if (!is_host_netns(bpf_get_netns_cookie(sk), bpf_get_netns_cookie(NULL)))
		return HOOK_ALLOW;
	if (!any) {
		__builtin_memcpy(key.address, address, ADDRESS_SIZE);
		frontend = bpf_map_lookup_elem(&F(services), &key);
		if (!frontend || frontend->kind != NODE_PORT)
			return HOOK_ALLOW;
	}
	count(COUNT_REFUSE_BIND);
	return refuse_with(EADDRINUSE);
}
