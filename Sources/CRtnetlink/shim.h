/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The kernel's words for links, addresses, routes, filters and IPsec, and for sockets. */
#ifndef SWIFTLET_CRTNETLINK_SHIM_H
#define SWIFTLET_CRTNETLINK_SHIM_H

/* First, so that linux/in6.h leaves out what it has. */
#include <netinet/in.h>
#include <linux/inet_diag.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/xfrm.h>
#include <net/if_arp.h>

#endif
