// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Lets tests ask for decisions: programs of cgroup sockets cannot be test-run. The maps are the
 * datapath's own, filled by the tests.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FAMILY 4
#include "tests/select_family.h"
#undef FAMILY
#define FAMILY 6
#include "tests/select_family.h"
#undef FAMILY

char LICENSE[] SEC("license") = "Dual BSD/GPL";
