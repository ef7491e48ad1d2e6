"""The recipes of docs/CLIENTS.md for git and apt, as they stand there.

Both speak TLS with GnuTLS, also inside of the proxy's TLS: they stall for ever where the end of one inner
record and the beginning of the next come in the same outer one, and both keep their connections alive.
"""

import json

import pytest

from support.apt import Apt, make_repository
from support.config import client, reach
from support.pki import CLIENT_AUTH
from support.recipe_cases import said
from support.recipes import Kitchen, without_certificate
from support.scale import count
from support.web import Website, make_git

MIB = 1024 * 1024
# An alert is all that a refused certificate gets, and apt has no words for it.
UNREADABLE = {"https": "Reading from proxy failed", "http": "Connection failed"}
SIZES = [1, 100_000, 3 * MIB]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return make_repository(tmp_path_factory.mktemp("debs"), SIZES)


@pytest.fixture(scope="module")
def git_folder(tmp_path_factory):
    """A folder with one repository, whose one file does not compress."""
    folder = tmp_path_factory.mktemp("repositories")
    make_git(folder, 2 * MIB)
    return folder


@pytest.fixture(scope="module", params=["https", "http"])
def site(request, pki, repository, git_folder):
    pages, _ = repository
    is_plain = request.param == "http"
    website = Website(pki, repositories=str(git_folder), pages=pages, is_plain=is_plain)
    website.scheme = request.param
    yield website
    website.stop()


@pytest.fixture
def kitchen(start_strict, dns, pki, site, tmp_path):
    dns.addresses("origin.test", "127.0.0.1")
    rules = [reach(name, site.port) for name in ("origin.test", "missing.test")]
    proxy = start_strict(client(*rules), deny=[{"hosts": ["social.test"], "name": "no-social"}])
    made = Kitchen(tmp_path, proxy, pki.server_ca.path)
    made.proxy = proxy
    made.origin = lambda name="origin.test": f"{site.scheme}://{name}:{site.port}"
    return made


@pytest.fixture
def apt(kitchen):
    return lambda name="origin.test": Apt(kitchen, kitchen.origin(name))


def expire(kitchen, pki):
    kitchen.show(pki.ca.leaf("old", usages=(CLIENT_AUTH,), begins=-10, ends=-1))


def update(apt, **more):
    """What apt says when its first request cannot be served."""
    status, words = apt.run("update", "-o", "APT::Update::Error-Mode=any", **more)
    assert status != 0, words
    return words


# -- git ----------------------------------------------------------------------------------------


def test_git_clones_with_the_recipe(kitchen, git_folder):
    for _ in range(count(3, 1)):
        result = kitchen.cook("git", kitchen.origin() + "/big.git")
        assert result.returncode == 0, said(result)
        copied = (kitchen.folder / "copy" / "blob").read_bytes()
        assert copied == (git_folder / "blob").read_bytes()
    assert kitchen.proxy.audit.wait("decision")["decision"]["action"] == "allow"


def test_git_tells_a_denied_target(kitchen):
    result = kitchen.cook("git", kitchen.origin("social.test") + "/big.git")
    assert result.returncode != 0 and "403" in said(result), said(result)
    assert kitchen.proxy.audit.wait("decision")["decision"]["rule"] == "no-social"


def test_git_tells_a_name_that_does_not_exist(kitchen):
    result = kitchen.cook("git", kitchen.origin("missing.test") + "/big.git")
    assert result.returncode != 0 and "502" in said(result), said(result)


def reach_by_address(kitchen, site):
    """Its server's address, for which a program has no name to give in the tunnel, which needs one."""
    clients = json.loads(kitchen.proxy.config_path.read_text())["clients"]
    clients[0]["allow"].append({"addresses": ["127.0.0.1/32"], "ports": [site.port]})
    kitchen.proxy.reload(clients=clients)
    kitchen.proxy.is_honest = False
    return "127.0.0.1"


def test_git_tells_that_its_tunnel_was_ended(kitchen, site):
    if site.scheme == "http":
        pytest.skip("there is no tunnel")
    result = kitchen.cook("git", kitchen.origin(reach_by_address(kitchen, site)) + "/big.git")
    assert result.returncode != 0 and "Recv failure: Connection reset by peer" in said(result), said(result)
    assert kitchen.proxy.audit.wait("close")["reason"] == "inner_no_name"


def test_git_tells_that_its_certificate_is_refused(kitchen, pki):
    expire(kitchen, pki)
    result = kitchen.cook("git", kitchen.origin() + "/big.git")
    assert result.returncode != 0 and "A TLS fatal alert has been received" in said(result)
    assert kitchen.proxy.audit.wait("handshake_refused")["reason"] == "expired"


def test_git_without_a_certificate_is_refused(kitchen):
    result = kitchen.cook("git", kitchen.origin() + "/big.git", without_certificate)
    assert result.returncode != 0 and "A TLS fatal alert has been received" in said(result)
    assert kitchen.proxy.audit.wait("handshake_refused")["reason"] == "no_certificate"


# -- apt ----------------------------------------------------------------------------------------


def test_apt_updates_and_downloads_with_the_recipe(kitchen, apt, repository, site):
    _, packages = repository
    machine = apt()
    for _ in range(count(3, 1)):
        machine.fetch(packages)
    decision = kitchen.proxy.audit.wait("decision")
    assert decision["decision"]["action"] == "allow"
    assert decision["request"]["method"] == ("CONNECT" if site.scheme == "https" else "GET")


def test_apt_tells_a_denied_target(kitchen, apt):
    words = update(apt("social.test"))
    assert "Denied by rule no-social (id " in words
    assert kitchen.proxy.audit.wait("decision")["decision"]["rule"] == "no-social"


def test_apt_tells_a_name_that_does_not_exist(kitchen, apt):
    assert "502" in update(apt("missing.test"))


def test_apt_tells_that_its_tunnel_was_ended(kitchen, apt, site):
    if site.scheme == "http":
        pytest.skip("there is no tunnel")
    words = update(apt(reach_by_address(kitchen, site)))
    # with GnuTLS; with OpenSSL since apt 3
    assert "Could not handshake: Error in the pull function" in words or "OpenSSL system call error" in words
    assert kitchen.proxy.audit.wait("close")["reason"] == "inner_no_name"


def test_apt_tells_that_its_certificate_is_refused(kitchen, apt, pki, site):
    expire(kitchen, pki)
    assert UNREADABLE[site.scheme] in update(apt())
    assert kitchen.proxy.audit.wait("handshake_refused")["reason"] == "expired"


def test_apt_without_a_certificate_is_refused(kitchen, apt, site):
    assert UNREADABLE[site.scheme] in update(apt(), change=without_certificate)
    assert kitchen.proxy.audit.wait("handshake_refused")["reason"] == "no_certificate"
