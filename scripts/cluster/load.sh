# shellcheck shell=bash disable=SC2154,SC2034 # who sources it sets and reads variables
# To be sourced: clients that connect all the time, and the table of what came of it. A series is a client and what it asks.
series=()
load_pids=()

# One load: a name, where it runs (a place of the network, or the container of a pod), and what swiftlet-lab is told.
load_one() {
	local name=$1 where=$2 said="$work/load/$1"
	shift 2
	series+=("$name")
	case $where in
	client*) ctr_ task exec --exec-id "load-${#series[@]}" "$where" swiftlet-lab "$@" >"$said" 2>"$said.errors" & ;;
	*)
		# On a node by a socket that the hooks serve; the kubelet's probes are made by one that they do not.
		local cgroup="$mount"
		[[ $where != node* || $name == probes* ]] || cgroup="$mount$(cgroup_of "$where")/load"
		mkdir -p "$cgroup"
		sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$cgroup" nsenter --net="$(place "$where")" "$lab" "$@" >"$said" 2>"$said.errors" & ;;
	esac
	load_pids+=($!)
}

# Begins all series. They end by a signal; the seconds are only a limit.
load_start() {
	local load=(--rate "$rate" --seconds 300 --timeout 2000) node
	rm -rf "$work/load-before"
	[ ! -d "$work/load" ] || mv "$work/load" "$work/load-before"
	mkdir "$work/load"
	series=() load_pids=()
	load_one "outside, TCP: NodePorts, load balancer" out load 192.0.2.1:30081,192.0.2.2:30081,203.0.113.10:80 "${load[@]}"
	load_one "outside, TCP: a Service that stays" out load 192.0.2.1:30083,192.0.2.2:30083,203.0.113.30:80 "${load[@]}"
	load_one "outside, UDP: NodePorts, load balancer" out load 192.0.2.1:30082,192.0.2.2:30082,203.0.113.20:80 "${load[@]}" --udp
	for node in 1 2; do
		load_one "node$node, TCP: ClusterIP, own NodePort" node$node load 10.96.0.10:80,192.0.2.$node:30081 "${load[@]}"
		load_one "pod of node$node, TCP: ClusterIP, NodePort" client$node load 10.96.0.10:80,192.0.2.1:30081 "${load[@]}"
		load_one "pod of node$node, UDP: ClusterIP" client$node load 10.96.0.20:80 "${load[@]}" --udp
		load_one "probes of node$node" node$node load "${pod_address[client$node]}:8080" --rate 8 --seconds 300 --timeout 1000
		load_one "kept UDP socket, pod of node$node" client$node call 10.96.0.20:80 --udp --same-socket --count 6000 --every 50 --timeout 200
	done
}

# What the loads run as: those in containers are children of containerd's shim, and are known by their command lines.
load_signal() {
	local node
	for node in 1 2; do
		for pid in $(cat "$mount$(cgroup_of node$node)"/*/cgroup.procs 2>/dev/null) "${load_pids[@]}"; do
			{ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -Eq '^[^ ]*swiftlet-lab (load|call) ' || continue
			kill "-$1" "$pid" 2>/dev/null || true
		done
	done
	return 0
}

load_stop() {
	load_signal TERM
	wait "${load_pids[@]}" 2>/dev/null || true
	load_pids=()
	local name
	for name in "${series[@]}"; do
		scripts/cluster/count.py "$1" "$name" "$work/load/$name" >>"$work/table" || touch "$work/failed"
	done
}

load_end() {
	[ ${#load_pids[@]} -gt 0 ] || return 0
	load_signal KILL
	wait "${load_pids[@]}" 2>/dev/null
}

load_table() {
	printf '%-8s %-44s %8s %7s  %s\n' scenario series sent failed remark
	cat "$work/table"
	[ ! -e "$work/failed" ] || { [ -z "${KEEP:-}" ] || cp -r "$work"/{load,node1,node2,manifests} "$KEEP"; echo failed; return 1; }
	echo "passed"
}
