/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A call that glibc declares for _GNU_SOURCE only, which Swift's Glibc module is built without. */
#ifndef SWIFTLET_MEMORY_FILE_H
#define SWIFTLET_MEMORY_FILE_H

/* Macros only: a type that came in through here would be this module's in Swift's eyes. */
#include <linux/memfd.h>
#include <sys/syscall.h>

extern long syscall(long number, ...);

static inline int memory_file_create(const char *name)
{
	return (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC);
}

#endif
