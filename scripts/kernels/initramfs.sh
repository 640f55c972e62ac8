#!/usr/bin/env bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Packs what a test kernel needs into one initramfs: busybox, the programs and the shared libraries
# that they name, the kernel's modules, a directory of manifests and init.sh as /init.
#
#   scripts/kernels/initramfs.sh --output FILE --modules DIR --manifests DIR [--file FILE:/PATH]... PROGRAM...
#
# A PROGRAM goes to /usr/bin, a --file to the path that follows the colon. The archive is not
# compressed: an emulated processor would need longer to unpack it than to read it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
output='' modules='' manifests=''
programs=() files=()

usage() {
	sed -n 's/^#   //p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--output | --modules | --manifests | --file) [ $# -ge 2 ] || usage ;;&
	--output) output=$2 && shift 2 ;;
	--modules) modules=$2 && shift 2 ;;
	--manifests) manifests=$2 && shift 2 ;;
	--file) files+=("$2") && shift 2 ;;
	-*) usage ;;
	*) programs+=("$1") && shift ;;
	esac
done
[ -n "$output" ] && [ -n "$modules" ] && [ -n "$manifests" ] || usage

busybox=$(command -v busybox || true)
if [ -z "$busybox" ] || ldd "$busybox" >/dev/null 2>&1; then
	echo "initramfs: no static busybox; install busybox-static" >&2
	exit 1
fi

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# Shared libraries lie flat in /lib/shared (init.sh sets LD_LIBRARY_PATH), the loader where programs name it.
add_libraries() {
	local program=$1 missing path
	if missing=$(ldd "$program" 2>/dev/null | grep 'not found'); then
		echo "initramfs: $program lacks shared libraries:" $missing >&2
		exit 1
	fi
	# Lines read "libz.so.1 => /lib/libz.so.1 (0x…)", or "/lib64/ld-linux-x86-64.so.2 (0x…)" for the loader.
	for path in $(ldd "$program" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p'); do
		[ -e "$tree/lib/shared/${path##*/}" ] || cp -L "$path" "$tree/lib/shared/"
	done
	for path in $(ldd "$program" 2>/dev/null | sed -n 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p'); do
		[ -e "$tree$path" ] || install -D "$path" "$tree$path"
	done
}

add_program() {
	local name=${1##*/}
	cp -L "$1" "$tree/usr/bin/$name"
	# Debug information would only fill the machine's memory.
	strip --strip-unneeded "$tree/usr/bin/$name" 2>/dev/null || true
	add_libraries "$1"
}

mkdir -p "$tree"/{bin,dev,etc,lib/modules,lib/shared,proc,run,sys,tmp,usr/bin,manifests}
cp -L "$busybox" "$tree/bin/busybox"
ln -s busybox "$tree/bin/sh"
install -m 755 "$here/init.sh" "$tree/init"
install -m 644 "$here/nfs.sh" "$tree/lib/nfs.sh"
cp -RL "$manifests/." "$tree/manifests/"
find "$modules" -name '*.ko' -exec cp {} "$tree/lib/modules/" \;
for program in "${programs[@]}"; do add_program "$program"; done
for file in "${files[@]}"; do install -D "${file%%:*}" "$tree${file#*:}"; done

mkdir -p "$(dirname "$output")"
(cd "$tree" && find . -print0 | cpio --null --create --format=newc --owner=0:0 --quiet) >"$output.new"
mv "$output.new" "$output"
