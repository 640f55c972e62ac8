/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The VIPs that an unconnected UDP socket talks to: which backend a datagram goes to, and as which
 * VIP an answer is shown. The first ones are in the socket's own storage, where a program with one
 * or two of them pays for no hash look-up; a resolver's or a gossip protocol's many are in an LRU
 * map, which forgets the oldest ones of all sockets.
 *
 * Threads share a socket. One at a time chooses where a VIP leads, so that two VIPs never get one
 * backend unseen; all others read, and may do so at any time.
 */
#ifndef LIB_UNCONNECTED_H
#define LIB_UNCONNECTED_H

#include "lib/parted.h"
#include "lib/wayback.h"

/* How long a thread waits for another one to have chosen, in ns, and how often it looks. */
#define FLOWS_PATIENCE 2000
#define FLOWS_LOOKS    24

/* How often an entry is read that is being written. */
#define SOCK_VIP_TRIES 4

LB_SOCKET_STORAGE(sock_flows, struct flows);

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_SOCK_VIPS);
	__type(key, struct sock_vip_key);
	__type(value, struct sock_vip);
} sock_vips SEC(".maps");

/* Where a socket's last datagram to a VIP went. */
struct known_flow {
	__u32 backend_id; /* 0: it has sent none */
	/*
	 * The socket has sent to that backend by another VIP or directly since, so that the record
	 * must be made whole again.
	 */
	bool direct;
	struct sock_vip *more; /* its entry, if it is not in the socket's storage */
};

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

/* Copies the other end of an entry that another thread may be writing. False: it has none. */
static __always_inline bool sock_vip_read(const struct sock_vip *entry, struct peer *other)
{
	const volatile __u16 *turn = &entry->turn;
	__u16 before;
	int try;

#pragma clang loop unroll(full)
	for (try = 0; try < SOCK_VIP_TRIES; try++) {
		before = *turn;
		barrier();
		peer_fill(other, entry->address, 16, entry->port);
		barrier();
		if (!(before & 1) && *turn == before)
			return other->port;
	}
	return false;
}

/* Writes an entry in place, or makes one. Making costs three times as much. */
static __always_inline void sock_vip_write(struct sock_vip *entry, __u64 cookie,
					   const struct peer *peer, bool is_backend,
					   const struct peer *other, __u32 service_id,
					   __u32 backend_id)
{
	struct sock_vip value = {.service_id = service_id, .backend_id = backend_id};
	struct sock_vip_key key;

	if (entry) {
		entry->turn |= 1;
		barrier();
		entry->service_id = service_id;
		entry->backend_id = backend_id;
		__builtin_memcpy(entry->address, other->address, 16);
		entry->port = other->port;
		barrier();
		entry->turn++;
		return;
	}
	sock_vip_key_fill(&key, cookie, peer, is_backend);
	__builtin_memcpy(value.address, other->address, 16);
	value.port = other->port;
	bpf_map_update_elem(&sock_vips, &key, &value, BPF_ANY);
}

/* Not static: the verifier walks it once, and not from each way here. */
__noinline int flows_wait(struct bpf_sock_addr *ctx)
{
	struct flows *flows;
	__u64 end;
	int i;

	if (!ctx->sk)
		return 0;
	flows = bpf_sk_storage_get(&sock_flows, ctx->sk, NULL, 0);
	if (!flows)
		return 0;
	end = bpf_ktime_get_ns() + FLOWS_PATIENCE;
#pragma clang loop unroll(disable)
	for (i = 0; i < FLOWS_LOOKS && bpf_ktime_get_ns() < end; i++) {
		if (wayback_own(&flows->owners))
			return 1;
	}
	return 0;
}

/* Waits for its turn to choose, and returns 1; 0: it never came. */
static __always_inline __u32 flows_own(struct bpf_sock_addr *ctx, struct flows *flows)
{
	__u32 owns = wayback_own(&flows->owners) ? 1 : flows_wait(ctx);

	/* Nobody branches by it: the verifier would walk all that follows twice. */
	asm volatile("" : "+r"(owns));
	return owns;
}

static __always_inline void flows_disown(struct flows *flows, __u32 owns)
{
	__sync_fetch_and_add(&flows->owners, 0 - owns);
}

static __always_inline void flow_known(struct bpf_sock_addr *ctx, struct flows *flows,
				       const struct peer *vip, struct known_flow *known)
{
	int i;

	known->backend_id = 0;
#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		struct origin *flow = &flows->flow[i];

		if (flow->service_id && peer_is(vip, flow->vip, flow->vip_port)) {
			flows->last = i;
			known->direct = !flow->port;
			known->backend_id = flow->backend_id;
			return;
		}
	}
	if (!flows->more)
		return;
	known->more = sock_vip_find(bpf_get_socket_cookie(ctx), vip, false);
	if (!known->more)
		return;
	known->direct = !known->more->port;
	known->backend_id = known->more->backend_id;
}

/*
 * A backend answers as none of the socket's VIPs any more: what comes from it is its own, until a
 * datagram to one of them goes there again. Returns its entry, if it has one.
 */
static __always_inline struct sock_vip *flow_end(struct bpf_sock_addr *ctx, struct flows *flows,
						 const struct peer *backend)
{
	struct sock_vip *more, *way;
	struct peer vip = {};
	__u64 cookie;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		if (wayback_from(&flows->flow[i], backend))
			flows->flow[i].port = 0;
	}
	if (!flows->more)
		return NULL;
	cookie = bpf_get_socket_cookie(ctx);
	more = sock_vip_find(cookie, backend, true);
	if (!more || !more->port)
		return more;
	peer_fill(&vip, more->address, 16, more->port);
	more->port = 0;
	way = sock_vip_find(cookie, &vip, false);
	if (way)
		way->port = 0;
	return more;
}

/*
 * Notes where a VIP leads: at its own place, or at a free one, or with the further ones. Of VIPs
 * that share a backend it answers as the one that was sent to last.
 */
static __always_inline void flow_remember(struct bpf_sock_addr *ctx, struct flows *flows,
					  const struct known_flow *known, const struct peer *vip,
					  const struct peer *backend, __u32 service_id,
					  __u32 backend_id)
{
	struct sock_vip *way = flow_end(ctx, flows, backend);
	__u64 cookie;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		struct origin *flow = &flows->flow[i];
		bool is_own = flow->service_id && peer_is(vip, flow->vip, flow->vip_port);

		if (is_own || wayback_own(&flow->owners)) {
			wayback_fill(flow, service_id, backend_id, vip, backend);
			flows->last = i;
			return;
		}
	}
	flows->more = 1;
	cookie = bpf_get_socket_cookie(ctx);
	sock_vip_write(way, cookie, backend, true, vip, service_id, backend_id);
	sock_vip_write(known->more, cookie, vip, false, backend, service_id, backend_id);
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
static __always_inline bool flow_vip(struct bpf_sock_addr *ctx, struct flows *flows,
				     const struct peer *backend, struct peer *vip)
{
	struct origin *flow = flow_of(flows, backend);
	struct sock_vip *more;

	if (flow) {
		peer_fill(vip, flow->vip, 16, flow->vip_port);
		return true;
	}
	if (!flows->more)
		return false;
	more = sock_vip_find(bpf_get_socket_cookie(ctx), backend, true);
	return more && sock_vip_read(more, vip);
}

/*
 * Whether a backend answers this socket as some VIP. The search in the storage has no branches, so
 * that the verifier can walk it for many backends.
 */
static __always_inline bool flow_is_taken(struct bpf_sock_addr *ctx, struct flows *flows,
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
	more = sock_vip_find(bpf_get_socket_cookie(ctx), backend, true);
	return more && more->port;
}

/*
 * Whether a datagram to a VIP is left to the packets, because its backend answers this socket as
 * another VIP and its flow gets another port there. Static, for its stack.
 */
static __noinline int flow_is_parted(struct bpf_sock_addr *ctx, const struct peer *vip,
				     const struct peer *backend, __u32 family)
{
	struct packet_way_key way = {.family = family};
	struct parted_vip_key key = {.port = vip->port};
	struct parted_vip own = {};
	struct parted_vip *known;
	struct peer other = {};
	struct flows *flows;

	if (!ctx->sk)
		return 0;
	flows = bpf_sk_storage_get(&sock_flows, ctx->sk, NULL, 0);
	if (!flows || !flow_vip(ctx, flows, backend, &other) ||
	    peer_is(&other, (const __u8 *)vip->address, vip->port))
		return 0;
	own.netns_cookie = bpf_get_netns_cookie(ctx);
	if (is_host_netns(own.netns_cookie, bpf_get_netns_cookie(NULL)))
		return 0;
	way.netns_cookie = own.netns_cookie;
	if (!way_is_open(&way, bpf_ktime_get_ns()))
		return 0;
	key.client = ctx->sk->src_port;
	__builtin_memcpy(key.address, vip->address, 16);
	known = bpf_map_lookup_elem(&parted_vips, &key);
	if (!known || known->netns_cookie != own.netns_cookie)
		bpf_map_update_elem(&parted_vips, &key, &own, BPF_ANY);
	return 1;
}

#endif
