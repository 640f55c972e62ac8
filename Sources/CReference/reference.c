/* SPDX-License-Identifier: BSD-2-Clause */
#pragma clang diagnostic ignored "-Wc23-extensions"
#include "reference.h"

static const unsigned char operations[] = {
#embed "../../docs/operations.md"
};

struct reference_text swiftlet_operations_text(void)
{
	return (struct reference_text){operations, sizeof(operations)};
}
