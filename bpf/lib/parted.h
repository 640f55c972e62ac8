/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * VIPs of an unconnected UDP socket that lead where another of its VIPs leads, to one and the same
 * only endpoint: an answer would not tell which question it belongs to. Where a pod's packets come
 * by a program at tc, such a VIP is left to that, which gives its flow a port of its own.
 *
 * No hook sees the way of a packet. So one datagram of a network namespace is left on trial, and
 * the program that sees it says so; where none does, the next ones are led as all others are.
 */
#ifndef LIB_PARTED_H
#define LIB_PARTED_H

#include "lib/maps.h"

/* How long a datagram that was left may be on its way to the program, and how long until the next
 * trial where it was not seen; in ns. */
#define WAY_PATIENCE 5000000ull
#define WAY_RETRY    600000000000ull

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_PACKET_WAYS);
	__type(key, struct packet_way_key);
	__type(value, struct packet_way);
} packet_ways SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LB_PARTED_VIPS);
	__type(key, struct parted_vip_key);
	__type(value, struct parted_vip);
} parted_vips SEC(".maps");

/*
 * Whether one more datagram may be left to the packets: all that were left before have been seen,
 * or it is a trial.
 */
static __always_inline bool way_is_open(const struct packet_way_key *key, __u64 now)
{
	struct packet_way fresh = {.left = now};
	struct packet_way *way = bpf_map_lookup_elem(&packet_ways, key);
	__u64 left, seen;

	if (!way) {
		bpf_map_update_elem(&packet_ways, key, &fresh, BPF_NOEXIST);
		return true;
	}
	left = way->left;
	seen = way->seen;
	if (seen < left && now - left < WAY_RETRY)
		return seen && now - left < WAY_PATIENCE;
	way->left = now;
	return true;
}

/* Whether a program sees a datagram that was left to it; if so, notes that. */
static __always_inline bool parted_is_seen(const struct parted_vip_key *key, __u8 family)
{
	const struct parted_vip *parted = bpf_map_lookup_elem(&parted_vips, key);
	struct packet_way_key way_key = {.family = family};
	struct packet_way *way;

	if (!parted)
		return false;
	way_key.netns_cookie = parted->netns_cookie;
	way = bpf_map_lookup_elem(&packet_ways, &way_key);
	if (way)
		way->seen = bpf_ktime_get_ns();
	return true;
}

#endif
