/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The map ABI: every struct, enum and constant that the datapath (C, BPF) and the control plane
 * (Swift, module CDatapath) share. This is its only definition.
 *
 * The maps are read by people with plain bpftool:
 *  - an address is a byte array as it is written: 10.96.0.15 is [10,96,0,15];
 *  - every integer is in host order: port 80 is 80;
 *  - a small enum has a type, so that its name is printed;
 *  - no unions, no bit-fields, and padding is a named field that is always zero.
 *
 * A changed layout needs a new LB_MAP_VERSION: it is part of the pin directory, so that a new
 * layout never opens old maps. What both layouts describe alike is carried over, by the type
 * information of the maps; so what keeps its layout and changes its meaning gets another name.
 */
#ifndef SWIFTLET_MAPS_H
#define SWIFTLET_MAPS_H

#include <linux/types.h>

/* Tests build the programs once more with another version, to hand over between the two. */
#ifndef LB_MAP_VERSION
#define LB_MAP_VERSION 6
#endif

/* One byte each, so that they pack into keys; bpftool prints the names. */
#define LB_ENUM enum __attribute__((packed))

/*
 * The protocols that a Service may have, by their numbers of IANA but for SCTP's 132: bpftool reads
 * one-byte enums as signed and would not print its name.
 */
LB_ENUM ip_protocol{
	PROTO_ANY = 0,
	TCP = 6,
	UDP = 17,
	SCTP = 100,
};

/*
 * Where the client is. Under an external Local policy clients outside the node see another backend
 * set than pods and the node itself (spec 14, 18); such a frontend has an entry for each scope.
 */
LB_ENUM lb_scope{
	FROM_NODE = 0,	  /* sockets and pods of this node */
	FROM_OUTSIDE = 1, /* packets that arrive on a device */
};

LB_ENUM frontend_kind{
	CLUSTER_IP = 1,
	NODE_PORT = 2,
	LOAD_BALANCER = 3,
	EXTERNAL_IP = 4,
};

LB_ENUM frontend_action{
	BALANCE = 1, /* pick one of the `count` slots */
	REJECT = 2,  /* no endpoint anywhere (spec 27, 29): refuse at once */
	DROP = 3,    /* Local policy, endpoints only elsewhere (spec 17, 19) */
};

LB_ENUM lb_algorithm{
	RANDOM = 1, /* uniform for each connection (spec 38) */
};

/* Which of a service port's two sets of usable backends a frontend takes (spec 12-14). */
LB_ENUM lb_policy{
	CLUSTER = 1,
	LOCAL = 2,
};

LB_ENUM backend_state{
	ACTIVE = 1,	 /* serves; whether it gets new flows say in_cluster and in_local */
	TERMINATING = 2, /* serves the flows it has, gets no new ones */
};

/*
 * Whether a frontend asks for the client's address (spec 24), and what it says of a pod's socket
 * that has none yet: all addresses of pods are in the ranges, none is, or only the packets tell.
 */
LB_ENUM source_check{
	SOURCES_ANY = 0,
	SOURCES_BY_PACKET = 1,
	SOURCES_NO_POD = 2,
	SOURCES_EVERY_POD = 3,
};

/*
 * Whose sockets a frontend serves: all, those of the node's own network namespace (loopback), or
 * none because the Service asks for it. Packets of NO_SOCKETS are translated like others'.
 */
LB_ENUM lb_sockets{
	ALL_SOCKETS = 0,
	HOST_SOCKETS = 1,
	NO_SOCKETS = 2,
};

/* ---- services4/6: HASH, the frontends; the one hash look-up of the common path -------------- */

struct service4_key {
	__u8 address[4]; /* VIP */
	__u16 port;
	enum ip_protocol protocol;
	enum lb_scope scope;
};
_Static_assert(sizeof(struct service4_key) == 8, "changed layout: bump LB_MAP_VERSION");

struct service6_key {
	__u8 address[16];
	__u16 port;
	enum ip_protocol protocol;
	enum lb_scope scope;
};
_Static_assert(sizeof(struct service6_key) == 20, "changed layout: bump LB_MAP_VERSION");

struct service {
	__u32 service_id;	/* names the service port of one family: see service_ports */
	__u32 first_slot;	/* its run in slots4/6 ... */
	__u32 count;		/* ... and how long it is */
	__u32 seal;		/* lb_seal() of the key: see there */
	__u32 affinity_seconds; /* 0: no session affinity */
	enum frontend_kind kind;
	enum frontend_action action;
	enum lb_algorithm algorithm;
	enum lb_policy policy;
	enum lb_sockets sockets;
	__u8 has_outside;		 /* 1: FROM_OUTSIDE has an entry of its own */
	enum source_check source_ranges; /* but for SOURCES_ANY, source_ranges4/6 must allow it */
	__u8 host_allowed; /* 1: they allow the node itself, for a socket without an address yet */
};
_Static_assert(sizeof(struct service) == 28, "changed layout: bump LB_MAP_VERSION");

/* ---- slots4/6: ARRAY, runs of backends; the one array read of the common path --------------- */

struct slot4 {
	__u32 service_id; /* owner of the run; 0: free */
	__u32 backend_id;
	__u8 address[4];
	__u16 port;
	__u16 pad;
};
_Static_assert(sizeof(struct slot4) == 16, "changed layout: bump LB_MAP_VERSION");

struct slot6 {
	__u32 service_id;
	__u32 backend_id;
	__u8 address[16];
	__u16 port;
	__u16 pad;
};
_Static_assert(sizeof(struct slot6) == 28, "changed layout: bump LB_MAP_VERSION");

/* ---- backends4/6: HASH, backend id -> one endpoint of one service port ---------------------- */

struct backend4 {
	__u32 service_id; /* a backend belongs to one service port: membership is one look-up */
	__u8 address[4];
	__u16 port;
	enum ip_protocol protocol;
	enum backend_state state;
	__u8 node_local; /* runs on this node (spec 8) */
	__u8 in_cluster; /* in the set that CLUSTER frontends use */
	__u8 in_local;	 /* in the set that LOCAL frontends use */
	__u8 pad;
	char zone[32]; /* topology.kubernetes.io/zone, cut at 31 bytes; empty if unknown */
};
_Static_assert(sizeof(struct backend4) == 48, "changed layout: bump LB_MAP_VERSION");

struct backend6 {
	__u32 service_id;
	__u8 address[16];
	__u16 port;
	enum ip_protocol protocol;
	enum backend_state state;
	__u8 node_local;
	__u8 in_cluster;
	__u8 in_local;
	__u8 pad;
	char zone[32];
};
_Static_assert(sizeof(struct backend6) == 60, "changed layout: bump LB_MAP_VERSION");

/* ---- source_ranges4/6: LPM_TRIE, (service port, range) -> its clients may come from there ---- */

/*
 * The longest prefix wins, and service_id is a part of every prefix: ranges of one service port
 * never speak for another one. A client that is in no range of a restricted frontend is refused.
 */
struct source_range4_key {
	__u32 prefix_length; /* LB_RANGE_PREFIX + the range's */
	__u32 service_id;
	__u8 address[4]; /* the first one of the range */
};
_Static_assert(sizeof(struct source_range4_key) == 12, "changed layout: bump LB_MAP_VERSION");

struct source_range6_key {
	__u32 prefix_length;
	__u32 service_id;
	__u8 address[16];
};
_Static_assert(sizeof(struct source_range6_key) == 24, "changed layout: bump LB_MAP_VERSION");

#define LB_RANGE_PREFIX 32 /* bits of service_id, which is matched in full */

struct source_range {
	__u8 allow; /* 1 */
	__u8 pad[3];
};
_Static_assert(sizeof(struct source_range) == 4, "changed layout: bump LB_MAP_VERSION");

/* ---- vips4/6: HASH, address -> what to do with a port that no frontend serves --------------- */

struct vip4_key {
	__u8 address[4];
};

struct vip6_key {
	__u8 address[16];
};

struct vip {
	enum frontend_action unknown_port; /* REJECT for a ClusterIP (spec 28) */
	__u8 pad[3];
	__u32 frontends; /* how many frontends name this address */
};
_Static_assert(sizeof(struct vip) == 8, "changed layout: bump LB_MAP_VERSION");

/* ---- vip_filter: ARRAY, 2^17 bits: which addresses and ports may be frontends -------------- */

/*
 * Most packets and connects are no service's. This filter tells so before any hash look-up. All
 * addresses that differ in their last byte only share two bits, because VIPs come from few ranges:
 * so the filter stays small, and in the cache. One bit is for VIPs, all ports of which are looked
 * up, the other for addresses with NodePorts. The node has those, and its neighbours share the
 * bits: there the port must have its bit too, in the second half. Without these bits there is no
 * entry in services4/6 and vips4/6. A bit is set before the first entry and never cleared: a set
 * bit promises nothing.
 */
#define LB_FILTER_WORDS	     2048  /* of 64 bits */
#define LB_FILTER_NODE_PORTS 65536 /* from this bit on, one for each port */

/* What the two bits of an address say. */
enum lb_filter_kind {
	LB_FILTER_VIP = 1,
	LB_FILTER_NODE = 2,
};

/* All but the last byte of the last four of an address, as they lie in memory. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LB_FILTER_MASK 0x00ffffffu
#else
#define LB_FILTER_MASK 0xffffff00u
#endif

/* The first bit of an address, which is its LB_FILTER_VIP. */
static __inline __attribute__((always_inline)) __u32 lb_filter_bit(const __u8 *address,
								   __u32 length)
{
	const __u32 *words = (const __u32 *)address;
	__u32 hash = 0;
	__u32 i;

#ifdef __bpf__
#pragma clang loop unroll(full)
#endif
	/* A sum, not a chain: the processor multiplies all words at once. */
	for (i = 0; i < length / 4; i++)
		hash += (i + 1 < length / 4 ? words[i] : words[i] & LB_FILTER_MASK) *
			(0x9e3779b1u + i * 0xc90fdaa0u);
	return hash >> 17 << 1;
}

/* ---- node_ports: HASH, port -> service, for bind protection -------------------------------- */

struct node_port_key {
	__u16 port;
	enum ip_protocol protocol;
	__u8 pad;
};
_Static_assert(sizeof(struct node_port_key) == 4, "changed layout: bump LB_MAP_VERSION");

struct node_port {
	__u32 service_id;
};

/* ---- service_ports: HASH, service id -> the names that people use --------------------------- */

#define LB_NAME_MAX 64 /* a DNS label and its NUL */

struct service_port {
	char namespace_[LB_NAME_MAX];
	char name[LB_NAME_MAX];
	char port_name[LB_NAME_MAX];
	enum ip_protocol protocol;
	__u8 family; /* 4 or 6 */
	__u16 pad;
};
_Static_assert(sizeof(struct service_port) == 196, "changed layout: bump LB_MAP_VERSION");

/* ---- affinity: LRU_HASH, (client, service port) -> backend (spec 34) ------------------------ */

struct affinity_key {
	__u64 netns_cookie; /* a socket's network namespace (a pod, or the node), else 0 */
	__u8 address[16];   /* a packet's source, IPv4 as ::ffff:a.b.c.d, else zero */
	__u32 service_id;
	__u32 pad;
};
_Static_assert(sizeof(struct affinity_key) == 32, "changed layout: bump LB_MAP_VERSION");

struct affinity {
	__u64 last_use;	  /* ns of CLOCK_MONOTONIC */
	__u32 backend_id; /* one word with the seal: both are read at once */
	__u32 seal;	  /* lb_affinity_seal() of the key */
};
_Static_assert(sizeof(struct affinity) == 16, "changed layout: bump LB_MAP_VERSION");

/* ---- sock_origin: ARRAY, socket cookie modulo size -> what the socket's program asked for ---- */

/*
 * The way back of a connected socket. Cookies are handed out in sequence, so that a place is free
 * unless a socket that is exactly one turn older still lives; then sock_spill keeps the record.
 * A record that is never evicted costs a tenth of one in an LRU map: docs/decisions/0002.
 */
struct origin {
	__u64 cookie; /* of the socket that owns the place; 0: none */
	__u32 owners; /* 1: taken. Only the socket that raised it from 0 may write */
	__u32 service_id;
	__u32 backend_id;
	__u16 vip_port;
	__u16 port;   /* the backend's, like address */
	__u8 vip[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 address[16];
};
_Static_assert(sizeof(struct origin) == 56, "changed layout: bump LB_MAP_VERSION");

#define LB_ORIGINS 65536 /* a power of two */

/*
 * sock_flows: SK_STORAGE, the first VIPs that an unconnected UDP socket talks to. A VIP keeps its
 * place, so that two threads never write two VIPs into one. A record without a port is of a flow
 * whose backend was spoken to directly since: answers are the backend's own.
 */
#define LB_FLOWS 8

struct flows {
	__u32 owners; /* 1: a thread of the program chooses where a VIP leads. As origin's */
	__u8 last;    /* the one that was sent to last */
	__u8 more;    /* 1: further VIPs are in sock_vips */
	__u8 guarded; /* 1: the socket may have records in sock_guards */
	__u8 pad;
	struct origin flow[LB_FLOWS];
};
_Static_assert(sizeof(struct flows) == 456, "changed layout: bump LB_MAP_VERSION");

/*
 * sock_guards: SK_STORAGE, the backends that a pod's socket may send to only if the source ranges
 * of a service port hold its address, which it had not when it asked: swl_egress looks at its
 * packets.
 */
#define LB_GUARDS 8 /* the first is the connection's, the others are datagrams' */

struct guard {
	__u32 service_id; /* 0: none */
	__u32 admitted; /* as service_id: its ranges have let a packet through, and the rest follows
			 */
	__u16 port;
	__u16 pad;
	__u8 address[16]; /* the backend's, IPv4 as ::ffff:a.b.c.d */
};
_Static_assert(sizeof(struct guard) == 28, "changed layout: bump LB_MAP_VERSION");

struct guards {
	__u32 next; /* counts what was written for datagrams */
	struct guard guard[LB_GUARDS];
};
_Static_assert(sizeof(struct guards) == 228, "changed layout: bump LB_MAP_VERSION");

/* ---- sock_vips: LRU_HASH, the further VIPs of unconnected UDP sockets, both ways ------------- */

struct sock_vip_key {
	__u64 cookie;	  /* of the socket */
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u16 port;
	__u8 is_backend; /* 0: the address is a VIP; 1: it is a backend, which answers as a VIP */
	__u8 pad[5];
};
_Static_assert(sizeof(struct sock_vip_key) == 32, "changed layout: bump LB_MAP_VERSION");

struct sock_vip {
	__u32 service_id;
	__u32 backend_id;
	__u8 address[16]; /* the other end: the backend's of a VIP, the VIP's of a backend */
	__u16 port;	  /* 0: answers are the backend's own, as in sock_flows */
	__u16 turn;	  /* odd while the other end is being written */
};
_Static_assert(sizeof(struct sock_vip) == 28, "changed layout: bump LB_MAP_VERSION");

#define LB_SOCK_VIPS 32768 /* two entries for a VIP: 64 sockets with 256 VIPs each */

/* ---- parted_vips: LRU_HASH, (port, VIP) -> the namespace whose socket leaves it to tc -------- */

/*
 * VIPs of unconnected UDP sockets of pods that lead to an endpoint which answers the socket as
 * another VIP already. The flow of such a one gets another port at tc. The hook does not know the
 * socket's address yet; that another pod's flow gets another port, too, does no harm.
 */
struct parted_vip_key {
	__u8 address[16]; /* the VIP's, IPv4 as ::ffff:a.b.c.d */
	__u16 port;	  /* the VIP's */
	__u16 client;	  /* the socket's port */
	__u8 pad[4];
};
_Static_assert(sizeof(struct parted_vip_key) == 24, "changed layout: bump LB_MAP_VERSION");

struct parted_vip {
	__u64 netns_cookie;
};

#define LB_PARTED_VIPS 1024 /* they matter until their flow has begun */

/* ---- packet_ways: LRU_HASH, namespace -> whether a program at tc sees its packets ------------ */

struct packet_way_key {
	__u64 netns_cookie;
	__u8 family; /* 4 or 6 */
	__u8 pad[7];
};
_Static_assert(sizeof(struct packet_way_key) == 16, "changed layout: bump LB_MAP_VERSION");

struct packet_way {
	__u64 left; /* when a datagram was left to the packets; all before it were seen */
	__u64 seen; /* when one was seen last; both in ns of CLOCK_MONOTONIC, 0: never */
};
_Static_assert(sizeof(struct packet_way) == 16, "changed layout: bump LB_MAP_VERSION");

#define LB_PACKET_WAYS 1024

/* ---- bound_ports: LRU_HASH, (namespace, port, backend) -> the socket that has all three ------ */

/*
 * Of sockets that were bound to a port before they were connected: two of them with one port cannot
 * have one backend, although their program asked for two VIPs, or with TCP a VIP and an address. A
 * socket of TCP and one of UDP could, and get two nevertheless.
 */
struct bound_port_key {
	__u64 netns_cookie;
	__u8 address[16]; /* the backend's, IPv4 as ::ffff:a.b.c.d */
	__u16 port;	  /* the backend's */
	__u16 bound;	  /* the socket's own */
	__u8 pad[4];
};
_Static_assert(sizeof(struct bound_port_key) == 32, "changed layout: bump LB_MAP_VERSION");

struct bound_port {
	__u64 cookie; /* of the socket */
	__u64 time;   /* of its connect: ns of CLOCK_MONOTONIC; 0: straight to the address */
};
_Static_assert(sizeof(struct bound_port) == 16, "changed layout: bump LB_MAP_VERSION");

#define LB_BOUND_PORTS 4096

/* ---- left_cgroups: HASH, cgroup id -> the sockets of its processes are left to the packets -- */

/* What is below such a cgroup is left, too: the programs ask for all that a process is below. */
struct left_cgroup {
	__u32 depth; /* below the cgroup that is served, whose children have 1 */
};
_Static_assert(sizeof(struct left_cgroup) == 4, "changed layout: bump LB_MAP_VERSION");

#define LB_LEFT_CGROUPS	 16384
#define LB_CGROUP_LEVELS 32 /* how deep the programs look, from the hierarchy's root */

/* ---- left_depths: ARRAY, entry 0: how deep below the served cgroup any of these lies --------- */

struct left_depths {
	__u64 root;   /* id of the served cgroup */
	__u64 depths; /* bit n: some at depth n; 0: there is none */
};
_Static_assert(sizeof(struct left_depths) == 16, "changed layout: bump LB_MAP_VERSION");

/* ---- counters: PERCPU_ARRAY, reason -> how often -------------------------------------------- */

/*
 * Every connect, send, receive, peer name and bind that a hook sees and that has to do with us ends
 * in exactly one of these. At tc the first packet of a flow does, and each packet has one of those
 * from PACKET on, or PASS_PACKET. The order matters: PASS < FORWARD < REFUSE < the rest.
 */
#define LB_COUNTERS(X)                                                                             \
	X(PASS_NOT_A_SERVICE)	   /* not ours */                                                  \
	X(PASS_PROTOCOL)	   /* not TCP, UDP or SCTP */                                      \
	X(PASS_HOST_ONLY)	   /* this socket is left to the packets */                        \
	X(PASS_PACKET)		   /* tc: not ours after all */                                    \
	X(FORWARD)		   /* a backend was chosen */                                      \
	X(FORWARD_AFFINITY)	   /* session affinity chose */                                    \
	X(FORWARD_SAME_FLOW)	   /* the UDP socket stays with its backend */                     \
	X(REFUSE_NO_BACKEND)	   /* no endpoint anywhere (spec 27, 29) */                        \
	X(REFUSE_NO_LOCAL_BACKEND) /* Local policy without local endpoint (spec 17, 19) */         \
	X(REFUSE_SOURCE)	   /* in no range of loadBalancerSourceRanges (spec 24) */         \
	X(REFUSE_UNKNOWN_PORT)	   /* ClusterIP that does not serve the port (spec 28) */          \
	X(REFUSE_RACED)		   /* the entry was reused again and again while it was read */    \
	X(REFUSE_BAD_SLOT)	   /* the slot belongs to another service: must stay 0 */          \
	X(REFUSE_BIND)		   /* a listener on a NodePort of ours */                          \
	X(REFUSE_UNALLOCATED)	   /* tc: an address of the Service range without a Service */     \
	X(REFUSE_NO_PORT)	   /* tc: no free port of the node for one more flow */            \
	X(REFUSE_NO_ADDRESS)	   /* tc: the device towards the backend has no node address */    \
	X(REFUSE_NO_ROUTE)	   /* tc: no route for what must be sent on at once */             \
	X(REFUSE_FLOWS_FULL)	   /* tc: no room for one more flow */                             \
	X(REFUSE_UNTRANSLATED)	   /* tc: it would leave the node for a ClusterIP (spec 28) */     \
	X(REFUSE_IPSEC)		   /* tc: an IPsec policy forbids to masquerade to this backend */ \
	X(REVERSE_REPLY)	   /* recvmsg: source shown as the VIP */                          \
	X(REVERSE_PEER)		   /* getpeername: peer shown as the VIP */                        \
	X(NO_WAY_BACK)		   /* no memory for the record; forwarded without it */            \
	X(PACKET)		   /* tc: a client's packet was translated */                      \
	X(PACKET_BACK)		   /* tc: a backend's packet was translated */                     \
	X(PACKET_ICMP)		   /* tc: an ICMP error was translated, inner header included */   \
	X(FLOW_BEGUN)		   /* tc: a flow was entered into flows4/6 */                      \
	X(FLOW_RENAMED)		   /* tc: a connection past Services got another port (spec 52) */ \
	X(FLOW_DISPLACED)     /* tc: an ended or unanswered flow gave its place to a new one */    \
	X(PORT_RETRY)	      /* tc: a source port was taken, another one was tried */             \
	X(FRAGMENT_UNKNOWN)   /* tc: a later fragment came without its first one */                \
	X(ANSWER_RESET)	      /* tc: refused with a TCP RST */                                     \
	X(ANSWER_UNREACHABLE) /* tc: refused with ICMP port unreachable */                         \
	X(ANSWER_TOO_BIG)     /* tc: longer than the way to the backend allows */                  \
	X(ANSWER_EXPIRED)     /* tc: its TTL or hop limit ended here */                            \
	X(ANSWER_LIMITED)     /* tc: an ICMP error that the rate limit kept back (RFC 4443) */     \
	X(DROPPED)	      /* tc: refused without a word */                                     \
	X(FRAGMENT_CHECKSUM)  /* tc: a fragment of SCTP, whose checksum covers them all */

#define LB_COUNTER_VALUE(name) COUNT_##name,
enum counter { LB_COUNTERS(LB_COUNTER_VALUE) COUNT_MAX };
#undef LB_COUNTER_VALUE

#ifndef __bpf__
/* A counter's name without COUNT_, or NULL. */
static inline const char *lb_counter_name(__u32 counter)
{
#define LB_COUNTER_NAME(name) #name,
	static const char *const names[] = {LB_COUNTERS(LB_COUNTER_NAME)};
#undef LB_COUNTER_NAME
	return counter < COUNT_MAX ? names[counter] : (const char *)0;
}
#endif

/* ---- service_counts: PERCPU_ARRAY, service id -> how often -------------------------------- */

struct service_counter {
	__u64 forwarded; /* connections, and UDP sends to a backend that the socket did not have */
	__u64 refused_no_backend;	/* COUNT_REFUSE_NO_BACKEND */
	__u64 refused_no_local_backend; /* COUNT_REFUSE_NO_LOCAL_BACKEND */
	__u64 refused_source;		/* COUNT_REFUSE_SOURCE */
	__u64 refused_other;
};
_Static_assert(sizeof(struct service_counter) == 40, "changed layout: bump LB_MAP_VERSION");

/* ---- backend_counts: PERCPU_HASH, backend id -> how often; empty unless config asks ---------- */

struct backend_counter {
	__u64 forwarded; /* as service_counter's */
};

/* ---- listeners: ARRAY, entry 0: whether events are wanted ----------------------------------- */

/*
 * `swiftlet monitor` writes `until` again and again while it listens, a few seconds ahead. So it
 * ends by itself, and then the first program that sees it late makes it zero.
 */
struct listener {
	__u64 until;	   /* ns of CLOCK_MONOTONIC; 0: no listener */
	__u64 owner;	   /* the listener's random number: there can be one at a time */
	__u64 lost;	   /* events that the ring had no room for */
	__u32 with_cgroup; /* 1: events tell the process's cgroup, which costs each some time */
	__u32 pad;
};
_Static_assert(sizeof(struct listener) == 32, "changed layout: bump LB_MAP_VERSION");

/* ---- events: RINGBUF, what became of connects, sends, binds and packets --------------------- */

LB_ENUM event_kind{
	EVENT_CONNECT = 1,
	EVENT_SEND = 2,	  /* of an unconnected UDP socket, to a backend that it did not have */
	EVENT_BIND = 3,	  /* a listener on a NodePort */
	EVENT_PACKET = 4, /* one that is dropped behind the socket that sent it */
	EVENT_FLOW = 5,	  /* tc: a flow that began, or a packet that is refused */
};

/* Addresses are in IPv6 form: IPv4 as ::ffff:a.b.c.d; zero where there is none. */
struct event {
	__u64 time;   /* ns of CLOCK_MONOTONIC, to a tick or two */
	__u64 cgroup; /* its id, of the process or of the packet's socket; 0: none, or not wanted */
	__u32 pid;    /* of the process; 0: a packet's */
	__u32 service_id; /* 0: no service port has to do with it */
	__u32 backend_id; /* 0: none was chosen */
	__u32 ifindex;	  /* of the packet's device; 0: a socket's */
	__u32 reason;	  /* enum counter */
	__u16 client_port;
	__u16 vip_port;
	__u16 backend_port;
	enum ip_protocol protocol;
	enum event_kind kind;
	__u8 client[16];
	__u8 vip[16]; /* what was asked for; zero: a packet whose socket does not tell any more */
	__u8 backend[16];
	char command[16]; /* the process's name */
	__u8 pad[4];
};
_Static_assert(sizeof(struct event) == 112, "changed layout: bump LB_MAP_VERSION");

#define LB_EVENT_BYTES 262144 /* of the ring: a power of two, and whole pages */

/* ---- config: read-only data, written between open and load ---------------------------------- */

struct datapath_config {
	__u64 host_netns_cookie; /* the node's network namespace; 0: the initial one */
	__u8 has_set_retval;	 /* bpf_set_retval in these hooks: kernel 6.1 */
	__u8 has_multipath;	 /* bpf_skc_to_mptcp_sock: kernel 5.19 */
	__u8 count_backends;	 /* fill backend_counts */
	__u8 host_only;		 /* leave pods' sockets alone: tc translates what they send */
	__u32 map_version;	 /* LB_MAP_VERSION of this build, so that an object names it */
	__u8 only_protocol;	 /* enum ip_protocol whose sockets are served; 0: all */
	__u8 has_pod_devices;	 /* programs may be on pods' devices */
	__u8 pad[2];
	__u32 tick;	  /* ns of a jiffy; 0: they cannot be gone by */
	__u64 first_tick; /* what CLOCK_MONOTONIC would have been at jiffy 0, modulo 2^64 */
};

/*
 * A hash map may reuse a deleted element at once while a reader still looks at it (the elements
 * come from a free list, not from RCU). The value therefore repeats its key in short: a reader that
 * finds another seal than its own key's has lost its entry, and looks again.
 */
static __inline __attribute__((always_inline)) __u32 lb_seal(const __u8 *address, __u32 length,
							     __u16 port, __u8 protocol, __u8 scope)
{
	__u32 seal = ((__u32)port << 16) | ((__u32)protocol << 8) | scope;
	__u32 i;

#ifdef __bpf__
#pragma clang loop unroll(full)
#endif
	for (i = 0; i < length; i += 4)
		seal = (seal * 0x9e3779b1u) ^
		       (((__u32)address[i] << 24) | ((__u32)address[i + 1] << 16) |
			((__u32)address[i + 2] << 8) | address[i + 3]);
	return seal;
}

/* The same for affinity, whose entries the kernel reuses when the map is full. */
static __inline __attribute__((always_inline)) __u32
lb_affinity_seal(const struct affinity_key *client)
{
	const __u64 cookie = client->netns_cookie;

	return lb_seal(client->address, 16, (__u16)(cookie >> 16), (__u8)(cookie >> 8),
		       (__u8)cookie) ^
	       client->service_id * 0x85ebca6bu ^ (__u32)(cookie >> 32);
}

#endif
