"""What a tunnel carries: the name inside TLS is held to what was asked for, before a byte has reached the target."""

import pytest

from support.config import client, reach
from support.inner import Canary, hello
from support.origin import greet
from support.wire import Ending


@pytest.fixture
def canary_tunnel(start, dns, origin):
    """Makes a tunnel to a canary under a rule with this `inner`."""

    def make(inner, habit=None, names=("good.example",), **changes):
        canary = habit or Canary()
        server = origin(canary)
        for name in names:
            dns.addresses(name, "127.0.0.1")
        rules = [{**reach(name, server.port), "inner": inner} for name in names]
        proxy = start(client(*rules), **changes)
        return proxy.tunnel(f"good.example:{server.port}"), proxy, canary

    return make


REQUIRE = {"tls": "require"}

MISMATCHES = {
    "another name": (hello("evil.example"), "inner_mismatch"),
    "a subdomain": (hello("sub.good.example"), "inner_mismatch"),
    "no name": (hello(None), "inner_no_name"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "inner_not_tls"),
    "http": (b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n", "inner_not_tls"),
    "zeros": (bytes(64), "inner_not_tls"),
}


@pytest.mark.parametrize("what", MISMATCHES)
def test_a_mismatch_ends_before_the_target_has_seen_a_byte(canary_tunnel, what):
    flight, reason = MISMATCHES[what]
    tunnel, proxy, canary = canary_tunnel(REQUIRE)
    tunnel.send(flight)
    assert tunnel.read_to_end()[1] is Ending.RESET
    proxy.assert_closed(tunnel.id, reason)
    assert canary.ended.wait(10) and canary.got == b""


@pytest.mark.parametrize("piece", [1, 7, 100, 65536])
def test_the_right_name_passes_in_pieces_of_any_size(canary_tunnel, piece):
    flight = hello("good.example", ["h2"])
    tunnel, proxy, canary = canary_tunnel(REQUIRE)
    for at in range(0, len(flight), piece):
        tunnel.send(flight[at : at + piece])
    tunnel.half_close()
    assert canary.ended.wait(10) and canary.got == flight
    tunnel.close()
    close = proxy.close_record(tunnel.id)
    assert close["inner"] == {
        "tls": "tls", "sni": "good.example", "host": None, "alpn": "h2", "version": "1.3",
        "ech": False, "matches": True,
    }


@pytest.mark.parametrize("piece", [1, 65536])
def test_observe_passes_everything_on_and_records_it(canary_tunnel, piece):
    flight = hello("evil.example")
    tunnel, proxy, canary = canary_tunnel({"tls": "observe"})
    for at in range(0, len(flight), piece):
        tunnel.send(flight[at : at + piece])
    tunnel.half_close()
    assert canary.ended.wait(10) and canary.got == flight
    tunnel.close()
    close = proxy.close_record(tunnel.id)
    assert close["inner"]["sni"] == "evil.example" and not close["inner"]["matches"]


def test_a_listed_name_passes_where_names_may_be_listed(canary_tunnel):
    inner = {"tls": "require", "names": "listed"}
    tunnel, _, canary = canary_tunnel(inner, names=("good.example", "other.example"))
    flight = hello("other.example")
    tunnel.send(flight)
    tunnel.half_close()
    assert canary.ended.wait(10) and canary.got == flight


def test_a_name_that_no_rule_allows_is_not_listed(canary_tunnel):
    tunnel, proxy, canary = canary_tunnel({"tls": "require", "names": "listed"})
    tunnel.send(hello("other.example"))
    assert tunnel.read_to_end()[1] is Ending.RESET
    proxy.assert_closed(tunnel.id, "inner_mismatch")
    assert canary.ended.wait(10) and canary.got == b""


def test_nothing_of_a_target_that_speaks_first_reaches_the_client(canary_tunnel):
    tunnel, proxy, _ = canary_tunnel(REQUIRE, greet(b"220 mail\r\n"), timeouts={"inner": "300ms"})
    assert tunnel.read_to_end() == (b"", Ending.RESET)
    proxy.assert_closed(tunnel.id, "inner_timeout")


@pytest.mark.parametrize(
    "name, reason",
    [("good.example", None), ("other.example", "inner_mismatch"), ("gone.example", "inner_mismatch")],
)
def test_an_address_needs_a_name_that_is_allowed_and_leads_to_it(start, dns, origin, name, reason):
    canary = Canary()
    server = origin(canary)
    dns.addresses("good.example", "127.0.0.1")
    dns.addresses("gone.example", "127.0.0.9")
    hosts = ["good.example", "gone.example"]
    rule = {"hosts": hosts, "addresses": ["127.0.0.0/8"], "ports": [server.port]}
    address = {"addresses": ["127.0.0.1/32"], "ports": [server.port], "inner": REQUIRE}
    proxy = start(client(rule, address))
    tunnel = proxy.tunnel(f"127.0.0.1:{server.port}")
    flight = hello(name)
    tunnel.send(flight)
    if reason is None:
        tunnel.half_close()
        assert canary.ended.wait(10) and canary.got == flight
    else:
        assert tunnel.read_to_end()[1] is Ending.RESET
        proxy.assert_closed(tunnel.id, reason)
        assert canary.ended.wait(10) and canary.got == b""
