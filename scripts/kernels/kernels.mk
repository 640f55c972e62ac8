# Boots Debian's kernels in qemu and tries the built programs on each: make test-kernels KERNELS="5.10 6.1".
KERNELS ?= 5.10 6.1 6.12 7

.PHONY: test-kernels
test-kernels: build
	KERNELS="$(KERNELS)" scripts/kernels/run.sh
