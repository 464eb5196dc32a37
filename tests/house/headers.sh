#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, as strict C11 and as C++ (where there is a C++ compiler; with CI=true there must be
# one), with warnings as errors.
# Usage: headers.sh SOURCE_DIR C_COMPILER
set -u
cd "$1/include" || exit 1
cc=$2
bad=0
cxx=0
if "$cc" -x c++ -fsyntax-only /dev/null 2> /dev/null; then cxx=1; fi
[ $cxx -eq 1 ] || [ "${CI:-}" != true ] || { echo "$cc does not compile C++ here"; bad=1; }
for header in effnet/*.h; do
    printf '#include <%s>\n' "$header" |
        "$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror -I. -x c -fsyntax-only - || { echo "$header: as C11"; bad=1; }
    [ $cxx -eq 1 ] || continue
    printf '#include <%s>\n' "$header" |
        "$cc" -std=c++11 -Wall -Wextra -Wpedantic -Werror -I. -x c++ -fsyntax-only - || { echo "$header: as C++"; bad=1; }
done
exit $bad
