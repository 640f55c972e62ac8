/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What becomes of a packet that belongs to a flow, for one family (see family.h). After
 * lib/refuse.h.
 */
#ifndef LIB_TRANSLATE_H
#define LIB_TRANSLATE_H

/* Leaves the packet to the next program of the hook, and to the stack. */
#define PASS_ON TC_ACT_UNSPEC

#endif

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

/* Notes for which flow a packet has been translated on arrival. */
static __always_inline __u32 F(packet_translated)(__u32 flow)
{
	const __u32 place = flow & (NOTED_FLOWS - 1);
	__u32 *number = bpf_map_lookup_elem(&F(noted), &place);

	if (number && *number != flow)
		*number = flow;
	return TRANSLATED_MARK | place;
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
		view->reason = COUNT_FRAGMENT_CHECKSUM;
		return F(tc_refuse)(skb);
	}
	if (packet->piece == FIRST_FRAGMENT)
		F(fragment_remember)(packet, !hook_is_arrival(view->hook));
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
	skb->tc_index = hook_is_arrival(view->hook) ? F(packet_translated)(to->number)
						    : packet_done(skb->ingress_ifindex);
	return PASS_ON;
}

TC_GLOBAL(tc_translate, TC_ACT_SHOT)
