"""The cases that every recipe of docs/CLIENTS.md goes through, and what its user sees in each.

Two files take them: test_recipes.py with the programs that every machine for tests has, and
test_recipes_clients.py with those that take much to install (tools/test --clients).
"""

from dataclasses import dataclass

import pytest

from support.config import client, reach
from support.pki import CLIENT_AUTH
from support.recipes import Kitchen
from support.web import PAGE, Website

LARGE = b"".join(b"%015d\n" % number for number in range(4 * 1024 * 1024 // 16))


@pytest.fixture(scope="module")
def site(pki):
    website = Website(pki, pages={"/large": LARGE})
    yield website
    website.stop()


@pytest.fixture
def kitchen(start, dns, pki, site, tmp_path):
    """A proxy that allows origin.test, and a folder to cook in."""
    dns.addresses("origin.test", "127.0.0.1")
    dns.addresses("other.test", "127.0.0.1")
    rules = [reach(name, site.port) for name in ("origin.test", "missing.test")]
    proxy = start(client(*rules), deny=[{"hosts": ["social.test"], "name": "no-social"}])
    made = Kitchen(tmp_path, proxy, pki.server_ca.path)
    made.proxy = proxy
    made.url = lambda path="/", name="origin.test": f"https://{name}:{site.port}{path}"
    return made


def said(result):
    return (result.stdout + result.stderr).decode(errors="replace")


@dataclass(frozen=True)
class Recipe:
    """Its name on the page, and what its user reads in each case; "" where it tries for ever."""

    name: str
    denied: str
    missing: str
    expired: str


class Cases:
    """Each test gets a `recipe`, which the files that take these parametrise."""

    def test_the_origins_page_arrives(self, kitchen, recipe):
        result = kitchen.cook(recipe.name, kitchen.url())
        assert (result.returncode, result.stdout) == (0, PAGE), said(result)

    def test_a_large_body_arrives_whole(self, kitchen, recipe):
        result = kitchen.cook(recipe.name, kitchen.url("/large"))
        assert result.returncode == 0, said(result)
        assert result.stdout == LARGE

    def test_a_denied_target_is_told(self, kitchen, recipe):
        result = kitchen.cook(recipe.name, kitchen.url(name="social.test"))
        assert result.returncode != 0
        assert recipe.denied in said(result)
        assert kitchen.proxy.audit.wait("decision")["decision"]["rule"] == "no-social"

    def test_a_name_that_does_not_exist_is_told(self, kitchen, recipe):
        result = kitchen.cook(recipe.name, kitchen.url(name="missing.test"))
        assert result.returncode != 0
        assert recipe.missing in said(result)

    def test_an_expired_certificate_is_told(self, kitchen, recipe, pki):
        if not recipe.expired:
            pytest.skip("this program tries for ever, as the page says")
        kitchen.show(pki.ca.leaf("old", usages=(CLIENT_AUTH,), begins=-10, ends=-1))
        result = kitchen.cook(recipe.name, kitchen.url())
        assert result.returncode != 0
        assert recipe.expired in said(result)
        assert kitchen.proxy.audit.wait("handshake_refused")["reason"] == "expired"
