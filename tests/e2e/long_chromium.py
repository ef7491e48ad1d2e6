"""Chromium, headless, comes in with the .p12 that `sallyport ca` makes, by NSS and a managed policy.

Not part of CI, for the browser is larger than all the rest. `tools/test --long` runs it where Chromium is
installed, in a network and a mount namespace of its own: the policy is laid over /etc.
"""

import json
import shutil

import pytest

from support.browsers import HOSTS, RESOURCES, good, import_into_nss, recipe, tunnels_by_connection
from support.browsers import folder, proxy, website  # noqa: F401 - fixtures
from support.proxy import run

# What its window shows as ERR_...
TUNNEL_CONNECTION_FAILED, PROXY_CONNECTION_FAILED = -111, -130
POLICIES = "/etc/chromium/policies/managed"

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")


def errors_of(events, address):
    """By number. Only of the requests for this address: the browser asks for others unasked."""
    told = [(each["source"]["id"], each.get("params", {})) for each in events]
    ours = {source for source, params in told if params.get("url") == address}
    return {params.get("net_error", 0) for source, params in told if source in ours} - {0}


@pytest.fixture
def browse(proxy, folder, tmp_path_factory):
    """What opens a URL in a new profile; gives what is in its window, and the errors."""
    good("mkdir", "-p", POLICIES)
    good("mount", "-t", "tmpfs", "none", POLICIES)
    with open(f"{POLICIES}/sallyport.json", "w", encoding="ascii") as file:
        file.write(recipe("chromium-policy", "https://localhost:8443", proxy.url))

    def window(address, with_certificate=True):
        home = tmp_path_factory.mktemp("home")
        import_into_nss(folder, home)
        if not with_certificate:
            good("certutil", "-d", f"sql:{home}/.pki/nssdb", "-F", "-n", "browser")
        log = home / "net.json"
        page = good(
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
            f"--user-data-dir={home}/profile", f"--proxy-server={proxy.url}",
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
    has_hybrid = json.loads(run("version", "--json").stdout)["boringssl"]["ml_kem"]
    assert {each["tls"]["group"] for each in allowed} == {"X25519MLKEM768" if has_hybrid else "X25519"}
    assert allowed and allowed[0]["client"]["cn"] == "browser"


def test_a_page_of_a_hundred_resources_and_ten_hosts_comes_over_one_connection(browse, website):
    page, _ = browse(f"https://{HOSTS[0]}:{website}/many")
    assert f"arrived: {RESOURCES}" in page
    assert len(tunnels_by_connection(browse.proxy)) == 1


def test_chromium_shows_a_denial_without_its_reason(browse):
    _, errors = browse("https://denied.test/")
    assert TUNNEL_CONNECTION_FAILED in errors


def test_chromium_shows_a_missing_certificate_without_its_reason(browse, website):
    _, errors = browse(f"https://127.0.0.1:{website}/", with_certificate=False)
    assert PROXY_CONNECTION_FAILED in errors, errors
    assert browse.proxy.audit.records("handshake_refused", reason="no_certificate")
