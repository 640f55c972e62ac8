// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Programs that do nothing: what the kernel itself takes to call one. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup/connect4")
int swl_empty4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/connect6")
int swl_empty6(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/sendmsg4")
int swl_empty_send4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("tc")
int swl_empty_tc(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
