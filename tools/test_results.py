#!/usr/bin/python3
"""Reads what one `bazel test` did from its build event file, for tools/test.

    test_results.py FILE BAZEL_STATUS [TAIL_LINES]

Owns: counting test targets and showing why one failed. For each one that did not pass it prints
the name and the end of its log to stderr; then `PASSED FAILED` as two numbers on stdout. A build
that failed without any test to blame counts as one failure.
"""

import json
import re
import sys
import urllib.parse

# What Debian's Bazel may write into a log when its sandbox is asked to talk.
NOISE = re.compile(r"^\d+\.\d+: src/main/tools/|^exec \$\{PAGER")


def events(path):
    """Yields the events of a build event JSON file, one a line; a torn last line is left out."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    return
    except FileNotFoundError:
        return


def tail(uri, lines):
    """The last lines of a log, given as file:// URI."""
    path = urllib.parse.unquote(urllib.parse.urlparse(uri).path)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            kept = [line.rstrip("\n") for line in file if not NOISE.match(line)]
    except OSError as error:
        return path, ["(no log: %s)" % error]
    if len(kept) > lines:
        kept = ["... %d lines before, see the file" % (len(kept) - lines)] + kept[-lines:]
    return path, kept


def main(argv):
    """The command."""
    if len(argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    bazel_status = int(argv[2])
    lines = int(argv[3]) if len(argv) == 4 else 60
    logs = {}
    status = {}
    wanted = set()
    for event in events(argv[1]):
        ident = event.get("id", {})
        if "testResult" in event:
            uris = [output["uri"] for output in event["testResult"].get("testActionOutput", [])
                    if output.get("name") == "test.log" and "uri" in output]
            if event["testResult"].get("status") != "PASSED":
                logs.setdefault(ident["testResult"]["label"], []).extend(uris)
        elif "testSummary" in event:
            status[ident["testSummary"]["label"]] = event["testSummary"]["overallStatus"]
        elif "targetConfigured" in ident and "testSize" in event.get("configured", {}):
            wanted.add(ident["targetConfigured"]["label"])
        elif "targetCompleted" in ident and "aborted" in event:
            status.setdefault(ident["targetCompleted"]["label"], "NOT BUILT")
        elif "targetCompleted" in ident and not event.get("completed", {}).get("success"):
            status[ident["targetCompleted"]["label"]] = "NOT BUILT"
    passed = failed = 0
    for label in sorted(set(status) & wanted if wanted else status):
        if status[label] in ("PASSED", "FLAKY"):
            passed += 1
            continue
        failed += 1
        print("\n---- %s: %s" % (label, status[label]), file=sys.stderr)
        for uri in logs.get(label, []):
            path, text = tail(uri, lines)
            print("\n".join("| " + line for line in text), file=sys.stderr)
            print("     whole log: %s" % path, file=sys.stderr)
    if bazel_status != 0 and failed == 0:
        print("\n---- bazel ended with status %d; why is said above" % bazel_status, file=sys.stderr)
        failed = 1
    print(passed, failed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
