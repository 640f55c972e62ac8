/* SPDX-License-Identifier: BSD-2-Clause */
#pragma clang diagnostic ignored "-Wc23-extensions"
#include "reference.h"

static const unsigned char reference[] = {
#embed "../../docs/reference.md"
};

struct reference_text swiftlet_reference_text(void)
{
	return (struct reference_text){reference, sizeof(reference)};
}
