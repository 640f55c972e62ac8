#!/usr/bin/env bash
# Checks what make release has left in build/release: the checksums, the program in an empty root, the package by lintian and
# man, the SBOM by spdx-tools, the manifest by the schema of Kubernetes' API, that packing again gives the same bytes, and the
# image in containerd under the rights of the DaemonSet. What the machine lacks for it goes below build/tools. As root.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "check-packages: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root for namespaces and mounts"
passed=0
pass() { passed=$((passed + 1)); echo "passed $*"; }
work=$(mktemp -d)
root=
clean_up() {
	[ -z "$root" ] || umount "$root/proc" 2>/dev/null || true
	rm -rf --one-file-system "$work"
}
trap clean_up EXIT

release=$PWD/build/release
machine=$(dpkg --print-architecture)
one() {
	if [ $# != 1 ] || [ ! -f "$1" ]; then fail "build/release has not one file ${1##*/}; run make release"; fi
	echo "$1"
}
program=$(one "$release"/swiftlet-*-linux-"$machine")
package=$(one "$release"/swiftlet_*_"$machine".deb)
image=$(one "$release"/swiftlet-*-"$machine".oci.tar)
(cd "$release" && sha256sum --quiet -c SHA256SUMS) || fail "build/release/SHA256SUMS does not hold"
[ -s "$release/NOTES.md" ] || fail "a release has no notes"
pass "the checksums"

# Neither a library nor a file of another distribution, nor one of the machine that built it.
root=$work/empty
mkdir -p "$root/proc" "$root/manifests"
cp "$program" "$root/swiftlet"
cp examples/*.yaml "$root/manifests"
mount -t proc proc "$root/proc"
chroot "$root" /swiftlet compile --manifests /manifests --node demo-node 2>&1 | grep -q 10.96.0.15 ||
	fail "the program does not run in an empty root: $(chroot "$root" /swiftlet version 2>&1 | tail -n 1)"
umount "$root/proc"
root=
pass "the program in an empty root"

# Tags of lintian are errors and warnings alike; those that are meant are in packaging/lintian-overrides.
said=$(lintian --allow-root --fail-on error,warning "$package" 2>&1) || fail "lintian: $said"
dpkg-deb -x "$package" "$work/files"
for page in "$work"/files/usr/share/man/man[58]/*.gz; do
	said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null) || fail "man: $said"
	[ -z "$said" ] || fail "${page##*/}: $said"
done
bash -n "$work/files/usr/share/bash-completion/completions/swiftlet" || fail "bash does not read its completion"
for checkout in .build/checkouts/*/; do
	ls "$work/files/usr/share/doc/swiftlet/licences/$(basename "$checkout")".* >/dev/null 2>&1 ||
		fail "the package has no licence of $(basename "$checkout")"
done
pass "the package: lintian, $(find "$work/files/usr/share/man" -name '*.gz' | wc -l) man pages, the licences"

python=build/tools/python
[ -x $python/bin/kubernetes-validate ] ||
	{ python3 -m venv $python && $python/bin/pip install -q 'spdx-tools>=0.8.3,<0.9' 'kubernetes-validate>=1.33'; } ||
	fail "spdx-tools and kubernetes-validate cannot be had from PyPI"
said=$($python/bin/pyspdxtools -i "${image%.tar}.spdx.json" 2>&1) || fail "the SBOM is not valid: $said"
pass "the SBOM"
# The first that knows all its fields, and a late one.
for version in 1.30 1.33; do
	said=$($python/bin/kubernetes-validate --strict -k $version "$release/swiftlet.yaml" 2>&1) || fail "Kubernetes $version: $said"
done
pass "the manifest, against the schema of Kubernetes' API"

# The newest are what make release has left.
for file in "$package" "$image"; do mv "build/${file##*/}" "$work/"; done
scripts/package.sh deb >/dev/null
scripts/package.sh image >/dev/null
for file in "$package" "$image"; do
	cmp -s "$file" "build/${file##*/}" || fail "packing again gives other bytes: ${file##*/}"
done
pass "the same bytes, packed again"

for tool in containerd ctr containerd-shim-runc-v2; do scripts/tool.sh $tool containerd; done
scripts/tool.sh runc runc
said=$(PATH=$PATH:$PWD/build/tools scripts/test-image.sh) || fail "the image: $said"
pass "the image: $said"

echo "check-packages: $passed passed"
