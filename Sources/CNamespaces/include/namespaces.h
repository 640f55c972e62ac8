/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What `swiftlet namespaces` and the daemon say to each other, a message each, and what the former
 * needs of C: descriptors in messages, and a filter of system calls.
 */
#ifndef SWIFTLET_NAMESPACES_H
#define SWIFTLET_NAMESPACES_H

enum swl_order_kind {
	SWL_LIST = 1,	  /* answers with the network namespaces, each by its inode number */
	SWL_ITERATE = 2,  /* comes with a link; answers with a walk of it in the namespace */
	SWL_DIAGNOSE = 3, /* answers with a socket of NETLINK_SOCK_DIAG in the namespace */
	SWL_CONNECT = 4,  /* connects UDP sockets of the namespace anew; answers how many */
};

struct swl_order {
	unsigned int kind;
	unsigned int count; /* of the sockets that follow; SWL_CONNECT only */
	unsigned long long namespace_inode;
};

/* A UDP socket that leads nowhere, and the VIP that its program asked for. */
struct swl_socket {
	unsigned long long cookie;
	unsigned char vip[16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned short port;
	unsigned char is_v4;
	unsigned char waits; /* 1: it is connected to the VIP; 2: so, and must be silent; 0: not */
	unsigned int pad;
};

struct swl_answer {
	int error;	       /* an errno, 0: none */
	unsigned int count;    /* of the namespaces that follow, or of sockets connected */
	unsigned int hidden;   /* processes whose namespace could not be looked up */
	unsigned int may_kill; /* 1: sockets that it lends may destroy others (CAP_NET_ADMIN) */
};

/* The longest message: what the kernel lets a socket hold by default is more. */
#define SWL_LONGEST_MESSAGE 65536

/* Sends a message, with a descriptor unless it is negative. Returns 0 or a negative errno. */
int swl_message_send(int socket, const void *bytes, unsigned long size, int descriptor);

/* Receives one and its descriptor, or -1 for none. Returns its size, 0 at the end, or a negative
 * errno. */
long swl_message_receive(int socket, void *bytes, unsigned long size, int *descriptor);

/* Waits for the next connection. Returns a descriptor, or -1 with errno set. */
int swl_accept(int listener);

/* The user of the process at the other end; -1 if it cannot be told. */
long swl_peer_user(int socket);

/* A walk of an iterator's link over the objects of the thread's network namespace. Returns a
 * descriptor or a negative errno. */
int swl_iterate(int link);

/*
 * From here on the process can look up network namespaces, enter them, open iterators and sockets
 * of NETLINK_SOCK_DIAG there, copy descriptors of others, connect what it copied, and answer. All
 * else is refused with EPERM: writing files, other sockets, other commands of bpf(2), other
 * namespaces, executing, tracing, signals. Returns 0 or a negative errno.
 */
int swl_confine(void);

/* Ends the process at SIGTERM and SIGINT, as the first process of a container too. */
void swl_end_at_signals(void);

#endif
