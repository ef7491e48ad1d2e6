"""What the program says about the BoringSSL in it: a folder `origin` beside its sources, with one header.

usage: boringssl_origin.py FOLDER NAME COMMIT DATE

FOLDER is the Bazel repository with the sources; NAME says where they are from; COMMIT is in hex; DATE, of the commit, is
YYYY-MM-DD in UTC. Either of the two may be empty: not known. Whether there is code for VAES is read in the assembly itself.
Owns: the header boringssl_origin.h, which proxy/tls/library.c and tools/deliver/image/sbom.py read, and the label @boringssl//origin.
"""

import calendar
import os
import re
import sys
import time

BUILD = """\
exports_files(["boringssl_origin.h"])

cc_library(
    name = "origin",
    hdrs = ["boringssl_origin.h"],
    includes = ["."],
    visibility = ["//visibility:public"],
)
"""

HEADER = """\
// Written by tools/bazel/boringssl_origin.py.
#pragma once

#define BORINGSSL_ORIGIN_NAME "{name}"
#define BORINGSSL_ORIGIN_COMMIT "{commit}" // empty: not known
#define BORINGSSL_ORIGIN_DATE_S {date_s} // Unix seconds; 0: not known
#define BORINGSSL_ORIGIN_HAS_VAES {has_vaes}
"""

# AES on two or four blocks at once. On one (%xmm) it is AVX's, which is older.
VAES = re.compile(r"^\s*vaesenc\s+(?:%|\()?[^\n]*%[yz]mm", re.MULTILINE)


def has_vaes(folder):
    """Whether some assembly for x86-64 and ELF uses VAES."""
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name not in ("test", "test_support", "third_party", "util", "rust")]
        for name in files:
            path = os.path.join(parent, name)
            if name.endswith(".S") and "x86_64" in path and "apple" not in path and "win" not in path:
                with open(path, encoding="utf-8", errors="replace") as file:
                    if VAES.search(file.read()):
                        return True
    return False


def write(path, text):
    """Only where it changes, so that Bazel sees nothing new."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def describe(folder, name, commit, date):
    """Writes the folder `origin`."""
    if not re.fullmatch(r"[ -!#-\[\]-~]+", name) or not re.fullmatch(r"[0-9a-f]*", commit):
        raise ValueError(f"not a name and a commit: {name!r}, {commit!r}")
    date_s = calendar.timegm(time.strptime(date, "%Y-%m-%d")) if date else 0
    header = HEADER.format(name=name, commit=commit, date_s=date_s, has_vaes=int(has_vaes(folder)))
    os.makedirs(os.path.join(folder, "origin"), exist_ok=True)
    write(os.path.join(folder, "origin", "BUILD"), BUILD)
    write(os.path.join(folder, "origin", "boringssl_origin.h"), header)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        describe(*sys.argv[1:])
    except (OSError, ValueError) as problem:
        sys.exit(f"boringssl_origin.py: {problem}")
