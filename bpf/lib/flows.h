/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps and settings that only the programs at tc use, and what both families share there. */
#ifndef LIB_FLOWS_H
#define LIB_FLOWS_H

#include <bpf/bpf_endian.h>
#include "lib/clock.h"
#include "lib/maps.h"
#include "swiftlet/flows.h"
#include "swiftlet/node.h"

#define SECOND 1000000000ull

const volatile struct tc_config tc_config SEC(".rodata.tc") = {
	.tcp_seconds = 86400,
	.tcp_new_seconds = 60,
	.tcp_close_wait_seconds = 3600,
	.tcp_closing_seconds = 120,
	.tcp_reset_seconds = 10,
	.udp_seconds = 30,
	.udp_stream_seconds = 120,
	.other_seconds = 60,
	.flows = 1024,
};

LB_ARRAY(BPF_MAP_TYPE_ARRAY, flows4, struct flow4, 1024);
LB_ARRAY(BPF_MAP_TYPE_ARRAY, flows6, struct flow6, 1024);

/*
 * Memory for the tuples is set aside: an element that is allocated for a packet may not be had in
 * time, when many flows begin at once.
 */
#define LB_TUPLES(name_, key_)                                                                     \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, 1024);                                                         \
		__type(key, key_);                                                                 \
		__type(value, __u32);                                                              \
	} name_ SEC(".maps")

LB_TUPLES(tuples4, struct tuple4);
LB_TUPLES(tuples6, struct tuple6);
LB_ARRAY(BPF_MAP_TYPE_PERCPU_ARRAY, flow_hands, struct flow_hand, 2);

/* The last flow that was noted with these low bits of its number; see packet_is_translated. */
#define NOTED_FLOWS 0x4000

LB_ARRAY(BPF_MAP_TYPE_ARRAY, noted4, __u32, NOTED_FLOWS);
LB_ARRAY(BPF_MAP_TYPE_ARRAY, noted6, __u32, NOTED_FLOWS);

LB_ARRAY(BPF_MAP_TYPE_ARRAY, flow_filter, struct flow_filter, LB_FLOW_FILTER);
LB_LRU(fragments, struct fragment_key, struct fragment_ports);
LB_LRU(outgoing, struct outgoing_key, __u64);
LB_LRU(answer_limits, struct vip6_key, struct answer_limit);
LB_HASH(devices, __u32, struct device);
LB_ARRAY(BPF_MAP_TYPE_ARRAY, masq_ports, struct masq_ports, 1);
LB_PREFIXES(node_sources4, struct node_source4_key, struct node_source4);
LB_PREFIXES(node_sources6, struct node_source6_key, struct node_source6);
LB_PREFIXES(ipsec4, struct ipsec4_key, struct ipsec_policy);
LB_PREFIXES(ipsec6, struct ipsec6_key, struct ipsec_policy);

/* Where a program sees packets: towards the network or towards pods, arriving or departing. */
enum hook {
	WIRE_IN,
	WIRE_OUT,
	POD_IN,
	POD_OUT,
};

static __always_inline bool hook_is_arrival(enum hook hook)
{
	return hook == WIRE_IN || hook == POD_IN;
}

static __always_inline const __u8 *device4_address(const struct device *device)
{
	return device->address4;
}

static __always_inline const __u8 *device6_address(const struct device *device)
{
	return device->address6;
}

/*
 * What a program says to those behind it, in tc_index: this packet needs nothing more. It is
 * believed only while the packet is where it was said: a tunnel or another namespace that hands it
 * on has given it another ingress_ifindex by then.
 */
#define DONE_MARK 0x8000

static __always_inline __u32 packet_done(__u32 ingress_ifindex)
{
	return DONE_MARK | (ingress_ifindex & (DONE_MARK - 1));
}

/*
 * What a program on arrival says of a packet that it has translated, in tc_index: for which flow,
 * by the low bits of its number. A bridge's port hands it to the bridge, where it arrives once
 * more; and the program on departure finds the flow without a look-up in the hash. It is believed
 * only if the packet has the tuple of that flow.
 */
#define TRANSLATED_MARK 0x4000

static __always_inline bool packet_is_translated(__u32 note)
{
	return (note & (DONE_MARK | TRANSLATED_MARK)) == TRANSLATED_MARK;
}

/* Adds at once: otherwise all words are loaded first, and the stack has no room for them. */
#define add_up(sum) asm volatile("" : "+r"(sum))

/* A one's complement sum of 32-bit words, as the kernel's checksum functions take it. */
static __always_inline __u32 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (__u32)sum;
}

static __always_inline __u16 checksum_fold(__u64 sum)
{
	__u32 folded = sum_fold(sum);

	folded = (folded & 0xffff) + (folded >> 16);
	folded = (folded & 0xffff) + (folded >> 16);
	return (__u16)~folded;
}

#endif
