/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Ranges of addresses that the settings name, for one family (see family.h). After lib/packet.h. */
#include "lib/flows.h"

#ifndef LIB_RANGE_H
#define LIB_RANGE_H

static __always_inline bool range4_has(const volatile struct range4 *range, const __u32 *address)
{
	const __u32 mask = *(const volatile __u32 *)range->mask;

	return (*address & mask) == *(const volatile __u32 *)range->address;
}

static __always_inline bool range6_has(const volatile struct range6 *range, const __u32 *address)
{
	const volatile __u32 *mask = (const volatile __u32 *)range->mask;
	const volatile __u32 *first = (const volatile __u32 *)range->address;

	return (address[0] & mask[0]) == first[0] && (address[1] & mask[1]) == first[1] &&
	       (address[2] & mask[2]) == first[2] && (address[3] & mask[3]) == first[3];
}

#endif

/* Whether one of the ranges has the address. */
static __always_inline bool F(is_in)(const volatile struct F(range) *ranges, const __u8 *address)
{
	const __u32 *words = (const __u32 *)address;
	int i;

	/*
	 * The settings are constants for the verifier: nothing is left of what comes after the
	 * first range that is not set, and they do not fill the processor's cache.
	 */
#pragma clang loop unroll(full)
	for (i = 0; i < LB_RANGES; i++) {
		if (!*(const volatile __u32 *)ranges[i].mask)
			return false;
		if (FX(range, _has)(&ranges[i], words))
			return true;
	}
	return false;
}
