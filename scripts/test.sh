#!/usr/bin/env bash
# Runs the tests: all tiers, or one of pure, kernel, e2e. Says first what this machine cannot run, and why.
set -euo pipefail
cd "$(dirname "$0")/.."

tier=${1:-all}
pure='ServiceModelTests|ServiceMapsTests|ManifestDirectoryTests|ConnectBenchmarkTests|SwiftletDaemonTests'
kernel='BPFLoaderTests|ServiceMapsTests|DatapathTests'
e2e='EndToEndTests'

if [ "$(id -u)" != 0 ]; then
	echo "test: not root: the kernel and end-to-end tests will be skipped (they load BPF programs and make namespaces)"
elif ! grep -q ' - cgroup2 ' /proc/self/mountinfo; then
	echo "test: no cgroup2 hierarchy is mounted: tests that attach programs will be skipped"
else
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || echo "test: bpffs cannot be mounted: tests that pin will be skipped"
fi

case $tier in
all) filter=() ;;
pure) filter=(--filter "$pure") ;;
kernel) filter=(--filter "$kernel") ;;
e2e) filter=(--filter "$e2e") ;;
*) echo "test: unknown tier $tier; say pure, kernel or e2e" >&2; exit 2 ;;
esac
exec swift test "${filter[@]}"
