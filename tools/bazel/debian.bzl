"""Libraries from Debian's -dev packages, each with one label: @NAME//:NAME.

Owns: finding the header and, where one is asked for, the static archive, and saying which package
to install when they are not there. The headers stay in the system's include directory, where the
compiler finds them and keeps quiet about their warnings; tools/check says which of our files may
include which header.
"""

def _missing(ctx, what):
    fail(("\n\n@{name} is not there: {what} was not found.\n" +
          "  Install it:  apt-get install {package}\n" +
          "  (or run tools/install, which installs all that is needed on Debian 12 or 13)\n").format(
        name = ctx.name,
        package = ctx.attr.package,
        what = what,
    ))

def _compiler(ctx):
    for name in [ctx.os.environ.get("SALLYPORT_TARGET_CC", ""), ctx.os.environ.get("CC", ""), "gcc", "cc"]:
        if not name:
            continue
        found = ctx.which(name)
        if found:
            return found
    fail("\n\nNo C compiler was found.\n  Install it:  apt-get install gcc\n")

def _debian_library_impl(ctx):
    if not ctx.path("/usr/include/" + ctx.attr.header).exists:
        _missing(ctx, "the header " + ctx.attr.header)
    srcs = []
    if ctx.attr.archive:
        # An absolute path if the compiler knows the file, otherwise the bare name again.
        result = ctx.execute([_compiler(ctx), "-print-file-name=" + ctx.attr.archive])
        path = result.stdout.strip()
        if result.return_code != 0 or not path.startswith("/"):
            _missing(ctx, "the static library " + ctx.attr.archive)
        ctx.symlink(ctx.path(path).realpath, ctx.attr.archive)
        srcs.append(ctx.attr.archive)
    ctx.file("WORKSPACE", "")
    ctx.file("BUILD", "\n".join([
        "# From the Debian package {}; written by tools/bazel/debian.bzl.".format(ctx.attr.package),
        "cc_library(",
        "    name = {},".format(repr(ctx.name)),
        "    srcs = {},".format(repr(srcs)),
        "    linkopts = {},".format(repr(ctx.attr.linkopts)),
        "    linkstatic = True,",
        '    visibility = ["//visibility:public"],',
        ")",
        "",
    ]))

debian_library = repository_rule(
    implementation = _debian_library_impl,
    attrs = {
        "archive": attr.string(doc = "static library to link; empty: the shared one, by linkopts"),
        "header": attr.string(mandatory = True, doc = "the header that must be in /usr/include"),
        "linkopts": attr.string_list(),
        "package": attr.string(mandatory = True, doc = "the Debian package to ask for"),
    },
    # The second one where the program is built for another machine: --config=arm64.
    environ = [
        "CC",
        "SALLYPORT_TARGET_CC",
    ],
    local = True,
)
