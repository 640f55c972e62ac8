// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* `make bpf` compiles the objects; #embed puts them into the program and tracks them as
 * dependencies. */
#pragma clang diagnostic ignored "-Wc23-extensions"
#include "swiftlet/objects.h"

static const unsigned char sock_object[] __attribute__((aligned(8))) = {
#embed "../../build/bpf/sock.bpf.o"
};

static const unsigned char sock_cast_object[] __attribute__((aligned(8))) = {
#embed "../../build/bpf/sock_cast.bpf.o"
};

static const unsigned char tc_object[] __attribute__((aligned(8))) = {
#embed "../../build/bpf/tc.bpf.o"
};

static const unsigned char tc_untracked_object[] __attribute__((aligned(8))) = {
#embed "../../build/bpf/tc_untracked.bpf.o"
};

static const unsigned char destroy_object[] __attribute__((aligned(8))) = {
#embed "../../build/bpf/destroy.bpf.o"
};

static const unsigned char empty_object[] __attribute__((aligned(8))) = {
#embed "../../build/bpf/empty.bpf.o"
};

struct bpf_object_bytes swiftlet_sock_object(void)
{
	return (struct bpf_object_bytes){sock_object, sizeof(sock_object)};
}

struct bpf_object_bytes swiftlet_sock_cast_object(void)
{
	return (struct bpf_object_bytes){sock_cast_object, sizeof(sock_cast_object)};
}

struct bpf_object_bytes swiftlet_tc_object(void)
{
	return (struct bpf_object_bytes){tc_object, sizeof(tc_object)};
}

struct bpf_object_bytes swiftlet_tc_untracked_object(void)
{
	return (struct bpf_object_bytes){tc_untracked_object, sizeof(tc_untracked_object)};
}

struct bpf_object_bytes swiftlet_destroy_object(void)
{
	return (struct bpf_object_bytes){destroy_object, sizeof(destroy_object)};
}

struct bpf_object_bytes swiftlet_empty_object(void)
{
	return (struct bpf_object_bytes){empty_object, sizeof(empty_object)};
}
