/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The VIPs that an unconnected UDP socket talks to: which backend a datagram goes to, and as which
 * VIP an answer is shown. The first ones are in the socket's own storage, where a program with one
 * or two of them pays for no hash look-up; a resolver's or a gossip protocol's many are in an LRU
 * map, which forgets the oldest ones of all sockets.
 */
#ifndef LIB_UNCONNECTED_H
#define LIB_UNCONNECTED_H

#include "lib/wayback.h"

LB_SOCKET_STORAGE(sock_flows, struct flows);

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_SOCK_VIPS);
	__type(key, struct sock_vip_key);
	__type(value, struct sock_vip);
} sock_vips SEC(".maps");

static __always_inline void sock_vip_key_fill(struct sock_vip_key *key, __u64 cookie,
					      const struct peer *peer, bool is_backend)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->cookie = cookie;
	__builtin_memcpy(key->address, peer->address, 16);
	key->port = peer->port;
	key->is_backend = is_backend;
}

static __always_inline struct sock_vip *sock_vip_find(__u64 cookie, const struct peer *peer,
						      bool is_backend)
{
	struct sock_vip_key key;

	sock_vip_key_fill(&key, cookie, peer, is_backend);
	return bpf_map_lookup_elem(&sock_vips, &key);
}

/*
 * The backend that the socket's last datagram to this VIP went to; 0: none. Direct is set if the
 * socket has sent to that backend by another VIP or directly since, so that the record must be made
 * whole again.
 */
static __always_inline __u32 flow_backend(struct flows *flows, __u64 cookie, const struct peer *vip,
					  bool *direct)
{
	struct sock_vip *more;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		struct origin *flow = &flows->flow[i];

		if (flow->service_id && peer_is(vip, flow->vip, flow->vip_port)) {
			flows->last = i;
			*direct = !flow->port;
			return flow->backend_id;
		}
	}
	if (!flows->more)
		return 0;
	more = sock_vip_find(cookie, vip, false);
	if (!more)
		return 0;
	*direct = !more->port;
	return more->backend_id;
}

/*
 * A backend answers as none of the socket's VIPs any more: what comes from it is its own, until a
 * datagram to one of them goes there again.
 */
static __always_inline void flow_end(struct flows *flows, __u64 cookie, const struct peer *backend)
{
	struct sock_vip *more, *way;
	struct peer vip = {};
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		if (wayback_from(&flows->flow[i], backend))
			flows->flow[i].port = 0;
	}
	if (!flows->more)
		return;
	more = sock_vip_find(cookie, backend, true);
	if (!more || !more->port)
		return;
	peer_fill(&vip, more->address, 16, more->port);
	more->port = 0;
	way = sock_vip_find(cookie, &vip, false);
	if (way)
		way->port = 0;
}

static __always_inline void flow_remember_more(__u64 cookie, const struct peer *vip,
					       const struct peer *backend, __u32 service_id,
					       __u32 backend_id)
{
	struct sock_vip value = {.service_id = service_id, .backend_id = backend_id};
	struct sock_vip_key key;

	sock_vip_key_fill(&key, cookie, backend, true);
	__builtin_memcpy(value.address, vip->address, 16);
	value.port = vip->port;
	bpf_map_update_elem(&sock_vips, &key, &value, BPF_ANY);
	sock_vip_key_fill(&key, cookie, vip, false);
	__builtin_memcpy(value.address, backend->address, 16);
	value.port = backend->port;
	bpf_map_update_elem(&sock_vips, &key, &value, BPF_ANY);
}

/*
 * Notes where a VIP leads: at its own place, or at a free one, or with the further ones. Of VIPs
 * that share a backend it answers as the one that was sent to last.
 */
static __always_inline void flow_remember(struct flows *flows, __u64 cookie, const struct peer *vip,
					  const struct peer *backend, __u32 service_id,
					  __u32 backend_id)
{
	int i;

	flow_end(flows, cookie, backend);
#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		struct origin *flow = &flows->flow[i];
		bool is_own = flow->service_id && peer_is(vip, flow->vip, flow->vip_port);

		if (is_own || wayback_own(flow)) {
			wayback_fill(flow, service_id, backend_id, vip, backend);
			flows->last = i;
			return;
		}
	}
	flows->more = 1;
	flow_remember_more(cookie, vip, backend, service_id, backend_id);
}

/* The record in the socket's storage of who answers as a VIP, or NULL; the last one goes first. */
static __always_inline struct origin *flow_of(struct flows *flows, const struct peer *backend)
{
	__u32 last = flows->last % LB_FLOWS;
	int i;

	if (wayback_from(&flows->flow[last], backend))
		return &flows->flow[last];
#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		if (wayback_from(&flows->flow[i], backend))
			return &flows->flow[i];
	}
	return NULL;
}

/* Whether a backend answers this socket as some VIP; if so, says which. */
static __always_inline bool flow_vip(struct flows *flows, __u64 cookie, const struct peer *backend,
				     struct peer *vip)
{
	struct origin *flow = flow_of(flows, backend);
	struct sock_vip *more;

	if (flow) {
		peer_fill(vip, flow->vip, 16, flow->vip_port);
		return true;
	}
	if (!flows->more)
		return false;
	more = sock_vip_find(cookie, backend, true);
	if (!more || !more->port)
		return false;
	peer_fill(vip, more->address, 16, more->port);
	return true;
}

/*
 * Whether a backend answers this socket as some VIP. The search in the storage has no branches, so
 * that the verifier can walk it for many backends.
 */
static __always_inline bool flow_is_taken(struct flows *flows, __u64 cookie,
					  const struct peer *backend)
{
	struct sock_vip *more;
	__u32 taken = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		const __u32 *words = (const __u32 *)flows->flow[i].address;
		/* A free place has no port, and neither has one whose answers are the backend's. */
		__u32 other = (__u32)(flows->flow[i].port ^ backend->port) |
			      (words[0] ^ backend->address[0]) | (words[1] ^ backend->address[1]) |
			      (words[2] ^ backend->address[2]) | (words[3] ^ backend->address[3]);

		asm volatile("" : "+r"(other));
		taken |= ~(other | (0 - other)) >> 31;
		asm volatile("" : "+r"(taken));
	}
	if (taken)
		return true;
	if (!flows->more)
		return false;
	more = sock_vip_find(cookie, backend, true);
	return more && more->port;
}

#endif
