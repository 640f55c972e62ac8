/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reading and writing the address that a socket hook is asked about. */
#ifndef LIB_CTX_H
#define LIB_CTX_H

#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include "lib/maps.h"
#include "lib/wayback.h"

/* What a hook returns to let the call go on, or to make it fail. */
#define HOOK_ALLOW  1
#define HOOK_REFUSE 0

/* Some kernels show multipath TCP under its own number, the others its first subflow as TCP. */
#define PROTO_MPTCP 262

/*
 * Where the address stands in the context. An IPv4 address is either an IPv4 hook's, or the last
 * quarter of an IPv6 socket's ::ffff:a.b.c.d.
 */
enum ctx_form {
	CTX_IP4,
	CTX_MAPPED,
	CTX_IP6,
};

static __always_inline bool ctx_is_mapped(const struct bpf_sock_addr *ctx)
{
	return ctx->user_ip6[0] == 0 && ctx->user_ip6[1] == 0 &&
	       ctx->user_ip6[2] == bpf_htonl(0xffff);
}

static __always_inline enum ip_protocol socket_protocol(__u32 number)
{
	switch (number) {
	case IPPROTO_TCP:
	case PROTO_MPTCP:
		return TCP;
	case IPPROTO_UDP:
		return UDP;
	case IPPROTO_SCTP:
		return SCTP;
	default:
		return PROTO_ANY;
	}
}

/* The context is read and written a word at a time: the only size every kernel allows. */
static __always_inline void ctx_get(const struct bpf_sock_addr *ctx, enum ctx_form form,
				    __u8 *address, __u16 *port)
{
	__u32 *words = (__u32 *)address;

	if (form == CTX_IP4) {
		words[0] = ctx->user_ip4;
	} else if (form == CTX_MAPPED) {
		words[0] = ctx->user_ip6[3];
	} else {
		words[0] = ctx->user_ip6[0];
		words[1] = ctx->user_ip6[1];
		words[2] = ctx->user_ip6[2];
		words[3] = ctx->user_ip6[3];
	}
	*port = bpf_ntohs((__u16)ctx->user_port);
}

static __always_inline void ctx_set(struct bpf_sock_addr *ctx, enum ctx_form form,
				    const __u8 *address, __u16 port)
{
	const __u32 *words = (const __u32 *)address;

	if (form == CTX_IP4) {
		ctx->user_ip4 = words[0];
	} else if (form == CTX_MAPPED) {
		ctx->user_ip6[3] = words[0];
	} else {
		ctx->user_ip6[0] = words[0];
		ctx->user_ip6[1] = words[1];
		ctx->user_ip6[2] = words[2];
		ctx->user_ip6[3] = words[3];
	}
	ctx->user_port = bpf_htons(port);
}

/*
 * The address that a connect will come from, as far as it is known: the one that the socket is
 * bound to. Zero: it is bound to none, and routing will choose one.
 */
static __always_inline void ctx_get_bound(const struct bpf_sock_addr *ctx, enum ctx_form form,
					  __u8 *address)
{
	const struct bpf_sock *sk = ctx->sk;
	__u32 *words = (__u32 *)address;

	if (!sk)
		return;
	if (form != CTX_IP6) {
		words[0] = sk->src_ip4;
	} else {
		words[0] = sk->src_ip6[0];
		words[1] = sk->src_ip6[1];
		words[2] = sk->src_ip6[2];
		words[3] = sk->src_ip6[3];
	}
}

/* The same of a send: the kernel shows the bound address unless the message has one of its own. */
static __always_inline void ctx_get_sender(const struct bpf_sock_addr *ctx, enum ctx_form form,
					   __u8 *address)
{
	__u32 *words = (__u32 *)address;

	if (form != CTX_IP6) {
		words[0] = ctx->msg_src_ip4;
	} else {
		words[0] = ctx->msg_src_ip6[0];
		words[1] = ctx->msg_src_ip6[1];
		words[2] = ctx->msg_src_ip6[2];
		words[3] = ctx->msg_src_ip6[3];
	}
}

/* What ctx_get reads, in IPv6 form: an IPv6 hook has mapped addresses in that form already. */
static __always_inline void ctx_get_peer(const struct bpf_sock_addr *ctx, enum ctx_form form,
					 struct peer *peer)
{
	__u32 address[4];
	__u16 port;

	ctx_get(ctx, form, (__u8 *)address, &port);
	peer_fill(peer, (__u8 *)address, form == CTX_IP6 ? 16 : 4, port);
}

static __always_inline void ctx_set_peer(struct bpf_sock_addr *ctx, enum ctx_form form,
					 const __u8 *address, __u16 port)
{
	ctx_set(ctx, form, form == CTX_IP6 ? address : address + 12, port);
}

/* Whether a network namespace is the node's own. */
static __always_inline bool is_host_netns(__u64 cookie, __u64 initial)
{
	return cookie == (config.host_netns_cookie ? config.host_netns_cookie : initial);
}

static __always_inline int refuse_with(int error)
{
	if (config.has_set_retval)
		bpf_set_retval(-error);
	return HOOK_REFUSE;
}

#endif
