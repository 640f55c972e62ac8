# shellcheck shell=sh
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Sockets of the kernel's own: an NFS client that mounts through a VIP. A part of init.sh.
#
# The kernel serves as well, in the pods' namespaces. What exportfs and rpc.mountd would tell it is written here; it is
# NFSv4, which needs one port and no other program.

exported=/run/exported mounted=/run/mounted
# 10.244.1.11, fd00:244:1::11 and 10.244.2.11 in the words of /proc/net/tcp.
nfs_pod=0B01F40A nfs_pod6=440200FD000001000000000011000000 nfs_pod_beyond=0B02F40A

# nfs_server start|stop pod|beyond: in the namespace that the variable of this name leads to.
nfs_server() {
	eval "inside=\$$2"
	if [ ! -d "/run/nfsd-$2" ]; then
		mkdir "/run/nfsd-$2"
		$inside mount -t nfsd nfsd "/run/nfsd-$2" || fail "cannot mount nfsd for $2"
	fi
	case $1 in
	start) $inside sh -e -c "$start_nfsd" "$2" || fail "no NFS server in $2" ;;
	stop) echo 0 >"/run/nfsd-$2/threads" || fail "the NFS server in $2 does not stop" ;;
	esac
	inside=''
}

# For ten seconds after its start, the least that it takes, a server opens no files. The flags of what is exported:
# read and write, any port, asynchronous, root stays root, no check of subtrees, has an id; the id 0 is the root's.
# A server that ends forgets it all.
start_nfsd='
	cd "/run/nfsd-$0"
	echo "-2 -3" >versions
	echo 10 >nfsv4leasetime
	echo 10 >nfsv4gracetime
	echo "tcp 2049" >portlist
	echo 2 >threads
	for client in 10.244.1.1 192.0.2.10 fd00:244:1::1 2001:db8:1::10; do
		echo "nfsd $client 2147483647 node" >/proc/net/rpc/auth.unix.ip/channel
	done
	echo "node /run/exported 2147483647 9234 65534 65534 0" >/proc/net/rpc/nfsd.export/channel
	printf "%s\n" "node 1 \x00000000 2147483647 /run/exported" >/proc/net/rpc/nfsd.fh/channel
'

# mount_nfs ADDRESS
mount_nfs() {
	case $1 in
	*:*) host="[$1]" ;;
	*) host=$1 ;;
	esac
	timeout 30 mount -t nfs4 -o "vers=4.2,soft,addr=$1" "$host:/" "$mounted" >/tmp/call 2>&1
}

unmount_nfs() {
	timeout 30 umount "$mounted" >/tmp/call 2>&1 || fail "cannot unmount: $(cat /tmp/call)"
}

# The one connection there is, in the words of /proc/net/tcp.
connected_to() {
	cat /proc/net/tcp /proc/net/tcp6 >/tmp/call
	[ "$(grep -c ':0801 01 ' /tmp/call)" = 1 ] && grep -q " $1:0801 01 " /tmp/call
}

# What the client takes for its server's address, and will connect to anew.
shows_mount() {
	cat /proc/fs/nfsfs/servers >/tmp/call
	[ "$(grep -c '^v4 ' /tmp/call)" = 1 ] && grep -q " $1\$" /tmp/call
}

# mounts NAME ADDRESS ENDPOINT
mounts() {
	mount_nfs "$2" && shows_mount "$2" && connected_to "$3"
	record "NFS, $1" $?
}

# A directory, which a server that was just started makes at once.
writes() {
	timeout 60 mkdir "$mounted/$1" >/tmp/call 2>&1 && [ -d "$exported/$1" ]
}

writes_file() {
	{ echo written >"$mounted/file" && sync && cat "$exported/file" "$mounted/file"; } >/tmp/call 2>&1
	[ "$(grep -c '^written$' /tmp/call)" = 2 ]
}

places_taken() {
	swiftlet maps | awk '$1 == "sock_origin" { print $3 }'
}

connections() {
	swiftlet services nfs | awk '$1 == "counted:" { sum += $2 } END { print sum + 0 }'
}

# The kernel does not tell the hooks when a socket of its own is gone. From 6.2 on such a socket takes no place; before,
# its place stays taken. A mount has two: its connection, and one of UDP that only learns the client's own address.
leave_places() {
	taken=$(places_taken) made_before=$(connections)
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		mount_nfs 10.96.0.21 && unmount_nfs
	done
	left=$(($(places_taken) - taken)) connected=$(($(connections) - made_before))
	echo "$taken places were taken before" >/tmp/call
	kernel_before 6 2 && most=$((2 * connected)) || most=0
	[ "$connected" -ge 20 ] && [ "$left" -le "$most" ]
	record "NFS, 20 mounts: $connected connections, which leave $left places of sock_origin" $?
}

leads_to() {
	swiftlet services nfs | grep -q "backend: *$1:2049"
}

# Kernel threads connect, and are in the root cgroup: only hooks there see it.
lead_kernel_threads() {
	# shellcheck disable=SC2154
	kill "$daemon"
	wait "$daemon"
	start_swiftlet /sys/fs/cgroup
	wait_until 60 grep -q ' ready ' /tmp/swiftlet.log || fail "swiftlet is not ready within 60 s"
}

call_nfs() {
	if ! grep -q -w nfs4 /proc/filesystems || ! grep -q -w nfsd /proc/filesystems; then
		fail "this kernel has no NFS"
		return
	fi
	mkdir "$exported" "$mounted"
	nfs_server start pod
	nfs_server start beyond
	lead_kernel_threads
	leave_places
	mounts "through a VIP, IPv6" fd00:96::21 "$nfs_pod6" && unmount_nfs
	# Straight there: who did not ask for the VIP is not shown it.
	mounts "a pod's own address, IPv6" fd00:244:1::11 "$nfs_pod6" && unmount_nfs
	mounts "a pod's own address, IPv4" 10.244.1.11 "$nfs_pod" && unmount_nfs
	mounts "through a VIP, IPv4" 10.96.0.21 "$nfs_pod"
	writes_file
	record "NFS, a file is written and read" $?
	nfs_server stop pod
	nfs_server start pod
	writes restarted && connected_to "$nfs_pod"
	record "NFS, the pod is started anew" $?
	# The Service leads to another pod, and the first one ends: the client comes back by the VIP.
	sed -i 's/10\.244\.1\.11/10.244.2.11/' /manifests/nfs.yaml
	wait_until 20 leads_to 10.244.2.11 || fail "the Service of NFS is not led to the other pod"
	nfs_server stop pod
	writes moved && shows_mount 10.96.0.21 && connected_to "$nfs_pod_beyond"
	record "NFS, the Service moves to another pod" $?
	unmount_nfs
	nfs_server stop beyond
}
