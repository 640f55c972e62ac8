/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* IP fragments, for one family (see family.h): only the first has ports, the others follow it.
 * After lib/packet.h. */
#include "lib/count.h"
#include "lib/flows.h"

static __always_inline void F(fragment_key)(const struct F(packet) *packet, bool departs,
					    struct fragment_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	F(address_widen)(key->source, packet->tuple.source);
	F(address_widen)(key->destination, packet->tuple.destination);
	key->id = packet->fragment_id;
	key->protocol = packet->tuple.protocol;
	key->departs = departs;
}

static __noinline int F(fragment_remember)(const struct F(packet) *packet, bool departs)
{
	struct fragment_ports ports = {packet->tuple.source_port, packet->tuple.destination_port};
	struct fragment_key key;

	F(fragment_key)(packet, departs, &key);
	return bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
}

/* Gives a later fragment the ports of its first; false when that has not been seen, or is not ours.
 */
static __noinline int F(fragment_follow)(struct F(packet) *packet, bool departs)
{
	struct fragment_ports *ports;
	struct fragment_key key;

	F(fragment_key)(packet, departs, &key);
	ports = bpf_map_lookup_elem(&fragments, &key);
	if (!ports)
		return false;
	packet->tuple.source_port = ports->source_port;
	packet->tuple.destination_port = ports->destination_port;
	return true;
}
