#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make install` puts into an empty DESTDIR is complete and usable from there: the program runs, the example compiles
# by pkg-config against the shared and the static library and runs, every command has its man page.
# Usage: install.sh SOURCE_DIR BUILD_DIR CMAKE C_COMPILER SYNTH
set -u
source=$1 build=$2 cmake=$3 cc=$4 synth=$5
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
complain() { printf '%s\n' "$*"; bad=1; }

DESTDIR=$work/dest "$cmake" --install "$build" --prefix /opt/effnet > log || { cat log; exit 1; }
outside=$(find dest ! -type d ! -path 'dest/opt/effnet/*')
[ -z "$outside" ] || complain "installed outside the prefix: $outside"
root=$work/dest/opt/effnet
program=$root/bin/effnet
lib=$(dirname "$(find "$root" -name libeffnet.a)")

version=$("$program" --version) || complain "the program does not run"
version=${version#effnet }
for file in bin/effnet include/effnet/effnet.h include/effnet/scale.h include/effnet/eval.h include/effnet/bench.h \
    share/effnet/imagenet_classes.tsv share/effnet/catalog.tsv share/effnet/spaces/small.json share/man/man1/effnet.1 share/bash-completion/completions/effnet \
    share/zsh/site-functions/_effnet share/fish/vendor_completions.d/effnet.fish share/doc/effnet/LICENSE; do
    [ -s "$root/$file" ] || complain "$file: not installed"
done
for header in "$source"/include/effnet/*.h; do
    [ -s "$root/include/effnet/$(basename "$header")" ] || complain "$(basename "$header"): not installed"
done
commands=$("$program" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
for command in $commands; do
    grep -q '^.Sh EXAMPLES' "$root/share/man/man1/effnet-$command.1" || complain "effnet-$command.1: not installed"
done
for page in "$root"/share/man/man1/effnet-*.1; do
    command=$(basename "$page" .1)
    words=$(printf '%s' "${command#effnet-}" | tr - ' ') # a sub-command's page is effnet-data-synth.1
    # shellcheck disable=SC2086 # words
    "$program" help $words > help 2> /dev/null && grep -q "^effnet $words - " help || complain "$command.1: there is no such command"
done
[ "$(wc -l < "$root/share/effnet/imagenet_classes.tsv")" -ge 1000 ] || complain "imagenet_classes.tsv: too short"

# The shared library: its file has the version, programs ask for the SONAME, the linker finds the plain name.
soname=$(readelf -d "$lib/libeffnet.so" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')
[ "$soname" = "libeffnet.so.${version%%.*}" ] || complain "SONAME: expected libeffnet.so.${version%%.*}, found '$soname'"
if [ ! -f "$lib/libeffnet.so.$version" ] || [ -L "$lib/libeffnet.so.$version" ]; then
    complain "libeffnet.so.$version: expected a file"
fi
if [ ! -L "$lib/$soname" ] || [ ! -L "$lib/libeffnet.so" ]; then complain "$soname, libeffnet.so: expected links"; fi
for file in "$program" "$lib/libeffnet.so"; do
    ! readelf -d "$file" | grep -qE 'R(UN)?PATH' || complain "$file: has a run path of the build"
done

export PKG_CONFIG_PATH="$lib/pkgconfig"
[ "$(pkg-config --modversion effnet)" = "$version" ] || complain "effnet.pc: expected version $version"
"$synth" model small.effnet && "$synth" png 60 80 1 photo.png || exit 1
"$program" predict small.effnet photo.png | sed 1d > want
# The example's command, as it says it itself. Word splitting is meant: flags.
# shellcheck disable=SC2046
"$cc" -Wall -Werror "$source/examples/classify.c" $(pkg-config --cflags --libs effnet) -lm -o shared ||
    complain "the example does not compile by pkg-config"
# shellcheck disable=SC2046
"$cc" -Wall -Werror "$source/examples/classify.c" \
    $(pkg-config --static --cflags --libs effnet | sed 's/-leffnet/-l:libeffnet.a/') -o static ||
    complain "the example does not compile against the static library"
LD_LIBRARY_PATH=$lib ./shared small.effnet photo.png > got || complain "the example fails"
diff want got || complain "the example differs from the program"
./static small.effnet photo.png > got || complain "the example fails with the static library"
diff want got || complain "the example differs from the program with the static library"
readelf -d shared | grep -q "NEEDED.*\[$soname\]" || complain "the example does not ask for $soname"
exit $bad
