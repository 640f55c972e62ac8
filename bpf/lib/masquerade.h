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
 * last those of closed connections that may be in TIME_WAIT, as the kernel's own NAT does. So many
 * that a flow finds one also where 19 of 20 are taken.
 */
#define MASQ_TRIES	16
#define MASQ_ANY_TRIES	192
#define MASQ_LAST_TRIES 32
#define MASQ_FIRST	1024

static __always_inline const struct masq_ports *masq_ports_now(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&masq_ports, &first);
}

/* Whether a flow may have this port, now or from before. */
static __always_inline bool masq_has(__u16 port)
{
	const struct masq_ports *ports = masq_ports_now();
	int i;

	if (!ports)
		return true;
#pragma clang loop unroll(full)
	for (i = 0; i < LB_PORT_RANGES; i++) {
		if (port >= ports->answers[i].first && port <= ports->answers[i].last)
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
 * The port to try for a tuple of the flow. What the kernel sees of the client keeps the client's
 * port if that is free, and was not given up; it is the client's address, so any other will do.
 * 0: try again.
 */
static __always_inline __u32 F(port_to_try)(const struct F(flow) *flow, __u32 place, __u32 try)
{
	const __u32 random = bpf_get_prandom_u32();
	__u16 port = random;

	if (place == INNER && !try)
		return flow->inner_port;
	if (place == ANSWERS && try < MASQ_TRIES)
		port = masq_port(random);
	return port < MASQ_FIRST || lb_may_be_node_port(port) ? 0 : port;
}

/*
 * Gives the flow a tuple with a port, if it is free: no flow that lives or has been closed for
 * less than TIME_WAIT, no socket of the node, no connection that the kernel tracks. 0, -EEXIST, or
 * another error. Not static: the verifier walks it once, and not for each try.
 */
__noinline int F(masq_try)(struct __sk_buff *skb, __u32 number, __u32 place, __u32 try)
{
	struct F(flow) *flow = F(flow_at)(number);
	struct F(tuple) *key = F(key_room)();
	enum socket_claim claim;
	int error;
	__u32 port;

	if (!flow || !key)
		return -ENOENT;
	if (try > 0)
		count(COUNT_PORT_RETRY);
	port = F(port_to_try)(flow, place, try);
	if (!port)
		return -EEXIST;
	if (place == INNER)
		flow->inner_port = port;
	else
		flow->node_port = port;
	F(flow_tuple)(flow, place, key);
	/* A pod that reaches itself: its answers must differ from its requests. */
	if (key->source_port == key->destination_port && F(is_same)(key->source, key->destination))
		return -EEXIST;
	error = F(tuple_take)(number, place, try < MASQ_TRIES + MASQ_ANY_TRIES ? TIME_WAIT : 0);
	if (error)
		return error;
	/*
	 * A listener has no peer yet, and the backend's port is none that it calls from; it may be
	 * the backend itself. A datagram to a port of the node is for the socket that has it.
	 */
	claim = F(tuple_socket)(skb, key);
	if (claim != SOCKET_HAS_PEER && !(claim && place == ANSWERS && key->protocol == UDP) &&
	    !F(tuple_is_tracked)(skb, key))
		return 0;
	F(tuple_give_up)(key, number);
	return -EEXIST;
}

/*
 * Gives the flow a port, and with it the tuple at this place: ANSWERS, for which it has an address
 * of the node already, or INNER. COUNT_FORWARD, or why there is none. Not static either.
 */
__noinline int F(flow_take_port)(struct __sk_buff *skb, __u32 number, __u32 place)
{
	struct F(flow) *flow = F(flow_at)(number);
	int error = -EEXIST, try;

	if (!flow)
		return COUNT_REFUSE_RACED;
	for (try = 0; error == -EEXIST && try < MASQ_TRIES + MASQ_ANY_TRIES + MASQ_LAST_TRIES;
	     try++)
		error = F(masq_try)(skb, number, place, try);
	if (error) {
		if (place == ANSWERS)
			flow->node_port = 0;
		return error == -EEXIST ? COUNT_REFUSE_NO_PORT : COUNT_REFUSE_FLOWS_FULL;
	}
	F(flow_filter_add)(flow->backend, flow->backend_port,
			   place == ANSWERS && try > MASQ_TRIES ? LB_HAS_FLOWS | LB_HAS_ANY_PORT
								: LB_HAS_FLOWS);
	return COUNT_FORWARD;
}

/*
 * Gives a flow that has no answer yet another port at this place, and leaves the one that it had: a
 * connection has that in the backend's eyes which began before this program looked (spec 52). The
 * client's next SYN takes the new one.
 */
__noinline int F(flow_step_aside)(struct __sk_buff *skb, __u32 number, __u32 place)
{
	struct F(flow) *flow = F(flow_at)(number);
	struct F(tuple) *key = F(key_room)();
	__u16 port, *own;

	if (!flow || !key)
		return -ENOENT;
	own = place == INNER ? &flow->inner_port : &flow->node_port;
	port = *own;
	if (F(flow_take_port)(skb, number, place) != COUNT_FORWARD) {
		*own = port;
		return -EEXIST;
	}
	F(flow_tuple)(flow, place, key);
	if (place == INNER)
		key->source_port = port;
	else
		key->destination_port = port;
	F(tuple_give_up)(key, number);
	return 0;
}
