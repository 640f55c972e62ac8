/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Processes whose sockets are left to the packets: those of some cgroups and of all below. */
#ifndef LIB_LEFT_H
#define LIB_LEFT_H

#include "lib/maps.h"

LB_HASH(left_cgroups, __u64, struct left_cgroup);
LB_ARRAY(BPF_MAP_TYPE_ARRAY, left_depths, struct left_depths, 1);

/*
 * Walks down to the process's cgroup. Depths are counted from the served cgroup, which may be
 * anywhere in the hierarchy. Not static: the verifier walks it once, and not from each way here.
 */
__noinline int process_is_below_left(void)
{
	__u32 first = 0;
	const struct left_depths *left = bpf_map_lookup_elem(&left_depths, &first);
	__u64 depths = 0;
	__u64 id;
	int level;

	if (!left)
		return 0;
#pragma clang loop unroll(disable)
	for (level = 0; level < LB_CGROUP_LEVELS; level++) {
		id = bpf_get_current_ancestor_cgroup_id(level);
		if (!id)
			return 0;
		if (depths & 1 && bpf_map_lookup_elem(&left_cgroups, &id))
			return 1;
		depths >>= 1;
		if (id == left->root)
			depths = left->depths >> 1;
	}
	return 0;
}

/* Without such cgroups it costs one read of an array that is not written. */
static __always_inline bool process_is_left(void)
{
	__u32 first = 0;
	const struct left_depths *left = bpf_map_lookup_elem(&left_depths, &first);

	return left && left->depths && process_is_below_left();
}

#endif
