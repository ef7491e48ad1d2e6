"""The C macros of this tree: sallyport_library, sallyport_binary, sallyport_test, sallyport_fuzz.

Owns: the language level, the warnings (errors, for our code only) and the release hardening flags.
What holds for BoringSSL too (position independence, stack protector, sanitizers) is in .bazelrc.
Includes are relative to the root of the tree: #include "auth/base/slice.h".
Everything is linked from archives: no shared library of our own code ever exists.
"""

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
    "//conditions:default": [],
})

_COPTS = ["-std=gnu17", "-D_GNU_SOURCE"] + _WARNINGS + _HARDENING

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

def sallyport_test(name, deps = [], copts = [], tags = [], size = "small", **kwargs):
    """A cmocka test program, one a source file; it sees no network but its own loopback."""
    native.cc_test(
        name = name,
        copts = _COPTS + copts,
        linkstatic = True,
        size = size,
        tags = tags + ["block-network", "unit"],
        deps = deps + ["@cmocka//:cmocka"],
        **kwargs
    )

def sallyport_fuzz(name, srcs, seeds = [], deps = [], copts = [], data = [], visibility = None):
    """A libFuzzer target: srcs define LLVMFuzzerTestOneInput.

    Makes three targets:
      NAME             the fuzzer itself, for --config=fuzz; manual, so that //... leaves it out
      NAME_seeds       the seed inputs
      NAME_seeds_test  a test that feeds every seed to the target once, in every configuration, so
                       that an input that once crashed stays fixed
    """

    # libFuzzer declares its entry points nowhere; every target defines them.
    fuzz_copts = _COPTS + ["-Wno-missing-prototypes"] + copts
    native.filegroup(name = name + "_seeds", srcs = seeds)
    native.cc_binary(
        name = name,
        srcs = srcs,
        copts = fuzz_copts,
        data = data,
        linkopts = ["-fsanitize=fuzzer"],
        linkstatic = True,
        tags = ["manual", "fuzz"],
        testonly = True,
        visibility = visibility,
        deps = deps,
    )
    native.cc_test(
        name = name + "_seeds_test",
        srcs = srcs,
        args = ["$(rootpaths :{}_seeds)".format(name)] if seeds else [],
        copts = fuzz_copts,
        data = data + [":{}_seeds".format(name)],
        linkstatic = True,
        size = "small",
        tags = ["block-network", "unit"],
        deps = deps + ["//tools/bazel:fuzz_driver"],
    )
