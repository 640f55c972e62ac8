/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The address and the port of the node that a backend sees in the client's place (spec 36, 52, 54),
 * for one family (see family.h). After lib/conntrack.h.
 */
#include "lib/flows.h"

#ifndef LIB_MASQUERADE_H
#define LIB_MASQUERADE_H

/*
 * Random ports out of those that masquerade first; a backend with very many flows gets any, and at
 * last those of closed connections that may be in TIME_WAIT, as the kernel's own NAT does.
 */
#define MASQ_TRIES	16
#define MASQ_ANY_TRIES	16
#define MASQ_LAST_TRIES 8
#define MASQ_FIRST	1024

static __always_inline const struct masq_ports *masq_ports_now(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&masq_ports, &first);
}

/* Whether a flow's port may be this one. */
static __always_inline bool masq_has(__u16 port)
{
	const struct masq_ports *ports = masq_ports_now();
	int i;

	if (!ports)
		return true;
#pragma clang loop unroll(full)
	for (i = 0; i < LB_PORT_RANGES; i++) {
		if (port >= ports->range[i].first && port <= ports->range[i].last)
			return true;
	}
	return false;
}

/* One of the ports that masquerade; 0 when there are none. */
static __always_inline __u16 masq_port(__u32 random)
{
	const struct masq_ports *ports = masq_ports_now();
	__u32 index, size;
	int i;

	if (!ports)
		return 0;
	index = (__u32)(((__u64)random * ports->count) >> 32);
#pragma clang loop unroll(full)
	for (i = 0; i < LB_PORT_RANGES; i++) {
		size = ports->range[i].last - ports->range[i].first + 1;
		if (index < size)
			return ports->range[i].first + index;
		index -= size;
	}
	return 0;
}

#endif

/* The node's address on the way to the backend, by this device; COUNT_FORWARD, or why there is
 * none. */
static __noinline enum counter F(masq_address)(const __u8 *backend, __u32 ifindex, __u8 *address)
{
	struct FX(node_source, _key) key = {
		.prefix_length = LB_SOURCE_PREFIX + 8 * ADDRESS_SIZE,
		.ifindex = ifindex,
	};
	struct FX(ipsec, _key) range = {.prefix_length = 8 * ADDRESS_SIZE};
	const struct F(node_source) *source;
	const struct device *device;
	__u32 any = LB_ANY_DEVICE;

	__builtin_memcpy(range.address, backend, ADDRESS_SIZE);
	if (bpf_map_lookup_elem(&F(ipsec), &range))
		return COUNT_REFUSE_IPSEC;
	__builtin_memcpy(key.address, backend, ADDRESS_SIZE);
	source = bpf_map_lookup_elem(&F(node_sources), &key);
	if (source) {
		__builtin_memcpy(address, source->address, ADDRESS_SIZE);
		return COUNT_FORWARD;
	}
	device = bpf_map_lookup_elem(&devices, &ifindex);
	if (!device || F(is_zero)(FX(device, _address)(device)))
		device = bpf_map_lookup_elem(&devices, &any);
	if (!device || F(is_zero)(FX(device, _address)(device)))
		return COUNT_REFUSE_NO_ADDRESS;
	__builtin_memcpy(address, FX(device, _address)(device), ADDRESS_SIZE);
	return COUNT_FORWARD;
}

/*
 * Gives the flow a tuple with this port, if nobody has it: no flow that lives or has been closed
 * for less than `wait`, no socket of the node, no connection that the kernel tracks. 0, -EEXIST, or
 * another error.
 */
__noinline int F(masq_try_port)(struct __sk_buff *skb, __u32 number, __u32 port, __u32 place,
				__u64 wait)
{
	struct F(flow) *flow = F(flow_at)(number);
	enum socket_claim claim;
	struct F(tuple) *key = F(key_room)();

	if (!flow || !key)
		return -ENOENT;
	if (place == INNER)
		flow->inner_port = port;
	else
		flow->node_port = port;
	F(flow_tuple)(flow, place, key);
	/* A pod that reaches itself: its answers must differ from its requests. */
	if (key->source_port == key->destination_port && F(is_same)(key->source, key->destination))
		return -EEXIST;
	/*
	 * A listener has no peer yet, and the backend's port is none that it calls from; it may be
	 * the backend itself. A datagram to a port of the node is for whoever has the port.
	 */
	claim = F(tuple_socket)(skb, key);
	if (claim == SOCKET_HAS_PEER || (claim && place == ANSWERS && key->protocol == UDP))
		return -EEXIST;
	if (F(tuple_is_tracked)(skb, key))
		return -EEXIST;
	return F(tuple_take)(number, place, wait);
}

/* A port of the node for the flow, whose address of the node is there already. */
static __always_inline enum counter F(masq_take_port)(struct __sk_buff *skb, __u32 number)
{
	struct F(flow) *flow = F(flow_at)(number);
	__u32 kinds = LB_HAS_FLOWS, port;
	int error = -EEXIST, try;

	for (try = 0; try < MASQ_TRIES + MASQ_ANY_TRIES + MASQ_LAST_TRIES; try++) {
		if (try > 0)
			count(COUNT_PORT_RETRY);
		port = masq_port(bpf_get_prandom_u32());
		if (try >= MASQ_TRIES) {
			port = (__u16)bpf_get_prandom_u32();
			kinds = LB_HAS_FLOWS | LB_HAS_ANY_PORT;
		}
		if (port < MASQ_FIRST || lb_may_be_node_port(port))
			continue;
		error = F(masq_try_port)(skb, number, port, ANSWERS,
					 try < MASQ_TRIES + MASQ_ANY_TRIES ? TIME_WAIT : 0);
		if (error != -EEXIST)
			break;
	}
	if (!flow)
		return COUNT_REFUSE_RACED;
	if (error) {
		flow->node_port = 0;
		return error == -EEXIST ? COUNT_REFUSE_NO_PORT : COUNT_REFUSE_FLOWS_FULL;
	}
	F(flow_filter_add)(flow->backend, flow->backend_port, kinds);
	return COUNT_FORWARD;
}
