"""A folder that Bazel 4 can build BoringSSL's own tree in, of 2025 or later.

usage: boringssl_build.py FOLDER TREE NAME COMMIT DATE

TREE is BoringSSL's own (it has gen/sources.json). FOLDER gets a BUILD file, links into the tree, which is not touched, and
what boringssl_origin.py makes of NAME, COMMIT and DATE.
Owns: which of the tree's files make which library, and the options that they are compiled with.
"""

import json
import os
import sys

import boringssl_origin
from boringssl_origin import write

# BoringSSL's own BUILD file is for Bazel 7. The warnings are its business; the rest of the options is in
# .bazelrc, as for Debian's.
BUILD = """\
package(default_visibility = ["//visibility:public"])

cc_library(
    name = "crypto",
    srcs = {crypto},
    hdrs = glob(["src/include/openssl/*.h"]),
    copts = ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-w"],
    includes = ["src/include"],
    linkopts = ["-lpthread"],
    textual_hdrs = {fragments},
)

cc_library(
    name = "ssl",
    srcs = {ssl},
    hdrs = glob(["src/include/openssl/*.h"]),
    copts = ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-w"],
    includes = ["src/include"],
    deps = [":crypto"],
)
"""


class Mistake(Exception):
    """A sentence about a tree that cannot be used."""


def read_sources(tree):
    """What BoringSSL says that its libraries are made of."""
    path = os.path.join(tree, "gen", "sources.json")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as problem:
        raise Mistake(f"{path}: {problem.strerror}: is this BoringSSL's own tree, of 2025 or later?") from None
    except ValueError as problem:
        raise Mistake(f"{path}: {problem}") from None


def names(*lists):
    return json.dumps([f"src/{name}" for names in lists for name in names], indent=4)


def prepare(folder, tree, name, commit, date):
    """Makes the folder; what is in it already is only changed where it has to be."""
    sources = read_sources(tree)
    try:
        bcm, crypto, ssl = sources["bcm"], sources["crypto"], sources["ssl"]
        inner = [*crypto["internal_hdrs"], *bcm["internal_hdrs"]]
        headers = [path for path in inner if path.endswith(".h")]
        text = BUILD.format(
            crypto=names(bcm["srcs"], crypto["srcs"], headers, bcm["asm"], crypto["asm"]),
            fragments=names(path for path in inner if not path.endswith(".h")),
            ssl=names(ssl["srcs"], ssl["internal_hdrs"], headers),
        )
    except KeyError as missing:
        raise Mistake(f"gen/sources.json of {tree} has no {missing}: its form is not one that is known here") from None
    os.makedirs(os.path.join(folder, "src"), exist_ok=True)
    write(os.path.join(folder, "WORKSPACE"), "")
    write(os.path.join(folder, "BUILD"), text)
    # Not one link to all: there is a BUILD file at the top, for another Bazel.
    for part in ("crypto", "gen", "include", "ssl", "third_party"):
        link = os.path.join(folder, "src", part)
        if not os.path.islink(link):
            os.symlink(os.path.join(tree, part), link)
    boringssl_origin.describe(folder, name, commit, date)


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    try:
        prepare(*sys.argv[1:])
    except (Mistake, OSError, ValueError) as problem:
        sys.exit(f"boringssl_build.py: {problem}")
