/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the control plane and the iterators of destroy.bpf.c tell each other. Nothing of this is
 * pinned: it lives for as long as the process that destroys sockets.
 */
#ifndef SWIFTLET_DESTROY_H
#define SWIFTLET_DESTROY_H

#include "swiftlet/maps.h"

/* ---- gone_backends: HASH, a backend that is gone -> what was found of it ----------------------
 */

#define LB_GONE_BACKENDS 8192 /* in one walk over the sockets */

/* Compared with a socket's way back as a whole, so that a number alone never condemns a socket. */
struct gone_backend {
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u32 backend_id;
	__u16 port;
	enum ip_protocol protocol;
	__u8 pad;
};
_Static_assert(sizeof(struct gone_backend) == 24, "no hidden padding in a key");

struct gone_sockets {
	__u32 found;	 /* sockets that are connected to it by a VIP of ours */
	__u32 destroyed; /* of those */
	__u32 refused;	 /* the kernel would not destroy it */
	__u32 postponed; /* there was no permit left */
};

/* ---- destroy_order: ARRAY with one entry, what the next walk over the sockets is to do --------
 */

/* Zero is harmless, and so is a map that was never written. */
LB_ENUM destroy_mode{
	DESTROY_NOTHING = 0,
	DESTROY_COUNT = 1, /* find, and leave alone */
	DESTROY_SOCKETS = 2,
};

struct destroy_order {
	__u32 permits; /* how many sockets may be destroyed still */
	enum destroy_mode mode;
	__u8 pad[3];
};
_Static_assert(sizeof(struct destroy_order) == 8, "read by Swift");

#endif
