// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Includes the ABI, so that the Swift build checks its layout asserts too. */
#include "swiftlet/maps.h"
#include "swiftlet/flows.h"
#include "swiftlet/node.h"
