#!/bin/bash
# Looks into the release program for what the build promises: position independence, read-only
# relocations bound at start, stack protector, FORTIFY, no executable stack, BoringSSL inside.
#
# Owns: the promise made in tools/bazel/cc.bzl and .bazelrc. $1 is the program. In a build that is
# not the release (sanitizers, debugging) there is no promise, and it says so and passes; such a
# build is told by $2, the compilation mode.
set -euo pipefail

program="$1"
mode="$2"
if [[ "$mode" != opt ]]; then
    echo "this is a $mode build: hardening is promised for -c opt only"
    exit 0
fi

bad=0
headers="$(readelf -hldW "$program")"
symbols="$(nm -D "$program")"

# expect WHAT PATTERN TEXT: PATTERN must be in TEXT.
expect() {
    if grep -qE -- "$2" <<<"$3"; then
        echo "ok: $1"
    else
        echo "MISSING: $1"
        bad=1
    fi
}

# refuse WHAT PATTERN TEXT: PATTERN must not be in TEXT.
refuse() {
    if grep -E -- "$2" <<<"$3"; then
        echo "WRONG: $1"
        bad=1
    else
        echo "ok: $1"
    fi
}

expect "position-independent executable" '^ *Type: +DYN' "$headers"
expect "an interpreter: an executable, no library" 'INTERP' "$headers"
expect "read-only relocations (RELRO)" 'GNU_RELRO' "$headers"
expect "all symbols bound at start (BIND_NOW)" 'BIND_NOW|FLAGS_1.*NOW' "$headers"
expect "a GNU_STACK header" 'GNU_STACK' "$headers"
refuse "no executable stack" 'GNU_STACK.* RWE ' "$headers"
refuse "no segment both writable and executable" 'LOAD.* RWE ' "$headers"
refuse "no text relocations" 'TEXTREL' "$headers"
expect "stack protector" '__stack_chk_fail' "$symbols"
expect "FORTIFY" '__[a-z]+_chk(@|$)' "$(grep -v __stack_chk_fail <<<"$symbols")"
refuse "no foreign libcrypto or libssl" 'NEEDED.*lib(crypto|ssl)' "$headers"
exit "$bad"
