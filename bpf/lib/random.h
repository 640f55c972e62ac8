/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Random numbers to choose by: SplitMix64 on a state for each CPU that the kernel's own generator
 * has begun. That one takes a fifth of the time of a whole connect hook where returns are slow.
 */
#ifndef LIB_RANDOM_H
#define LIB_RANDOM_H

#include "lib/maps.h"

LB_ARRAY(BPF_MAP_TYPE_PERCPU_ARRAY, random_states, __u64, 1);

/* A task that preempts this one may get the same number. */
static __always_inline __u32 random_u32(void)
{
	__u32 first = 0;
	__u64 *state = bpf_map_lookup_elem(&random_states, &first);
	__u64 number;

	if (!state)
		return bpf_get_prandom_u32();
	number = *state;
	if (!number)
		number = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	number += 0x9e3779b97f4a7c15ull;
	*state = number;
	number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9ull;
	number = (number ^ (number >> 27)) * 0x94d049bb133111ebull;
	return (number ^ (number >> 31)) >> 32;
}

#endif
