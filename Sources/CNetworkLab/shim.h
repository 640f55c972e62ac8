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

/* And these, whose types stay inside the functions below. */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/ioctl.h>
#include <linux/seccomp.h>
#include <stddef.h>

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

/*
 * Makes the calling thread, and what it becomes by exec, wait before each bpf(2) call that changes
 * what others see: an entry of a map, a pin, an attached program. Returns the descriptor whose
 * reader decides; needs root.
 */
static inline int lab_ask_before_bpf_writes(void)
{
	/* Each JEQ skips to the last statement: the distance is what is left between. */
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 9),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_MAP_UPDATE_ELEM, 8, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_MAP_DELETE_ELEM, 7, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_OBJ_PIN, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_PROG_ATTACH, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_MAP_UPDATE_BATCH, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_MAP_DELETE_BATCH, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_LINK_CREATE, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_LINK_UPDATE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

/* Waits for the next of these calls. Fails when the caller has gone before it was read. */
static inline int lab_next_bpf_write(int listener, unsigned long long *id)
{
	struct seccomp_notif call = {0};
	int status = (int)syscall(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_RECV, &call);

	*id = call.id;
	return status;
}

static inline int lab_allow_bpf_write(int listener, unsigned long long id)
{
	struct seccomp_notif_resp answer = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

	return (int)syscall(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static inline int lab_pipe2(int ends[2], int flags)
{
	return (int)syscall(SYS_pipe2, ends, flags);
}

#endif
