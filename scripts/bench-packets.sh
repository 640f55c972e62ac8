#!/usr/bin/env bash
# Measures packets and routed connections, and writes docs/benchmarks-packets.md. Takes some minutes; a quiet machine gives
# better figures.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "bench-packets: needs root for BPF and network namespaces: sudo make bench-packets" >&2; exit 1; }

tables=$(mktemp)
trap 'rm -f "$tables"' EXIT
build/swiftlet-lab bench-packets --markdown "$tables" "$@"
{
	cat <<'TEXT'
# Benchmarks of packets

Written by `make bench-packets`; the numbers are this machine's, with 10,000 Services of one NodePort each. Quote ratios, not
times.

- Packets: the kernel's test runs of the programs at tc, net of an empty program's, by the CPU time of the thread; medians
  of rounds that took turns. Each packet of a flow meets two programs, where it arrives and where it departs; with
  `--forwarding=redirect` one. First packets find room in the table of flows; and once more a full one, where each takes the
  place of another flow. "look-ups" is the same time in warm look-ups of a hash map of that size, measured in the same rounds.
- Connections: a client beyond a router, a node, and a backend on another node, in network namespaces; medians of rounds
  in which every way had a turn. "direct" goes straight to the backend by the same routers. Connects past swiftlet are
  bystanders: one that fails ends the run.

TEXT
	cat "$tables"
} >docs/benchmarks-packets.md
echo "bench-packets: wrote docs/benchmarks-packets.md"
