# shellcheck shell=bash disable=SC2154,SC2034 # who sources it sets and reads variables
# To be sourced: two nodes and a client beyond a router, in network namespaces.
#
#   out 198.51.100.2 ── router ─┬─ 192.0.2.1  node1 ── cni0 (plugin bridge) ── pods 10.244.1.0/24
#                               └─ 192.0.2.2  node2 ── veth (plugin ptp)    ── pods 10.244.2.0/24
#
# The router sends what is for load balancers (203.0.113.0/24) to node1.
plugins=

# Why pods cannot be attached here; empty where they can.
network_lack() {
	local directory plugin
	for directory in /usr/lib/cni /opt/cni/bin; do [ -x $directory/bridge ] && plugins=$directory && break; done
	[ -n "$plugins" ] || { echo "the CNI plugins are not installed (containernetworking-plugins)"; return; }
	for plugin in ptp host-local portmap; do [ -x "$plugins/$plugin" ] || { echo "$plugins has no $plugin"; return; }; done
	command -v nsenter >/dev/null || echo "nsenter is not installed"
}

place() { echo "/run/netns/$id-$1"; }
# A command in the network namespace of a node, a pod or the client, whose mounts it shares with us.
at() { local where=$1; shift; nsenter --net="$(place "$where")" "$@"; }

network_start() {
	local name
	for name in out router node1 node2; do ip netns add "$id-$name"; ip -n "$id-$name" link set lo up; done
	for name in router node1 node2; do
		at $name sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter'
	done
	ip -n "$id-router" link add nodes type bridge forward_delay 0
	ip -n "$id-router" address add 192.0.2.254/24 dev nodes
	ip -n "$id-router" link set nodes up
	ip -n "$id-router" link add out type veth peer name eth0 netns "$id-out"
	ip -n "$id-router" address add 198.51.100.1/24 dev out
	ip -n "$id-router" link set out up
	ip -n "$id-out" address add 198.51.100.2/24 dev eth0
	ip -n "$id-out" link set eth0 up
	ip -n "$id-out" route add default via 198.51.100.1
	for name in 1 2; do
		ip -n "$id-router" link add node$name type veth peer name eth0 netns "$id-node$name"
		ip -n "$id-router" link set node$name master nodes up
		ip -n "$id-node$name" address add 192.0.2.$name/24 dev eth0
		ip -n "$id-node$name" link set eth0 up
		ip -n "$id-node$name" route add default via 192.0.2.254
		ip -n "$id-node$name" route add 10.244.$((3 - name)).0/24 via 192.0.2.$((3 - name))
		ip -n "$id-router" route add 10.244.$name.0/24 via 192.0.2.$name
	done
	ip -n "$id-router" route add 203.0.113.0/24 via 192.0.2.1
	ip -n "$id-router" route add 10.96.0.0/16 via 192.0.2.1
}

network_stop() {
	local path
	for path in /run/netns/"$id"-*; do [ ! -e "$path" ] || ip netns delete "${path##*/}"; done
}

# What the plugin of a node is told, as the examples of each plugin have it.
plugin_of() { [ "$1" = node1 ] && echo bridge || echo ptp; }
plugin_settings() {
	local node=$1 settings='"ipMasq": true'
	[ "$node" = node1 ] && settings='"bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": true'
	printf '{"cniVersion": "1.0.0", "name": "pods", "type": "%s", %s, "ipam": {"type": "host-local", "dataDir": "%s", "ranges": [[{"subnet": "10.244.%s.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}' \
		"$(plugin_of "$node")" "$settings" "$work/ipam-$node" "${node#node}"
}

# Attaches a pod to its node, and prints its address; detaches it.
plugin_run() {
	local command=$1 node=$2 pod=$3
	plugin_settings "$node" | at "$node" env CNI_COMMAND="$command" CNI_CONTAINERID="$id-$pod" CNI_NETNS="$(place "$pod")" \
		CNI_IFNAME=eth0 CNI_PATH="$plugins" "$plugins/$(plugin_of "$node")"
}
