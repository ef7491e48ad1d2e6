"""The recipes of docs/CLIENTS.md for programs that take much to install, and those through the sidecar. Part of
`tools/test --clients`."""

import json
import os
import re
import signal
import subprocess

import pytest

from support.control import CONTROL, Control
from support.pki import CLIENT_AUTH
from support.proxy import BINARY, Lines, run
from support.recipe_cases import HUGE, LARGE, Cases, PinnedCases, Recipe, replace, said
from support.recipe_cases import kitchen, plain_site, site  # noqa: F401 - fixtures
from support.recipes import PAGE_PATH, recipes, without_certificate
from support.scale import PATIENCE
from support.web import PAGE
from support.wheel import WHEEL, make_wheel

PIP = "/usr/bin/python3 -m pip download --no-deps"  # the one of Debian
EXPIRED = "CERTIFICATE_EXPIRED"
REQUIRED = "CERTIFICATE_REQUIRED"
ROWS = [
    Recipe("aiohttp", "Denied by rule no-social", "502", EXPIRED, REQUIRED, is_shown=True),
    Recipe("httpx", "403 Denied by rule no-social", "502", EXPIRED, REQUIRED),
    Recipe("undici", "Proxy response (403)", "Proxy response (502)", "", "", method="CONNECT"),
    Recipe(
        *("https-proxy-agent", "no-social", "dns_failed", "certificate expired"),
        *("certificate required", ""),
    ),
    Recipe(
        *("axios", "code 403 Denied by rule no-social", "dns_failed", "certificate expired"),
        *("certificate required", ""),
    ),
    Recipe(
        *("got", "code 403 (Denied by rule no-social", "dns_failed", "certificate expired"),
        *("certificate required", ""),
    ),
    Recipe(
        *("go", "Denied by rule no-social", "dns_failed", "expired certificate"),
        "certificate required",
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


@pytest.fixture(params=["https-proxy-agent-pinned", "go-pinned"])
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
