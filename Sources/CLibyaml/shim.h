/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What Swift imports of libyaml: its event parser. */
#ifndef SWIFTLET_CLIBYAML_SHIM_H
#define SWIFTLET_CLIBYAML_SHIM_H

#include <yaml.h>

#endif
