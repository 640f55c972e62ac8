/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What `swiftlet monitor` is told of packets at tc, for one family (see family.h). After
 * lib/view.h. */
#include "lib/event.h"

/*
 * Tells of the packet that this CPU is at, which view->reason is about. A packet in the middle of a
 * flow does not say what the client has asked: the flow does.
 */
static __always_inline int F(event_of_view_of)(struct __sk_buff *skb, struct F(view) *view)
{
	const struct F(tuple) *tuple = &view->packet.tuple;
	const struct F(choice) *choice = &view->choice;
	const struct F(flow) *flow = view->has_flow ? F(flow_at)(view->to.number) : NULL;
	struct event *event = event_of_skb(skb, EVENT_FLOW, view->reason);

	if (!event)
		return 0;
	event->protocol = tuple->protocol;
	event->service_id = flow ? flow->service_id : choice->service_id;
	event->backend_id = flow ? flow->backend_id : choice->backend_id;
	F(address_widen)(event->client, flow ? flow->client : tuple->source);
	event->client_port = flow ? flow->client_port : tuple->source_port;
	F(address_widen)(event->vip, flow ? flow->vip : tuple->destination);
	event->vip_port = flow ? flow->vip_port : tuple->destination_port;
	event->backend_port = flow ? flow->backend_port : choice->backend_port;
	if (event->backend_port)
		F(address_widen)(event->backend, flow ? flow->backend : choice->backend);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

TC_GLOBAL(event_of_view, 0)
