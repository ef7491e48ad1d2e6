"""Tunnels that are judged again for what they carry, and modes in which it is only observed."""

import pytest

from support.config import client, reach
from support.inner import Canary, hello
from support.origin import greet, take_head
from support.scale import eventually
from support.wire import Ending

pytestmark = pytest.mark.protocols("h1", "h2")

REQUIRE = {"tls": "require"}
LISTED = {"tls": "require", "names": "listed"}
OBSERVE = {"tls": "observe"}


@pytest.fixture
def world(start, dns, origin):
    return World(start, dns, origin)


class World:
    """A canary that two names lead to."""

    def __init__(self, start, dns, origin, habit=None):
        self.canary = Canary()
        self.server = origin(habit or self.canary)
        self._start = start
        for name in ("good.example", "other.example", "third.example"):
            dns.addresses(name, "127.0.0.1")

    def entry(self, inner, *names, **more):
        """The client's entry, with a rule for each name."""
        rules = [reach(name, self.server.port) for name in names or ("good.example",)]
        if inner is not None:
            rules = [{**rule, "inner": inner} for rule in rules]
        return client(*rules, **more)

    def start(self, *entry, **more):
        self.proxy = self._start(self.entry(*entry, **more), timeouts={"inner": "1m"})
        return self.proxy

    def tunnel(self, host="good.example"):
        return self.proxy.tunnel(f"{host}:{self.server.port}")

    def wait_got(self, flight):
        self.canary.wait_got(len(flight))
        assert self.canary.got == flight

    def assert_ended(self, tunnel, reason="policy_changed"):
        assert tunnel.read_to_end()[1] is Ending.RESET
        return self.proxy.assert_closed(tunnel.id, reason)

    def assert_lives(self, tunnel, before=b""):
        """Bytes still go up."""
        tunnel.send(b"more")
        tunnel.half_close()
        assert self.canary.ended.wait(10) and self.canary.got == before + b"more"

    def said(self, flight, host="good.example"):
        """A tunnel in which this has been said, and has passed."""
        tunnel = self.tunnel(host)
        tunnel.send(flight)
        self.wait_got(flight)
        return tunnel


# -- judged again ---------------------------------------------------------------------------------


def test_a_listed_name_that_is_no_longer_allowed_ends_its_tunnel(world):
    proxy = world.start(LISTED, "good.example", "other.example")
    tunnel = world.said(hello("other.example"))
    proxy.reload(world.entry(LISTED, "good.example", "third.example"))
    world.assert_ended(tunnel)


def test_a_listed_name_that_is_denied_now_ends_its_tunnel(world):
    proxy = world.start(LISTED, "good.example", "other.example")
    tunnel = world.said(hello("other.example"))
    proxy.reload(deny=[{"hosts": ["other.example"]}])
    world.assert_ended(tunnel)


def test_a_listed_name_that_is_still_allowed_goes_on(world):
    proxy = world.start(LISTED, "good.example", "other.example")
    flight = hello("other.example")
    tunnel = world.said(flight)
    proxy.reload(world.entry(LISTED, "good.example", "other.example", "third.example"))
    world.assert_lives(tunnel, flight)


def test_a_listed_name_ends_when_only_the_same_one_is_accepted(world):
    proxy = world.start(LISTED, "good.example", "other.example")
    tunnel = world.said(hello("other.example"))
    proxy.reload(world.entry(REQUIRE, "good.example", "other.example"))
    world.assert_ended(tunnel)


def address_entry(world, *names):
    """An address may be reached, by each of these names."""
    rule = {"hosts": list(names), "addresses": ["127.0.0.0/8"], "ports": [world.server.port]}
    address = {"addresses": ["127.0.0.1/32"], "ports": [world.server.port], "inner": REQUIRE}
    return client(rule, address)


def test_the_name_of_an_address_counts_when_it_is_judged_again(world):
    world.proxy = world._start(address_entry(world, "good.example", "other.example"))
    tunnel = world.said(hello("good.example"), "127.0.0.1")
    world.proxy.reload(address_entry(world, "other.example"))
    world.assert_ended(tunnel)


def test_the_name_of_an_address_that_is_still_allowed_goes_on(world):
    world.proxy = world._start(address_entry(world, "good.example"))
    flight = hello("good.example")
    tunnel = world.said(flight, "127.0.0.1")
    world.proxy.reload(address_entry(world, "good.example", "other.example"))
    world.assert_lives(tunnel, flight)


@pytest.mark.parametrize("inner", [REQUIRE, {"plain": "deny"}, {"plain": "check"}])
def test_what_nobody_has_looked_at_ends_when_it_is_to_be_held(world, inner):
    proxy = world.start({"tls": "any"})
    tunnel = world.said(hello("good.example"))
    proxy.reload(world.entry(inner))
    world.assert_ended(tunnel)


@pytest.mark.parametrize("inner", [OBSERVE, {"tls": "any"}, None])
def test_what_nobody_has_looked_at_goes_on_where_nothing_is_held(world, inner):
    proxy = world.start({"tls": "any"})
    flight = hello("other.example")
    tunnel = world.said(flight)
    proxy.reload(world.entry(inner))
    world.assert_lives(tunnel, flight)


def test_what_was_observed_and_matches_goes_on_under_require(world):
    proxy = world.start(OBSERVE)
    flight = hello("good.example")
    tunnel = world.said(flight)
    proxy.reload(world.entry(REQUIRE))
    world.assert_lives(tunnel, flight)


@pytest.mark.parametrize("flight", [hello("other.example"), hello(None), b"SSH-2.0-x\r\n"])
def test_what_was_observed_and_does_not_match_ends_under_require(world, flight):
    proxy = world.start(OBSERVE)
    tunnel = world.said(flight)
    proxy.reload(world.entry(REQUIRE))
    world.assert_ended(tunnel)


def test_a_half_of_a_hello_that_has_passed_ends_under_require(world):
    proxy = world.start(OBSERVE)
    tunnel = world.said(hello("good.example")[:100])
    proxy.reload(world.entry(REQUIRE))
    world.assert_ended(tunnel)


def test_a_silent_tunnel_is_held_to_the_rules_of_today(world):
    proxy = world.start(OBSERVE)
    tunnel = world.tunnel()
    world.server.wait_accepted()
    proxy.reload(world.entry(REQUIRE))
    tunnel.send(hello("other.example"))
    world.assert_ended(tunnel, "inner_mismatch")
    assert world.canary.ended.wait(10) and world.canary.got == b""


def test_a_half_of_a_hello_that_was_held_is_judged_by_the_rules_of_today(world):
    proxy = world.start(LISTED, "good.example", "other.example")
    flight = hello("other.example")
    tunnel = world.tunnel()
    tunnel.send(flight[:100])
    proxy.reload(world.entry(REQUIRE, "good.example", "other.example"))
    tunnel.send(flight[100:])
    world.assert_ended(tunnel, "inner_mismatch")
    assert world.canary.ended.wait(10) and world.canary.got == b""


def test_a_held_tunnel_is_let_go_when_nothing_is_held_any_more(start, dns, origin):
    world = World(start, dns, origin, habit=greet(b"220 mail\r\n"))
    proxy = world.start(REQUIRE)
    tunnel = world.tunnel()
    proxy.reload(world.entry({"tls": "any"}))
    assert tunnel.read_exactly(10) == b"220 mail\r\n"


def test_a_target_that_has_spoken_first_ends_under_require(start, dns, origin):
    world = World(start, dns, origin, habit=greet(b"220 mail\r\n"))
    proxy = world.start(OBSERVE)
    tunnel = world.tunnel()
    assert tunnel.read_exactly(10) == b"220 mail\r\n"
    proxy.reload(world.entry(REQUIRE))
    world.assert_ended(tunnel)


def test_a_tunnel_to_an_address_ends_when_its_client_is_routed_by_name(world):
    """Without a name that was seen and allowed, nothing is known that could be the target."""
    entry = client({"addresses": ["127.0.0.1/32"], "ports": [world.server.port]})
    world.proxy = world._start(entry)
    tunnel = world.said(b"hello", "127.0.0.1")
    world.proxy.reload({**entry, "inner": {"route": "name"}})
    world.assert_ended(tunnel)


def test_a_host_that_the_policy_allows_passes_where_names_may_be_listed(world):
    world.start({"plain": "check", "names": "listed"}, "good.example", "other.example")
    request = b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"
    world.assert_lives(world.said(request), request)


# -- modes ----------------------------------------------------------------------------------------


REPORTED = {
    "another name": (REQUIRE, hello("other.example"), "inner_mismatch"),
    "no name": (REQUIRE, hello(None), "inner_no_name"),
    "another name in a second hello": (REQUIRE, hello("good.example") + hello("other.example"), "inner_mismatch"),
    "ssh": (REQUIRE, b"SSH-2.0-x\r\n", "inner_not_tls"),
    "listed but not allowed": (LISTED, hello("denied.example"), "inner_mismatch"),
    "listed": (LISTED, hello("other.example"), None),
    "the same": (REQUIRE, hello("good.example"), None),
    "http": ({"plain": "deny"}, b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n", "inner_plain"),
}


@pytest.mark.parametrize("piece", [1, 65536])
@pytest.mark.parametrize("what", REPORTED)
def test_report_passes_everything_on_and_says_what_would_have_ended(start, dns, origin, what, piece):
    inner, flight, reason = REPORTED[what]
    world = World(start, dns, origin)
    entry = world.entry(inner, "good.example", "other.example", mode="report")
    world.proxy = start(entry, deny=[{"hosts": ["denied.example"]}])
    tunnel = world.tunnel()
    for at in range(0, len(flight), piece):
        tunnel.send(flight[at : at + piece])
    world.assert_lives(tunnel, flight)
    tunnel.close()
    close = world.proxy.assert_closed(tunnel.id, "client_closed")
    assert close["inner"].get("would_end") == reason


def test_report_asks_dns_about_the_name_of_an_address(world, dns):
    dns.addresses("gone.example", "127.0.0.9")
    entry = {**address_entry(world, "good.example", "gone.example"), "mode": "report"}
    world.proxy = world._start(entry)
    flight = hello("gone.example")
    world.assert_lives(world.said(flight, "127.0.0.1"), flight)

    def would_end():
        tunnel = world.tunnel("127.0.0.1")
        tunnel.send(flight)
        tunnel.close()
        return world.proxy.close_record(tunnel.id)["inner"].get("would_end")

    # It does not wait for DNS, so the first tunnels may end before the answer comes.
    eventually(lambda: would_end() == "inner_mismatch", "a tunnel that knows what DNS says")


@pytest.fixture
def reported(world, dns):
    """A tunnel to an address in mode `report`: its hello has passed, and DNS has not said yet where the name leads."""
    released = dns.hold("slow.example", "127.0.0.9")
    entry = address_entry(world, "slow.example")
    world.proxy = world._start({**entry, "mode": "report"})
    flight = hello("slow.example")
    tunnel = world.said(flight, "127.0.0.1")
    dns.wait_asked("slow.example")
    yield tunnel, flight, entry, released
    released.set()


def test_report_does_not_wait_for_dns(world, reported):
    tunnel, flight, _, _ = reported
    world.assert_lives(tunnel, flight)


def test_what_dns_says_counts_where_it_is_enforced_by_then(world, reported):
    tunnel, _, entry, released = reported
    world.proxy.reload(entry)
    released.set()
    world.assert_ended(tunnel, "inner_mismatch")


def test_report_holds_no_target_that_speaks_first(start, dns, origin):
    world = World(start, dns, origin, habit=greet(b"220 mail\r\n"))
    world.proxy = start(world.entry(REQUIRE, mode="report"), timeouts={"inner": "1ms"})

    def would_end():
        tunnel = world.tunnel()
        assert tunnel.read_exactly(10) == b"220 mail\r\n"
        tunnel.close()
        return world.proxy.close_record(tunnel.id)["inner"].get("would_end")

    eventually(lambda: would_end() == "inner_timeout", "a tunnel that has lived for a millisecond")


def test_report_ends_nothing_at_a_reload(world):
    proxy = world.start({"tls": "any"})
    flight = hello("other.example")
    tunnel = world.said(flight)
    proxy.reload(world.entry(REQUIRE, mode="report"))
    world.assert_lives(tunnel, flight)


def test_what_was_reported_ends_once_it_is_enforced(world):
    proxy = world.start(REQUIRE, mode="report")
    tunnel = world.said(hello("other.example"))
    proxy.reload(world.entry(REQUIRE))
    world.assert_ended(tunnel)


def test_a_half_of_a_second_hello_that_has_passed_ends_once_it_is_enforced(world):
    proxy = world.start(REQUIRE, mode="report")
    flight = hello("good.example") * 2
    half = len(flight) * 3 // 4
    tunnel = world.said(flight[:half])
    proxy.reload(world.entry(REQUIRE))
    world.assert_ended(tunnel)


def test_open_enforces_what_a_tunnel_may_carry(world):
    """Mode `open` gives away rules; what is written under `inner` still counts."""
    world.proxy = world._start(client(reach("good.example", world.server.port), mode="open", inner=REQUIRE))
    tunnel = world.tunnel()
    tunnel.send(hello("other.example"))
    world.assert_ended(tunnel, "inner_mismatch")
    assert world.canary.ended.wait(10) and world.canary.got == b""


@pytest.mark.protocols("h1")
def test_an_upgraded_plain_request_is_no_tunnel_that_is_looked_at(start, dns, origin):
    """Its Host was written from the URL that was judged."""

    def upgrade(conn):
        take_head(conn)
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi")
        conn.recv(65536)

    world = World(start, dns, origin, habit=upgrade)
    proxy = world.start({"tls": "require", "plain": "deny"})
    requester = proxy.connect()
    host = f"good.example:{world.server.port}"
    requester.send(
        f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    data = b""
    while not data.endswith(b"hi"):
        data += requester.read()
    assert data.startswith(b"HTTP/1.1 101")
    proxy.reload(world.entry(REQUIRE))
    requester.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    requester.read_to_end()
    requester.close()
    close = proxy.audit.wait("close", status=101)
    assert "inner" not in close and close["reason"] != "policy_changed"
