/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The beginning of a flow, for one family (see family.h): what its first packet asks, whether it
 * is one, the backend, the ports, the way. After lib/view.h.
 */

/* An address of the Service range that no Service has: drop (spec 28). */
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
		choice->service_id = service.service_id; /* 0 where no port of it was asked */
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

/*
 * Whether the client's socket has left this VIP to the packets, since it speaks to the same backend
 * by another one (see parted.h): that backend must see another port.
 */
static __noinline int F(tuple_is_parted)(const struct F(tuple) *tuple)
{
	struct parted_vip_key key = {
		.port = tuple->destination_port,
		.client = tuple->source_port,
	};

	F(address_widen)(key.address, tuple->destination);
	return parted_is_seen(&key, FAMILY);
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
static __always_inline enum counter F(flow_masquerade)(struct __sk_buff *skb, __u32 number,
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
	return F(flow_take_port)(skb, number, ANSWERS);
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
 * Whether a flow's packets may be sent on past the stack. What says that it comes from this node,
 * or from where no route leads, is left to the kernel, which knows what to do with it.
 */
static __always_inline bool F(tc_may_redirect_of)(struct __sk_buff *skb, struct F(view) *view)
{
	if (!tc_config.redirect || !view->choice.masquerade)
		return false;
	F(tuple_turn)(&view->packet.tuple, &view->key);
	return F(route_find)(skb, &view->packet, &view->key, &view->way,
			     hook_is_arrival(view->hook)) != WAY_STACK;
}

TC_GLOBAL(tc_may_redirect, false)

/*
 * Begins a flow with its first packet. Returns COUNT_FORWARD, with what the packet becomes in
 * `view->to`, or why there is no flow. The first that enters what the client asked has it: another
 * CPU may be at it with the client's next packet.
 */
static __always_inline enum counter F(flow_begin_of)(struct __sk_buff *skb, struct F(view) *view)
{
	const struct F(choice) *choice = &view->choice;
	const __u64 now = clock_coarse();
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
		if (view->hook == POD_IN && view->packet.tuple.protocol == UDP &&
		    F(tuple_is_parted)(&view->packet.tuple))
			flow->inner_port = 0;
		reason = F(flow_take_port)(skb, number, INNER);
		F(flow_translate)(flow, &view->to);
		if (reason == COUNT_FORWARD && F(tc_may_redirect)(skb))
			way = F(tc_way)(skb);
		if (way == WAY_SEND)
			flow->path = view->to.path = REDIRECTED;
	} else if (choice->backend_id) {
		F(flow_translate)(flow, &view->to);
		if (F(tc_way)(skb) == WAY_STACK)
			reason = COUNT_REFUSE_UNTRANSLATED;
	}
	if (reason == COUNT_FORWARD && flow->path != FORWARDED)
		reason =
			F(flow_masquerade)(skb, number, choice->backend_id ? view->way.ifindex : 0);
	if (reason != COUNT_FORWARD)
		goto abandon;
	view->to.whole = flow->path == REDIRECTED;
	F(flow_translate)(flow, &view->to);
	error = F(tuple_take)(number, ASKED, 0);
	if (error) {
		reason = error == -EEXIST ? COUNT_REFUSE_RACED : COUNT_REFUSE_FLOWS_FULL;
		goto abandon;
	}
	barrier(); /* it is whole before others believe it */
	flow->state = FLOW_NEW;
	count(COUNT_FLOW_BEGUN);
	view->has_flow = 1;
	if (event_is_wanted()) {
		view->reason = choice->service_id ? COUNT_FLOW_BEGUN : COUNT_FLOW_RENAMED;
		F(event_of_view)(skb);
	}
	return COUNT_FORWARD;
abandon:
	F(flow_abandon)(number);
	return reason;
}

TC_GLOBAL(flow_begin, COUNT_REFUSE_RACED)
