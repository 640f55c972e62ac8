/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The part of the map ABI that only the programs at tc use: flows that are translated packet by
 * packet, and the settings for it. The rules of maps.h hold here too; include that one.
 */
#ifndef SWIFTLET_FLOWS_H
#define SWIFTLET_FLOWS_H

#include <linux/bpf.h>
#include "swiftlet/maps.h"

/* ---- flows4/6: ARRAY, number -> a flow ------------------------------------------------------- */

LB_ENUM flow_state{
	FLOW_FREE = 0,	      /* the place is free */
	FLOW_NEW = 1,	      /* the backend has not answered yet */
	FLOW_ANSWERED = 2,    /* it has; TCP: it awaits the ACK; UDP: for less than 2 s */
	FLOW_ESTABLISHED = 3, /* both have been heard, and go on */
	FLOW_CLOSING = 4,     /* TCP: both have said FIN, as in TIME_WAIT */
	FLOW_RESET = 5,	      /* TCP: one has said RST */
	FLOW_CHANGING = 6,    /* one CPU is making it, or taking it away */
};

LB_ENUM flow_path{
	FORWARDED = 1,	/* the kernel forwards client -> backend and back; see struct tuple4 */
	REDIRECTED = 2, /* translated once, on arrival, and sent on past the kernel's forwarding */
	DEPARTING = 3,	/* what leaves the node: requests on departure, replies on arrival */
};

/*
 * Whether the source becomes the node's where the packets depart. UNNOTED: it does, and what one
 * program notes in a packet is lost before the next.
 */
LB_ENUM masquerade{
	MASQUERADE_NONE = 0,
	MASQUERADE_NOTED = 1,
	MASQUERADE_UNNOTED = 2,
};

/*
 * One flow, whole: what the client asked, what the kernel forwards, and what the backend sees.
 *
 *   client:client_port -> vip:vip_port               the client's packets, as they arrive
 *   client:inner_port  -> backend:backend_port       as the kernel routes, filters and tracks them
 *   node:node_port     -> backend:backend_port       as they depart, if the flow is masqueraded
 *
 * A DEPARTING flow has no second line. Where the client and the backend are one connection already,
 * or another one has the same ports, inner_port is another than the client's (spec 52).
 */
struct flow4 {
	struct bpf_spin_lock lock; /* for changes of state to and from FLOW_CHANGING */
	__u32 turn;		   /* how often the place was given away: a reader asks twice */
	__u64 last_seen;	   /* ns of CLOCK_MONOTONIC, a second late at most */
	__u32 service_id;
	__u32 backend_id;
	__u8 client[4];
	__u8 vip[4];
	__u8 backend[4];
	__u8 node[4]; /* with node_port: zero until the first packet has departed */
	__u16 client_port;
	__u16 vip_port;
	__u16 backend_port;
	__u16 inner_port;
	__u16 node_port; /* 0: not masqueraded */
	enum ip_protocol protocol;
	enum flow_state state;
	enum flow_path path;
	enum masquerade masquerade;
	__u8 fin_client;  /* 1: the client has sent its last byte */
	__u8 fin_backend; /* 1: the backend has */
};
_Static_assert(sizeof(struct flow4) == 56, "changed layout: bump LB_MAP_VERSION");

struct flow6 {
	struct bpf_spin_lock lock;
	__u32 turn;
	__u64 last_seen;
	__u32 service_id;
	__u32 backend_id;
	__u8 client[16];
	__u8 vip[16];
	__u8 backend[16];
	__u8 node[16];
	__u16 client_port;
	__u16 vip_port;
	__u16 backend_port;
	__u16 inner_port;
	__u16 node_port;
	enum ip_protocol protocol;
	enum flow_state state;
	enum flow_path path;
	enum masquerade masquerade;
	__u8 fin_client;
	__u8 fin_backend;
};
_Static_assert(sizeof(struct flow6) == 104, "changed layout: bump LB_MAP_VERSION");

/* ---- tuples4/6: HASH, a tuple -> the number of its flow ------------------------------------ */

/* Which of a flow's tuples it is. A tuple has one owner in each place: it is inserted, or taken. */
LB_ENUM tuple_place{
	ASKED = 1,   /* client -> vip */
	INNER = 2,   /* client -> backend; replies are looked up by it too, turned round */
	ANSWERS = 3, /* backend -> node, what comes back to a port that masquerades */
};

struct tuple4 {
	__u8 source[4];
	__u8 destination[4];
	__u16 source_port;
	__u16 destination_port;
	enum ip_protocol protocol;
	enum tuple_place place;
	__u8 pad[2];
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct tuple4) == 16, "changed layout: bump LB_MAP_VERSION");

struct tuple6 {
	__u8 source[16];
	__u8 destination[16];
	__u16 source_port;
	__u16 destination_port;
	enum ip_protocol protocol;
	enum tuple_place place;
	__u8 pad[2];
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct tuple6) == 40, "changed layout: bump LB_MAP_VERSION");

#define LB_TUPLES_PER_FLOW 3

/* ---- flow_hands: PERCPU_ARRAY, family -> where this CPU looks for a place next ----------------
 */

struct flow_hand {
	__u32 next;
	__u32 misses; /* places in a row that were not free */
};

/* ---- outgoing: LRU_HASH, an answer that the node or a pod of it waits for -> when it asked ----
 */

/*
 * A datagram that left from the number of a NodePort: what comes back to it is an answer, and no
 * client's question (spec 51).
 */
struct outgoing_key {
	__u8 source[16]; /* of the answer; IPv4 as ::ffff:a.b.c.d */
	__u8 destination[16];
	__u16 source_port;
	__u16 destination_port;
} __attribute__((aligned(4)));
_Static_assert(sizeof(struct outgoing_key) == 36, "changed layout: bump LB_MAP_VERSION");

#define LB_OUTGOING 16384

/* ---- answer_limits: LRU_HASH, client -> how many ICMP errors it may still get -----------------
 */

struct answer_limit {
	__u64 last;   /* ns of CLOCK_MONOTONIC */
	__u64 credit; /* ns; an error costs a second, as with the kernel's icmp_ratelimit */
};

#define LB_ANSWER_LIMITS 4096

/* ---- flow_filter: ARRAY, which backends may have flows -----------------------------------------
 */

/*
 * A byte for each hash of a backend's address and port. Set by a plain write, so that no other
 * CPU's is lost. Never cleared: a set one promises nothing.
 */
struct flow_filter {
	__u8 seen[8];
};
_Static_assert(sizeof(struct flow_filter) == 8, "changed layout: bump LB_MAP_VERSION");

/* What a byte says. */
enum flow_filter_kind {
	LB_HAS_FLOWS = 1,
	LB_HAS_RENAMED = 2,  /* some of them began with a packet to the backend itself */
	LB_HAS_ANY_PORT = 4, /* some have a port of the node that is not in masq_ports */
};

#define LB_FLOW_FILTER 2048

/* ---- fragments: LRU_HASH, an IP packet that comes in pieces -> the ports of its first -------- */

struct fragment_key {
	__u8 source[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 destination[16];
	__u32 id;
	enum ip_protocol protocol;
	__u8 departs; /* 1: where it departs. It may have the same addresses, and other ports */
	__u8 pad[2];
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct fragment_key) == 40, "changed layout: bump LB_MAP_VERSION");

struct fragment_ports {
	__u16 source_port;
	__u16 destination_port;
};
_Static_assert(sizeof(struct fragment_ports) == 4, "changed layout: bump LB_MAP_VERSION");

#define LB_FRAGMENTS 8192

/* ---- devices: HASH, interface index -> what lies behind it ---------------------------------- */

LB_ENUM device_role{
	LEADS_OUTSIDE = 1, /* to clients and other nodes */
	LEADS_TO_PODS = 2, /* of this node */
};

/* The devices that our programs are attached to. */
struct device {
	__u8 address4[4];  /* the node's, towards that device; zero: none */
	__u8 address6[16]; /* the same */
	__u32 mtu;
	enum device_role role; /* for the daemon: what the next start goes on with */
	__u8 pad[3];
};
_Static_assert(sizeof(struct device) == 28, "changed layout: bump LB_MAP_VERSION");

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
	__u32 tcp_closing_seconds;    /* both have */
	__u32 tcp_reset_seconds;      /* one RST */
	__u32 udp_seconds;	      /* not answered yet */
	__u32 udp_stream_seconds;     /* answered */
	__u32 other_seconds;
	__u32 flows;		  /* how many flows4 and flows6 hold, each */
	__u8 external_cluster_ip; /* 1: ClusterIPs serve clients outside the node too */
	__u8 masquerade_all;	  /* 1: backends of a ClusterIP see the node's address */
	__u8 from_pods;		  /* 1: all that arrives here counts as inside */
	__u8 redirect;		  /* 1: --forwarding=redirect */
	__u8 has_ct_lookup;	  /* bpf_skb_ct_lookup: kernel 5.18 */
	__u8 pad[3];
	struct range4 cluster4[LB_RANGES]; /* inside, as for spec 18 */
	struct range4
		service4[LB_RANGES]; /* ClusterIPs: one without a Service is dropped (spec 28) */
	struct range6 cluster6[LB_RANGES];
	struct range6 service6[LB_RANGES];
};
_Static_assert(sizeof(struct tc_config) == 684, "changed layout");

#endif
