/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Whose a tuple is, for one family (see family.h): a flow's of ours, a socket's, or a connection's
 * that the kernel tracks (spec 51, 52). After lib/packet.h.
 */
#include "lib/count.h"
#include "lib/flows.h"
#include "lib/kernel.h"

#ifndef LIB_TUPLE_H
#define LIB_TUPLE_H

/* What a socket of the node has to do with the packets of a tuple. */
enum socket_claim {
	SOCKET_NONE,
	SOCKET_LISTENS,	 /* it is bound to the port, whatever the address ... */
	SOCKET_IS_BOUND, /* ... or to this address too */
	SOCKET_HAS_PEER,
};

#endif

/* The tuple of an answer to a packet with this one. */
static __always_inline void F(tuple_turn)(const struct F(tuple) *tuple, struct F(tuple) *turned)
{
	__builtin_memset(turned, 0, sizeof(*turned));
	__builtin_memcpy(turned->source, tuple->destination, ADDRESS_SIZE);
	__builtin_memcpy(turned->destination, tuple->source, ADDRESS_SIZE);
	turned->source_port = tuple->destination_port;
	turned->destination_port = tuple->source_port;
	turned->protocol = tuple->protocol;
}

static __always_inline bool F(is_same)(const __u8 *left, const __u8 *right)
{
	const __u32 *a = (const __u32 *)left, *b = (const __u32 *)right;

	if (ADDRESS_SIZE == 4)
		return a[0] == b[0];
	return a[3] == b[3] && a[2] == b[2] && a[1] == b[1] && a[0] == b[0];
}

static __always_inline bool F(is_zero)(const __u8 *address)
{
	const __u32 *words = (const __u32 *)address;

	if (ADDRESS_SIZE == 4)
		return !words[0];
	return !(words[0] | words[1] | words[2] | words[3]);
}

/* The kernel's form of a tuple, for its look-ups. */
static __always_inline __u32 F(tuple_for_kernel)(const struct F(tuple) *tuple,
						 struct bpf_sock_tuple *asked)
{
#if FAMILY == 4
	asked->ipv4.saddr = *(const __u32 *)tuple->source;
	asked->ipv4.daddr = *(const __u32 *)tuple->destination;
	asked->ipv4.sport = bpf_htons(tuple->source_port);
	asked->ipv4.dport = bpf_htons(tuple->destination_port);
	return sizeof(asked->ipv4);
#else
	__builtin_memcpy(asked->ipv6.saddr, tuple->source, 16);
	__builtin_memcpy(asked->ipv6.daddr, tuple->destination, 16);
	asked->ipv6.sport = bpf_htons(tuple->source_port);
	asked->ipv6.dport = bpf_htons(tuple->destination_port);
	return sizeof(asked->ipv6);
#endif
}

static __noinline int F(tuple_socket)(struct __sk_buff *skb, const struct F(tuple) *tuple)
{
	struct bpf_sock_tuple asked = {};
	const __u32 size = F(tuple_for_kernel)(tuple, &asked);
	enum socket_claim claim = SOCKET_LISTENS;
	struct bpf_sock *socket;

	if (tuple->protocol == TCP)
		socket = bpf_sk_lookup_tcp(skb, &asked, size, BPF_F_CURRENT_NETNS, 0);
	else if (tuple->protocol == UDP)
		socket = bpf_sk_lookup_udp(skb, &asked, size, BPF_F_CURRENT_NETNS, 0);
	else
		return SOCKET_NONE;
	if (!socket)
		return SOCKET_NONE;
	if (tuple->protocol == TCP ? socket->state != BPF_TCP_LISTEN
				   : socket->state == BPF_TCP_ESTABLISHED)
		claim = SOCKET_HAS_PEER;
#if FAMILY == 4
	else if (socket->src_ip4 == *(const __u32 *)tuple->destination)
		claim = SOCKET_IS_BOUND;
#else
	else if (socket->src_ip6[3] == *(const __u32 *)(tuple->destination + 12) &&
		 socket->src_ip6[0] == *(const __u32 *)tuple->destination)
		claim = SOCKET_IS_BOUND;
#endif
	bpf_sk_release(socket);
	return claim;
}

/*
 * Whether the kernel tracks a connection whose packets have this tuple, and its other
 * end is alive: this is an answer, or has been answered. Without the kernel's function (5.18) that
 * is not known.
 */
static __noinline int F(tuple_is_tracked)(struct __sk_buff *skb, const struct F(tuple) *tuple)
{
#ifdef LB_UNTRACKED
	return false;
#else
	struct ct_opts opts = {.netns_id = BPF_F_CURRENT_NETNS};
	struct bpf_sock_tuple asked = {};
	const __u32 size = F(tuple_for_kernel)(tuple, &asked);
	struct nf_conn *connection;
	bool lives;

	if (!tc_config.has_ct_lookup)
		return false;
	if (tuple->protocol != TCP && tuple->protocol != UDP)
		return false;
	opts.l4proto = tuple->protocol == TCP ? IPPROTO_TCP : IPPROTO_UDP;
	connection = bpf_skb_ct_lookup(skb, &asked, size, &opts, sizeof(opts));
	if (!connection)
		return false;
	lives = opts.dir == CT_DIRECTION_REPLY || connection->status & CT_SEEN_REPLY;
	/* What is over gives its ports back, as it does to the kernel's own NAT. */
	if (tuple->protocol == TCP && connection->proto.tcp.state >= CT_TCP_TIME_WAIT)
		lives = false;
	bpf_ct_release(connection);
	return lives;
#endif
}

static __always_inline void F(outgoing_key)(const struct F(tuple) *answer, struct outgoing_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	F(address_widen)(key->source, answer->source);
	F(address_widen)(key->destination, answer->destination);
	key->source_port = answer->source_port;
	key->destination_port = answer->destination_port;
}

/* Notes a datagram that leaves from the number of a NodePort, for the answer to it. */
static __noinline int F(outgoing_note)(const struct F(tuple) *tuple)
{
	struct outgoing_key key;
	struct F(tuple) answer;
	__u64 now = clock_coarse();
	__u64 *seen;

	F(tuple_turn)(tuple, &answer);
	F(outgoing_key)(&answer, &key);
	seen = bpf_map_lookup_elem(&outgoing, &key);
	if (!seen || now > *seen + SECOND)
		bpf_map_update_elem(&outgoing, &key, &now, BPF_ANY);
	return 0;
}

/* Whether the node, or a pod behind its address, waits for this datagram. */
static __noinline int F(outgoing_awaits)(const struct F(tuple) *tuple)
{
	struct outgoing_key key;
	__u64 *seen;

	F(outgoing_key)(tuple, &key);
	seen = bpf_map_lookup_elem(&outgoing, &key);
	return seen && clock_coarse() < *seen + tc_config.udp_stream_seconds * SECOND;
}
