/* SPDX-License-Identifier: BSD-2-Clause */
/* Compresses what `swiftlet debuginfo` writes. libelf needs the library anyway. */
#ifndef SWIFTLET_ZLIB_SHIM_H
#define SWIFTLET_ZLIB_SHIM_H

#include <zlib.h>

#endif
