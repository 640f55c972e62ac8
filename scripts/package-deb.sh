#!/usr/bin/env bash
# Leaves a Debian package of build/swiftlet in build/. It depends on no other: package.sh takes only a program with all libraries in it.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${PROGRAM:-build/swiftlet}
fail() { echo "deb: $*" >&2; exit 1; }
[ -x "$program" ] || fail "there is no $program; run make build"
case $(od -An -tx1 -j18 -N1 "$program" | tr -d ' ') in
3e) architecture=amd64 ;;
b7) architecture=arm64 ;;
*) fail "$program is for another machine than amd64 or arm64" ;;
esac
# A version of Debian's sorts 0.1.0~dev before 0.1.0.
version=${DEB_VERSION:-$(scripts/version.sh | sed 's/-/~/')}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
doc=$root/usr/share/doc/swiftlet
maintainer='the swiftlet authors <swiftlet@localhost>'
# Packing again gives the same bytes.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}

install -D -m 755 -s "$program" "$root/usr/bin/swiftlet" 2>/dev/null || install -D -m 755 "$program" "$root/usr/bin/swiftlet"
install -D -m 644 packaging/sysusers.d/swiftlet.conf "$root/usr/lib/sysusers.d/swiftlet.conf"
install -d "$root/usr/lib/systemd/system"
for unit in swiftlet swiftlet-prepare swiftlet-namespaces; do
	sed 's,/usr/local/bin,/usr/bin,' packaging/$unit.service >"$root/usr/lib/systemd/system/$unit.service"
done
install -D -m 644 packaging/config.yaml "$root/etc/swiftlet/config.yaml"
for example in examples/*; do install -D -m 644 "$example" "$doc/examples/${example#examples/}"; done
# Messages name pages: docs/troubleshoot.md#notReady.
find docs -type f | while read -r page; do install -D -m 644 "$page" "$doc/$page"; done
scripts/licences.sh "$doc/licences"
{ cat LICENSE; printf '\nOn Debian systems it is also in /usr/share/common-licenses/GPL-2.\n'; } >"$doc/copyright"
# Debian's own says no more than which version this is.
gzip -9n <CHANGELOG.md >"$doc/CHANGELOG.md.gz"
printf 'swiftlet (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n -- %s  %s\n' "$version" "$maintainer" \
	"$(date -uRd "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.gz"
install -D -m 644 packaging/lintian-overrides "$root/usr/share/lintian/overrides/swiftlet"

scripts/install-words.sh "$program" "$root/usr/share"

install -d "$root/DEBIAN"
for script in packaging/deb/*; do install -m 755 "$script" "$root/DEBIAN/${script##*/}"; done
echo /etc/swiftlet/config.yaml >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<END
Package: swiftlet
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Recommends: ca-certificates
Suggests: bpftool
Section: net
Priority: optional
Description: Kubernetes Services by eBPF, in place of kube-proxy
 swiftlet translates Service addresses inside connect(2) and sendmsg(2), and
 packets from outside at tc. It follows a cluster's API, or a directory of
 Kubernetes manifests.
END
file=build/swiftlet_${version}_$architecture.deb
mkdir -p build
find "$root" -mindepth 1 -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz -b "$root" "$file" >/dev/null
echo "$file: $(du -h "$file" | cut -f1)"
