#!/usr/bin/env bash
# Lets systemd read the unit, where systemd-analyze is installed, and checks that the sandbox is as tight as the docs say.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v systemd-analyze >/dev/null || { echo "check-service: systemd-analyze is not installed: the unit is not checked"; exit 0; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# The unit names a program that need not be installed here.
units=(swiftlet swiftlet-prepare swiftlet-namespaces)
for unit in "${units[@]}"; do
	sed 's,/usr/local/bin/swiftlet,/bin/true,' packaging/$unit.service >"$directory/$unit.service"
done
for unit in "${units[@]}"; do
	said=$(systemd-analyze verify --man=no "$directory/$unit.service" 2>&1 | grep -E 'swiftlet(-prepare|-namespaces)?\.service' || true)
	[ -z "$said" ] || { echo "$said" >&2; exit 1; }
	# It is root's work, and no sandbox would let it be done.
	[ $unit != swiftlet-prepare ] || continue
	score=$(systemd-analyze security --offline=true --no-pager packaging/$unit.service | awk '/Overall exposure/ { print $(NF - 2) }')
	grep -qF "exposure of **$score** ($unit.service)" docs/security.md ||
		{ echo "check-service: systemd-analyze security says $score of $unit.service, and docs/security.md something else" >&2; exit 1; }
done
