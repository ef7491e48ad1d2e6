#!/bin/bash
# Runs pytest for one pytest_test target (see pytest.bzl), from the root of its runfiles.
#
# Owns: the environment of the end-to-end tests. $1 is the program under test, made absolute in
# SALLYPORT_BIN; all that follows goes to pytest, with Bazel's --test_arg values last.
# /usr/bin/python3 on purpose: Debian's python3-pytest belongs to it, whatever else is in PATH.
set -euo pipefail

# Bazel's sandbox has a network of its own where it can; where it cannot (most containers, a chroot) it says
# nothing, and a proxy that is led astray could reach somebody. Then the network is made here, or nothing runs.
if ip -o link show up | grep -qv '^[0-9]*: lo:'; then
    for way in "unshare -n" "unshare -rn"; do
        # shellcheck disable=SC2016,SC2086
        if $way true 2>/dev/null; then
            exec $way sh -c 'ip link set lo up && exec "$@"' sh "$0" "$@"
        fi
    done
    echo "these tests need a network that has only the loopback, and may not make one (unshare -n): run" \
        "them as root, or allow user namespaces" >&2
    exit 1
fi

SALLYPORT_BIN="$PWD/$1"
shift
export SALLYPORT_BIN
export PYTHONDONTWRITEBYTECODE=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# A short path: that of a UNIX socket has 107 bytes at most, and Bazel's own TEST_TMPDIR is longer.
# Also HOME, so that nothing of the user's (a .curlrc, a .gitconfig) changes what is tested.
TMPDIR="$(mktemp -d /tmp/e2e.XXXXXX)"
export TMPDIR HOME="$TMPDIR"
trap 'rm -rf -- "$TMPDIR"' EXIT
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

arguments=(-p no:cacheprovider --basetemp="$TMPDIR/pytest" -ra --durations=5)
if [[ -n "${XML_OUTPUT_FILE:-}" ]]; then
    arguments+=(--junitxml="$XML_OUTPUT_FILE")
fi
/usr/bin/python3 -m pytest "${arguments[@]}" "$@"
