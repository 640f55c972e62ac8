/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The part of the map ABI that only the programs at tc use: flows that are translated packet by
 * packet, and the settings for it. The rules of maps.h hold here too; include that one.
 */
#ifndef SWIFTLET_FLOWS_H
#define SWIFTLET_FLOWS_H

#include "swiftlet/maps.h"

/* ---- conntrack4/6: LRU_HASH, a packet's tuple as it arrives -> the one that it is given -------
 */

LB_ENUM flow_state{
	FLOW_NEW = 1,	      /* the backend has not answered yet */
	FLOW_ESTABLISHED = 2, /* both have been heard */
	FLOW_CLOSING = 3,     /* TCP: both have said FIN, or one RST */
};

/* Where a flow's packets are translated, and how they go on. Both directions go the same way. */
LB_ENUM flow_path{
	THROUGH_STACK = 1, /* requests on arrival, replies on departure; the kernel routes both */
	REDIRECTED = 2, /* all on arrival, and sent on at once: the client's address is changed */
	FROM_HOST = 3,	/* the client is the node: requests on departure, replies on arrival */
};

/*
 * Every flow has two entries that are mirrors: the client's packets lead from {client, VIP} to
 * {client or node, backend}, and the backend's from {backend, client or node} to {VIP, client}. To
 * translate is the same for both: look up what came, write what is found.
 */
struct flow4_key {
	__u8 source[4];
	__u8 destination[4];
	__u16 source_port;
	__u16 destination_port;
	enum ip_protocol protocol;
	__u8 pad[3];
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct flow4_key) == 16, "changed layout: bump LB_MAP_VERSION");

struct flow6_key {
	__u8 source[16];
	__u8 destination[16];
	__u16 source_port;
	__u16 destination_port;
	enum ip_protocol protocol;
	__u8 pad[3];
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct flow6_key) == 40, "changed layout: bump LB_MAP_VERSION");

struct flow4 {
	__u64 last_seen; /* ns of CLOCK_MONOTONIC, a second late at most */
	__u8 source[4];
	__u8 destination[4];
	__u16 source_port;
	__u16 destination_port;
	__u32 service_id;
	__u32 backend_id;
	__u32 seal;	  /* repeats the key in short, as in services4/6 */
	__u32 ifindex;	  /* where its packets leave, if they are sent on; 0: to be asked again */
	__u32 longest;	  /* what is known to fit there, in bytes */
	__u8 next_hop[4]; /* the neighbour that they go to */
	enum flow_state state;
	enum flow_path path;
	__u8 reply;	  /* 1: the entry for the backend's packets */
	__u8 fin_client;  /* 1: the client has sent its last byte */
	__u8 fin_backend; /* 1: the backend has */
	__u8 pad[7];
};
_Static_assert(sizeof(struct flow4) == 56, "changed layout: bump LB_MAP_VERSION");

struct flow6 {
	__u64 last_seen;
	__u8 source[16];
	__u8 destination[16];
	__u16 source_port;
	__u16 destination_port;
	__u32 service_id;
	__u32 backend_id;
	__u32 seal;
	__u32 ifindex;
	__u32 longest;
	__u8 next_hop[16];
	enum flow_state state;
	enum flow_path path;
	__u8 reply;
	__u8 fin_client;
	__u8 fin_backend;
	__u8 pad[3];
};
_Static_assert(sizeof(struct flow6) == 88, "changed layout: bump LB_MAP_VERSION");

/* ---- flow_filter: ARRAY, who may be a backend with flows, or the node's address in one ------- */

/*
 * A byte for each hash of a backend's address and port, or of an address that backends reply to,
 * with port 0. Set by a plain write, so that no other CPU's is lost. Never cleared: a set one
 * promises nothing.
 */
struct flow_filter {
	__u8 seen[8];
};
_Static_assert(sizeof(struct flow_filter) == 8, "changed layout: bump LB_MAP_VERSION");

#define LB_FLOW_FILTER 2048

/* ---- fragments: LRU_HASH, an IP packet that comes in pieces -> the ports of its first -------- */

struct fragment_key {
	__u8 source[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 destination[16];
	__u32 id;
	enum ip_protocol protocol;
	__u8 pad[3];
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct fragment_key) == 40, "changed layout: bump LB_MAP_VERSION");

struct fragment_ports {
	__u16 source_port;
	__u16 destination_port;
};
_Static_assert(sizeof(struct fragment_ports) == 4, "changed layout: bump LB_MAP_VERSION");

#define LB_FRAGMENTS 8192

/* ---- devices: HASH, interface index -> what lies behind it ---------------------------------- */

/*
 * The devices that our programs are attached to. A backend that is reached through another one is
 * taken for a pod of this node, or for the node itself, whose replies pass through the stack.
 */
struct device {
	__u8 address4[4];  /* the node's, towards that device; zero: none */
	__u8 address6[16]; /* the same */
	__u32 mtu;
};
_Static_assert(sizeof(struct device) == 24, "changed layout: bump LB_MAP_VERSION");

/* In place of an index: the node's addresses for what leaves by a device that is not here. */
#define LB_ANY_DEVICE 0

#define LB_DEVICES 4096

/* ---- tc_config: read-only data of the programs at tc ---------------------------------------- */

/* Addresses with (address & mask) == the given one; a mask of zeros ends the list. */
struct range4 {
	__u8 address[4];
	__u8 mask[4];
};

struct range6 {
	__u8 address[16];
	__u8 mask[16];
};

#define LB_RANGES 8 /* of each kind and family */

struct tc_config {
	/* How long a flow lives without a packet. */
	__u32 tcp_seconds;	      /* established */
	__u32 tcp_new_seconds;	      /* the backend has not answered yet */
	__u32 tcp_close_wait_seconds; /* one side has said FIN */
	__u32 tcp_closing_seconds;    /* both have, or one RST */
	__u32 udp_seconds;	      /* not answered yet */
	__u32 udp_stream_seconds;     /* answered */
	__u32 other_seconds;
	__u8 external_cluster_ip; /* 1: ClusterIPs serve clients outside the node too */
	__u8 masquerade_all;	  /* 1: backends see the node's address, whoever asks */
	__u8 from_pods;		  /* 1: all that arrives here counts as inside */
	__u8 tcp_begins_with_syn; /* 1: TCP in mid-connection without a flow is left to the stack */
	__u8 has_coarse_clock;	  /* bpf_ktime_get_coarse_ns: kernel 5.11 */
	__u8 pad[3];
	struct range4 cluster4[LB_RANGES]; /* inside, as for spec 18 */
	struct range4
		service4[LB_RANGES]; /* ClusterIPs: an address of nobody is dropped (spec 28) */
	struct range6 cluster6[LB_RANGES];
	struct range6 service6[LB_RANGES];
};
_Static_assert(sizeof(struct tc_config) == 676, "changed layout");

#endif
