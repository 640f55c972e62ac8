/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The time, where a tick is fine enough. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include "lib/maps.h"

/*
 * CLOCK_MONOTONIC to a tick, 10 ms at most. To read the processor's counter takes long, and so does
 * a call: jiffies are a load.
 */
static __always_inline __u64 clock_coarse(void)
{
	return config.tick ? config.first_tick + bpf_jiffies64() * config.tick : bpf_ktime_get_ns();
}

#endif
