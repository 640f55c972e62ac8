/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The kernel's words for links, addresses and routes. */
#ifndef SWIFTLET_CRTNETLINK_SHIM_H
#define SWIFTLET_CRTNETLINK_SHIM_H

#include <linux/rtnetlink.h>
#include <net/if_arp.h>

#endif
