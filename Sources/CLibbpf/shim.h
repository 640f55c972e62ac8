/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What Swift imports of libbpf and the kernel; each wrapper says why Swift cannot call the thing itself. */
#ifndef SWIFTLET_CLIBBPF_SHIM_H
#define SWIFTLET_CLIBBPF_SHIM_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#endif
