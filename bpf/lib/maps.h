/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The maps that all programs share. The control plane sets max_entries before load: see
 * docs/maps.md. */
#ifndef LIB_MAPS_H
#define LIB_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "swiftlet/maps.h"

#define barrier() asm volatile("" ::: "memory")

const volatile struct datapath_config config SEC(".rodata.config") = {
	.map_version = LB_MAP_VERSION,
};

#define LB_HASH(name_, key_, value_)                                                               \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                              \
		__uint(max_entries, 1024);                                                         \
		__type(key, key_);                                                                 \
		__type(value, value_);                                                             \
	} name_ SEC(".maps")

#define LB_ARRAY(type_, name_, value_, entries_)                                                   \
	struct {                                                                                   \
		__uint(type, type_);                                                               \
		__uint(max_entries, entries_);                                                     \
		__type(key, __u32);                                                                \
		__type(value, value_);                                                             \
	} name_ SEC(".maps")

#define LB_LRU(name_, key_, value_)                                                                \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_LRU_HASH);                                               \
		__uint(max_entries, 1024);                                                         \
		__type(key, key_);                                                                 \
		__type(value, value_);                                                             \
	} name_ SEC(".maps")

#define LB_PREFIXES(name_, key_, value_)                                                           \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);                                               \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                              \
		__uint(max_entries, 1024);                                                         \
		__type(key, key_);                                                                 \
		__type(value, value_);                                                             \
	} name_ SEC(".maps")

LB_HASH(services4, struct service4_key, struct service);
LB_HASH(services6, struct service6_key, struct service);
LB_ARRAY(BPF_MAP_TYPE_ARRAY, slots4, struct slot4, 1024);
LB_ARRAY(BPF_MAP_TYPE_ARRAY, slots6, struct slot6, 1024);
LB_HASH(backends4, __u32, struct backend4);
LB_HASH(backends6, __u32, struct backend6);
LB_PREFIXES(source_ranges4, struct source_range4_key, struct source_range);
LB_PREFIXES(source_ranges6, struct source_range6_key, struct source_range);
LB_HASH(vips4, struct vip4_key, struct vip);
LB_HASH(vips6, struct vip6_key, struct vip);
LB_ARRAY(BPF_MAP_TYPE_ARRAY, vip_filter, __u64, LB_FILTER_WORDS);
LB_HASH(node_ports, struct node_port_key, struct node_port);
LB_HASH(service_ports, __u32, struct service_port);

LB_LRU(affinity, struct affinity_key, struct affinity);

LB_ARRAY(BPF_MAP_TYPE_PERCPU_ARRAY, counters, __u64, COUNT_MAX);
LB_ARRAY(BPF_MAP_TYPE_PERCPU_ARRAY, service_counts, struct service_counter, 1024);

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct backend_counter);
} backend_counts SEC(".maps");

#endif
