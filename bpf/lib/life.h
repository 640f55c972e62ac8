/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The life of a flow, for one family (see family.h): how its packets change its state, and when it
 * is over (spec 59).
 */
#include "lib/flows.h"

#ifndef LIB_LIFE_H
#define LIB_LIFE_H

/* A flow notes its packets once in this time: busy ones share no cache line. */
#define FLOW_REFRESH SECOND

/* When datagrams in both directions become a stream. */
#define UDP_STREAM (2 * SECOND)

#endif

/* How long the flow lives without a packet, in nanoseconds (spec 59). */
static __always_inline __u64 F(flow_timeout)(const struct F(flow) *flow)
{
	__u32 seconds = tc_config.other_seconds;

	if (flow->protocol == UDP)
		seconds = flow->state < FLOW_ESTABLISHED ? tc_config.udp_seconds
							 : tc_config.udp_stream_seconds;
	if (flow->protocol == TCP) {
		if (flow->state == FLOW_CLOSING)
			seconds = tc_config.tcp_closing_seconds;
		else if (flow->state == FLOW_RESET)
			seconds = tc_config.tcp_reset_seconds;
		else if (flow->state < FLOW_ESTABLISHED)
			seconds = tc_config.tcp_new_seconds;
		else if (flow->fin_client || flow->fin_backend)
			seconds = tc_config.tcp_close_wait_seconds;
		else
			seconds = tc_config.tcp_seconds;
	}
	return seconds * SECOND;
}

/* Another CPU may have noted a later packet than this one: the difference would be huge. */
static __always_inline bool F(flow_is_over)(const struct F(flow) *flow, __u64 now)
{
	return now > flow->last_seen + F(flow_timeout)(flow);
}

static __always_inline bool F(flow_is_closed)(const struct F(flow) *flow)
{
	return flow->state == FLOW_CLOSING || flow->state == FLOW_RESET;
}

/* Whether its connection has ended, or is none yet: what a flow that needs the room may displace.
 */
static __always_inline bool F(flow_gives_way)(const struct F(flow) *flow)
{
	return F(flow_is_closed)(flow) || flow->state < FLOW_ESTABLISHED;
}

/*
 * Whether a flow that is closed has had its tuples for so long that the backend knows nothing of
 * the connection any more, if that was closed there: another one may have them.
 */
static __always_inline bool F(flow_has_waited)(const struct F(flow) *flow, __u64 now, __u64 wait)
{
	return flow->state == FLOW_CLOSING && now >= flow->last_seen + wait;
}

/*
 * A question and its answer are no stream of datagrams: that is what still goes on after this time,
 * as the kernel's connection tracking sees it (spec 59). Until then the flow notes no packets.
 */
static __always_inline void F(flow_follow_udp)(struct F(flow) *flow, bool reply, __u64 now)
{
	if (flow->state == FLOW_NEW && reply) {
		flow->state = FLOW_ANSWERED;
		flow->last_seen = now;
	} else if (flow->state == FLOW_ANSWERED && now > flow->last_seen + UDP_STREAM) {
		flow->state = FLOW_ESTABLISHED;
	}
	if (flow->state != FLOW_ANSWERED && now > flow->last_seen + FLOW_REFRESH)
		flow->last_seen = now;
}

/*
 * Follows the life of the flow. Each byte of it is written by one direction only, and the state
 * goes one way, so that two CPUs with a packet each lose nothing.
 */
static __always_inline void F(flow_follow)(struct F(flow) *flow, bool reply, __u8 tcp_flags,
					   __u64 now)
{
	const bool is_tcp = flow->protocol == TCP;

	if (flow->protocol == UDP) {
		F(flow_follow_udp)(flow, reply, now);
		return;
	}
	if (flow->state == FLOW_NEW && reply)
		flow->state = is_tcp ? FLOW_ANSWERED : FLOW_ESTABLISHED;
	if (flow->state == FLOW_ANSWERED && !reply && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK)
		flow->state = FLOW_ESTABLISHED;
	if (tcp_flags & (TCP_FIN | TCP_RST)) {
		if (reply)
			flow->fin_backend = 1;
		else
			flow->fin_client = 1;
		if (tcp_flags & TCP_RST)
			flow->state = FLOW_RESET;
		else if (flow->fin_client && flow->fin_backend && flow->state != FLOW_RESET)
			flow->state = FLOW_CLOSING;
		flow->last_seen = now;
	}
	if (now > flow->last_seen + FLOW_REFRESH)
		flow->last_seen = now;
}
