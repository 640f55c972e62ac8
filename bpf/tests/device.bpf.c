// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Packet programs that count what they see and pass it on: ours by their names, and others'. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

static __always_inline int count(__u32 key)
{
	__u64 *number = bpf_map_lookup_elem(&packets, &key);

	if (number)
		__sync_fetch_and_add(number, 1);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int own_first(struct __sk_buff *skb)
{
	return count(0);
}

SEC("tc")
int own_second(struct __sk_buff *skb)
{
	return count(1);
}

SEC("tc")
int other_first(struct __sk_buff *skb)
{
	return count(2);
}

SEC("tc")
int other_second(struct __sk_buff *skb)
{
	return count(3);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
