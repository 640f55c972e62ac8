/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#define _GNU_SOURCE
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int swl_message_send(int socket, const void *bytes, unsigned long size, int descriptor)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *head = (struct cmsghdr *)control;
	ssize_t sent;

	if (descriptor >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &descriptor, sizeof(int));
	}
	do {
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

long swl_message_receive(int socket, void *bytes, unsigned long size, int *descriptor)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {.iov_base = bytes, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *head;
	ssize_t received;

	*descriptor = -1;
	do {
		received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (received < 0 && errno == EINTR);
	if (received < 0)
		return -errno;
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(descriptor, CMSG_DATA(head), sizeof(int));
	if (message.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	return received;
}

int swl_accept(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

long swl_peer_user(int socket)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) ? -1 : (long)peer.uid;
}

int swl_iterate(int link)
{
	union bpf_attr order;
	long walk;

	memset(&order, 0, sizeof(order));
	order.iter_create.link_fd = (__u32)link;
	walk = syscall(SYS_bpf, BPF_ITER_CREATE, &order, sizeof(order));
	return walk < 0 ? -errno : (int)walk;
}

static void end(int signal)
{
	(void)signal;
	_exit(0);
}

void swl_end_at_signals(void)
{
	struct sigaction action = {.sa_handler = end};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

/* ---- The filter ------------------------------------------------------------------------------ */

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define OWN_ARCHITECTURE 0 /* no system call is allowed */
#endif

#define LOAD(field_) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field_))
#define LOAD_ARGUMENT(n_)                                                                          \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n_]))
#define RETURN(value_) BPF_STMT(BPF_RET | BPF_K, value_)
#define REFUSE	       RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW(call_)                                                                               \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call_, 0, 1), RETURN(SECCOMP_RET_ALLOW)
/* Jumps over what follows unless it is this call. */
#define IF(call_, length_) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call_, 0, length_)
#define MUST_BE(value_)	   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value_, 1, 0), REFUSE
#define MUST_LACK(bits_)   BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits_, 0, 1), REFUSE
/* The only call whose argument is looked at, and is this. */
#define ALLOW_WITH(call_, argument_, test_)                                                        \
	IF(call_, 4), LOAD_ARGUMENT(argument_), test_, RETURN(SECCOMP_RET_ALLOW)

int swl_confine(void)
{
	struct sock_filter filter[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0),
		REFUSE,
		LOAD(nr),
		/* What it is there for. */
		ALLOW_WITH(setns, 1, MUST_BE(CLONE_NEWNET)),
		ALLOW_WITH(bpf, 0, MUST_BE(BPF_ITER_CREATE)),
		ALLOW_WITH(openat, 2, MUST_LACK(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)),
		IF(socket, 7),
		LOAD_ARGUMENT(0),
		MUST_BE(AF_NETLINK),
		LOAD_ARGUMENT(2),
		MUST_BE(NETLINK_SOCK_DIAG),
		RETURN(SECCOMP_RET_ALLOW),
		ALLOW(pidfd_open),
		ALLOW(pidfd_getfd),
		ALLOW(connect),
		ALLOW(getsockopt),
		ALLOW(getpeername),
		/* Messages and files. */
		ALLOW(accept4),
		ALLOW(recvmsg),
		ALLOW(sendmsg),
		ALLOW(read),
		ALLOW(write),
		ALLOW(close),
		ALLOW(getdents64),
		ALLOW(fstat),
		ALLOW(newfstatat),
		ALLOW(lseek),
		ALLOW(fcntl),
		ALLOW(setsockopt),
#ifdef SYS_stat
		ALLOW(stat),
#endif
		/* What the language needs: no memory becomes executable. */
		ALLOW_WITH(mmap, 2, MUST_LACK(PROT_EXEC)),
		ALLOW_WITH(mprotect, 2, MUST_LACK(PROT_EXEC)),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(madvise),
		ALLOW(brk),
		ALLOW(futex),
		ALLOW(getrandom),
		ALLOW(geteuid),
		ALLOW(clock_gettime),
		ALLOW(rt_sigreturn),
		ALLOW(restart_syscall),
		ALLOW(exit),
		ALLOW(exit_group),
		REFUSE,
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return 0;
}
