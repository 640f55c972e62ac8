#!/usr/bin/env bash
# Packs build/swiftlet: package.sh deb|image|release
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(scripts/version.sh)
# What is packed carries the time of its commit, so that packing again gives the same bytes.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
program=${PROGRAM:-build/swiftlet}
machine=$(od -An -tx1 -j18 -N1 "$program" | tr -d ' ' | sed 's/^3e$/amd64/; s/^b7$/arm64/')
image=build/swiftlet-$version-$machine.oci.tar

# A package runs on other distributions, and an image has no libraries at all.
if LC_ALL=C readelf -lW "$program" | grep -q INTERP; then
	echo "package: $program needs the C library of this machine; make build LINK=-static-executable" >&2
	exit 1
fi

case ${1:-} in
deb) scripts/package-deb.sh ;;
image) scripts/package-image.py "$program" "$version" "$image" ;;
release)
	scripts/package-deb.sh
	scripts/package-image.py "$program" "$version" "$image"
	rm -rf build/release
	mkdir -p build/release
	cp "$program" "build/release/swiftlet-$version-linux-$machine"
	cp "build/swiftlet_${version/-/\~}_$machine.deb" "$image" "${image%.tar}.spdx.json" deploy/swiftlet.yaml build/release/
	# The newest section of the changelog, without its heading.
	awk '/^## / { if (seen++) exit; next } seen' CHANGELOG.md >build/release/NOTES.md
	(cd build/release && sha256sum -- * >SHA256SUMS)
	ls -l build/release ;;
*) echo "package: say deb, image or release" >&2; exit 2 ;;
esac
