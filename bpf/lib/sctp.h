/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The checksum of SCTP after a change of ports, without reading the packet again. CRC32c is linear:
 * the difference of two checksums is the difference of the packets, here 4 bytes and then zeros, as
 * a polynomial times x^(8 * length), modulo the CRC's polynomial.
 */
#ifndef LIB_SCTP_H
#define LIB_SCTP_H

#include "lib/flows.h"

#define CRC32C_POLYNOMIAL 0x82f63b78u /* bit 31 is x^0, as in the checksum itself */

/* x^(8 * 2^i) */
static const __u32 crc32c_powers[16] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a,
	0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
	0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
};

/* These are not static: the verifier then walks them once, and not again for each call. */
__noinline __u32 crc32c_multiply(__u32 a, __u32 b)
{
	__u32 product = 0;
	int i;

	for (i = 0; i < 32; i++) {
		product ^= b & -(a >> 31);
		a <<= 1;
		b = (b >> 1) ^ (CRC32C_POLYNOMIAL & -(b & 1));
	}
	return product;
}

/* A checksum of zero is one that the device will fill in: there is nothing to correct. */
__noinline int sctp_rewrite(struct __sk_buff *skb, __u32 offset, __u32 length, __u32 difference)
{
	__u32 check = 0;
	__u32 i;

	offset += 8;
	if (bpf_skb_load_bytes(skb, offset, &check, sizeof(check)) || !check)
		return 0;
	for (i = 0; i < 16; i++) {
		if (length & (1u << i))
			difference = crc32c_multiply(crc32c_powers[i], difference);
	}
	check ^= difference;
	bpf_skb_store_bytes(skb, offset, &check, sizeof(check), 0);
	return 0;
}

#endif
