/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The way back: what a socket's program asked for. Addresses are kept in IPv6 form here, IPv4 as
 * ::ffff:a.b.c.d, so that a dual-stack socket has one record whatever it talks to.
 */
#ifndef LIB_WAYBACK_H
#define LIB_WAYBACK_H

#include <bpf/bpf_endian.h>
#include "lib/maps.h"

#define LB_SOCKET_STORAGE(name_, value_)                                                           \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_SK_STORAGE);                                             \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                              \
		__type(key, int);                                                                  \
		__type(value, value_);                                                             \
	} name_ SEC(".maps")

LB_ARRAY(BPF_MAP_TYPE_ARRAY, sock_origin, struct origin, LB_ORIGINS);
LB_SOCKET_STORAGE(sock_spill, struct origin);

/* An address in IPv6 form, and a port in host order. */
struct peer {
	__u32 address[4];
	__u16 port;
};

static __always_inline void peer_fill(struct peer *peer, const __u8 *address, int size, __u16 port)
{
	const __u32 *words = (const __u32 *)address;

	peer->port = port;
	if (size == 16) {
		__builtin_memcpy(peer->address, words, 16);
		return;
	}
	peer->address[0] = 0;
	peer->address[1] = 0;
	peer->address[2] = bpf_htonl(0xffff);
	peer->address[3] = words[0];
}

static __always_inline bool peer_is(const struct peer *peer, const __u8 *address, __u16 port)
{
	const __u32 *words = (const __u32 *)address;

	/* One branch: the verifier walks a search among many of them on every path. */
	return !((__u32)(peer->port ^ port) | (peer->address[3] ^ words[3]) |
		 (peer->address[2] ^ words[2]) | (peer->address[1] ^ words[1]) |
		 (peer->address[0] ^ words[0]));
}

/*
 * Functions that are not static take plain values only (5.10), five at most: an address travels as
 * two halves.
 */
static __always_inline __u64 peer_half(const struct peer *peer, int first)
{
	return (__u64)peer->address[first] << 32 | peer->address[first + 1];
}

static __always_inline void peer_of_halves(struct peer *peer, __u64 first, __u64 second, __u32 port)
{
	peer->address[0] = first >> 32;
	peer->address[1] = first;
	peer->address[2] = second >> 32;
	peer->address[3] = second;
	peer->port = port;
}

/* Without a port a record is free: another thread never takes half of it for a whole one. */
static __always_inline void wayback_fill(struct origin *origin, __u32 service_id, __u32 backend_id,
					 const struct peer *vip, const struct peer *backend)
{
	origin->port = 0;
	barrier();
	origin->service_id = service_id;
	origin->backend_id = backend_id;
	origin->vip_port = vip->port;
	__builtin_memcpy(origin->vip, vip->address, 16);
	__builtin_memcpy(origin->address, backend->address, 16);
	barrier();
	origin->port = backend->port;
}

/*
 * Takes a place without an owner. The adds are atomic but return nothing (fetching ones need
 * kernel 5.12): of several that come at once none, or one, reads 1.
 */
static __always_inline bool wayback_own(__u32 *owners)
{
	if (*(volatile __u32 *)owners)
		return false;
	__sync_fetch_and_add(owners, 1);
	if (*(volatile __u32 *)owners == 1)
		return true;
	__sync_fetch_and_add(owners, -1);
	return false;
}

static __always_inline void wayback_disown(__u32 *owners)
{
	__sync_fetch_and_add(owners, -1);
}

static __always_inline struct origin *wayback_place(__u64 cookie)
{
	__u32 index = (__u32)cookie & (LB_ORIGINS - 1);

	return bpf_map_lookup_elem(&sock_origin, &index);
}

/* A place for this socket, its own or a free one; NULL when another live socket has it. */
static __always_inline struct origin *wayback_claim(__u64 cookie)
{
	struct origin *place = wayback_place(cookie);

	if (!place || place->cookie == cookie)
		return place;
	if (!wayback_own(&place->owners))
		return NULL;
	place->cookie = cookie;
	return place;
}

static __always_inline void wayback_release(__u64 cookie)
{
	struct origin *place = wayback_place(cookie);

	if (!place || place->cookie != cookie)
		return;
	place->cookie = 0;
	wayback_disown(&place->owners);
}

static __always_inline bool wayback_from(const struct origin *flow, const struct peer *backend)
{
	return flow->service_id && peer_is(backend, flow->address, flow->port);
}

#endif
