#!/usr/bin/env bash
# Compiles the datapath with every clang from 14 on that is installed, has a daemon load and attach what came out in a network
# namespace and a cgroup of its own, and asks a Service. As root, after make build lab.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "test-clangs: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root for BPF and network namespaces"
[ -x build/swiftlet ] && [ -x build/swiftlet-lab ] || fail "there are no programs in build/; run make build lab"
cgroup_mount=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
[ -n "$cgroup_mount" ] || fail "no cgroup2 hierarchy is mounted"

name=swl-clang-$$
cgroup=$cgroup_mount/$name
bpf_root=/sys/fs/bpf/$name
log=$(mktemp)
daemon=
stop_daemon() {
	[ -n "$daemon" ] || return 0
	kill "$daemon" 2>/dev/null || true
	wait "$daemon" 2>/dev/null || true
	daemon=
}
clean_up() {
	local status=$?
	trap - EXIT
	stop_daemon
	[ ! -d "$bpf_root" ] || inside build/swiftlet cleanup --bpf-root "$bpf_root" >/dev/null || true
	ip netns del "$name" 2>/dev/null || true
	rmdir "$cgroup" 2>/dev/null || true
	rm -f "$log"
	exit $status
}
trap clean_up EXIT

inside() { nsenter --net="/run/netns/$name" "$@"; }
mkdir "$cgroup"
ip netns add "$name"
ip -n "$name" link set lo up
# The node address of examples/, so that the programs at tc are loaded and attached too.
ip -n "$name" link add eth0 type veth peer name peer
ip -n "$name" address add 192.0.2.1/24 dev eth0
ip -n "$name" link set eth0 up
ip -n "$name" link set peer up

tried=0
for version in $(seq 14 30); do
	command -v "clang-$version" >/dev/null || continue
	make -s bpf BPF_CLANG="clang-$version" BPF_OUT="build/clang-$version"
	# Not by the function: what is killed must be the daemon.
	nsenter --net="/run/netns/$name" build/swiftlet-lab other-build --objects "build/clang-$version" --manifests examples --node-name demo-node \
		--cgroup-root "$cgroup" --bpf-root "$bpf_root" 2>"$log" &
	daemon=$!
	for _ in $(seq 100); do grep -q ' ready' "$log" && break; kill -0 "$daemon" 2>/dev/null || break; sleep 0.1; done
	inside build/swiftlet status --bpf-root "$bpf_root" >"$log.status" 2>&1 || true
	said=$(cat "$log.status")
	rm -f "$log.status"
	grep -q 'probe: *OK' <<<"$said" || fail "clang-$version: a Service does not answer: $(tail -n 3 "$log") $said"
	grep -q '^eth0 .*outside' <<<"$said" || fail "clang-$version: nothing is attached at tc: $said"
	stop_daemon
	inside build/swiftlet cleanup --bpf-root "$bpf_root" >/dev/null
	echo "passed clang-$version: $(du -cb build/clang-"$version"/{sock,tc}.bpf.o | awk 'END { print $1 }') bytes of programs"
	tried=$((tried + 1))
done
[ $tried -gt 0 ] || fail "no clang-14 or newer is installed under its version's name"
echo "test-clangs: $tried passed, kernel $(uname -r)"
