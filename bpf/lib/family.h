/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * IPv4 and IPv6 come from one text: a file that is written with these macros is included once with
 * FAMILY 4 and once with FAMILY 6. F(slots) is then slots4 or slots6, FX(service, _key) is
 * service4_key or service6_key. Such files do not include each other: their users do.
 */
#define FAMILY_CAT(a, b, c)    a##b##c
#define FAMILY_EXPAND(a, b, c) FAMILY_CAT(a, b, c)
#undef F
#undef FX
#undef ADDRESS_SIZE
#undef IP_HEADER
#undef ADDRESS_FAMILY
#define F(stem)	       FAMILY_EXPAND(stem, FAMILY, )
#define FX(stem, tail) FAMILY_EXPAND(stem, FAMILY, tail)
#if FAMILY == 4
#define ADDRESS_SIZE   4
#define IP_HEADER      struct iphdr
#define ADDRESS_FAMILY 2 /* AF_INET */
#else
#define ADDRESS_SIZE   16
#define IP_HEADER      struct ipv6hdr
#define ADDRESS_FAMILY 10 /* AF_INET6 */
#endif
