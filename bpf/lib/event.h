/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What `swiftlet monitor` is told. Without a listener it costs one read of an array that is not
 * written. The reader polls the ring: no event wakes it.
 */
#ifndef LIB_EVENT_H
#define LIB_EVENT_H

#include "lib/clock.h"
#include "lib/maps.h"

LB_ARRAY(BPF_MAP_TYPE_ARRAY, listeners, struct listener, 1);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, LB_EVENT_BYTES);
} events SEC(".maps");

static __always_inline bool event_is_wanted(void)
{
	__u32 first = 0;
	const struct listener *listener = bpf_map_lookup_elem(&listeners, &first);

	return listener && listener->until;
}

/*
 * The listener, or NULL. One that was killed leaves its time behind: it is cleared here. A new
 * listener that loses its time to that race writes it again within 250 ms.
 */
static __always_inline struct listener *event_listener(__u64 now)
{
	__u32 first = 0;
	struct listener *listener = bpf_map_lookup_elem(&listeners, &first);

	if (listener && now >= listener->until) {
		listener->until = 0;
		return NULL;
	}
	return listener;
}

/* Room for an event, or NULL. */
static __always_inline struct event *event_begin(struct listener *listener, __u64 now,
						 enum event_kind kind, __u32 reason)
{
	struct event *event;

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&listener->lost, 1);
		return NULL;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time = now;
	event->reason = reason;
	event->kind = kind;
	return event;
}

/* The same for a packet, with what the kernel knows of it. */
static __always_inline struct event *event_of_skb(struct __sk_buff *skb, enum event_kind kind,
						  __u32 reason)
{
	const __u64 now = clock_coarse();
	struct listener *listener = event_listener(now);
	struct event *event;

	if (!listener)
		return NULL;
	event = event_begin(listener, now, kind, reason);
	if (!event)
		return NULL;
	if (listener->with_cgroup)
		event->cgroup = bpf_skb_cgroup_id(skb);
	event->ifindex = skb->ifindex;
	return event;
}

#endif
