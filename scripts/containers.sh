# shellcheck shell=bash disable=SC2154,SC2034 # who sources it sets and reads variables
# To be sourced: a containerd of one's own, with a socket and directories below $work, for scripts that run containers. The
# machine's containerd, if it has one, is not asked, and nothing of ours is left to it.
containerd_pid=

# Why containers cannot be run here; empty where they can.
containers_lack() {
	local tool
	for tool in containerd ctr runc; do command -v $tool >/dev/null || { echo "$tool is not installed"; return; }; done
	[ "$(id -u)" = 0 ] || echo "needs root"
}

ctr_() { ctr --address "$work/socket" "$@"; }

containers_start() {
	printf 'version = 2\nroot = "%s/root"\nstate = "%s/run-state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "%s/socket"\n' \
		"$work" "$work" "$work" >"$work/config.toml"
	containerd --config "$work/config.toml" >"$work/containerd.log" 2>&1 &
	containerd_pid=$!
	for _ in $(seq 100); do ctr_ version >/dev/null 2>&1 && return; sleep 0.1; done
	echo "containerd does not start: $(tail -n 1 "$work/containerd.log")"
	return 1
}

# Ends a container and forgets it. With a signal it gets two seconds to end by itself.
container_remove() {
	local id=$1 signal=${2:-SIGKILL}
	ctr_ task kill -s "$signal" "$id"
	[ "$signal" = SIGKILL ] || container_wait "$id" || ctr_ task kill -s SIGKILL "$id"
	container_wait "$id"
	ctr_ task delete "$id"
	ctr_ container delete "$id"
} >/dev/null 2>&1

# Waits until the container's process has ended, two seconds at most.
container_wait() {
	for _ in $(seq 40); do
		ctr_ task list | grep -q "^$1 .*RUNNING" || return 0
		sleep 0.05
	done
	return 1
}

containers_stop() {
	local id
	[ -n "$containerd_pid" ] || return 0
	for id in $(ctr_ container list -q 2>/dev/null); do container_remove "$id"; done
	kill "$containerd_pid" 2>/dev/null
	wait "$containerd_pid" 2>/dev/null
	containerd_pid=
}

# Where cgroup2 is mounted.
cgroup2() { awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo; }
