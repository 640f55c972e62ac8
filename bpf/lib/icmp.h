/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ICMP errors about packets of our flows, for one family (see family.h). An error quotes a packet
 * as it was where it failed; the sender must see the packet as it was sent. After lib/conntrack.h
 * and lib/rewrite.h.
 */
#include "lib/flows.h"

#ifndef LIB_ICMP_H
#define LIB_ICMP_H

/* What an ICMP message is to us. */
enum icmp_kind {
	ICMP_OTHER,
	ICMP_ERROR,
	ICMP_REDIRECT, /* it tells the sender of the quoted packet of a better way */
};

/* linux/icmp.h wants the C library, and these are only in the kernel's own headers. */
#define ICMP4_REDIRECT 5
#define ND_REDIRECT    137
#define ND_OPTION_HEAD 4

#endif

#if FAMILY == 4
#define PROTOCOL_ICMP IPPROTO_ICMP
#else
#undef PROTOCOL_ICMP
#define PROTOCOL_ICMP IPPROTO_ICMPV6
#endif

static __always_inline enum icmp_kind F(icmp_kind)(__u8 type)
{
#if FAMILY == 4
	if (type == ICMP4_REDIRECT)
		return ICMP_REDIRECT;
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB
		       ? ICMP_ERROR
		       : ICMP_OTHER;
#else
	if (type == ND_REDIRECT)
		return ICMP_REDIRECT;
	return type >= ICMPV6_DEST_UNREACH && type <= ICMPV6_PARAMPROB ? ICMP_ERROR : ICMP_OTHER;
#endif
}

/*
 * Where the quoted packet stands; 0 if there is none. A redirect of IPv6 has it in an option, which
 * comes first or behind the link-layer address of the better next hop (RFC 4861 4.5).
 */
static __always_inline __u32 F(icmp_quote)(struct __sk_buff *skb, const struct F(packet) *packet,
					   enum icmp_kind kind)
{
#if FAMILY == 6
	__u32 at = packet->l4 + 40;
	__u8 option[2] = {};

	if (kind == ICMP_REDIRECT) {
		if (bpf_skb_load_bytes(skb, at, option, sizeof(option)))
			return 0;
		if (option[0] != ND_OPTION_HEAD) {
			at += option[1] * 8;
			if (bpf_skb_load_bytes(skb, at, option, sizeof(option)))
				return 0;
		}
		return option[0] == ND_OPTION_HEAD ? at + 8 : 0;
	}
#endif
	return packet->l4 + 8;
}

#if FAMILY == 6

/* The quoted packet's protocol, and how long all of its headers before that are. */
#define INNER_HEADERS(number, size) ((__u32)(number) << 16 | (size))

/* Walks over what may stand between the quoted IPv6 header and its load; 0 if it is not found. */
static __noinline __u32 icmp_inner_extensions(struct __sk_buff *skb, __u32 at, __u32 number)
{
	__u32 size = sizeof(struct ipv6hdr);
	__u8 words[4];
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < 4; i++) {
		if (!is_extension(number))
			return INNER_HEADERS(number, size);
		if (bpf_skb_load_bytes(skb, at + size, words, sizeof(words)))
			return 0;
		if (number != IPPROTO_FRAGMENT)
			size += (words[1] + 1) * 8;
		else if (words[2] || words[3] & 0xf8)
			return 0;
		else
			size += 8;
		number = words[0];
	}
	return is_extension(number) ? 0 : INNER_HEADERS(number, size);
}

#endif

/*
 * How long the quoted IP header is, and what follows it; 0 for one that is not read: a later
 * fragment, for example. An IPv6 sender makes fragments, and hears of the first that it is too big.
 */
static __always_inline __u32 F(icmp_inner_size)(struct __sk_buff *skb, __u32 at,
						const IP_HEADER *inner, __u8 *number)
{
#if FAMILY == 4
	*number = inner->protocol;
	return inner->frag_off & bpf_htons(0x1fff) ? 0 : inner->ihl * 4;
#else
	__u32 headers;

	*number = inner->nexthdr;
	if (!is_extension(inner->nexthdr))
		return sizeof(*inner);
	headers = icmp_inner_extensions(skb, at, inner->nexthdr);
	*number = headers >> 16;
	return headers & 0xffff;
#endif
}

/*
 * Takes the tuple of the packet that would answer the quoted one: the flow that it leads to says
 * how this error is translated. Returns ICMP_OTHER for what is none, or quotes no ports.
 */
static __noinline enum icmp_kind F(icmp_read)(struct __sk_buff *skb, struct F(packet) *packet)
{
	IP_HEADER inner = {};
	enum icmp_kind kind;
	__u32 ports = 0;
	__u32 at, size;
	__u8 type = 0, number = 0;

	if (packet->piece == LATER_FRAGMENT)
		return ICMP_OTHER;
	if (bpf_skb_load_bytes(skb, packet->l4, &type, sizeof(type)))
		return ICMP_OTHER;
	kind = F(icmp_kind)(type);
	if (!kind)
		return ICMP_OTHER;
	at = F(icmp_quote)(skb, packet, kind);
	if (!at || bpf_skb_load_bytes(skb, at, &inner, sizeof(inner)))
		return ICMP_OTHER;
	size = F(icmp_inner_size)(skb, at, &inner, &number);
	if (!size || bpf_skb_load_bytes(skb, at + size, &ports, sizeof(ports)))
		return ICMP_OTHER;
	packet->tuple.protocol = packet_protocol(number);
	__builtin_memcpy(packet->tuple.source, &inner.daddr, ADDRESS_SIZE);
	__builtin_memcpy(packet->tuple.destination, &inner.saddr, ADDRESS_SIZE);
	packet->tuple.source_port = bpf_ntohs((__u16)(ports >> 16));
	packet->tuple.destination_port = bpf_ntohs((__u16)ports);
	return packet->tuple.protocol == PROTO_ANY ? ICMP_OTHER : kind;
}

/* The quoted TCP or UDP checksum, if it is there: kept true, although no receiver can check it. */
static __always_inline __u32 F(icmp_rewrite_check)(struct __sk_buff *skb, __u32 offset,
						   __u64 difference)
{
	__u16 words[2] = {}; /* old, new */

	if (bpf_skb_load_bytes(skb, offset, words, 2) || !words[0])
		return 0;
	words[1] = checksum_fold(difference + (__u16)~words[0]);
	bpf_skb_store_bytes(skb, offset, words + 1, 2, 0);
	return (__u16)~words[0] + words[1];
}

/* The quoted header as its sender knows it. Returns what that adds to the sum of the error. */
static __noinline __u32 F(icmp_rewrite_inner)(struct __sk_buff *skb, const struct F(packet) *packet,
					      const struct F(tuple) *tuple)
{
	const __u32 at = packet->l4 + 8;
	struct F(tuple) quoted;
	IP_HEADER inner = {};
	__u32 old_ports = 0, ports, size;
	__u64 addresses, sum;
	__u8 number;

	F(tuple_turn)(tuple, &quoted);
	bpf_skb_load_bytes(skb, at, &inner, sizeof(inner));
	size = F(icmp_inner_size)(skb, at, &inner, &number);
	bpf_skb_load_bytes(skb, at + size, &old_ports, sizeof(old_ports));
	addresses = (__u32)bpf_csum_diff((__be32 *)&inner.saddr, 2 * ADDRESS_SIZE,
					 (__be32 *)&quoted, 2 * ADDRESS_SIZE, 0);
	__builtin_memcpy(&inner.saddr, &quoted, 2 * ADDRESS_SIZE);
#if FAMILY == 4
	inner.check = checksum_fold(addresses + (__u16)~inner.check);
	sum = 0; /* the header's own checksum makes up for the addresses */
#else
	sum = addresses;
#endif
	bpf_skb_store_bytes(skb, at, &inner, sizeof(inner), 0);

	ports = bpf_htons(quoted.source_port) | (__u32)bpf_htons(quoted.destination_port) << 16;
	bpf_skb_store_bytes(skb, at + size, &ports, sizeof(ports), 0);
	addresses += (__u64)(__u32)~old_ports + ports;
	sum += (__u64)(__u32)~old_ports + ports;
	if (quoted.protocol == UDP)
		sum += F(icmp_rewrite_check)(skb, at + size + 6, addresses);
	if (quoted.protocol == TCP)
		sum += F(icmp_rewrite_check)(skb, at + size + 16, addresses);
	return sum_fold(sum);
}

/* The error's own header, and its checksum after the change of what it quotes. */
static __noinline int F(icmp_rewrite)(struct __sk_buff *skb, struct F(packet) *packet,
				      const struct F(tuple) *tuple, __u32 ttl, __u32 inner)
{
	const __u32 check = packet->l4 + 2;
	__u32 outer;

	/* From here on the tuple has the addresses of the error itself. */
	bpf_skb_load_bytes(skb, packet->l3 + offsetof(IP_HEADER, saddr), &packet->tuple,
			   2 * ADDRESS_SIZE);
	outer = F(rewrite_ip)(skb, packet, tuple, ttl, NULL);
	bpf_l4_csum_replace(skb, check, 0, inner, 0);
	if (FAMILY == 6)
		bpf_l4_csum_replace(skb, check, 0, outer, BPF_F_PSEUDO_HDR);
	return 0;
}
