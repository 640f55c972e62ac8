/* SPDX-License-Identifier: BSD-2-Clause */
/* The static libelf of elfutils 0.192 (Debian 13) calls two functions that are in no library which
 * Debian packs. They make and empty the tree of elf_getdata_rawchunk(), which libbpf does not use,
 * and which begins as zeros: nothing is to be done. */
__attribute__((weak)) void eu_search_tree_init(void *tree)
{
	(void)tree;
}

__attribute__((weak)) void eu_search_tree_fini(void *tree, void (*free_node)(void *node))
{
	(void)tree;
	(void)free_node;
}
