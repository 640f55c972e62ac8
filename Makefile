# swiftlet: `make demo` shows it, `make test` checks it, `make build` leaves build/swiftlet.
SHELL := /bin/bash
.DEFAULT_GOAL := build

# The distribution's clang compiles the datapath; the Swift toolchain's own is for the rest.
BPF_CLANG ?= /usr/bin/clang
CLANG_FORMAT ?= clang-format
MULTIARCH := $(shell gcc -print-multiarch 2>/dev/null || $(BPF_CLANG) -print-multiarch 2>/dev/null)
BPF_CFLAGS := -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror -Ibpf/include -Ibpf -I/usr/include/$(MULTIARCH)

BPF_SOURCES := $(wildcard bpf/*.bpf.c) $(wildcard bpf/tests/*.bpf.c)
BPF_HEADERS := $(wildcard bpf/lib/*.h) $(wildcard bpf/include/swiftlet/*.h)
BPF_OBJECTS := $(patsubst %.bpf.c,build/bpf/%.bpf.o,$(notdir $(BPF_SOURCES)))

.PHONY: bpf
bpf: $(BPF_OBJECTS)

build/bpf/%.bpf.o: bpf/%.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -c $< -o $@

build/bpf/%.bpf.o: bpf/tests/%.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -c $< -o $@
