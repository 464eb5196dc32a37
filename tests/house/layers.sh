#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A folder of src/ includes only itself and what stands above it, the program only public headers, nothing reaches up
# with "../", and no two source files share a name. Usage: layers.sh SOURCE_DIR
set -u
cd "$1" || exit 1
order="base fetch jail kernels image model formats worker infer data export report train trials scale search api"
bad=0
complain() { printf '%s\n' "$*"; bad=1; }

above=
for folder in $order; do
    above="$above $folder"
    [ -d "src/$folder" ] || complain "src/$folder: is in the order of layers but not in the tree"
    files=$(find "src/$folder" -name '*.[ch]')
    # shellcheck disable=SC2086,SC2013 # lists of files and of words
    for line in $(sed -n 's/^ *# *include "\([^"]*\)".*/\1/p' $files | sort -u); do
        case " $above " in
        *" ${line%%/*} "*) ;;
        *)
            # a file beside the one that includes it
            [ -n "$(find "src/$folder" -name "$line")" ] ||
                complain "src/$folder includes \"$line\", which does not stand above it"
            ;;
        esac
    done
done
for folder in $(find src -mindepth 2 -name '*.[ch]' | cut -d/ -f2 | sort -u); do
    case " $order " in
    *" $folder "*) ;;
    *) complain "src/$folder: has no place in the order of layers" ;;
    esac
done

# shellcheck disable=SC2013 # words
for line in $(sed -n 's/^ *# *include "\([^"]*\)".*/\1/p' cli/*.[ch] | sort -u); do
    [ -f "cli/$line" ] || complain "cli includes \"$line\": the program may use public headers only"
done
if grep -rn '^ *# *include "\.\./' src cli tests include; then complain "an include reaches up with \"../\""; fi
for name in $(find src cli -name '*.[ch]' -exec basename {} \; | sort | uniq -d); do
    complain "$name: two source files have this name"
done
exit $bad
