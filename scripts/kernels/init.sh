#!/bin/sh
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# /init of a test kernel (busybox sh): loads swiftlet, makes calls to VIPs, prints one RESULT line
# and switches the machine off. run.sh reads what is printed here.
#
#   RESULT ok|fail kernel=RELEASE programs=LOADED/EXPECTED calls=GOOD/MADE degraded=A,B seconds=N reason=…
#
# The kernel hands over as environment: swiftlet_programs, how many programs must be loaded on every kernel, and
# swiftlet_visitors, how many more where programs may destroy sockets (6.5 and newer).
export PATH=/usr/bin:/bin:/sbin
export LD_LIBRARY_PATH=/lib/shared
export HOME=/tmp TMPDIR=/tmp LANG=C.UTF-8

node_cgroup=/sys/fs/cgroup/node
# What a caller's command begins with: nothing for the node itself, $beyond for the network beyond eth0.
caller='' beyond=/tmp/beyond
good=0 made=0 programs=0 degraded='' failures='' outcome=fail

say() {
	echo "$*"
}

uptime_seconds() {
	cut -d. -f1 /proc/uptime
}

fail() {
	say "FAIL $*"
	failures="${failures:+$failures; }$*"
}

note_degraded() {
	case ",$degraded," in
	*",$1,"*) ;;
	*) degraded="${degraded:+$degraded,}$1" ;;
	esac
}

finish() {
	[ -n "$failures" ] || outcome=ok
	say "RESULT $outcome kernel=$(uname -r) programs=$programs/$expected calls=$good/$made" \
		"degraded=${degraded:-none} seconds=$(uptime_seconds) reason=${failures:-none}"
	sync
	poweroff -f
	# Not reached, unless the machine has no way to switch itself off.
	exec sleep 3600
}

mount_filesystems() {
	/bin/busybox mkdir -p /proc /sys /dev /sbin
	/bin/busybox mount -t proc proc /proc
	/bin/busybox mount -t sysfs sys /sys
	/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
	/bin/busybox --install -s /bin
	mount -t bpf bpf /sys/fs/bpf || fail "cannot mount bpffs"
	mount -t cgroup2 cgroup2 /sys/fs/cgroup || fail "cannot mount cgroup2"
	# Who is not in there is not served by the hooks, as a client on another machine is not.
	mkdir "$node_cgroup" && echo $$ >"$node_cgroup/cgroup.procs" || fail "cannot enter $node_cgroup"
	mount -t tmpfs tmpfs /run
	# Where the kernel keeps its own count of program runs; bench and status may want it.
	mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
}

insert_modules() {
	for module in /lib/modules/*.ko; do
		[ -e "$module" ] || continue
		insmod "$module" || fail "cannot insert ${module##*/}"
	done
}

# add_addresses DEVICE ADDRESS...: in the namespace of $inside, or of the node.
add_addresses() {
	device=$1
	shift
	$inside sh -c 'echo 0 >"/proc/sys/net/ipv6/conf/$0/accept_dad"; ip link set "$0" up' "$device" ||
		fail "cannot switch $device on"
	for address in "$@"; do
		$inside ip address add "$address" dev "$device" || fail "cannot add $address to $device"
	done
}

# The pods that sockets of the node call are addresses of lo: the kernel, not the wire, is under test.
set_up_network() {
	inside=''
	add_addresses lo 10.244.0.11/32 10.244.0.12/32 fd00:244::11/128 fd00:244::12/128
	set_up_pod
	set_up_beyond
}

# A namespace that lives as long as the machine, and a device of the node that leads there, to its veth0.
begin_namespace() {
	unshare -n sleep 3600 &
	namespace=$!
	ip link add "$1" type veth || fail "cannot make $1"
	wait_until 10 is_elsewhere "$namespace" || fail "the namespace beyond $1 is not there"
	ip link set veth0 netns "$namespace" || fail "cannot move the peer of $1"
	inside="nsenter -t $namespace -n"
}

is_elsewhere() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

set_up_pod() {
	begin_namespace pod0
	pod=$inside
	add_addresses lo
	add_addresses veth0 10.244.1.11/24 fd00:244:1::11/64
	inside=''
	add_addresses pod0 10.244.1.1/24 fd00:244:1::1/64
	$pod ip route add default via 10.244.1.1
	$pod ip -6 route add default via fd00:244:1::1
}

# The client, and a pod of another node; $beyond runs a command there, past the hooks.
set_up_beyond() {
	begin_namespace eth0
	printf '#!/bin/sh\necho $$ >/sys/fs/cgroup/cgroup.procs && exec %s "$@"\n' "$inside" >"$beyond"
	chmod +x "$beyond"
	add_addresses lo 10.244.2.11/32 fd00:244:2::11/128
	add_addresses veth0 192.0.2.20/24 2001:db8:1::20/64
	inside=''
	add_addresses eth0 192.0.2.10/24 2001:db8:1::10/64
	$beyond ip route add default via 192.0.2.10
	$beyond ip -6 route add default via 2001:db8:1::10
	ip route add default via 192.0.2.20
	ip -6 route add default via 2001:db8:1::20
}

# Repeats a command five times a second until it succeeds; gives up after so many seconds.
wait_until() {
	limit=$(($(uptime_seconds) + $1))
	shift
	until "$@"; do
		[ "$(uptime_seconds)" -lt "$limit" ] || return 1
		usleep 200000
	done
}

start_pods() {
	swiftlet-lab serve --name pod-1 --tcp 8080 --udp 8080 >/tmp/pod-1.log 2>&1 &
	swiftlet-lab serve --name pod-2 --tcp 8081 --udp 8081 >/tmp/pod-2.log 2>&1 &
	$pod swiftlet-lab serve --name pod-3 --tcp 8080 --udp 8080 >/tmp/pod-3.log 2>&1 &
	# Told where to listen: a datagram's answer would else come from the address that the client calls from.
	for address in 10.244.2.11 fd00:244:2::11; do
		$beyond swiftlet-lab serve --name pod-4 --address "$address" --tcp 8080 --udp 8080 >>/tmp/pod-4.log 2>&1 &
	done
	for address in 10.244.0.11:8080 10.244.0.12:8081 10.244.1.11:8080 '[fd00:244:1::11]:8080' 10.244.2.11:8080 \
		'[fd00:244:2::11]:8080'; do
		wait_until 20 answers "$address" || fail "the pod at $address does not answer: $(cat /tmp/pod-*.log)"
	done
}

answers() {
	timeout 5 $caller swiftlet-lab call "$@" -o json >/dev/null 2>&1
}

# Answers: 0 it works, 3 it works and this kernel lacks something, which status lists.
status_answers() {
	kill -0 "$daemon" 2>/dev/null || return 0
	timeout 20 swiftlet status >/tmp/status 2>&1
	status=$?
	[ "$status" = 0 ] || [ "$status" = 3 ]
}

# start_swiftlet CGROUP
start_swiftlet() {
	swiftlet run --kube-proxy-replacement=true --manifests /manifests --hostname-override kernel-test \
		--metrics-per-backend true --cgroup-root "$1" --set-sysctls \
		>/tmp/swiftlet.log 2>&1 &
	daemon=$!
	if ! wait_until 60 status_answers; then
		fail "swiftlet status does not answer within 60 s"
	elif ! kill -0 "$daemon" 2>/dev/null; then
		fail "swiftlet run ended"
	else
		# The datapath is there before the manifests are in the maps.
		wait_until 60 answers 10.96.0.15:80 || fail "the first VIP does not answer within 60 s"
	fi
}

# Counted by the kernel, not by us.
count_programs() {
	programs=$(bpftool prog show 2>/dev/null | grep -c ' name swl_')
	[ "$programs" = "$expected" ] || fail "$programs of $expected programs are loaded"
}

# record NAME STATUS: one call was made, and STATUS says how it went.
record() {
	made=$((made + 1))
	if [ "$2" = 0 ]; then
		good=$((good + 1))
		say "ok   $1"
	else
		fail "$1"
		say "     $(head -c 400 /tmp/call)"
	fi
}

# The way back: getpeername and recvmsg show the address that was asked for, in every call.
shows_only() {
	address=${1%:*}
	address=${address#[}
	address=${address%]}
	grep -o -E '"(peer|source)":"[^"]+"' /tmp/call >/tmp/shown && ! grep -v -q -F "$address" /tmp/shown
}

# answered NAME PODS ADDRESS:PORT OPTIONS...: 20 calls, answered by exactly so many pods.
answered() {
	name=$1 pods=$2
	shift 2
	timeout 30 $caller swiftlet-lab call "$@" --count 20 -o json >/tmp/call 2>&1 &&
		[ "$(grep -o 'pod-[1-4]' /tmp/call | sort -u | wc -l)" = "$pods" ] &&
		shows_only "$1"
	record "$name" $?
}

# refused NAME ADDRESS:PORT OPTIONS...: the caller is told at once that nobody is there.
refused() {
	name=$1
	shift
	timeout 10 $caller swiftlet-lab call "$@" --expect refused -o json >/tmp/call 2>&1
	record "$name" $?
}

# Before 6.1 such a hook cannot choose the errno of a refused send: "not permitted" is what is left.
refused_send() {
	name=$1
	shift
	if timeout 10 swiftlet-lab call "$@" --expect refused -o json >/tmp/call 2>&1; then
		record "$name" 0
	elif grep -qi -E 'not permitted|EPERM' /tmp/call && kernel_before 6 1; then
		record "$name (not permitted)" 0
		note_degraded sendmsg-refusal
	else
		record "$name" 1
	fi
}

kernel_before() {
	uname -r | awk -F'[.-]' -v major="$1" -v minor="$2" \
		'{ exit !($1 < major || ($1 == major && $2 < minor)) }'
}

call_cluster_ips() {
	answered "TCP, IPv4" 2 10.96.0.15:80
	answered "TCP, IPv6" 2 '[fd00:96::15]:80'
	answered "TCP, IPv4-mapped" 2 10.96.0.15:80 --mapped
	answered "connected UDP, IPv4" 2 10.96.0.15:53 --udp
	answered "connected UDP, IPv6" 2 '[fd00:96::15]:53' --udp
	answered "connected UDP, IPv4-mapped" 2 10.96.0.15:53 --udp --mapped
	answered "session affinity, IPv4" 1 10.96.0.17:80
	answered "session affinity, IPv6" 1 '[fd00:96::17]:80'
	# The pod itself, past the hooks: not ours, not touched.
	answered "a pod's own address, IPv4" 1 10.244.0.11:8080
	answered "a pod's own address, IPv6" 1 '[fd00:244::11]:8080'
}

# The calls of one invocation may share a socket, which then stays with its pod: any number of pods is right.
call_unconnected() {
	for call in "10.96.0.15:53" "[fd00:96::15]:53" "10.96.0.15:53 --mapped"; do
		# The words of $call are arguments.
		# shellcheck disable=SC2086
		timeout 30 swiftlet-lab call $call --udp --unconnected --count 20 -o json >/tmp/call 2>&1 &&
			grep -q 'pod-[12]' /tmp/call && shows_only "${call%% *}"
		record "unconnected UDP, $call" $?
	done
}

call_node_ports() {
	answered "NodePort on 127.0.0.1, TCP" 2 127.0.0.1:30080
	answered "NodePort on 127.0.0.1, TCP, IPv4-mapped" 2 127.0.0.1:30080 --mapped
	answered "NodePort on ::1, TCP" 2 '[::1]:30080'
	answered "NodePort on 127.0.0.1, UDP" 2 127.0.0.1:30053 --udp
	answered "NodePort on ::1, UDP" 2 '[::1]:30053' --udp
	answered "NodePort on a node address, TCP" 2 192.0.2.10:30080
}

call_refused() {
	refused "no endpoint, TCP, IPv4" 10.96.0.16:80
	refused "no endpoint, TCP, IPv6" '[fd00:96::16]:80'
	refused "no endpoint, TCP, IPv4-mapped" 10.96.0.16:80 --mapped
	refused "no endpoint, connected UDP, IPv4" 10.96.0.16:53 --udp
	refused "no endpoint, connected UDP, IPv6" '[fd00:96::16]:53' --udp
	refused_send "no endpoint, unconnected UDP, IPv4" 10.96.0.16:53 --udp --unconnected
	refused_send "no endpoint, unconnected UDP, IPv6" '[fd00:96::16]:53' --udp --unconnected
	refused_send "no endpoint, unconnected UDP, IPv4-mapped" 10.96.0.16:53 --udp --unconnected --mapped
	refused "unknown port, TCP, IPv4" 10.96.0.15:81
	refused "unknown port, TCP, IPv6" '[fd00:96::15]:81'
	refused "unknown port, TCP, IPv4-mapped" 10.96.0.15:81 --mapped
}

# A pod listens on all addresses and answers a datagram from the address of lo that it came from: so inside the
# range is the pod's own.
call_restricted() {
	answered "inside a source range, TCP, IPv4" 1 203.0.113.18:80 --bind 10.244.0.11
	answered "inside a source range, TCP, IPv4-mapped" 1 203.0.113.18:80 --bind 10.244.0.11 --mapped
	answered "inside a source range, TCP, IPv6" 1 '[2001:db8:10::18]:80' --bind fd00:244::11
	answered "inside a source range, unconnected UDP, IPv4" 1 203.0.113.18:53 --bind 10.244.0.11 --udp --unconnected
	answered "inside a source range, unconnected UDP, IPv6" 1 '[2001:db8:10::18]:53' --bind fd00:244::11 \
		--udp --unconnected
	refused "outside the source ranges, TCP, IPv4" 203.0.113.18:80 --bind 10.244.0.12
	refused "outside the source ranges, TCP, IPv4-mapped" 203.0.113.18:80 --bind 10.244.0.12 --mapped
	refused "outside the source ranges, TCP, IPv6" '[2001:db8:10::18]:80' --bind fd00:244::12
	refused "the node outside the source ranges, TCP, IPv4" 203.0.113.18:80
	refused_send "outside the source ranges, unconnected UDP, IPv4" 203.0.113.18:53 --bind 10.244.0.12 --udp --unconnected
	refused_send "outside the source ranges, unconnected UDP, IPv6" '[2001:db8:10::18]:53' --bind fd00:244::12 \
		--udp --unconnected
}

# Packet by packet: the hooks do not see who calls. One Service has a pod of this node, to which the stack forwards,
# the other one a pod of another node, to which the programs send on at once.
call_from_beyond() {
	caller=$beyond
	wait_until 60 answers 192.0.2.10:30090 || fail "no NodePort answers from beyond within 60 s"
	for protocol in TCP UDP; do
		udp=''
		[ "$protocol" = TCP ] || udp=--udp
		for way in "a pod here,192.0.2.10:30090" "a pod here,[2001:db8:1::10]:30090" \
			"a pod here,203.0.113.19:80" "a pod here,[2001:db8:10::19]:80" \
			"a pod of another node,192.0.2.10:30091" "a pod of another node,[2001:db8:1::10]:30091" \
			"a pod of another node,203.0.113.20:80" "a pod of another node,[2001:db8:10::20]:80"; do
			answered "packets to ${way%,*}, $protocol, ${way#*,}" 1 "${way#*,}" $udp
		done
		for address in 203.0.113.16:80 '[2001:db8:10::16]:80'; do
			refused "packets, no endpoint, $protocol, $address" "$address" $udp
		done
	done
	for address in 203.0.113.19:80 203.0.113.20:80 '[2001:db8:10::19]:80' '[2001:db8:10::20]:80'; do
		answered "packets, fragments, $address" 1 "$address" --udp --size 4000
	done
	# One port of one client to two frontends of one pod: the second flow gets another port towards the pod.
	for address in 192.0.2.10:30091 203.0.113.20:80; do
		answered "packets, equal ports, $address" 1 "$address" --udp --bind 192.0.2.20 --source-port 41000
	done
	for address in '[2001:db8:1::10]:30091' '[2001:db8:10::20]:80'; do
		answered "packets, equal ports, $address" 1 "$address" --udp --bind 2001:db8:1::20 --source-port 41000
	done
	caller=''
}

# Connections that are no Service's: straight to a pod, from the very address and port that a flow to it has in the
# pod's eyes. That is the node for a pod of another node, and the client for a pod here. One connection each: a SYN
# that follows the reset of the same tuple by some µs may be dealt with before it, on another CPU, also with no program.
call_bystanders() {
	for way in 192.0.2.10:30090,10.244.1.11:8080 '[2001:db8:1::10]:30090,[fd00:244:1::11]:8080' \
		192.0.2.10:30091,10.244.2.11:8080 '[2001:db8:1::10]:30091,[fd00:244:2::11]:8080'; do
		for udp in '' --udp; do
			caller=$beyond
			answered "a flow, ${way%,*} $udp" 1 "${way%,*}" $udp
			seen=$(sed -n 's/.*"client":"\([^"]*\)".*/\1/p' /tmp/call)
			host=${seen%:*}
			host=${host#[}
			host=${host%]}
			case $host in 192.0.2.10 | 2001:db8:1::10) caller='' ;; esac
			answered "a bystander, from $seen to ${way#*,} $udp" 1 "${way#*,}" $udp \
				--bind "$host" --source-port "${seen##*:}" --same-socket
		done
	done
	caller=''
}

# Both pods were called by now, so both have counts of more than nothing.
count_backends() {
	swiftlet services my-api >/tmp/call 2>&1 && [ "$(grep -c 'active.*, [1-9][0-9]* connections' /tmp/call)" = 8 ]
	record "connections by backend" $?
}

# The objects of `status -o json`, one a line; names without spaces.
status_objects() {
	tr '\n' ' ' </tmp/status.json | tr '{}' '\n\n' | grep "\"$1\" *: *false" |
		sed 's/.*"name" *: *"\([^"]*\)".*/\1/' | tr ' ' '-'
}

# What this kernel lacks is listed, not fatal; a hook that is not attached is.
report_status() {
	timeout 20 swiftlet status >/tmp/status 2>&1
	status=$?
	say "status (exit $status):"
	sed 's/^/     /' /tmp/status
	timeout 20 swiftlet status -o json >/tmp/status.json 2>/dev/null
	for feature in $(status_objects isPresent); do note_degraded "$feature"; done
	for hook in $(status_objects isAttached); do fail "status says that $hook is not attached"; done
	grep -q '^all is well$' /tmp/status || fail "status ends with $status: $(tail -n 1 /tmp/status)"
	grep -q '^eth0 .*outside' /tmp/status || fail "status does not list eth0"
}

show_logs() {
	[ -n "$failures" ] || return 0
	# A verifier's log is long; what it complains of comes last.
	say "swiftlet's log:"
	tail -n 200 /tmp/swiftlet.log 2>/dev/null | sed 's/^/     /'
	say "kernel's warnings:"
	dmesg 2>/dev/null | grep -i -E 'bug:|oops|warning:|call trace' | tail -n 20 | sed 's/^/     /'
}

# shellcheck source=scripts/kernels/nfs.sh
. /lib/nfs.sh
mount_filesystems
expected=${swiftlet_programs:-0}
kernel_before 6 5 || expected=$((expected + ${swiftlet_visitors:-0}))
say "kernel $(uname -r), $(nproc) CPUs, up after $(uptime_seconds) s"
insert_modules
set_up_network
start_pods
start_swiftlet "$node_cgroup"
count_programs
if [ "$programs" -gt 0 ]; then
	call_cluster_ips
	call_unconnected
	call_node_ports
	call_refused
	call_restricted
	call_from_beyond
	call_bystanders
	count_backends
	report_status
	call_nfs
fi
if dmesg 2>/dev/null | grep -q -E 'BUG:|Oops|WARNING:'; then fail "the kernel warns: see the log"; fi
show_logs
finish
