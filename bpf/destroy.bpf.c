// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Ends the sockets whose backend is gone: iterators over the sockets of one network namespace. They
 * need kernel 6.5 and stand in an object of their own, which older kernels never see.
 *
 * A socket is ours to destroy if its way back says so: if connect gave it a backend that is listed
 * as gone, and the kernel says that it is connected there still. A socket that connected to that
 * address directly has no way back and is never touched.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "lib/iterator.h"
#include "lib/wayback.h"
#include "swiftlet/destroy.h"

#define ADDRESS_FAMILY_IP4 2
#define ADDRESS_FAMILY_IP6 10

/* States of TCP in which there is no full socket, or no connection to end. */
#define STATE_SYN_SENT	2
#define STATE_TIME_WAIT 6
#define STATE_CLOSED	7
#define STATE_LISTEN	10
#define STATE_NEW_SYN	12

extern int bpf_sock_destroy(struct sock_common *sock) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LB_GONE_BACKENDS);
	__type(key, struct gone_backend);
	__type(value, struct gone_sockets);
} gone_backends SEC(".maps");

/*
 * Sockets that wait for a Service which has come, by their cookies, and whether they were ended.
 * Connects of TCP were begun before the Service was there, and have no way back. UDP's have one
 * that names no backend.
 */
LB_HASH(waiting_sockets, __u64, __u64);

LB_ARRAY(BPF_MAP_TYPE_ARRAY, destroy_order, struct destroy_order, 1);

/* Where the kernel has the socket connected to. */
static __always_inline bool socket_peer(struct sock_common *sk, struct peer *peer)
{
	__u16 port = bpf_ntohs(sk->skc_dport);
	__u32 address[4] = {};

	if (!port)
		return false;
	if (sk->skc_family == ADDRESS_FAMILY_IP4) {
		address[0] = sk->skc_daddr;
		peer_fill(peer, (__u8 *)address, 4, port);
		return true;
	}
	if (sk->skc_family != ADDRESS_FAMILY_IP6)
		return false;
	address[0] = sk->skc_v6_daddr.in6_u.u6_addr32[0];
	address[1] = sk->skc_v6_daddr.in6_u.u6_addr32[1];
	address[2] = sk->skc_v6_daddr.in6_u.u6_addr32[2];
	address[3] = sk->skc_v6_daddr.in6_u.u6_addr32[3];
	peer_fill(peer, (__u8 *)address, 16, port);
	return true;
}

/* The way back of a socket that we connected to this peer, or NULL. */
static __always_inline struct origin *socket_origin(struct sock_common *sk, const struct peer *peer)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct origin *origin = wayback_place(cookie);

	if (origin && origin->cookie == cookie && wayback_from(origin, peer))
		return origin;
	origin = bpf_sk_storage_get(&sock_spill, sk, NULL, 0);
	return origin && wayback_from(origin, peer) ? origin : NULL;
}

static __always_inline void socket_visit(struct sock_common *sk, enum ip_protocol protocol)
{
	struct gone_backend key = {.protocol = protocol};
	struct destroy_order *order;
	struct gone_sockets *gone;
	struct origin *origin;
	struct peer peer = {};
	__u32 first = 0;

	order = bpf_map_lookup_elem(&destroy_order, &first);
	if (!order || order->mode == DESTROY_NOTHING || !socket_peer(sk, &peer))
		return;
	origin = socket_origin(sk, &peer);
	if (!origin)
		return;
	__builtin_memcpy(key.address, peer.address, 16);
	key.port = peer.port;
	key.backend_id = origin->backend_id;
	gone = bpf_map_lookup_elem(&gone_backends, &key);
	if (!gone)
		return;
	gone->found++;
	if (order->mode != DESTROY_SOCKETS)
		return;
	if (!order->permits) {
		gone->postponed++;
		return;
	}
	if (bpf_sock_destroy(sk)) {
		gone->refused++;
		return;
	}
	gone->destroyed++;
	order->permits--;
}

static __always_inline void connect_visit(struct sock_common *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	__u64 *ended = bpf_map_lookup_elem(&waiting_sockets, &cookie);

	if (ended && !*ended && !bpf_sock_destroy(sk))
		*ended = 1;
}

static __always_inline void datagram_visit(struct sock_common *sk)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	__u64 *ended = bpf_map_lookup_elem(&waiting_sockets, &cookie);
	struct origin *origin;
	struct peer peer = {};

	if (!ended || *ended || !socket_peer(sk, &peer))
		return;
	/* Led to a backend since it was listed, or connected elsewhere. */
	origin = socket_origin(sk, &peer);
	if (origin && !origin->backend_id && !bpf_sock_destroy(sk))
		*ended = 1;
}

SEC("iter/udp")
int swl_visit_udp(struct bpf_iter__udp *ctx)
{
	struct sock_common *sk = (struct sock_common *)ctx->udp_sk;

	if (!sk)
		return 0;
	socket_visit(sk, UDP);
	datagram_visit(sk);
	return 0;
}

SEC("iter/tcp")
int swl_visit_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	__u8 state;

	if (!sk)
		return 0;
	state = sk->skc_state;
	if (state == STATE_SYN_SENT)
		connect_visit(sk);
	if (state != STATE_TIME_WAIT && state != STATE_CLOSED && state != STATE_LISTEN &&
	    state != STATE_NEW_SYN)
		socket_visit(sk, TCP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
