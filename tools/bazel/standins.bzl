"""Local stand-ins for repositories that Bazel 4.2.3 would download by itself.

Owns: @rules_cc, @rules_java and @remote_coverage_tools, of Bazel before 7, which is new enough for others' own. Bazel's own C++ toolchain and every test
target ask for them; with these three the build needs no network.
  rules_cc               Debian's bazel-rules-cc is too new for 4.2.3, so the names that are asked
                         for are bound to the rules built into Bazel.
  rules_java             Debian's package bazel-rules-java. Only looked at, nothing is built with it.
  remote_coverage_tools  an empty report generator; `bazel coverage` is not supported here.
"""

_RULES_CC = [
    "cc_binary",
    "cc_import",
    "cc_libc_top_alias",
    "cc_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_alias",
    "cc_toolchain_suite",
]

def _rules_cc_impl(ctx):
    ctx.file("WORKSPACE", "")
    ctx.file("cc/BUILD", "")
    ctx.file("cc/defs.bzl", "".join(["{0} = native.{0}\n".format(rule) for rule in _RULES_CC]))

rules_cc_repository = repository_rule(implementation = _rules_cc_impl)

_RULES_JAVA_DIR = "/usr/share/bazel/rules/java"

def _rules_java_impl(ctx):
    source = ctx.path(_RULES_JAVA_DIR)
    if not source.exists:
        fail("\n\n{} is missing.\n  Install it:  apt-get install bazel-rules-java\n".format(_RULES_JAVA_DIR) +
             "  (or run tools/install, which installs all that is needed on Debian 12 or 13)\n")
    for entry in source.readdir():
        ctx.symlink(entry, entry.basename)

rules_java_repository = repository_rule(implementation = _rules_java_impl, local = True)

def _remote_coverage_tools_impl(ctx):
    ctx.file("WORKSPACE", "")
    ctx.file("BUILD", "\n".join([
        "filegroup(",
        '    name = "coverage_report_generator",',
        '    visibility = ["//visibility:public"],',
        ")",
        "",
    ]))

remote_coverage_tools_repository = repository_rule(implementation = _remote_coverage_tools_impl)

def standins():
    """Declares them where Bazel is so old that it needs them."""
    if hasattr(native, "module_name"):  # since Bazel 6; Debian's build of it has no bazel_version
        return
    rules_cc_repository(name = "rules_cc")
    rules_java_repository(name = "rules_java")
    remote_coverage_tools_repository(name = "remote_coverage_tools")
