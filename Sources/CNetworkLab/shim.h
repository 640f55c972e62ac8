/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Linux calls that glibc declares for _GNU_SOURCE only, which Swift's Glibc module is built
 * without. */
#ifndef SWIFTLET_CNETWORKLAB_SHIM_H
#define SWIFTLET_CNETWORKLAB_SHIM_H

/* Macros only: a type that came in through here would be this module's in Swift's eyes, not
 * Glibc's. */
#include <sys/syscall.h>

/* Except this one: Glibc's module leaves it out. */
#include <sys/epoll.h>

extern long syscall(long number, ...);

#define LAB_CLONE_NEWNET 0x40000000

/* glibc 2.32: "ECONNREFUSED" for 111, NULL for a number that is none. */
extern const char *strerrorname_np(int number);

/* Moves the calling thread, and only it, into the network namespace behind the descriptor. */
static inline int lab_enter_network_namespace(int descriptor)
{
	return (int)syscall(SYS_setns, descriptor, LAB_CLONE_NEWNET);
}

/* Keeps the calling thread on the processor where it is: a migration costs more than what is
 * measured. */
static inline int lab_stay_on_processor(void)
{
	unsigned long mask[16] = {0};
	unsigned int processor = 0;

	if (syscall(SYS_getcpu, &processor, (void *)0, (void *)0) != 0 || processor / 64 >= 16)
		return -1;
	mask[processor / 64] = 1UL << (processor % 64);
	return (int)syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask);
}

static inline int lab_accept4(int listener, int flags)
{
	return (int)syscall(SYS_accept4, listener, (void *)0, (void *)0, flags);
}

/* SIOCETHTOOL and its like, whose argument is a struct. */
static inline int lab_ioctl(int descriptor, unsigned long request, void *argument)
{
	return (int)syscall(SYS_ioctl, descriptor, request, argument);
}

static inline int lab_pipe2(int ends[2], int flags)
{
	return (int)syscall(SYS_pipe2, ends, flags);
}

#endif
