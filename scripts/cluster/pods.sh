# shellcheck shell=bash disable=SC2154,SC2034 # who sources it sets and reads variables
# To be sourced: pods as a kubelet runs them, and what the control plane says of them, in manifests that both nodes read.
declare -A pod_node=() pod_address=() pod_state=()
pod_number=0

# Where programs of a node are served: its part of cgroup2, and of the other hierarchies where they are apart.
cgroup_of() { echo "/$id/$1"; }

images_start() {
	local program
	for program in swiftlet swiftlet-lab; do
		scripts/cluster/image.py "$build/$program" "docker.io/library/$program:test" "$work/$program.tar"
		ctr_ images import --snapshotter "$snapshotter" "$work/$program.tar" >/dev/null
		rm "$work/$program.tar"
	done
}

# Overlays are quick; where the file system below allows none, each container has a copy.
choose_snapshotter() {
	mkdir -p "$work/overlay"/{lower,upper,work,merged}
	snapshotter=native
	mount -t overlay overlay -o "lowerdir=$work/overlay/lower,upperdir=$work/overlay/upper,workdir=$work/overlay/work" \
		"$work/overlay/merged" 2>/dev/null && umount "$work/overlay/merged" && snapshotter=overlayfs
	rm -rf "$work/overlay"
}

# Starts a pod on a node and waits for its first probe, which comes from the node, as the kubelet's does.
pod_start() {
	local node=$1 pod=$2 said
	ip netns add "$id-$pod"
	said=$(plugin_run ADD "$node" "$pod") || { echo "test-cluster: $(plugin_of "$node") says: $said" >&2; return 1; }
	pod_node[$pod]=$node
	pod_address[$pod]=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["ips"][0]["address"].split("/")[0])' <<<"$said")
	ctr_ run -d --snapshotter "$snapshotter" --read-only --with-ns "network:$(place "$pod")" --cgroup "$(cgroup_of "$node")/$pod" \
		docker.io/library/swiftlet-lab:test "$pod" swiftlet-lab serve --name "$pod" --tcp 8080 --udp 8080 >/dev/null
	for _ in $(seq 100); do
		at "$node" "$lab" call "${pod_address[$pod]}:8080" --timeout 500 >/dev/null && return
		sleep 0.05
	done
	echo "test-cluster: $pod does not answer its probe" >&2
	return 1
}

# Ends a pod's process at once, and takes away what it had.
pod_remove() {
	container_remove "$1" "${2:-SIGTERM}"
	plugin_run DEL "${pod_node[$1]}" "$1" >/dev/null 2>&1
	ip netns delete "$id-$1"
	unset "pod_node[$1]" "pod_address[$1]" "pod_state[$1]"
}

# As Kubernetes does: the endpoint is terminating from now on; its process ends a second later (preStop), and then it goes.
pod_terminate() {
	pod_state[$1]=terminating
	endpoints_write
	sleep 1
	unset "pod_state[$1]"
	endpoints_write
	pod_remove "$1"
}

# A new pod on a node, ready, for `web`.
pod_add() {
	pod_number=$((pod_number + 1))
	pod_start "$1" "web-$pod_number"
	pod_state[web-$pod_number]=ready
	endpoints_write
}

pods_of() { local pod; for pod in "${!pod_state[@]}"; do [ "${pod_node[$pod]}" != "$1" ] || echo "$pod"; done | sort -V; }

# MARK: What the control plane writes

put() { cat >"$work/draft"; mv "$work/draft" "$work/manifests/$1"; }

slice() {
	local service=$1 protocol=$2 pod conditions endpoints=()
	shift 2
	for pod in "$@"; do
		conditions='ready: true'
		[ "${pod_state[$pod]:-ready}" = ready ] || conditions='ready: false, serving: true, terminating: true'
		endpoints+=("{addresses: [${pod_address[$pod]}], nodeName: ${pod_node[$pod]}, conditions: {$conditions}}")
	done
	printf 'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s, labels: {kubernetes.io/service-name: %s}}\n' "$service" "$service"
	printf 'addressType: IPv4\nports: [{port: 8080, protocol: %s}]\nendpoints: [%s]\n---\n' "$protocol" "$(IFS=,; echo "${endpoints[*]}")"
}

endpoints_write() {
	{ slice web TCP "${!pod_state[@]}"; slice dns UDP "${!pod_state[@]}"; } | put web.yaml
}

# `web` by TCP and `dns` by UDP have the pods that come and go; `stay` has the two that stay, which are probed all the time.
services_write() {
	local number name protocol
	for number in 1 2; do
		printf 'apiVersion: v1\nkind: Node\nmetadata: {name: node%s}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.%s}]}\n---\n' $number $number
	done | put nodes.yaml
	number=0
	for name in web dns stay; do
		number=$((number + 1)) protocol=TCP
		[ $name != dns ] || protocol=UDP
		printf 'apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {type: LoadBalancer, clusterIP: 10.96.0.%s, ports: [{port: 80, protocol: %s, nodePort: %s}]}\n' \
			$name $((10 * number)) $protocol $((30080 + number))
		printf 'status: {loadBalancer: {ingress: [{ip: 203.0.113.%s}]}}\n---\n' $((10 * number))
	done | put services.yaml
	slice stay TCP client1 client2 | put stay.yaml
}

# MARK: swiftlet, as the DaemonSet runs it

daemon_container() {
	local node=$1 container=$2 rights volumes
	shift 2
	readarray -t rights < <(scripts/container-rights.py "$container" "$(place "$node")")
	volumes=(
		--mount "type=bind,src=/sys/fs/bpf,dst=/sys/fs/bpf,options=rbind:rw"
		--mount "type=bind,src=$work/$node/state,dst=/var/lib/swiftlet,options=rbind:rw"
		--mount "type=bind,src=$work/$node/run,dst=/run/swiftlet,options=rbind:rw"
		--mount "type=bind,src=$mount,dst=/cgroup,options=rbind:ro"
		--mount "type=bind,src=$work/manifests,dst=/manifests,options=rbind:ro"
	)
	ctr_ run --snapshotter "$snapshotter" "${rights[@]}" "${volumes[@]}" "$@"
}

daemon_start() {
	local node=$1 root="/sys/fs/bpf/$id-$1"
	: >"$work/$node/log"
	daemon_container "$node" swiftlet -d --log-uri "file://$work/$node/log" docker.io/library/swiftlet:test "swiftlet-$node" \
		swiftlet run --kube-proxy-replacement=true --manifests /manifests --node-name "$node" --bpf-root "$root" \
		--cgroup-root "/cgroup$(cgroup_of "$node")" --cluster-cidr 10.244.0.0/16 $run_flags >/dev/null
}

daemon_await() {
	for _ in $(seq 200); do grep -q ' ready' "$work/$1/log" && return; sleep 0.1; done
	echo "test-cluster: the daemon of $1 does not become ready" >&2
	cat "$work/$1/log" >&2
	return 1
}

daemons_start() {
	local node root
	for node in node1 node2; do
		root=/sys/fs/bpf/$id-$node
		mkdir -p "$work/$node/state" "$work/$node/run" "$mount$(cgroup_of $node)"
		daemon_container $node prepare --rm docker.io/library/swiftlet:test "prepare-$node" swiftlet prepare --bpf-root "$root" >/dev/null
		daemon_start $node
		daemon_container $node namespaces -d --log-uri "file://$work/$node/namespaces" docker.io/library/swiftlet:test \
			"namespaces-$node" swiftlet namespaces --bpf-root "$root" >/dev/null
	done
	for node in node1 node2; do daemon_await $node; done
}

# SIGKILL, and a new container at once, as the kubelet makes one.
daemon_kill() {
	container_remove "swiftlet-$1" SIGKILL
	daemon_start "$1"
}
