/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps and settings that only the programs at tc use, and what both families share there. */
#ifndef LIB_FLOWS_H
#define LIB_FLOWS_H

#include "lib/maps.h"
#include "swiftlet/flows.h"
#include "swiftlet/node.h"

const volatile struct tc_config tc_config SEC(".rodata.tc") = {
	.tcp_seconds = 8000,
	.tcp_new_seconds = 60,
	.tcp_close_wait_seconds = 3600,
	.tcp_closing_seconds = 10,
	.udp_seconds = 60,
	.udp_stream_seconds = 60,
	.other_seconds = 60,
};

LB_LRU(conntrack4, struct flow4_key, struct flow4);
LB_LRU(conntrack6, struct flow6_key, struct flow6);
LB_LRU(fragments, struct fragment_key, struct fragment_ports);
LB_ARRAY(BPF_MAP_TYPE_ARRAY, flow_filter, struct flow_filter, LB_FLOW_FILTER);
LB_HASH(devices, __u32, struct device);

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

/* What happens to a packet of a known flow. */
enum treatment {
	LEAVE,	   /* another hook translates it, or nobody */
	TRANSLATE, /* and let it go on */
	SEND_ON,   /* translate it, and send it to where it then belongs */
};

static __always_inline enum treatment flow_treatment(enum hook hook, bool reply,
						     enum flow_path path)
{
	const bool arrives = hook_is_arrival(hook);

	switch (path) {
	case THROUGH_STACK:
		return arrives != reply ? TRANSLATE : LEAVE;
	case REDIRECTED:
		return arrives ? SEND_ON : LEAVE;
	case FROM_HOST:
		if (arrives)
			return reply ? TRANSLATE : LEAVE;
		return reply ? LEAVE : SEND_ON;
	default:
		return LEAVE;
	}
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

LB_ARRAY(BPF_MAP_TYPE_ARRAY, masq_ports, struct masq_ports, 1);
LB_PREFIXES(node_sources4, struct node_source4_key, struct node_source4);
LB_PREFIXES(node_sources6, struct node_source6_key, struct node_source6);
LB_PREFIXES(ipsec4, struct ipsec4_key, struct ipsec_policy);
LB_PREFIXES(ipsec6, struct ipsec6_key, struct ipsec_policy);

#endif
