"""The page of `admin` in Chromium, headless: with and without scripts, narrow and wide, light and dark; and by axe-core.

Not part of CI, for the browser is larger than all the rest. `tools/test --long` runs it where Chromium is installed.
SALLYPORT_SCREENSHOTS is a folder for pictures. SALLYPORT_AXE is axe-core's axe.min.js.
"""

import os
import shutil
from pathlib import Path

import pytest

from support.config import client, reach
from support.devtools import Browser
from support.pki import common_names

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")

AXE = Path(os.environ.get("SALLYPORT_AXE", ""))
WINDOWS = [(1280, 900), (360, 740)]


@pytest.fixture
def watched(start, dns, origin, pki):
    """A proxy with something in each part of its page."""
    dns.addresses("origin.test", "127.0.0.1")
    server = origin()
    proxy = start(
        client(reach("origin.test", server.port), name="crawlers"),
        client(name="agents", match=[{"cn": "nobody"}]),
        admin={"address": "127.0.0.1:0"},
    )
    said = proxy.stderr.wait(r"metrics and health at (http://.*:\d+/)$")
    proxy.url = said[1]
    proxy.tunnel(f"origin.test:{server.port}").echo(b"x" * 100000)
    for host in ("nowhere.test", "<b>odd</b>.test", "elsewhere.example"):
        proxy.ask(f"{host}:443")
    stranger = pki.authority("Another CA", label="another-ca").leaf("stranger", subject=common_names("<i>stranger</i>"))
    try:
        proxy.dial(stranger).handshake()
    except OSError:
        pass
    return proxy


@pytest.fixture
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("home")) as window:
        yield window


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width, height", WINDOWS)
@pytest.mark.parametrize("scripts", [True, False])
def test_the_page_is_whole(watched, browser, width, height, scripts, dark):
    browser.show(watched.url, width, height, dark, scripts)
    assert browser.complaints() == []
    seen = browser.evaluate(
        "({text: document.body.innerText, wide: document.documentElement.scrollWidth, odd: document.querySelector('td b, td i'),"
        " background: getComputedStyle(document.body).backgroundColor})"
    )
    assert "nowhere.test:443" in seen["text"] and "crawlers" in seen["text"]
    assert seen["wide"] <= width and seen["odd"] is None
    assert seen["background"] == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    if folder := os.environ.get("SALLYPORT_SCREENSHOTS"):
        name = f"page-{width}-{'dark' if dark else 'light'}{'' if scripts else '-plain'}.png"
        browser.screenshot(Path(folder) / name)


def test_the_script_shows_what_is_new(watched, browser):
    browser.show(watched.url, 1280, 900)
    watched.ask("later.test:443")
    seen = (
        "new Promise(done => { const again = () => document.body.innerText.includes('later.test:443')"
        " ? done(true) : setTimeout(again, 100); again() })"
    )
    assert browser.evaluate(seen) and browser.complaints() == []


@pytest.mark.skipif("SALLYPORT_AXE" not in os.environ, reason="SALLYPORT_AXE is not set")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width, height", WINDOWS)
def test_axe_finds_no_violation(watched, browser, width, height, dark):
    browser.show(watched.url, width, height, dark)
    browser.evaluate(AXE.read_text() + "; true")
    levels = '["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]'
    found = browser.evaluate(
        f"axe.run({{runOnly: {levels}}}).then(r => ({{bad: r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html)),"
        " passes: r.passes.length}))"
    )
    assert found["bad"] == [] and found["passes"] > 10, found
