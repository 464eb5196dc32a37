#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two builds of the same sources, the same bytes: `sh tools/check_reproducible.sh` builds the tree (what git tracks) in two folders
# of different names and depths, one job at a time and all at once, in other locales, time zones and modes of new files, installs both and
# compares every file that a user gets. It says what differs, with the SHA-256 of what must not.
set -u
me=check_reproducible
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

sh "$root/tools/setup.sh" build || exit 1
work=$(mktemp -d) || die "cannot create a temporary folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# once TREE BUILD INSTALLED JOBS
once()
{
    mkdir -p "$1" || die "cannot create $1"
    tracked_files "$root" | tar -C "$root" -c -T - | tar -C "$1" -x -m || die "cannot copy the tree to $1"
    say "building in $2"
    (cmake -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=Release -DEFF_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr &&
        cmake --build "$2" --parallel "$4" && DESTDIR=$3 cmake --install "$2") > "$work/log" 2>&1 ||
        { cat "$work/log" >&2; die "the build failed"; }
}
(umask 022 && LC_ALL=C TZ=UTC once "$work/one" "$work/one/build" "$work/first" "$(nproc)") || exit 1
(umask 077 && LC_ALL=C.UTF-8 TZ=Asia/Kolkata once "$work/a/longer path/two" "$work/b/elsewhere" "$work/second" 1) || exit 1

bad=0
diff -r "$work/first" "$work/second" >&2 || bad=1
cd "$work/first/usr" || exit 1
for wanted in ./bin/effnet './*/effnet-worker' './lib*/libeffnet.so.*.*' './lib*/libeffnet.a'; do
    [ -n "$(find . -type f -path "$wanted" -print -exec sha256sum {} + | tee "$work/sums")" ] || die "$wanted: was not installed"
    sed -n 's,  \./,  ,p' "$work/sums"
done
if grep -rlF "$work" "$work/first" "$work/second" >&2; then say "these files have the build's folder in them"; bad=1; fi
[ $bad -eq 0 ] || die "two builds of the same sources differ"
say "$(find "$work/first" -type f | wc -l) installed files, the same in both builds"
