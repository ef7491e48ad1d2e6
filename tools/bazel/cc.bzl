"""The C macros of this tree: sallyport_folder, sallyport_tests and sallyport_fuzzers, each over a whole folder, and
sallyport_library and sallyport_binary for the rest.

A new file needs no line in a BUILD file: a folder's macro finds it. What a folder may include is layers.bzl.
Owns: the language level, the warnings (errors, for our code only) and the release hardening flags.
What holds for BoringSSL too (position independence, stack protector, sanitizers) is in .bazelrc.
Includes are relative to the root of the tree: #include "auth/base/slice.h".
Everything is linked from archives: no shared library of our own code ever exists.
"""

load("//tools/bazel:layers.bzl", "LAYERS")

# Where the headers of a library come from; pthread is libc.
_LIBRARIES = {
    "ares.h": "@cares",
    "ares_version.h": "@cares",
    "boringssl_origin.h": "@boringssl//origin",
    "ev.h": "@libev",
    "hiredis": "@hiredis",
    "idn2.h": "@libidn2",
    "jansson.h": "@jansson",
    "libpsl.h": "@libpsl",
    "nghttp2": "@nghttp2",
    "openssl": "@boringssl//:crypto",
    "yaml.h": "@libyaml",
    "zlib.h": "@zlib",
}

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wswitch-enum",
    "-Werror",
]

# -c opt only: FORTIFY needs an optimising compiler, and the sanitizers want neither. Bazel's own
# toolchain asks for level 1, so it is undefined first.
_HARDENING = select({
    "//tools/bazel:release": ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"],
    "//conditions:default": [],
}) + select({
    "//tools/bazel:x86_64": ["-fcf-protection"],
    "//tools/bazel:arm64": ["-mbranch-protection=standard"],
    "//conditions:default": [],
})

_COPTS = ["-std=gnu17", "-D_GNU_SOURCE"] + _WARNINGS + _HARDENING

def _label(path):
    """The library that has a folder ("auth/") or a header ("proxy/net/pace.h") of ours."""
    folder, _, header = path.rpartition("/")
    if folder == "proxy":
        return "//proxy:" + header[:-len(".h")]
    return "//" + folder

def _unique(labels):
    return {label: None for label in labels}.keys()

def sallyport_folder(name, exclude = [], deps = [], **kwargs):
    """The library of a folder of auth/ or proxy/: all its .c and .h files, with what its row of LAYERS allows.

    Args:
      name: the folder's last name.
      exclude: files that belong to a target of their own.
      deps: what the row cannot say.
      **kwargs: any other argument of cc_library.
    """
    ours, libraries = LAYERS[native.package_name()]
    roots = [library.split("/")[0] for library in libraries if library != "pthread.h"]
    sallyport_library(
        name = name,
        srcs = native.glob(["*.c"], exclude = exclude),
        hdrs = native.glob(["*.h"], exclude = exclude),
        visibility = ["//:__subpackages__"],
        deps = _unique([_label(path) for path in ours] + [_LIBRARIES[root] for root in roots] + deps),
        **kwargs
    )

def sallyport_library(name, copts = [], **kwargs):
    """A part of the program. Arguments as of cc_library; only .c and .h files."""
    native.cc_library(
        name = name,
        copts = _COPTS + copts,
        linkstatic = True,
        **kwargs
    )

def sallyport_binary(name, copts = [], **kwargs):
    """A program. Arguments as of cc_binary."""
    native.cc_binary(
        name = name,
        copts = _COPTS + copts,
        linkstatic = True,
        **kwargs
    )

def sallyport_tests(deps, more = {}, data = {}, threads = []):
    """The unit tests of a folder: each NAME_test.c is a cmocka program that sees no network but its own loopback.

    The other files of the folder are the library `support`, which all its tests have.

    Args:
      deps: what all of them test.
      more: NAME_test -> what this one tests besides.
      data: NAME_test -> the files that it reads.
      threads: the NAME_test that start threads, or test what does. The thread sanitizer has nothing to see in the others:
        tools/test leaves them out there. tools/lint.py knows who is missing.
    """
    tests = native.glob(["*_test.c"])
    helpers = native.glob(["*.c"], exclude = ["*_test.c"])
    headers = native.glob(["*.h"])
    if helpers or headers:
        sallyport_library(
            name = "support",
            testonly = True,
            srcs = helpers,
            hdrs = headers,
            visibility = ["//tests:__subpackages__"],
            deps = deps + ["@cmocka"],
        )
        deps = deps + [":support"]
    for test in tests:
        name = test[:-len(".c")]
        native.cc_test(
            name = name,
            srcs = [test],
            copts = _COPTS,
            data = data.get(name, []),
            linkstatic = True,
            size = "small",
            tags = ["block-network", "unit"] + ([] if name in threads else ["one_thread"]),
            deps = deps + more.get(name, []) + ["@cmocka"],
        )

def sallyport_fuzzers(deps):
    """The libFuzzer targets of a folder.

    Each NAME_fuzz.c defines LLVMFuzzerTestOneInput; seeds/NAME has its seeds; all share the headers there.
    Makes three targets for each:
      NAME_fuzz             the fuzzer itself, for --config=asan; manual, so that //... leaves it out
      NAME_fuzz_seeds       the seed inputs
      NAME_fuzz_seeds_test  a test that feeds every seed to the target once, in every configuration, so
                            that an input that once crashed stays fixed; tagged, for the fuzzers' own step begins
                            with the same inputs under the same sanitizers

    Args:
      deps: what all of them are linked with.
    """

    # libFuzzer declares its entry points nowhere; every target defines them.
    copts = _COPTS + ["-Wno-missing-prototypes"]
    shared = native.glob(["*.h"])
    for source in native.glob(["*_fuzz.c"]):
        name = source[:-len(".c")]
        seeds = native.glob(["seeds/{}/*".format(name[:-len("_fuzz")])])
        native.filegroup(name = name + "_seeds", srcs = seeds)
        native.cc_binary(
            name = name,
            srcs = [source] + shared,
            copts = copts,
            linkopts = ["-fsanitize=fuzzer"],
            linkstatic = True,
            tags = ["manual", "fuzz"],
            testonly = True,
            deps = deps,
        )
        native.cc_test(
            name = name + "_seeds_test",
            srcs = [source] + shared,
            args = ["$(rootpaths :{}_seeds)".format(name)] if seeds else [],
            copts = copts,
            data = [":{}_seeds".format(name)],
            linkstatic = True,
            size = "small",
            tags = ["block-network", "unit", "one_thread", "fuzz_seeds"],
            deps = deps + ["//tools/bazel:fuzz_driver"],
        )
