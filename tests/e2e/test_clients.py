"""Real clients with the flags that the documentation gives: curl, requests, git."""

import concurrent.futures
import random
import ssl
import subprocess

import pytest
import requests
from requests.adapters import HTTPAdapter

from support.config import client, reach
from support.origin import pattern
from support.pki import SERVER_AUTH
from support.plain import StrictOrigin, ok, url
from support.scale import PATIENCE, count, eventually
from support.web import PAGE, Website, clean_environment


@pytest.fixture
def website(pki, tmp_path):
    site = Website(pki, repositories=str(tmp_path))
    yield site
    site.stop()


@pytest.fixture
def proxy(start_strict, dns, website):
    dns.addresses("origin.test", "127.0.0.1")
    return start_strict(
        client(reach("origin.test", website.port)),
        deny=[{"hosts": ["social.test"], "name": "no-social"}],
    )


def proxy_url(proxy):
    host, port = proxy.address
    return f"https://{host}:{port}"


def curl(proxy, address, *options, identity="worker", stdin=b""):
    leaf = proxy.pki.worker if identity == "worker" else identity
    command = ["curl", "-sS", "--max-time", str(PATIENCE), "-x", proxy_url(proxy)]
    command += ["--proxy-cacert", proxy.pki.server_ca.path, "--cacert", proxy.pki.server_ca.path]
    if leaf:
        command += ["--proxy-cert", leaf.chain, "--proxy-key", leaf.key]
    return subprocess.run(
        [*command, *options, address],
        input=stdin,
        capture_output=True,
        check=False,
        env=clean_environment(proxy.folder),
    )


# -- curl ---------------------------------------------------------------------------------------


def test_curl_gets_the_origins_body(proxy, website):
    result = curl(proxy, f"https://origin.test:{website.port}/")
    assert (result.returncode, result.stdout) == (0, PAGE), result.stderr
    close = proxy.audit.wait("close")
    assert close["status"] == 200
    # Both end at the same time. curl 8.14 ends its TLS to the proxy without a close_notify.
    assert close["reason"] in ("client_closed", "upstream_closed", "client_truncated")
    assert close["bytes"]["down"] > len(PAGE)


def test_curl_reuses_its_tunnel(proxy, website):
    page = f"https://origin.test:{website.port}/"
    result = curl(proxy, page, page, page)
    assert result.stdout == PAGE * 3, result.stderr
    assert len(proxy.audit.records("decision")) == 1


def test_curl_takes_a_bundle(proxy, website, pki, tmp_path):
    bundle = tmp_path / "me.pem"
    with open(pki.worker.chain, "rb") as chain, open(pki.worker.key, "rb") as key:
        bundle.write_bytes(chain.read() + key.read())
    page = f"https://origin.test:{website.port}/"
    result = curl(proxy, page, "--proxy-cert", str(bundle), identity=None)
    assert result.stdout == PAGE, result.stderr


def test_curl_shows_a_denial(proxy):
    result = curl(proxy, "https://other.test/", "-v")
    assert result.returncode == 56
    assert b"CONNECT tunnel failed, response 403" in result.stderr
    id = proxy.audit.wait("decision")["id"]
    assert f"Denied: no_rule for workers (id {id})".encode() in result.stderr


@pytest.fixture
def plain_site(dns):
    """An http:// origin that answers with what it has read of the body, or with 5 MB."""
    dns.addresses("origin.test", "127.0.0.1")
    dns.addresses("other.test", "127.0.0.1")
    large = b"".join(pattern(5_000_000))

    def answer(request):
        if request.target == "/large":
            return ok(large)
        return ok(request.body or PAGE, "Content-Type: text/plain")

    site = StrictOrigin(answer)
    yield site
    site.stop()
    assert not site.violations, site.violations


@pytest.fixture
def plain_proxy(start, plain_site):
    rule = reach("origin.test", plain_site.port)
    return start(client({**rule, "hosts": ["origin.test", "other.test"]}))


CURL = {
    "GET": ((), ("GET", b"")),
    "HEAD": (("-I",), ("HEAD", b"")),
    "POST": (("-d", "a=b"), ("POST", b"a=b")),
    "PUT of chunks": (("-T", "-"), ("PUT", b"from stdin")),
    "DELETE": (("-X", "DELETE"), ("DELETE", b"")),
    "HTTP/1.0": (("-0",), ("GET", b"")),
    "HTTP/1.0 POST": (("-0", "-d", "a=b"), ("POST", b"a=b")),
    "no keep-alive": (("-H", "Connection: close"), ("GET", b"")),
}


@pytest.mark.parametrize("kind", CURL)
def test_curl_reaches_a_plain_origin(plain_proxy, plain_site, kind):
    options, (method, body) = CURL[kind]
    command = curl(plain_proxy, url(plain_site, "/x?y"), *options, stdin=b"from stdin")
    assert command.returncode == 0, command.stderr
    if method != "HEAD":
        assert command.stdout == (body or PAGE)
    [request] = plain_site.requests
    assert (request.method, request.target, request.body) == (method, "/x?y", body)
    decision = plain_proxy.audit.wait("decision")
    assert plain_proxy.close_record(decision["id"])["reason"] == "completed"


def test_curl_asks_two_plain_origins_over_one_connection(plain_proxy, plain_site):
    urls = [url(plain_site, f"/{i}", host) for i in range(3) for host in ("origin.test", "other.test")]
    result = curl(plain_proxy, *urls)
    assert result.stdout == PAGE * 6, result.stderr
    ports = {each["client"]["port"] for each in plain_proxy.audit.wait_count(6, "decision")}
    assert len(ports) == 1 and plain_site.accepted == 2


def test_curl_moves_large_bodies_both_ways(plain_proxy, plain_site, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"".join(pattern(5_000_000)))
    result = curl(plain_proxy, url(plain_site), "--data-binary", f"@{body}")  # with an Expect
    assert result.stdout == body.read_bytes(), result.stderr
    result = curl(plain_proxy, url(plain_site, "/large"))
    assert result.stdout == body.read_bytes(), result.stderr


def test_curl_shows_why_a_plain_request_is_denied(plain_proxy):
    result = curl(plain_proxy, "http://denied.test/", "-i")
    assert b"403 Denied: no_rule for workers (id " in result.stdout


def test_requests_reaches_a_plain_origin(plain_proxy, plain_site, pki):
    """The recipe of the documentation for http:// URLs."""
    context = ssl.create_default_context(cafile=pki.server_ca.path)
    context.load_cert_chain(pki.worker.chain, pki.worker.key)

    class Forward(HTTPAdapter):
        def proxy_manager_for(self, address, **options):
            return super().proxy_manager_for(address, ssl_context=context, **options)

        def cert_verify(self, *_arguments):
            pass

        def build_connection_pool_key_attributes(self, *arguments):
            return super().build_connection_pool_key_attributes(*arguments)[0], {}

    made = requests.Session()
    made.trust_env = False
    made.mount("http://", Forward())
    made.proxies = {"http": f"https://localhost:{plain_proxy.address[1]}"}
    for _ in range(3):
        assert made.get(url(plain_site), timeout=PATIENCE).content == PAGE
    assert made.post(url(plain_site), data=b"body", timeout=PATIENCE).content == b"body"
    answer = made.get("http://denied.test/", timeout=PATIENCE)
    assert answer.status_code == 403 and "no_rule" in answer.reason


@pytest.mark.parametrize(
    "kind, words, reason",
    [
        ("none", b"certificate required", "no_certificate"),
        ("expired", b"certificate expired", "expired"),
        ("other ca", b"unknown ca", "unknown_ca"),
        ("server only", b"alert", "bad_purpose"),
    ],
)
def test_curl_shows_why_its_certificate_is_refused(proxy, website, pki, kind, words, reason):
    identity = {
        "none": lambda: None,
        "expired": lambda: pki.ca.leaf("late", begins=-20, ends=-1),
        "other ca": lambda: pki.authority("Other CA").leaf("worker-1"),
        "server only": lambda: pki.ca.leaf("server-only", usages=(SERVER_AUTH,)),
    }[kind]()
    page = f"https://origin.test:{website.port}/"
    times = count(50, 3)  # an alert that a reset overtakes is lost in some of them only
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: curl(proxy, page, identity=identity), range(times)))
    for result in results:
        assert result.returncode != 0 and result.stdout == b""
        assert words in result.stderr.lower(), result.stderr
    refused = lambda: proxy.audit.records("handshake_refused")
    eventually(lambda: sum(each["count"] for each in refused()) == times, f"{times} refusals")
    assert {each["reason"] for each in refused()} == {reason}
    versions = {each["tls"]["version"] for each in refused()}
    assert versions - {None} == {"1.3"}  # a record that stands for many has none
    assert website.seen == []


def test_curl_with_cert_instead_of_proxy_cert_is_refused(proxy, website, pki):
    """The habit that everybody has: --cert is for the origin."""
    options = ["--cert", pki.worker.chain, "--key", pki.worker.key]
    page = f"https://origin.test:{website.port}/"
    result = curl(proxy, page, *options, identity=None)
    assert b"certificate required" in result.stderr
    proxy.audit.wait("handshake_refused", reason="no_certificate")


def test_curl_through_an_http_proxy_url_is_told_to_use_https(proxy, website):
    host, port = proxy.address
    page = f"https://origin.test:{website.port}/"
    result = curl(proxy, page, "-v", "-x", f"http://{host}:{port}")
    assert b"response 400" in result.stderr and b"https" in result.stderr


# -- requests -----------------------------------------------------------------------------------


class Tunnel(HTTPAdapter):
    """The recipe of the documentation: one context for the proxy, another for the origin."""

    def __init__(self, context):
        self.context = context
        super().__init__()

    def proxy_manager_for(self, proxy, **options):
        return super().proxy_manager_for(proxy, proxy_ssl_context=self.context, **options)


def session(proxy, identity):
    context = ssl.create_default_context(cafile=proxy.pki.server_ca.path)
    if identity:
        context.load_cert_chain(identity.chain, identity.key)
    made = requests.Session()
    made.mount("https://", Tunnel(context))
    made.trust_env = False
    made.verify = proxy.pki.server_ca.path
    # By name: urllib3 1.26 cannot check the certificate of a proxy that is given by address.
    made.proxies = {"https": f"https://localhost:{proxy.address[1]}"}
    return made


def test_requests_gets_the_origins_body(proxy, website, pki):
    with session(proxy, pki.worker) as requester:
        for _ in range(3):
            assert requester.get(f"https://origin.test:{website.port}/").content == PAGE
    assert len(proxy.audit.records("decision")) == 1, "the tunnel is reused"


def test_requests_shows_the_rule_and_the_id(proxy, pki):
    with session(proxy, pki.worker) as requester:
        with pytest.raises(requests.exceptions.ProxyError) as problem:
            requester.get("https://social.test/")
    id = proxy.audit.wait("decision")["id"]
    expected = f"Tunnel connection failed: 403 Denied by rule no-social (id {id})"
    assert expected in str(problem.value)


def test_requests_shows_why_there_is_no_certificate(proxy):
    with session(proxy, None) as requester, pytest.raises(requests.exceptions.SSLError) as problem:
        requester.get("https://origin.test/")
    assert "CERTIFICATE_REQUIRED" in str(problem.value)


# -- git ----------------------------------------------------------------------------------------


def git(proxy, folder, *arguments, identity="worker"):
    leaf = proxy.pki.worker if identity == "worker" else identity
    options = {
        "http.proxy": proxy_url(proxy),
        "http.proxySSLCAInfo": proxy.pki.server_ca.path,
        "http.sslCAInfo": proxy.pki.server_ca.path,
    }
    if leaf:
        options.update({"http.proxySSLCert": leaf.chain, "http.proxySSLKey": leaf.key})
    settings = [word for item in options.items() for word in ("-c", "=".join(item))]
    return subprocess.run(
        ["git", *settings, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=clean_environment(folder),
        timeout=3 * PATIENCE,
    )


@pytest.fixture
def repository(tmp_path):
    """A repository of some megabytes that do not compress."""
    folder = tmp_path / "big.git"
    blob = tmp_path / "blob"
    blob.write_bytes(random.Random(7).randbytes(4 * 1024 * 1024))
    script = """
        git init -q --bare big.git && cd big.git
        blob=$(git hash-object -w ../blob)
        tree=$(printf '100644 blob %s\\tblob\\n' "$blob" | git mktree)
        commit=$(git -c user.name=n -c user.email=e@x commit-tree "$tree" -m first)
        git update-ref refs/heads/main "$commit" && git symbolic-ref HEAD refs/heads/main
    """
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=clean_environment(tmp_path), check=True)
    return folder


def test_git_clones_ten_times(proxy, website, repository, tmp_path):
    """GnuTLS in TLS stalls for ever where records of the two layers overlap."""
    url = f"https://origin.test:{website.port}/big.git"
    for number in range(count(10, 3)):
        result = git(proxy, tmp_path, "clone", "-q", url, f"clone-{number}")
        assert result.returncode == 0, result.stderr
        blob = tmp_path / f"clone-{number}" / "blob"
        assert blob.read_bytes() == (tmp_path / "blob").read_bytes()


def test_git_lists_a_remote(proxy, website, repository, tmp_path):
    result = git(proxy, tmp_path, "ls-remote", f"https://origin.test:{website.port}/big.git")
    assert "refs/heads/main" in result.stdout, result.stderr


def test_git_shows_a_denial(proxy, tmp_path):
    result = git(proxy, tmp_path, "ls-remote", "https://other.test/big.git")
    assert result.returncode != 0 and "403" in result.stderr


def test_git_without_a_certificate_is_refused(proxy, website, tmp_path):
    url = f"https://origin.test:{website.port}/big.git"
    result = git(proxy, tmp_path, "ls-remote", url, identity=None)
    assert result.returncode != 0 and "alert" in result.stderr.lower(), result.stderr
    proxy.audit.wait("handshake_refused", reason="no_certificate")
