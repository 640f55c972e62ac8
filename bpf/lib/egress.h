/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Source ranges, once a packet has a source; for one family (see family.h), after lb.h. */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "lib/guard.h"

#ifndef LIB_EGRESS_H
#define LIB_EGRESS_H

/* The second drops without a word to the sender, as a packet filter does. */
#define EGRESS_KEEP 1
#define EGRESS_DROP 2

static __always_inline bool egress_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

#endif

/* Reads source and destination; false for a packet without whole headers. */
static __always_inline bool F(egress_read)(struct __sk_buff *skb, __u32 *source, struct peer *peer)
{
	__be16 port = 0;
	__u32 offset;
	bool has_ports;
#if FAMILY == 4
	struct iphdr ip = {};

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	source[0] = ip.saddr;
	peer_fill(peer, (const __u8 *)&ip.daddr, ADDRESS_SIZE, 0);
	offset = ip.ihl * 4;
	has_ports = egress_has_ports(ip.protocol);
#else
	struct ipv6hdr ip = {};

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	__builtin_memcpy(source, &ip.saddr, ADDRESS_SIZE);
	peer_fill(peer, (const __u8 *)&ip.daddr, ADDRESS_SIZE, 0);
	offset = sizeof(ip);
	has_ports = egress_has_ports(ip.nexthdr);
#endif
	if (has_ports && bpf_skb_load_bytes(skb, offset + 2, &port, sizeof(port)))
		return false;
	peer->port = bpf_ntohs(port);
	return true;
}

/* A packet of a socket that was led to a backend on condition of its source. */
static __always_inline int F(egress_guarded)(struct __sk_buff *skb, struct guards *guards)
{
	__u32 source[ADDRESS_SIZE / 4] = {};
	struct peer peer = {};
	__u32 service_id;

	if (!F(egress_read)(skb, source, &peer))
		return EGRESS_DROP;
	service_id = guard_service(skb, guards, &peer);
	if (!service_id || F(lb_in_ranges)(service_id, (const __u8 *)source))
		return EGRESS_KEEP;
	count(COUNT_REFUSE_SOURCE);
	count_service(service_id, COUNT_REFUSE_SOURCE);
	return EGRESS_DROP;
}
