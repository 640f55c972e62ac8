/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs of select.bpf.c are asked, and what they answer. Tests read it as CSelect. */
#ifndef SWIFTLET_TESTS_SELECT_H
#define SWIFTLET_TESTS_SELECT_H

#include <linux/types.h>

/* A connect: which frontend, by whom, and with which luck. An IPv4 address is the first 4 bytes. */
struct select_call {
	__u8 address[16];
	__u16 port;
	__u8 protocol;
	__u8 scope;
	__u32 random;
	__u64 netns_cookie;

	/* The answer: an enum counter, and the backend when it forwards. */
	__u32 reason;
	__u32 service_id;
	__u32 backend_id;
	__u16 backend_port;
	__u16 pad;
	__u8 backend_address[16];
};

/* May a frontend with this service id and policy still use that backend? */
struct usable_call {
	__u32 service_id;
	__u32 backend_id;
	__u8 policy;
	__u8 has_flow;

	/* The answer. */
	__u8 usable;
	__u8 pad;
	__u16 backend_port;
	__u16 pad_port;
	__u8 backend_address[16];
};

/*
 * May a client with this address use a frontend with this service id, which has ranges or not? It
 * is asked as a packet, because programs that are system calls may not look into tries. The answer
 * is what the program returns.
 */
struct source_call {
	__u8 address[16];
	__u32 service_id;
	__u32 source_ranges;
};

#endif
