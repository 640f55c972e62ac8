/* SPDX-License-Identifier: BSD-2-Clause */
/* Swift's own module of the C library leaves this header out. */
#ifndef SWIFTLET_NAME_LOOKUP_SHIM_H
#define SWIFTLET_NAME_LOOKUP_SHIM_H

#include <nss.h>

#endif
