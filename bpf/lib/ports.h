/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sockets that were bound to a port before they are connected, for one family (see family.h). A
 * program may bind several to one port and connect them to several VIPs. To one backend the kernel
 * lets only one of TCP's (EADDRNOTAVAIL), and of UDP's (SO_REUSEPORT) one would get the answers for
 * both: so each gets another one where there is one; one of TCP another than one that a socket with
 * this port has gone straight to, too.
 */
#include <asm-generic/socket.h>
#include "lib/ctx.h"
#include "lib/family.h"
#include "lib/random.h"
#include "lib/wayback.h"

#ifndef LIB_PORTS_H
#define LIB_PORTS_H

/* How long the kernel keeps a tuple that was closed (TIME_WAIT), in ns. */
#define LB_TIME_WAIT 60000000000ull

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_BOUND_PORTS);
	__type(key, struct bound_port_key);
	__type(value, struct bound_port);
} bound_ports SEC(".maps");

/* How another backend is chosen. */
#define PORT_MAY_CHOOSE 1
/* The kernel keeps the tuple of a socket that was closed, as TCP's. */
#define PORT_LINGERS 2

/* Whether others may have a UDP socket's port: SO_REUSEPORT. Kernels before 6.1 do not say. */
static __always_inline bool sock_shares_port(struct bpf_sock_addr *ctx)
{
	int shares = 0;

	return !bpf_getsockopt(ctx, SOL_SOCKET, SO_REUSEPORT, &shares, sizeof(shares)) && shares;
}

/* The port that a socket was bound to; 0: none, as of nearly all, or it is one of SCTP. */
static __always_inline __u32 sock_bound_port(const struct bpf_sock_addr *ctx)
{
	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
		return 0;
	return ctx->sk ? ctx->sk->src_port : 0;
}

/* Whether another socket has this port and this backend, or had them a while ago. */
static __always_inline bool port_is_taken(const struct bound_port_key *key,
					  const struct bound_port *own, bool lingers)
{
	const struct bound_port *other = bpf_map_lookup_elem(&bound_ports, key);
	struct peer backend = {.port = key->port};
	const struct origin *origin;
	__u64 cookie;

	if (!other || other->cookie == own->cookie)
		return false;
	if (!other->time || (lingers && own->time - other->time < LB_TIME_WAIT))
		return true;
	cookie = other->cookie;
	origin = wayback_place(cookie);
	__builtin_memcpy(backend.address, key->address, 16);
	return origin && origin->cookie == cookie && wayback_from(origin, &backend);
}

#endif

static __always_inline void F(bound_port_fill)(struct bound_port_key *key, const __u8 *address,
					       __u16 port)
{
	struct peer backend;

	peer_fill(&backend, address, ADDRESS_SIZE, port);
	__builtin_memcpy(key->address, backend.address, 16);
	key->port = backend.port;
}

/*
 * Notes a socket of TCP that is bound to a port and goes straight to an address, perhaps a backend.
 * No hook sees its end, so the note stays until another socket needs its place: what it costs is
 * that a VIP leads to another backend. Static, for its stack.
 */
static __noinline int F(port_note)(struct bpf_sock_addr *ctx, const struct FX(service, _key) *peer)
{
	struct bound_port own = {.cookie = bpf_get_socket_cookie(ctx)};
	struct bound_port_key key = {
		.netns_cookie = bpf_get_netns_cookie(ctx),
		.bound = sock_bound_port(ctx),
	};

	F(bound_port_fill)(&key, peer->address, peer->port);
	if (!port_is_taken(&key, &own, true))
		bpf_map_update_elem(&bound_ports, &key, &own, BPF_ANY);
	return 0;
}

/*
 * Gives a socket that is bound to a port another backend than those that sockets with this port
 * have, if it may choose and there is one among a few, and notes which one it has. Static, for its
 * stack. Returns 0 if a slot was not the service's.
 */
static __noinline int F(port_select)(const struct service *service, struct F(slot) *slot,
				     struct bound_port_key *key, const struct bound_port *own,
				     __u32 how)
{
	__u32 place;
	int try;

	F(bound_port_fill)(key, slot->address, slot->port);
	if (how & PORT_MAY_CHOOSE && service->count > 1) {
		place = F(lb_place)(service, random_u32());
#pragma clang loop unroll(disable)
		for (try = 0; try < LB_OTHER_BACKENDS; try++) {
			if (!port_is_taken(key, own, how & PORT_LINGERS))
				break;
			if (!F(lb_slot)(service, place, slot))
				return 0;
			if (++place >= service->count)
				place = 0;
			F(bound_port_fill)(key, slot->address, slot->port);
		}
	}
	bpf_map_update_elem(&bound_ports, key, own, BPF_ANY);
	return 1;
}
