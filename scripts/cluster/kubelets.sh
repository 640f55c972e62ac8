# shellcheck shell=bash disable=SC2154,SC2034 # who sources it sets and reads variables
# To be sourced: the same with real kubelets, for machines that have the binaries of Kubernetes on PATH.
#
# It has not been run as it is here: it was written where those binaries are absent, after a cluster that was made by hand
# (kubelet and kube-proxy 1.36, containerd 1.6). Expect to mend a flag. The control plane is in the client's namespace, each node
# in its own, with a containerd and mounts of its own. Everybody is asked for a token, and the token may do everything.
kubelet_pids=()

kubelets_lack() {
	local program absent=()
	for program in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl; do
		command -v $program >/dev/null || absent+=("$program")
	done
	[ ${#absent[@]} = 0 ] || echo "not on PATH: ${absent[*]}"
}

kubelets_try() {
	local reason
	reason=$(kubelets_lack)
	[ -z "$reason" ] || { echo "skipped the part with kubelets: $reason"; return 0; }
	echo "the same with $(kubelet --version):"
	local series=() load_pids=()
	rm -f "$work/table" "$work/failed"
	kubelets_start
	kubelets_run
	load_table
}

# Starts a program that runs until the end: its log, a place, a command.
kubelets_program() {
	local log=$1 where=$2
	shift 2
	nsenter --net="$(place "$where")" "$@" >"$work/k8s/$log.log" 2>&1 &
	kubelet_pids+=($!)
}

kubelets_end() { [ ${#kubelet_pids[@]} = 0 ] || { kill "${kubelet_pids[@]}"; wait "${kubelet_pids[@]}"; kubelet_pids=(); } 2>/dev/null; }

kube() { at out kubectl --kubeconfig "$work/k8s/kubeconfig" "$@"; }

kubeconfig_write() {
	printf 'apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: "https://198.51.100.2:6443", certificate-authority: %s/ca.crt}}]\n' "$work/k8s"
	printf 'users: [{name: u, user: {token: test}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n'
}

kubelets_start() {
	local k8s=$work/k8s api=198.51.100.2
	mkdir "$k8s"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-cluster -addext "subjectAltName=IP:$api,IP:10.96.0.1" \
		-keyout "$k8s/ca.key" -out "$k8s/ca.crt" 2>/dev/null
	echo 'test,admin,1,"system:masters"' >"$k8s/tokens"
	kubeconfig_write >"$k8s/kubeconfig"
	kubelets_program etcd out etcd --data-dir "$k8s/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
	kubelets_program api out kube-apiserver --etcd-servers http://127.0.0.1:2379 --service-cluster-ip-range 10.96.0.0/16 \
		--advertise-address $api --secure-port 6443 --tls-cert-file "$k8s/ca.crt" --tls-private-key-file "$k8s/ca.key" \
		--token-auth-file "$k8s/tokens" --authorization-mode RBAC --service-account-issuer https://test \
		--service-account-key-file "$k8s/ca.key" --service-account-signing-key-file "$k8s/ca.key"
	for _ in $(seq 300); do kube get --raw /readyz >/dev/null 2>&1 && break; sleep 0.2; done
	kube get --raw /readyz >/dev/null || return 1
	kubelets_program controllers out kube-controller-manager --kubeconfig "$k8s/kubeconfig" --root-ca-file "$k8s/ca.crt" \
		--service-account-private-key-file "$k8s/ca.key"
	kubelets_program scheduler out kube-scheduler --kubeconfig "$k8s/kubeconfig"
	scripts/cluster/image.py "$lab" docker.io/library/pause:test "$k8s/pause.tar" serve --name pause --tcp 1
	scripts/cluster/image.py "$lab" docker.io/library/swiftlet-lab:test "$k8s/lab.tar"
	for node in node1 node2; do node_start $node || return 1; done
	kube wait --for=condition=Ready node --all --timeout=120s
}

# A node: containerd with the CRI, a kubelet, and kube-proxy or swiftlet. Their mounts are their own.
node_start() {
	local node=$1 home=$work/k8s/$1
	mkdir -p "$home/cni"
	plugin_settings "$node" | sed 's/^{"cniVersion": "1.0.0", "name": "pods", /{"cniVersion": "1.0.0", "name": "pods", "plugins": [{/; s/$/, {"type": "portmap", "capabilities": {"portMappings": true}}]}/' >"$home/cni/10-pods.conflist"
	cat >"$home/containerd.toml" <<-END
		version = 2
		root = "$home/root"
		state = "$home/state"
		[grpc]
		address = "$home/socket"
		[plugins."io.containerd.grpc.v1.cri"]
		sandbox_image = "docker.io/library/pause:test"
		restrict_oom_score_adj = true
		cni = { bin_dir = "$plugins", conf_dir = "$home/cni" }
		containerd = { snapshotter = "$snapshotter" }
	END
	cat >"$home/kubelet.yaml" <<-END
		{apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration, cgroupDriver: cgroupfs, failCgroupV1: false,
		 cgroupRoot: "$(cgroup_of "$node")", cgroupsPerQOS: true, enforceNodeAllocatable: [], failSwapOn: false,
		 localStorageCapacityIsolation: false, authentication: {anonymous: {enabled: true}, webhook: {enabled: false}},
		 authorization: {mode: AlwaysAllow}, containerRuntimeEndpoint: "unix://$home/socket", makeIPTablesUtilChains: false}
	END
	kubelets_program "$node-containerd" "$node" unshare --mount --propagation slave containerd --config "$home/containerd.toml"
	for _ in $(seq 100); do [ -S "$home/socket" ] && break; sleep 0.1; done
	for image in pause lab; do ctr --address "$home/socket" --namespace k8s.io images import --snapshotter "$snapshotter" "$work/k8s/$image.tar" >/dev/null || return 1; done
	kubelets_program "$node-kubelet" "$node" kubelet --config "$home/kubelet.yaml" --kubeconfig "$work/k8s/kubeconfig" \
		--hostname-override "$node" --node-ip "192.0.2.${node#node}" --root-dir "$home/kubelet"
	if command -v kube-proxy >/dev/null; then
		kubelets_program "$node-kube-proxy" "$node" kube-proxy --proxy-mode nftables --cluster-cidr 10.244.0.0/16 \
			--kubeconfig "$work/k8s/kubeconfig" --hostname-override "$node" --healthz-bind-address 0.0.0.0:10256
		proxy_pid[$node]=$!
	fi
}

declare -A proxy_pid=() swiftlet_pid=()
swiftlet_start() {
	kubelets_program "$1-swiftlet" "$1" "$build/swiftlet" run --kube-proxy-replacement=true --kubeconfig "$work/k8s/kubeconfig" \
		--node-name "$1" --bpf-root "/sys/fs/bpf/$id-k-$1" --cgroup-root "$mount$(cgroup_of "$1")" --cluster-cidr 10.244.0.0/16 \
		--state-dir "$work/k8s/$1/swiftlet" $run_flags
	swiftlet_pid[$1]=$!
}

# kube-proxy serves first where there is one; then swiftlet beside it, and takes over.
kubelets_run() {
	local node
	kube apply -f scripts/cluster/workload.yaml && kube rollout status deployment/web --timeout=120s || return 1
	if [ ${#proxy_pid[@]} -gt 0 ]; then kubelets_scenario kube-proxy scenario_rollout; fi
	for node in node1 node2; do swiftlet_start $node; done
	sleep 10
	if [ ${#proxy_pid[@]} -gt 0 ]; then kubelets_scenario takeover scenario_takeover; fi
	kubelets_scenario rollout scenario_rollout
	kubelets_scenario drain scenario_kubectl_drain
	kubelets_scenario kill scenario_kill_swiftlet
}

kubelets_scenario() {
	local name=$1
	shift
	rm -rf "$work/load"
	mkdir "$work/load"
	series=() load_pids=()
	load_one "outside, TCP: NodePorts of both nodes" out load 192.0.2.1:30091,192.0.2.2:30091 --rate "$rate" --seconds 600
	load_one "node1, TCP: ClusterIP" node1 load 10.96.9.1:80 --rate "$rate" --seconds 600
	load_one "node2, UDP: ClusterIP" node2 load 10.96.9.1:53 --udp --rate "$rate" --seconds 600
	sleep 1
	"$@"
	sleep 2
	load_stop "$name"
}

scenario_rollout() { kube rollout restart deployment/web >/dev/null && kube rollout status deployment/web --timeout=180s >/dev/null; }
scenario_kubectl_drain() {
	kube drain node2 --ignore-daemonsets --force --delete-emptydir-data --timeout=120s >/dev/null
	kube uncordon node2 >/dev/null
	scenario_rollout
}
scenario_takeover() {
	local node
	for node in node1 node2; do
		kill "${proxy_pid[$node]}"
		wait "${proxy_pid[$node]}"
		at $node "$build/swiftlet" takeover --bpf-root "/sys/fs/bpf/$id-k-$node" || touch "$work/failed"
	done
}
scenario_kill_swiftlet() {
	local node
	for node in node1 node2; do kill -9 "${swiftlet_pid[$node]}"; swiftlet_start $node; done
	scenario_rollout
}
