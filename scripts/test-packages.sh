#!/usr/bin/env bash
# Installs, upgrades, removes and purges the Debian package in bare roots of its distributions, and replaces it and the image
# under load, where what they need is there. As root.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo "test-packages: needs root for chroot and mounts" >&2; exit 1; }
work=$(mktemp -d)
passed=0 skipped=0
clean_up() {
	local status=$?
	[ -z "${root:-}" ] || umount "$root/proc" 2>/dev/null || true
	rm -rf "$work"
	exit $status
}
trap clean_up EXIT

fail() { echo "test-packages: $*" >&2; exit 1; }

# The newest package, and one that differs from it in nothing but an older version: an upgrade.
package=$(ls -t build/swiftlet_*_"$(dpkg --print-architecture)".deb 2>/dev/null | head -n 1 || true)
[ -n "$package" ] || fail "there is no package; run make deb"
repack() {
	dpkg-deb -R "$package" "$work/older"
	sed -i 's/^Version: .*/Version: 0.0.1/' "$work/older/DEBIAN/control"
	dpkg-deb --root-owner-group -Zgzip -b "$work/older" "$work/older.deb" >/dev/null
	rm -rf "$work/older"
}

# A root of a distribution, kept as build/roots/NAME.tar for the next time.
unpack_root() {
	local name=$1 mirror=$2 keyring=$3 tar=build/roots/$1.tar
	if [ ! -f "$tar" ]; then
		command -v debootstrap >/dev/null || { echo "skipped $name: debootstrap is not installed"; return 1; }
		local script=() trust=(--keyring="$keyring")
		[ -z "${UNSIGNED:-}" ] || trust=(--no-check-gpg)
		[ -f "$keyring" ] || [ -n "${UNSIGNED:-}" ] || { echo "skipped $name: there is no $keyring; UNSIGNED=1 does without"; return 1; }
		[ -e "/usr/share/debootstrap/scripts/$name" ] || script=(gutsy)
		mkdir -p build/roots
		debootstrap --variant=minbase "${trust[@]}" "$name" "$work/made" "$mirror" "${script[@]}" >"$work/log" 2>&1 ||
			{ echo "skipped $name: $(tail -n 1 "$work/log")"; rm -rf "$work/made"; return 1; }
		tar -C "$work/made" --one-file-system -cf "$tar" .
		rm -rf "$work/made"
	fi
	mkdir "$work/$name"
	tar -C "$work/$name" -xf "$tar"
}

# What of the package is in the root; its documentation may be left out by dpkg's own settings.
left() { (cd "$1" && find etc/swiftlet usr/bin/swiftlet usr/lib/systemd/system/swiftlet{,-namespaces}.service var/lib/swiftlet \
	usr/share/bash-completion/completions/swiftlet 2>/dev/null || true); }

try_root() {
	local name=$1
	root=$work/$name
	mount -t proc proc "$root/proc"
	cp "$work/older.deb" "$root/older.deb"
	cp "$package" "$root/newer.deb"
	local inside=(chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin)
	"${inside[@]}" dpkg -i /older.deb >"$work/log" 2>&1 || fail "$name: does not install: $(tail -n 3 "$work/log")"
	"${inside[@]}" swiftlet version | grep -q "^swiftlet " || fail "$name: the program does not start"
	for file in man/man5/swiftlet.yaml.5.gz doc/swiftlet/docs/troubleshoot.md; do
		dpkg-deb -c "$package" | grep " ./usr/share/$file" >/dev/null || fail "$package has no $file"
	done
	"${inside[@]}" getent passwd swiftlet >/dev/null || fail "$name: there is no user swiftlet"
	echo "# changed" >>"$root/etc/swiftlet/config.yaml"
	"${inside[@]}" dpkg -i /newer.deb >"$work/log" 2>&1 || fail "$name: does not upgrade: $(tail -n 3 "$work/log")"
	grep -q "# changed" "$root/etc/swiftlet/config.yaml" || fail "$name: an upgrade lost the configuration"
	cp -r examples "$root/manifests"
	"${inside[@]}" swiftlet compile --manifests /manifests --node demo-node 2>&1 | grep -q 10.96.0.15 ||
		fail "$name: the program does not compile the examples"
	"${inside[@]}" dpkg -r swiftlet >"$work/log" 2>&1 || fail "$name: does not remove: $(tail -n 3 "$work/log")"
	[ ! -e "$root/usr/bin/swiftlet" ] || fail "$name: a removed package left its program"
	"${inside[@]}" dpkg -P swiftlet >"$work/log" 2>&1 || fail "$name: does not purge: $(tail -n 3 "$work/log")"
	[ -z "$(left "$root")" ] || fail "$name: a purged package left $(left "$root")"
	umount "$root/proc"
	root=
	passed=$((passed + 1))
	echo "passed $name: installed, upgraded, ran, removed, purged"
}

repack
debian=http://deb.debian.org/debian
debian_keys=/usr/share/keyrings/debian-archive-keyring.gpg
ubuntu_keys=${UBUNTU_KEYRING:-/usr/share/keyrings/ubuntu-archive-keyring.gpg}
for distribution in "bookworm $debian $debian_keys" "trixie $debian $debian_keys" \
	"noble http://archive.ubuntu.com/ubuntu $ubuntu_keys"; do
	# shellcheck disable=SC2086 # three words
	if unpack_root $distribution; then try_root "${distribution%% *}"; else skipped=$((skipped + 1)); fi
	rm -rf "${work:?}/${distribution%% *}"
done
# What one of the other scripts tries; it says why where it cannot.
try_script() {
	local what=$1 said status
	shift
	if said=$("$@"); then
		passed=$((passed + 1))
		echo "passed $what: $said"
	else
		status=$?
		[ $status = 77 ] || { echo "$said"; exit $status; }
		skipped=$((skipped + 1))
		echo "skipped $what: $said"
	fi
}
try_script "upgrades of the package" scripts/test-upgrade.sh deb
try_script "upgrades of the image" scripts/test-upgrade.sh image
echo "test-packages: $passed passed, $skipped skipped"
