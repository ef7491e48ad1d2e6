"""pytest_test: end-to-end tests in Python, run by Debian's own python3 and pytest.

Owns: how a pytest file becomes a Bazel test. The test gets the path of the program in the
environment variable SALLYPORT_BIN and a network namespace of its own that has only `lo`, in which it
is root for any user (requires-fakeroot), so that it can put more addresses on `lo`.
Arguments for pytest go through:
  bazel test //tests/e2e:connect_test --test_arg=-k --test_arg=half_close --test_output=streamed
"""

def pytest_test(
        name,
        srcs,
        data = [],
        args = [],
        binary = "//proxy:sallyport",
        size = "medium",
        tags = [],
        **kwargs):
    """A Bazel test that runs pytest on srcs.

    Args:
      name: of the test.
      srcs: the files that pytest is called with.
      data: what they need beside them: conftest.py, helpers, certificates.
      args: more arguments for pytest.
      binary: the program under test, given as SALLYPORT_BIN.
      size: Bazel's size, which sets the time limit.
      tags: more tags.
      **kwargs: any other argument of sh_test (timeout, flaky, visibility, ...).
    """
    native.sh_test(
        name = name,
        srcs = ["//tools/bazel:pytest_runner.sh"],
        args = ["$(rootpath {})".format(binary)] +
               ["$(rootpath {})".format(src) for src in srcs] +
               args,
        data = srcs + data + [binary],
        size = size,
        tags = tags + ["block-network", "e2e", "requires-fakeroot"],
        **kwargs
    )
