/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The time, where a tick is fine enough. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include "lib/maps.h"

/* CLOCK_MONOTONIC to a tick, 10 ms at most: to read the processor's counter takes long. */
static __always_inline __u64 clock_coarse(void)
{
	return config.has_coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns();
}

#endif
