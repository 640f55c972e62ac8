/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the programs at tc take from the running kernel by name: its connection tracking. libbpf
 * finds functions and fields at load, in the kernel and in its modules. To look for a function in
 * modules takes CAP_SYS_ADMIN, also for one that may be missing: so where the control plane does
 * not find it (has_ct_lookup is 0) it loads tc_untracked.bpf.o, which names none.
 */
#ifndef LIB_KERNEL_H
#define LIB_KERNEL_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef LB_UNTRACKED

/* The first twelve bytes of the kernel's struct bpf_ct_opts, which every kernel takes. */
struct ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir; /* out: which end of the connection sends such packets */
	__u8 pad[2];
};
_Static_assert(sizeof(struct ct_opts) == 12, "the kernel asks for this size");

#define CT_DIRECTION_REPLY 1
#define CT_SEEN_REPLY	   2 /* IPS_SEEN_REPLY */
#define CT_TCP_TIME_WAIT   7 /* and CLOSE behind it: enum tcp_conntrack */

#define KERNEL_TYPE __attribute__((preserve_access_index))

struct ip_ct_tcp {
	__u8 state;
} KERNEL_TYPE;

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
} KERNEL_TYPE;

struct nf_conn {
	unsigned long status;
	union nf_conntrack_proto proto;
} KERNEL_TYPE;

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
					 __u32 size, struct ct_opts *opts,
					 __u32 opts_size) __ksym __weak;
extern void bpf_ct_release(struct nf_conn *connection) __ksym __weak;

#endif

#endif
