#!/usr/bin/env bash
# Names by DNS beside dnsmasq: the same records, one core each, questions by dnsperf from another core. Everything is in a
# network namespace of its own, which is removed whatever happens. SERVICES=10000 BENCH_SECONDS=10 SWIFTLET=build/swiftlet
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "bench-names: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "needs root for network namespaces"
swiftlet=${SWIFTLET:-build/swiftlet}
[ -x "$swiftlet" ] || fail "there is no $swiftlet; run make build first"
for program in dnsperf dnsmasq dig taskset; do
	command -v "$program" >/dev/null || fail "$program is missing: apt-get install dnsperf dnsmasq-base bind9-dnsutils util-linux"
done
services=${SERVICES:-10000}
seconds=${BENCH_SECONDS:-10}
namespace=names-bench$$
work=$(mktemp -d)
pids=()

clean_up() {
	local status=$?
	trap - EXIT
	set +e
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
	ip netns del "$namespace" 2>/dev/null
	[ $status -eq 0 ] || tail -5 "$work"/*.log >&2
	rm -rf "$work"
	exit $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

inside() { nsenter --net="/run/netns/$namespace" "$@"; }

# One answer, so that a server is known to be there.
wait_for() {
	for _ in $(seq 300); do
		[ "$(inside dig +short +time=1 +tries=1 "@$1" "svc-0.default.svc.cluster.local" A)" = 10.100.0.0 ] && return 0
		sleep 0.2
	done
	fail "no answer from $1"
}

resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

# dnsperf's line of a figure, as a number.
figure() { awk -F: -v name="$1" '$1 ~ name { split($2, words, " "); print words[1]; exit }' "$2"; }

ask() {
	local server=$1 output=$work/$2.dnsperf
	inside taskset -c 1 dnsperf -s "$server" -d "$work/questions" -l "$seconds" -c 16 -q 400 >"$output" 2>&1 || fail "dnsperf: $(tail -1 "$output")"
	printf '| %s | %.0f | %s | %.2f | %d |\n' "$2" "$(figure 'Queries per second' "$output")" \
		"$(figure 'Queries lost' "$output")" "$(figure 'Average Latency' "$output" | awk '{ print $1 * 1000 }')" "$(resident "$3")"
}

ip netns add "$namespace"
ip -n "$namespace" link set lo up
mkdir "$work/manifests" "$work/none"
: >"$work/hosts"
for ((number = 0; number < services; number++)); do
	address=10.$((100 + number / 65536)).$((number / 256 % 256)).$((number % 256))
	name=svc-$number
	printf -- '---\napiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {clusterIP: %s, ports: [{name: http, port: 80}]}\n' \
		"$name" "$address" >>"$work/manifests/services.yaml"
	echo "$address $name.default.svc.cluster.local" >>"$work/hosts"
	echo "$name.default.svc.cluster.local A" >>"$work/questions"
done
shuf --random-source=<(yes) -o "$work/questions" "$work/questions"

run_swiftlet() {
	nsenter --net="/run/netns/$namespace" taskset -c 0 "$swiftlet" run --kube-proxy-replacement=false --manifests "$work/manifests" --node-name bench \
		--state-dir "" --bpf-root "/sys/fs/bpf/$namespace" --healthz-bind-address none --metrics-bind-address none \
		"$@" 2>"$work/swiftlet.log" &
	pids+=($!)
	for _ in $(seq 600); do grep -q ' ready' "$work/swiftlet.log" && return 0; sleep 0.1; done
	fail "swiftlet did not start"
}

# What names cost in memory: the same daemon without them first.
run_swiftlet
sleep 2
without=$(resident "${pids[-1]}")
kill "${pids[-1]}"
wait "${pids[-1]}" || true
unset 'pids[-1]'

run_swiftlet --dns-bind 127.0.0.1 --dns-upstream none
nsenter --net="/run/netns/$namespace" taskset -c 0 dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --addn-hosts="$work/hosts" \
	--local=/cluster.local/ --local-ttl=5 --listen-address=127.0.0.2 --bind-interfaces --user=root \
	--pid-file="$work/dnsmasq.pid" 2>"$work/dnsmasq.log" &
pids+=($!)
wait_for 127.0.0.1
wait_for 127.0.0.2

echo "$(nproc) CPUs, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), kernel $(uname -r), $services Services, $seconds s each"
echo
echo '| server | questions a second | lost | average latency, ms | resident after it, KiB |'
echo '|---|---|---|---|---|'
# Each once before it counts.
ask 127.0.0.1 swiftlet "${pids[0]}" >/dev/null
ask 127.0.0.2 dnsmasq "${pids[1]}" >/dev/null
ask 127.0.0.1 swiftlet "${pids[0]}"
ask 127.0.0.2 dnsmasq "${pids[1]}"
echo
echo "swiftlet without names: $without KiB resident; names cost $(($(resident "${pids[0]}") - without)) KiB"
