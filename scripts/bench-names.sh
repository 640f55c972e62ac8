#!/usr/bin/env bash
# Names by DNS beside dnsmasq: the same records, one core each, questions by dnsperf from another core; what names cost in
# memory, and how long a restart leaves them unanswered. Everything is in a network namespace and a cgroup of its own, which are
# removed whatever happens. SERVICES=10000 BENCH_SECONDS=10 SWIFTLET=build/swiftlet
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "bench-names: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "needs root for BPF and network namespaces"
swiftlet=${SWIFTLET:-build/swiftlet}
[ -x "$swiftlet" ] || fail "there is no $swiftlet; run make build first"
for program in dnsperf dnsmasq dig taskset; do
	command -v "$program" >/dev/null || fail "$program is missing: apt-get install dnsperf dnsmasq-base bind9-dnsutils util-linux"
done
services=${SERVICES:-10000}
seconds=${BENCH_SECONDS:-10}
id=names-bench$$
namespace=$id
bpf_root=/sys/fs/bpf/swiftlet-$id
cgroup=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)/swiftlet-$id
work=$(mktemp -d)
daemon='' dnsmasq=''

stop() { [ -z "$1" ] || { kill "$1" && wait "$1"; } 2>/dev/null || true; }

clean_up() {
	local status=$?
	trap - EXIT
	set +e
	stop "$daemon"
	stop "$dnsmasq"
	[ ! -d "$bpf_root" ] || inside "$swiftlet" cleanup --bpf-root "$bpf_root" >/dev/null
	[ ! -d "$cgroup" ] || rmdir "$cgroup"
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
	for _ in $(seq 3000); do
		[ "$(inside dig +short +time=1 +tries=1 "@$1" "$last.default.svc.cluster.local" A)" = "$address" ] && return 0
		sleep 0.01
	done
	fail "no answer from $1"
}

resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
cpu() { awk -v ticks="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000000 / ticks }' "/proc/$1/stat"; }

# Others of the machine must not take the core of a server or of the client; where that may not be asked for, the figures say
# what was left of the cores. CPU time a question is the same either way.
alone=()
! chrt -f 1 true 2>/dev/null || alone=(chrt -f 1)

# dnsperf's line of a figure, as a number.
figure() { awk -F: -v name="$1" '$1 ~ name { split($2, words, " "); print words[1]; exit }' "$2"; }

# ask ADDRESS NAME PID: a row of the table.
ask() {
	local output=$work/$2.dnsperf before
	[ ${#alone[@]} -eq 0 ] || chrt -a -f -p 1 "$3"
	before=$(cpu "$3")
	inside "${alone[@]}" taskset -c 1 dnsperf -s "$1" -d "$work/questions" -l "$seconds" -c 16 -q 400 >"$output" 2>&1 ||
		fail "dnsperf: $(tail -1 "$output")"
	awk -v name="$2" -v rate="$(figure 'Queries per second' "$output")" -v lost="$(figure 'Queries lost' "$output")" \
		-v done="$(figure 'Queries completed' "$output")" -v latency="$(figure 'Average Latency' "$output")" \
		-v micros="$(($(cpu "$3") - before))" -v resident="$(resident "$3")" \
		'BEGIN { printf "| %s | %d | %d | %.1f | %.1f | %d |\n", name, rate, lost, latency * 1000, micros / done, resident }'
	[ ${#alone[@]} -eq 0 ] || chrt -a -o -p 0 "$3"
}

ip netns add "$namespace"
ip -n "$namespace" link set lo up
mkdir "$work/manifests" "$cgroup"
for ((number = 0; number < services; number++)); do
	low=$((number / 256 % 256)).$((number % 256)) high=$((number / 65536))
	address=10.$((100 + high)).$low last=svc-$number
	printf -- '---\napiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {clusterIP: %s, ports: [{name: http, port: 80}]}\n' \
		"$last" "$address"
	printf -- '---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s, labels: {kubernetes.io/service-name: %s}}\n' \
		"$last" "$last"
	printf 'addressType: IPv4\nports: [{name: http, port: 8080}]\nendpoints: [{addresses: [10.%d.%s]}, {addresses: [10.%d.%s]}]\n' \
		$((128 + high)) "$low" $((160 + high)) "$low"
	echo "$address $last.default.svc.cluster.local" >&3
	echo "$last.default.svc.cluster.local A" >&4
done >"$work/manifests/services.yaml" 3>"$work/hosts" 4>"$work/questions"
shuf --random-source=<(yes) -o "$work/questions" "$work/questions"

run_swiftlet() {
	: >"$work/swiftlet.log"
	nsenter --net="/run/netns/$namespace" taskset -c 0 "$swiftlet" run --kube-proxy-replacement=true \
		--manifests "$work/manifests" --node-name bench --state-dir "" --cgroup-root "$cgroup" --bpf-root "$bpf_root" \
		--devices none --healthz-bind-address none --metrics-bind-address none "$@" 2>"$work/swiftlet.log" &
	daemon=$!
}

wait_until_ready() {
	for _ in $(seq 1200); do grep -q ' ready' "$work/swiftlet.log" && return 0; sleep 0.05; done
	fail "swiftlet did not start"
}

# What names cost in memory: the same daemon without them first. Both are restarts, with all Services in the maps.
run_swiftlet
wait_until_ready
stop "$daemon"
run_swiftlet
wait_until_ready
sleep 2
without=$(resident "$daemon")
stop "$daemon"

run_swiftlet --dns-bind 127.0.0.1 --dns-upstream none
wait_until_ready
stop "$daemon"
started=${EPOCHREALTIME/./}
run_swiftlet --dns-bind 127.0.0.1 --dns-upstream none
wait_for 127.0.0.1
answered=$(((${EPOCHREALTIME/./} - started) / 1000))
wait_until_ready
sleep 2
with=$(resident "$daemon")

nsenter --net="/run/netns/$namespace" taskset -c 0 dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts \
	--addn-hosts="$work/hosts" --local=/cluster.local/ --local-ttl=5 --listen-address=127.0.0.2 --bind-interfaces --user=root \
	--pid-file="$work/dnsmasq.pid" 2>"$work/dnsmasq.log" &
dnsmasq=$!
wait_for 127.0.0.2

echo "$(nproc) CPUs, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), kernel $(uname -r); $services Services with 2 endpoints each, $seconds s"
[ ${#alone[@]} -gt 0 ] || echo "without real-time priority: others may have had a part of the cores"
echo
echo '| server | questions a second | lost | average latency, ms | CPU a question, µs | resident after it, KiB |'
echo '|---|---|---|---|---|---|'
# Each once before it counts.
ask 127.0.0.1 swiftlet "$daemon" >/dev/null
ask 127.0.0.2 dnsmasq "$dnsmasq" >/dev/null
ask 127.0.0.1 swiftlet "$daemon"
ask 127.0.0.2 dnsmasq "$dnsmasq"
echo
echo "resident without names: $without KiB, with them: $with KiB, after the questions: $(resident "$daemon") KiB: names cost $(($(resident "$daemon") - without)) KiB"
echo "after a restart names are answered within $answered ms"
