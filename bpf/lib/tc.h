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
#include "lib/parted.h"
#include "lib/life.h"
#include "lib/conntrack.h"
#include "lib/filter.h"
#include "lib/masquerade.h"
#include "lib/rewrite.h"
#include "lib/answer.h"
#include "lib/icmp.h"
#include "lib/fragment.h"
#include "lib/route.h"
#include "lib/view.h"
#include "lib/tell.h"
#include "lib/begin.h"
#include "lib/refuse.h"
#include "lib/translate.h"

#ifndef LIB_TC_H
#define LIB_TC_H

/* How to go on with a packet. */
enum verdict {
	VERDICT_PASS,	   /* it is not ours */
	VERDICT_KEEP,	   /* it belongs to a flow, and is as it shall be */
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
		/* The backend may be in TIME_WAIT: no other flow gets the tuple that it knows. */
		if (flow->state == FLOW_CLOSING)
			F(tuple_give_up)(&view->packet.tuple, view->to.number);
		else
			F(flow_end)(view->to.number, view->to.turn);
		return false;
	}
	F(flow_follow)(flow, false, view->tcp_flags, now);
	if (flow->inner_port != flow->client_port && flow->protocol == UDP && view->hook == POD_IN)
		F(tuple_is_parted)(&view->packet.tuple);
	return true;
}

/*
 * Follows the flow with a packet of the backend that has its tuple, unless it is another
 * connection's there (spec 52). What is neither SYN nor RST cannot be the answer to a SYN: that
 * connection is as old as the flow or older, and the flow steps aside. Where the kernel tracks
 * connections it was asked before. And what is closed gets no SYN: that one is younger, and the
 * flow is over.
 */
static __always_inline bool F(tc_follow_answer)(struct __sk_buff *skb, const struct F(view) *view,
						struct F(flow) *flow, __u64 now)
{
	if (view->is_icmp)
		return true;
	if (flow->protocol == TCP && flow->state == FLOW_NEW && view->tcp_flags &&
	    !(view->tcp_flags & (TCP_SYN | TCP_RST))) {
		F(flow_step_aside)(skb, view->to.number, view->to.place);
		return false;
	}
	if (view->tcp_flags & TCP_SYN && F(flow_is_closed)(flow)) {
		F(flow_end)(view->to.number, view->to.turn);
		return false;
	}
	F(flow_follow)(flow, true, view->tcp_flags, now);
	return true;
}

/* The flow that the backend's packet belongs to by the port of the node that it comes to. */
static __always_inline bool F(tc_find_answers)(struct __sk_buff *skb, struct F(view) *view,
					       __u64 now)
{
	struct F(flow) *flow;

	view->packet.tuple.place = ANSWERS;
	flow = F(flow_find)(&view->packet.tuple, true, now, &view->to);
	return flow && F(tc_follow_answer)(skb, view, flow, now);
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
	if (!F(flow_is_closed)(flow))
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
 * Finds the flow of a packet that a program on arrival has translated: the last one that was noted
 * like this, or by the tuple if that is another one's.
 */
static __always_inline bool F(tc_find_noted_of)(struct __sk_buff *skb, struct F(view) *view)
{
	const __u32 place = skb->tc_index & (NOTED_FLOWS - 1);
	const __u32 *number = bpf_map_lookup_elem(&F(noted), &place);
	const struct F(flow) *flow = number ? F(flow_at)(*number) : NULL;
	struct F(tuple) *tuple = &view->packet.tuple;
	const __u64 now = clock_coarse();
	bool reply;

	tuple->place = INNER;
	F(tuple_turn)(tuple, &view->key);
	view->key.place = INNER;
	if (number && flow) {
		reply = tuple->destination_port != flow->backend_port ||
			!F(is_same)(tuple->destination, flow->backend);
		if (F(flow_with)(*number, reply ? &view->key : tuple, reply, now, &view->to))
			return true;
	}
	return F(flow_find)(tuple, false, now, &view->to) ||
	       F(flow_find)(&view->key, true, now, &view->to);
}

TC_GLOBAL(tc_find_noted, false)

static __always_inline enum verdict F(tc_arrives_of)(struct __sk_buff *skb, struct F(view) *view)
{
	const struct F(tuple) *tuple = &view->packet.tuple;
	const bool may_be_vip = F(lb_may_be_ours)(tuple->destination, tuple->destination_port);
	const __u64 now = clock_coarse();
	enum verdict verdict;

	/* A bridge has it from its port: it is of the flow, and no stranger that meets it. */
	if (packet_is_translated(skb->tc_index)) {
		if (F(tc_find_noted)(skb))
			return VERDICT_PASS;
		skb->tc_index = 0;
	}
	if ((may_be_vip || view->kinds & LB_HAS_RENAMED) && F(tc_find_asked)(view, now))
		return VERDICT_TRANSLATE;
	if (F(tc_may_masquerade)(F(flow_kinds)(tuple->source, tuple->source_port),
				 tuple->destination_port) &&
	    F(tc_find_answers)(skb, view, now))
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

/* What leaves for a ClusterIP untranslated is answered here (spec 28). */
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

/* Whether the node may have made the packet itself, to refuse one of a flow. */
static __always_inline bool F(tc_may_refuse)(const struct F(view) *view)
{
	return view->is_icmp || view->tcp_flags & TCP_RST;
}

/*
 * Whether a departing packet that has the tuple of this flow is of it. One of a masqueraded flow
 * has been translated on arrival, and says so: a client that goes straight to the backend may have
 * the same ports, and its beginning may not have been seen (spec 51, 52). A refusal is
 * the node's own. Where notes get lost on the way through the node, as the flow's first packet
 * showed, what was forwarded is of the flow: a pod on a macvlan device sends by here without
 * arriving.
 */
static __always_inline bool F(tc_is_of)(const struct F(flow) *flow, struct __sk_buff *skb,
					const struct F(view) *view)
{
	if (packet_is_translated(skb->tc_index) || (view->to.reply && !flow->node_port))
		return true;
	if (!skb->ingress_ifindex)
		return F(tc_may_refuse)(view);
	return flow->masquerade == MASQUERADE_UNNOTED || !flow->node_port;
}

/* The forwarded flow that a departing packet has the tuple of, as the kernel forwards it. */
static __always_inline struct F(flow) *F(tc_find_half)(struct __sk_buff *skb, struct F(view) *view,
						       __u64 now)
{
	struct F(packet) *packet = &view->packet;
	struct F(flow) *flow;

	if (packet_is_translated(skb->tc_index) && F(tc_find_noted)(skb))
		return F(flow_at)(view->to.number);
	/* What the node sends itself is no client's, and costs no look-up. */
	if (view->kinds && (skb->ingress_ifindex || F(tc_may_refuse)(view))) {
		packet->tuple.place = INNER;
		flow = F(flow_find)(&packet->tuple, false, now, &view->to);
		if (flow && F(tc_is_of)(flow, skb, view))
			return flow;
	}
	if (!F(flow_kinds)(packet->tuple.source, packet->tuple.source_port))
		return NULL;
	F(tuple_turn)(&packet->tuple, &view->key);
	view->key.place = INNER;
	flow = F(flow_find)(&view->key, true, now, &view->to);
	return flow && F(tc_is_of)(flow, skb, view) ? flow : NULL;
}

/*
 * Whether this is the first packet of a flow whose backend sees the client, and leaves by the
 * device that it came from: a pod on macvlan is there, for example. No program here sees what both
 * say to each other past the node, and no flow may have the ports of that (spec 52).
 */
static __always_inline bool F(tc_turns_back)(const struct __sk_buff *skb,
					     const struct F(view) *view, const struct F(flow) *flow)
{
	return view->hook == WIRE_OUT && skb->ingress_ifindex == skb->ifindex &&
	       flow->state == FLOW_NEW && flow->inner_port == flow->client_port && !view->is_icmp;
}

/*
 * The half of a forwarded flow that is translated where its packets depart. A note says that a
 * packet is of that flow and of no other, which its tuple alone does not: a client's connection
 * past Services may have asked for the same, and be a flow with another port (spec 52).
 */
static __always_inline enum verdict F(tc_find_inner)(struct __sk_buff *skb, struct F(view) *view,
						     __u64 now)
{
	struct F(flow) *flow = F(tc_find_half)(skb, view, now);
	const bool is_noted = packet_is_translated(skb->tc_index);

	if (!flow)
		return VERDICT_PASS;
	if (view->to.reply)
		return F(tc_follow_answer)(skb, view, flow, now) ? VERDICT_TRANSLATE : VERDICT_PASS;
	if (!flow->masquerade && F(tc_turns_back)(skb, view, flow) &&
	    !F(flow_step_aside)(skb, view->to.number, INNER)) {
		F(flow_translate)(flow, &view->to);
		return VERDICT_TRANSLATE;
	}
	if (!flow->masquerade || (view->is_icmp && !flow->node_port))
		return is_noted ? VERDICT_KEEP : VERDICT_PASS;
	if (flow->node_port)
		return VERDICT_TRANSLATE;
	/* It went by here before there was a program, and the backend has answered the client. */
	if (flow->state != FLOW_NEW) {
		flow->masquerade = MASQUERADE_NONE;
		return is_noted ? VERDICT_KEEP : VERDICT_PASS;
	}
	if (!is_noted)
		flow->masquerade = MASQUERADE_UNNOTED;
	view->has_flow = 1;
	view->reason = F(flow_masquerade)(skb, view->to.number, skb->ifindex);
	if (view->reason != COUNT_FORWARD)
		return VERDICT_REFUSE;
	F(flow_translate)(flow, &view->to);
	return VERDICT_TRANSLATE;
}

static __always_inline enum verdict F(tc_departs_of)(struct __sk_buff *skb, struct F(view) *view)
{
	const struct F(tuple) *tuple = &view->packet.tuple;
	const bool may_be_vip = F(lb_may_be_ours)(tuple->destination, tuple->destination_port);
	const __u64 now = clock_coarse();
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
	if (packet->piece == LATER_FRAGMENT &&
	    !F(fragment_follow)(packet, !hook_is_arrival(view->hook))) {
		if (hook_is_arrival(view->hook) && F(lb_kinds)(packet->tuple.destination))
			count(COUNT_FRAGMENT_UNKNOWN);
		return false;
	}
	view->is_first = !view->is_icmp && packet->piece != LATER_FRAGMENT;
	if (packet->tuple.protocol == TCP && view->is_first) {
		F(packet_read_flags)(skb, packet, &view->tcp_flags);
		view->is_first =
			(view->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
	}
	/* The stack drops packets from an impossible sender without an answer. */
	if (F(is_no_sender)(packet->tuple.source))
		view->is_first = false;
	view->kinds = F(flow_kinds)(packet->tuple.destination, packet->tuple.destination_port);
	return true;
}

/* Every packet that may be ours. */
static __noinline int F(tc_packet)(struct __sk_buff *skb, __u32 l3, enum hook hook)
{
	__u32 first = 0;
	struct F(view) *view = bpf_map_lookup_elem(&F(views), &first);
	enum verdict verdict;

	if (!view)
		return PASS_ON;
	__builtin_memset(view, 0, sizeof(*view));
	view->hook = hook;
	if (!F(tc_read)(skb, l3, view))
		goto pass;
	verdict = hook_is_arrival(hook) ? F(tc_arrives)(skb) : F(tc_departs)(skb);
	if (verdict == VERDICT_TRANSLATE) {
		view->has_flow = 1;
		return F(tc_translate)(skb);
	}
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
	const __u8 *flags = (const __u8 *)(ip + 1) + TCP_FLAGS;
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
