"""The cases that every recipe of docs/CLIENTS.md goes through, and what its user sees in each.

Two files take them: test_recipes.py with the programs that every machine for tests has, and
test_recipes_clients.py with those that take much to install (tools/test --clients).
"""

import json
from dataclasses import dataclass

import pytest

from support.config import client, reach
from support.pki import CLIENT_AUTH, SERVER_AUTH
from support.recipes import Kitchen, without_certificate
from support.web import PAGE, Website

LARGE = b"".join(b"%015d\n" % number for number in range(4 * 1024 * 1024 // 16))
HUGE = LARGE * 16  # 64 MiB


@pytest.fixture(scope="module")
def site(pki):
    """Its CA is not that of the proxy, and it asks for certificates too: a recipe has to keep the two apart."""
    names = ("origin.test", "other.test")
    authority = pki.authority("Origins CA")
    leaf = authority.leaf("origin.test", dns=names, usages=(SERVER_AUTH,))
    website = Website(pki, pages={"/large": LARGE, "/huge": HUGE}, identity=leaf, client_ca=pki.ca.path)
    website.ca = authority.path
    yield website
    website.stop()


@pytest.fixture(scope="module")
def plain_site(pki):
    website = Website(pki, pages={"/large": LARGE}, is_plain=True)
    yield website
    website.stop()


@pytest.fixture
def kitchen(start_strict, dns, pki, site, plain_site, tmp_path):
    """A proxy that allows origin.test, and a folder to cook in."""
    dns.addresses("origin.test", "127.0.0.1")
    dns.addresses("other.test", "127.0.0.1")
    names = ("origin.test", "other.test", "missing.test")
    rules = [reach(name, site.port, plain_site.port) for name in names]
    proxy = start_strict(client(*rules), deny=[{"hosts": ["social.test"], "name": "no-social"}])
    made = Kitchen(tmp_path, proxy, site.ca)
    made.proxy = proxy
    made.url = lambda path="/", name="origin.test": f"https://{name}:{site.port}{path}"
    made.plain_url = lambda path="/", name="origin.test": f"http://{name}:{plain_site.port}{path}"
    return made


def said(result):
    return (result.stdout + result.stderr).decode(errors="replace")


def replace(text, old, new):
    assert old in text
    return text.replace(old, new)


@dataclass(frozen=True)
class Recipe:
    """Its name on the page, and what its user reads in each case; "" where it tries for ever.

    `reset` is what it says of a tunnel that is reset in its handshake, one text or another by its version, with | between; "" where it cannot be made to.
    `method` is what it asks the proxy with for http:// URLs; "" where the page's recipe is not for these.
    `is_shown`: its certificate is shown to origins too, as the page says.
    `plain` is what the page says to change for them, `again` what makes it fetch every URL of a list.
    """

    name: str
    denied: str
    missing: str
    expired: str
    none: str
    reset: str
    method: str = "GET"
    is_shown: bool = False
    plain: tuple = ()
    again: tuple = ()

    def fetch_plain(self, text):
        return replace(text, *self.plain) if self.plain else text

    def fetch_each(self, text):
        return replace(text, *self.again)


class PinnedCases:
    """Each test gets a `pinned`: the recipe's name, and what makes of its text what can be run."""

    def test_the_page_arrives_where_the_key_is_the_pinned_one(self, kitchen, pinned):
        name, change = pinned
        result = kitchen.cook(name, kitchen.url(), change)
        assert (result.returncode, result.stdout) == (0, PAGE), said(result)

    def test_a_proxy_with_another_key_gets_no_request(self, kitchen, pinned):
        name, change = pinned
        result = kitchen.cook(name, kitchen.url(), change, PIN="sha256//" + "A" * 43 + "=")
        assert result.returncode != 0 and PAGE not in result.stdout
        assert "pinned" in said(result), said(result)
        kitchen.proxy.stop()
        assert kitchen.proxy.audit.records("decision") == []


class Cases:
    """Each test gets a `recipe`, which the files that take these parametrise."""

    def test_the_origins_page_arrives(self, kitchen, recipe):
        result = kitchen.cook(recipe.name, kitchen.url())
        assert (result.returncode, result.stdout) == (0, PAGE), said(result)
        assert kitchen.proxy.audit.wait("decision")["request"]["method"] == "CONNECT"

    def test_the_origin_is_shown_the_certificate_only_where_the_page_says_so(
        self, kitchen, recipe, site
    ):
        site.shown.clear()
        kitchen.cook(recipe.name, kitchen.url())
        [shown] = site.shown
        assert bool(shown) == recipe.is_shown

    def test_a_large_body_arrives_whole(self, kitchen, recipe):
        result = kitchen.cook(recipe.name, kitchen.url("/large"))
        assert result.returncode == 0, said(result)
        assert result.stdout == LARGE

    def test_the_page_of_an_http_origin_arrives(self, kitchen, recipe):
        if not recipe.method:
            pytest.skip("the page has this recipe for https:// only")
        result = kitchen.cook(recipe.name, kitchen.plain_url("/large"), recipe.fetch_plain)
        assert result.returncode == 0, said(result)[-2000:]
        assert result.stdout == LARGE
        assert kitchen.proxy.audit.wait("decision")["request"]["method"] == recipe.method

    def test_one_tunnel_serves_many_requests(self, kitchen, recipe):
        """The origin keeps its connections alive."""
        if not recipe.again:
            pytest.skip("makes a connection for every request")
        urls = " ".join([kitchen.url()] * 3)
        result = kitchen.cook(recipe.name, urls, recipe.fetch_each)
        assert (result.returncode, result.stdout) == (0, PAGE * 3), said(result)
        kitchen.proxy.stop()
        assert len(kitchen.proxy.audit.records("decision")) == 1

    def test_two_http_origins_are_judged_each_for_itself(self, kitchen, recipe):
        """Some programs ask for both over one connection."""
        if not recipe.again or recipe.method != "GET":
            pytest.skip("makes a connection for every origin")
        allowed = [kitchen.plain_url(name=f"{name}.test") for name in ("origin", "other")] * 2
        denied = kitchen.plain_url(name="social.test")
        result = kitchen.cook(recipe.name, " ".join([*allowed, denied]), recipe.fetch_each)
        assert result.stdout.startswith(PAGE * 4), said(result)
        assert "Denied by rule no-social" in said(result)
        decisions = kitchen.proxy.audit.wait_count(5, "decision")
        actions = [each["decision"]["action"] for each in decisions]
        assert actions == ["allow"] * 4 + ["deny"]

    def test_a_denied_target_is_told(self, kitchen, recipe):
        result = kitchen.cook(recipe.name, kitchen.url(name="social.test"))
        assert result.returncode != 0
        assert recipe.denied in said(result)
        assert kitchen.proxy.audit.wait("decision")["decision"]["rule"] == "no-social"

    def test_a_name_that_does_not_exist_is_told(self, kitchen, recipe):
        result = kitchen.cook(recipe.name, kitchen.url(name="missing.test"))
        assert result.returncode != 0
        assert recipe.missing in said(result)

    def test_a_tunnel_that_is_ended_for_what_it_carries_is_told(self, kitchen, recipe, site):
        """To an address: the program has no server name to give, and the tunnel needs one."""
        if not recipe.reset:
            pytest.skip("goes around the proxy to addresses of this machine")
        clients = json.loads(kitchen.proxy.config_path.read_text())["clients"]
        clients[0]["allow"].append({"addresses": ["127.0.0.1/32"], "ports": [site.port]})
        kitchen.proxy.reload(clients=clients)
        kitchen.proxy.is_honest = False
        seen = len(site.seen)
        result = kitchen.cook(recipe.name, kitchen.url(name="127.0.0.1"))
        assert result.returncode != 0 and len(site.seen) == seen, said(result)
        assert any(text in said(result) for text in recipe.reset.split("|")), said(result)
        assert kitchen.proxy.audit.wait("close")["reason"] == "inner_no_name"

    def test_an_expired_certificate_is_told(self, kitchen, recipe, pki):
        if not recipe.expired:
            pytest.skip("this program tries for ever, as the page says")
        kitchen.show(pki.ca.leaf("old", usages=(CLIENT_AUTH,), begins=-10, ends=-1))
        result = kitchen.cook(recipe.name, kitchen.url())
        assert result.returncode != 0
        assert recipe.expired in said(result)
        assert kitchen.proxy.audit.wait("handshake_refused")["reason"] == "expired"

    def test_a_missing_certificate_is_told(self, kitchen, recipe):
        if not recipe.none:
            pytest.skip("this program tries for ever, as the page says")
        result = kitchen.cook(recipe.name, kitchen.url(), without_certificate)
        assert result.returncode != 0
        assert recipe.none in said(result)
        assert kitchen.proxy.audit.wait("handshake_refused")["reason"] == "no_certificate"
