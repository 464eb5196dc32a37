#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Debian packages: `sh tools/deb.sh [FOLDER]` (default build/deb) makes the tarball (tools/dist.sh), unpacks it in FOLDER and runs
# dpkg-buildpackage on it, which also runs the fast tests (DEB_BUILD_OPTIONS=nocheck: not). Leaves source and binary packages
# there, unsigned, and prints the paths of the latter; lintian has its say where it is installed.
set -u
me=deb
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

sh "$root/tools/setup.sh" build package || exit 1
out=${1:-$root/build/deb}
mkdir -p "$out" && out=$(cd "$out" && pwd) || die "cannot create the folder $out"
tarball=$(sh "$root/tools/dist.sh" "$out") || exit 1
tree=${tarball%.tar.gz}
name=$(basename "$tree")
rm -rf "$tree" && tar -xzf "$tarball" -C "$out" || die "cannot unpack $tarball"
mv -f "$tarball" "$out/effnet_${name#effnet-}.orig.tar.gz" && rm -f "$tarball.sha256" || exit 1
say "building the packages in $tree"
(cd "$tree" && dpkg-buildpackage -us -uc) >&2 || die "dpkg-buildpackage failed"
changes=$(find "$out" -name '*.changes')
if command -v lintian > /dev/null 2>&1; then
    lintian --fail-on error,warning "$changes" >&2 || die "lintian does not accept the packages"
fi
find "$out" -maxdepth 1 -name '*.deb' | sort
