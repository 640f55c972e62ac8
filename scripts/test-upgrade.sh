#!/usr/bin/env bash
# Upgrades the package under systemd, and the image in containerd as a DaemonSet's rolling update does, while clients connect all
# the time: on the node, in a pod, and beyond the node at a NodePort; connections are held, and bystanders ask no Service. Nothing
# may fail. As root. PREVIOUS=FILE is a static program of the build before; without it the same program has another version.
#
#   scripts/test-upgrade.sh [deb|image]…    Exit code 77: cannot be tried here, and why.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/containers.sh

id=swl-$$-upgrade
program=${PROGRAM:-build/swiftlet}
previous=${PREVIOUS:-$program}
lab=${LAB:-$PWD/build/swiftlet-lab}
mount=$(cgroup2)
work=$(mktemp -d)
# What runs beside this script: process ids by name.
declare -A clients=()
pods=()
init=

skip() { echo "$*"; exit 77; }
fail() { echo "test-upgrade: $*" >&2; exit 1; }

clean_up() {
	local status=$? name
	set +e
	trap - EXIT
	touch "$work/end"
	[ ${#clients[@]} = 0 ] || kill "${clients[@]}" 2>/dev/null
	systemd_stop
	containers_stop
	[ ${#pods[@]} = 0 ] || kill "${pods[@]}" 2>/dev/null
	wait 2>/dev/null
	for name in node pod1 pod2 pod3 outside; do ip netns delete $id-$name 2>/dev/null; done
	rm -rf /sys/fs/bpf/$id
	find "$mount/$id" -depth -type d -exec rmdir {} + 2>/dev/null
	rm -rf --one-file-system "$work"
	exit $status
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The node and what is connected to it: three pods behind a Service, and a host outside.
network_start() {
	local name
	for name in node pod1 pod2 pod3 outside; do ip netns add $id-$name; ip -n $id-$name link set lo up; done
	nsenter --net=/run/netns/$id-node sysctl -qw net.ipv4.ip_forward=1
	# As a CNI plugin has it. By it the kernel tracks connections, and a Service's flow does not take ports of another.
	nsenter --net=/run/netns/$id-node nft 'add table ip cni; add chain ip cni post { type nat hook postrouting priority 100; };
		add rule ip cni post ip saddr 10.244.0.0/24 oifname outside masquerade'
	connect pod1 10.244.0.1 10.244.0.11
	connect pod2 10.244.0.1 10.244.0.12
	connect pod3 10.244.0.1 10.244.0.13
	connect outside 192.0.2.1 192.0.2.53
	mkdir -p "$mount/$id/clients"
	for name in pod1 pod2 pod3; do
		nsenter --net=/run/netns/$id-$name "$lab" serve --name $name --tcp 8080 --udp 8080 >"$work/$name" &
		pods+=($!)
		await "$work/$name" ready
	done
}
connect() {
	local name=$1 here=$2 there=$3
	ip -n $id-node link add "$name" type veth peer name eth0 netns $id-"$name"
	ip -n $id-node address add "$here/32" dev "$name"
	ip -n $id-node link set "$name" up
	ip -n $id-node route add "$there" dev "$name" src "$here"
	ip -n $id-"$name" address add "$there/32" dev eth0
	ip -n $id-"$name" link set eth0 up
	ip -n $id-"$name" route add "$here" dev eth0
	ip -n $id-"$name" route add default via "$here"
}
await() {
	for _ in $(seq 200); do grep -q "$2" "$1" 2>/dev/null && return; sleep 0.1; done
	tail -n 20 "$1" >&2
	fail "no \"$2\" in $1"
}

# A client of a name, in a namespace; those outside are in no cgroup of the node. What $commands names is its input.
client() {
	local name=$1 place=$2 group=$mount/$id/clients
	shift 2
	[ "$place" != outside ] || group=$mount
	(
		# shellcheck disable=SC2016 # the inner shell's
		exec nsenter --net=/run/netns/$id-"$place" sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$lab" "$@" \
			>"$work/$name.json" 2>"$work/$name.error" <"${commands:-/dev/null}"
	) &
	clients[$name]=$!
}
load() { client "$1" "$2" load --rate 100 --seconds 3600 "${@:3}"; }
# Connections that stay open, each with an exchange five times a second.
held() {
	local name=$1
	(while [ ! -e "$work/end" ]; do echo send; sleep 0.2; done) >"$work/$name.pipe" &
	commands=$work/$name.pipe client "$name" "$2" hold --brief --connections 50 "$3"
}
load_start() {
	local name
	rm -f "$work/end" "$work"/*.json
	for name in node-held outside-held bystander-held; do rm -f "$work/$name.pipe"; mkfifo "$work/$name.pipe"; done
	load node node 10.96.0.15:80,127.0.0.1:30080
	load node-udp node --udp 10.96.0.16:53
	load pod pod1 10.96.0.15:80
	load pod-udp pod1 --udp 10.96.0.16:53
	load outside outside 192.0.2.1:30080
	load bystander-node node 10.244.0.12:8080
	load bystander-outside outside 10.244.0.12:8080
	held node-held node 10.96.0.15:80
	held outside-held outside 192.0.2.1:30080
	held bystander-held outside 10.244.0.12:8080
	sleep 2
}
# Ends the clients, and says what each sent and what of it failed.
load_stop() {
	local name
	sleep 2
	touch "$work/end"
	for name in "${!clients[@]}"; do [[ $name == *-held ]] || kill "${clients[$name]}"; done
	for name in "${!clients[@]}"; do wait "${clients[$name]}" || true; done
	clients=()
	python3 - "$1" "$work"/*.json <<-'END'
		import json, os, sys
		failures = 0
		for path in sys.argv[2:]:
		    lines = [json.loads(line) for line in open(path) if line.startswith("{")]
		    kept = [line["summary"] for line in lines if "summary" in line] or lines
		    good = sum(each["ok"] for each in kept)
		    bad = sum(sum(each["failed"].values()) for each in kept)
		    name = os.path.basename(path).removesuffix(".json")
		    print(f"{sys.argv[1]:6} {name:18} {good + bad:6} sent {bad:4} failed", *[each.get("failures", "") for each in kept if bad][:1])
		    failures += bad or not good
		sys.exit(failures > 0)
	END
}

# The package with the previous program, or with nothing but a lower version.
repack() {
	dpkg-deb -R "$package" "$work/older"
	[ "$previous" = "$program" ] || install -m 755 "$previous" "$work/older/usr/bin/swiftlet"
	sed -i 's/^Version: .*/Version: 0.0.1/' "$work/older/DEBIAN/control"
	dpkg-deb --root-owner-group -Zgzip -b "$work/older" "$work/older.deb" >/dev/null
	rm -rf "$work/older"
}

# A root with systemd, kept for the next time, and its systemd as the first process of it, in the node's network.
systemd_start() {
	local tar=build/roots/bookworm-systemd.tar keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	root=$work/root
	if [ ! -f "$tar" ]; then
		command -v debootstrap >/dev/null || skip "debootstrap is not installed"
		mkdir -p build/roots
		debootstrap --variant=minbase --include=systemd --keyring="$keyring" bookworm "$root" http://deb.debian.org/debian \
			>"$work/log" 2>&1 || skip "debootstrap: $(tail -n 1 "$work/log")"
		tar -C "$root" --one-file-system -cf "$tar" .
		rm -rf "$root"
	fi
	mkdir "$root"
	tar -C "$root" -xf "$tar"
	(
		exec nsenter --net=/run/netns/$id-node sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$mount/$id" \
			unshare --mount --pid --ipc --uts --cgroup --fork --kill-child bash -ec '
				mount --make-rprivate /
				cd "$0"
				mount --bind . .
				cd "$0"
				mount -t proc proc proc
				mount -t sysfs sysfs sys
				mount -t cgroup2 cgroup2 sys/fs/cgroup
				mount -t bpf bpf sys/fs/bpf
				mount -t tmpfs tmpfs run
				mount -t tmpfs tmpfs dev
				for device in null zero full random urandom tty; do
					touch dev/$device
					mount --bind /dev/$device dev/$device
				done
				ln -s /proc/self/fd dev/fd
				ln -s pts/ptmx dev/ptmx
				mkdir -p old
				pivot_root . old
				umount -l /old
				export container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin
				exec /lib/systemd/systemd --system --unit=multi-user.target' "$root" >"$work/systemd.log" 2>&1 </dev/null
	) &
	systemd_parent=$!
	for _ in $(seq 100); do
		init=$(pgrep -P $systemd_parent || true)
		[ -z "$init" ] || ! inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded' || return 0
		sleep 0.1
	done
	fail "systemd does not start: $(tail -n 3 "$work/systemd.log")"
}
inside() { nsenter --target "$init" --mount --pid --ipc --uts --cgroup --net -- env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
# It ends with all that it started.
systemd_stop() {
	[ -n "$init" ] || return 0
	kill -KILL "$init"
	wait "$systemd_parent" || true
	init=
} 2>/dev/null

install_package() {
	local before
	before=$(inside systemctl show -P MainPID swiftlet)
	inside dpkg -i "/$1.deb" >"$work/log" 2>&1 || fail "dpkg -i: $(tail -n 5 "$work/log")"
	[ "$(inside systemctl is-active swiftlet)" = active ] || fail "the service is not active after dpkg -i"
	[ "$(inside systemctl show -P MainPID swiftlet)" != "$before" ] || fail "dpkg -i did not restart the service"
	inside cmp /usr/bin/swiftlet "/proc/$(inside systemctl show -P MainPID swiftlet)/exe" || fail "another program runs than was installed"
}
try_deb() {
	package=$(ls -t build/swiftlet_*_"$(dpkg --print-architecture)".deb 2>/dev/null | head -n 1 || true)
	[ -n "$package" ] || fail "there is no package; run make deb"
	repack
	systemd_start
	cp "$work/older.deb" "$root/older.deb"
	cp "$package" "$root/newer.deb"
	mkdir -p "$root/etc/swiftlet/manifests"
	cp examples/*.yaml "$root/etc/swiftlet/manifests"
	printf 'kubeProxyReplacement: true\nmanifests: [/etc/swiftlet/manifests]\nnodeName: demo-node\n' >"$root/etc/swiftlet/config.yaml"
	inside dpkg -i --force-confold /older.deb >"$work/log" 2>&1 || fail "dpkg -i: $(tail -n 5 "$work/log")"
	inside systemctl enable --quiet --now swiftlet || fail "the service does not start: $(inside systemctl status swiftlet)"
	inside swiftlet status >"$work/log" || fail "status: $(head -n 3 "$work/log")"
	load_start
	install_package newer
	sleep 1
	install_package older
	sleep 1
	install_package newer
	load_stop deb
	inside swiftlet status | grep -q "all is well" || fail "after the upgrades: $(inside swiftlet status | head -n 3)"
	inside dpkg -P swiftlet >"$work/log" 2>&1 || fail "dpkg -P: $(tail -n 5 "$work/log")"
	[ ! -e "/proc/$init/root/sys/fs/bpf/swiftlet" ] || fail "a purged package left its pins"
	systemd_stop
}

# A container of the DaemonSet, from an image, with its rights.
run_container() {
	local image=$1 container=$2 rights flags=()
	shift 2
	while [ "$1" != -- ]; do flags+=("$1"); shift; done
	shift
	readarray -t rights < <(scripts/container-rights.py "$container" "/run/netns/$id-node")
	ctr_ run --snapshotter native "${rights[@]}" --mount "type=bind,src=/sys/fs/bpf,dst=/sys/fs/bpf,options=rbind:rw" \
		--mount "type=bind,src=$work/state,dst=/var/lib/swiftlet,options=rbind:rw" \
		--mount "type=bind,src=$work/run,dst=/run/swiftlet,options=rbind:rw" "${flags[@]}" \
		"docker.io/library/swiftlet:$image" "$container" "$@"
}
pod_start() {
	rm -f "$work"/container-*.log
	run_container "$1" prepare --rm -- /usr/local/bin/swiftlet prepare --bpf-root /sys/fs/bpf/$id >/dev/null
	run_container "$1" swiftlet -d --mount "type=bind,src=$mount,dst=/cgroup,options=rbind:ro" \
		--mount "type=bind,src=$work/manifests,dst=/manifests,options=rbind:ro" --log-uri "file://$work/container-run.log" -- \
		/usr/local/bin/swiftlet run --kube-proxy-replacement=true --manifests /manifests --node-name demo-node \
		--bpf-root /sys/fs/bpf/$id --cgroup-root "/cgroup/$id"
	run_container "$1" namespaces -d --log-uri "file://$work/container-namespaces.log" -- \
		/usr/local/bin/swiftlet namespaces --bpf-root /sys/fs/bpf/$id
	await "$work/container-run.log" ' ready'
}
# As a kubelet ends the pod of before and starts its successor.
pod_replace() {
	container_remove namespaces SIGTERM
	container_remove swiftlet SIGTERM
	sleep 1
	pod_start "$1"
}
try_image() {
	local lack newer
	lack=$(containers_lack)
	[ -z "$lack" ] || skip "$lack"
	newer=$(scripts/version.sh)
	mkdir -p "$work/state" "$work/run" "$work/manifests"
	cp examples/*.yaml "$work/manifests"
	containers_start || skip "containerd does not start"
	scripts/package-image.py "$previous" 0.0.1 "$work/older.oci.tar" >/dev/null
	scripts/package-image.py "$program" "$newer" "$work/newer.oci.tar" >/dev/null
	ctr_ images import --snapshotter native "$work/older.oci.tar" >/dev/null
	pod_start 0.0.1
	load_start
	ctr_ images import --snapshotter native "$work/newer.oci.tar" >/dev/null
	pod_replace "$newer"
	sleep 1
	pod_replace 0.0.1
	sleep 1
	pod_replace "$newer"
	load_stop image
	containers_stop
}

[ "$(id -u)" = 0 ] || fail "needs root"
[ -n "$mount" ] || skip "no cgroup2 hierarchy is mounted"
[ -x "$lab" ] || fail "there is no $lab; run make lab"
mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
network_start
ways=("$@")
[ ${#ways[@]} -gt 0 ] || ways=(deb image)
for way in "${ways[@]}"; do
	case $way in deb | image) "try_$way" ;; *) fail "say deb or image" ;; esac
done
