#!/usr/bin/env bash
# The demo: three echo pods, the manifests of examples/, and what swiftlet makes of them. Everything happens in
# network namespaces, a cgroup and a bpffs directory of its own, which are removed whatever happens.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo "demo: needs root for BPF and network namespaces: sudo scripts/demo.sh" >&2; exit 1; }
for program in swiftlet swiftlet-lab; do
	[ -x "build/$program" ] || { echo "demo: there is no build/$program; run make build lab first" >&2; exit 1; }
done

id=demo$$
swiftlet=$PWD/build/swiftlet
lab=$PWD/build/swiftlet-lab
bpf_root=/sys/fs/bpf/swiftlet-$id
cgroup_mount=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
[ -n "$cgroup_mount" ] || { echo "demo: no cgroup2 hierarchy: mount -t cgroup2 none /sys/fs/cgroup/unified" >&2; exit 1; }
cgroup=$cgroup_mount/swiftlet-$id
work=$(mktemp -d)
pids=()

clean_up() {
	local status=$?
	set +e
	trap - EXIT
	trap '' INT TERM
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
	[ -d "$bpf_root" ] && "$swiftlet" cleanup --bpf-root "$bpf_root" >/dev/null
	for namespace in node pod1 pod2 pod3 outside; do ip netns del "$namespace-$id" 2>/dev/null; done
	for _ in 1 2 3 4 5; do rmdir "$cgroup" 2>/dev/null && break; [ -d "$cgroup" ] || break; sleep 0.2; done
	if [ $status -ne 0 ] && [ -s "$work/daemon.log" ]; then
		echo "demo: failed; the daemon's log ends with:" >&2
		tail -20 "$work/daemon.log" >&2
	fi
	rm -rf "$work"
	exit $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Colours only for a terminal that wants them.
bold='' faint='' plain=''
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] && bold=$'\033[1m' faint=$'\033[2m' plain=$'\033[0m'
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '  %s\n' "$*"; }
show() { printf '  %s$ %s%s\n' "$faint" "$1" "$plain"; shift; "$@" 2>&1 | sed 's/^/    /'; }

# The same for many calls: only the line that sums them up.
summary() { printf '  %s$ %s%s\n' "$faint" "$1" "$plain"; shift; "$@" -o text | tail -n 1 | sed 's/^/    /'; }

# Runs a command in a namespace and in the demo's cgroup, as a container runtime would.
join='echo $$ > "$0/cgroup.procs" && exec "$@"'
inside() {
	local namespace=$1
	shift
	nsenter --net="/run/netns/$namespace-$id" sh -c "$join" "$cgroup" "$@"
}

# The same with the resolv.conf that a kubelet writes for a pod of the namespace default.
named() {
	local namespace=$1
	shift
	inside "$namespace" unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$work/resolv.conf" "$@"
}

# The address of a name, as the resolver of the C library finds it.
resolve() { named "$1" getent ahostsv4 "$2" | awk '{ print $1; exit }'; }

# The same in the background; the process ends with the demo.
start() {
	local namespace=$1
	shift
	nsenter --net="/run/netns/$namespace-$id" sh -c "$join" "$cgroup" "$@" >/dev/null 2>>"$work/pods.log" &
	pids+=($!)
}

# A namespace on a veth pair from the node, with one address, as a CNI would make it.
connect_to_node() {
	local namespace=$1 node_address=$2 address=$3
	ip netns add "$namespace-$id"
	ip -n "$namespace-$id" link set lo up
	ip -n "node-$id" link add "$namespace" type veth peer name eth0 netns "$namespace-$id"
	ip -n "node-$id" address add "$node_address/32" dev "$namespace"
	ip -n "node-$id" link set "$namespace" up
	ip -n "node-$id" route add "$address" dev "$namespace" src "$node_address"
	ip -n "$namespace-$id" address add "$address/32" dev eth0
	ip -n "$namespace-$id" link set eth0 up
	ip -n "$namespace-$id" route add "$node_address" dev eth0
	ip -n "$namespace-$id" route add default via "$node_address"
}

wait_for() {
	for _ in $(seq 100); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "demo: gave up waiting for: $*" >&2
	return 1
}

title "1. A node, three pods and a host outside: network namespaces of our own"
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
mkdir "$cgroup"
ip netns add "node-$id"
ip -n "node-$id" link set lo up
nsenter --net="/run/netns/node-$id" sysctl -qw net.ipv4.ip_forward=1
for n in 1 2 3; do
	connect_to_node "pod$n" 10.244.0.1 10.244.0.1$n
	start "pod$n" "$lab" serve --name "pod-$n" --tcp 8080 --tcp 9090 --udp 8080
done
connect_to_node outside 192.0.2.1 192.0.2.53
start outside "$lab" serve --name external-database --tcp 8080
for n in 1 2 3; do wait_for inside node "$lab" call "10.244.0.1$n:8080" --timeout 500; done
say "three echo pods: 10.244.0.11, .12 and .13, port 8080; a database outside the node: 192.0.2.53:8080"

title "2. Load the datapath and serve the manifests in examples/"
cp -r examples "$work/manifests"
printf '  %s$ %s%s\n' "$faint" \
	"swiftlet run --kube-proxy-replacement=true --manifests examples --node-name demo-node --dns-bind 10.244.0.1 --dns-service-ip 10.96.0.10" "$plain"
nsenter --net="/run/netns/node-$id" "$swiftlet" run --kube-proxy-replacement=true --manifests "$work/manifests" \
	--node-name demo-node --cgroup-root "$cgroup" --bpf-root "$bpf_root" \
	--dns-bind 10.244.0.1 --dns-service-ip 10.96.0.10 2> "$work/daemon.log" &
pids+=($!)
wait_for grep -q ' ready' "$work/daemon.log"
printf 'nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n' >"$work/resolv.conf"
sed 's/^/    /' "$work/daemon.log"

title "3. Requests spread over the pods"
summary "call 10.96.0.15:80, 300 times, from the node" inside node "$lab" call 10.96.0.15:80 --count 300
summary "call 10.96.0.15:80, 300 times, from pod-1" inside pod1 "$lab" call 10.96.0.15:80 --count 300
show "call 10.96.0.16:53, UDP without connect(2): the reply comes from the Service address" \
	inside node "$lab" call 10.96.0.16:53 --udp --unconnected -o text

title "4. By name: DNS at 10.96.0.10, a Service like any other"
show "getent ahostsv4 my-api, in pod-1" named pod1 getent ahostsv4 my-api
summary "call my-api:80, 300 times, from pod-1" inside pod1 "$lab" call "$(resolve pod1 my-api):80" --count 300
show "getent ahostsv4 headless, in pod-1: each pod" named pod1 getent ahostsv4 headless
summary "call headless:8080, from pod-1" inside pod1 "$lab" call "$(resolve pod1 headless):8080"

title "5. Session affinity sticks: one pod for each client"
summary "call 10.96.0.17:80, 20 times, from the node" inside node "$lab" call 10.96.0.17:80 --count 20
summary "call 10.96.0.17:80, 20 times, from pod-1" inside pod1 "$lab" call 10.96.0.17:80 --count 20
summary "call 10.96.0.17:80, 20 times, from pod-2" inside pod2 "$lab" call 10.96.0.17:80 --count 20

title "6. A NodePort, on the node's address and on loopback; a Service that leads outside"
summary "call 192.0.2.1:30080, 30 times" inside node "$lab" call 192.0.2.1:30080 --count 30
summary "call 127.0.0.1:30080, 30 times" inside node "$lab" call 127.0.0.1:30080 --count 30
summary "call 10.96.0.19:80" inside node "$lab" call 10.96.0.19:80

title "7. A Service without a ready endpoint is refused at once, and says why"
show "call 10.96.0.20:80" inside node "$lab" call 10.96.0.20:80 --expect refused -o text
show "swiftlet services no-endpoints" "$swiftlet" services no-endpoints --bpf-root "$bpf_root"

title "8. All the Services"
show "swiftlet services" "$swiftlet" services --bpf-root "$bpf_root"

layout=$(basename "$bpf_root"/v*)
title "9. What the kernel holds, with plain bpftool"
show "bpftool map dump pinned $bpf_root/$layout/maps/backends4" \
	sh -c "bpftool map dump pinned $bpf_root/$layout/maps/backends4 | head -34; echo '…'"

title "10. What a connect costs"
show "swiftlet bench connect --connects 4000" "$swiftlet" bench connect --connects 4000

title "Done: everything that the demo made is removed again."
