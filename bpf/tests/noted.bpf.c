// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The programs at tc in test runs that keep what one program notes in a packet for the next. The
 * kernel hands a test run no tc_index; the control block stands for it.
 */
#include "../tc.bpf.c"

static __always_inline int noted(struct __sk_buff *skb, enum hook hook)
{
	int action;

	skb->tc_index = skb->cb[0];
	action = tc_packet(skb, ETH_HLEN, hook);
	skb->cb[0] = skb->tc_index;
	return action;
}

#define NOTED(name, hook)                                                                          \
	SEC("tc")                                                                                  \
	int name(struct __sk_buff *skb)                                                            \
	{                                                                                          \
		return noted(skb, hook);                                                           \
	}

NOTED(tst_wire_in, WIRE_IN)
NOTED(tst_wire_out, WIRE_OUT)
NOTED(tst_pod_in, POD_IN)
NOTED(tst_pod_out, POD_OUT)
