"""The recipes of docs/CLIENTS.md for programs that take much to install, and those through the sidecar. Part of
`tools/test --clients`."""

import contextlib
import json
import os
import hashlib
import io
import re
import signal
import socket
import struct
import subprocess
import tarfile
import threading

import pytest

from support.config import reach
from support.control import CONTROL, Control
from support.pki import CLIENT_AUTH, SERVER_AUTH
from support.proxy import BINARY, Lines, run
from support.recipe_cases import HUGE, LARGE, Cases, PinnedCases, Recipe, replace, said
from support.recipe_cases import kitchen, plain_site, site  # noqa: F401 - fixtures
from support.recipes import PAGE_PATH, recipes, without_certificate
from support.scale import PATIENCE, eventually
from support.web import PAGE
from support.wheel import WHEEL, make_wheel

PIP = "/usr/bin/python3 -m pip download --no-deps"  # the one of Debian
EXPIRED = "CERTIFICATE_EXPIRED"
REQUIRED = "CERTIFICATE_REQUIRED"
RESET = "read ECONNRESET"
RECEIVING = "(56) Failure when receiving data from the peer"
ROWS = [
    Recipe(
        *("aiohttp", "Denied by rule no-social", "502", EXPIRED, REQUIRED, "[Connection reset by peer]"),
        is_shown=True,
    ),
    Recipe("httpx", "403 Denied by rule no-social", "502", EXPIRED, REQUIRED, "httpx.ConnectError"),
    Recipe("undici", "Proxy response (403)", "Proxy response (502)", "", "", RESET, method="CONNECT"),
    Recipe(
        *("https-proxy-agent", "no-social", "dns_failed", "certificate expired"),
        *("certificate required", RESET, ""),
    ),
    Recipe(
        *("axios", "code 403 Denied by rule no-social", "dns_failed", "certificate expired"),
        *("certificate required", RESET, ""),
    ),
    Recipe(
        *("got", "code 403 (Denied by rule no-social", "dns_failed", "certificate expired"),
        *("certificate required", RESET, ""),
    ),
    Recipe(
        *("go", "Denied by rule no-social", "dns_failed", "expired certificate"),
        *("certificate required", "read: connection reset by peer"),
    ),
    Recipe(
        *("rclone-direct", "Denied by rule no-social", "dns_failed", "expired certificate"),
        *("certificate required", ""),
        is_shown=True,
    ),
    Recipe(
        *("node-http2", "Denied by rule no-social", "dns_failed", "certificate expired"),
        *("certificate required", "disconnected before secure TLS connection", ""),
    ),
    Recipe(
        *("go-http2", "403 Forbidden: Denied by rule no-social", "dns_failed"),
        *("", "", "EOF", "CONNECT"),  # it sees the alert or a closed pipe, as its threads have it
    ),
    Recipe("h2", "403 Denied by rule no-social", "dns_failed", EXPIRED, REQUIRED, "CANCEL", ""),
    Recipe(
        *("curl-http2", RECEIVING, RECEIVING, "certificate expired", "certificate required"),
        "was not closed cleanly: CANCEL",
    ),
]


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def recipe(request):
    return request.param


class TestRecipes(Cases):
    def test_64_mib_arrive_whole(self, kitchen, recipe):
        result = kitchen.cook(recipe.name, kitchen.url("/huge"))
        assert result.returncode == 0, said(result)[-2000:]
        assert result.stdout == HUGE


HTTP2 = ["node-http2", "go-http2", "h2", "curl-http2"]


@pytest.mark.parametrize("name", HTTP2)
def test_a_program_with_http_2_speaks_it_to_the_proxy(kitchen, name):
    result = kitchen.cook(name, kitchen.url())
    assert (result.returncode, result.stdout) == (0, PAGE), said(result)
    assert kitchen.proxy.audit.wait("decision")["request"]["protocol"] == "h2"


@pytest.mark.parametrize("name", ["node-http2", "h2"])
def test_tunnels_to_several_origins_share_a_connection(kitchen, name):
    urls = [kitchen.url(name=f"{each}.test") for each in ("origin", "other")]
    result = kitchen.cook(name, " ".join(urls * 3))
    assert (result.returncode, result.stdout) == (0, PAGE * 6), said(result)
    decisions = kitchen.proxy.audit.wait_count(6, "decision")
    assert len({each["session"] for each in decisions}) == 1
    assert sorted(each["request"]["stream"] for each in decisions) == [1, 3, 5, 7, 9, 11]


def test_http_2_is_not_spoken_where_the_listener_does_not_offer_it(kitchen):
    """curl then goes on with HTTP/1.1."""
    [listener] = kitchen.proxy.config["listeners"]
    kitchen.proxy.reload(listeners=[{**listener, "http2": False}])
    result = kitchen.cook("curl-http2", kitchen.url())
    assert (result.returncode, result.stdout) == (0, PAGE), said(result)
    assert kitchen.proxy.audit.wait("decision")["request"]["protocol"] == "h1"


@pytest.mark.parametrize("name", ["undici"])
def test_a_program_that_tries_for_ever_is_told_in_http_where_the_listener_does_so(kitchen, pki, name):
    [listener] = kitchen.proxy.config["listeners"]
    kitchen.proxy.reload(listeners=[{**listener, "refuse_with": "http"}])
    kitchen.show(pki.ca.leaf("old", usages=(CLIENT_AUTH,), begins=-10, ends=-1))
    for change in (lambda text: text, without_certificate):
        result = kitchen.cook(name, kitchen.url(), change)
        assert result.returncode != 0
        assert "Proxy response (403)" in said(result)
    refused = kitchen.proxy.audit.wait_count(2, "handshake_refused")
    assert [each["reason"] for each in refused] == ["expired", "no_certificate"]


def pinned_go(text):
    """The page's program with these lines, and what they import."""
    program = replace(recipes()["go"][1], "    transport := ", text + "    transport := ")
    return replace(program, '    "crypto/tls"', '    "crypto/sha256"\n    "crypto/tls"\n    "encoding/base64"')


@pytest.fixture(params=["https-proxy-agent-pinned", "go-pinned", "curl-pinned"])
def pinned(request):
    return request.param, pinned_go if request.param == "go-pinned" else lambda text: text


class TestPinned(PinnedCases):
    pass


def printed_recipe(stderr, heading):
    """What `ca issue` shows under this heading, up to the next one."""
    return stderr.split(heading, 1)[1].split("\n\n", 1)[0].split("\n", 1)[1]


def test_the_go_lines_of_ca_issue_show_the_certificate_to_the_proxy_alone(kitchen, site, tmp_path):
    ca = tmp_path / "ca"
    assert run("ca", "init", "--dir", ca).returncode == 0
    lines = printed_recipe(run("ca", "issue", "me", "--dir", ca).stderr, "// Go: ")
    _, page = recipes()["go"]
    begins, ends = page.index("    proxy, _ :="), page.index("    answer, err :=")
    assert "TLSClientConfig" not in lines
    client = kitchen.folder / "client"
    lines = (
        re.sub(r'"[^"]*/me(?:\.\w+)?\.crt", "[^"]*\.key"', f'"{client}.crt", "{client}.key"', lines)
        .replace('"PROXY"', f'"{kitchen.proxy_url.removeprefix("https://")}"')
        .replace("poolWithProxyCA", 'pool("ca.crt")')
    )
    origins = 'transport.TLSClientConfig = &tls.Config{RootCAs: pool(os.Getenv("ORIGIN_CA"))}\n'
    program = page[:begins] + lines + "\n_ = err\n" + origins + page[ends:]
    program = program.replace('    "context"\n', "").replace('    "net"\n', "")
    site.shown.clear()
    result = kitchen.cook("go", kitchen.url(), lambda text: program)
    assert (result.returncode, result.stdout) == (0, PAGE), said(result)
    assert site.shown == [None] or not site.shown[0]


@pytest.mark.parametrize("program", ["nc.openbsd", "ncat"])
def test_the_control_pages_own_example_works_with_this_nc(start, program, tmp_path):
    page = (PAGE_PATH.parent / "CONTROL.md").read_text(encoding="utf-8")
    command = re.search(r"^    \$ (printf .* \| nc .*)$", page, re.M).group(1)
    proxy = start(control=CONTROL)
    command = replace(command, "/run/sallyport/control.sock", str(Control(proxy).path))
    command = replace(replace(command, "scrapers", "workers"), "| nc ", f"| {program} ")
    result = subprocess.run(["sh", "-c", command], capture_output=True, timeout=PATIENCE, check=True)
    assert json.loads(result.stdout.splitlines()[-1])["exit"] in (0, 1), result


# -- through the sidecar ------------------------------------------------------------------------


@pytest.fixture
def aside(kitchen):
    """The page's command for the sidecar, on a port of the kernel's; gives what cooks with that port."""
    (kitchen.folder / "bin").mkdir()
    (kitchen.folder / "bin" / "sallyport").symlink_to(os.path.abspath(BINARY))
    environment = kitchen.surroundings()
    environment["PATH"] = f"{kitchen.folder / 'bin'}:{environment['PATH']}"
    command = kitchen.prepare("sidecar", lambda text: "exec " + replace(text, ":3128", ":0"))
    process = subprocess.Popen(
        command, cwd=kitchen.folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    port = Lines(process.stdout).wait(r"^ready connect=127\.0\.0\.1:(\d+)").group(1)

    def cook(name, url, change=lambda text: text, **more):
        # The origin's CA is for the test only: origins of the public web need none.
        (kitchen.folder / ".wgetrc").write_text(f"ca_certificate = {kitchen.origin_ca}\ntries = 1\n")
        return kitchen.cook(name, url, lambda text: change(replace(text, ":3128", f":{port}")), **more)

    yield cook
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_wget_gets_pages_with_the_recipe(kitchen, aside):
    for url in (kitchen.url("/large"), kitchen.plain_url("/large")):
        result = aside("wget", url)
        assert result.returncode == 0 and result.stdout == LARGE, result.stderr


def test_wget_shows_the_rule_that_refuses_it(kitchen, aside):
    result = aside("wget", kitchen.url(name="social.test"))
    assert result.returncode != 0
    assert "Proxy tunneling failed: Denied by rule no-social (id " in said(result)


def test_pip_downloads_with_the_recipe(kitchen, aside, site):
    wheel = make_wheel(kitchen.folder)
    link = b'<html><body><a href="/files/%s">demo</a></body></html>' % WHEEL.encode()
    site.pages.update({"/simple/demo/": link, f"/files/{WHEEL}": wheel})
    (kitchen.folder / WHEEL).unlink()
    result = aside(
        "pip",
        "",
        lambda text: replace(text, "pip download", PIP),
        PIP_INDEX_URL=kitchen.url("/simple"),
        PIP_CERT=kitchen.origin_ca,
        PIP_NO_CACHE_DIR="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PACKAGE="demo",
    )
    assert result.returncode == 0, said(result)
    assert (kitchen.folder / WHEEL).read_bytes() == wheel
    actions = {each["decision"]["action"] for each in kitchen.proxy.audit.records("decision")}
    assert actions == {"allow"}


def npm_package(site, url):
    """A registry with one package in it."""
    manifest = json.dumps({"name": "demo", "version": "1.0.0"}).encode()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        entry = tarfile.TarInfo("package/package.json")
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest))
    digest = hashlib.sha1(archive.getvalue()).hexdigest()
    version = {"name": "demo", "version": "1.0.0", "dist": {"tarball": url, "shasum": digest}}
    about = {"name": "demo", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    site.pages.update({"/demo": json.dumps(about).encode(), "/demo.tgz": archive.getvalue()})


def test_npm_installs_with_the_recipe(kitchen, aside, site):
    npm_package(site, kitchen.url("/demo.tgz"))
    result = aside(
        "npm",
        "",
        npm_config_registry=kitchen.url("/"),
        npm_config_cafile=kitchen.origin_ca,
        npm_config_cache=str(kitchen.folder / "npm"),
        npm_config_audit="false",
        npm_config_fund="false",
        npm_config_update_notifier="false",
        PACKAGE="demo",
    )
    assert result.returncode == 0, said(result)
    assert json.loads((kitchen.folder / "node_modules/demo/package.json").read_text())["name"] == "demo"
    actions = {each["decision"]["action"] for each in kitchen.proxy.audit.records("decision")}
    assert actions == {"allow"}


def test_rclone_copies_with_the_recipe(kitchen, aside):
    for url in (kitchen.url("/large"), kitchen.plain_url("/large")):
        result = aside("rclone", url, RCLONE_CA_CERT=kitchen.origin_ca, RCLONE_CONFIG="")
        assert (result.returncode, result.stdout) == (0, LARGE), result.stderr


def test_rclone_fails_where_a_rule_refuses_it(kitchen, aside):
    url = kitchen.url(name="social.test")
    result = aside("rclone", url, RCLONE_CA_CERT=kitchen.origin_ca, RCLONE_CONFIG="", RCLONE_RETRIES="1")
    assert result.returncode != 0 and "Denied" in said(result), said(result)


class SshServer:
    """Says who it is, as sshd does, and keeps what the other side says of itself."""

    def __init__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.heard = b""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        conn, _ = self._listening.accept()
        with conn:
            conn.sendall(b"SSH-2.0-demo\r\n")
            self.heard = conn.recv(4096)
            conn.sendall(self._disconnect(b"no login here"))
            while conn.recv(4096):
                pass

    @staticmethod
    def _disconnect(words):
        """SSH_MSG_DISCONNECT, in the clear (RFC 4253 6 and 11.1)."""
        payload = b"\x01" + struct.pack(">II", 2, len(words)) + words + struct.pack(">I", 0)
        padding = 12 - (len(payload) + 9) % 8
        return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)

    def stop(self):
        self._thread.join(PATIENCE)
        self._listening.close()


def with_ncat(text):
    """The recipe with the other program's command, as the page has it."""
    ncat = re.search(r"`(ncat --proxy-type .*)`", PAGE_PATH.read_text(encoding="utf-8")).group(1)
    return replace(text, "nc -X connect -x 127.0.0.1", ncat.split(":3128")[0])


def with_nc(text):
    return replace(text, "nc -X", "nc.openbsd -X")


@pytest.mark.parametrize("change", [with_nc, with_ncat])
def test_ssh_reaches_its_server_with_the_recipe(kitchen, aside, change):
    server = SshServer()
    clients = json.loads(kitchen.proxy.config_path.read_text())["clients"]
    rule = reach("origin.test", server.port, inner={"tls": "any"})  # the server speaks first, and not TLS
    clients[0]["allow"].append(rule)
    kitchen.proxy.reload(clients=clients)
    result = aside("ssh", "", change, HOST="origin.test", PORT=str(server.port))
    server.stop()
    assert result.returncode != 0 and b"no login here" in result.stderr, said(result)
    assert server.heard.startswith(b"SSH-2.0-OpenSSH"), said(result)


GRPC_SERVER = """
import sys
from concurrent import futures
import grpc

class Echo(grpc.GenericRpcHandler):
    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"hello from " + call.method.encode())

server = grpc.server(futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((Echo(),))
pair = [(open(sys.argv[2], "rb").read(), open(sys.argv[1], "rb").read())]
print(server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair)), flush=True)
server.start()
server.wait_for_termination()
"""


def test_grpc_calls_with_the_recipe(kitchen, aside, pki):
    authority = pki.authority("gRPC CA")
    leaf = authority.leaf("origin.test", dns=("origin.test",), usages=(SERVER_AUTH,))
    server = subprocess.Popen(
        ["/usr/bin/python3", "-c", GRPC_SERVER, leaf.chain, leaf.key], stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(server.stdout.readline())
        clients = json.loads(kitchen.proxy.config_path.read_text())["clients"]
        clients[0]["allow"].append({"hosts": ["origin.test"], "addresses": ["127.0.0.1/32"], "ports": [port]})
        kitchen.proxy.reload(clients=clients)
        result = aside(
            "grpc",
            "",
            GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=authority.path,
            TARGET=f"origin.test:{port}",
            METHOD="/demo.Demo/Say",
        )
    finally:
        server.terminate()
        server.wait(PATIENCE)
    assert result.stdout == b"hello from /demo.Demo/Say\n", said(result)
    assert kitchen.proxy.audit.records("decision")[-1]["request"]["port"] == port


# -- other proxies as children ------------------------------------------------------------------


@contextlib.contextmanager
def serving(kitchen, name, command, port):
    """The URL of a proxy that a recipe runs, once it takes connections."""
    process = subprocess.Popen(
        command, cwd=kitchen.folder, env=kitchen.surroundings(), stderr=subprocess.PIPE, text=True
    )
    lines = Lines(process.stderr)

    def is_ready():
        with socket.socket() as probe:
            return process.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(is_ready, lambda: f"{name}: {lines.text()}")
    assert process.poll() is None, lines.text()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(PATIENCE)


# -- Squid --------------------------------------------------------------------------------------


@pytest.fixture
def squid(kitchen, tmp_path):
    """The page's Squid, with what a test needs: a port of its own, its files in the folder, no change of user."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    more = (
        f"pid_filename none\ncache_log {tmp_path}/cache.log\naccess_log none\ncoredump_dir {tmp_path}\n"
        f"shutdown_lifetime 1 seconds\nvisible_hostname test\nnetdb_filename none\n"
        f"logfile_rotate 0\nmax_filedescriptors 1024\n"
    )
    peer = kitchen.proxy_url.rsplit(":", 1)[1]
    command = kitchen.prepare(
        "squid", lambda text: more + replace(replace(text, ":3129", f":{port}"), "8443", peer)
    )
    # Not as root: it would change its user, which a namespace of the tests does not allow.
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]
    with serving(kitchen, "Squid", command, port) as url:
        yield url


def fetch(kitchen, proxy, url):
    return subprocess.run(
        ["curl", "-q", "-sS", "-x", proxy, "--cacert", kitchen.origin_ca, url],
        capture_output=True,
        timeout=PATIENCE,
        env=kitchen.surroundings(),
    )


def test_squid_goes_through_with_its_certificate(kitchen, squid):
    for url in (kitchen.url("/large"), kitchen.plain_url("/large")):
        result = fetch(kitchen, squid, url)
        assert (result.returncode, result.stdout) == (0, LARGE), said(result)
    clients = {each["client"]["cn"] for each in kitchen.proxy.audit.records("decision")}
    assert clients == {"worker-1"}


def test_squid_gets_nowhere_that_its_certificate_may_not(kitchen, squid):
    result = fetch(kitchen, squid, kitchen.url(name="social.test"))
    assert result.returncode != 0
    assert kitchen.proxy.audit.wait_count(1, "decision")[-1]["decision"]["rule"] == "no-social"


def test_squid_does_not_go_around_a_proxy_that_is_down(kitchen, squid, plain_site):
    kitchen.proxy.stop()
    result = fetch(kitchen, squid, kitchen.plain_url(name="127.0.0.1"))
    assert PAGE not in result.stdout and b"ERR_CONNECT_FAIL" in result.stdout, said(result)


# -- nghttpx ------------------------------------------------------------------------------------


@pytest.fixture
def nghttpx(kitchen):
    """The page's nghttpx at a port of its own; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ours = kitchen.proxy_url.rsplit(":", 1)[1]
    command = kitchen.prepare(
        "nghttpx", lambda text: "exec " + replace(replace(text, ",3130", f",{port}"), ",8443", f",{ours}")
    )
    with serving(kitchen, "nghttpx", command, port) as url:
        yield url


def test_nghttpx_takes_its_users_through_one_connection(kitchen, nghttpx):
    for url in (kitchen.url("/large"), kitchen.url("/large", "other.test"), kitchen.plain_url("/large")):
        result = fetch(kitchen, nghttpx, url)
        assert (result.returncode, result.stdout) == (0, LARGE), said(result)
    decisions = kitchen.proxy.audit.wait_count(3, "decision")
    assert {each["client"]["cn"] for each in decisions} == {"worker-1"}
    assert {each["request"]["protocol"] for each in decisions} == {"h2"}
    assert len({each["session"] for each in decisions}) == 1


def test_nghttpx_tells_its_user_what_the_proxy_refuses(kitchen, nghttpx):
    result = fetch(kitchen, nghttpx, kitchen.url(name="social.test"))
    assert "response 403" in said(result), said(result)
    assert kitchen.proxy.audit.wait("decision")["decision"]["rule"] == "no-social"


@pytest.fixture
def expired(kitchen, pki):
    kitchen.show(pki.ca.leaf("old", usages=(CLIENT_AUTH,), begins=-10, ends=-1))


def test_nghttpx_with_an_expired_certificate_tells_its_user_502(kitchen, expired, nghttpx):
    result = fetch(kitchen, nghttpx, kitchen.plain_url())
    assert PAGE not in result.stdout and b"502" in result.stdout, said(result)
    assert kitchen.proxy.audit.wait("handshake_refused")["reason"] == "expired"
