/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The part of the map ABI that tells the programs at tc about the node: which address and ports a
 * masqueraded flow takes, and what may not leave in clear. The rules of maps.h hold here too.
 */
#ifndef SWIFTLET_NODE_H
#define SWIFTLET_NODE_H

#include "swiftlet/maps.h"

/* ---- masq_ports: ARRAY of one, where masqueraded flows take their ports from ---------------- */

struct port_range {
	__u16 first;
	__u16 last; /* inclusive */
};

#define LB_PORT_RANGES 4

/*
 * Outside of ip_local_port_range and of the NodePorts, so that the node's own connections and a
 * flow do not meet (spec 36, 52). Flows that began before a setting changed keep their ports: an
 * answer to a port that no flow can have is known not to be a flow's.
 */
struct masq_ports {
	__u32 count;				   /* how many ports the ranges have together */
	struct port_range range[LB_PORT_RANGES];   /* for new flows; {0, 0} ends the list */
	struct port_range answers[LB_PORT_RANGES]; /* of any flow; the same */
};
_Static_assert(sizeof(struct masq_ports) == 36, "changed layout: bump LB_MAP_VERSION");

/* ---- node_sources4/6: LPM_TRIE, (device, range of endpoints) -> the node's address to them --- */

/*
 * What `ip route get` would choose, where it is not the address in `devices`: a device with two
 * subnets, a route with a source of its own, unique local and global addresses side by side
 * (spec 54). The longest prefix wins; a device that is not here uses the address in `devices`.
 */
struct node_source4_key {
	__u32 prefix_length; /* LB_SOURCE_PREFIX + the range's */
	__u32 ifindex;
	__u8 address[4];
};
_Static_assert(sizeof(struct node_source4_key) == 12, "changed layout: bump LB_MAP_VERSION");

struct node_source6_key {
	__u32 prefix_length;
	__u32 ifindex;
	__u8 address[16];
};
_Static_assert(sizeof(struct node_source6_key) == 24, "changed layout: bump LB_MAP_VERSION");

#define LB_SOURCE_PREFIX 32 /* bits of ifindex, which is matched in full */
#define LB_NODE_SOURCES	 4096

struct node_source4 {
	__u8 address[4];
};

struct node_source6 {
	__u8 address[16];
};

/* ---- ipsec4/6: LPM_TRIE, range of endpoints -> 1: an IPsec policy is about them ---------------
 */

/*
 * What the node sends to them under an address of its own has to be encrypted, or must not leave. A
 * program that gives a packet the node's address works behind the kernel's policies, so it refuses.
 */
struct ipsec4_key {
	__u32 prefix_length;
	__u8 address[4];
};
_Static_assert(sizeof(struct ipsec4_key) == 8, "changed layout: bump LB_MAP_VERSION");

struct ipsec6_key {
	__u32 prefix_length;
	__u8 address[16];
};
_Static_assert(sizeof(struct ipsec6_key) == 20, "changed layout: bump LB_MAP_VERSION");

#define LB_IPSEC_RANGES 1024

struct ipsec_policy {
	__u8 applies; /* 1 */
	__u8 pad[3];
};
_Static_assert(sizeof(struct ipsec_policy) == 4, "changed layout: bump LB_MAP_VERSION");

#endif
