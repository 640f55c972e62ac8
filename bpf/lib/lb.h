/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Load balancing for one family (see family.h): from what a client asks for to a backend.
 *
 * Decisions take plain arguments and return the counter that names their reason:
 * COUNT_PASS_*: not ours; COUNT_FORWARD*: there is a backend; COUNT_REFUSE_*: there is none.
 * Helpers that only some program types have are called in the hooks, and their results passed in.
 */
#include "lib/maps.h"
#include "lib/family.h"

/* How often a look-up is repeated that lost its entry to a reuse; see lb_seal(). */
#define LB_TRIES 2

/* How many backends are tried for one that suits a socket better than the first. */
#define LB_OTHER_BACKENDS 8

#ifndef LIB_LB_H
#define LIB_LB_H

/* The backend that an entry remembers, or 0: it may have become another client's meanwhile. */
static __always_inline __u32 lb_affinity_backend(const struct affinity *known, __u32 seal)
{
	const __u64 word = *(const volatile __u64 *)&known->backend_id;
	__u32 halves[2];

	_Static_assert(offsetof(struct affinity, backend_id) == 8, "one aligned word");
	_Static_assert(offsetof(struct affinity, seal) == 12, "the other half of it");
	__builtin_memcpy(halves, &word, sizeof(word));
	return halves[1] == seal ? halves[0] : 0;
}

/* Whether the port may be a NodePort: one array read. */
static __always_inline bool lb_may_be_node_port(__u16 port)
{
	__u32 index = (LB_FILTER_NODE_PORTS + port) / 64;
	const __u64 *word = bpf_map_lookup_elem(&vip_filter, &index);

	return !word || (*word >> (port % 64)) & 1;
}

#endif

/* Which frontends the address may have, of enum lb_filter_kind: one array read. */
static __always_inline __u32 F(lb_kinds)(const __u8 *address)
{
	const __u32 bit = lb_filter_bit(address, ADDRESS_SIZE);
	__u32 index = bit / 64;
	const __u64 *word = bpf_map_lookup_elem(&vip_filter, &index);

	return word ? (*word >> (bit % 64)) & (LB_FILTER_VIP | LB_FILTER_NODE) : LB_FILTER_VIP;
}

/* Whether this may be a frontend at all: one array read for most, two near the node's address. */
static __always_inline bool F(lb_may_be_ours)(const __u8 *address, __u16 port)
{
	const __u32 kinds = F(lb_kinds)(address);

	if (!kinds || kinds & LB_FILTER_VIP)
		return kinds;
	return lb_may_be_node_port(port);
}

/*
 * Finds the frontend and copies it: the entry may be replaced at any time. Returns COUNT_FORWARD
 * for one that balances. Behind the filter two look-ups at most, one when the frontend is known.
 */
static __always_inline enum counter F(lb_frontend)(const struct FX(service, _key) *key,
						   struct service *service)
{
	struct FX(vip, _key) vip_key;
	struct service *entry;
	struct vip *vip;
	__u32 seal;
	int try;

	service->service_id = 0;
	if (!F(lb_may_be_ours)(key->address, key->port))
		return COUNT_PASS_NOT_A_SERVICE;

#pragma clang loop unroll(full)
	for (try = 0; try < LB_TRIES; try++) {
		entry = bpf_map_lookup_elem(&F(services), key);
		if (!entry)
			break;
		*service = *entry;
		barrier(); /* the copy is whole before its seal is believed */
		seal = lb_seal(key->address, ADDRESS_SIZE, key->port, key->protocol, key->scope);
		if (service->seal != seal || *(volatile __u32 *)&entry->seal != seal)
			continue;
		if (service->action == BALANCE)
			return COUNT_FORWARD;
		return service->action == DROP ? COUNT_REFUSE_NO_LOCAL_BACKEND
					       : COUNT_REFUSE_NO_BACKEND;
	}
	service->service_id = 0;
	if (entry)
		return COUNT_REFUSE_RACED;

	__builtin_memcpy(vip_key.address, key->address, ADDRESS_SIZE);
	vip = bpf_map_lookup_elem(&F(vips), &vip_key);
	if (vip && vip->unknown_port == REJECT)
		return COUNT_REFUSE_UNKNOWN_PORT; /* spec 28 */
	return COUNT_PASS_NOT_A_SERVICE;
}

/* Whether the ranges of a service port hold an address. */
static __always_inline bool F(lb_in_ranges)(__u32 service_id, const __u8 *address)
{
	struct FX(source_range, _key) key = {
		.prefix_length = LB_RANGE_PREFIX + 8 * ADDRESS_SIZE,
		.service_id = service_id,
	};
	struct source_range *range;

	__builtin_memcpy(key.address, address, ADDRESS_SIZE);
	range = bpf_map_lookup_elem(&F(source_ranges), &key);
	return range && range->allow;
}

/* Whether a client with this address may use the frontend (spec 24): one look-up, if it has ranges.
 */
static __always_inline bool F(lb_source_allowed)(const struct service *service, const __u8 *address)
{
	return !service->source_ranges || F(lb_in_ranges)(service->service_id, address);
}

/*
 * Whether a remembered backend may still be used through this frontend; if so, fills the slot. For
 * an existing flow it is enough that the backend is in the map: UDP's are for as long as they
 * serve (spec 31, 32). For a new connection it must be one of those that are chosen from.
 */
static __always_inline bool F(lb_usable)(const struct service *service, __u32 backend_id,
					 bool has_flow, struct F(slot) *slot)
{
	struct F(backend) *backend = bpf_map_lookup_elem(&F(backends), &backend_id);

	if (!backend || backend->service_id != service->service_id)
		return false;
	if (!has_flow && !(service->policy == LOCAL ? backend->in_local : backend->in_cluster))
		return false;
	slot->service_id = service->service_id;
	slot->backend_id = backend_id;
	__builtin_memcpy(slot->address, backend->address, ADDRESS_SIZE);
	slot->port = backend->port;
	barrier(); /* the entry may have been reused while it was copied: it must still be ours */
	return *(volatile __u32 *)&backend->service_id == service->service_id;
}

/* The backend at a place of the frontend's run: one array read. */
static __always_inline bool F(lb_slot)(const struct service *service, __u32 place,
				       struct F(slot) *slot)
{
	__u32 index = service->first_slot + place;
	struct F(slot) *entry = bpf_map_lookup_elem(&F(slots), &index);

	if (!entry)
		return false;
	*slot = *entry;
	barrier();
	return slot->service_id == service->service_id;
}

/* A place in the run for a random number: uniform (spec 38). */
static __always_inline __u32 F(lb_place)(const struct service *service, __u32 random)
{
	return (__u32)(((__u64)random * service->count) >> 32);
}

static __always_inline bool F(lb_random)(const struct service *service, __u32 random,
					 struct F(slot) *slot)
{
	return F(lb_slot)(service, F(lb_place)(service, random), slot);
}

/* An address in IPv6 form: IPv4 as ::ffff:a.b.c.d. */
static __always_inline void F(address_widen)(__u8 *wide, const __u8 *address)
{
	if (ADDRESS_SIZE == 4)
		wide[10] = wide[11] = 0xff;
	__builtin_memcpy(wide + 16 - ADDRESS_SIZE, address, ADDRESS_SIZE);
}

/* ClientIP affinity (spec 34): the client's last backend while it is usable and not timed out. */
static __always_inline enum counter F(lb_affine)(const struct service *service, __u64 netns_cookie,
						 const __u8 *source, __u32 random,
						 struct F(slot) *slot)
{
	const __u64 timeout = (__u64)service->affinity_seconds * 1000000000ull;
	struct affinity_key client = {
		.netns_cookie = netns_cookie,
		.service_id = service->service_id,
	};
	struct affinity fresh = {.last_use = bpf_ktime_get_ns()};
	struct affinity *known;
	__u32 backend_id;

	if (source)
		F(address_widen)(client.address, source);
	fresh.seal = lb_affinity_seal(&client);
	known = bpf_map_lookup_elem(&affinity, &client);
	backend_id = known ? lb_affinity_backend(known, fresh.seal) : 0;

	/*
	 * Another CPU may have noted a later use than ours: the difference would be huge. If
	 * another client got the entry since, it has been used just now as well.
	 */
	if (known && backend_id && fresh.last_use < known->last_use + timeout &&
	    F(lb_usable)(service, backend_id, false, slot)) {
		known->last_use = fresh.last_use;
		return COUNT_FORWARD_AFFINITY;
	}
	if (!F(lb_random)(service, random, slot))
		return COUNT_REFUSE_BAD_SLOT;
	fresh.backend_id = slot->backend_id;
	bpf_map_update_elem(&affinity, &client, &fresh, BPF_ANY);
	return COUNT_FORWARD;
}

/*
 * Chooses a backend of a frontend that balances. The client is the network namespace of a socket,
 * or the source of a packet.
 */
static __always_inline enum counter F(lb_select)(const struct service *service, __u64 netns_cookie,
						 const __u8 *source, __u32 random,
						 struct F(slot) *slot)
{
	if (service->affinity_seconds)
		return F(lb_affine)(service, netns_cookie, source, random, slot);
	return F(lb_random)(service, random, slot) ? COUNT_FORWARD : COUNT_REFUSE_BAD_SLOT;
}
