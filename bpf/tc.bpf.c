// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Service translation per packet: the hooks, and nothing else. They are attached at tc to devices
 * towards the network (wire) and to the node's side of pods' devices (pod), on arrival (in) and
 * departure (out). Those that end in _l3 are for devices without an Ethernet header. What they do
 * is in lib/tc.h, once for both families.
 */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define FAMILY 4
#include "lib/tc.h"
#undef FAMILY
#define FAMILY 6
#include "lib/tc.h"
#undef FAMILY

/*
 * A packet whose VLAN tag was taken off belongs to the VLAN's device, and comes by there. Tag 0 is
 * a priority and no VLAN. Other tags stand in the packet.
 */
static __always_inline int tc_packet(struct __sk_buff *skb, __u32 l3, enum hook hook)
{
	__be16 protocol = skb->protocol;
	__be16 tag[2] = {};
	__u32 note = skb->tc_index;
	bool is_translated = false, is_done = false;
	int i;

	if (!hook_is_arrival(hook)) {
		if (note && note == packet_done(skb->ingress_ifindex))
			return PASS_ON;
		is_translated = packet_is_translated(note);
	} else if (note && !packet_is_translated(note)) {
		skb->tc_index = 0;
	}
	/*
	 * A frame for a group, or for another host, which a switch has flooded. A bridge's port
	 * sees frames for the bridge as such ones.
	 */
	if (hook_is_arrival(hook) && l3 && skb->pkt_type != PACKET_HOST &&
	    (hook == WIRE_IN || skb->pkt_type != PACKET_OTHERHOST))
		return PASS_ON;
	if (skb->vlan_present && (skb->vlan_tci & 0xfff))
		return PASS_ON;
#pragma clang loop unroll(full)
	for (i = 0; l3 && i < 2; i++) {
		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if (bpf_skb_load_bytes(skb, l3, tag, sizeof(tag)))
			return PASS_ON;
		/* Tag 0 was taken off, and this one is a VLAN's behind it. */
		if (skb->vlan_present && tag[0] & bpf_htons(0xfff))
			return PASS_ON;
		protocol = tag[1];
		l3 += VLAN_TAG;
	}
	if (protocol == bpf_htons(ETH_P_IP)) {
		switch (is_translated ? GLANCE_OURS : tc_glance4(skb, l3, hook)) {
		case GLANCE_OURS:
			return tc_packet4(skb, l3, hook);
		case GLANCE_NOT_OURS:
			is_done = true;
			break;
		default:
			break;
		}
	}
	if (protocol == bpf_htons(ETH_P_IPV6)) {
		switch (is_translated ? GLANCE_OURS : tc_glance6(skb, l3, hook)) {
		case GLANCE_OURS:
			return tc_packet6(skb, l3, hook);
		case GLANCE_NOT_OURS:
			is_done = true;
			break;
		default:
			break;
		}
	}
	/* The headers are in the cache here, and not where the packet departs. */
	if (is_done && hook_is_arrival(hook) && !packet_is_translated(note))
		skb->tc_index = packet_done(skb->ingress_ifindex);
	return PASS_ON;
}

#define PROGRAM(name, hook)                                                                        \
	SEC("tc")                                                                                  \
	int name(struct __sk_buff *skb)                                                            \
	{                                                                                          \
		return tc_packet(skb, ETH_HLEN, hook);                                             \
	}                                                                                          \
                                                                                                   \
	SEC("tc")                                                                                  \
	int name##_l3(struct __sk_buff *skb)                                                       \
	{                                                                                          \
		return tc_packet(skb, 0, hook);                                                    \
	}

PROGRAM(swl_wire_in, WIRE_IN)
PROGRAM(swl_wire_out, WIRE_OUT)
PROGRAM(swl_pod_in, POD_IN)
PROGRAM(swl_pod_out, POD_OUT)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
