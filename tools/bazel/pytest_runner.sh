#!/bin/bash
# Runs pytest for one pytest_test target (see pytest.bzl), from the root of its runfiles.
#
# Owns: the environment of the end-to-end tests. $1 is the program under test, made absolute in
# SALLYPORT_BIN; all that follows goes to pytest, with Bazel's --test_arg values last.
# /usr/bin/python3 on purpose: Debian's python3-pytest belongs to it, whatever else is in PATH.
set -euo pipefail

SALLYPORT_BIN="$PWD/$1"
shift
export SALLYPORT_BIN
export PYTHONDONTWRITEBYTECODE=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Bazel gives each test a directory of its own and removes it; also as HOME, so that nothing of the
# user's (a .curlrc, a .gitconfig) changes what is tested.
export TMPDIR="${TEST_TMPDIR:-${TMPDIR:-/tmp}}"
export HOME="$TMPDIR"
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

arguments=(-p no:cacheprovider --basetemp="$TMPDIR/pytest" -ra --durations=5)
if [[ -n "${XML_OUTPUT_FILE:-}" ]]; then
    arguments+=(--junitxml="$XML_OUTPUT_FILE")
fi
exec /usr/bin/python3 -m pytest "${arguments[@]}" "$@"
