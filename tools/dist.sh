#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The release tarball: `sh tools/dist.sh [FOLDER]` (default build/dist) writes effnet-VERSION.tar.gz and its .sha256 and
# prints the tarball's path. In a checkout it holds what git tracks, dated by the last commit; in an unpacked tarball, which
# needs no git, all files but what a build leaves, dated by the newest. Order, owners, modes and dates are settled, so the
# same tree gives the same bytes, and a tarball made from a tarball is that tarball.
set -u
me=dist
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"
LC_ALL=C
export LC_ALL

out=${1:-$root/build/dist}
mkdir -p "$out" && out=$(cd "$out" && pwd) || die "cannot create the folder $out"
cd "$root" || exit 1
version=$(sed -n 's/^project(effnet VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
[ -n "$version" ] || die "CMakeLists.txt: expected a line 'project(effnet VERSION N.N.N ...', found none"
list=$(mktemp) || die "cannot create a temporary file"
trap 'rm -f "$list"' EXIT
trap 'exit 1' INT TERM

tracked_files "$root" > "$list"
[ -s "$list" ] || die "$root: found no files"
if [ -e .git ]; then
    git diff --quiet HEAD -- || say "the tree has changes that are not committed; they go in"
    epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} || die "git does not say when the last commit was"
else
    epoch=${SOURCE_DATE_EPOCH:-$(tr '\n' '\0' < "$list" | xargs -0 stat -c %Y | sort -n | tail -n 1)}
fi

tarball=$out/effnet-$version.tar.gz
tar --create --format=ustar --no-recursion --files-from="$list" --transform="s,^,effnet-$version/," --sort=name \
    --mtime="@$epoch" --owner=root:0 --group=root:0 --mode=u=rwX,go=rX | gzip -9n > "$tarball.part" &&
    gzip -t "$tarball.part" && mv -f "$tarball.part" "$tarball" || die "cannot write $tarball"
(cd "$out" && sha256sum "effnet-$version.tar.gz" > "effnet-$version.tar.gz.sha256") || die "cannot write $tarball.sha256"
printf '%s\n' "$tarball"
