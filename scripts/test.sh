#!/usr/bin/env bash
# Runs the tests: all tiers, or one of pure, kernel, e2e. Says first what this machine cannot run, and why.
set -euo pipefail
cd "$(dirname "$0")/.."

tier=${1:-all}
declare -A targets=(
	# What computes or waits for programs holds the threads that answer others' clients: it runs before them.
	[compute]='ServiceModelTests|ScenarioTests|ServiceMapsTests|KubernetesObjectsTests|FuzzTests|SettingsTests|SwiftletDaemonTests|TakeoverTests|NameServerTests'
	[pure]='ManifestDirectoryTests|ObservabilityTests|KubernetesAPITests'
	[kernel]='BPFLoaderTests|DatapathTests'
	[e2e]='EndToEndTests'
)
# A second process beside the tier's own, where tests run one at a time.
declare -A besides=([kernel]='NodeNetworkTests|SocketDestroyTests|PacketTests|ConnectBenchmarkTests')
for path in Tests/*Tests; do
	[[ "${targets[*]} ${besides[*]}" == *"${path##*/}"* ]] || { echo "test: $path belongs to no tier of scripts/test.sh" >&2; exit 2; }
done
case $tier in
all) tiers=(compute pure kernel e2e) ;;
pure) tiers=(compute pure) ;;
kernel | e2e) tiers=("$tier") ;;
*) echo "test: unknown tier $tier; say pure, kernel or e2e" >&2; exit 2 ;;
esac

if [ "$(id -u)" != 0 ]; then
	echo "test: not root: the kernel and end-to-end tests will be skipped (they load BPF programs and make namespaces)"
elif ! grep -q ' - cgroup2 ' /proc/self/mountinfo; then
	echo "test: no cgroup2 hierarchy is mounted: tests that attach programs will be skipped"
else
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || echo "test: bpffs cannot be mounted: tests that pin will be skipped"
fi

# A test process that was killed cannot clean up. What the tests make carries their process id: swl-PID-….
sweep() {
	local path pid mount
	declare -A left=()
	mount=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
	for path in "$mount"/swl-* /sys/fs/bpf/swl-* /run/netns/swl-* /run/swiftlet/sys-fs-bpf-swl-* "${TMPDIR:-/tmp}"/swl-*; do
		[[ $path =~ swl-([0-9]+)- ]] && [ -e "$path" ] || continue
		pid=${BASH_REMATCH[1]}
		[ -d "/proc/$pid" ] && continue
		left[$pid]=$((${left[$pid]:-0} + 1))
		case $path in
		/run/netns/*)
			for pid in $(ip netns pids "${path##*/}"); do kill -9 "$pid" 2>/dev/null || true; done
			ip netns delete "${path##*/}" || true ;;
		"$mount"/*)
			for pid in $(cat "$path/cgroup.procs" 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
			for _ in 1 2 3 4 5 6 7 8 9 10; do rmdir "$path" 2>/dev/null && break; sleep 0.1; done ;;
		*) rm -rf "$path" ;;
		esac
	done
	for pid in "${!left[@]}"; do echo "test: removed ${left[$pid]} things that process $pid had left"; done
}
if [ "$(id -u)" = 0 ]; then
	sweep
fi

# What went wrong, once more at the end: it may be thousands of lines further up.
output=$(mktemp) beside=$(mktemp)
trap 'rm -f "$output" "$beside"; [ "$(id -u)" != 0 ] || sweep' EXIT
explain() {
	echo "test: tier $tier failed:"
	grep -hE 'Fatal error|Program crashed|^✘' "$output" "$beside" | head -40
	grep -hA 12 ' crashed:$' "$output" "$beside" | cut -c1-200 || true
}

# Programs of packages that would start a service; the tests say themselves when one is missing.
case $tier in all | pure) scripts/tool.sh promtool prometheus || true ;; esac
case $tier in all | e2e) scripts/tool.sh ctr containerd || true ;; esac
PATH=$PATH:$PWD/build/tools

# Kernel tests change what belongs to the whole process, such as its cgroup and its descriptors: one at a time in each.
run() {
	local how=()
	[ "$tier" != kernel ] || how=(--no-parallel)
	swift test --skip-build "${how[@]}" --filter "^($1)\\." 2>&1
}

# The same past SwiftPM, of which only one may run.
run_beside() {
	"$(swift build --show-bin-path)/swiftletPackageTests.xctest" --testing-library swift-testing --no-parallel \
		--filter "^($1)\\." >"$beside" 2>&1 &
	second=$!
}

swift build --build-tests
for tier in "${tiers[@]}"; do
	echo "test: tier $tier"
	failed=0 second=
	: >"$beside"
	[ -z "${besides[$tier]:-}" ] || run_beside "${besides[$tier]}"
	run "${targets[$tier]}" | tee "$output" || failed=1
	if [ -n "$second" ]; then
		wait "$second" || failed=1
		cat "$beside"
	fi
	[ "$failed" = 0 ] || { explain; exit 1; }
done
