// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* One of each kind of object that the loader owns, for its tests. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <swiftlet/maps.h>

const volatile struct datapath_config config SEC(".rodata.config");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} runs SEC(".maps");

/* Shows the settings that were written before the load. */
SEC("syscall")
int ldr_config(__u64 *ctx)
{
	*ctx = config.host_netns_cookie;
	return config.has_set_retval;
}

/* Doubles its context, remembers it, and counts on this CPU. */
SEC("syscall")
int ldr_double(__u64 *ctx)
{
	__u64 twice = *ctx * 2;
	__u32 key = 0;
	__u32 *count;

	*ctx = twice;
	count = bpf_map_lookup_elem(&runs, &key);
	if (count)
		*count += 1;
	return bpf_map_update_elem(&numbers, &key, &twice, BPF_ANY);
}

SEC("cgroup/connect4")
int ldr_first4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/connect4")
int ldr_second4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("tc")
int ldr_packet(struct __sk_buff *skb)
{
	return skb->len;
}

/* Uses what it looked up without asking whether it was there: the verifier says no. */
SEC("?syscall")
int ldr_rejected(__u64 *ctx)
{
	__u32 key = 1;
	__u64 *number = bpf_map_lookup_elem(&numbers, &key);

	*ctx = *number;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
