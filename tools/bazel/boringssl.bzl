"""@boringssl: BoringSSL, built here: of Debian's source package, or of its own releases.

Owns: which BoringSSL this is (versions, commits, SHA-256) and how its sources arrive. Without a word it is Debian's: apt
fetches the pinned tarball from the mirror that this machine already uses and checks the archive's
signature; fetch_debian_source.py checks the SHA-256 and keeps the tarball in the user's cache
folder, so that it is fetched once. Any user may do this; the system's apt state is not touched.
With --config=upstream it is a release of BoringSSL's own, which Bazel downloads, or finds in a --distdir. With the
environment's SALLYPORT_BORINGSSL it is the checkout that this names, or, if it says `upstream`, that release.
Labels: @boringssl//:ssl, @boringssl//:crypto and @boringssl//origin, the last for `sallyport version`.
"""

_PACKAGE = "android-platform-external-boringssl"
_VERSION = "14.0.0+r45"
_SUITE = "trixie"
_SHA256 = "f9223e8c15ad5d9e3f1cd50861f4c272658864661e2332bea5d60952aa0930cd"

# Of the commit in its file BORINGSSL_REVISION.
_DATE = "2023-04-19"

# BoringSSL's own release. Digest and address are those of its entry in the Bazel Central Registry.
_UPSTREAM_VERSION = "0.20260813.0"
_UPSTREAM_COMMIT = "7c1efd8d6ffb36a57feba44e8c73cf674801f3cb"
_UPSTREAM_DATE = "2026-08-13"
_UPSTREAM_SHA256 = "37e23cb9a5fa54f01b07cadd653cebc1d1b235945439a6c334fea58ea47b5b0a"
_UPSTREAM_NAME = "boringssl-" + _UPSTREAM_VERSION
_UPSTREAM_URL = "https://github.com/google/boringssl/releases/download/{}/{}.tar.gz".format(
    _UPSTREAM_VERSION,
    _UPSTREAM_NAME,
)

_HELP = """

@boringssl could not be fetched: {what}

{output}
BoringSSL comes from Debian's source package {package} {version} ({suite}),
by way of apt. What it needs:
  - apt-get and dpkg-dev:     apt-get install apt dpkg-dev python3
  - a Debian mirror in the system's apt configuration (/etc/apt/sources.list*), reachable now
Without them, build with a checkout of BoringSSL's own tree that SALLYPORT_BORINGSSL names; or unpack that tarball yourself
and build with   --override_repository=boringssl=/absolute/dir   as docs/DEVELOPING.md says ("BoringSSL").
"""

_UPSTREAM_HELP = """

@boringssl could not be had: {what}

{output}
--config=upstream builds with BoringSSL {version}, from
  {url}
with the SHA-256 {sha256}.
Without a network, have that file in a folder, under its own name, and add   --distdir=/that/folder
or let SALLYPORT_BORINGSSL name a checkout of BoringSSL's own tree.
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

def _fail_upstream(what, output = ""):
    fail(_UPSTREAM_HELP.format(
        output = output,
        sha256 = _UPSTREAM_SHA256,
        url = _UPSTREAM_URL,
        version = _UPSTREAM_VERSION,
        what = what,
    ))

def _fetch_debian(ctx, python, script, origin):
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
    commit = ctx.read("BORINGSSL_REVISION").strip()
    result = ctx.execute([python, "-B", origin, ".", "Debian " + _VERSION, commit, _DATE])
    if result.return_code != 0:
        _fail(ctx, "what it is cannot be written down", result.stderr)

def _fetch_upstream(ctx, python, build):
    ctx.report_progress("fetching BoringSSL " + _UPSTREAM_VERSION)

    # By its own name, for that is what --distdir is searched for.
    archive = _UPSTREAM_NAME + ".tar.gz"
    download = ctx.download(url = _UPSTREAM_URL, output = archive, sha256 = _UPSTREAM_SHA256, allow_fail = True)
    if not download.success:
        _fail_upstream("it is in no --distdir and cannot be downloaded, or the file there is another one")
    ctx.extract(archive, output = "upstream", stripPrefix = _UPSTREAM_NAME)
    ctx.delete(archive)
    _build_tree(ctx, python, build, ctx.path("upstream"), "upstream " + _UPSTREAM_VERSION, _UPSTREAM_COMMIT, _UPSTREAM_DATE)

def _build_tree(ctx, python, build, tree, name, commit, date):
    result = ctx.execute([python, "-B", build, ".", tree, name, commit, date])
    if result.return_code != 0:
        _fail_upstream("see the lines below", result.stderr)

def _boringssl_repository_impl(ctx):
    # Resolved first: what is not known yet restarts this function.
    fetch = ctx.path(Label("//tools/bazel:fetch_debian_source.py"))
    origin = ctx.path(Label("//tools/bazel:boringssl_origin.py"))
    build = ctx.path(Label("//tools/bazel:boringssl_build.py"))
    tool = ctx.path(Label("//:tools/boringssl"))
    checkout = ctx.os.environ.get("SALLYPORT_BORINGSSL", "")

    python = ctx.path("/usr/bin/python3")
    if not python.exists:
        _fail(ctx, "/usr/bin/python3 is missing (apt-get install python3)")
    if checkout == "upstream" or (not checkout and ctx.os.environ.get("SALLYPORT_BORINGSSL_FROM") == "upstream"):
        _fetch_upstream(ctx, python, build)
    elif checkout:
        result = ctx.execute([python, "-B", tool, "--into", ".", checkout])
        if result.return_code != 0:
            _fail_upstream("see the lines below", result.stderr)
    else:
        _fetch_debian(ctx, python, fetch, origin)

boringssl_repository = repository_rule(
    implementation = _boringssl_repository_impl,
    doc = "BoringSSL, pinned.",
    environ = ["SALLYPORT_BORINGSSL", "SALLYPORT_BORINGSSL_FROM"],
)
