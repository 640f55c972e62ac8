/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which backends may have flows, for one family (see family.h): a filter that says "maybe".
 */
#include "lib/flows.h"

static __always_inline __u8 *F(flow_filter_place)(const __u8 *address, __u16 port)
{
	const __u32 *words = (const __u32 *)address;
	struct flow_filter *word;
	__u32 hash = (port + 1) * 0x85ebca6bu;
	__u32 index, i;

#pragma clang loop unroll(full)
	for (i = 0; i < ADDRESS_SIZE / 4; i++)
		hash += words[i] * (0x9e3779b1u + i * 0x3243f6a8u);
	/* The low bits of a network's addresses are in the high bits of its words. */
	hash = (hash ^ hash >> 15) * 0x2c1b3c6du;
	index = hash >> 21;
	word = bpf_map_lookup_elem(&flow_filter, &index);
	return word ? &word->seen[(hash >> 18) & 7] : NULL;
}

/* What flows this backend may have, of enum flow_filter_kind: one array read. */
static __always_inline __u32 F(flow_kinds)(const __u8 *address, __u16 port)
{
	const __u8 *place = F(flow_filter_place)(address, port);

	return place ? *place : 0xff;
}

static __always_inline void F(flow_filter_add)(const __u8 *address, __u16 port, __u8 kinds)
{
	__u8 *place = F(flow_filter_place)(address, port);

	if (place && (*place & kinds) != kinds)
		*place |= kinds;
}
