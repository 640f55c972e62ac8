/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Writing a tuple into a packet, for one family (see family.h). Nothing is written through packet
 * pointers: that would make the kernel copy every cloned packet before the program even runs, and
 * all that a node sends by TCP are clones. After lib/packet.h.
 */
#include <linux/tcp.h>
#include <linux/udp.h>
#include "lib/flows.h"
#include "lib/sctp.h"

#ifndef LIB_REWRITE_H
#define LIB_REWRITE_H

static __always_inline __u64 words_difference(const __u32 *old, const __u32 *new, int count)
{
	__u64 sum = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < count; i++) {
		sum += (__u64)(__u32)~old[i] + new[i];
		add_up(sum);
	}
	return sum;
}

#endif

/*
 * Writes both addresses, and the TTL or hop limit, into the IP header, and the ports behind it if
 * they follow at once: each call of a helper costs more than what it copies. Returns what the
 * addresses add to sums.
 */
static __always_inline __u32 F(rewrite_ip)(struct __sk_buff *skb, const struct F(packet) *packet,
					   const struct F(tuple) *tuple, __u8 ttl,
					   const __u32 *ports)
{
	const __u32 *old = (const __u32 *)&packet->tuple;
	const __u32 *new = (const __u32 *)tuple;
#if FAMILY == 4
	const __u64 difference = words_difference(old, new, 2);
	const __u16 number = packet->number << 8;
	__u32 words[4];
	__u16 check;

	/* TTL and protocol are the two bytes of one word, in the order of the wire. */
	check = checksum_fold(difference + (__u16)~packet->check + (__u16) ~(number | packet->ttl) +
			      (number | ttl));
	words[0] = number | ttl | (__u32)check << 16;
	words[1] = new[0];
	words[2] = new[1];
	words[3] = ports ? *ports : 0;
	bpf_skb_store_bytes(skb, packet->l3 + offsetof(struct iphdr, ttl), words,
			    ports ? sizeof(words) : sizeof(words) - PORTS_SIZE, 0);
#else
	const __u64 difference = words_difference(old, new, 8);
	__u32 words[10];

	words[0] = (__u32)ttl << 24;
	__builtin_memcpy(words + 1, new, 32);
	words[9] = ports ? *ports : 0;
	bpf_skb_store_bytes(skb, packet->l3 + offsetof(struct ipv6hdr, hop_limit),
			    (__u8 *)words + 3,
			    ports ? sizeof(words) - 3 : sizeof(words) - 3 - PORTS_SIZE, 0);
	/*
	 * Where the device has summed up the whole packet, the helper for checksums below takes the
	 * addresses off that sum, as if a header's checksum had made up for them. IPv6 has none.
	 */
	bpf_csum_update(skb, sum_fold(difference + (__u16) ~(packet->ttl << 8) + (ttl << 8)));
#endif
	return sum_fold(difference);
}

/* Gives the packet another tuple. */
static __noinline int F(rewrite)(struct __sk_buff *skb, const struct F(packet) *packet,
				 const struct F(tuple) *tuple, __u32 ttl)
{
	const __u32 old_ports = bpf_htons(packet->tuple.source_port) |
				(__u32)bpf_htons(packet->tuple.destination_port) << 16;
	const __u32 ports =
		bpf_htons(tuple->source_port) | (__u32)bpf_htons(tuple->destination_port) << 16;
	const bool ports_follow =
		packet->piece != LATER_FRAGMENT && packet->l4 == packet->l3 + sizeof(IP_HEADER);
	__u32 sum = F(rewrite_ip)(skb, packet, tuple, ttl, ports_follow ? &ports : NULL);
	__u32 offset = packet->l4;
	__u64 flags = 0;

	if (packet->piece == LATER_FRAGMENT)
		return 0;
	if (ports != old_ports && !ports_follow)
		bpf_skb_store_bytes(skb, packet->l4, &ports, sizeof(ports), 0);
	switch (packet->tuple.protocol) {
	case TCP:
		offset += offsetof(struct tcphdr, check);
		break;
	case UDP:
		offset += offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
		break;
	default: /* the checksum of SCTP covers no addresses */
		if (ports != old_ports)
			sctp_rewrite(skb, packet->l4, packet->l3 + packet->length - packet->l4,
				     old_ports ^ ports);
		return 0;
	}
	bpf_l4_csum_replace(skb, offset, 0, sum, flags | BPF_F_PSEUDO_HDR);
	if (ports != old_ports)
		bpf_l4_csum_replace(skb, offset, 0, sum_fold((__u64)(__u32)~old_ports + ports),
				    flags);
	return 0;
}
