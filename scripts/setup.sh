#!/usr/bin/env bash
# Installs the packages that building, testing and the demo need and that are missing, after saying which.
set -euo pipefail

fail() { echo "setup: $*" >&2; exit 1; }

command -v swift >/dev/null || fail "no swift in PATH; install a Swift toolchain, 6.2 or newer: https://www.swift.org/install"

. /etc/os-release 2>/dev/null || true
packages=(clang clang-format libbpf-dev libelf-dev libzstd-dev zlib1g-dev libyaml-dev iproute2 nftables iptables util-linux procps openssl python3-yaml python3-jsonschema containernetworking-plugins bind9-dnsutils dnsmasq-base musl-tools man-db shellcheck)
# To look at packages, for make check-packages; what it takes from PyPI goes below build/tools.
[ "${1:-}" = packages ] && packages+=(lintian python3-venv)
# Other kernels, for make test-kernels.
[ "${1:-}" = kernels ] && packages+=(qemu-system-x86 busybox-static cpio debian-archive-keyring binutils xz-utils zstd)
if [ "${ID:-}" = ubuntu ]; then packages+=(linux-tools-common linux-tools-generic); else packages+=(bpftool); fi

missing=()
for package in "${packages[@]}"; do
	status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	[ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

command -v apt-get >/dev/null || fail "not a Debian or Ubuntu: install what these packages hold yourself: ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || fail "missing packages; run as root: apt-get install ${missing[*]}"
	as_root=(sudo)
fi
echo "setup: installing with apt-get: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
