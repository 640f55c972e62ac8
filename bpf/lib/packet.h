/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reading a packet, for one family (see family.h). What it says is copied: pointers do not last. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "lib/family.h"
#include "lib/flows.h"

#ifndef LIB_PACKET_H
#define LIB_PACKET_H

/* The first four bytes of TCP, UDP and SCTP. */
#define PORTS_SIZE 4

enum piece {
	WHOLE,
	FIRST_FRAGMENT,
	LATER_FRAGMENT, /* without ports */
};

#define TCP_FLAGS 13 /* where they stand in the header */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

static __always_inline enum ip_protocol packet_protocol(__u8 number)
{
	switch (number) {
	case IPPROTO_TCP:
		return TCP;
	case IPPROTO_UDP:
		return UDP;
	case IPPROTO_SCTP:
		return SCTP;
	default:
		return PROTO_ANY;
	}
}

/* Headers may lie in pages of the buffer: then they are brought to its front. */
static __always_inline bool packet_reach(struct __sk_buff *skb, __u32 length)
{
	if ((void *)(long)skb->data + length <= (void *)(long)skb->data_end)
		return true;
	return !bpf_skb_pull_data(skb, length);
}

#endif

struct F(packet) {
	struct F(tuple) tuple;
	__u32 fragment_id;
	__u16 l3;     /* where the IP header begins ... */
	__u16 l4;     /* ... and what it carries */
	__u16 length; /* of the IP packet */
	__u16 check;  /* of the IPv4 header */
	__u8 number;  /* of the protocol, as the IP header says it */
	__u8 ttl;
	__u8 tos;
	__u8 piece; /* enum piece */
};

/*
 * Whether no host has this address on a network: 0/8 and ::, loopback, and what is for groups or
 * all (RFC 1122 3.2.1.3, RFC 4291 2.5.3).
 */
static __always_inline bool F(is_no_sender)(const __u8 *address)
{
#if FAMILY == 4
	return !address[0] || address[0] == 127 || address[0] >= 224;
#else
	const __u32 *words = (const __u32 *)address;

	return address[0] == 0xff || !(words[0] | words[1] | words[2] | (words[3] & ~bpf_htonl(1)));
#endif
}

static __always_inline void F(packet_set_ports)(struct F(packet) *packet, __u32 ports)
{
	packet->tuple.source_port = bpf_ntohs((__u16)ports);
	packet->tuple.destination_port = bpf_ntohs((__u16)(ports >> 16));
}

#if FAMILY == 6

static __always_inline bool is_extension(__u8 number)
{
	return number == IPPROTO_HOPOPTS || number == IPPROTO_ROUTING ||
	       number == IPPROTO_DSTOPTS || number == IPPROTO_FRAGMENT;
}

/* Walks over what may stand between the IPv6 header and its load. */
static __noinline int packet_extensions(struct __sk_buff *skb, struct packet6 *packet)
{
	__u16 offset;
	__u8 words[8];
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < 4; i++) {
		if (!is_extension(packet->number))
			return true;
		if (bpf_skb_load_bytes(skb, packet->l4, words, sizeof(words)))
			return false;
		if (packet->number == IPPROTO_FRAGMENT) {
			offset = (words[2] << 8) | words[3];
			__builtin_memcpy(&packet->fragment_id, words + 4, 4);
			packet->fragment_id = bpf_ntohl(packet->fragment_id);
			if (offset & 0xfff8)
				packet->piece = LATER_FRAGMENT;
			else if (offset & 1)
				packet->piece = FIRST_FRAGMENT;
			packet->l4 += 8;
		} else {
			packet->l4 += (words[1] + 1) * 8;
		}
		packet->number = words[0];
		if (packet->piece == LATER_FRAGMENT)
			return true;
	}
	return true;
}

#endif

/* The kernel never sees the header of what is sent on: one that it would refuse is none. */
static __always_inline bool F(packet_read_ip)(struct __sk_buff *skb, struct F(packet) *packet,
					      const IP_HEADER *ip)
{
#if FAMILY == 4
	const __u16 offset = bpf_ntohs(ip->frag_off);

	if (ip->version != 4 || ip->ihl < 5)
		return false;
	*(__u32 *)packet->tuple.source = ip->saddr;
	*(__u32 *)packet->tuple.destination = ip->daddr;
	packet->l4 = packet->l3 + ip->ihl * 4;
	packet->length = bpf_ntohs(ip->tot_len);
	packet->check = ip->check;
	packet->number = ip->protocol;
	packet->ttl = ip->ttl;
	packet->tos = ip->tos;
	packet->fragment_id = bpf_ntohs(ip->id);
	if (offset & 0x1fff)
		packet->piece = LATER_FRAGMENT;
	else if (offset & 0x2000)
		packet->piece = FIRST_FRAGMENT;
	return true;
#else
	if (ip->version != 6)
		return false;
	__builtin_memcpy(&packet->tuple, &ip->saddr, 32);
	packet->l4 = packet->l3 + sizeof(*ip);
	packet->length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	packet->number = ip->nexthdr;
	packet->ttl = ip->hop_limit;
	packet->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	return !is_extension(packet->number) || packet_extensions(skb, packet);
#endif
}

/*
 * Whether the packet is as long as its header says, and the header no longer than that: the kernel
 * drops what is not so, and never sees what is sent on. A bundle of more than 64 KiB has no length.
 */
static __always_inline bool F(packet_is_whole)(const struct __sk_buff *skb,
					       const struct F(packet) *packet)
{
	if (skb->gso_size)
		return true;
	return packet->l3 + packet->length <= skb->len && packet->l4 - packet->l3 <= packet->length;
}

/*
 * Fills the packet, which starts out as zeros. Returns false for what cannot be ours. The ports are
 * read where they usually stand, and by a helper otherwise.
 */
static __always_inline bool F(packet_read)(struct __sk_buff *skb, __u32 l3,
					   struct F(packet) *packet)
{
	const IP_HEADER *ip;
	__u32 ports;

	if (!packet_reach(skb, l3 + sizeof(*ip) + PORTS_SIZE))
		return false;
	ip = (void *)(long)skb->data + l3;
	if ((void *)(ip + 1) + PORTS_SIZE > (void *)(long)skb->data_end)
		return false;
	packet->l3 = l3;
	ports = *(const __u32 *)(ip + 1);
	if (!F(packet_read_ip)(skb, packet, ip) || !F(packet_is_whole)(skb, packet))
		return false;
	packet->tuple.protocol = packet_protocol(packet->number);
	if (packet->tuple.protocol == PROTO_ANY || packet->piece == LATER_FRAGMENT)
		return true;
	if (packet->l4 != l3 + sizeof(*ip) &&
	    bpf_skb_load_bytes(skb, packet->l4, &ports, sizeof(ports)))
		return false;
	F(packet_set_ports)(packet, ports);
	return true;
}

/* The flags of TCP, read like the ports: a helper's call costs as much as the rest of a header. */
static __always_inline void F(packet_read_flags)(struct __sk_buff *skb,
						 const struct F(packet) *packet, __u8 *flags)
{
	const void *usual = (void *)(long)skb->data + (packet->l3 & 0xff) + sizeof(IP_HEADER);
	const __u8 *byte = usual + TCP_FLAGS;

	if (packet->l4 == packet->l3 + sizeof(IP_HEADER) &&
	    (const void *)(byte + 1) <= (void *)(long)skb->data_end)
		*flags = *byte;
	else
		bpf_skb_load_bytes(skb, packet->l4 + TCP_FLAGS, flags, sizeof(*flags));
}
