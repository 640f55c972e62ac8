// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* A program that does nothing: what the kernel itself takes to call one. */
#include <linux/bpf.h>
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

char LICENSE[] SEC("license") = "Dual BSD/GPL";
