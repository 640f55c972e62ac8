#!/usr/bin/env bash
# Writes the licences of all that is linked into the program to a directory: licences.sh DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."
directory=$1
mkdir -p "$directory"

install -m 644 LICENSE "$directory/swiftlet"
for checkout in .build/checkouts/*/; do
	name=$(basename "$checkout")
	for file in LICENSE LICENSE.txt LICENSE.md NOTICE.txt NOTICE; do
		[ ! -f "$checkout/$file" ] || install -m 644 "$checkout/$file" "$directory/$name.${file%%.*}"
	done
done
# BoringSSL comes inside swift-nio-ssl.
for package in libbpf-dev libelf-dev libzstd-dev zlib1g-dev libyaml-dev libc6-dev libstdc++-12-dev libstdc++-13-dev libstdc++-14-dev; do
	[ ! -f "/usr/share/doc/$package/copyright" ] ||
		install -m 644 "/usr/share/doc/$package/copyright" "$directory/$package"
done
swift_license=$(dirname "$(readlink -f "$(command -v swift || echo /nonexistent/bin/swift)")")/../share/swift/LICENSE.txt
[ ! -f "$swift_license" ] || install -m 644 "$swift_license" "$directory/swift"
