# swiftlet: `make demo` shows it, `make test` checks it, `make build` leaves build/swiftlet.
SHELL := /bin/bash
.DEFAULT_GOAL := build

PREFIX ?= /usr/local
DESTDIR ?=

# The distribution's clang compiles the datapath; the Swift toolchain's own may speak a newer BPF than kernel 5.10.
BPF_CLANG ?= /usr/bin/clang
# Where the objects go; the build embeds those of build/bpf.
BPF_OUT ?= build/bpf
CLANG_FORMAT ?= clang-format
MULTIARCH = $(shell dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || uname -m | sed 's/$$/-linux-gnu/')
BPF_CFLAGS = -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror \
	-Ibpf/include -Ibpf -I/usr/include/$(MULTIARCH)

BPF_SOURCES := $(wildcard bpf/*.bpf.c) $(wildcard bpf/tests/*.bpf.c)
BPF_HEADERS := $(wildcard bpf/lib/*.h) $(wildcard bpf/include/swiftlet/*.h) $(wildcard bpf/tests/*.h)
BPF_OBJECTS := $(patsubst %.bpf.c,$(BPF_OUT)/%.bpf.o,$(notdir $(BPF_SOURCES)))
C_FILES := $(shell find bpf Sources -name '*.[ch]' 2>/dev/null)

# SwiftPM follows #embed only when it looks for changed headers; a new object has a new time.
# One file that needs no other, whatever distribution it is copied to; LINK=-static-stdlib takes the libraries of this machine
# (docs/building.md). Programs are stripped: debug information would be made to be thrown away.
LINK ?= -static-executable
SWIFT_RELEASE = swift build -c release -debug-info-format none -Xswiftc $(LINK) --product

.PHONY: help setup bpf build lab install install-service uninstall deb image release check-packages test-packages test-upgrade \
	test test-pure test-kernel test-e2e test-kernels test-clangs test-cluster root demo bench bench-packets bench-names soak fmt check clean

## help: lists what can be made
help:
	@sed -n 's/^## //p' Makefile

## setup: installs the Debian or Ubuntu packages that are missing, after saying which
setup:
	@scripts/setup.sh

## bpf: compiles the datapath
bpf: setup $(BPF_OBJECTS)

$(BPF_OUT)/%.bpf.o: bpf/%.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BPF_OUT)/%.bpf.o: bpf/tests/%.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -c $< -o $@

# Those at tc for kernels whose connection tracking cannot be asked.
bpf: $(BPF_OUT)/tc_untracked.bpf.o

$(BPF_OUT)/tc_untracked.bpf.o: bpf/tc.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -DLB_UNTRACKED -c $< -o $@

# Those of sockets for kernels that let a program read their structures.
bpf: $(BPF_OUT)/sock_cast.bpf.o

$(BPF_OUT)/sock_cast.bpf.o: bpf/sock.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -DLB_CAST -c $< -o $@

# The same programs with the next version of the map layout: tests hand over between the two.
OTHER_VERSION := $(shell awk '/define LB_MAP_VERSION/ { print $$3 + 1 }' bpf/include/swiftlet/maps.h)
bpf: $(BPF_OUT)/other/sock.bpf.o $(BPF_OUT)/other/tc.bpf.o

$(BPF_OUT)/other/%.bpf.o: bpf/%.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -DLB_MAP_VERSION=$(OTHER_VERSION) -c $< -o $@

## build: leaves the release binary at build/swiftlet
build: bpf
	$(SWIFT_RELEASE) swiftlet
	@install -m 755 -s "$$(swift build -c release --show-bin-path)/swiftlet" build/swiftlet
	@ls -lh build/swiftlet | awk '{print "build/swiftlet: " $$5}'

## lab: leaves the echo pods and clients of the demo at build/swiftlet-lab
lab: bpf
	$(SWIFT_RELEASE) swiftlet-lab
	@install -m 755 -s "$$(swift build -c release --show-bin-path)/swiftlet-lab" build/swiftlet-lab

## install: copies what is built; nothing is compiled, so root needs no toolchain
install:
	@[ -x build/swiftlet ] || { echo "install: there is no build/swiftlet; run make build first, as the user that has swift in PATH" >&2; exit 1; }
	install -D -m 755 build/swiftlet $(DESTDIR)$(PREFIX)/bin/swiftlet
	@scripts/install-words.sh build/swiftlet $(DESTDIR)$(PREFIX)/share zsh/site-functions

## install-service: the unit for systemd and the user that it runs as; start it with systemctl
install-service: install
	install -D -m 644 packaging/sysusers.d/swiftlet.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/swiftlet.conf
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in swiftlet swiftlet-prepare swiftlet-namespaces; do \
		sed 's,/usr/local/bin,$(PREFIX)/bin,' packaging/$$unit.service \
			>$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service || exit; \
	done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/swiftlet $(DESTDIR)$(PREFIX)/lib/sysusers.d/swiftlet.conf \
		$(DESTDIR)$(PREFIX)/share/man/man[58]/swiftlet*.gz \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/swiftlet \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_swiftlet \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/swiftlet.fish \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/swiftlet.service \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/swiftlet-prepare.service \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/swiftlet-namespaces.service

## deb: a Debian package of build/swiftlet, image: an OCI image of it; both in build/
deb image: %: build/swiftlet
	@scripts/package.sh $@

build/swiftlet:
	@$(MAKE) build

## release: what is published, in build/release; PROGRAMS names programs of other architectures, too, built on such machines
release: build
	@scripts/package.sh release

## check-packages: as root: what is in build/release: contents, SBOM, checksums, the same bytes again, and the image in containerd
check-packages: release lab
	@scripts/setup.sh packages
	@scripts/check-packages.sh

## test-upgrade: as root: the package under systemd and the image in containerd, replaced while clients connect
test-upgrade: deb image lab
	@scripts/test-upgrade.sh || [ $$? = 77 ]

## test-packages: as root: also the package in bare roots of Debian 12, 13 and Ubuntu 24.04, and both replaced while clients connect
test-packages: check-packages
	@scripts/test-packages.sh

root:
	@[ "$$(id -u)" = 0 ] || { echo 'needs root for BPF and network namespaces: sudo env PATH="$$PATH" make $(MAKECMDGOALS)' >&2; exit 1; }

## demo: Services for three pods in namespaces of its own, shown step by step; scripts/demo.sh uses what is built
demo: root
	@$(MAKE) build lab
	@scripts/demo.sh

## test: all that this machine allows; it says what it could not run and why
test: bpf
	@scripts/test.sh

test-pure: bpf
	@scripts/test.sh pure

test-kernel: bpf
	@scripts/test.sh kernel

test-e2e: bpf
	@scripts/test.sh e2e

## test-clangs: as root: the datapath by every clang from 14 on that is installed, loaded and asked by a daemon
test-clangs: root build lab
	@scripts/test-clangs.sh

## test-cluster: as root: two nodes with containerd and CNI plugins, and with kubelets where they are on PATH; a table of sent and failed
test-cluster: root build lab
	@scripts/test-cluster.sh

## bench: writes docs/benchmarks.md with a plot, for 1, 1,000 and 10,000 Services
bench: root build lab
	@scripts/bench.sh

## bench-packets: writes docs/benchmarks-packets.md: ns per packet at tc, and NodePorts beside nftables
bench-packets: root build lab
	@scripts/bench-packets.sh

## bench-names: as root: questions a second by DNS, and what names cost in memory, beside dnsmasq
bench-names: root build
	@scripts/bench-names.sh

SOAK_SECONDS ?= 180
SOAK_ARGUMENTS ?=

## soak: calls Services while they change and the daemon dies, for SOAK_SECONDS; each answer is checked
soak: root build lab
	build/swiftlet-lab soak --seconds $(SOAK_SECONDS) $(SOAK_ARGUMENTS)

fmt:
	swift format -i -r Package.swift Sources Tests
	$(CLANG_FORMAT) -i $(C_FILES)

## check: style of the languages; warnings are errors in every build
check: bpf
	swift format lint --strict -r Package.swift Sources Tests
	$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)
	shellcheck -S warning scripts/*.sh scripts/*/*.sh packaging/deb/* .ci/run
	@scripts/check-links.py
	@scripts/check-rules.sh
	@scripts/check-service.sh
	@scripts/chart.py check
	@scripts/monitoring.py check

clean:
	rm -rf build .build

-include scripts/kernels/kernels.mk
