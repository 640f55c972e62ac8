/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counting. Atomic although per CPU: another task may preempt this one between read and write. */
#ifndef LIB_COUNT_H
#define LIB_COUNT_H

#include "lib/maps.h"

static __always_inline void count(enum counter reason)
{
	__u32 index = reason;
	__u64 *value = bpf_map_lookup_elem(&counters, &index);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* Whether there is a backend. */
static __always_inline bool is_forward(enum counter reason)
{
	return reason >= COUNT_FORWARD && reason < COUNT_REFUSE_NO_BACKEND;
}

/* Where a service port counts this outcome. */
static __always_inline __u64 *service_count_of(struct service_counter *value, enum counter reason)
{
	if (reason < COUNT_REFUSE_NO_BACKEND)
		return &value->forwarded;
	if (reason == COUNT_REFUSE_NO_BACKEND)
		return &value->refused_no_backend;
	if (reason == COUNT_REFUSE_NO_LOCAL_BACKEND)
		return &value->refused_no_local_backend;
	if (reason == COUNT_REFUSE_SOURCE)
		return &value->refused_source;
	return &value->refused_other;
}

static __always_inline void count_service(__u32 service_id, enum counter reason)
{
	struct service_counter *value = bpf_map_lookup_elem(&service_counts, &service_id);

	if (!value)
		return; /* past the per-CPU memory set aside for services; the total still counts */
	if (reason != COUNT_FORWARD_SAME_FLOW)
		__sync_fetch_and_add(service_count_of(value, reason), 1);
}

/* An entry is made by the first connect, and removed by the control plane with its backend. */
static __always_inline void count_backend(__u32 backend_id)
{
	const struct backend_counter none = {};
	struct backend_counter *value;

	if (!config.count_backends)
		return;
	value = bpf_map_lookup_elem(&backend_counts, &backend_id);
	if (!value) {
		bpf_map_update_elem(&backend_counts, &backend_id, &none, BPF_NOEXIST);
		value = bpf_map_lookup_elem(&backend_counts, &backend_id);
	}
	if (value)
		__sync_fetch_and_add(&value->forwarded, 1);
}

#endif
