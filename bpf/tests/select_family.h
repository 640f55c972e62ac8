/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The decisions of lib/lb.h behind a system call, for one family (see lib/family.h). */
#include "lib/lb.h"
#include "tests/select.h"

SEC("syscall")
int F(tst_select)(struct select_call *call)
{
	struct FX(service, _key) key = {
		.port = call->port,
		.protocol = call->protocol,
		.scope = call->scope,
	};
	struct service service = {};
	struct F(slot) slot = {};
	enum counter reason;

	__builtin_memcpy(key.address, call->address, ADDRESS_SIZE);
	reason = F(lb_frontend)(&key, &service);
	if (reason == COUNT_FORWARD)
		reason = F(lb_select)(&service, call->netns_cookie, NULL, call->random, &slot);
	call->reason = reason;
	call->service_id = service.service_id;
	call->backend_id = slot.backend_id;
	call->backend_port = slot.port;
	__builtin_memcpy(call->backend_address, slot.address, ADDRESS_SIZE);
	return 0;
}

SEC("syscall")
int F(tst_usable)(struct usable_call *call)
{
	const struct service service = {.service_id = call->service_id, .policy = call->policy};
	struct F(slot) slot = {};

	call->usable = F(lb_usable)(&service, call->backend_id, call->has_flow, &slot);
	call->backend_port = slot.port;
	__builtin_memcpy(call->backend_address, slot.address, ADDRESS_SIZE);
	return 0;
}

SEC("tc")
int F(tst_source)(struct __sk_buff *skb)
{
	const struct source_call *call = (void *)(long)skb->data;
	struct service service = {};
	__u8 address[ADDRESS_SIZE];

	if ((void *)(call + 1) > (void *)(long)skb->data_end)
		return -1;
	service.service_id = call->service_id;
	service.source_ranges = call->source_ranges;
	__builtin_memcpy(address, call->address, ADDRESS_SIZE);
	return F(lb_source_allowed)(&service, address);
}
