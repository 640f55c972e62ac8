// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Service translation in the socket: the hooks, and nothing else. They are attached to a cgroup and
 * see every socket of the processes in it. What they do is in lib/socket.h, once for both families.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FAMILY 4
#include "lib/socket.h"
#include "lib/egress.h"
#undef FAMILY
#define FAMILY 6
#include "lib/socket.h"
#include "lib/egress.h"
#undef FAMILY

SEC("cgroup/connect4")
int swl_connect4(struct bpf_sock_addr *ctx)
{
	return sock_connect4(ctx, CTX_IP4);
}

SEC("cgroup/connect6")
int swl_connect6(struct bpf_sock_addr *ctx)
{
	if (ctx_is_mapped(ctx))
		return sock_connect4(ctx, CTX_MAPPED);
	return sock_connect6(ctx, CTX_IP6);
}

SEC("cgroup/sendmsg4")
int swl_sendmsg4(struct bpf_sock_addr *ctx)
{
	return sock_send4(ctx, CTX_IP4);
}

/* The kernel sends IPv4-mapped addresses to sendmsg4; written back here they would be refused. */
SEC("cgroup/sendmsg6")
int swl_sendmsg6(struct bpf_sock_addr *ctx)
{
	return sock_send6(ctx, CTX_IP6);
}

SEC("cgroup/recvmsg4")
int swl_recvmsg4(struct bpf_sock_addr *ctx)
{
	return sock_reverse(ctx, CTX_IP4, COUNT_REVERSE_REPLY);
}

SEC("cgroup/recvmsg6")
int swl_recvmsg6(struct bpf_sock_addr *ctx)
{
	return sock_reverse(ctx, CTX_IP6, COUNT_REVERSE_REPLY);
}

SEC("cgroup/getpeername4")
int swl_getpeername4(struct bpf_sock_addr *ctx)
{
	return sock_reverse(ctx, CTX_IP4, COUNT_REVERSE_PEER);
}

SEC("cgroup/getpeername6")
int swl_getpeername6(struct bpf_sock_addr *ctx)
{
	return sock_reverse(ctx, CTX_IP6, COUNT_REVERSE_PEER);
}

SEC("cgroup/sock_release")
int swl_sock_release(struct bpf_sock *sk)
{
	wayback_release(bpf_get_socket_cookie(sk));
	return HOOK_ALLOW;
}

SEC("cgroup/bind4")
int swl_bind4(struct bpf_sock_addr *ctx)
{
	return sock_bind4(ctx, CTX_IP4);
}

SEC("cgroup/bind6")
int swl_bind6(struct bpf_sock_addr *ctx)
{
	if (ctx_is_mapped(ctx))
		return sock_bind4(ctx, CTX_MAPPED);
	return sock_bind6(ctx, CTX_IP6);
}

/* Attached only while there is a frontend with source ranges that some of the pods are in. */
SEC("cgroup_skb/egress")
int swl_egress(struct __sk_buff *skb)
{
	struct guards *guards = guard_of(skb);

	if (!guards)
		return EGRESS_KEEP;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return egress_guarded4(skb, guards);
	return egress_guarded6(skb, guards);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
