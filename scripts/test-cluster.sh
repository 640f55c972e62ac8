#!/usr/bin/env bash
# Two nodes in network namespaces, containers on them by containerd and the CNI plugins bridge and ptp, and swiftlet as their
# proxy from the image and with the rights of the DaemonSet in deploy/. Clients on nodes, in pods and beyond a router connect all
# the time, while pods are rolled, drained and killed, and daemons die. A table says what was sent and what failed; exit code 1
# when something failed that should not.
#
# Nothing is fetched. With the binaries of Kubernetes on PATH (etcd, kube-apiserver, kube-controller-manager, kube-scheduler,
# kubelet, kubectl) the same is done once more with real kubelets (scripts/cluster/kubelets.sh), and with kube-proxy the way from
# it to swiftlet and back. What is absent is skipped, and why is said.
#
#   scripts/test-cluster.sh [SCENARIO…]     base roll drain kill force; all of them without a name
#   BUILD=build RATE=40 RUN_FLAGS=--forwarding=redirect scripts/test-cluster.sh roll
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/containers.sh
. scripts/cluster/network.sh
. scripts/cluster/pods.sh
. scripts/cluster/load.sh
. scripts/cluster/kubelets.sh

build=${BUILD:-build}
lab=$build/swiftlet-lab
rate=${RATE:-40}
run_flags=${RUN_FLAGS:---pod-interfaces auto}
id=swl-$$
work=
snapshotter=native
mount=$(cgroup2)

lack() {
	local program
	for program in swiftlet swiftlet-lab; do [ -x "$build/$program" ] || { echo "there is no $build/$program; run make build lab"; return; }; done
	[ -n "$mount" ] || { echo "no cgroup2 hierarchy is mounted"; return; }
	containers_lack
	network_lack
}
reason=$(lack)
[ -z "$reason" ] || { echo "test-cluster: skipped: ${reason//$'\n'/; }"; exit 0; }
network_lack # in this shell: it finds the plugins

clean_up() {
	local status=$? path
	set +e
	trap - EXIT
	trap '' INT TERM
	load_end
	kubelets_end
	containers_stop
	network_stop
	rm -rf /sys/fs/bpf/"$id"-*
	# Deepest first, in each hierarchy.
	for path in /sys/fs/cgroup/*/"$id" /sys/fs/cgroup/"$id" "$mount/$id"; do
		[ ! -d "$path" ] || find "$path" -depth -type d -exec rmdir {} + 2>/dev/null
	done
	rm -rf --one-file-system "$work"
	exit $status
}
work=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' INT TERM

scenario_base() { sleep 4; }

# Each pod in turn: first its successor, then it goes.
scenario_roll() {
	local node pod
	for node in node1 node2; do
		for pod in $(pods_of $node); do pod_add $node; pod_terminate "$pod"; done
	done
}

# All pods of a node go at once, after others have begun elsewhere; then they come back.
scenario_drain() {
	local pod pods
	pods=$(pods_of node2)
	for pod in $pods; do pod_add node1; done
	for pod in $pods; do pod_state[$pod]=terminating; done
	endpoints_write
	sleep 1
	for pod in $pods; do unset "pod_state[$pod]"; done
	endpoints_write
	for pod in $pods; do pod_remove "$pod"; done
	sleep 1
	for pod in $(pods_of node1 | tail -n 2); do pod_add node2; pod_terminate "$pod"; done
}

# The daemons of both nodes die while a pod is on its way out, and know of it when they are back; twice on each node.
scenario_kill() {
	local node pod
	for node in node1 node2; do
		for pod in $(pods_of $node); do
			pod_add $node
			pod_state[$pod]=terminating
			daemon_kill node1
			endpoints_write
			daemon_kill node2
			daemon_await node1
			daemon_await node2
			sleep 1
			unset "pod_state[$pod]"
			endpoints_write
			pod_remove "$pod"
		done
	done
}

# `kubectl delete --force --grace-period=0`: the endpoint goes, and its process in the same moment.
scenario_force() {
	local pod
	for pod in $(pods_of node1 | head -n 1) $(pods_of node2 | head -n 1); do
		local node=${pod_node[$pod]}
		pod_add "$node"
		unset "pod_state[$pod]"
		endpoints_write
		pod_remove "$pod" SIGKILL
		sleep 1
	done
}

main() {
	local scenario scenarios=("$@")
	[ ${#scenarios[@]} -gt 0 ] || scenarios=(base roll drain kill force)
	for scenario in "${scenarios[@]}"; do
		declare -F "scenario_$scenario" >/dev/null || { echo "test-cluster: there is no scenario $scenario; say base, roll, drain, kill or force" >&2; exit 2; }
	done
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
	mkdir "$work/manifests"
	choose_snapshotter
	containers_start
	network_start
	images_start
	for node in node1 node2; do mkdir -p "$mount$(cgroup_of $node)"; done
	pod_start node1 client1
	pod_start node2 client2
	services_write
	for node in node1 node1 node2 node2; do pod_add $node; done
	daemons_start
	echo "two nodes (CNI bridge, ptp), containerd with $snapshotter, swiftlet with the rights of deploy/swiftlet.yaml, $run_flags"
	for scenario in "${scenarios[@]}"; do
		load_start
		sleep 1
		scenario_"$scenario"
		sleep 2
		load_stop "$scenario"
	done
	load_table
}

# Neither stands before || or in a condition: there a step that fails would not end it.
main "$@"
kubelets_try
