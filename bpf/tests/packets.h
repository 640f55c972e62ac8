/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What packets.bpf.c writes before each repetition. */
#ifndef SWIFTLET_TESTS_PACKETS_H
#define SWIFTLET_TESTS_PACKETS_H

#include <linux/types.h>

#define PACKET_ORIGINAL_MAX 74 /* Ethernet, IPv6 and TCP headers */

#define PACKET_LOOKUPS 16 /* in one run of tst_lookup4 and tst_lookup6 */

struct packet_original {
	__u32 size;
	__u32 port_offset;    /* where the source port is, if clients have all ports; else 0 */
	__u32 address_offset; /* where the last two bytes of their addresses are; 0: one client */
	__u32 runs;
	__u32 noted; /* 1 + the flow that was noted on arrival, for each client its own; or 0 */
	__u8 bytes[PACKET_ORIGINAL_MAX];
	__u8 pad[2];
};

#endif
