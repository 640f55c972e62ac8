/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Answers of our own, for one family (see family.h): a TCP RST, or an ICMP error. The packet that
 * came becomes the answer and goes back to where it came from. After lib/lb.h and lib/rewrite.h.
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

/* How many ICMP errors a client gets at once; then one a second, as with the kernel's ratelimit. */
#define ANSWER_BURST 6

/*
 * How much of a packet an error quotes at most, in bytes: IPv4 576 in all (RFC 1812 4.3.2.3), IPv6
 * 1280 (RFC 4443 2.4(c)). And how it is summed up: bpf_csum_diff takes 512 bytes before 6.13.
 */
#define ANSWER4_QUOTE  548
#define ANSWER6_QUOTE  1232
#define ANSWER4_CHUNK  280
#define ANSWER6_CHUNK  416
#define ANSWER4_CHUNKS 2
#define ANSWER6_CHUNKS 3

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
 * How much goes away at the front of the packet before the answer is written.
 *
 * The old packet's checksum may still be the device's to fill in, as for those of this machine's
 * other network namespaces, and the place for it is remembered. The kernel forgets it when what
 * lies there is cut off: so the answer is written behind it. That cannot be done with a packet that
 * has a tag in front of the IP header; such a one came from a real device, with its checksum.
 */
static __always_inline __s32 F(answer_cut)(const struct F(packet) *packet)
{
	return packet->l3 > ETH_HLEN ? 0 : packet->l4 + 4;
}

/* Makes room for an answer of so many bytes, and for what is cut off before. */
static __always_inline int F(answer_fit)(struct __sk_buff *skb, const struct F(packet) *packet,
					 __u32 size)
{
	return bpf_skb_change_tail(skb, packet->l3 + size + F(answer_cut)(packet), 0);
}

/* Makes the packet, which has the length for it, the answer, and sends it back. */
static __always_inline int F(answer_send)(struct __sk_buff *skb, const struct F(packet) *packet,
					  enum hook hook, const void *answer, __u32 size)
{
	const __s32 cut = F(answer_cut)(packet);

	if (cut && bpf_skb_adjust_room(skb, -cut, BPF_ADJ_ROOM_MAC, 0))
		return TC_ACT_SHOT;
	if (bpf_skb_store_bytes(skb, packet->l3, answer, size, 0))
		return TC_ACT_SHOT;
	return send_back(skb, packet->l3, hook);
}

/* What TCP says where no socket listens. */
static __noinline int F(answer_reset)(struct __sk_buff *skb, const struct F(packet) *packet,
				      enum hook hook)
{
	__u32 words[IP_WORDS + 5] = {};
	__u32 *reset = words + IP_WORDS;
	__u32 request[4] = {};
	__u32 flags, length;
	__u64 sum;

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
	sum = F(answer_header)(words, packet, 20, IPPROTO_TCP);
	reset[4] = checksum_fold(sum + words_sum(reset, 5));
	if (F(answer_fit)(skb, packet, sizeof(words)))
		return TC_ACT_SHOT;
	count(COUNT_ANSWER_RESET);
	return F(answer_send)(skb, packet, hook, words, sizeof(words));
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

/*
 * Whether the client may get another ICMP error (RFC 4443 2.4(f), RFC 1812 4.3.2.8). Two CPUs may
 * take the same credit, and an entry may be reused while it is read: then there is an error more or
 * less.
 */
static __always_inline bool F(answer_allowed)(const struct F(packet) *packet)
{
	struct answer_limit fresh = {.last = clock_coarse(), .credit = (ANSWER_BURST - 1) * SECOND};
	struct vip6_key client = {};
	struct answer_limit *limit;
	__u64 credit;

	F(address_widen)(client.address, packet->tuple.source);
	limit = bpf_map_lookup_elem(&answer_limits, &client);
	if (!limit) {
		bpf_map_update_elem(&answer_limits, &client, &fresh, BPF_ANY);
		return true;
	}
	credit = limit->credit;
	if (fresh.last > limit->last)
		credit += fresh.last - limit->last;
	if (credit > ANSWER_BURST * SECOND)
		credit = ANSWER_BURST * SECOND;
	if (credit < SECOND)
		return false;
	limit->last = fresh.last;
	limit->credit = credit - SECOND;
	return true;
}

#define ANSWER_QUOTE   FX(ANSWER, _QUOTE)
#define ANSWER_CHUNK   FX(ANSWER, _CHUNK)
#define ANSWER_CHUNKS  FX(ANSWER, _CHUNKS)
#define ANSWER_LENGTHS (sizeof(IP_HEADER) + ANSWER_CHUNK * ANSWER_CHUNKS)

/* Room for an ICMP error, whose end is zeros; in words as large as stores are. */
struct F(answer) {
	__u64 words[(ANSWER_LENGTHS + 7) / 8];
};

LB_ARRAY(BPF_MAP_TYPE_PERCPU_ARRAY, F(answers), struct F(answer), 1);

static __always_inline struct F(answer) *F(answer_room)(void)
{
	const __u32 half = sizeof(struct F(answer)) / 16;
	__u32 first = 0;
	struct F(answer) *room = bpf_map_lookup_elem(&F(answers), &first);

	if (!room)
		return NULL;
	/* In two parts: the compiler makes 128 stores at most, and would make one part of them. */
	__builtin_memset(room->words, 0, half * 8);
	barrier();
	__builtin_memset(room->words + half, 0, sizeof(*room) - half * 8);
	return room;
}

/* How much of the packet is quoted: all of it that is there and fits, but no padding behind it. */
static __always_inline __u32 F(answer_quote)(struct __sk_buff *skb, const struct F(packet) *packet)
{
	__u32 length = skb->len - packet->l3;

	/* A bundle of segments may have a length that its header cannot say. */
	if (packet->length >= sizeof(IP_HEADER) + 8 && packet->length < length)
		length = packet->length;
	return length > ANSWER_QUOTE ? ANSWER_QUOTE : length;
}

/*
 * Whether an error can have a quotation of this length: asked before each use, since verifiers
 * before 5.12 forget it when it is on the stack, and in two comparisons, since they do not
 * understand the one that compilers would make of them.
 */
static __always_inline bool F(answer_has)(__u64 *quote)
{
	asm volatile("" : "+r"(*quote));
	if (*quote > ANSWER_QUOTE)
		return false;
	asm volatile("" : "+r"(*quote));
	return *quote >= sizeof(IP_HEADER);
}

/*
 * An ICMP error with type and code, and what its last word says. It quotes all that fits, options
 * and extension headers included, so that the sender's kernel finds its socket. Where the device's
 * MTU leaves no room for that and for what is cut off, it quotes less.
 */
static __noinline int F(answer_icmp)(struct __sk_buff *skb, const struct F(packet) *packet,
				     enum hook hook, __u32 type_code, __u32 rest)
{
	const __u32 headers = sizeof(IP_HEADER) + 8;
	struct F(answer) *answer = F(answer_room)();
	__u64 quote = F(answer_quote)(skb, packet);
	__u32 *words, i;
	__u64 sum;

	if (!answer)
		return TC_ACT_SHOT;
	if (F(answer_fit)(skb, packet, headers + quote)) {
		quote -= F(answer_cut)(packet);
		if (quote > ANSWER_QUOTE || F(answer_fit)(skb, packet, headers + quote))
			return TC_ACT_SHOT;
	}
	words = (__u32 *)answer->words;
	if (!F(answer_has)(&quote) ||
	    bpf_skb_load_bytes(skb, packet->l3, (__u8 *)words + headers, quote))
		return TC_ACT_SHOT;
	sum = F(answer_header)(words, packet, 8 + quote, ANSWER_ICMP);
	words[IP_WORDS] = bpf_htons(type_code);
	words[IP_WORDS + 1] = bpf_htonl(rest);
#pragma clang loop unroll(full)
	for (i = 0; i < ANSWER_CHUNKS; i++)
		sum += (__u32)bpf_csum_diff(NULL, 0, words + IP_WORDS + i * ANSWER_CHUNK / 4,
					    ANSWER_CHUNK, 0);
	((__u16 *)(words + IP_WORDS))[1] = checksum_fold(sum);
	if (!F(answer_has)(&quote))
		return TC_ACT_SHOT;
	return F(answer_send)(skb, packet, hook, words, headers + quote);
}
