/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs at tc do with a packet, for one family (see family.h). */
#include "lib/lb.h"
#include "lib/packet.h"
#include "lib/range.h"
#include "lib/conntrack.h"
#include "lib/rewrite.h"
#include "lib/answer.h"
#include "lib/icmp.h"
#include "lib/fragment.h"
#include "lib/route.h"

#ifndef LIB_TC_H
#define LIB_TC_H

/* Leaves the packet to the next program of the hook, and to the stack. */
#define PASS_ON TC_ACT_UNSPEC

#endif

static __always_inline bool F(is_same)(const __u8 *left, const __u8 *right)
{
	const __u32 *a = (const __u32 *)left, *b = (const __u32 *)right;

	if (ADDRESS_SIZE == 4)
		return a[0] == b[0];
	return a[3] == b[3] && a[2] == b[2] && a[1] == b[1] && a[0] == b[0];
}

/* An address of the Service range that no Service has is nobody's: drop (spec 28). */
static __always_inline bool F(is_unallocated)(const struct F(packet) *packet)
{
	struct FX(vip, _key) key;

	if (!F(is_in)(tc_config.F(service), packet->tuple.destination))
		return false;
	__builtin_memcpy(key.address, packet->tuple.destination, ADDRESS_SIZE);
	return !bpf_map_lookup_elem(&F(vips), &key);
}

/* Finds the frontend that a packet asks for, as it is for clients from where this one is. */
static __always_inline enum counter F(tc_frontend)(const struct F(packet) *packet, enum hook hook,
						   struct service *service)
{
	const __u8 *source = packet->tuple.source;
	struct FX(service, _key) key = {
		.port = packet->tuple.destination_port,
		.protocol = packet->tuple.protocol,
		.scope = FROM_NODE,
	};
	enum counter reason;
	bool outside;

	__builtin_memcpy(key.address, packet->tuple.destination, ADDRESS_SIZE);
	reason = F(lb_frontend)(&key, service);
	if (reason == COUNT_PASS_NOT_A_SERVICE && F(is_unallocated)(packet))
		return COUNT_REFUSE_UNALLOCATED;
	/* A vips entry is a ClusterIP's, so that an unknown port is too. */
	outside =
		hook == WIRE_IN && !tc_config.from_pods && !F(is_in)(tc_config.F(cluster), source);
	if (outside && !tc_config.external_cluster_ip &&
	    (reason == COUNT_REFUSE_UNKNOWN_PORT ||
	     (service->service_id && service->kind == CLUSTER_IP)))
		return COUNT_PASS_PACKET;
	if (service->service_id && service->host_only)
		return COUNT_PASS_PACKET;
	if (service->service_id && service->has_outside && outside) {
		key.scope = FROM_OUTSIDE;
		reason = F(lb_frontend)(&key, service);
	}
	if (service->service_id && !F(lb_source_allowed)(service, source))
		return COUNT_REFUSE_SOURCE;
	return reason;
}

/*
 * The node's own address on the way to the backend becomes the source of the flow (spec 36). A pod
 * that reaches itself must not see its own address, although the way is no device's of ours.
 */
static __always_inline enum counter F(tc_masquerade)(struct F(flow) *flow, bool hairpin)
{
	__u32 ifindex = flow->ifindex;
	const struct device *device = bpf_map_lookup_elem(&devices, &ifindex);
	const __u32 *address;

	if (!device && hairpin) {
		ifindex = LB_ANY_DEVICE;
		device = bpf_map_lookup_elem(&devices, &ifindex);
		if (!device)
			return COUNT_REFUSE_NO_ADDRESS;
	}
	/* No device of ours: a pod or the node itself, whose replies the stack brings back. */
	if (!device) {
		flow->ifindex = 0;
		return COUNT_FORWARD;
	}
#if FAMILY == 4
	address = (const __u32 *)device->address4;
	if (!address[0])
		return COUNT_REFUSE_NO_ADDRESS;
#else
	address = (const __u32 *)device->address6;
	if (!(address[0] | address[1] | address[2] | address[3]))
		return COUNT_REFUSE_NO_ADDRESS;
#endif
	__builtin_memcpy(flow->source, address, ADDRESS_SIZE);
	flow->path = REDIRECTED;
	return COUNT_FORWARD;
}

/*
 * Decides how the packets of a new flow go, and from which address. A source that becomes the
 * node's own must not enter the stack on arrival, where it would be taken for a forgery: such a
 * flow is sent on at once. All others pass through the stack, with netfilter and all.
 */
static __noinline enum counter F(tc_path)(struct __sk_buff *skb, const struct F(packet) *packet,
					  struct F(flow) *flow, enum hook hook)
{
	const bool hairpin = F(is_same)(flow->source, flow->destination);
	bool keeps_client = flow->path == THROUGH_STACK;

	flow->path = THROUGH_STACK;
	if (hook == WIRE_OUT)
		flow->path = FROM_HOST;
	else if (tc_config.masquerade_all || hairpin)
		keeps_client = false;
	else if (hook == POD_IN)
		keeps_client = true; /* spec 37 */
	if (hook != WIRE_OUT && keeps_client)
		return COUNT_FORWARD;

	switch (F(route_find)(skb, packet, flow)) {
	case WAY_SEND:
		if (hook == WIRE_OUT)
			return COUNT_FORWARD;
		return F(tc_masquerade)(flow, hairpin);
	case WAY_TOO_LONG:
		return COUNT_ANSWER_TOO_BIG;
	default:
		return hook == WIRE_OUT ? COUNT_REFUSE_NO_ROUTE : COUNT_FORWARD;
	}
}

/* Chooses a backend for the first packet of a flow. A Local policy keeps the client's address. */
static __noinline enum counter F(tc_choose)(const struct F(packet) *packet, struct F(flow) *flow,
					    enum hook hook)
{
	struct service service = {}; /* kernels before 6.3 want it written, and the slot too */
	struct F(slot) slot = {};
	enum counter reason = F(tc_frontend)(packet, hook, &service);

	if (reason == COUNT_FORWARD)
		reason = F(lb_select)(&service, 0, packet->tuple.source, bpf_get_prandom_u32(),
				      &slot);
	if (reason < COUNT_FORWARD)
		return COUNT_PASS_PACKET;
	if (reason >= COUNT_REFUSE_NO_BACKEND) {
		count_service(service.service_id, reason);
		return reason;
	}
	__builtin_memcpy(flow->source, packet->tuple.source, ADDRESS_SIZE);
	__builtin_memcpy(flow->destination, slot.address, ADDRESS_SIZE);
	flow->source_port = packet->tuple.source_port;
	flow->destination_port = slot.port;
	flow->service_id = slot.service_id;
	flow->backend_id = slot.backend_id;
	flow->state = FLOW_NEW;
	flow->fin_client = 0;
	flow->fin_backend = 0;
	count(reason);
	count_service(service.service_id, reason);
	count_backend(slot.backend_id);
	flow->path = service.policy == LOCAL ? THROUGH_STACK : REDIRECTED;
	return COUNT_FORWARD;
}

/* A packet that does not go on, for this reason: an answer, or silence. */
static __always_inline int F(tc_refuse)(struct __sk_buff *skb, const struct F(packet) *packet,
					enum hook hook, enum counter reason,
					const struct F(flow) *flow)
{
	__u32 answer = ANSWER_UNREACHABLE, rest = 0;

	count(reason);
	switch (reason) {
	case COUNT_REFUSE_NO_BACKEND:
	case COUNT_REFUSE_UNKNOWN_PORT:
	case COUNT_REFUSE_NO_PORT:
		if (packet->tuple.protocol == TCP)
			return F(answer_reset)(skb, packet, hook);
		count(COUNT_ANSWER_UNREACHABLE);
		break;
	case COUNT_ANSWER_TOO_BIG:
		answer = ANSWER_TOO_BIG;
		rest = F(route_mtu)(flow);
		break;
	case COUNT_ANSWER_EXPIRED:
		answer = ANSWER_EXPIRED;
		break;
	default:
		count(COUNT_DROPPED);
		return TC_ACT_SHOT;
	}
	return F(answer_icmp)(skb, packet, hook, answer, rest);
}

/* Whether the packet is what a flow of ours has made of another one. */
static __noinline int F(tc_is_translated)(const struct FX(flow, _key) *tuple)
{
	struct FX(flow, _key) answer = {
		.source_port = tuple->destination_port,
		.destination_port = tuple->source_port,
		.protocol = tuple->protocol,
	};
	const struct F(flow) *flow;

	__builtin_memcpy(answer.source, tuple->destination, ADDRESS_SIZE);
	__builtin_memcpy(answer.destination, tuple->source, ADDRESS_SIZE);
	flow = bpf_map_lookup_elem(&F(conntrack), &answer);
	return flow && flow->reply;
}

/* Whether a flow may begin with this packet. What the node only forwards has come by us before. */
static __always_inline bool F(tc_may_begin)(const struct __sk_buff *skb,
					    const struct F(packet) *packet, enum hook hook,
					    __u8 tcp_flags)
{
	if (tcp_flags & TCP_RST)
		return false;
	/* It may be of a connection that the rules of kube-proxy translate, further on. */
	if (tc_config.tcp_begins_with_syn && packet->tuple.protocol == TCP &&
	    (tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return false;
	if (hook == WIRE_OUT)
		return !skb->ingress_ifindex && !F(tc_is_translated)(&packet->tuple);
	return hook != POD_OUT;
}

/* What keeps a packet from being sent on: 0 when nothing does. */
static __always_inline enum counter F(tc_obstacle)(struct __sk_buff *skb,
						   const struct F(packet) *packet,
						   struct F(flow) *flow, struct F(flow) *entry,
						   enum hook hook)
{
	enum way way = WAY_SEND;

	if (!flow->ifindex || F(wire_length)(skb, packet) > flow->longest) {
		way = F(route_find)(skb, packet, flow);
		if (way == WAY_SEND && entry)
			F(flow_note_way)(entry, flow);
	}
	if (way == WAY_STACK)
		return COUNT_REFUSE_NO_ROUTE;
	if (way == WAY_TOO_LONG)
		return COUNT_ANSWER_TOO_BIG;
	return hook_is_arrival(hook) && packet->ttl <= 1 ? COUNT_ANSWER_EXPIRED : 0;
}

/* An error about a packet of a flow that keeps its sender keeps its own, a router's for example. */
static __always_inline void F(tc_translate_icmp)(struct __sk_buff *skb, struct F(packet) *packet,
						 struct F(flow) *flow, __u8 ttl)
{
	const __u32 inner = F(icmp_rewrite_inner)(skb, packet, flow);

	if (F(is_same)(packet->tuple.source, flow->source))
		bpf_skb_load_bytes(skb, packet->l3 + offsetof(IP_HEADER, saddr), flow->source,
				   ADDRESS_SIZE);
	F(icmp_rewrite)(skb, packet, flow, ttl, inner);
}

/*
 * Whether translation would spoil the packet: the checksum of SCTP covers the ports, and how it
 * changes with them depends on how much follows, which a first fragment does not say.
 */
static __always_inline bool F(tc_would_spoil)(const struct F(packet) *packet,
					      const struct F(flow) *flow)
{
	return packet->piece == FIRST_FRAGMENT && packet->tuple.protocol == SCTP &&
	       (packet->tuple.source_port != flow->source_port ||
		packet->tuple.destination_port != flow->destination_port);
}

/* A packet of a known flow; its entry, if what is learned of the way is to be kept there. */
static __always_inline int F(tc_translate)(struct __sk_buff *skb, struct F(packet) *packet,
					   struct F(flow) *flow, struct F(flow) *entry,
					   enum hook hook, bool is_icmp)
{
	const enum treatment treatment = flow_treatment(hook, flow->reply, flow->path);
	enum counter obstacle;
	__u8 ttl = packet->ttl;

	if (treatment == LEAVE) {
		count(COUNT_PASS_PACKET);
		return PASS_ON;
	}
	if (!is_icmp && F(tc_would_spoil)(packet, flow)) {
		count(COUNT_FRAGMENT_CHECKSUM);
		count(COUNT_DROPPED);
		return TC_ACT_SHOT;
	}
	if (packet->piece == FIRST_FRAGMENT)
		F(fragment_remember)(packet);
	if (treatment == SEND_ON) {
		obstacle = F(tc_obstacle)(skb, packet, flow, entry, hook);
		if (obstacle)
			return F(tc_refuse)(skb, packet, hook,
					    is_icmp ? COUNT_REFUSE_NO_ROUTE : obstacle, flow);
		if (hook_is_arrival(hook))
			ttl--;
	}
	count(is_icmp ? COUNT_PACKET_ICMP : flow->reply ? COUNT_PACKET_BACK : COUNT_PACKET);
	if (is_icmp)
		F(tc_translate_icmp)(skb, packet, flow, ttl);
	else
		F(rewrite)(skb, packet, flow, ttl);
	return treatment == SEND_ON ? F(send_on)(skb, packet->l3, flow) : PASS_ON;
}

/*
 * Whether a packet may be ours, which few are. What arrives is translated for its destination: a
 * frontend's address, or the node's own to which a backend replies. What departs is translated for
 * its source, a backend; and what the node itself sends, for its destination.
 *
 * All traffic of the node comes by here while the processor's caches are full of other things: so
 * that little code is run, one or two words of arrays are read, and nothing is written. What is not
 * in plain sight may be ours.
 */
static __always_inline bool F(tc_may_be_ours)(struct __sk_buff *skb, __u32 l3, enum hook hook)
{
	const void *end = (void *)(long)skb->data_end;
	const IP_HEADER *ip = (void *)(long)skb->data + l3;
	const __be16 *ports = (const void *)(ip + 1);
	const __u8 *source = (const __u8 *)&ip->saddr, *destination = (const __u8 *)&ip->daddr;
	const bool arrives = hook_is_arrival(hook);
	__u8 number;

	if ((const void *)ports + PORTS_SIZE > end)
		return true;
#if FAMILY == 4
	if (*(const __u8 *)ip != 0x45 || ip->frag_off & bpf_htons(0x3fff))
		return true;
	number = ip->protocol;
#else
	number = ip->nexthdr;
	if (is_extension(number))
		return true;
#endif
	if (packet_protocol(number) == PROTO_ANY)
		return number == PROTOCOL_ICMP;
	if ((arrives || !skb->ingress_ifindex) &&
	    F(lb_may_be_ours)(destination, bpf_ntohs(ports[1])))
		return true;
	if (arrives && F(is_in)(tc_config.F(service), destination))
		return true;
	return (!arrives || F(flow_filter_has)(destination, FLOW_NO_PORT)) &&
	       F(flow_filter_has)(source, bpf_ntohs(ports[0]));
}

/* Every packet that may be ours. */
static __noinline int F(tc_packet)(struct __sk_buff *skb, __u32 l3, enum hook hook)
{
	struct F(packet) packet = {};
	struct F(flow) flow = {};
	struct F(flow) *entry = NULL;
	enum counter reason = COUNT_FLOW_BEGUN;
	bool is_icmp, may_be_vip;
	__u8 tcp_flags = 0;
	__u64 now;

	if (!F(packet_read)(skb, l3, &packet))
		goto pass;
	is_icmp = packet.number == PROTOCOL_ICMP;
	if (is_icmp && !F(icmp_read)(skb, &packet))
		goto pass;
	if (packet.tuple.protocol == PROTO_ANY)
		goto pass;
	if (packet.piece == LATER_FRAGMENT && !F(fragment_follow)(&packet)) {
		count(hook_is_arrival(hook) && F(lb_kinds)(packet.tuple.destination)
			      ? COUNT_FRAGMENT_UNKNOWN
			      : COUNT_PASS_PACKET);
		return PASS_ON;
	}
	may_be_vip = F(lb_may_be_ours)(packet.tuple.destination, packet.tuple.destination_port);
	if (!may_be_vip && !F(flow_filter_has)(packet.tuple.source, packet.tuple.source_port)) {
		if (!hook_is_arrival(hook) || is_icmp || !F(is_unallocated)(&packet))
			goto pass;
		reason = COUNT_REFUSE_UNALLOCATED;
		goto refuse;
	}

	if (packet.tuple.protocol == TCP && packet.piece != LATER_FRAGMENT && !is_icmp)
		bpf_skb_load_bytes(skb, packet.l4 + 13, &tcp_flags, sizeof(tcp_flags));
	entry = F(flow_find)(&packet.tuple, &flow);
	if (entry) {
		if (is_icmp) {
			entry = NULL;
			goto translate;
		}
		now = flow_now();
		if (flow.reply || F(flow_goes_on)(&packet, &flow, tcp_flags, now)) {
			F(flow_follow)(&packet, &flow, entry, tcp_flags, now);
			goto translate;
		}
		entry = NULL;
		F(flow_end)(&packet.tuple, &flow);
	}
	if (!may_be_vip || is_icmp || packet.piece == LATER_FRAGMENT ||
	    !F(tc_may_begin)(skb, &packet, hook, tcp_flags))
		goto pass;
	reason = F(tc_choose)(&packet, &flow, hook);
	if (reason == COUNT_PASS_PACKET)
		goto pass;
	if (reason == COUNT_FORWARD)
		reason = F(tc_path)(skb, &packet, &flow, hook);
	if (reason == COUNT_FORWARD) {
		flow.last_seen = flow_now();
		reason = F(flow_begin)(skb, &packet, &flow);
	}
	if (reason != COUNT_FLOW_BEGUN)
		goto refuse;
	count(reason);
translate:
	return F(tc_translate)(skb, &packet, &flow, entry, hook, is_icmp);
refuse:
	return F(tc_refuse)(skb, &packet, hook, reason, &flow);
pass:
	count(COUNT_PASS_PACKET);
	return PASS_ON;
}
