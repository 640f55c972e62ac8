/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The socket hooks on the way out, for one family (see family.h): act on what lb.h decides. */
#include <asm-generic/errno.h>
#include "lib/count.h"
#include "lib/ctx.h"
#include "lib/lb.h"
#include "lib/event.h"
#include "lib/left.h"
#include "lib/memory.h"
#include "lib/ports.h"
#include "lib/random.h"

/*
 * In all of these: verifiers before kernel 6.3 refuse to read stack that no path has written, even
 * a reload that the compiler hoisted and nobody uses. What some paths only fill starts out as zero.
 */

/*
 * Whether the ranges of a restricted frontend allow the socket (spec 24). Without an address yet it
 * will have one of the node's, or in another network namespace a pod's. Where some pods are inside
 * and others are not the frontend stays SOURCES_BY_PACKET; all else is decided here and now.
 */
static __always_inline bool F(sock_source_allowed)(struct bpf_sock_addr *ctx, enum ctx_form form,
						   bool sends, struct service *service, __u64 netns)
{
	const enum source_check check = service->source_ranges;
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
	if (!any && check == SOURCES_BY_PACKET && !is_host_netns(netns, bpf_get_netns_cookie(NULL)))
		return true;
	service->source_ranges = SOURCES_ANY;
	if (any)
		return F(lb_in_ranges)(service->service_id, (const __u8 *)source);
	if (is_host_netns(netns, bpf_get_netns_cookie(NULL)))
		return service->host_allowed;
	return check == SOURCES_EVERY_POD;
}

static __always_inline enum counter F(sock_frontend)(struct bpf_sock_addr *ctx, enum ctx_form form,
						     struct FX(service, _key) *key,
						     struct service *service, __u64 *netns)
{
	enum counter reason;

	service->service_id = 0;
	key->scope = FROM_NODE;
	key->protocol = socket_protocol(ctx->protocol);
	if (key->protocol == PROTO_ANY ||
	    (config.only_protocol && key->protocol != config.only_protocol))
		return COUNT_PASS_PROTOCOL;
	if (config.host_only &&
	    !is_host_netns(bpf_get_netns_cookie(ctx), bpf_get_netns_cookie(NULL)))
		return COUNT_PASS_HOST_ONLY;
	ctx_get(ctx, form, key->address, &key->port);
	reason = F(lb_frontend)(key, service);
	/* A loopback address has no packets to be translated. Port 0 is `status`'s probe. */
	if (reason != COUNT_PASS_NOT_A_SERVICE && service->sockets != HOST_SOCKETS && key->port &&
	    process_is_left()) {
		service->service_id = 0;
		return COUNT_PASS_HOST_ONLY;
	}
	if (!service->service_id)
		return reason;
	if (service->sockets || service->affinity_seconds || service->source_ranges)
		*netns = bpf_get_netns_cookie(ctx);
	if (service->sockets && (service->sockets == NO_SOCKETS ||
				 !is_host_netns(*netns, bpf_get_netns_cookie(NULL)))) {
		service->service_id = 0;
		return COUNT_PASS_HOST_ONLY;
	}
	return reason;
}

/* Tells of a call of a process: what it asked for, and the backend that it got. */
static __noinline int F(event_of_call)(const struct FX(service, _key) *key,
				       const struct F(slot) *slot, __u32 service_id, __u32 reason,
				       enum event_kind kind)
{
	const __u64 now = clock_coarse();
	struct listener *listener = event_listener(now);
	struct event *event;

	if (!listener)
		return 0;
	event = event_begin(listener, now, kind, reason);
	if (!event)
		return 0;
	if (listener->with_cgroup)
		event->cgroup = bpf_get_current_cgroup_id();
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->command, sizeof(event->command));
	event->service_id = service_id;
	event->protocol = key->protocol;
	F(address_widen)(event->vip, key->address);
	event->vip_port = key->port;
	if (reason < COUNT_REFUSE_NO_BACKEND) {
		event->backend_id = slot->backend_id;
		F(address_widen)(event->backend, slot->address);
		event->backend_port = slot->port;
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
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

static __always_inline void F(sock_keep)(struct bpf_sock_addr *ctx,
					 const struct FX(service, _key) *key,
					 const struct F(slot) *slot)
{
	struct peer vip, backend;

	peer_fill(&vip, key->address, ADDRESS_SIZE, key->port);
	peer_fill(&backend, slot->address, ADDRESS_SIZE, slot->port);
	sock_remember(ctx, slot->service_id, slot->backend_id, &vip, &backend);
}

/*
 * A UDP socket that is connected to a VIP for which there is nobody now: connect() sends nothing,
 * so nothing is refused (spec 55). It stays at the VIP, where its datagrams are packets like any
 * other and may be refused, until the control plane sees that there is somebody.
 */
static __always_inline int F(sock_wait)(struct bpf_sock_addr *ctx,
					const struct FX(service, _key) *key, __u32 service_id)
{
	struct F(slot) nobody = {.service_id = service_id, .port = key->port};

	__builtin_memcpy(nobody.address, key->address, ADDRESS_SIZE);
	F(sock_keep)(ctx, key, &nobody);
	return HOOK_ALLOW;
}

/*
 * Where only packets tell whether the client may use the frontend, notes that those to this backend
 * are to be asked for it; false if there is no room for the note.
 */
static __always_inline bool F(sock_guard)(struct bpf_sock_addr *ctx, const struct service *service,
					  const struct F(slot) *slot, struct flows *flows,
					  bool sends)
{
	struct peer backend = {};

	if (service->source_ranges != SOURCES_BY_PACKET && !(flows && flows->guarded))
		return true;
	peer_fill(&backend, slot->address, ADDRESS_SIZE, slot->port);
	if (service->source_ranges != SOURCES_BY_PACKET) {
		guard_end(ctx, &backend);
		return true;
	}
	if (flows)
		flows->guarded = 1;
	return guard_begin(ctx, service->service_id, &backend, sends);
}

/* Keeps a socket that is bound to a port apart from others with this port: see ports.h. */
static __always_inline int F(sock_apart)(struct bpf_sock_addr *ctx, const struct service *service,
					 bool may_choose, struct F(slot) *slot)
{
	__u32 how = may_choose ? PORT_MAY_CHOOSE : 0;
	struct bound_port_key key = {};
	struct bound_port own = {};

	if (ctx->protocol == IPPROTO_TCP)
		how |= PORT_LINGERS;
	else if (!sock_shares_port(ctx))
		return 1;
	key.netns_cookie = bpf_get_netns_cookie(ctx);
	key.bound = sock_bound_port(ctx);
	own.cookie = bpf_get_socket_cookie(ctx);
	own.time = bpf_ktime_get_ns();
	return F(port_select)(service, slot, &key, &own, how);
}

/*
 * Whether a UDP socket that has sent to the VIP before, or was connected there, is connected to it:
 * it keeps its backend, as the port and the VIP are the same (spec 31). One without a port has sent
 * nothing.
 */
static __always_inline bool F(sock_has_sent)(struct bpf_sock_addr *ctx,
					     const struct FX(service, _key) *key,
					     const struct service *service, struct F(slot) *slot)
{
	struct peer vip = {};
	__u32 backend_id;

	if (ctx->protocol != IPPROTO_UDP || !sock_bound_port(ctx))
		return false;
	peer_fill(&vip, key->address, ADDRESS_SIZE, key->port);
	backend_id = sock_sent_to(ctx, peer_half(&vip, 0), peer_half(&vip, 2), vip.port);
	if (!backend_id)
		backend_id =
			sock_connected_to(ctx, peer_half(&vip, 0), peer_half(&vip, 2), vip.port);
	return backend_id && F(lb_usable)(service, backend_id, true, slot);
}

/*
 * The same of a connected one, for a datagram that names the VIP: it hears nobody else. IPv6's hear
 * nobody else when they are disconnected, either.
 */
static __always_inline bool F(sock_is_connected)(struct bpf_sock_addr *ctx, const struct peer *vip,
						 const struct service *service,
						 struct F(slot) *slot)
{
	const struct bpf_sock *sk = ctx->sk;
	__u32 backend_id;

	if (!sk)
		return false;
#if FAMILY == 4
	if (!sk->dst_ip4)
		return false;
#else
	if (!sk->dst_ip6[0] && !sk->dst_ip6[3])
		return false;
#endif
	backend_id = sock_connected_to(ctx, peer_half(vip, 0), peer_half(vip, 2), vip->port);
	return backend_id && F(lb_usable)(service, backend_id, true, slot);
}

static __always_inline int F(sock_connect)(struct bpf_sock_addr *ctx, enum ctx_form form)
{
	struct FX(service, _key) key = {};
	struct F(slot) slot = {};    /* kernels before 6.3: see above */
	struct service service = {}; /* kernels before 6.3 want it written */
	enum counter reason;
	bool keeps = false;
	__u64 netns = 0;

	reason = F(sock_frontend)(ctx, form, &key, &service, &netns);
	if (reason == COUNT_FORWARD && service.source_ranges &&
	    !F(sock_source_allowed)(ctx, form, false, &service, netns))
		reason = COUNT_REFUSE_SOURCE;
	if (reason == COUNT_FORWARD)
		keeps = F(sock_has_sent)(ctx, &key, &service, &slot);
	if (reason == COUNT_FORWARD && !keeps)
		reason = F(lb_select)(&service, netns, NULL, random_u32(), &slot);
	if (is_forward(reason) && sock_bound_port(ctx) &&
	    !F(sock_apart)(ctx, &service, reason == COUNT_FORWARD && !keeps, &slot))
		reason = COUNT_REFUSE_BAD_SLOT;
	if (is_forward(reason) && !F(sock_guard)(ctx, &service, &slot, NULL, false))
		reason = COUNT_REFUSE_SOURCE;
	/* No Service has port 0: `swiftlet status` asks for it, which is not counted, nor told. */
	if (reason != COUNT_REFUSE_UNKNOWN_PORT || key.port)
		count(reason);
	if (reason < COUNT_FORWARD) {
		sock_forget(ctx, form);
		if (ctx->protocol == IPPROTO_TCP && sock_bound_port(ctx))
			F(port_note)(ctx, &key);
		return HOOK_ALLOW;
	}
	count_service(service.service_id, reason);
	if (key.port && event_is_wanted())
		F(event_of_call)(&key, &slot, service.service_id, reason, EVENT_CONNECT);
	if (reason >= COUNT_REFUSE_NO_BACKEND) {
		if (ctx->protocol == IPPROTO_UDP)
			return F(sock_wait)(ctx, &key, service.service_id);
		return F(refuse_connect)(ctx, form);
	}

	count_backend(slot.backend_id);
	ctx_set(ctx, form, slot.address, slot.port);
	F(sock_keep)(ctx, &key, &slot);
	return HOOK_ALLOW;
}

/*
 * The place of a backend that answers as no other VIP of the socket, if there is one among a few.
 * Not static: the verifier walks it once, and not from each way here.
 */
__noinline __u32 F(flows_place)(struct bpf_sock_addr *ctx, __u32 first_slot, __u32 count)
{
	__u32 index, place = (__u32)(((__u64)random_u32() * count) >> 32);
	struct peer backend = {};
	struct F(slot) *slot;
	struct flows *flows;
	int try;

	if (!ctx->sk)
		return place;
	flows = bpf_sk_storage_get(&sock_flows, ctx->sk, NULL, 0);
	if (!flows)
		return place;
#pragma clang loop unroll(disable)
	for (try = 0; try < LB_OTHER_BACKENDS; try++) {
		index = first_slot + place;
		slot = bpf_map_lookup_elem(&F(slots), &index);
		if (!slot)
			break;
		peer_fill(&backend, slot->address, ADDRESS_SIZE, slot->port);
		if (!flow_is_taken(ctx, flows, &backend))
			break;
		if (++place >= count)
			place = 0;
	}
	return place;
}

/*
 * Chooses a backend for one more VIP of a socket: another one than its other VIPs have, where there
 * is one, so that an answer tells which question it belongs to.
 */
static __always_inline enum counter F(sock_select)(struct bpf_sock_addr *ctx,
						   const struct service *service, __u64 netns,
						   struct flows *flows, struct F(slot) *slot)
{
	__u32 place;

	if (!flows || !flows->flow[0].service_id || service->affinity_seconds || service->count < 2)
		return F(lb_select)(service, netns, NULL, random_u32(), slot);
	place = F(flows_place)(ctx, service->first_slot, service->count);
	return F(lb_slot)(service, place, slot) ? COUNT_FORWARD : COUNT_REFUSE_BAD_SLOT;
}

/*
 * Whether a flow of the socket goes on, whatever the ranges say now: they are for new ones (spec
 * 24). What a message began that named a source of its own speaks for no other source.
 */
static __always_inline bool F(sock_goes_on)(struct bpf_sock_addr *ctx, enum ctx_form form,
					    const struct service *service,
					    const struct F(slot) *slot, struct flows *flows)
{
	__u32 sender[ADDRESS_SIZE / 4] = {}, bound[ADDRESS_SIZE / 4] = {};
	struct peer backend = {};
	__u32 other = 0;
	int i;

	if (!flows)
		return false;
	ctx_get_sender(ctx, form, (__u8 *)sender);
	ctx_get_bound(ctx, form, (__u8 *)bound);
#pragma clang loop unroll(full)
	for (i = 0; i < ADDRESS_SIZE / 4; i++)
		other |= sender[i] ^ bound[i];
	if (other)
		flows->guarded = 1;
	if (other || !slot->backend_id)
		return false;
	if (!flows->guarded)
		return true;
	peer_fill(&backend, slot->address, ADDRESS_SIZE, slot->port);
	return guard_has_admitted(ctx, service->service_id, &backend);
}

/*
 * Whether the packets are to tell this VIP's answers from those of another one of the socket. They
 * would choose anew: who has a backend, or affinity, keeps it, unless it is the only one.
 */
static __always_inline bool F(sock_is_parted)(struct bpf_sock_addr *ctx,
					      const struct service *service,
					      const struct known_flow *known,
					      const struct peer *vip, const struct F(slot) *slot)
{
	struct peer backend = {};

	if (!config.has_pod_devices ||
	    (service->count > 1 && (known->backend_id || service->affinity_seconds)))
		return false;
	peer_fill(&backend, slot->address, ADDRESS_SIZE, slot->port);
	return flow_is_parted(ctx, vip, &backend, FAMILY);
}

/*
 * Where a datagram to a frontend goes that serves: to the backend that the socket has there, while
 * it serves (spec 31), or to a new one.
 */
static __always_inline enum counter F(sock_lead)(struct bpf_sock_addr *ctx, enum ctx_form form,
						 const struct FX(service, _key) *key,
						 struct service *service, __u64 netns,
						 struct flows *flows, struct F(slot) *slot)
{
	enum counter reason =
		service->action == BALANCE ? COUNT_FORWARD : COUNT_REFUSE_NO_LOCAL_BACKEND;
	struct peer vip = {}, backend = {};
	struct known_flow known = {};
	bool goes_on = false, changes;
	__u32 owns = 0;

	peer_fill(&vip, key->address, ADDRESS_SIZE, key->port);
	if (flows)
		flow_known(ctx, flows, &vip, &known);
	if (known.backend_id && F(lb_usable)(service, known.backend_id, true, slot))
		reason = COUNT_FORWARD_SAME_FLOW;
	if (!is_forward(reason))
		return reason;
	if (service->source_ranges) {
		goes_on = F(sock_goes_on)(ctx, form, service, slot, flows);
		if (!goes_on && !F(sock_source_allowed)(ctx, form, true, service, netns))
			return COUNT_REFUSE_SOURCE;
	}
	changes = flows && (reason == COUNT_FORWARD || known.direct);
	if (changes)
		owns = flows_own(ctx, flows);
	if (reason == COUNT_FORWARD && !F(sock_is_connected)(ctx, &vip, service, slot))
		reason = F(sock_select)(ctx, service, netns, flows, slot);
	if (changes && is_forward(reason) && F(sock_is_parted)(ctx, service, &known, &vip, slot))
		reason = COUNT_PASS_HOST_ONLY;
	if (is_forward(reason) && !goes_on && !F(sock_guard)(ctx, service, slot, flows, true))
		reason = COUNT_REFUSE_SOURCE;
	if (!changes)
		return reason;
	if (is_forward(reason)) {
		peer_fill(&backend, slot->address, ADDRESS_SIZE, slot->port);
		flow_remember(ctx, flows, &known, &vip, &backend, slot->service_id,
			      slot->backend_id);
	}
	flows_disown(flows, owns);
	return reason;
}

/* An unconnected UDP socket. */
static __always_inline int F(sock_send)(struct bpf_sock_addr *ctx, enum ctx_form form)
{
	struct FX(service, _key) key = {};
	struct F(slot) slot = {}; /* kernels before 6.3: see above */
	struct flows *flows = NULL;
	struct service service = {}; /* kernels before 6.3 want it written */
	enum counter reason;
	__u64 netns = 0;

	reason = F(sock_frontend)(ctx, form, &key, &service, &netns);
	/* Who has a flow keeps it, although there may be no backend for others (spec 31). */
	if (reason == COUNT_FORWARD || reason == COUNT_REFUSE_NO_LOCAL_BACKEND) {
		flows = reason == COUNT_FORWARD ? sock_flows_of(ctx) : sock_known_flows(ctx);
		reason = F(sock_lead)(ctx, form, &key, &service, netns, flows, &slot);
	}
	count(reason);
	if (reason < COUNT_FORWARD) {
		if (reason == COUNT_PASS_NOT_A_SERVICE)
			sock_speaks_directly(ctx, form);
		return HOOK_ALLOW;
	}
	count_service(service.service_id, reason);
	if (reason != COUNT_FORWARD_SAME_FLOW && event_is_wanted())
		F(event_of_call)(&key, &slot, service.service_id, reason, EVENT_SEND);
	if (reason >= COUNT_REFUSE_NO_BACKEND)
		return refuse_with(ECONNREFUSED);

	ctx_set(ctx, form, slot.address, slot.port);
	if (reason != COUNT_FORWARD_SAME_FLOW)
		count_backend(slot.backend_id);
	if (!flows)
		count(COUNT_NO_WAY_BACK);
	return HOOK_ALLOW;
}

/*
 * A listener on a NodePort of ours would never see its clients: say so when it binds. Only who asks
 * for that port: the kernel may give it to a client as its own, which is none of our business.
 */
static __always_inline int F(sock_bind)(struct bpf_sock_addr *ctx, enum ctx_form form)
{
	struct FX(service, _key) key = {
		.protocol = socket_protocol(ctx->protocol),
		.scope = FROM_NODE,
	};
	struct node_port_key port = {.protocol = key.protocol};
	const __u32 *words = (const __u32 *)key.address;
	const struct F(slot) none = {};
	struct node_port *taken;
	struct service *entry;
	__u32 service_id;
	__u32 address = 0;
	int i;

	ctx_get(ctx, form, key.address, &key.port);
	if (!key.port)
		return HOOK_ALLOW;
	port.port = key.port;
	taken = bpf_map_lookup_elem(&node_ports, &port);
	if (!taken)
		return HOOK_ALLOW;
	service_id = taken->service_id;
	if (!is_host_netns(bpf_get_netns_cookie(ctx), bpf_get_netns_cookie(NULL)))
		return HOOK_ALLOW;
#pragma clang loop unroll(full)
	for (i = 0; i < ADDRESS_SIZE / 4; i++)
		address |= words[i];
	if (address) {
		entry = bpf_map_lookup_elem(&F(services), &key);
		if (!entry || entry->kind != NODE_PORT)
			return HOOK_ALLOW;
	}
	count(COUNT_REFUSE_BIND);
	if (event_is_wanted())
		F(event_of_call)(&key, &none, service_id, COUNT_REFUSE_BIND, EVENT_BIND);
	return refuse_with(EADDRINUSE);
}
