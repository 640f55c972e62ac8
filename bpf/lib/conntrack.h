/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The flows that are translated at tc, for one family (see family.h): find, begin, keep, end.
 * After lib/packet.h. */
#include <asm-generic/errno-base.h>
#include "lib/count.h"
#include "lib/flows.h"

#ifndef LIB_CONNTRACK_H
#define LIB_CONNTRACK_H

#define SECOND 1000000000ull

/*
 * A flow notes its packets, and asks the way again, once in this time: busy ones share no cache
 * line, and do not pay for a route in each packet.
 */
#define FLOW_REFRESH SECOND

/* The client's own port first, then random ones from here up to 65535. */
#define FLOW_FIRST_PORT 32768
#define FLOW_PORT_TRIES 16

/* Nothing here needs it finer than a tick, and to read the processor's counter takes long. */
static __always_inline __u64 flow_now(void)
{
	return tc_config.has_coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns();
}

#endif

/* How long the flow lives without a packet, in nanoseconds. */
static __always_inline __u64 F(flow_timeout)(enum ip_protocol protocol, const struct F(flow) *flow)
{
	__u32 seconds = tc_config.other_seconds;

	if (protocol == UDP)
		seconds = flow->state == FLOW_NEW ? tc_config.udp_seconds
						  : tc_config.udp_stream_seconds;
	if (protocol == TCP) {
		if (flow->state == FLOW_CLOSING)
			seconds = tc_config.tcp_closing_seconds;
		else if (flow->state == FLOW_NEW)
			seconds = tc_config.tcp_new_seconds;
		else if (flow->fin_client || flow->fin_backend)
			seconds = tc_config.tcp_close_wait_seconds;
		else
			seconds = tc_config.tcp_seconds;
	}
	return seconds * SECOND;
}

static __always_inline __u32 F(flow_seal)(const struct FX(flow, _key) *key)
{
	const __u32 *words = (const __u32 *)key;
	__u32 seal = 0;
	__u32 i;

#pragma clang loop unroll(full)
	/* Sums, not a chain: the processor multiplies all words at once. */
	for (i = 0; i < sizeof(*key) / 4; i++)
		seal += words[i] * (((i + 1) * 0x9e3779b1u ^ 0x7feb352du) | 1);
	return seal;
}

/* The key of the mirror: the answer to a packet that was given the tuple of the flow. */
static __always_inline void F(flow_mirror)(const struct F(flow) *flow, enum ip_protocol protocol,
					   struct FX(flow, _key) *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->source, flow->destination, ADDRESS_SIZE);
	__builtin_memcpy(key->destination, flow->source, ADDRESS_SIZE);
	key->source_port = flow->destination_port;
	key->destination_port = flow->source_port;
	key->protocol = protocol;
}

/* Makes the flow lead to the answer to a tuple. */
static __always_inline void F(flow_lead_back)(struct F(flow) *flow,
					      const struct FX(flow, _key) *tuple)
{
	__builtin_memcpy(flow->source, tuple->destination, ADDRESS_SIZE);
	__builtin_memcpy(flow->destination, tuple->source, ADDRESS_SIZE);
	flow->source_port = tuple->destination_port;
	flow->destination_port = tuple->source_port;
}

static __always_inline __u8 *F(flow_filter_place)(const __u8 *address, __u16 port)
{
	const __u32 *words = (const __u32 *)address;
	struct flow_filter *word;
	__u32 hash = (port + 1) * 0x85ebca6bu;
	__u32 index, i;

#pragma clang loop unroll(full)
	for (i = 0; i < ADDRESS_SIZE / 4; i++)
		hash += words[i] * (0x9e3779b1u + i * 0x3243f6a8u);
	/* The low bits of a network's addresses are in the high bits of its words. */
	hash = (hash ^ hash >> 15) * 0x2c1b3c6du;
	index = hash >> 21;
	word = bpf_map_lookup_elem(&flow_filter, &index);
	return word ? &word->seen[(hash >> 18) & 7] : NULL;
}

/* In place of a port: what has the address is not a backend but a node, to which replies come. */
#define FLOW_NO_PORT 0

/* Whether the filter has the address and port: one array read for what is not ours. */
static __always_inline bool F(flow_filter_has)(const __u8 *address, __u16 port)
{
	const __u8 *place = F(flow_filter_place)(address, port);

	return !place || *place;
}

static __always_inline void F(flow_filter_add)(const __u8 *address, __u16 port)
{
	__u8 *place = F(flow_filter_place)(address, port);

	if (place && !*place)
		*place = 1;
}

/*
 * Finds the entry and copies it, or returns NULL; one that was reused while it was copied is not
 * believed.
 */
static __always_inline struct F(flow) *F(flow_find)(const struct FX(flow, _key) *key,
						    struct F(flow) *flow)
{
	struct F(flow) *entry = bpf_map_lookup_elem(&F(conntrack), key);
	__u32 seal;

	if (!entry)
		return NULL;
	seal = F(flow_seal)(key);
	*flow = *entry;
	barrier();
	return flow->seal == seal && *(volatile __u32 *)&entry->seal == seal ? entry : NULL;
}

/* Both entries go, so that nobody else's packets meet one half. */
static __always_inline void F(flow_delete)(const struct FX(flow, _key) *key,
					   const struct F(flow) *flow)
{
	struct FX(flow, _key) mirror;

	F(flow_mirror)(flow, key->protocol, &mirror);
	bpf_map_delete_elem(&F(conntrack), key);
	bpf_map_delete_elem(&F(conntrack), &mirror);
}

static __noinline int F(flow_end)(const struct FX(flow, _key) *key, const struct F(flow) *flow)
{
	F(flow_delete)(key, flow);
	return 0;
}

/*
 * Notes a packet in both entries: the time, the state, and who has sent a FIN. The mirror of a flow
 * that has been quiet is made again if it was evicted, because nobody else may take a tuple that is
 * in use. Not that of a flow which ends: another CPU may just have removed both for the client's
 * next connection.
 */
static __noinline int F(flow_note)(const struct FX(flow, _key) *key, struct F(flow) *flow,
				   __u32 asks_way)
{
	struct F(flow) *entry = bpf_map_lookup_elem(&F(conntrack), key);
	struct FX(flow, _key) mirror;
	int i;

	F(flow_mirror)(flow, key->protocol, &mirror);
	for (i = 0; i < 2; i++) {
		if (entry) {
			entry->last_seen = flow->last_seen;
			if (asks_way)
				entry->ifindex = 0;
			entry->state = flow->state;
			entry->fin_client = flow->fin_client;
			entry->fin_backend = flow->fin_backend;
		}
		if (i == 0)
			entry = bpf_map_lookup_elem(&F(conntrack), &mirror);
	}
	if (!entry && asks_way && !flow->fin_client && !flow->fin_backend) {
		struct F(flow) copy = *flow;

		F(flow_lead_back)(&copy, key);
		copy.reply = !flow->reply;
		copy.ifindex = 0;
		copy.seal = F(flow_seal)(&mirror);
		bpf_map_update_elem(&F(conntrack), &mirror, &copy, BPF_NOEXIST);
	}
	return 0;
}

/* The way of one packet is the way of the next ones, unless the entry was reused meanwhile. */
static __always_inline void F(flow_note_way)(struct F(flow) *entry, const struct F(flow) *flow)
{
	if (*(volatile __u32 *)&entry->seal != flow->seal)
		return;
	__builtin_memcpy(entry->next_hop, flow->next_hop, ADDRESS_SIZE);
	entry->longest = flow->longest;
	entry->ifindex = flow->ifindex;
}

/* Whether the flow still has its backend: it may be terminating, but it must serve (spec 32). */
static __always_inline bool F(flow_is_served)(const struct F(flow) *flow)
{
	__u32 id = flow->backend_id;
	const struct F(backend) *backend = bpf_map_lookup_elem(&F(backends), &id);

	return backend && backend->service_id == flow->service_id;
}

/*
 * Whether a client's packet still belongs to the flow that has its tuple. An open TCP flow keeps
 * its backend whatever happens; a SYN begins a new one when the old one is over or its backend is
 * gone.
 */
static __always_inline bool F(flow_goes_on)(const struct F(packet) *packet,
					    const struct F(flow) *flow, __u8 tcp_flags, __u64 now)
{
	const enum ip_protocol protocol = packet->tuple.protocol;

	if (protocol == TCP && (tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return true;
	if (protocol == TCP && flow->state == FLOW_CLOSING)
		return false;
	/* Another CPU may have noted a later packet than this one: the difference would be huge. */
	if (now > flow->last_seen + F(flow_timeout)(protocol, flow))
		return false;
	return protocol == SCTP || F(flow_is_served)(flow);
}

/*
 * Follows the life of the flow. That the backend has answered, each half of a TCP flow hears from
 * its own packets: the client acknowledges it. Of UDP only the backend's packets tell.
 */
static __always_inline void F(flow_follow)(const struct F(packet) *packet, struct F(flow) *flow,
					   struct F(flow) *entry, __u8 tcp_flags, __u64 now)
{
	const bool is_due = now > flow->last_seen + FLOW_REFRESH;
	const bool is_tcp = packet->tuple.protocol == TCP;
	bool news = is_due;

	if (flow->state == FLOW_NEW &&
	    (flow->reply || (is_tcp && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK))) {
		flow->state = FLOW_ESTABLISHED;
		if (is_tcp)
			entry->state = FLOW_ESTABLISHED;
		else
			news = true;
	}
	if (tcp_flags & (TCP_FIN | TCP_RST)) {
		if (flow->reply)
			flow->fin_backend = 1;
		else
			flow->fin_client = 1;
		if ((tcp_flags & TCP_RST) || (flow->fin_client && flow->fin_backend))
			flow->state = FLOW_CLOSING;
		news = true;
	}
	if (!news)
		return;
	flow->last_seen = now;
	if (is_due)
		flow->ifindex = 0;
	F(flow_note)(&packet->tuple, flow, is_due);
}

/* Whether a socket of the node uses this tuple: its packets are not for a flow of ours. */
static __noinline int F(tuple_has_socket)(struct __sk_buff *skb, const struct FX(flow, _key) *key)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	bool in_use;

#if FAMILY == 4
#define TUPLE tuple.ipv4
	tuple.ipv4.saddr = *(const __u32 *)key->source;
	tuple.ipv4.daddr = *(const __u32 *)key->destination;
#else
#define TUPLE tuple.ipv6
	__builtin_memcpy(tuple.ipv6.saddr, key->source, 16);
	__builtin_memcpy(tuple.ipv6.daddr, key->destination, 16);
#endif
	TUPLE.sport = bpf_htons(key->source_port);
	TUPLE.dport = bpf_htons(key->destination_port);
	if (key->protocol == TCP)
		socket = bpf_sk_lookup_tcp(skb, &tuple, sizeof(TUPLE), BPF_F_CURRENT_NETNS, 0);
	else if (key->protocol == UDP)
		socket = bpf_sk_lookup_udp(skb, &tuple, sizeof(TUPLE), BPF_F_CURRENT_NETNS, 0);
	else
		return false;
#undef TUPLE
	if (!socket)
		return false;
	/* A listener has no peer yet, and the backend's port is not one that it calls from. */
	in_use = key->protocol == UDP || socket->state != BPF_TCP_LISTEN;
	bpf_sk_release(socket);
	return in_use;
}

/* A tuple that is held by a flow which is over becomes free. */
static __noinline int F(flow_displace)(const struct FX(flow, _key) *key, __u64 now)
{
	struct F(flow) *old = bpf_map_lookup_elem(&F(conntrack), key);

	if (!old || now <= old->last_seen + F(flow_timeout)(key->protocol, old))
		return false;
	F(flow_delete)(key, old);
	return true;
}

/*
 * Enters the flow where there is none for this key: 0, or the error. An int, not what the helper is
 * declared to return: before 6.4 the upper half of that is zero also for an error.
 */
static __always_inline int F(flow_insert)(const struct FX(flow, _key) *key, struct F(flow) *flow)
{
	flow->seal = F(flow_seal)(key);
	return (int)bpf_map_update_elem(&F(conntrack), key, flow, BPF_NOEXIST);
}

/*
 * Enters a new flow. It comes with the tuple that the client's packets are to be given; its source
 * port is chosen here. What makes a tuple unique is the backend's entry, which is inserted only
 * where there is none. Returns COUNT_FLOW_BEGUN, or why there is no flow.
 */
static __noinline enum counter F(flow_begin)(struct __sk_buff *skb, const struct F(packet) *packet,
					     struct F(flow) *flow)
{
	const __u32 ifindex = flow->ifindex;
	struct FX(flow, _key) mirror;
	enum counter reason = COUNT_REFUSE_NO_PORT;
	const __u16 own = packet->tuple.source_port;
	int error, try;

	flow->source_port = own;
	F(flow_mirror)(flow, packet->tuple.protocol, &mirror);
	F(flow_lead_back)(flow, &packet->tuple);
	flow->reply = 1;
	flow->ifindex = 0;
	for (try = 0; try < FLOW_PORT_TRIES; try++) {
		if (try > 0) {
			count(COUNT_PORT_RETRY);
			mirror.destination_port = FLOW_FIRST_PORT | bpf_get_prandom_u32();
		}
		if ((flow->path == REDIRECTED || try > 0) && F(tuple_has_socket)(skb, &mirror))
			continue;
		error = F(flow_insert)(&mirror, flow);
		if (error == -EEXIST && F(flow_displace)(&mirror, flow->last_seen))
			error = F(flow_insert)(&mirror, flow);
		if (!error) {
			reason = COUNT_FLOW_BEGUN;
			break;
		}
		/* Another port also lies elsewhere in the map, if it was busy and not full. */
		reason = error == -EEXIST ? COUNT_REFUSE_NO_PORT : COUNT_REFUSE_FLOWS_FULL;
	}
	if (reason != COUNT_FLOW_BEGUN)
		return reason;

	F(flow_lead_back)(flow, &mirror);
	flow->reply = 0;
	flow->ifindex = ifindex;
	error = F(flow_insert)(&packet->tuple, flow);
	if (error && error != -EEXIST)
		error = F(flow_insert)(&packet->tuple, flow);
	if (error) {
		/* Another CPU was faster with the same client's next packet: its flow is the one.
		 */
		bpf_map_delete_elem(&F(conntrack), &mirror);
		return F(flow_find)(&packet->tuple, flow) ? COUNT_FLOW_BEGUN
							  : COUNT_REFUSE_FLOWS_FULL;
	}
	F(flow_filter_add)(mirror.source, mirror.source_port);
	if (flow->path != THROUGH_STACK)
		F(flow_filter_add)(mirror.destination, FLOW_NO_PORT);
	return reason;
}
