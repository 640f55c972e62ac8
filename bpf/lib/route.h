/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where a translated packet goes, for one family (see family.h). After
 * lib/packet.h. */
#include <asm-generic/errno-base.h>
#include "lib/flows.h"

#ifndef LIB_ROUTE_H
#define LIB_ROUTE_H

/* What an IPv6 network carries at least: said when the route's is unknown. */
#define LB_SMALLEST_MTU 1280

#define VLAN_TAG 4

/* BPF_FIB_LOOKUP_MARK: the mark stands where the answer has the first MAC address. */
#define FIB_LOOKUP_MARK (1u << 5)

enum way {
	WAY_SEND,     /* there is a device and a next hop */
	WAY_STACK,    /* the node itself, or what only the kernel can say */
	WAY_TOO_LONG, /* the packet is longer than the way allows */
};

#endif

/* The longest packet that this one becomes on the wire: a bundle of segments is cut up again. */
static __always_inline __u16 F(wire_length)(struct __sk_buff *skb, const struct F(packet) *packet)
{
	__u32 header = sizeof(struct udphdr);
	__u8 words = 0;

	if (!skb->gso_size)
		return packet->length;
	if (packet->number == IPPROTO_TCP) {
		bpf_skb_load_bytes(skb, packet->l4 + 12, &words, sizeof(words));
		header = (words >> 4) * 4;
	}
	return packet->l4 - packet->l3 + header + skb->gso_size;
}

/* Where a packet goes that is sent on. */
struct F(route) {
	__u32 ifindex;
	__u32 mtu; /* 0: the kernel does not say (before 5.13) */
	__u8 next_hop[ADDRESS_SIZE];
};

/*
 * Asks the kernel's routes. Rules may look at the packet's mark, which the helper takes since 6.10:
 * before that what arrives with one is left to the kernel.
 */
static __always_inline long F(route_ask)(struct __sk_buff *skb, struct bpf_fib_lookup *route,
					 bool arrives)
{
	const __u32 mark = skb->mark;
	long answer;

	if (!mark)
		return bpf_fib_lookup(skb, route, sizeof(*route), 0);
	__builtin_memcpy(route->smac, &mark, sizeof(mark));
	answer = bpf_fib_lookup(skb, route, sizeof(*route), FIB_LOOKUP_MARK);
	if (answer != -EINVAL)
		return answer;
	if (arrives)
		return BPF_FIB_LKUP_RET_NOT_FWDED;
	return bpf_fib_lookup(skb, route, sizeof(*route), 0);
}

/* The way of a packet with this tuple. */
static __noinline enum way F(route_find)(struct __sk_buff *skb, const struct F(packet) *packet,
					 const struct F(tuple) *tuple, struct F(route) *way,
					 __u32 arrives)
{
	const __u16 length = F(wire_length)(skb, packet);
	struct bpf_fib_lookup route = {
		.family = ADDRESS_FAMILY,
		.l4_protocol = packet->number,
		.sport = bpf_htons(tuple->source_port),
		.dport = bpf_htons(tuple->destination_port),
		.tot_len = length,
		.ifindex = skb->ifindex,
	};
	long answer;

#if FAMILY == 4
	route.tos = packet->tos;
	route.ipv4_src = *(const __u32 *)tuple->source;
	route.ipv4_dst = *(const __u32 *)tuple->destination;
#else
	__builtin_memcpy(route.ipv6_src, tuple->source, 16);
	__builtin_memcpy(route.ipv6_dst, tuple->destination, 16);
#endif
	answer = F(route_ask)(skb, &route, arrives);
	way->ifindex = route.ifindex;
	way->mtu = 0;
	/* A next hop of the other family is left to the kernel: zero. */
	__builtin_memset(way->next_hop, 0, ADDRESS_SIZE);
	if (route.family == ADDRESS_FAMILY)
		__builtin_memcpy(way->next_hop, route.ipv6_dst, ADDRESS_SIZE);
	switch (answer) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_NO_NEIGH: /* which the kernel then asks for */
		return WAY_SEND;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		way->mtu = route.mtu_result < length ? route.mtu_result : 0;
		return WAY_TOO_LONG;
	default:
		return WAY_STACK;
	}
}

/* How long a packet may be on the way; kernels before 5.13 do not tell, and the device does. */
static __always_inline __u32 F(route_mtu)(const struct F(route) *way)
{
	__u32 ifindex = way->ifindex;
	const struct device *device;

	if (way->mtu)
		return way->mtu;
	device = bpf_map_lookup_elem(&devices, &ifindex);
	return device && device->mtu ? device->mtu : LB_SMALLEST_MTU;
}

/*
 * Sends the packet out by a device. The kernel's helper wants an Ethernet header and nothing else
 * in front of the IP header, even if neither device has one. What has not arrived has a route of
 * its own already, by which the kernel would find a neighbour that it has to ask for first: there
 * the helper looks for the route itself.
 */
static __noinline int F(send_on)(struct __sk_buff *skb, __u32 l3, const struct F(route) *way,
				 enum hook hook)
{
	struct bpf_redir_neigh hop = {.nh_family = ADDRESS_FAMILY};

	skb->tc_index = packet_done(skb->ingress_ifindex);
	if (!l3 && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return TC_ACT_SHOT;
	if (skb->vlan_present)
		bpf_skb_vlan_pop(skb);
	if (l3 > ETH_HLEN)
		bpf_skb_vlan_pop(skb);
	if (l3 > ETH_HLEN + VLAN_TAG)
		bpf_skb_vlan_pop(skb);
	if (!hook_is_arrival(hook) || F(is_zero)(way->next_hop))
		return bpf_redirect_neigh(way->ifindex, NULL, 0, 0);
	__builtin_memcpy(hop.ipv6_nh, way->next_hop, ADDRESS_SIZE);
	return bpf_redirect_neigh(way->ifindex, &hop, sizeof(hop), 0);
}
