"""Chromium, headless, comes in with the .p12 that `sallyport ca` makes, by NSS and a managed policy.

Not part of CI, for the browser is larger than all the rest. `tools/test --long` runs it where Chromium is
installed, in a network and a mount namespace of its own: the policy is laid over /etc.
"""

import http.server
import json
import shutil
import ssl
import subprocess
import threading

import pytest

from support.config import client
from support.proxy import run
from support.recipes import recipes

PAGE = b"<html><body>the origin's own words</body></html>"
PASSPHRASE = "p12pass"
# What its window shows as ERR_...
TUNNEL_CONNECTION_FAILED, PROXY_CONNECTION_FAILED = -111, -130
POLICIES = "/etc/chromium/policies/managed"

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)


def good(*command, **options):
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def folder(tmp_path):
    """A CA with a certificate for proxy and origin, and one for the browser."""
    (tmp_path / "pass").write_text(PASSPHRASE)
    (tmp_path / "pass").chmod(0o600)
    server = ["issue", "proxy", "--server", "--dns", "proxy.test", "--ip", "127.0.0.1"]
    browser = ["issue", "browser", "--p12", "--p12-passphrase-file", "pass"]
    for verb in (["init", "--trust-domain", "example.test"], server, browser):
        result = run("ca", *verb, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    return tmp_path


@pytest.fixture
def website(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "proxy.crt", folder / "proxy.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def import_into_nss(folder, home):
    """The recipe of docs/CLIENTS.md, but for the passphrase, which it asks for."""
    shutil.copy(folder / "browser.p12", folder / "client.p12")
    text = recipe("chromium", "client.p12", f"client.p12 -W {PASSPHRASE}")
    good("sh", "-ec", text, cwd=folder, env={"HOME": str(home), "PATH": "/usr/bin:/bin"})


def errors_of(events, address):
    """By number. Only of the requests for this address: the browser asks for others unasked."""
    told = [(each["source"]["id"], each.get("params", {})) for each in events]
    ours = {source for source, params in told if params.get("url") == address}
    return {params.get("net_error", 0) for source, params in told if source in ours} - {0}


def recipe(name, old, new):
    _, text = recipes()[name]
    assert old in text
    return text.replace(old, new)


@pytest.fixture
def browse(start, folder, website, tmp_path_factory):
    """What opens a URL in a new profile; gives what is in its window, and the errors."""
    pair = {"chain": str(folder / "proxy.crt"), "key": str(folder / "proxy.key")}
    listener = {"name": "main", "address": "127.0.0.1:0", "trust": "staff", "certificates": [pair]}
    proxy = start(
        client({"addresses": ["127.0.0.0/8"], "ports": [website]}, name="browser"),
        listeners=[listener],
        trust={"staff": {"ca": [str(folder / "ca.crt")]}},
    )
    url = f"https://proxy.test:{proxy.address[1]}"
    good("mkdir", "-p", POLICIES)
    good("mount", "-t", "tmpfs", "none", POLICIES)
    with open(f"{POLICIES}/sallyport.json", "w", encoding="ascii") as file:
        file.write(recipe("chromium-policy", "https://localhost:8443", url))

    def window(address, with_certificate=True):
        home = tmp_path_factory.mktemp("home")
        import_into_nss(folder, home)
        if not with_certificate:
            good("certutil", "-d", f"sql:{home}/.pki/nssdb", "-F", "-n", "browser")
        log = home / "net.json"
        page = good(
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
            f"--user-data-dir={home}/profile", f"--proxy-server={url}",
            "--proxy-bypass-list=<-loopback>", "--host-resolver-rules=MAP proxy.test 127.0.0.1",
            f"--log-net-log={log}", "--dump-dom", address,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, timeout=60,
        )  # fmt: skip
        return page, errors_of(json.loads(log.read_text())["events"], address)

    window.proxy = proxy
    yield window
    good("umount", POLICIES)


def test_chromium_opens_a_page_with_the_p12(browse, website):
    page, errors = browse(f"https://127.0.0.1:{website}/")
    assert "the origin's own words" in page and not errors & {TUNNEL_CONNECTION_FAILED, PROXY_CONNECTION_FAILED}
    allowed = browse.proxy.audit.records("decision", decision__action="allow")
    assert allowed and allowed[0]["client"]["cn"] == "browser"


def test_chromium_shows_a_denial_without_its_reason(browse):
    _, errors = browse("https://denied.test/")
    assert TUNNEL_CONNECTION_FAILED in errors


def test_chromium_shows_a_missing_certificate_without_its_reason(browse, website):
    _, errors = browse(f"https://127.0.0.1:{website}/", with_certificate=False)
    assert PROXY_CONNECTION_FAILED in errors, errors
    assert browse.proxy.audit.records("handshake_refused", reason="no_certificate")
