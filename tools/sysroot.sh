#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fills a folder with Debian's arm64 headers and libraries, which the preset `aarch64` builds and runs against:
# `sh tools/sysroot.sh [FOLDER]` (default: build/sysroot-aarch64). apt works out and downloads what is needed in a state of
# its own inside the folder, from this system's package sources and by its keys; nothing of this system is changed, and
# root is not needed. A folder that is complete is left alone; removing it only costs a download.
set -u
me=sysroot
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

packages="libc6-dev libjpeg-dev libpng-dev libwebp-dev liblcms2-dev libjansson-dev libzip-dev libssl-dev libsqlite3-dev \
    libcurl4-openssl-dev libhdf5-dev libcmocka-dev"
to=${1:-$root/build/sysroot-aarch64}
[ "$(cat "$to/complete" 2> /dev/null)" = "$packages" ] && exit 0
for program in apt-get dpkg-deb; do
    command -v $program > /dev/null || die "there is no $program here: a sysroot is made of Debian's packages"
done

rm -rf "$to"
{ mkdir -p "$to/apt/lists/partial" "$to/apt/archives/partial" && : > "$to/apt/status"; } || die "cannot create $to"
to=$(cd "$to" && pwd) || exit 1
apt()
{
    show apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= \
        -o Acquire::Retries=1 -o Dir::State="$to/apt" -o Dir::State::status="$to/apt/status" \
        -o Dir::Cache="$to/apt" -o Dir::Cache::archives="$to/apt/archives" "$@"
}
say "downloading arm64 packages to $to"
apt update || die "apt-get cannot fetch the lists of arm64 packages ($said). Check the network and the package sources"
# shellcheck disable=SC2086 # a list of package names
apt install --yes --no-install-recommends --download-only $packages ||
    die "apt-get cannot download the arm64 packages ($said). Check the network and run this again"

for package in "$to"/apt/archives/*.deb; do
    dpkg-deb --extract "$package" "$to" || die "cannot unpack $package"
done
# links to the root of a file system would lead out of the folder
find "$to" -type l -lname '/*' | while read -r link; do
    ln -sfnr "$to$(readlink "$link")" "$link" || exit 1
done || die "cannot turn the links of $to"
rm -rf "$to/apt" "$to/usr/share/doc" "$to/usr/share/man" "$to/usr/share/locale"
printf '%s\n' "$packages" > "$to/complete"
