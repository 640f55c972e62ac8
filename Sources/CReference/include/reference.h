/* SPDX-License-Identifier: BSD-2-Clause */
/* docs/reference.md, embedded so that `swiftlet help` prints its tables on a node that has no
 * documentation. */
#ifndef SWIFTLET_REFERENCE_H
#define SWIFTLET_REFERENCE_H

#include <stddef.h>

struct reference_text {
	const unsigned char *start;
	size_t size;
};

struct reference_text swiftlet_reference_text(void);

#endif
