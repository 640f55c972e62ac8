#!/usr/bin/env bash
# Leaves promtool at build/tools/promtool, for the test that checks our metrics with it. Of Debian's package prometheus
# only this program is taken: nothing is installed, and no service starts.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v promtool >/dev/null && exit 0
[ -x build/tools/promtool ] && exit 0
mkdir -p build/tools
work=$(mktemp -d -p build/tools)
trap 'rm -rf "$work"' EXIT
command -v apt-get >/dev/null || { echo "promtool: not a Debian or Ubuntu: put a promtool into PATH" >&2; exit 1; }
echo "promtool: taking it out of the package prometheus"
(cd "$work" && apt-get download -qq prometheus 2>/dev/null) ||
	{ echo "promtool: cannot download the package prometheus; run apt-get update, or put a promtool into PATH" >&2; exit 1; }
dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$work" ./usr/bin/promtool
mv "$work/usr/bin/promtool" build/tools/promtool
