"""Real programs through the sidecar: wget, pip, urllib, Scrapy, Java. Part of `tools/test --clients`.

Each sees the origin's page, the proxy's refusal, and why the proxy cannot be used, in its own words.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

from support.config import client, reach
from support.scale import PATIENCE
from support.sidecar import Sidecar, stop_all
from support.web import PAGE, Website, clean_environment
from support.wheel import WHEEL, make_wheel

ALLOW = client(reach("origin.test", "any"))

SPIDER = """
import sys
import scrapy

class Spider(scrapy.Spider):
    name = "one"
    start_urls = [{url!r}]
    custom_settings = {{"LOG_LEVEL": "ERROR", "RETRY_ENABLED": False, "TELNETCONSOLE_ENABLED": False}}

    def parse(self, response):
        print("GOT", response.status, response.text)
"""

JAVA = """
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Get {
    public static void main(String[] args) throws Exception {
        var proxy = ProxySelector.of(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[1])));
        var client = HttpClient.newBuilder().proxy(proxy).build();
        var request = HttpRequest.newBuilder(URI.create(args[0])).build();
        for (int i = 0; i < 2; i++) {
            var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println("GOT " + answer.statusCode() + " " + answer.body());
        }
    }
}
"""

URLLIB = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
with urllib.request.urlopen(sys.argv[1], context=context) as answer:
    print("GOT", answer.status, answer.read().decode())
"""


class Programs:
    """The programs, each told the sidecar and the origin's CA in its own way."""

    def __init__(self, pki, folder):
        self.ca = pki.server_ca.path
        self.folder = folder
        self.sidecar = None
        self._trust_store = None

    def run(self, *command):
        environment = clean_environment(self.folder)
        for name in ("http_proxy", "https_proxy"):
            environment[name] = environment[name.upper()] = self.sidecar.url
        result = subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=3 * PATIENCE,
        )
        return result.stdout + result.stderr

    def wget(self, url):
        return self.run(
            *("wget", "--tries=1", "--timeout=20", "--content-on-error", "-O", "-"),
            *(f"--ca-certificate={self.ca}", url),
        )

    def urllib(self, url):
        return self.run(sys.executable, "-c", URLLIB, url, self.ca)

    def pip(self, url):
        index = url.split("/page")[0] + "/simple"
        shutil.rmtree(self.folder / "got", ignore_errors=True)
        said = self.run(
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "1"),
            *("download", "--no-deps", "--no-cache-dir", "--cert", self.ca, "-d", "got"),
            *("--trusted-host", "plain.test", "--index-url", index, "demo"),
        )
        got = self.folder / "got" / WHEEL
        return said + (PAGE.decode() if got.exists() else "")

    def scrapy(self, url):
        (self.folder / "spider.py").write_text(SPIDER.format(url=url))
        return self.run(sys.executable, "-m", "scrapy", "runspider", "spider.py")

    def java(self, url):
        if not self._trust_store:
            self._trust_store = self.folder / "trust.p12"
            command = ["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", self.ca]
            command += ["-keystore", self._trust_store, "-storepass", "changeit"]
            subprocess.run(command, check=True, capture_output=True)
            (self.folder / "Get.java").write_text(JAVA)
        return self.run(
            *("java", f"-Djavax.net.ssl.trustStore={self._trust_store}"),
            *("-Djavax.net.ssl.trustStorePassword=changeit", "Get.java", url, self.sidecar.port),
        )


# What each program shows of a status line on CONNECT.
SHOWN = {
    "wget": "Proxy tunneling failed: {reason}",
    "urllib": "Tunnel connection failed: {status} {reason}",
    "pip": "{status} {reason}",
    "scrapy": "{reason}",
    "java": "Tunnel failed, got: {status}",
}
NAMES = list(SHOWN)


def shown(name, status, reason):
    return SHOWN[name].format(status=status, reason=reason)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return {
        "/simple/demo/": b'<html><body><a href="/files/%s">demo</a></body></html>' % WHEEL.encode(),
        f"/files/{WHEEL}": make_wheel(tmp_path_factory.mktemp("wheel")),
    }


@pytest.fixture(scope="module")
def site(pki, pages):
    website = Website(pki, pages=pages)
    yield website
    website.stop()


@pytest.fixture(scope="module")
def plain_site(pki, pages):
    website = Website(pki, pages=pages, is_plain=True)
    yield website
    website.stop()


@pytest.fixture
def programs(pki, tmp_path):
    return Programs(pki, tmp_path)


@pytest.fixture
def through(pki, dns, programs):
    """Gives the programs a sidecar; at the end of the test it is stopped and its run checked."""
    started = []
    dns.addresses("proxy.test", "127.0.0.1")
    dns.addresses("origin.test", "127.0.0.1")

    def start_one(proxy, identity=None):
        url = f"https://proxy.test:{proxy.address[1]}"
        one = Sidecar(pki, url, identity, ["--resolver", dns.endpoint])
        started.append(one)
        programs.sidecar = one.wait_ready()
        return one

    yield start_one
    stop_all(started)


@pytest.mark.parametrize("name", NAMES)
def test_it_gets_the_page_of_an_https_origin(name, start_strict, through, programs, site):
    proxy = start_strict(ALLOW)
    through(proxy)
    said = getattr(programs, name)(f"https://origin.test:{site.port}/page")
    assert PAGE.decode().strip() in said, said
    assert proxy.audit.wait("decision")["decision"]["action"] == "allow"


@pytest.mark.parametrize("name", NAMES)
def test_it_gets_the_page_of_an_http_origin(name, start_strict, through, programs, plain_site, dns):
    dns.addresses("plain.test", "127.0.0.1")
    proxy = start_strict(client(reach("plain.test", "any")))
    through(proxy)
    said = getattr(programs, name)(f"http://plain.test:{plain_site.port}/page")
    assert PAGE.decode().strip() in said, said
    assert proxy.audit.wait("decision")["request"]["method"] == "GET"


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_the_rule_that_refuses_it(name, start_strict, through, programs):
    proxy = start_strict(client(deny=[{"hosts": ["closed.test"], "name": "no-such-place"}]))
    through(proxy)
    said = getattr(programs, name)("https://closed.test/page")
    assert shown(name, 403, "Denied by rule no-such-place (id ") in said, said
    assert proxy.audit.wait("decision")["decision"]["rule"] == "no-such-place"


# What each shows of a tunnel that is reset in its handshake.
RESET = {
    "wget": "Unable to establish SSL connection",
    "urllib": "Connection reset by peer",
    "pip": "Connection reset by peer",
    "scrapy": "Connection lost",
    "java": "Remote host terminated the handshake",
}


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_that_its_tunnel_was_ended(name, start, through, programs, site):
    """To an address: the program has no server name to give, and the tunnel needs one."""
    rule = {"addresses": ["127.0.0.1/32"], "ports": [site.port]}
    proxy = start(client(rule, inner={"tls": "require"}))
    through(proxy)
    said = getattr(programs, name)(f"https://127.0.0.1:{site.port}/page")
    assert RESET[name] in said and PAGE.decode() not in said, said
    # Scrapy gives the address as a name, which is none (RFC 6066 3).
    assert proxy.audit.wait("close")["reason"] == ("inner_mismatch" if name == "scrapy" else "inner_no_name")


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_to_an_address_where_any_name_will_do(name, start, through, programs, site):
    """None of them comes to see the page: the server's certificate is for a name."""
    rule = {"addresses": ["127.0.0.1/32"], "ports": [site.port]}
    proxy = start(client(rule, inner={"tls": "require", "names": "any"}))
    through(proxy)
    getattr(programs, name)(f"https://127.0.0.1:{site.port}/page")
    assert not proxy.audit.wait("close")["reason"].startswith("inner_")


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_that_its_certificate_has_expired_and_works_once_renewed(
    name, pki, start_strict, through, programs, site, tmp_path
):
    proxy = start_strict(ALLOW)
    old = pki.ca.leaf("old", begins=-20, ends=-10)

    class Files:
        chain, key = str(tmp_path / "me.crt"), str(tmp_path / "me.key")

    def put(leaf):
        for source, place in ((leaf.chain, Files.chain), (leaf.key, Files.key)):
            shutil.copy(source, place + ".new")
            os.replace(place + ".new", place)

    put(old)
    one = through(proxy, Files)
    said = getattr(programs, name)(f"https://origin.test:{site.port}/page")
    assert shown(name, 502, "Sidecar: your certificate has expired (expired)") in said, said
    assert proxy.audit.wait("handshake_refused")["reason"] == "expired"
    put(pki.worker)
    assert one.stderr.wait("renewed: ")
    said = getattr(programs, name)(f"https://origin.test:{site.port}/page")
    assert PAGE.decode().strip() in said, said


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_that_the_proxy_is_gone(name, start_strict, through, programs):
    proxy = start_strict(ALLOW)
    through(proxy)
    proxy.crash()
    proxy._is_checked = True  # it was killed: there is nothing more to be checked
    said = getattr(programs, name)("https://origin.test/page")
    assert shown(name, 502, "Sidecar: the proxy refuses connections (connection_ref") in said, said


def test_the_audit_has_one_decision_for_each_request_of_a_program(
    start_strict, through, programs, site
):
    proxy = start_strict(ALLOW)
    through(proxy)
    programs.wget(f"https://origin.test:{site.port}/page")
    proxy.stop()
    records = proxy.audit.records()
    assert [record["event"] for record in records] == ["decision", "close"], json.dumps(records)


@pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")
def test_a_browser_finds_its_way_by_the_pac_file(start_strict, through, programs, site, plain_site, dns):
    dns.addresses("plain.test", "127.0.0.1")
    proxy = start_strict(client(reach("origin.test", "any"), reach("plain.test", "any")))
    one = through(proxy)
    for url in (f"https://origin.test:{site.port}/page", f"http://plain.test:{plain_site.port}/page"):
        said = programs.run(
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--ignore-certificate-errors", f"--user-data-dir={programs.folder}/profile"),
            *(f"--proxy-pac-url={one.url}/proxy.pac", "--dump-dom", url),
        )
        assert PAGE.decode().strip() in said, said
    for host in ("origin.test", "plain.test"):
        allowed = proxy.audit.wait("decision", request__host=host)
        assert allowed["decision"]["action"] == "allow"
