"""The recipes of docs/CLIENTS.md for curl, requests and urllib3, as they stand there. Those for git and apt are in
test_recipes_git_apt.py, the others in test_recipes_clients.py."""

import re
import shutil
import subprocess

import pytest

from support.recipe_cases import Cases, PinnedCases, Recipe, said
from support.recipe_cases import kitchen, plain_site, site  # noqa: F401 - fixtures
from support.recipes import recipes
from support.web import PAGE


TUNNEL = "Tunnel connection failed: "
EXPIRED = "CERTIFICATE_EXPIRED"
REQUIRED = "CERTIFICATE_REQUIRED"
CLOSED = "TLS/SSL connection has been closed (EOF)|Connection reset by peer"  # urllib3 1.26 | 2
ROWS = [
    Recipe(
        *("curl", "CONNECT tunnel failed, response 403", "response 502"),
        *("certificate expired", "certificate required", "(35) Recv failure: Connection reset by peer"),
        again=('"$URL"', "$URL"),
    ),
    Recipe(
        *("requests", TUNNEL + "403 Denied by rule no-social", TUNNEL + "502", EXPIRED, REQUIRED),
        CLOSED,
        again=(
            'print(session.get(os.environ["URL"]',
            'for url in os.environ["URL"].split():\n    print(session.get(url',
        ),
    ),
    Recipe(
        *("urllib3", TUNNEL + "403 Denied by rule no-social", TUNNEL + "502", EXPIRED, REQUIRED),
        CLOSED,
        plain=(" ssl_context=to_origin", " ssl_context=to_proxy"),
    ),
]


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def recipe(request):
    return request.param


class TestRecipes(Cases):
    pass


def has_curl_that_pins():
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.match(r"curl (\d+)\.(\d+)", version).groups())) >= (8, 10)


@pytest.fixture(params=["urllib3-pinned", *(["curl-pinned"] if has_curl_that_pins() else [])])
def pinned(request):
    return request.param, lambda text: text


@pytest.mark.skipif(has_curl_that_pins(), reason="this curl looks at the pin")
@pytest.mark.parametrize("pin", [None, "sha256//" + "A" * 43 + "="])
def test_an_old_curl_takes_the_pin_and_does_not_look_at_it_as_the_page_says(kitchen, pin):
    result = kitchen.cook("curl-pinned", kitchen.url(), **({"PIN": pin} if pin else {}))
    assert (result.returncode, result.stdout) == (0, PAGE), said(result)


class TestPinned(PinnedCases):
    pass


def test_the_pin_of_a_certificate_is_worked_out_as_the_page_says(kitchen, pki):
    shutil.copy(pki.server.chain, kitchen.folder / "server.crt")
    result = kitchen.cook("pin", "")
    assert f"sha256//{result.stdout.decode().strip()}" == pki.server.pin


def test_every_recipe_of_the_page_has_a_test():
    git_apt = {"git", "apt"}
    node = {"undici", "https-proxy-agent", "axios", "got"}
    clients = {"aiohttp", "httpx", "go", "rclone-direct", "squid", "sidecar"}
    http2 = {"node-http2", "go-http2", "h2", "curl-http2", "nghttpx"}
    aside = {"wget", "pip", "npm", "rclone", "ssh", "grpc"}
    browser = {"chromium", "chromium-policy", "firefox", "firefox-pac"}
    pins = {"pin", "curl-pinned", "urllib3-pinned", "https-proxy-agent-pinned", "go-pinned"}
    named = {row.name for row in ROWS}
    assert recipes().keys() == named | git_apt | node | clients | http2 | aside | browser | pins
