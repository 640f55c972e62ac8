/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Source ranges, once a packet has a source; for one family (see family.h), after lb.h. */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "lib/ctx.h"
#include "lib/event.h"
#include "lib/guard.h"

#ifndef LIB_EGRESS_H
#define LIB_EGRESS_H

/* The second drops without a word to the sender, as a packet filter does. */
#define EGRESS_KEEP 1
#define EGRESS_DROP 2

#endif

/* What a packet that leaves says of itself. */
struct F(leaving) {
	__u32 source[ADDRESS_SIZE / 4];
	__u16 source_port;
	enum ip_protocol protocol;
	struct peer peer; /* its destination */
};

/* Reads source and destination; false for a packet without whole headers. */
static __always_inline bool F(egress_read)(struct __sk_buff *skb, struct F(leaving) *packet)
{
	__be16 ports[2] = {};
	__u32 offset;
#if FAMILY == 4
	struct iphdr ip = {};

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	packet->source[0] = ip.saddr;
	peer_fill(&packet->peer, (const __u8 *)&ip.daddr, ADDRESS_SIZE, 0);
	packet->protocol = socket_protocol(ip.protocol);
	offset = ip.ihl * 4;
#else
	struct ipv6hdr ip = {};

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	__builtin_memcpy(packet->source, &ip.saddr, ADDRESS_SIZE);
	peer_fill(&packet->peer, (const __u8 *)&ip.daddr, ADDRESS_SIZE, 0);
	packet->protocol = socket_protocol(ip.nexthdr);
	offset = sizeof(ip);
#endif
	if (packet->protocol != PROTO_ANY && bpf_skb_load_bytes(skb, offset, ports, sizeof(ports)))
		return false;
	packet->source_port = bpf_ntohs(ports[0]);
	packet->peer.port = bpf_ntohs(ports[1]);
	return true;
}

/* Tells of a packet that is dropped; its VIP is what its socket was connected to last. */
static __noinline int F(event_of_leaving)(struct __sk_buff *skb, const struct F(leaving) *packet,
					  __u32 service_id)
{
	struct event *event = event_of_skb(skb, EVENT_PACKET, COUNT_REFUSE_SOURCE);
	const struct origin *origin;
	__u64 cookie;

	if (!event)
		return 0;
	cookie = bpf_get_socket_cookie(skb);
	origin = wayback_place(cookie);
	event->service_id = service_id;
	event->protocol = packet->protocol;
	F(address_widen)(event->client, (const __u8 *)packet->source);
	event->client_port = packet->source_port;
	__builtin_memcpy(event->backend, packet->peer.address, 16);
	event->backend_port = packet->peer.port;
	if (origin && origin->cookie == cookie && origin->service_id == service_id) {
		event->backend_id = origin->backend_id;
		__builtin_memcpy(event->vip, origin->vip, 16);
		event->vip_port = origin->vip_port;
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

/*
 * Whether the record of a connection still holds: the socket may have been connected anew to the
 * same backend, directly or by a frontend that is open, and the ranges may be gone since.
 */
static __always_inline bool F(guard_holds)(struct __sk_buff *skb, const struct guard *guard,
					   enum ip_protocol protocol)
{
	const struct origin *origin = guard_origin(skb);
	struct FX(service, _key) key = {.protocol = protocol, .scope = FROM_NODE};
	struct service service = {}; /* kernels before 6.3 want it written */

	if (!origin)
		return true;
	if (origin->service_id != guard->service_id)
		return false;
	__builtin_memcpy(key.address, origin->vip + 16 - ADDRESS_SIZE, ADDRESS_SIZE);
	key.port = origin->vip_port;
	F(lb_frontend)(&key, &service);
	return service.source_ranges == SOURCES_BY_PACKET;
}

/*
 * The record that must allow the source of a packet, or NULL. Without a port, which is behind
 * headers that are not read here, the address alone tells.
 */
static __always_inline struct guard *F(guard_for)(struct __sk_buff *skb, struct guards *guards,
						  const struct F(leaving) *packet)
{
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < LB_GUARDS; i++) {
		struct guard *guard = &guards->guard[i];
		__u16 port = packet->peer.port ? guard->port : 0;

		if (guard->service_id && peer_is(&packet->peer, guard->address, port) &&
		    (i || F(guard_holds)(skb, guard, packet->protocol)))
			return guard;
	}
	return NULL;
}

/*
 * A packet of a socket that was led to a backend on condition of its source. The ranges are for new
 * connections: one that they have let through goes on, whatever they say now.
 */
static __always_inline int F(egress_guarded)(struct __sk_buff *skb, struct guards *guards)
{
	struct F(leaving) packet = {};
	struct guard *guard;
	__u32 service_id;

	if (!F(egress_read)(skb, &packet))
		return EGRESS_DROP;
	guard = F(guard_for)(skb, guards, &packet);
	if (!guard)
		return EGRESS_KEEP;
	service_id = guard->service_id;
	if (guard->admitted == service_id)
		return EGRESS_KEEP;
	if (F(lb_in_ranges)(service_id, (const __u8 *)packet.source)) {
		guard->admitted = service_id;
		return EGRESS_KEEP;
	}
	count(COUNT_REFUSE_SOURCE);
	count_service(service_id, COUNT_REFUSE_SOURCE);
	if (event_is_wanted())
		F(event_of_leaving)(skb, &packet, service_id);
	return EGRESS_DROP;
}
