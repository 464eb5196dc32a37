#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, as strict C11 and as C++ (where there is a C++ compiler), with warnings as errors.
# Usage: headers.sh SOURCE_DIR C_COMPILER
set -u
cd "$1/include" || exit 1
cc=$2
bad=0
for header in effnet/*.h; do
    printf '#include <%s>\n' "$header" |
        "$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror -I. -x c -fsyntax-only - || { echo "$header: as C11"; bad=1; }
    if "$cc" -x c++ -fsyntax-only /dev/null 2> /dev/null; then
        printf '#include <%s>\n' "$header" |
            "$cc" -std=c++11 -Wall -Wextra -Werror -I. -x c++ -fsyntax-only - || { echo "$header: as C++"; bad=1; }
    fi
done
exit $bad
