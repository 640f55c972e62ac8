/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What Swift imports of libbpf and the kernel; each wrapper says why Swift cannot call the thing
 * itself. */
#ifndef SWIFTLET_CLIBBPF_SHIM_H
#define SWIFTLET_CLIBBPF_SHIM_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* glibc has no wrapper, and Swift cannot call the variadic syscall(). Returns -1 with errno set. */
static inline int swl_membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0, 0);
}

/* A log line of any length, to be freed: Swift has no va_copy, which measuring first needs. */
static inline char *swl_format(const char *format, va_list arguments)
{
	va_list measured;
	char *text;
	int length;

	va_copy(measured, arguments);
	length = vsnprintf(NULL, 0, format, measured);
	va_end(measured);
	if (length < 0)
		return NULL;
	text = (char *)malloc((size_t)length + 1);
	if (text)
		vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

#endif
