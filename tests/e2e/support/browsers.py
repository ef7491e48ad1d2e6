"""What the tests with browsers share: a CA, an origin of ten hosts, a proxy, and the .p12 that `sallyport ca` makes."""

import collections
import http.server
import shutil
import ssl
import subprocess
import threading

import pytest

from support.config import client, reach
from support.proxy import run
from support.recipes import recipes

PAGE = b"<html><body>the origin's own words</body></html>"
# A page with a hundred resources of ten hosts, which counts those that have arrived.
HOSTS = [f"host-{number}.test" for number in range(10)]
RESOURCES = 100
PASSPHRASE = "p12pass"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        kind, body = "text/html", PAGE
        if self.path == "/many":
            body = self.many()
        elif self.path.startswith("/resource"):
            kind, body = "text/javascript", b"arrived++;" + b" " * 20000
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def many(self):
        sources = [f"https://{HOSTS[n % 10]}:{self.server.server_port}/resource-{n}" for n in range(RESOURCES)]
        scripts = "".join(f'<script src="{source}"></script>' for source in sources)
        end = "<script>document.body.append(`arrived: ${arrived}`)</script>"
        return f"<html><body><script>let arrived = 0</script>{scripts}{end}</body></html>".encode()


def good(*command, **options):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def folder(tmp_path):
    """A CA with a certificate for proxy and origin, and one for the browser."""
    (tmp_path / "pass").write_text(PASSPHRASE)
    (tmp_path / "pass").chmod(0o600)
    names = [word for host in ["proxy.test", *HOSTS] for word in ("--dns", host)]
    server = ["issue", "proxy", "--server", *names, "--ip", "127.0.0.1"]
    browser = ["issue", "browser", "--p12", "--p12-passphrase-file", "pass"]
    for verb in (["init", "--trust-domain", "example.test"], server, browser):
        result = run("ca", *verb, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    return tmp_path


@pytest.fixture
def website(folder):
    """Its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "proxy.crt", folder / "proxy.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture
def proxy(start, dns, folder, website):
    """It is proxy.test, and lets the browser's certificate go to the website."""
    for host in HOSTS:
        dns.addresses(host, "127.0.0.1")
    pair = {"chain": str(folder / "proxy.crt"), "key": str(folder / "proxy.key")}
    listener = {"name": "main", "address": "127.0.0.1:0", "trust": "staff", "certificates": [pair]}
    rules = [{"addresses": ["127.0.0.0/8"], "ports": [website]}, *(reach(host, website) for host in HOSTS)]
    made = start(
        client(*rules, name="browser"), listeners=[listener], trust={"staff": {"ca": [str(folder / "ca.crt")]}}
    )
    made.url = f"https://proxy.test:{made.address[1]}"
    return made


def recipe(name, *pairs):
    """The recipe of docs/CLIENTS.md with these changes: old, new, old, new, ..."""
    _, text = recipes()[name]
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return text


def import_into_nss(folder, home, *pairs):
    """The recipe of docs/CLIENTS.md, but for the passphrase, which it asks for."""
    shutil.copy(folder / "browser.p12", folder / "client.p12")
    text = recipe("chromium", "client.p12", f"client.p12 -W {PASSPHRASE}", *pairs)
    good("sh", "-ec", text, cwd=folder, env={"HOME": str(home), "PATH": "/usr/bin:/bin"})


def tunnels_by_connection(proxy):
    """How many tunnels to HOSTS came over each connection, most first. All were the browser's, over HTTP/2."""
    made = [each for each in proxy.audit.records("decision") if each["request"]["host"] in HOSTS]
    assert {each["request"]["host"] for each in made} == set(HOSTS)
    assert {each["request"]["protocol"] for each in made} == {"h2"}
    assert {each["client"]["cn"] for each in made} == {"browser"}
    counts = collections.Counter(each["session"] for each in made)
    print(f"{len(made)} tunnels over {len(counts)} connections")
    return [count for _, count in counts.most_common()]
