#!/usr/bin/env bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Fetches one of Debian's kernels into build/kernels/VERSION: bzImage, modules/*.ko, release.
#
#   scripts/kernels/fetch.sh 5.10|6.1|6.12|7
#
# apt does the download and checks the signature and the hashes, in a state directory of its own: the
# machine's sources, lists and packages stay as they are. What is in the cache is not asked for again;
# remove the directory to fetch a newer build.
#
# Environment: KERNEL_CACHE (build/kernels), DEBIAN_MIRROR (the machine's own, else deb.debian.org).
# Exit: 0 there it is, 77 cannot be fetched here (the reason is the last line), 1 it must not be used, 2 usage.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${KERNEL_CACHE:-$root/build/kernels}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# What the tests insert into a kernel, in this order; IPv6 and cgroup BPF are built in. The lower line is NFS: what
# one kernel has as a module another one has built in, or not at all.
modules=(veth dummy sch_ingress cls_bpf
	netfs fscache dns_resolver sunrpc auth_rpcgss grace lockd nfs_acl nfs_ssc nfs_localio nfs nfsv4 nfsd)

version=${1:-}
case $version in
5.10) suite=bullseye ;;
6.1) suite=bookworm ;;
6.12) suite=bookworm-backports ;;
7) suite=sid ;;
*)
	echo "usage: ${0##*/} 5.10|6.1|6.12|7" >&2
	exit 2
	;;
esac

kernel=$cache/$version
state=$cache/.apt/$suite
downloads=$kernel/download
log=$state/apt.log

cannot() {
	echo "kernel $version: cannot be fetched: $*"
	exit 77
}

# Signatures and hashes are apt's to check. When it refuses, that is no reason to skip.
check_refusal() {
	local complaint='NO_PUBKEY|EXPKEYSIG|BADSIG|REVKEYSIG|not signed|[Ss]um mismatch|Clearsigned file'
	local line
	if line=$(grep -m1 -E "$complaint" "$log"); then
		echo "kernel $version: apt refuses what it got: $line; see $log" >&2
		exit 1
	fi
}

# The cause stands in the first complaint, the last one only sums up.
first_error() {
	grep -m1 -E '^[EW]: Failed' "$log" || grep -m1 '^E:' "$log" || echo "see $log"
}

# The mirror that this machine takes Debian from, if it does; proxies and credentials are in apt.conf anyway.
find_mirror() {
	if [ -n "${DEBIAN_MIRROR:-}" ]; then
		echo "$DEBIAN_MIRROR"
		return
	fi
	{
		apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 2>/dev/null || true
		echo http://deb.debian.org/debian
	} | grep -m1 -E '^https?://'
}

apt_options() {
	options=(
		-oDir::State="$state/state"
		-oDir::State::status="$state/status"
		-oDir::Cache="$state/cache"
		-oDir::Etc::sourcelist="$state/sources.list"
		-oDir::Etc::sourceparts=-
		-oDir::Etc::preferences=-
		-oDir::Etc::preferencesparts=-
		-oAPT::Architecture=amd64
		-oAPT::Architectures::=amd64
		-oAPT::Update::Error-Mode=any
		-oAPT::Get::AllowUnauthenticated=false
		-oAcquire::AllowInsecureRepositories=false
		-oAcquire::Languages=none
		-oAcquire::Retries=2
		-oAcquire::http::Timeout=20
		-oAcquire::https::Timeout=20
	)
	# As root, apt would drop to a user that may not be able to write here.
	[ "$(id -u)" -ne 0 ] || options+=(-oAPT::Sandbox::User=root)
}

update_index() {
	mkdir -p "$state/state/lists/partial" "$state/cache/archives/partial"
	: >"$state/status"
	echo "deb [arch=amd64 signed-by=$keyring] $(find_mirror) $suite main" >"$state/sources.list"
	apt_options
	if ! apt-get "${options[@]}" update >"$log" 2>&1; then
		check_refusal
		cannot "$(first_error)"
	fi
}

depends_of() {
	apt-cache "${options[@]}" show --no-all-versions "$1" 2>>"$log" |
		sed -n 's/^Depends: //p' | tr ',|' '\n\n' | awk '{ print $1 }'
}

# linux-image-amd64 names the image package of the day; newer images are split into two more.
resolve_packages() {
	image=$(depends_of linux-image-amd64 | grep -m1 '^linux-image-[0-9]' || true)
	[ -n "$image" ] || cannot "$suite has no linux-image-amd64"
	release=${image#linux-image-}
	case $release in
	"$version".* | "$version"-*) ;;
	*) cannot "$suite has $release now" ;;
	esac
	mapfile -t packages < <(depends_of "$image" | grep -E '^linux-(binary|modules)-[0-9]' || true)
	packages=("$image" "${packages[@]}")
}

download_packages() {
	mkdir -p "$downloads"
	if ! (cd "$downloads" && apt-get "${options[@]}" download "${packages[@]}") >>"$log" 2>&1; then
		check_refusal
		cannot "$(first_error)"
	fi
}

extract() {
	local deb module file name
	local patterns=('*boot/vmlinuz-*' '*/vmlinuz')
	for module in "${modules[@]}"; do patterns+=("*/$module.ko*"); done
	rm -rf "$downloads/tree" "$kernel/modules"
	mkdir -p "$downloads/tree" "$kernel/modules"
	for deb in "$downloads"/*.deb; do
		# tar fails on a pattern that one of the packages does not have; what counts is checked below.
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$downloads/tree" --wildcards "${patterns[@]}" 2>/dev/null || true
	done
	file=$(find "$downloads/tree" -type f -name 'vmlinuz*' | head -n 1)
	[ -n "$file" ] || {
		echo "kernel $version: no vmlinuz in ${packages[*]}" >&2
		exit 1
	}
	cp "$file" "$kernel/bzImage"
	for module in "${!modules[@]}"; do
		file=$(find "$downloads/tree" -type f -name "${modules[module]}.ko*" | head -n 1)
		name=$(printf '%s/modules/%02d-%s.ko' "$kernel" "$module" "${modules[module]}")
		case $file in
		*.ko) cp "$file" "$name" ;;
		*.ko.xz) xz -dc "$file" >"$name" ;;
		*.ko.zst) zstd -qdc "$file" >"$name" ;;
		esac
	done
}

if [ -s "$kernel/release" ] && [ "$(cat "$kernel/wanted" 2>/dev/null)" = "${modules[*]}" ]; then
	echo "kernel $version: $(<"$kernel/release") is in $kernel"
	exit 0
fi
command -v apt-get >/dev/null || cannot "there is no apt-get on this machine"
[ -r "$keyring" ] || cannot "$keyring is missing; install debian-archive-keyring"

update_index
resolve_packages
download_packages
bytes=$(cat "$downloads"/*.deb | wc -c)
extract
rm -rf "$downloads"
echo "${modules[*]}" >"$kernel/wanted"
echo "$release" >"$kernel/release.new"
mv "$kernel/release.new" "$kernel/release"
echo "kernel $version: fetched $release from $(find_mirror) $suite ($((bytes / 1000000)) MB) into $kernel"
