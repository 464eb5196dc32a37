#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What somebody with the tarball alone has: `sh tools/check_dist.sh [TARBALL]` (default: what tools/dist.sh makes) unpacks it in a
# temporary folder, then builds, runs the fast tests, installs, and makes the tarball again, without network (as root, or where
# users may make namespaces; else it says that it could not be cut off) and with a `git` that fails and is noticed.
set -u
me=check_dist
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

tarball=${1:-$(sh "$root/tools/dist.sh")} || exit 1
[ -f "$tarball" ] || die "$tarball: no such file"
work=$(mktemp -d) || die "cannot create a temporary folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir "$work/bin" "$work/home" "$work/tree"
printf '#!/bin/sh\necho "git $*" >> "%s/git-was-asked"\necho "there is no git here" >&2\nexit 127\n' "$work" > "$work/bin/git"
chmod +x "$work/bin/git"
tar -xzf "$tarball" -C "$work/tree" || die "$tarball: tar cannot unpack it"
name=$(ls "$work/tree")
[ "$name" = "$(basename "$tarball" .tar.gz)" ] || die "$tarball: expected one folder with the tarball's name, found '$name'"

# A network of its own has nothing but a loopback, which the tests of downloads use and which is down at first.
alone="sh -c"
if unshare --net true 2> /dev/null; then
    alone="unshare --net sh -c"
elif unshare --map-root-user --net true 2> /dev/null; then
    alone="unshare --map-root-user --net sh -c"
else
    say "cannot cut the build off from the network here; going on with it"
fi
say "building and testing $name in $work, without git"
# shellcheck disable=SC2016,SC2086 # expanded by the inner shell; a command's words
env PATH="$work/bin:$PATH" HOME="$work/home" EFFNET_CACHE="$work/home/cache" work="$work" name="$name" $alone '
    command -v ip > /dev/null && ip link set lo up 2> /dev/null
    cd "$work/tree/$name" && make && sh tools/test.sh && make install DESTDIR="$work/installed" PREFIX=/usr &&
        "$work/installed/usr/bin/effnet" --version && sh tools/dist.sh "$work/again"' >&2 || die "$name does not build, test and install by itself"
[ ! -e "$work/git-was-asked" ] || die "git was called: $(head -n 1 "$work/git-was-asked")"
cmp "$tarball" "$work/again/$name.tar.gz" >&2 || die "a tarball made from the tarball differs from it"
say "$name builds, passes its fast tests, installs and makes the same tarball"
