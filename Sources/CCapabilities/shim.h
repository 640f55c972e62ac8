/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The capabilities of the calling thread. glibc declares neither capget nor capset, and Swift
 * cannot call the variadic syscall() and prctl(). */
#ifndef SWIFTLET_CCAPABILITIES_SHIM_H
#define SWIFTLET_CCAPABILITIES_SHIM_H

#include <linux/capability.h>
#include <linux/prctl.h>
#include <sys/syscall.h>

extern long syscall(long number, ...);
extern int prctl(int option, ...);

/* Bit N of a set is capability N. */
struct swl_capabilities {
	unsigned long long effective;
	unsigned long long permitted;
	unsigned long long inheritable;
};

/* Returns -1 with errno set. */
static inline int swl_capabilities_get(struct swl_capabilities *sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, words) != 0)
		return -1;
	sets->effective = words[0].effective | (unsigned long long)words[1].effective << 32;
	sets->permitted = words[0].permitted | (unsigned long long)words[1].permitted << 32;
	sets->inheritable = words[0].inheritable | (unsigned long long)words[1].inheritable << 32;
	return 0;
}

/* Returns -1 with errno set. */
static inline int swl_capabilities_set(const struct swl_capabilities *sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3] = {0};
	int i;

	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		words[i].effective = (__u32)(sets->effective >> 32 * i);
		words[i].permitted = (__u32)(sets->permitted >> 32 * i);
		words[i].inheritable = (__u32)(sets->inheritable >> 32 * i);
	}
	return (int)syscall(SYS_capset, &header, words);
}

/* 1 or 0; -1 for a capability that this kernel does not know. */
static inline int swl_capability_is_bounded(int capability)
{
	return prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
}

/* What the thread executes can never have the capability again. Returns -1 with errno set. */
static inline int swl_capability_drop_bound(int capability)
{
	return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

/* What the thread executes as another user than root gets no capabilities. */
static inline int swl_capabilities_clear_ambient(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

#endif
