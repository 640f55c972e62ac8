KERNELS ?= 5.10 6.1 6.12 7

.PHONY: test-kernels
## test-kernels: boots Debian's kernels in qemu and calls VIPs on each; KERNELS="5.10 6.1" chooses
test-kernels: build lab
	@scripts/setup.sh kernels
	@KERNELS="$(KERNELS)" scripts/kernels/run.sh
