#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cppcheck over src/ and cli/: `sh tools/cppcheck.sh [FILES OR FOLDERS...]`. No output and status 0: nothing found but what
# tools/cppcheck.txt knows.
set -u
me=cppcheck
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"
cd "$root" || exit 1

sh tools/setup.sh lint || exit 1
mkdir -p build/cppcheck
[ $# -gt 0 ] || set -- src cli
exec cppcheck --enable=warning,performance,portability --std=c11 --quiet --error-exitcode=1 -j "${JOBS:-$(nproc)}" \
    --cppcheck-build-dir=build/cppcheck --library=posix --library=tools/cppcheck.cfg --suppressions-list=tools/cppcheck.txt \
    -Iinclude -Isrc -DEFF_API= --template='{file}:{line}: {severity}: {message} [{id}]' "$@"
