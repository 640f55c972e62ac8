#!/usr/bin/env bash
# Runs the image in containerd under the rights of the DaemonSet in deploy/swiftlet.yaml: its init container, then the
# daemon, then its probe. containerd is one of our own, with a socket and directories of its own. Exit code 77: cannot be
# tried here, and why.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { echo "$*"; exit 77; }
fail() { echo "test-image: $*" >&2; exit 1; }
for tool in containerd ctr runc; do command -v $tool >/dev/null || skip "$tool is not installed"; done
[ "$(id -u)" = 0 ] || skip "needs root"
image=$(ls -t build/swiftlet-*.oci.tar 2>/dev/null | head -n 1 || true)
[ -n "$image" ] || fail "there is no image; run make image"

id=swl-$$-image
work=$(mktemp -d)
bpf_root=/sys/fs/bpf/$id
mount=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
[ -n "$mount" ] || skip "no cgroup2 hierarchy is mounted"
daemon=
clean_up() {
	local status=$?
	set +e
	trap - EXIT
	for task in swiftlet prepare status; do
		ctr_ task kill -s SIGKILL $task
		ctr_ task delete $task
		ctr_ container delete $task
	done >/dev/null 2>&1
	[ -z "$daemon" ] || { kill "$daemon"; wait "$daemon"; } 2>/dev/null
	rm -rf "$bpf_root"
	ip netns delete $id 2>/dev/null
	rmdir "$mount/$id" 2>/dev/null
	# What containerd mounted is gone with its tasks, or this stops at it.
	rm -rf --one-file-system "$work"
	exit $status
}
trap clean_up EXIT
ctr_() { ctr --address "$work/socket" "$@"; }

mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
mkdir -p "$work/state" "$work/run" "$work/manifests" "$mount/$id"
cp examples/*.yaml "$work/manifests"
ip netns add $id
ip -n $id link set lo up
printf 'version = 2\nroot = "%s/root"\nstate = "%s/run-state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "%s/socket"\n' \
	"$work" "$work" "$work" >"$work/config.toml"
containerd --config "$work/config.toml" >"$work/containerd.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do ctr_ version >/dev/null 2>&1 && break; sleep 0.1; done
ctr_ version >/dev/null 2>&1 || skip "containerd does not start: $(tail -n 1 "$work/containerd.log")"

ctr_ images import --snapshotter native "$image" >/dev/null
name=$(ctr_ images list -q | head -n 1)
volumes=(
	--mount "type=bind,src=/sys/fs/bpf,dst=/sys/fs/bpf,options=rbind:rw"
	--mount "type=bind,src=$work/state,dst=/var/lib/swiftlet,options=rbind:rw"
	--mount "type=bind,src=$work/run,dst=/run/swiftlet,options=rbind:rw"
)
common=(--snapshotter native --read-only --with-ns "network:/run/netns/$id")
ctr_ run --rm --privileged "${common[@]}" "${volumes[@]}" "$name" prepare \
	/usr/local/bin/swiftlet prepare --bpf-root "$bpf_root" >/dev/null || fail "the init container failed"

# ctr gives a container the default capabilities; the DaemonSet has these three and no others.
drop=()
for capability in CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT \
	KILL AUDIT_WRITE; do drop+=(--cap-drop "CAP_$capability"); done
ctr_ run -d "${common[@]}" "${volumes[@]}" "${drop[@]}" --cap-add CAP_BPF --cap-add CAP_NET_ADMIN --cap-add CAP_PERFMON \
	--mount "type=bind,src=$mount,dst=/cgroup,options=rbind:ro" \
	--mount "type=bind,src=$work/manifests,dst=/manifests,options=rbind:ro" --log-uri "file://$work/log" \
	"$name" swiftlet /usr/local/bin/swiftlet run --kube-proxy-replacement=true --manifests /manifests --node-name demo-node \
	--bpf-root "$bpf_root" --cgroup-root "/cgroup/$id"
for _ in $(seq 150); do grep -q ' ready' "$work/log" 2>/dev/null && break; sleep 0.1; done
grep -q ' ready' "$work/log" || { cat "$work/log" >&2; fail "the daemon in the container did not become ready"; }
probe=$(nsenter --net=/run/netns/$id bash -c 'exec 3<>/dev/tcp/127.0.0.1/10256 && printf "GET /livez HTTP/1.0\r\n\r\n" >&3 && head -n 1 <&3')
[[ $probe == *" 200 "* ]] || fail "the liveness probe got: $probe"
maps=("$bpf_root"/v*/maps/*)
[ -e "${maps[0]}" ] || fail "the daemon in the container pinned no maps"
ctr_ task kill -s SIGTERM swiftlet
for _ in $(seq 100); do ctr_ task list | grep -q "swiftlet .*STOPPED" && break; sleep 0.1; done
grep -q stopped "$work/log" || fail "the daemon in the container did not stop in time"
echo "prepared, ready, probed, ${#maps[@]} maps, stopped, with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
