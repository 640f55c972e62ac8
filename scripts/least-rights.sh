#!/usr/bin/env bash
# Runs a command with the rights that packaging/swiftlet.service gives, without systemd: another user, three capabilities,
# no way to more, and a read-only file system but for some directories.
#   least-rights.sh UID:GID [--writable DIR]… -- COMMAND…
set -euo pipefail

usage() { sed -n '2,4p' "$0" >&2; exit 2; }

[ $# -ge 3 ] || usage
owner=$1
shift
[[ $owner =~ ^[0-9]+:[0-9]+$ ]] || usage

if [ "${LEAST_RIGHTS_INSIDE:-}" != yes ]; then
	LEAST_RIGHTS_INSIDE=yes exec unshare --mount --propagation private -- "$0" "$owner" "$@"
fi
unset LEAST_RIGHTS_INSIDE

writable=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	[ "$1" = --writable ] && [ $# -ge 2 ] || usage
	writable+=("$2")
	shift 2
done
[ $# -ge 2 ] || usage
shift

# A directory of its own stays as it is when what is around it becomes read-only.
for directory in "${writable[@]}"; do mount --bind "$directory" "$directory"; done
mount --bind /proc/sys /proc/sys
readarray -t mounts < <(awk '$6 ~ /^rw/ { print $5 }' /proc/self/mountinfo)
for point in "${mounts[@]}"; do
	point=$(printf %b "$point")
	# Of /proc a process writes what is its own.
	[ "$point" != /proc ] || continue
	for directory in "${writable[@]}"; do [ "$point" != "$directory" ] || continue 2; done
	# What another mount hides cannot be reached, and need not be.
	mount -o remount,bind,ro "$point" 2>/dev/null || ! findmnt --noheadings --mountpoint "$point" >/dev/null ||
		{ echo "least-rights: $point cannot be made read-only" >&2; exit 1; }
done

rights=-all,+bpf,+net_admin,+perfmon
exec setpriv --reuid "${owner%:*}" --regid "${owner#*:}" --clear-groups \
	--inh-caps="$rights" --ambient-caps="$rights" --bounding-set="$rights" --no-new-privs -- "$@"
