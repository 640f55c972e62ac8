#!/usr/bin/env bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Boots Debian's kernels in qemu, one after the other, and tries swiftlet on each (see init.sh).
#
#   scripts/kernels/run.sh [VERSION...]      5.10 6.1 6.12 7 unless said, or $KERNELS
#
# A kernel that cannot be fetched is skipped, with the reason; the oldest one, 5.10, must run whenever
# it is asked for. All that is printed is kept in build/kernels/VERSION/console.log.
#
# Environment: KERNELS, BUILD (build), BOOT_TIMEOUT (420 s for each kernel), MANIFESTS (manifests/ beside
# this script), EXTRA_FILES (FILE:/PATH words that go into the initramfs), ACCELERATOR (tcg,thread=multi:
# a /dev/kvm that can be opened does not always work in a virtual machine; say kvm if yours does).
# Exit: 0 all that ran are good, 1 one is not, 5.10 did not run or something is missing, 2 usage.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}
cache=${KERNEL_CACHE:-$build/kernels}
timeout=${BOOT_TIMEOUT:-420}
export KERNEL_CACHE=$cache

versions=("$@")
[ $# -gt 0 ] || read -r -a versions <<<"${KERNELS:-5.10 6.1 6.12 7}"
case " ${versions[*]}" in
*" -"*)
	sed -n 's/^#   //p' "$0" >&2
	exit 2
	;;
esac

format='%-8s %-24s %-8s %-9s %-8s %-7s %s\n'
rows=()
failed=0

check_tools() {
	local tool
	for tool in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio bpftool:bpftool; do
		command -v "${tool%%:*}" >/dev/null && continue
		echo "test-kernels: ${tool%%:*} is missing; apt-get install ${tool#*:}" >&2
		exit 1
	done
	for tool in "$build/swiftlet" "$build/swiftlet-lab" "$build/bpf/sock.bpf.o"; do
		[ -e "$tool" ] && continue
		echo "test-kernels: $tool is missing; make build makes it" >&2
		exit 1
	done
}

# programs OBJECT: how many it has. What they call lies in .text.
programs() {
	local object=$build/bpf/$1.bpf.o text
	text=$(readelf --sections --wide "$object" | sed -n 's/^ *\[ *\([0-9]*\)\] \.text .*/\1/p')
	readelf --syms --wide "$object" | awk -v text="$text" '$4 == "FUNC" && $5 == "GLOBAL" && $7 != text' | wc -l
}

# Every program of the sockets' object must be loaded, and of the packets' object those for the one device towards the
# network, in and out. Those that visit sockets to destroy them come in addition, on kernels that have what they need.
count_expected() {
	expected=$(($(programs sock) + 2))
	visitors=$(programs destroy)
}

# Two processors, so that per-CPU maps and reuse under a reader are what they are on a node.
boot() {
	local kernel=$1
	timeout --foreground "$timeout" qemu-system-x86_64 \
		-accel "${ACCELERATOR:-tcg,thread=multi}" -cpu max -smp 2 -m 1024 \
		-nodefaults -no-user-config -no-reboot -display none -serial stdio \
		-kernel "$kernel/bzImage" -initrd "$kernel/initramfs" \
		-append "console=ttyS0 quiet loglevel=3 panic=-1 swiftlet_programs=$expected swiftlet_visitors=$visitors" \
		</dev/null
}

field() {
	sed -n "s/.* $1=\([^ ]*\).*/\1/p" <<<"$2"
}

add_row() {
	# The words of the format are this file's own.
	# shellcheck disable=SC2059
	rows+=("$(printf "$format" "$@")")
}

skip() {
	local version=$1 reason=$2
	echo "$reason"
	add_row "$version" - skipped - - - "${reason#kernel "$version": }"
	if [ "$version" = 5.10 ]; then failed=1; fi
}

run_kernel() {
	local version=$1 kernel=$cache/$1 status=0 started=$SECONDS text line
	text=$("$here/fetch.sh" "$version") || status=$?
	if [ "$status" -eq 77 ]; then
		skip "$version" "$text"
		return
	elif [ "$status" -ne 0 ]; then
		add_row "$version" - fail - - - "could not be prepared"
		failed=1
		return
	fi
	echo "$text"
	local extra=()
	for line in ${EXTRA_FILES:-}; do extra+=(--file "$line"); done
	"$here/initramfs.sh" --output "$kernel/initramfs" --modules "$kernel/modules" \
		--manifests "${MANIFESTS:-$here/manifests}" "${extra[@]}" \
		"$build/swiftlet" "$build/swiftlet-lab" "$(command -v bpftool)"
	boot "$kernel" 2>&1 | tr -d '\r' | tee "$kernel/console.log" | sed -u "/reboot: Power down/d; s/^/$version | /" || status=$?
	rm -f "$kernel/initramfs"
	line=$(grep -a -m1 '^RESULT ' "$kernel/console.log" || true)
	case $line in
	"RESULT ok "*) ;;
	"") line="RESULT fail reason=no result within $timeout s, exit $status" && failed=1 ;;
	*) failed=1 ;;
	esac
	local reason=${line#* reason=}
	[ "$reason" != none ] || reason="degraded: $(field degraded "$line")"
	add_row "$version" "$(field kernel "$line")" "$(cut -d' ' -f2 <<<"$line")" "$(field programs "$line")" \
		"$(field calls "$line")" "$((SECONDS - started)) s" "$reason"
}

check_tools
count_expected
for version in "${versions[@]}"; do run_kernel "$version"; done

echo
# shellcheck disable=SC2059
printf "$format" KERNEL RELEASE RESULT PROGRAMS CALLS TIME REMARK
printf '%s\n' "${rows[@]}"
exit "$failed"
