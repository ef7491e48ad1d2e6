"""Firefox ESR, headless, comes in with the .p12 that `sallyport ca` makes, by a PAC file and the profile's own database. It
is driven over Marionette, the protocol that geckodriver speaks to it.

Not part of CI, as long_chromium.py; `tools/test --long` runs it where Firefox is installed.
"""

import json
import shutil
import socket
import subprocess

import pytest

from support.browsers import HOSTS, RESOURCES, good, import_into_nss, recipe, tunnels_by_connection
from support.browsers import folder, proxy, website  # noqa: F401 - fixtures
from support.scale import PATIENCE, eventually

pytestmark = pytest.mark.skipif(not shutil.which("firefox-esr"), reason="Firefox ESR is not installed")


class Marionette:
    """One session: commands are `LENGTH:[0, ID, NAME, ARGUMENTS]`, answers `LENGTH:[1, ID, ERROR, RESULT]`."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 6 * PATIENCE)
        self.count = 0
        self.read()  # the greeting
        self.ask("WebDriver:NewSession")
        self.ask("WebDriver:SetTimeouts", pageLoad=10_000)

    def read(self):
        length = b""
        while (byte := self.sock.recv(1)) != b":":
            assert byte, "Firefox has ended the connection"
            length += byte
        text = b""
        while len(text) < int(length):
            text += self.sock.recv(int(length) - len(text))
        return json.loads(text)

    def ask(self, name, **arguments):
        """The error, and the result."""
        self.count += 1
        command = json.dumps([0, self.count, name, arguments]).encode()
        self.sock.sendall(b"%d:%s" % (len(command), command))
        return self.read()[2:]


@pytest.fixture
def firefox(proxy, folder, tmp_path_factory):
    """Starts a browser with a new profile."""
    started = []

    def start(with_certificate=True):
        profile = tmp_path_factory.mktemp("profile")
        import_into_nss(folder, profile, "$HOME/.pki/nssdb", "$HOME")
        if not with_certificate:
            good("certutil", "-d", f"sql:{profile}", "-F", "-n", "browser")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (profile / "proxy.pac").write_text(recipe("firefox-pac", "localhost:8443", proxy.url.removeprefix("https://")))
        pac = recipe("firefox", "/etc/sallyport", str(profile))
        # The test's own: where it is driven, and the proxy's name, which no DNS has here.
        test = f'user_pref("marionette.port", {port});\nuser_pref("network.dns.localDomains", "proxy.test");\n'
        (profile / "user.js").write_text(pac + test)
        process = subprocess.Popen(
            ["firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", str(profile)],
            env={"HOME": str(profile), "PATH": "/usr/bin:/bin", "MOZ_DISABLE_CONTENT_SANDBOX": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)

        def is_ready():
            with socket.socket() as probe:
                return process.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0

        eventually(is_ready, "Firefox", patience=6 * PATIENCE)
        assert process.poll() is None
        return Marionette(port)

    yield start
    for process in started:
        process.terminate()
        process.wait(6 * PATIENCE)


def test_a_page_of_a_hundred_resources_and_ten_hosts_comes_over_http_2(firefox, proxy, website):
    """Firefox begins further connections while its first tunnels to a host are being made."""
    window = firefox()
    error, _ = window.ask("WebDriver:Navigate", url=f"https://{HOSTS[0]}:{website}/many")
    assert error is None, error
    _, source = window.ask("WebDriver:GetPageSource")
    assert f"arrived: {RESOURCES}" in source["value"]
    counts = tunnels_by_connection(proxy)
    assert counts[0] > 2 and len(counts) < sum(counts)


def test_firefox_shows_a_denial_without_its_reason(firefox, proxy):
    error, _ = firefox().ask("WebDriver:Navigate", url="https://denied.test/")
    assert "proxyConnectFailure" in error["message"], error
    assert proxy.audit.records("decision", request__host="denied.test")


def test_firefox_shows_a_missing_certificate_without_its_reason(firefox, proxy, website):
    """It goes on trying."""
    error, _ = firefox(with_certificate=False).ask("WebDriver:Navigate", url=f"https://{HOSTS[0]}:{website}/")
    assert error is not None
    assert proxy.audit.records("handshake_refused", reason="no_certificate")
