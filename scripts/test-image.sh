#!/usr/bin/env bash
# Runs the image in containerd under the rights of the DaemonSet in deploy/swiftlet.yaml: its init container, then the
# daemon and its probe, and the container that enters pods' network namespaces, which must lead a pod's UDP socket away
# from an endpoint that is gone. SECCOMP=1 adds the runtime's default filter of system calls, as a kubelet with seccompDefault
# does; the manifest asks for none. Exit code 77: cannot be tried here, and why.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/containers.sh

skip() { echo "$*"; exit 77; }
fail() { echo "test-image: $*" >&2; exit 1; }
lack=$(containers_lack)
[ -z "$lack" ] || skip "$lack"
image=$(ls -t build/swiftlet-*.oci.tar 2>/dev/null | head -n 1 || true)
[ -n "$image" ] || fail "there is no image; run make image"
lab=${LAB:-build/swiftlet-lab}

id=swl-$$-image
work=$(mktemp -d)
bpf_root=/sys/fs/bpf/$id
mount=$(cgroup2)
[ -n "$mount" ] || skip "no cgroup2 hierarchy is mounted"
pods=()
clean_up() {
	local status=$?
	set +e
	trap - EXIT
	[ ${#pods[@]} = 0 ] || { kill "${pods[@]}"; kill -CONT "${pods[@]}"; wait "${pods[@]}"; } 2>/dev/null
	containers_stop
	rm -rf "$bpf_root"
	for place in $id $id-pod $id-endpoints; do ip netns delete $place 2>/dev/null; done
	rmdir "$mount/$id" 2>/dev/null
	# What containerd mounted is gone with its tasks, or this stops at it.
	rm -rf --one-file-system "$work"
	exit $status
}
trap clean_up EXIT

mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
mkdir -p "$work/state" "$work/run" "$work/manifests" "$mount/$id"
cp examples/*.yaml "$work/manifests"
ip netns add $id
ip -n $id link set lo up
containers_start || skip "containerd does not start: $(tail -n 1 "$work/containerd.log")"

ctr_ images import --snapshotter native "$image" >/dev/null
name=$(ctr_ images list -q | head -n 1)
volumes=(
	--mount "type=bind,src=/sys/fs/bpf,dst=/sys/fs/bpf,options=rbind:rw"
	--mount "type=bind,src=$work/state,dst=/var/lib/swiftlet,options=rbind:rw"
	--mount "type=bind,src=$work/run,dst=/run/swiftlet,options=rbind:rw"
)
# Starts a container of the DaemonSet: its name, further flags of ctr, `--`, and a command.
start() {
	local container=$1 rights flags=()
	shift
	while [ "$1" != -- ]; do flags+=("$1"); shift; done
	shift
	readarray -t rights < <(scripts/container-rights.py "$container" "/run/netns/$id")
	[ ${#rights[@]} -gt 0 ] || fail "the rights of $container are not known"
	[ -z "${SECCOMP:-}" ] || rights+=(--seccomp)
	ctr_ run --snapshotter native "${rights[@]}" "${volumes[@]}" "${flags[@]}" "$name" "$container" "$@"
}
await() { for _ in $(seq 150); do grep -q "$1" "$work/$2" 2>/dev/null && return; sleep 0.1; done; cat "$work/$2" >&2; return 1; }

start prepare --rm -- /usr/local/bin/swiftlet prepare --bpf-root "$bpf_root" >/dev/null || fail "the init container failed"
start swiftlet -d --mount "type=bind,src=$mount,dst=/cgroup,options=rbind:ro" \
	--mount "type=bind,src=$work/manifests,dst=/manifests,options=rbind:ro" --log-uri "file://$work/log" -- \
	/usr/local/bin/swiftlet run --kube-proxy-replacement=true --manifests /manifests --node-name demo-node \
	--bpf-root "$bpf_root" --cgroup-root "/cgroup/$id"
await ' ready' log || fail "the daemon in the container did not become ready"
# It listens a moment after it is ready.
for _ in $(seq 50); do
	probe=$(nsenter --net=/run/netns/$id bash -c 'exec 3<>/dev/tcp/127.0.0.1/10256 && printf "GET /livez HTTP/1.0\r\n\r\n" >&3 && head -n 1 <&3' 2>/dev/null || true)
	[[ $probe == *" 200 "* ]] && break
	sleep 0.1
done
[[ $probe == *" 200 "* ]] || fail "the liveness probe got: $probe"
maps=("$bpf_root"/v*/maps/*)
[ -e "${maps[0]}" ] || fail "the daemon in the container pinned no maps"

# A pod with one UDP socket, connected once; it looks at no error. Its endpoint goes as with its node: nobody tells it.
serve_dns() {
	printf 'apiVersion: v1\nkind: Service\nmetadata: {name: stay}\nspec: {clusterIP: 10.96.7.53, ports: [{port: 53, protocol: UDP}]}\n---\n'
	printf 'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: stay, labels: {kubernetes.io/service-name: stay}}\n'
	printf 'addressType: IPv4\nports: [{port: 8080, protocol: UDP}]\nendpoints: [{addresses: [%s]}]\n' "$1"
}
put() { serve_dns "$1" >"$work/draft.yaml"; mv "$work/draft.yaml" "$work/manifests/stay.yaml"; }
in_pod() { nsenter --net="/run/netns/$id-pod" sh -c 'echo $$ >"$0" && exec "$@"' "$mount/$id/cgroup.procs" "$@"; }
make_pods() {
	local place address
	for place in $id-pod $id-endpoints; do ip netns add $place; ip -n $place link set lo up; done
	ip -n $id-pod link add eth0 type veth peer name eth0 netns $id-endpoints
	for place in $id-pod $id-endpoints; do ip -n $place link set eth0 up; done
	ip -n $id-pod address add 10.244.7.1/24 dev eth0
	ip -n $id-pod route add default via 10.244.7.11
	for address in 10.244.7.11 10.244.7.12; do ip -n $id-endpoints address add $address/24 dev eth0; done
	for address in 10.244.7.11 10.244.7.12; do
		nsenter --net=/run/netns/$id-endpoints "$lab" serve --name "$address" --address "$address" --udp 8080 >"$work/$address" &
		pods+=($!)
		await ready "$address" || fail "an endpoint does not start"
	done
}
leave_dead_endpoint() {
	local said
	put 10.244.7.11
	for _ in $(seq 50); do
		in_pod "$lab" call 10.96.7.53:53 --udp --timeout 200 >/dev/null 2>&1 && break
		sleep 0.1
	done
	# 60 datagrams, of which 20 are sent before the endpoint goes; each that is lost takes 0.2 s.
	in_pod "$lab" call 10.96.7.53:53 --udp --same-socket --count 60 --every 100 --timeout 100 >"$work/said.json" &
	said=$!
	sleep 2
	# It says nothing any more, as the pods of a node that has died.
	kill -STOP "${pods[0]}"
	put 10.244.7.12
	wait $said || true
	python3 - "$work/said.json" <<-'END'
		import json, sys
		attempts = json.load(open(sys.argv[1]))["attempts"]
		pods = [each["pod"] if each["result"] == "ok" else None for each in attempts]
		after = pods.index("10.244.7.12") if "10.244.7.12" in pods else None
		print(f"{pods.count('10.244.7.11')} answers of the first endpoint, {pods.count('10.244.7.12')} of the next, "
		      f"{pods.count(None)} datagrams lost between, in {pods.count(None) * 0.2:.1f} s")
		sys.exit(after is None or None in pods[after:] or "10.244.7.11" not in pods)
	END
}
start namespaces -d --log-uri "file://$work/namespaces.log" -- /usr/local/bin/swiftlet namespaces --bpf-root "$bpf_root"
await 'ready: asked' namespaces.log || fail "the container that enters namespaces did not become ready"
held=$(grep -h '^Cap\(Eff\|Prm\|Bnd\):\|^Seccomp:' "/proc/$(ctr_ task list | awk '$1 == "namespaces" { print $2 }')/status" | awk '{ print $2 }' | sort -u | xargs)
[ -x "$lab" ] || fail "there is no $lab; run make lab"
make_pods
moved=$(leave_dead_endpoint) || fail "a pod's connected UDP socket did not leave a dead endpoint: $moved"
[ "$held" = "0000000000280000 2" ] || fail "swiftlet namespaces has other rights than two capabilities and a filter: $held"

ctr_ task kill -s SIGTERM swiftlet
for _ in $(seq 100); do ctr_ task list | grep -q "swiftlet .*STOPPED" && break; sleep 0.1; done
grep -q stopped "$work/log" || fail "the daemon in the container did not stop in time"
echo "prepared, ready, probed, ${#maps[@]} maps, stopped, with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
echo "with CAP_SYS_ADMIN and CAP_SYS_PTRACE, a connected UDP socket of a pod: $moved"
