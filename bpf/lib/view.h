/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the programs at tc know of a packet that may be ours, for one family (see family.h). After
 * lib/route.h.
 */

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
	__u8 has_flow; /* it is of the flow that `to` is about */
	__u8 kinds;    /* enum flow_filter_kind of the destination */
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
