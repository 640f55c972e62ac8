#!/usr/bin/env bash
# Leaves a program at build/tools/PROGRAM, for tests that run it, unless it is in PATH. Of the Debian package only this
# program is taken: nothing is installed, and no service starts.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 2 ] || { echo "usage: scripts/tool.sh PROGRAM PACKAGE" >&2; exit 2; }
program=$1 package=$2

command -v "$program" >/dev/null && exit 0
[ -x "build/tools/$program" ] && exit 0
mkdir -p build/tools
work=$(mktemp -d -p build/tools)
trap 'rm -rf "$work"' EXIT
command -v apt-get >/dev/null || { echo "tool: not a Debian or Ubuntu: put a $program into PATH" >&2; exit 1; }
echo "tool: taking $program out of the package $package"
(cd "$work" && apt-get download -qq "$package" 2>/dev/null) ||
	{ echo "tool: cannot download the package $package; run apt-get update, or put a $program into PATH" >&2; exit 1; }
dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work" --wildcards "./usr/*bin/$program"
mv "$work"/usr/*bin/"$program" "build/tools/$program"
