"""Parents that are a service in DNS: where its places are, in which order they are tried, and whose certificates they need."""

import json

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.dns import SERVFAIL
from support.origin import dead_port, echo
from support.parents import Http2Parent, edge
from support.pki import SERVER_AUTH
from support.proxy import run
from support.scale import eventually

SERVICE = "_proxy._tcp.parents.test"
OTHERS = "_proxy._tcp.others.test"
NOBODY = "_proxy._tcp.nobody.test"


@pytest.fixture(autouse=True)
def names(dns):
    for name in ("origin.test", "a.place.test", "b.place.test", "elsewhere.test"):
        dns.addresses(name, "127.0.0.1")


@pytest.fixture
def server(origin):
    return origin(echo)


@pytest.fixture
def make(pki):
    """Makes places of a service: parents that share connections, with a certificate for these names; `names` has what they
    were asked for by SNI."""
    made = []

    def making(*names, status=200):
        leaf = pki.server_ca.leaf("place", dns=names, usages=(SERVER_AUTH,))
        above = Http2Parent(leaf, pki.ca.path, lambda session, stream, _: session.answer(stream, status))
        above.names = []
        above.context.sni_callback = lambda _tls, name, _context: above.names.append(name)
        made.append(above)
        return above

    yield making
    for each in made:
        each.stop()


def service(pki, name=SERVICE, called="paris", targets=None, **more):
    to = {"srv": name, **({"targets": targets} if targets else {})}
    shown = edge(pki)
    return {"name": called, "to": [to], "ca": [pki.server_ca.path], "certificate": {"chain": shown.chain, "key": shown.key}, **more}


def through(proxy, target):
    """Which parent a new tunnel goes through: host and port."""
    tunnel = proxy.tunnel(target)
    tunnel.echo(b"through a service")
    tunnel.close()
    above = proxy.audit.wait("close", id=tunnel.id)["parent"]
    return above["host"], above["port"]


def test_the_first_place_that_can_be_reached_is_used_and_its_certificate_is_that_of_the_domain(start, pki, dns, server, make):
    first, second, worst = make("parents.test"), make("parents.test"), make("parents.test")
    with dead_port() as dead:
        dns.service(
            SERVICE, ("a.place.test", worst.port, 20, 9), ("a.place.test", first.port, 5, 0), ("b.place.test", dead, 1, 0), ttl=300
        )
        proxy = start(client(reach("origin.test", server.port), via=["paris"]), parents=[service(pki)], workers=1)
        target = f"origin.test:{server.port}"
        assert through(proxy, target) == ("a.place.test", first.port)
        assert proxy.stderr.wait(f"https://b.place.test:{dead} cannot be reached")
        assert through(proxy, target) == ("a.place.test", first.port)
    assert (first.names, first.accepted, worst.accepted, second.accepted) == (["parents.test"], 1, 0, 0)
    assert len(dns.asked(SERVICE)) == 1, "it is kept for its TTL"
    said = json.loads(run("check", "-c", proxy.config_path, "--json").stdout)
    assert not [each for each in said["findings"] if each["severity"] == "error"]
    said = run("explain", "-c", proxy.config_path, "--as", "uri:spiffe://example.test/worker", "--to", target, "--address", "127.0.0.1")
    assert "paris" in said.stdout, said
    assert f"SRV of {SERVICE} says, each with a certificate for parents.test" in run("check", "-c", proxy.config_path).stdout


def test_dns_cannot_lead_to_a_proxy_that_the_configuration_does_not_name(start, pki, dns, server, make):
    """Who forges the record has a certificate of the same CA, but not for the name that is written."""
    evil = make("elsewhere.test")
    own = make("a.place.test")
    dns.service(SERVICE, ("elsewhere.test", evil.port, 1, 1), ttl=300)
    dns.service(OTHERS, ("elsewhere.test", evil.port, 1, 1), ("a.place.test", own.port, 2, 1), ("127.0.0.1", evil.port, 0, 1), ttl=300)
    rules = [reach("origin.test", server.port, via=["paris", "rome"]), reach("origin.test", 1, via=["rome", "direct"])]
    parents = [service(pki), service(pki, OTHERS, "rome", targets=["*.place.test"])]
    proxy = start(client(*rules), parents=parents, workers=1)
    answer = proxy.ask(f"origin.test:{server.port}")
    assert answer.status == 502
    close = proxy.audit.wait("close", id=answer.id)
    assert (close["reason"], close["parent"]["host"]) == ("parent_untrusted", "elsewhere.test"), close
    assert evil.names == ["parents.test"]
    tunnel = proxy.tunnel("origin.test:1")
    tunnel.echo(b"its own name")
    tunnel.close()
    assert proxy.audit.wait("close", id=tunnel.id)["parent"]["host"] == "a.place.test"
    assert (own.names, evil.accepted) == (["a.place.test"], 1)


def test_what_dns_says_later_counts_when_its_time_is_over(start, pki, dns, server, make):
    first, second = make("parents.test"), make("parents.test")
    dns.service(SERVICE, ("a.place.test", first.port, 1, 1))
    rule = reach("origin.test", server.port)
    proxy = start(client(rule, via=["paris", "direct"]), parents=[service(pki)], workers=1)
    target = f"origin.test:{server.port}"
    kept = proxy.tunnel(target)
    kept.echo(b"goes on")
    dns.service(SERVICE, ("b.place.test", second.port, 1, 1))
    eventually(lambda: through(proxy, target) == ("b.place.test", second.port), "the other place to be used")
    kept.echo(b"goes on still")
    proxy.reload(client(rule, via=["paris", "direct"], limits={"tunnels": 9}))
    kept.echo(b"and after a reload")
    asked = len(dns.asked(SERVICE))
    dns.reply(SERVICE, code=SERVFAIL)
    eventually(lambda: through(proxy, target) and len(dns.asked(SERVICE)) > asked, "DNS to be asked in vain")
    assert through(proxy, target) == ("b.place.test", second.port), "while DNS fails, what it said counts"
    proxy.reload(parents=[service(pki, OTHERS)])
    kept.read_to_end()
    assert proxy.audit.wait("close", id=kept.id)["reason"] == "policy_changed", "its place is one of another service"


def test_a_service_that_is_not_available_is_passed_by(start, pki, dns, server):
    dns.service(SERVICE, (".", 1, 0, 0), ttl=300)
    rules = [reach("origin.test", server.port, via=["paris", "direct"]), reach("origin.test", 1, via=["paris"])]
    health = {"every": "100ms", "fall": 1, "rise": 1}
    parents = [service(pki, health=health), service(pki, NOBODY, "rome", health=health)]
    rules.append(reach("origin.test", 2, via=["rome"]))
    proxy = start(client(*rules), parents=parents, workers=1, control=CONTROL)
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"without a parent")
    tunnel.close()
    for port, why in ((1, "not_available"), (2, "name_not_found")):
        answer = proxy.ask(f"origin.test:{port}")
        close = proxy.audit.wait("close", id=answer.id)
        assert (answer.status, close["reason"], close["detail"]) == (502, "parent_unreachable", why), close
    control = Control(proxy)

    def rows():
        return {each["url"]: (each["state"], each["warning"]) for each in control.status()["parents"]}

    expected = {f"srv:{SERVICE}": ("down", "not_available"), f"srv:{NOBODY}": ("down", "name_not_found")}
    eventually(lambda: rows() == expected, lambda: f"both to be down: {rows()}")


def test_the_places_of_a_service_are_checked_and_one_that_is_down_is_passed_by(start, pki, dns, server, make, scripted):
    leaf = pki.server_ca.leaf("place", dns=("parents.test",), usages=(SERVER_AUTH,))
    best, other = (scripted(leaf=leaf, ca=pki.ca.path) for _ in range(2))
    dns.service(SERVICE, ("a.place.test", best.port, 1, 1), ("b.place.test", other.port, 2, 1))
    health = {"every": "100ms", "fall": 2, "rise": 2}
    rule = reach("origin.test", server.port)
    proxy = start(client(rule, via=["paris"]), parents=[service(pki, health=health)], control=CONTROL, workers=1)
    control = Control(proxy)

    def wait_state(host, port, state):
        url = f"https://{host}:{port}"
        eventually(lambda: {each["url"]: each["state"] for each in control.status()["parents"]}.get(url) == state, f"{url} to be {state}")

    target = f"origin.test:{server.port}"
    wait_state("a.place.test", best.port, "up")
    assert through(proxy, target) == ("a.place.test", best.port)
    best.is_silent = True
    wait_state("a.place.test", best.port, "down")
    assert through(proxy, target) == ("b.place.test", other.port)
    proxy.reload(client(rule, via=["paris"], limits={"tunnels": 9}))
    assert through(proxy, target) == ("b.place.test", other.port), "a reload knows what was known"
    dns.service(SERVICE, ("b.place.test", other.port, 2, 1))
    eventually(lambda: len(control.status()["parents"]) == 2, "the other place to be forgotten")
    dns.service(SERVICE, ("a.place.test", best.port, 1, 1), ("b.place.test", other.port, 2, 1))
    best.is_silent = False
    wait_state("a.place.test", best.port, "up")
    eventually(lambda: through(proxy, target) == ("a.place.test", best.port), "the best place to be used again")
