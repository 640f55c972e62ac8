#!/usr/bin/env bash
# Measures and writes docs/benchmarks.md with its plots. Takes some minutes; a quiet machine gives better figures.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "bench: needs root for BPF and network namespaces: sudo make bench" >&2; exit 1; }

connects=${BENCH_CONNECTS:-40000}
work=$(mktemp -d)
id=bench$$
bpf_root=/sys/fs/bpf/swiftlet-$id
cgroup=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)/swiftlet-$id
daemon=
clean_up() {
	[ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
	[ ! -d "$bpf_root" ] || build/swiftlet cleanup --bpf-root "$bpf_root" >/dev/null
	[ ! -d "$cgroup" ] || rmdir "$cgroup"
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "bench: connects beside kube-proxy's rules"
build/swiftlet bench connect --services 1,1000,10000 --against nftables,iptables --connects "$connects" \
	--plot docs/benchmarks.svg --markdown "$work/against.md"
echo "bench: connects with many Services"
build/swiftlet bench connect --services 1,1000,50000,100000 --connects "$connects" --markdown "$work/many.md"

echo "bench: datagrams of unconnected sockets"
sends=$(for n in 1 1000 10000; do build/swiftlet bench send --services "$n"; done)

echo "bench: 10,000 Services with 10 endpoints each, from 1,000 manifests"
mkdir "$work/manifests" "$cgroup"
awk -v directory="$work/manifests" 'BEGIN {
	for (i = 0; i < 10000; i++) {
		file = directory "/" int(i / 10) ".yaml"
		name = "service-" i
		printf "apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec:\n  clusterIP: 10.96.%d.%d\n", name, i / 256, i % 256 > file
		printf "  ports: [{name: http, port: 80}]\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n" > file
		printf "metadata: {name: %s, labels: {kubernetes.io/service-name: %s}}\naddressType: IPv4\n", name, name > file
		printf "ports: [{name: http, port: 8080}]\nendpoints:\n" > file
		for (e = 0; e < 10; e++) {
			n = i * 10 + e
			printf "- {addresses: [10.%d.%d.%d], nodeName: node-%d, zone: zone-%d}\n", 128 + n / 65536, n / 256 % 256, n % 256, n % 100, n % 3 > file
		}
		printf "---\n" > file
	}
}'
build/swiftlet run --kube-proxy-replacement=true --manifests "$work/manifests" --node-name node-1 \
	--cgroup-root "$cgroup" --bpf-root "$bpf_root" 2>"$work/daemon.log" &
daemon=$!
for _ in $(seq 600); do grep -q ' ready' "$work/daemon.log" && break; sleep 0.1; done
cpu() { awk '{ print ($14 + $15) * 1000 / '"$(getconf CLK_TCK)"' }' "/proc/$daemon/stat"; }
sleep 1
before=$(cpu)
for n in $(seq 50); do
	sed -i "s/10.128.0.1\\b/10.250.0.$n/; s/10.250.0.$((n - 1))\\b/10.250.0.$n/" "$work/manifests/0.yaml"
	sleep 0.1
done
after=$(cpu)
resident=$(awk '/VmRSS/ { r = $2 } /RssAnon/ { a = $2 } END { printf "%.0f MB resident, %.0f MB of it not the program file", r / 1000, a / 1000 }' "/proc/$daemon/status")
phase() { sed -nE "s/.* $1 .* ?duration=([^ ]+).*/\1/p" "$work/daemon.log" | head -n 1; }
compile=$(sed -nE 's/.*compile=([^ ]+).*/\1/p' "$work/daemon.log" | head -n 1)

echo "bench: Services from an API server"
unshare --net sh -c 'ip link set lo up && exec build/swiftlet-lab bench-start --runs 3 \
	--generate 10000x10 10000x10:9000 100000x3 --markdown "$0"' "$work/start.md"

{
	cat <<'TEXT'
# Benchmarks

Written by `make bench`; the numbers are this machine's. Quote ratios, not times: each ratio is of medians of rounds
that took turns in one process, with a 95 % bootstrap interval. "direct ÷ direct" is the same path measured twice: what
it differs from 1 is noise.

## A connect beside the rules that kube-proxy would write

![latency and ratio for 1, 1,000 and 10,000 services](benchmarks.svg)

TEXT
	cat "$work/against.md"
	cat <<'TEXT'

`connect4` is the time of one run of the program, by the kernel's own statistics, net of an empty program's. The VIP's
run includes the record for the way back.

## A connect with many Services

TEXT
	cat "$work/many.md"
	cat <<TEXT

## A datagram of an unconnected socket

By the same statistics. Each of the VIPs has endpoints of its own, and a backend already.

\`\`\`
$sends
\`\`\`

## 10,000 Services with 10 endpoints each

From 1,000 YAML files; one change is one endpoint's address, a file of 10 Services read again.

| phase | figure |
|---|---|
| compile all | $compile |
| plan and program all maps | $(phase 'programmed the first list') |
| start to ready, reading the files included | $(phase 'ready') |
| CPU for one change, reading the file included | $(awk "BEGIN { printf \"%.1f ms\", ($after - $before) / 50 }") |
| memory after that | $resident |

## From an API server

Services × endpoints, with the fields that real objects have and nobody needs, from a plain HTTP API server on loopback, in
pages of 500; medians of three runs in turns. One change is one endpoint's address, timed from the first byte of the watch's
event to the pinned map's entry, 1,000 of them with 5 ms between; the API server and what looks at the map use the same
processors. Pending are those that find no room in maps which may not grow.

TEXT
	cat "$work/start.md"
} > docs/benchmarks.md
echo "bench: wrote docs/benchmarks.md and docs/benchmarks.svg"
