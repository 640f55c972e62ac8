/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What becomes of a packet that does not go on, for one family (see family.h). After lib/view.h.
 */

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
	if (event_is_wanted())
		F(event_of_view)(skb);
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
