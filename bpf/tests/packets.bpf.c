// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The programs at tc over and over: a test run hands the same buffer to every repetition, so what
 * the last one wrote is undone first. tst_undo does only that, and is what is to be subtracted from
 * a duration. What leaves the packet alone needs no such thing, and is compared with tst_nothing.
 */
#include "../tc.bpf.c"
#include "tests/packets.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet_original);
} original SEC(".maps");

static __always_inline int undo(struct __sk_buff *skb)
{
	__u32 index = 0;
	struct packet_original *packet = bpf_map_lookup_elem(&original, &index);
	__u32 number;
	__u16 half;

	if (!packet || packet->size != PACKET_ORIGINAL_MAX)
		return TC_ACT_SHOT;
	skb->tc_index = 0;
	if (packet->noted) {
		skb->tc_index = TRANSLATED_MARK | ((packet->noted - 1) & (NOTED_FLOWS - 1));
		packet->noted += packet->address_offset > 0;
	}
	if (skb->len < PACKET_ORIGINAL_MAX) /* an answer took its place */
		bpf_skb_change_tail(skb, PACKET_ORIGINAL_MAX, 0);
	bpf_skb_store_bytes(skb, 0, packet->bytes, PACKET_ORIGINAL_MAX, 0);
	/* Every time another client: with one port each, or all ports of an address first. */
	if (packet->address_offset) {
		number = packet->runs++;
		if (packet->port_offset) {
			half = bpf_htons(number);
			bpf_skb_store_bytes(skb, packet->port_offset, &half, sizeof(half), 0);
			number >>= 16;
		}
		half = bpf_htons(number);
		bpf_skb_store_bytes(skb, packet->address_offset, &half, sizeof(half), 0);
	}
	return 0;
}

SEC("tc")
int tst_nothing(struct __sk_buff *skb)
{
	return PASS_ON;
}

SEC("tc")
int tst_undo(struct __sk_buff *skb)
{
	return undo(skb);
}

SEC("tc")
int tst_wire_in(struct __sk_buff *skb)
{
	return undo(skb) ? TC_ACT_SHOT : tc_packet(skb, ETH_HLEN, WIRE_IN);
}

SEC("tc")
int tst_wire_out(struct __sk_buff *skb)
{
	return undo(skb) ? TC_ACT_SHOT : tc_packet(skb, ETH_HLEN, WIRE_OUT);
}

/* Warm look-ups, in which other times are told: the key is in place of the packet, and there. */
#define LOOK_UP(name, map)                                                                         \
	SEC("tc")                                                                                  \
	int name(struct __sk_buff *skb)                                                            \
	{                                                                                          \
		__u32 index = 0;                                                                   \
		struct packet_original *packet = bpf_map_lookup_elem(&original, &index);           \
		int i;                                                                             \
                                                                                                   \
		if (!packet)                                                                       \
			return TC_ACT_SHOT;                                                        \
		for (i = 0; i < PACKET_LOOKUPS; i++) {                                             \
			if (!bpf_map_lookup_elem(&map, packet->bytes))                             \
				return TC_ACT_SHOT;                                                \
		}                                                                                  \
		return PASS_ON;                                                                    \
	}

LOOK_UP(tst_lookup4, tuples4)
LOOK_UP(tst_lookup6, tuples6)

/* What needs nothing more comes by: left as it is where it departs. */
static __always_inline int sent_on(struct __sk_buff *skb, enum hook hook)
{
	skb->tc_index = packet_done(skb->ingress_ifindex);
	return tc_packet(skb, ETH_HLEN, hook);
}

SEC("tc")
int tst_sent_on_in(struct __sk_buff *skb)
{
	return sent_on(skb, WIRE_IN);
}

SEC("tc")
int tst_sent_on_out(struct __sk_buff *skb)
{
	return sent_on(skb, WIRE_OUT);
}
