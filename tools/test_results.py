#!/usr/bin/python3
"""Reads what one `bazel test` did from its build event file, for tools/test.

    test_results.py FILE BAZEL_STATUS [TAIL_LINES]
    test_results.py FILE slowest

Owns: counting test targets and showing why one failed. For each one that did not pass it prints
the name and the end of its log to stderr; then `PASSED FAILED LABEL...` on stdout: two numbers and
the tests that may be run once more. Those are tests that failed by what they saw, a few at most: a
sanitizer's report, a test that was not built and a row of failures are true the first time. A build
that failed without any test to blame counts as one failure.
With `slowest` it prints a line that names the tests that took longest, each by its longest shard where it has several.
"""

import json
import re
import sys
import urllib.parse

# What Debian's Bazel may write into a log when its sandbox is asked to talk.
NOISE = re.compile(r"^\d+\.\d+: src/main/tools/|^exec \$\{PAGER")

# What the sanitizers say.
REPORT = re.compile(r"(ERROR|WARNING): \w+Sanitizer|SUMMARY: \w+Sanitizer|runtime error: ")

# More failures than these are no accident of a busy machine.
ACCIDENTS = 3

# So many of the slowest tests are named.
SLOWEST = 10


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


def read_log(uri):
    """The path and the lines of a log, given as file:// URI; no lines when it cannot be read."""
    path = urllib.parse.unquote(urllib.parse.urlparse(uri).path)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return path, [line.rstrip("\n") for line in file if not NOISE.match(line)]
    except OSError:
        return path, []


def show(label, status, logs, lines):
    """Prints the end of each log of a test that did not pass."""
    print("\n---- %s: %s" % (label, status), file=sys.stderr)
    for path, text in logs:
        if len(text) > lines:
            text = ["... %d lines before, see the file" % (len(text) - lines)] + text[-lines:]
        print("\n".join("| " + line for line in text or ["(no log)"]), file=sys.stderr)
        print("     whole log: %s" % path, file=sys.stderr)


def by_what_it_saw(status, logs):
    """Whether a test failed by what it saw: a log that is there, without a report of a sanitizer."""
    return status in ("FAILED", "TIMEOUT") and bool(logs) and all(
        text and not any(REPORT.search(line) for line in text) for _, text in logs)


def durations(path):
    """The seconds that the shards of each test took."""
    seconds = {}
    for event in events(path):
        if "testResult" in event:
            took = int(event["testResult"].get("testAttemptDurationMillis", 0)) / 1000
            seconds.setdefault(event["id"]["testResult"]["label"], []).append(took)
    return seconds


def slowest(seconds):
    """A line that names the tests that took longest. `seconds` has the times of each one's shards."""
    longest = sorted(seconds.items(), key=lambda item: -max(item[1]))[:SLOWEST]
    said = []
    for label, times in longest:
        of = "" if len(times) == 1 else " (longest of %d)" % len(times)
        said.append("%s %.1f s%s" % (label.rpartition(":")[2], max(times), of))
    return "slowest: " + ", ".join(said)


def main(argv):
    """The command."""
    if len(argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    if argv[2] == "slowest":
        print(slowest(durations(argv[1])))
        return 0
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
    again = []
    for label in sorted(set(status) & wanted if wanted else status):
        if status[label] in ("PASSED", "FLAKY"):
            passed += 1
            continue
        failed += 1
        read = [read_log(uri) for uri in logs.get(label, [])]
        show(label, status[label], read, lines)
        if by_what_it_saw(status[label], read):
            again.append(label)
    if bazel_status != 0 and failed == 0:
        print("\n---- bazel ended with status %d; why is said above" % bazel_status, file=sys.stderr)
        failed = 1
    print(passed, failed, *(again if len(again) == failed <= ACCIDENTS else []))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
