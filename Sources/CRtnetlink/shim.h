/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The kernel's words for links, addresses, routes and filters, and for sockets. */
#ifndef SWIFTLET_CRTNETLINK_SHIM_H
#define SWIFTLET_CRTNETLINK_SHIM_H

#include <linux/inet_diag.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if_arp.h>

#endif
