/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The way back, for one family (see family.h): what a socket's program asked for, kept with the
 * socket and freed by the kernel together with it.
 */
#include "lib/maps.h"
#include "lib/family.h"

static __always_inline bool F(same_address)(const __u8 *left, const __u8 *right)
{
	const __u32 *l = (const __u32 *)left, *r = (const __u32 *)right;

#if ADDRESS_SIZE == 4
	return l[0] == r[0];
#else
	return l[0] == r[0] && l[1] == r[1] && l[2] == r[2] && l[3] == r[3];
#endif
}

static __always_inline void F(wayback_fill)(struct F(origin) *origin,
					    const struct FX(service, _key) *vip,
					    const struct F(slot) *slot)
{
	origin->service_id = slot->service_id;
	origin->backend_id = slot->backend_id;
	__builtin_memcpy(origin->vip, vip->address, ADDRESS_SIZE);
	__builtin_memcpy(origin->address, slot->address, ADDRESS_SIZE);
	origin->vip_port = vip->port;
	origin->port = slot->port;
}

/* Whether this peer is the backend that stands behind the origin's VIP. */
static __always_inline bool F(wayback_is)(const struct F(origin) *origin, const __u8 *address,
					  __u16 port)
{
	return origin->port == port && F(same_address)(origin->address, address);
}

/* The flow of an unconnected socket to a VIP, or NULL. */
static __always_inline struct F(origin) *F(wayback_to_vip)(struct F(flows) *flows,
							   const struct FX(service, _key) *vip)
{
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		struct F(origin) *origin = &flows->flow[i];

		if (origin->service_id && origin->vip_port == vip->port &&
		    F(same_address)(origin->vip, vip->address)) {
			flows->last = i;
			return origin;
		}
	}
	return NULL;
}

/* The flow that a reply from a backend belongs to, or NULL; the last one sent to goes first. */
static __always_inline struct F(origin) *F(wayback_from)(struct F(flows) *flows,
							 const __u8 *address, __u16 port)
{
	__u32 last = flows->last % LB_FLOWS;
	int i;

	if (flows->flow[last].service_id && F(wayback_is)(&flows->flow[last], address, port))
		return &flows->flow[last];
#pragma clang loop unroll(full)
	for (i = 0; i < LB_FLOWS; i++) {
		if (flows->flow[i].service_id && F(wayback_is)(&flows->flow[i], address, port))
			return &flows->flow[i];
	}
	return NULL;
}

/* A place for a new flow: the oldest one's. */
static __always_inline struct F(origin) *F(wayback_new)(struct F(flows) *flows)
{
	__u32 place = flows->next % LB_FLOWS;

	flows->next = place + 1;
	flows->last = place;
	return &flows->flow[place];
}
