/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* malloc.h, which Swift's Glibc module leaves out. A look-up by name would find nothing in a
 * program that is linked statically. */
#ifndef SWIFTLET_HEAP_H
#define SWIFTLET_HEAP_H

extern int malloc_trim(__SIZE_TYPE__ pad);
extern int mallopt(int parameter, int value);

static inline void heap_trim(void)
{
	malloc_trim(0);
}

static inline void heap_keep_small(void)
{
	enum { MMAP_THRESHOLD = -3, ARENA_MAX = -8 };

	mallopt(ARENA_MAX, 1);
	mallopt(MMAP_THRESHOLD, 1024 * 1024);
}

#endif
