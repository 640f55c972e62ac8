/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Answers of our own, for one family (see family.h): a TCP RST, or an ICMP error. The packet that
 * came becomes the answer and goes back to where it came from. After lib/rewrite.h.
 */
#include <linux/icmpv6.h>
#include "lib/count.h"
#include "lib/flows.h"

#ifndef LIB_ANSWER_H
#define LIB_ANSWER_H

/* linux/icmp.h has these, and wants the C library. */
#define ICMP_DEST_UNREACH  3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_PORT_UNREACH  3
#define ICMP_FRAG_NEEDED   4

#define ANSWER_TTL 64

static __always_inline void swap_ethernet(struct __sk_buff *skb)
{
	__u16 old[6] = {}, new[6];

	bpf_skb_load_bytes(skb, 0, old, sizeof(old));
	__builtin_memcpy(new, old + 3, 6);
	__builtin_memcpy(new + 3, old, 6);
	bpf_skb_store_bytes(skb, 0, new, sizeof(new), 0);
}

/* The node's own packets are answered as if the answer had arrived. */
static __always_inline int send_back(struct __sk_buff *skb, __u32 l3, enum hook hook)
{
	if (l3)
		swap_ethernet(skb);
	return bpf_redirect(skb->ifindex, hook_is_arrival(hook) ? 0 : BPF_F_INGRESS);
}

static __always_inline __u64 words_sum(const __u32 *words, int count)
{
	__u64 sum = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < count; i++) {
		sum += words[i];
		add_up(sum);
	}
	return sum;
}

#endif

#define IP_WORDS ((int)sizeof(IP_HEADER) / 4)

/* The header of an answer with so many bytes, and what the sums of its load begin with. */
static __always_inline __u64 F(answer_header)(__u32 *words, const struct F(packet) *packet,
					      __u16 length, __u8 number)
{
#if FAMILY == 4
	words[0] = bpf_htonl(0x45000000 | (20 + length));
	words[1] = bpf_htonl(0x4000); /* may not be fragmented */
	words[2] = ANSWER_TTL | (__u32)number << 8;
	words[3] = *(const __u32 *)packet->tuple.destination;
	words[4] = *(const __u32 *)packet->tuple.source;
	words[2] |= (__u32)checksum_fold(words_sum(words, 5)) << 16;
	if (number == IPPROTO_ICMP)
		return 0;
	return words_sum(words + 3, 2) + bpf_htonl(length) + bpf_htonl(number);
#else
	words[0] = bpf_htonl(0x60000000);
	words[1] = bpf_htonl((__u32)length << 16 | (__u32)number << 8 | ANSWER_TTL);
	__builtin_memcpy(words + 2, packet->tuple.destination, 16);
	__builtin_memcpy(words + 6, packet->tuple.source, 16);
	return words_sum(words + 2, 8) + bpf_htonl(length) + bpf_htonl(number);
#endif
}

/*
 * Makes the packet the answer and sends it back. `words` has room for the IP header, and the load
 * with a checksum of zero.
 *
 * The old packet's checksum may still be the device's to fill in, as for those of this machine's
 * other network namespaces, and the place for it is remembered. The kernel forgets it when what
 * lies there is cut off: so the answer is written behind it. That cannot be done with a packet that
 * has a tag in front of the IP header; such a one came from a real device, with its checksum.
 */
static __always_inline int F(answer_send)(struct __sk_buff *skb, const struct F(packet) *packet,
					  enum hook hook, __u32 *words, __u16 load, __u16 *check,
					  __u8 number)
{
	const __u32 size = sizeof(IP_HEADER) + load;
	const __s32 cut = packet->l3 > ETH_HLEN ? 0 : packet->l4 + 4;
	__u64 sum = F(answer_header)(words, packet, load, number);

	*check = checksum_fold(sum + words_sum(words + IP_WORDS, load / 4));
	if (bpf_skb_change_tail(skb, packet->l3 + size + cut, 0))
		return TC_ACT_SHOT;
	if (cut && bpf_skb_adjust_room(skb, -cut, BPF_ADJ_ROOM_MAC, 0))
		return TC_ACT_SHOT;
	bpf_skb_store_bytes(skb, packet->l3, words, size, 0);
	return send_back(skb, packet->l3, hook);
}

/* What TCP says where nobody listens. */
static __noinline int F(answer_reset)(struct __sk_buff *skb, const struct F(packet) *packet,
				      enum hook hook)
{
	__u32 words[IP_WORDS + 5] = {};
	__u32 *reset = words + IP_WORDS;
	__u32 request[4] = {};
	__u32 flags, length;

	if (bpf_skb_load_bytes(skb, packet->l4, request, sizeof(request)))
		return TC_ACT_SHOT;
	flags = bpf_ntohl(request[3]);
	if (flags & (TCP_RST << 16))
		return TC_ACT_SHOT;
	reset[0] = request[0] << 16 | request[0] >> 16;
	if (flags & (TCP_ACK << 16)) {
		reset[1] = request[2];
		reset[3] = bpf_htonl(5u << 28 | TCP_RST << 16);
	} else {
		length = packet->length - (packet->l4 - packet->l3) - (flags >> 28) * 4;
		length += !!(flags & (TCP_SYN << 16)) + !!(flags & (TCP_FIN << 16));
		reset[2] = bpf_htonl(bpf_ntohl(request[1]) + length);
		reset[3] = bpf_htonl(5u << 28 | (TCP_RST | TCP_ACK) << 16);
	}
	count(COUNT_ANSWER_RESET);
	return F(answer_send)(skb, packet, hook, words, 20, (__u16 *)(reset + 4), IPPROTO_TCP);
}

#if FAMILY == 4
#define ANSWER_UNREACHABLE (ICMP_DEST_UNREACH << 8 | ICMP_PORT_UNREACH)
#define ANSWER_TOO_BIG	   (ICMP_DEST_UNREACH << 8 | ICMP_FRAG_NEEDED)
#define ANSWER_EXPIRED	   (ICMP_TIME_EXCEEDED << 8)
#define ANSWER_ICMP	   IPPROTO_ICMP
#else
#undef ANSWER_UNREACHABLE
#undef ANSWER_TOO_BIG
#undef ANSWER_EXPIRED
#undef ANSWER_ICMP
#define ANSWER_UNREACHABLE (ICMPV6_DEST_UNREACH << 8 | ICMPV6_PORT_UNREACH)
#define ANSWER_TOO_BIG	   (ICMPV6_PKT_TOOBIG << 8)
#define ANSWER_EXPIRED	   (ICMPV6_TIME_EXCEED << 8)
#define ANSWER_ICMP	   IPPROTO_ICMPV6
#endif

/* An ICMP error with type and code, and what its last word says; it quotes the header and ports. */
static __noinline int F(answer_icmp)(struct __sk_buff *skb, const struct F(packet) *packet,
				     enum hook hook, __u32 type_code, __u32 rest)
{
	__u32 words[IP_WORDS + 2 + IP_WORDS + 2] = {};

	if (bpf_skb_load_bytes(skb, packet->l3, words + IP_WORDS + 2, sizeof(IP_HEADER) + 8))
		return TC_ACT_SHOT;
	words[IP_WORDS] = bpf_htons(type_code);
	words[IP_WORDS + 1] = bpf_htonl(rest);
	return F(answer_send)(skb, packet, hook, words, 8 + sizeof(IP_HEADER) + 8,
			      (__u16 *)(words + IP_WORDS) + 1, ANSWER_ICMP);
}
