"""@boringssl: BoringSSL as Debian's source package has it, built here.

Owns: which BoringSSL this is (package, version, SHA-256) and how its sources arrive. apt fetches
the pinned tarball from the mirror that this machine already uses and checks the archive's
signature; fetch_debian_source.py checks the SHA-256 and keeps the tarball in the user's cache
folder, so that it is fetched once. Any user may do this; the system's apt state is not touched.
Labels: @boringssl//:ssl and @boringssl//:crypto, by the BUILD file inside the tarball.
To build against another checkout: --override_repository=boringssl=/absolute/dir (it needs a
WORKSPACE file, which may be empty, and a BUILD file that makes these two labels).
"""

_PACKAGE = "android-platform-external-boringssl"
_VERSION = "14.0.0+r45"
_SUITE = "trixie"
_SHA256 = "f9223e8c15ad5d9e3f1cd50861f4c272658864661e2332bea5d60952aa0930cd"

_HELP = """

@boringssl could not be fetched: {what}

{output}
BoringSSL comes from Debian's source package {package} {version} ({suite}),
by way of apt. What it needs:
  - apt-get and dpkg-dev:     apt-get install apt dpkg-dev python3
  - a Debian mirror in the system's apt configuration (/etc/apt/sources.list*), reachable now
Without them, unpack that tarball (or another BoringSSL) yourself, add an empty WORKSPACE file to
it, and build with   --override_repository=boringssl=/absolute/dir
"""

def _fail(ctx, what, output = ""):
    ctx.delete("fetch")
    fail(_HELP.format(
        output = output,
        package = _PACKAGE,
        suite = _SUITE,
        version = _VERSION,
        what = what,
    ))

def _boringssl_repository_impl(ctx):
    # Resolved first: what is not known yet restarts this function.
    script = ctx.path(Label("//tools/bazel:fetch_debian_source.py"))

    python = ctx.path("/usr/bin/python3")
    if not python.exists:
        _fail(ctx, "/usr/bin/python3 is missing (apt-get install python3)")
    ctx.report_progress("fetching {} {} through apt".format(_PACKAGE, _VERSION))
    result = ctx.execute(
        [python, script, _PACKAGE, _VERSION, _SUITE, _SHA256, "fetch"],
        timeout = 900,
    )
    if result.return_code != 0:
        _fail(ctx, "see the lines below", result.stderr)
    tarball = result.stdout.strip()
    ctx.report_progress("unpacking")

    # Debian's tarballs have one top directory, whose name carries no promise.
    result = ctx.execute(["tar", "-xf", tarball, "--strip-components=1"])
    if result.return_code != 0:
        _fail(ctx, "the tarball cannot be unpacked", result.stderr)
    ctx.delete("fetch")
    if not ctx.path("BUILD").exists and not ctx.path("BUILD.bazel").exists:
        _fail(ctx, "the tarball has no BUILD file")
    ctx.file("WORKSPACE", "")

boringssl_repository = repository_rule(
    implementation = _boringssl_repository_impl,
    doc = "BoringSSL from Debian's source package, pinned.",
)
