#!/usr/bin/env bash
# Packs build/swiftlet, or PROGRAM: package.sh deb|image|release
# A release has the programs of PROGRAMS: one for each architecture, each built on a machine of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(scripts/version.sh)
# What is packed carries the time of its commit, so that packing again gives the same bytes.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export PROGRAM=${PROGRAM:-build/swiftlet}

# The architecture of PROGRAM.
machine() { od -An -tx1 -j18 -N1 "$PROGRAM" | tr -d ' ' | sed 's/^3e$/amd64/; s/^b7$/arm64/'; }

# A package runs on other distributions, and an image has no libraries at all.
check() {
	if LC_ALL=C readelf -lW "$PROGRAM" | grep -q INTERP; then
		echo "package: $PROGRAM needs the libraries of this machine; make build links them in, unless LINK says otherwise" >&2
		exit 1
	fi
}

image() {
	check
	image=build/swiftlet-$version-$(machine).oci.tar
	scripts/package-image.py "$PROGRAM" "$version" "$image"
}

deb() {
	check
	scripts/package-deb.sh
}

release() {
	rm -rf build/release
	mkdir -p build/release
	for PROGRAM in ${PROGRAMS:-$PROGRAM}; do
		deb
		image
		cp "$PROGRAM" "build/release/swiftlet-$version-linux-$(machine)"
		cp "build/swiftlet_${version/-/\~}_$(machine).deb" "$image" "${image%.tar}.spdx.json" build/release/
	done
	cp deploy/swiftlet.yaml build/release/
	# The newest section of the changelog, without its heading.
	awk '/^## / { if (seen++) exit; next } seen' CHANGELOG.md >build/release/NOTES.md
	(cd build/release && sha256sum -- * >SHA256SUMS)
	ls -l build/release
	for architecture in amd64 arm64; do
		[ -e "build/release/swiftlet-$version-linux-$architecture" ] && continue
		echo "release: nothing for $architecture; build there (make build), bring the program here, and" >&2
		echo "release: make release PROGRAMS='${PROGRAMS:-$PROGRAM} build/swiftlet-$architecture'" >&2
	done
}

case ${1:-} in
deb | image | release) "$1" ;;
*) echo "package: say deb, image or release" >&2; exit 2 ;;
esac
