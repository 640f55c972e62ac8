/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the programs at tc do with a packet, for one family (see family.h).
 *
 * More passes by that is not ours than that is. A packet belongs to a flow only if the flow began
 * with the first packet of its connection, at a frontend (spec 51): with a SYN, or with a datagram
 * that no socket of the node and no connection that the kernel tracks owns. What shares a tuple
 * with a living flow gets another port (spec 52).
 */
#include "lib/lb.h"
#include "lib/packet.h"
#include "lib/range.h"
#include "lib/tuple.h"
#include "lib/conntrack.h"
#include "lib/masquerade.h"
#include "lib/rewrite.h"
#include "lib/answer.h"
#include "lib/icmp.h"
#include "lib/fragment.h"
#include "lib/route.h"

#ifndef LIB_TC_H
#define LIB_TC_H

/* Leaves the packet to the next program of the hook, and to the stack. */
#define PASS_ON TC_ACT_UNSPEC

/* How to go on with a packet. */
enum verdict {
	VERDICT_PASS,	   /* it is not ours */
	VERDICT_TRANSLATE, /* it belongs to a flow */
	VERDICT_REFUSE,	   /* for a reason */
};

/* What a first look says. */
enum glance {
	GLANCE_NOT_OURS,  /* nor is it where it departs */
	GLANCE_DEPARTURE, /* it may be there */
	GLANCE_OURS,	  /* it may be */
};

#endif

/* A new flow: to which backend, and whether that sees the client. */
struct F(choice) {
	__u8 backend[ADDRESS_SIZE];
	__u16 backend_port;
	__u8 masquerade;
	__u8 path;
	__u32 service_id;
	__u32 backend_id;
};

/*
 * What is known of a packet that may be ours. It lies in a map of its own: the stack of a chain of
 * calls has 512 bytes, and no other packet comes in between on this CPU.
 */
struct F(view) {
	struct F(packet) packet;
	struct F(translation) to;
	struct F(route) way;
	struct F(choice) choice;
	struct F(tuple) key; /* of a look-up */
	enum counter reason; /* of a refusal */
	__u8 hook;
	__u8 tcp_flags;
	__u8 is_icmp;  /* enum icmp_kind */
	__u8 is_first; /* it may be the first packet of a connection */
	__u8 kinds;    /* enum flow_filter_kind of the destination */
	__u16 note;    /* what a program before has said of it */
};

LB_ARRAY(BPF_MAP_TYPE_PERCPU_ARRAY, F(views), struct F(view), 1);

/* The view of the packet that this CPU is at. */
static __always_inline struct F(view) *F(view_now)(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&F(views), &first);
}

/*
 * A function that takes the view from the map is not static: the verifier walks it once, for any
 * view, and not for every way that leads to it.
 */
#undef TC_GLOBAL
#define TC_GLOBAL(name, otherwise)                                                                 \
	__noinline int F(name)(struct __sk_buff * skb)                                             \
	{                                                                                          \
		struct F(view) *view = F(view_now)();                                              \
                                                                                                   \
		return view ? F(name##_of)(skb, view) : otherwise;                                 \
	}

/* An address of the Service range that no Service has is nobody's: drop (spec 28). */
static __always_inline bool F(is_unallocated)(const struct F(packet) *packet)
{
	struct FX(vip, _key) key;

	if (!F(is_in)(tc_config.F(service), packet->tuple.destination))
		return false;
	__builtin_memcpy(key.address, packet->tuple.destination, ADDRESS_SIZE);
	return !bpf_map_lookup_elem(&F(vips), &key);
}

/* Finds the frontend that a packet asks for, as it is for clients from where this one is. */
static __always_inline enum counter F(tc_frontend)(const struct F(packet) *packet, enum hook hook,
						   struct service *service, bool *is_outside)
{
	const __u8 *source = packet->tuple.source;
	struct FX(service, _key) key = {
		.port = packet->tuple.destination_port,
		.protocol = packet->tuple.protocol,
		.scope = FROM_NODE,
	};
	enum counter reason;
	bool outside;

	__builtin_memcpy(key.address, packet->tuple.destination, ADDRESS_SIZE);
	reason = F(lb_frontend)(&key, service);
	if (reason == COUNT_PASS_NOT_A_SERVICE && F(is_unallocated)(packet))
		return COUNT_REFUSE_UNALLOCATED;
	/* A vips entry is a ClusterIP's, so that an unknown port is too. */
	outside =
		hook == WIRE_IN && !tc_config.from_pods && !F(is_in)(tc_config.F(cluster), source);
	*is_outside = outside;
	if (outside && !tc_config.external_cluster_ip &&
	    (reason == COUNT_REFUSE_UNKNOWN_PORT ||
	     (service->service_id && service->kind == CLUSTER_IP)))
		return COUNT_PASS_PACKET;
	if (service->service_id && service->sockets == HOST_SOCKETS)
		return COUNT_PASS_PACKET;
	if (service->service_id && service->has_outside && outside) {
		key.scope = FROM_OUTSIDE;
		reason = F(lb_frontend)(&key, service);
	}
	if (service->service_id && !F(lb_source_allowed)(service, source))
		return COUNT_REFUSE_SOURCE;
	return reason;
}

/*
 * Whether the backend sees the node in the client's place (spec 36, 37). A Local policy keeps the
 * client, and so does a Service with one for clients inside, where the way back leads by here.
 */
static __always_inline bool F(tc_masquerades)(const struct F(packet) *packet,
					      const struct service *service,
					      const struct F(slot) *slot, enum hook hook,
					      bool outside)
{
	__u32 id = slot->backend_id;
	const struct F(backend) *backend;

	if (F(is_same)(packet->tuple.source, slot->address))
		return true;
	if (service->kind == CLUSTER_IP && tc_config.masquerade_all)
		return true;
	if (hook == POD_IN || service->policy == LOCAL)
		return false;
	if (!service->has_outside || outside)
		return true;
	backend = bpf_map_lookup_elem(&F(backends), &id);
	return !backend || !backend->node_local;
}

/* Chooses a backend for the first packet of a flow. */
static __noinline enum counter F(tc_choose)(const struct F(packet) *packet,
					    struct F(choice) *choice, __u32 hook)
{
	struct service service = {}; /* kernels before 6.3 want it written, and the slot too */
	struct F(slot) slot = {};
	bool outside = false;
	enum counter reason = F(tc_frontend)(packet, hook, &service, &outside);

	if (reason == COUNT_FORWARD)
		reason = F(lb_select)(&service, 0, packet->tuple.source, bpf_get_prandom_u32(),
				      &slot);
	if (reason < COUNT_FORWARD)
		return COUNT_PASS_PACKET;
	if (reason >= COUNT_REFUSE_NO_BACKEND) {
		count_service(service.service_id, reason);
		return reason;
	}
	__builtin_memcpy(choice->backend, slot.address, ADDRESS_SIZE);
	choice->backend_port = slot.port;
	choice->service_id = slot.service_id;
	choice->backend_id = slot.backend_id;
	choice->masquerade = F(tc_masquerades)(packet, &service, &slot, hook, outside);
	choice->path = hook_is_arrival(hook) ? FORWARDED : DEPARTING;
	count(reason);
	count_service(service.service_id, reason);
	count_backend(slot.backend_id);
	return COUNT_FORWARD;
}

/*
 * Whether a datagram that asks a frontend is no first one: the node waits for it, a socket has its
 * port, or the kernel knows its connection. A wildcard socket has a port only at the node's own
 * addresses, where NodePorts are.
 */
static __noinline int F(tc_is_owned)(struct __sk_buff *skb, const struct F(tuple) *tuple)
{
	const bool is_node = F(lb_kinds)(tuple->destination) & LB_FILTER_NODE;
	enum socket_claim claim;

	if (F(outgoing_awaits)(tuple))
		return true;
	claim = F(tuple_socket)(skb, tuple);
	if (claim > SOCKET_LISTENS || (claim && is_node))
		return true;
	return F(tuple_is_tracked)(skb, tuple);
}

/* Enters what the kernel will see: with the client's port, or with another one if that is taken. */
static __always_inline enum counter F(flow_take_inner)(struct __sk_buff *skb, __u32 number)
{
	struct F(flow) *flow = F(flow_at)(number);
	int error = -EEXIST, try;
	__u32 port;

	if (!flow)
		return COUNT_REFUSE_RACED;
	port = flow->client_port;
	for (try = 0; try <= MASQ_TRIES; try++) {
		if (port)
			error = F(masq_try_port)(skb, number, port, INNER);
		if (error != -EEXIST)
			break;
		count(COUNT_PORT_RETRY);
		port = masq_port(bpf_get_prandom_u32());
	}
	if (error)
		return error == -EEXIST ? COUNT_REFUSE_NO_PORT : COUNT_REFUSE_FLOWS_FULL;
	F(flow_filter_add)(flow->backend, flow->backend_port, LB_HAS_FLOWS);
	return COUNT_FORWARD;
}

static __always_inline void F(flow_fill)(struct F(flow) *flow, const struct F(tuple) *tuple,
					 const struct F(choice) *choice, __u64 now)
{
	flow->last_seen = now;
	flow->service_id = choice->service_id;
	flow->backend_id = choice->backend_id;
	__builtin_memcpy(flow->client, tuple->source, ADDRESS_SIZE);
	__builtin_memcpy(flow->vip, tuple->destination, ADDRESS_SIZE);
	__builtin_memcpy(flow->backend, choice->backend, ADDRESS_SIZE);
	__builtin_memset(flow->node, 0, ADDRESS_SIZE);
	flow->client_port = tuple->source_port;
	flow->vip_port = tuple->destination_port;
	flow->backend_port = choice->backend_port;
	flow->inner_port = tuple->source_port;
	flow->node_port = 0;
	flow->protocol = tuple->protocol;
	flow->path = choice->path;
	flow->masquerade = choice->masquerade;
	flow->fin_client = 0;
	flow->fin_backend = 0;
}

/* The port of the node for a flow that takes its packets' own source address, or another one. */
static __noinline enum counter F(flow_masquerade)(struct __sk_buff *skb, __u32 number,
						  __u32 ifindex)
{
	struct F(flow) *flow = F(flow_at)(number);
	enum counter reason;

	if (!flow)
		return COUNT_REFUSE_RACED;
	if (flow->path == DEPARTING && !flow->backend_id) {
		__builtin_memcpy(flow->node, flow->client, ADDRESS_SIZE);
	} else {
		reason = F(masq_address)(flow->backend, ifindex, flow->node);
		if (reason != COUNT_FORWARD)
			return reason;
	}
	return F(masq_take_port)(skb, number);
}

/*
 * Where a flow's packets go that are sent on from here, to a device of ours, by which the answers
 * come back. Anything else is WAY_STACK.
 */
static __always_inline enum way F(tc_way_of)(struct __sk_buff *skb, struct F(view) *view)
{
	enum way way = F(route_find)(skb, &view->packet, &view->to.tuple, &view->way,
				     hook_is_arrival(view->hook));
	__u32 ifindex = view->way.ifindex;

	if (way == WAY_SEND && !bpf_map_lookup_elem(&devices, &ifindex))
		return WAY_STACK;
	return way;
}

TC_GLOBAL(tc_way, WAY_STACK)

/*
 * Whether a flow's packets may be sent on past the stack. What says that it comes from this node
 * is left to the kernel, which drops it.
 */
static __always_inline bool F(tc_may_redirect)(const struct F(view) *view)
{
	return tc_config.redirect && view->choice.masquerade &&
	       !(F(lb_kinds)(view->packet.tuple.source) & LB_FILTER_NODE);
}

/*
 * Begins a flow with its first packet. Returns COUNT_FORWARD, with what the packet becomes in
 * `view->to`, or why there is no flow. The first that enters what the client asked has it: another
 * CPU may be at it with the client's next packet.
 */
static __always_inline enum counter F(flow_begin_of)(struct __sk_buff *skb, struct F(view) *view)
{
	const struct F(choice) *choice = &view->choice;
	const __u64 now = flow_now();
	const __u32 number = F(flow_place)(now);
	struct F(flow) *flow = F(flow_at)(number);
	enum counter reason = COUNT_FORWARD;
	enum way way = WAY_STACK;
	int error;

	if (!flow)
		return COUNT_REFUSE_FLOWS_FULL;
	F(flow_fill)(flow, &view->packet.tuple, choice, now);
	view->to.number = number;
	view->to.turn = flow->turn;
	view->to.place = ASKED;
	view->to.reply = 0;
	view->to.whole = 0;
	view->to.path = choice->path;
	view->to.tuple.protocol = view->packet.tuple.protocol;
	if (choice->path == FORWARDED) {
		reason = F(flow_take_inner)(skb, number);
		F(flow_translate)(flow, &view->to);
		if (reason == COUNT_FORWARD && F(tc_may_redirect)(view))
			way = F(tc_way)(skb);
		if (way == WAY_SEND)
			flow->path = view->to.path = REDIRECTED;
	} else if (choice->backend_id) {
		F(flow_translate)(flow, &view->to);
		if (F(tc_way)(skb) == WAY_STACK)
			reason = COUNT_REFUSE_NO_ROUTE;
	}
	if (reason == COUNT_FORWARD && flow->path != FORWARDED)
		reason =
			F(flow_masquerade)(skb, number, choice->backend_id ? view->way.ifindex : 0);
	if (reason != COUNT_FORWARD)
		goto abandon;
	view->to.whole = flow->path == REDIRECTED;
	F(flow_translate)(flow, &view->to);
	error = F(tuple_take)(number, ASKED);
	if (error) {
		reason = error == -EEXIST ? COUNT_REFUSE_RACED : COUNT_REFUSE_FLOWS_FULL;
		goto abandon;
	}
	barrier(); /* it is whole before others believe it */
	flow->state = FLOW_NEW;
	count(COUNT_FLOW_BEGUN);
	return COUNT_FORWARD;
abandon:
	F(flow_abandon)(number);
	return reason;
}

TC_GLOBAL(flow_begin, COUNT_REFUSE_RACED)

/* Whether an ICMP error may be about the packet (RFC 1122 3.2.2, RFC 4443 2.4(e)). */
static __always_inline bool F(tc_may_answer)(const struct F(view) *view)
{
	return !view->is_icmp && view->packet.piece != LATER_FRAGMENT &&
	       !F(is_no_sender)(view->packet.tuple.source);
}

/*
 * Refuses a packet with an ICMP error. There is no limit for those that say how long a packet may
 * be: as with the kernel, each connection has to hear that for itself.
 */
static __noinline int F(tc_answer_icmp)(struct __sk_buff *skb, struct F(view) *view)
{
	__u32 answer = ANSWER_UNREACHABLE, rest = 0;

	if (view->reason == COUNT_ANSWER_TOO_BIG) {
		answer = ANSWER_TOO_BIG;
		rest = F(route_mtu)(&view->way);
	} else if (!F(answer_allowed)(&view->packet)) {
		count(COUNT_ANSWER_LIMITED);
		count(COUNT_DROPPED);
		return TC_ACT_SHOT;
	} else if (view->reason == COUNT_ANSWER_EXPIRED) {
		answer = ANSWER_EXPIRED;
	} else {
		count(COUNT_ANSWER_UNREACHABLE);
	}
	return F(answer_icmp)(skb, &view->packet, view->hook, answer, rest);
}

/* A packet that does not go on, for this reason: an answer, or silence. */
static __always_inline int F(tc_refuse_of)(struct __sk_buff *skb, struct F(view) *view)
{
	const struct F(packet) *packet = &view->packet;

	count(view->reason);
	if (!F(tc_may_answer)(view))
		goto drop;
	switch (view->reason) {
	case COUNT_REFUSE_NO_BACKEND:
	case COUNT_REFUSE_UNKNOWN_PORT:
	case COUNT_REFUSE_NO_PORT:
	case COUNT_REFUSE_UNTRANSLATED:
		if (packet->tuple.protocol == TCP)
			return F(answer_reset)(skb, packet, view->hook);
		return F(tc_answer_icmp)(skb, view);
	case COUNT_ANSWER_TOO_BIG:
	case COUNT_ANSWER_EXPIRED:
		return F(tc_answer_icmp)(skb, view);
	default:
		break;
	}
drop:
	count(COUNT_DROPPED);
	return TC_ACT_SHOT;
}

TC_GLOBAL(tc_refuse, TC_ACT_SHOT)

/* An error about a packet of a flow that keeps its sender keeps its own, a router's for example. */
static __always_inline void F(tc_translate_icmp)(struct __sk_buff *skb, struct F(view) *view,
						 __u8 ttl)
{
	struct F(packet) *packet = &view->packet;
	struct F(tuple) *to = &view->to.tuple;
	const __u32 inner = F(icmp_rewrite_inner)(skb, packet, to);

	if (F(is_same)(packet->tuple.source, to->source))
		bpf_skb_load_bytes(skb, packet->l3 + offsetof(IP_HEADER, saddr), to->source,
				   ADDRESS_SIZE);
	if (F(is_same)(packet->tuple.destination, to->destination))
		bpf_skb_load_bytes(skb, packet->l3 + offsetof(IP_HEADER, daddr), to->destination,
				   ADDRESS_SIZE);
	F(icmp_rewrite)(skb, packet, to, ttl, inner);
}

/*
 * Whether translation would spoil the packet: the checksum of SCTP covers the ports, and how it
 * changes with them depends on how much follows, which a first fragment does not say.
 */
static __always_inline bool F(tc_would_spoil)(const struct F(view) *view)
{
	const struct F(tuple) *from = &view->packet.tuple, *to = &view->to.tuple;

	return view->packet.piece == FIRST_FRAGMENT && from->protocol == SCTP && !view->is_icmp &&
	       (from->source_port != to->source_port ||
		from->destination_port != to->destination_port);
}

/* Whether this program is the last one that translates the packet: it counts it. */
static __always_inline bool F(tc_is_last)(const struct F(translation) *to)
{
	return to->place == ASKED || to->whole || to->path == DEPARTING ||
	       (to->place == INNER && to->reply);
}

/*
 * Looks for the way of what is sent on from here. On arrival the kernel is there to fall back on:
 * it fragments what is too long, and knows what this does not.
 */
static __always_inline enum counter F(tc_prepare_way)(struct __sk_buff *skb, struct F(view) *view)
{
	const bool arrives = hook_is_arrival(view->hook);
	const enum way way = F(tc_way)(skb);
	struct F(flow) *flow;

	if (way == WAY_SEND)
		return arrives && view->packet.ttl <= 1 ? COUNT_ANSWER_EXPIRED : COUNT_FORWARD;
	if (!arrives)
		return way == WAY_TOO_LONG ? COUNT_ANSWER_TOO_BIG : COUNT_REFUSE_NO_ROUTE;
	flow = F(flow_at)(view->to.number);
	if (!flow)
		return COUNT_REFUSE_RACED;
	view->to.whole = 0;
	view->to.path = FORWARDED;
	F(flow_translate)(flow, &view->to);
	return COUNT_FORWARD;
}

/* A packet of a known flow. */
static __always_inline int F(tc_translate_of)(struct __sk_buff *skb, struct F(view) *view)
{
	struct F(packet) *packet = &view->packet;
	struct F(translation) *to = &view->to;
	bool sends;
	__u8 ttl = packet->ttl;

	/* The client knows no endpoint: a better way to it is none for the client. */
	if (view->is_icmp == ICMP_REDIRECT) {
		count(COUNT_DROPPED);
		return TC_ACT_SHOT;
	}
	if (F(tc_would_spoil)(view)) {
		count(COUNT_FRAGMENT_CHECKSUM);
		count(COUNT_DROPPED);
		return TC_ACT_SHOT;
	}
	if (packet->piece == FIRST_FRAGMENT)
		F(fragment_remember)(packet);
	sends = to->whole || (to->path == DEPARTING && !to->reply &&
			      !F(is_same)(packet->tuple.destination, to->tuple.destination));
	if (sends) {
		view->reason = F(tc_prepare_way)(skb, view);
		if (view->reason != COUNT_FORWARD)
			return F(tc_refuse)(skb);
		sends = to->whole || to->path == DEPARTING;
		if (sends && hook_is_arrival(view->hook))
			ttl--;
	}
	if (view->is_icmp) {
		count(COUNT_PACKET_ICMP);
		F(tc_translate_icmp)(skb, view, ttl);
	} else {
		if (F(tc_is_last)(to))
			count(to->reply ? COUNT_PACKET_BACK : COUNT_PACKET);
		F(rewrite)(skb, packet, &to->tuple, ttl);
	}
	if (sends)
		return F(send_on)(skb, packet->l3, &view->way, view->hook);
	skb->tc_index = hook_is_arrival(view->hook) ? packet_translated(to->number)
						    : packet_done(skb->ingress_ifindex);
	return PASS_ON;
}

TC_GLOBAL(tc_translate, TC_ACT_SHOT)

/* The flow that the client's packet belongs to by what it asks. */
static __always_inline bool F(tc_find_asked)(struct F(view) *view, __u64 now)
{
	const bool is_syn = (view->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	struct F(flow) *flow;

	view->packet.tuple.place = ASKED;
	flow = F(flow_find)(&view->packet.tuple, false, now, &view->to);
	if (!flow)
		return false;
	if (view->is_icmp)
		return true;
	if (!F(flow_goes_on)(flow, is_syn)) {
		F(flow_end)(view->to.number, view->to.turn);
		return false;
	}
	F(flow_follow)(flow, false, view->tcp_flags, now);
	return true;
}

/* The flow that the backend's packet belongs to by the port of the node that it comes to. */
static __always_inline bool F(tc_find_answers)(struct F(view) *view, __u64 now)
{
	struct F(flow) *flow;

	view->packet.tuple.place = ANSWERS;
	flow = F(flow_find)(&view->packet.tuple, true, now, &view->to);
	if (flow && !view->is_icmp)
		F(flow_follow)(flow, true, view->tcp_flags, now);
	return flow;
}

/*
 * The living flow that has a tuple which the first packet of a connection past Services is about to
 * use; one that is over but for its TIME_WAIT gives it back.
 */
static __always_inline bool F(tc_meets_flow)(struct F(view) *view, const struct F(tuple) *key,
					     __u64 now)
{
	const struct F(flow) *flow = F(flow_find)(key, false, now, &view->to);

	if (!flow)
		return false;
	if (flow->state != FLOW_CLOSING && flow->state != FLOW_RESET)
		return true;
	F(flow_end)(view->to.number, view->to.turn);
	return false;
}

/* Gives a connection past Services another port, because a flow has its own (spec 52). */
static __always_inline enum verdict F(tc_rename)(struct __sk_buff *skb, struct F(view) *view,
						 __u32 path)
{
	const struct F(tuple) *tuple = &view->packet.tuple;
	view->choice.path = path;
	__builtin_memcpy(view->choice.backend, tuple->destination, ADDRESS_SIZE);
	view->choice.backend_port = tuple->destination_port;
	view->reason = F(flow_begin)(skb);
	if (view->reason != COUNT_FORWARD)
		return VERDICT_REFUSE;
	F(flow_filter_add)(tuple->destination, tuple->destination_port,
			   LB_HAS_FLOWS | LB_HAS_RENAMED);
	count(COUNT_FLOW_RENAMED);
	return VERDICT_TRANSLATE;
}

/* The first packet of a connection that asks a frontend. */
static __always_inline enum verdict F(tc_serve)(struct __sk_buff *skb, struct F(view) *view)
{
	if (view->packet.tuple.protocol == UDP && F(tc_is_owned)(skb, &view->packet.tuple))
		return VERDICT_PASS;
	view->reason = F(tc_choose)(&view->packet, &view->choice, view->hook);
	if (view->reason == COUNT_PASS_PACKET)
		return VERDICT_PASS;
	if (view->reason == COUNT_FORWARD)
		view->reason = F(flow_begin)(skb);
	return view->reason == COUNT_FORWARD ? VERDICT_TRANSLATE : VERDICT_REFUSE;
}

/* Whether answers may come to this port of the node. */
static __always_inline bool F(tc_may_masquerade)(__u32 kinds, __u16 port)
{
	return kinds & LB_HAS_ANY_PORT || (kinds && masq_has(port));
}

/*
 * Whether a packet on arrival is what another program has made of it on arrival: a bridge has it
 * from its port. It is the flow's own, and no stranger that meets the flow.
 */
static __always_inline bool F(tc_arrives_again)(struct F(view) *view, __u64 now)
{
	struct F(tuple) *tuple = &view->packet.tuple;
	bool is_own;

	if (!packet_may_be_translated(view->note))
		return false;
	tuple->place = INNER;
	is_own = F(flow_find)(tuple, false, now, &view->to);
	if (!is_own) {
		F(tuple_turn)(tuple, &view->key);
		view->key.place = INNER;
		is_own = F(flow_find)(&view->key, true, now, &view->to);
	}
	return is_own && view->note == packet_translated(view->to.number);
}

static __always_inline enum verdict F(tc_arrives_of)(struct __sk_buff *skb, struct F(view) *view)
{
	const struct F(tuple) *tuple = &view->packet.tuple;
	const bool may_be_vip = F(lb_may_be_ours)(tuple->destination, tuple->destination_port);
	const __u64 now = flow_now();
	enum verdict verdict;

	if (F(tc_arrives_again)(view, now))
		return VERDICT_PASS;
	if ((may_be_vip || view->kinds & LB_HAS_RENAMED) && F(tc_find_asked)(view, now))
		return VERDICT_TRANSLATE;
	if (F(tc_may_masquerade)(F(flow_kinds)(tuple->source, tuple->source_port),
				 tuple->destination_port) &&
	    F(tc_find_answers)(view, now))
		return VERDICT_TRANSLATE;
	if (!view->is_first)
		return VERDICT_PASS;
	/* An endpoint's address may only look like a frontend's: the filter promises nothing. */
	if (may_be_vip) {
		verdict = F(tc_serve)(skb, view);
		if (verdict != VERDICT_PASS)
			return verdict;
	} else if (F(is_unallocated)(&view->packet)) {
		view->reason = COUNT_REFUSE_UNALLOCATED;
		return VERDICT_REFUSE;
	}
	if (!view->kinds)
		return VERDICT_PASS;
	view->packet.tuple.place = INNER;
	return F(tc_meets_flow)(view, tuple, now) ? F(tc_rename)(skb, view, FORWARDED)
						  : VERDICT_PASS;
}

TC_GLOBAL(tc_arrives, VERDICT_PASS)

/* What leaves for a ClusterIP although nobody has translated it is answered here (spec 28). */
static __always_inline enum verdict F(tc_leaves)(struct F(view) *view)
{
	struct FX(vip, _key) key;
	const struct vip *vip;

	__builtin_memcpy(key.address, view->packet.tuple.destination, ADDRESS_SIZE);
	vip = bpf_map_lookup_elem(&F(vips), &key);
	if (!vip || vip->unknown_port != REJECT || view->is_icmp ||
	    view->packet.piece == LATER_FRAGMENT || view->tcp_flags & TCP_RST)
		return VERDICT_PASS;
	view->reason = COUNT_REFUSE_UNTRANSLATED;
	return VERDICT_REFUSE;
}

/* The half of a forwarded flow that is translated where its packets depart. */
static __always_inline enum verdict F(tc_find_inner)(struct __sk_buff *skb, struct F(view) *view,
						     __u64 now)
{
	struct F(packet) *packet = &view->packet;
	struct F(flow) *flow = NULL;

	if (view->kinds) {
		packet->tuple.place = INNER;
		flow = F(flow_find)(&packet->tuple, false, now, &view->to);
		if (flow && !flow->masquerade)
			return VERDICT_PASS;
		if (flow && !flow->node_port) {
			if (view->is_icmp)
				return VERDICT_PASS;
			view->reason = F(flow_masquerade)(skb, view->to.number, skb->ifindex);
			if (view->reason != COUNT_FORWARD)
				return VERDICT_REFUSE;
			F(flow_translate)(flow, &view->to);
		}
		if (flow)
			return VERDICT_TRANSLATE;
	}
	if (!F(flow_kinds)(packet->tuple.source, packet->tuple.source_port))
		return VERDICT_PASS;
	F(tuple_turn)(&packet->tuple, &view->key);
	view->key.place = INNER;
	flow = F(flow_find)(&view->key, true, now, &view->to);
	if (!flow)
		return VERDICT_PASS;
	if (!view->is_icmp)
		F(flow_follow)(flow, true, view->tcp_flags, now);
	return VERDICT_TRANSLATE;
}

static __always_inline enum verdict F(tc_departs_of)(struct __sk_buff *skb, struct F(view) *view)
{
	const struct F(tuple) *tuple = &view->packet.tuple;
	const bool may_be_vip = F(lb_may_be_ours)(tuple->destination, tuple->destination_port);
	const __u64 now = flow_now();
	__u32 ingress = skb->ingress_ifindex;
	enum verdict verdict;

	verdict = F(tc_find_inner)(skb, view, now);
	if (verdict != VERDICT_PASS)
		return verdict;
	if ((may_be_vip || view->kinds & LB_HAS_RENAMED) && F(tc_find_asked)(view, now))
		return VERDICT_TRANSLATE;
	if (may_be_vip && view->hook == WIRE_OUT) {
		/* What has arrived by a program of ours has been asked before. */
		if (view->is_first && (!ingress || !bpf_map_lookup_elem(&devices, &ingress)))
			verdict = F(tc_serve)(skb, view);
		if (verdict == VERDICT_PASS)
			verdict = F(tc_leaves)(view);
		if (verdict != VERDICT_PASS)
			return verdict;
	}
	if (!view->is_first)
		return VERDICT_PASS;
	if (tuple->protocol == UDP && F(lb_kinds)(tuple->source) & LB_FILTER_NODE &&
	    lb_may_be_node_port(tuple->source_port))
		F(outgoing_note)(tuple);
	if (!F(tc_may_masquerade)(view->kinds, tuple->source_port))
		return VERDICT_PASS;
	F(tuple_turn)(tuple, &view->key);
	view->key.place = ANSWERS;
	return F(tc_meets_flow)(view, &view->key, now) ? F(tc_rename)(skb, view, DEPARTING)
						       : VERDICT_PASS;
}

TC_GLOBAL(tc_departs, VERDICT_PASS)

/* Reads the packet into the view. Returns false for what cannot be ours. */
static __always_inline bool F(tc_read)(struct __sk_buff *skb, __u32 l3, struct F(view) *view)
{
	struct F(packet) *packet = &view->packet;

	if (!F(packet_read)(skb, l3, packet))
		return false;
	if (packet->number == PROTOCOL_ICMP) {
		view->is_icmp = F(icmp_read)(skb, packet);
		if (!view->is_icmp)
			return false;
	}
	if (packet->tuple.protocol == PROTO_ANY)
		return false;
	if (packet->piece == LATER_FRAGMENT && !F(fragment_follow)(packet)) {
		if (hook_is_arrival(view->hook) && F(lb_kinds)(packet->tuple.destination))
			count(COUNT_FRAGMENT_UNKNOWN);
		return false;
	}
	view->is_first = !view->is_icmp && packet->piece != LATER_FRAGMENT;
	if (packet->tuple.protocol == TCP && view->is_first) {
		bpf_skb_load_bytes(skb, packet->l4 + 13, &view->tcp_flags, 1);
		view->is_first =
			(view->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
	}
	/* The stack drops what nobody can have sent, and answers nobody. */
	if (F(is_no_sender)(packet->tuple.source))
		view->is_first = false;
	view->kinds = F(flow_kinds)(packet->tuple.destination, packet->tuple.destination_port);
	return true;
}

/* Every packet that may be ours. */
static __noinline int F(tc_packet)(struct __sk_buff *skb, __u32 l3, enum hook hook, __u32 note)
{
	__u32 first = 0;
	struct F(view) *view = bpf_map_lookup_elem(&F(views), &first);
	enum verdict verdict;

	if (!view)
		return PASS_ON;
	__builtin_memset(view, 0, sizeof(*view));
	view->hook = hook;
	view->note = note;
	if (!F(tc_read)(skb, l3, view))
		goto pass;
	verdict = hook_is_arrival(hook) ? F(tc_arrives)(skb) : F(tc_departs)(skb);
	if (verdict == VERDICT_TRANSLATE)
		return F(tc_translate)(skb);
	if (verdict == VERDICT_REFUSE)
		return F(tc_refuse)(skb);
pass:
	count(COUNT_PASS_PACKET);
	return PASS_ON;
}

/*
 * Whether a packet may be ours, which few are.
 *
 * All traffic of the node comes by here while the processor's caches are full of other things: so
 * that little code is run, a few words of arrays are read, and nothing is written. What is not in
 * plain sight may be ours.
 */
static __always_inline enum glance F(tc_glance)(struct __sk_buff *skb, __u32 l3, enum hook hook)
{
	const void *end = (void *)(long)skb->data_end;
	const IP_HEADER *ip = (void *)(long)skb->data + l3;
	const __be16 *ports = (const void *)(ip + 1);
	const __u8 *source = (const __u8 *)&ip->saddr, *destination = (const __u8 *)&ip->daddr;
	const __u8 *flags = (const __u8 *)(ip + 1) + 13;
	__u32 kinds;
	__u8 number;

	if ((const void *)(flags + 1) > end)
		return GLANCE_OURS;
#if FAMILY == 4
	if (*(const __u8 *)ip != 0x45 || ip->frag_off & bpf_htons(0x3fff))
		return GLANCE_OURS;
	number = ip->protocol;
#else
	number = ip->nexthdr;
	if (is_extension(number))
		return GLANCE_OURS;
#endif
	if (packet_protocol(number) == PROTO_ANY)
		return number == PROTOCOL_ICMP ? GLANCE_OURS : GLANCE_DEPARTURE;
	if (F(lb_may_be_ours)(destination, bpf_ntohs(ports[1])))
		return GLANCE_OURS;
	if (hook_is_arrival(hook) && F(is_in)(tc_config.F(service), destination))
		return GLANCE_OURS;
	kinds = F(flow_kinds)(destination, bpf_ntohs(ports[1]));
	if (kinds && (!hook_is_arrival(hook) || kinds & LB_HAS_RENAMED || number != IPPROTO_TCP ||
		      (*flags & (TCP_SYN | TCP_ACK)) == TCP_SYN))
		return GLANCE_OURS;
	kinds = F(flow_kinds)(source, bpf_ntohs(ports[0]));
	if (kinds && (!hook_is_arrival(hook) || F(tc_may_masquerade)(kinds, bpf_ntohs(ports[1]))))
		return GLANCE_OURS;
	if (kinds)
		return GLANCE_DEPARTURE;
	if (!hook_is_arrival(hook) && number == IPPROTO_UDP &&
	    F(lb_may_be_ours)(source, bpf_ntohs(ports[0])))
		return GLANCE_OURS;
	return GLANCE_NOT_OURS;
}
