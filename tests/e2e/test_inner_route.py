"""`inner: {route: name}`: a client that asks for addresses goes where the name inside its tunnel leads, or nowhere."""

import signal

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.inner import Canary, hello
from support.origin import echo, greet
from support.scale import eventually
from support.wire import Ending

pytestmark = pytest.mark.protocols("h1", "h2")

ROUTE = {"route": "name"}
WRITTEN = "127.0.0.3"  # what clients ask for; somebody listens there, whom nobody may reach
GOOD = "127.0.0.2"  # where good.example leads


class World:
    """A target that a name leads to, a bait at the written address with the same port, and a proxy."""

    def __init__(self, start, dns, origin, habit=None):
        self.canary = Canary()
        self.good = origin(habit or self.canary, address=GOOD)
        self.bait = origin(echo, address=WRITTEN, port=self.good.port)
        self.port = self.good.port
        self.asked = f"{WRITTEN}:{self.port}"
        self._start, self._dns = start, dns
        for name in ("good.example", "denied.example"):
            dns.addresses(name, GOOD)

    def rules(self, inner=ROUTE, rule_inner=None, **more):
        """The client's entry."""
        rule = reach("good.example", self.port)
        if rule_inner:
            rule["inner"] = rule_inner
        return client(rule, inner=inner, **more)

    def start(self, *clients, **changes):
        self.proxy = self._start(*(clients or [self.rules()]), control=CONTROL, **changes)
        self.proxy.control = Control(self.proxy)
        return self.proxy

    def tunnel(self, **options):
        return self.proxy.tunnel(self.asked, **options)

    def assert_untouched(self):
        assert self.bait.accepted == 0, "the written address was dialled"

    def assert_denied(self, tunnel, reason, host=None, action="deny", rule=None):
        """Reset; both records say why; nobody was dialled."""
        assert tunnel.read_to_end()[1] is Ending.RESET
        record = self.proxy.decision(tunnel.id)
        decision, request = record["decision"], record["request"]
        assert (decision["action"], decision["reason"]) == (action, reason), decision
        assert decision["rule"] == rule, decision
        assert request == {**self.proxy.requested(host, self.port), "asked": WRITTEN}
        ended = self.proxy.assert_closed(tunnel.id, reason)
        assert ended["upstream"] is None and ended["bytes"] == {"up": 0, "down": 0}, ended
        self.assert_untouched()
        return ended

    def assert_carries(self, tunnel, flight):
        tunnel.half_close()
        assert self.canary.ended.wait(10) and self.canary.got == flight
        tunnel.close()
        self.assert_untouched()


@pytest.fixture
def world(start, dns, origin):
    return World(start, dns, origin)


@pytest.mark.parametrize("piece", [1, 100, 65536])
def test_the_name_is_the_target_and_what_it_resolves_to_is_dialled(world, piece):
    proxy = world.start()
    tunnel = world.tunnel()
    flight = hello("good.example", ["h2"])
    for at in range(0, len(flight), piece):
        tunnel.send(flight[at : at + piece])
    world.assert_carries(tunnel, flight)
    decision = proxy.decision(tunnel.id)
    assert decision["decision"]["action"] == "allow"
    assert decision["decision"]["rule"] == "workers.allow[0]"
    assert decision["request"] == {**proxy.requested("good.example", world.port), "asked": WRITTEN}
    assert decision["addresses"] == [GOOD]
    close = proxy.assert_closed(tunnel.id, "client_closed")
    assert close["upstream"]["address"] == GOOD
    assert close["inner"]["sni"] == "good.example" and close["inner"]["matches"]


def test_the_200_comes_before_anything_is_said_inside(world, dns):
    held = dns.hold("good.example", GOOD)
    world.start()
    tunnel = world.tunnel()  # has its 200
    before = len(dns.asked("good.example"))
    flight = hello("good.example")
    tunnel.send(flight)
    dns.wait_asked("good.example", before + 1)
    assert world.good.accepted == 0
    held.set()
    world.assert_carries(tunnel, flight)


def test_a_hello_in_the_same_record_as_the_request_counts(world):
    proxy = world.start()
    flight = hello("good.example")
    tunnel = proxy.connect()
    tunnel.id = tunnel.ask(world.asked, flight).id
    world.assert_carries(tunnel, flight)


def test_bytes_go_both_ways_and_the_answer_is_the_first_thing_down(start, dns, origin):
    world = World(start, dns, origin, habit=greet(b"hello from the target"))
    world.start()
    tunnel = world.tunnel()
    tunnel.send(hello("good.example"))
    assert tunnel.read_exactly(21) == b"hello from the target"


NAMELESS = {
    "no name": (hello(None), "inner_no_name"),
    "an address for a name": (hello("good.example").replace(b"good.example", b"127.0.0.0002"), "inner_mismatch"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "inner_not_tls"),
    "http": (b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n", "inner_not_tls"),
    "zeros": (bytes(64), "inner_not_tls"),
    "too large": (b"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + bytes(40000), "inner_too_large"),
    "many small records": (b"\x16\x03\x01\x00\x04\x01\x00\x40\x00" + b"\x16\x03\x01\x00\x01\x00" * 6000, "inner_too_large"),
}


@pytest.mark.parametrize("what", NAMELESS)
def test_without_a_name_nobody_is_dialled(world, what):
    flight, reason = NAMELESS[what]
    world.start()
    tunnel = world.tunnel()
    tunnel.send(flight)
    world.assert_denied(tunnel, reason)
    assert world.good.accepted == 0


def test_a_half_of_a_hello_and_an_end_is_no_tls(world):
    world.start()
    tunnel = world.tunnel()
    tunnel.send(hello("good.example")[:100])
    tunnel.half_close()
    world.assert_denied(tunnel, "inner_not_tls")


def test_an_end_without_a_byte_is_the_clients_own(world):
    proxy = world.start()
    tunnel = world.tunnel()
    tunnel.half_close()
    tunnel.read_to_end()
    proxy.assert_closed(tunnel.id, "client_closed")
    assert proxy.decision(tunnel.id)["decision"]["action"] == "error"
    world.assert_untouched()


def test_a_client_that_resets_while_it_is_heard_is_gone(world):
    proxy = world.start()
    tunnel = world.tunnel()
    tunnel.send(hello("good.example")[:100])
    tunnel.reset()
    proxy.assert_closed(tunnel.id, "client_reset")
    world.assert_untouched()


def test_a_name_that_no_rule_allows_is_denied(world, dns):
    dns.addresses("other.example", WRITTEN)
    world.start()
    tunnel = world.tunnel()
    tunnel.send(hello("other.example"))
    world.assert_denied(tunnel, "no_rule", "other.example")
    assert not dns.asked("other.example")


def test_a_name_blesses_no_address(world, dns):
    """An allowed name leads where DNS says, and the written address gets nothing of it."""
    proxy = world.start()
    tunnel = world.tunnel()
    flight = hello("good.example")
    tunnel.send(flight)
    world.assert_carries(tunnel, flight)
    assert world.good.accepted == 1
    assert proxy.close_record(tunnel.id)["upstream"]["address"] == GOOD


def test_a_rule_for_the_written_address_allows_nothing(world):
    """The client may reach the address; a tunnel to it still has to name a host that is allowed."""
    entry = world.rules()
    entry["allow"].append({"addresses": [f"{WRITTEN}/32"], "ports": [world.port]})
    world.start(entry)
    tunnel = world.tunnel()
    tunnel.send(hello("other.example"))
    world.assert_denied(tunnel, "no_rule", "other.example")
    tunnel = world.tunnel()
    tunnel.send(hello(None))
    world.assert_denied(tunnel, "inner_no_name")


def test_a_denied_name_is_denied(world):
    entry = world.rules()
    entry["allow"][0]["hosts"].append("denied.example")
    world.start(entry, deny=[{"hosts": ["denied.example"]}])
    tunnel = world.tunnel()
    tunnel.send(hello("denied.example"))
    world.assert_denied(tunnel, "denied_by_rule", "denied.example", rule="deny[0]")


@pytest.mark.parametrize(
    "address, reason",
    [("169.254.169.254", "metadata"), ("224.0.0.1", "special_range"), ("10.1.2.3", "special_range")],
)
def test_what_the_name_leads_to_is_judged(world, dns, address, reason):
    dns.addresses("good.example", address)
    world.start()
    tunnel = world.tunnel()
    tunnel.send(hello("good.example"))
    world.assert_denied(tunnel, reason, "good.example")


def test_a_name_that_leads_to_the_proxy_itself_is_denied(start, dns, origin):
    dns.addresses("self.example", "127.0.0.1")
    proxy = start(client({"hosts": ["self.example"], "addresses": ["127.0.0.0/8"], "ports": "any"}, inner=ROUTE))
    tunnel = proxy.tunnel(f"192.0.2.7:{proxy.address[1]}")
    tunnel.send(hello("self.example"))
    assert tunnel.read_to_end()[1] is Ending.RESET
    assert proxy.decision(tunnel.id)["decision"]["reason"] == "own_listener"


def test_the_port_is_the_one_that_was_asked_for(world):
    proxy = world.start()
    tunnel = proxy.tunnel(f"{WRITTEN}:1")
    tunnel.send(hello("good.example"))
    assert tunnel.read_to_end()[1] is Ending.RESET
    record = proxy.decision(tunnel.id)
    assert record["decision"]["reason"] == "no_rule" and record["request"]["port"] == 1


@pytest.mark.parametrize("written", ["169.254.169.254", "0.0.0.0", "[::1]", "[fe80::1]", "255.255.255.255"])
def test_a_written_address_that_is_always_closed_matters_to_nobody(world, written):
    proxy = world.start()
    tunnel = proxy.tunnel(f"{written}:{world.port}")
    flight = hello("good.example")
    tunnel.send(flight)
    world.assert_carries(tunnel, flight)
    assert proxy.decision(tunnel.id)["request"]["asked"] == written.strip("[]")


def test_a_name_without_an_address_is_a_reset(world, dns):
    entry = world.rules()
    entry["allow"][0]["hosts"].append("gone.example")
    dns.addresses("gone.example")
    world.start(entry)
    tunnel = world.tunnel()
    tunnel.send(hello("gone.example"))
    world.assert_denied(tunnel, "dns_failed", "gone.example", action="error")


def test_a_target_that_cannot_be_reached_is_a_reset(world):
    proxy = world.start()
    world.good.stop()
    tunnel = world.tunnel()
    tunnel.send(hello("good.example"))
    assert tunnel.read_to_end() == (b"", Ending.RESET)
    assert proxy.decision(tunnel.id)["decision"]["action"] == "allow"
    proxy.assert_closed(tunnel.id, "connect_failed")
    world.assert_untouched()


# -- what is judged before the 200 ----------------------------------------------------------------


def test_a_client_that_no_entry_fits_gets_no_200(world):
    proxy = world.start(world.rules(match=[{"cn": "somebody else"}]))
    proxy.assert_refused(proxy.ask(world.asked), 403, "no_client")


def test_a_source_that_is_not_allowed_gets_no_200(world):
    proxy = world.start(world.rules(sources=["10.0.0.0/8"]))
    proxy.assert_refused(proxy.ask(world.asked), 403, "source_not_allowed")


def test_tunnels_that_say_nothing_use_the_clients_own_limit(world):
    proxy = world.start(world.rules(limits={"tunnels": 2}), timeouts={"inner": "1m"})
    waiting = [world.tunnel() for _ in range(2)]
    proxy.assert_refused(proxy.ask(world.asked), 429, "limit_tunnels", action="error")
    waiting[0].reset()
    proxy.close_record(waiting[0].id)
    flight = hello("good.example")
    tunnel = world.tunnel()
    tunnel.send(flight)
    world.assert_carries(tunnel, flight)


def test_the_rate_of_new_tunnels_is_judged_before_the_200(world):
    limits = {"new_tunnels": "1/s", "burst": 1}
    proxy = world.start(world.rules(limits=limits))
    tunnel = world.tunnel()
    answers = []
    eventually(lambda: answers.append(proxy.ask(world.asked)) or answers[-1].status == 429, "a 429")
    proxy.assert_refused(answers[-1], 429, "limit_new_tunnels", action="error")
    flight = hello("good.example")
    tunnel.send(flight)  # has counted: it does not count again
    world.assert_carries(tunnel, flight)


def test_a_tunnel_that_says_nothing_ends(world):
    world.start(timeouts={"inner": "300ms"})
    tunnel = world.tunnel()
    world.assert_denied(tunnel, "inner_timeout")


def test_a_hello_that_does_not_end_ends(world):
    world.start(timeouts={"inner": "300ms"})
    tunnel = world.tunnel()
    tunnel.send(hello("good.example")[:-1])
    world.assert_denied(tunnel, "inner_timeout")


# -- what takes trust away while it waits ---------------------------------------------------------


def wait_said(world):
    """A tunnel that has its 200 and half of its hello."""
    tunnel = world.tunnel()
    tunnel.send(hello("good.example")[:100])
    return tunnel


def test_a_block_ends_a_tunnel_that_waits_for_its_hello(world):
    proxy = world.start(timeouts={"inner": "1m"})
    tunnel = wait_said(world)
    proxy.control.block("workers")
    world.assert_denied(tunnel, "blocked")


def test_a_kill_ends_a_tunnel_that_waits_for_its_hello(world):
    proxy = world.start(timeouts={"inner": "1m"})
    tunnel = wait_said(world)
    proxy.control.run("kill", "client:workers")
    world.assert_denied(tunnel, "killed", action="error")


def test_a_revoked_certificate_ends_a_tunnel_that_waits_for_its_hello(world, pki):
    leaf = pki.ca.leaf("routed")
    trust = {"staff": {"ca": [pki.ca.path], "crl": [pki.ca.crl(number=1)]}}
    proxy = world.start(trust=trust, timeouts={"inner": "1m"})
    tunnel = world.tunnel(identity=leaf)
    trust["staff"]["crl"] = [pki.ca.crl(leaf, number=2)]
    proxy.reload(trust=trust)
    world.assert_denied(tunnel, "revoked")


def test_a_client_that_is_gone_after_a_reload_ends_while_it_waits(world):
    proxy = world.start(timeouts={"inner": "1m"})
    tunnel = wait_said(world)
    proxy.reload(world.rules(match=[{"cn": "somebody else"}]))
    world.assert_denied(tunnel, "no_client")


def test_a_reload_that_ends_the_routing_ends_a_tunnel_that_waits(world):
    proxy = world.start(timeouts={"inner": "1m"})
    tunnel = wait_said(world)
    entry = world.rules(inner={"tls": "observe"})
    entry["allow"].append({"addresses": [f"{WRITTEN}/32"], "ports": [world.port]})
    proxy.reload(entry)
    world.assert_denied(tunnel, "policy_changed", action="error")


def test_a_rule_that_is_gone_counts_for_a_tunnel_that_waits(world):
    proxy = world.start(timeouts={"inner": "1m"})
    flight = hello("good.example")
    tunnel = world.tunnel()
    tunnel.send(flight[:100])
    proxy.reload(client(reach("other.example", world.port), inner=ROUTE))
    tunnel.send(flight[100:])
    world.assert_denied(tunnel, "no_rule", "good.example")


def test_a_rule_that_is_gone_counts_while_the_name_is_resolved(world, dns):
    held = dns.hold("good.example", GOOD)
    proxy = world.start()
    before = len(dns.asked("good.example"))
    tunnel = world.tunnel()
    tunnel.send(hello("good.example"))
    dns.wait_asked("good.example", before + 1)
    proxy.reload(client(reach("other.example", world.port), inner=ROUTE))
    held.set()
    world.assert_denied(tunnel, "no_rule", "good.example")


def test_an_open_tunnel_ends_when_the_rule_for_its_name_is_gone(world):
    proxy = world.start()
    tunnel = world.tunnel()
    tunnel.send(hello("good.example"))
    world.good.wait_accepted()
    proxy.reload(client(reach("other.example", world.port), inner=ROUTE))
    assert tunnel.read_to_end()[1] is Ending.RESET
    proxy.assert_closed(tunnel.id, "policy_changed")


def test_a_stop_lets_a_tunnel_that_waits_go_on_and_cuts_it_at_the_end(world):
    proxy = world.start(timeouts={"inner": "1m", "drain": "300ms"})
    tunnel = wait_said(world)
    proxy.send_signal(signal.SIGTERM)
    world.assert_denied(tunnel, "drained", action="error")
    proxy.stop(expected=1)


# -- what the rules say beside --------------------------------------------------------------------


@pytest.mark.parametrize(
    "inner, rule_inner, reason",
    [
        ({"route": "name"}, {"tls": "any"}, None),
        ({"route": "name", "tls": "require", "names": "same"}, None, None),
        ({"route": "name"}, {"tls": "require", "ech": "allow"}, None),
    ],
)
def test_a_rule_cannot_loosen_the_name(world, inner, rule_inner, reason):
    world.start(world.rules(inner, rule_inner))
    tunnel = world.tunnel()
    flight = hello("good.example")
    tunnel.send(flight)
    world.assert_carries(tunnel, flight)


def test_the_host_of_a_request_in_the_clear_can_be_the_name(world):
    world.start(world.rules({"route": "name", "plain": "check"}))
    tunnel = world.tunnel()
    request = b"GET / HTTP/1.1\r\nHost: good.example:80\r\n\r\n"
    tunnel.send(request)
    world.assert_carries(tunnel, request)


@pytest.mark.parametrize(
    "host, reason, named",
    [
        (b"Host: other.example", "no_rule", "other.example"),
        (b"Host: %s" % WRITTEN.encode(), "inner_no_name", None),
        (b"Host: 127.0.0.9", "inner_plain", None),
        (b"X: y", "inner_plain", None),
        (b"Host: good.example\r\nHost: other.example", "inner_plain", None),
    ],
)
def test_a_request_in_the_clear_without_a_good_host_goes_nowhere(world, host, reason, named):
    world.start(world.rules({"route": "name", "plain": "check"}))
    tunnel = world.tunnel()
    tunnel.send(b"GET / HTTP/1.1\r\n" + host + b"\r\n\r\n")
    world.assert_denied(tunnel, reason, named)


def test_a_request_in_the_clear_is_denied_where_plain_is(world):
    world.start(world.rules({"route": "name", "plain": "deny"}))
    tunnel = world.tunnel()
    tunnel.send(b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n")
    world.assert_denied(tunnel, "inner_plain")


def test_a_request_for_a_name_is_judged_as_usual(world):
    proxy = world.start()
    tunnel = proxy.tunnel(f"good.example:{world.port}")
    tunnel.send(hello("other.example"))
    assert tunnel.read_to_end()[1] is Ending.RESET
    proxy.assert_closed(tunnel.id, "inner_mismatch")
    assert "asked" not in proxy.decision(tunnel.id)["request"]
    proxy.assert_refused(proxy.ask(f"other.example:{world.port}"), 403, "no_rule")


def test_a_plain_request_for_an_address_needs_a_rule(world):
    proxy = world.start()
    answer, _ = proxy.send_head(
        f"GET http://{world.asked}/ HTTP/1.1\r\nHost: {world.asked}\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.status == 403
    world.assert_untouched()


@pytest.mark.parametrize("mode", ["report", "open"])
def test_no_mode_dials_the_written_address(world, mode):
    proxy = world.start(world.rules(mode=mode))
    for flight, reason in ((hello(None), "inner_no_name"), (b"SSH-2.0-x\r\n", "inner_not_tls")):
        tunnel = world.tunnel()
        tunnel.send(flight)
        world.assert_denied(tunnel, reason)
    tunnel = world.tunnel()
    flight = hello("good.example")
    tunnel.send(flight)
    world.assert_carries(tunnel, flight)
    assert proxy.decision(tunnel.id)["decision"]["mode"] == mode


def test_many_at_once_go_each_to_their_own(start, dns, origin):
    """Names and addresses of tunnels on the same worker do not mix."""
    names = [f"n{i}.example" for i in range(8)]
    canaries = [Canary() for _ in names]
    first = origin(canaries[0], address="127.0.1.0")
    servers = [first] + [
        origin(canary, address=f"127.0.1.{i}", port=first.port) for i, canary in enumerate(canaries) if i
    ]
    for i, name in enumerate(names):
        dns.addresses(name, f"127.0.1.{i}")
    rule = {"hosts": ["*.example"], "addresses": ["127.0.1.0/24"], "ports": [first.port]}
    proxy = start(client(rule, inner=ROUTE), workers=1)
    tunnels = [proxy.tunnel(f"{WRITTEN}:{first.port}") for _ in names]
    flights = [hello(name) for name in names]
    for half in (slice(0, 50), slice(50, None)):
        for tunnel, flight in zip(tunnels, flights):
            tunnel.send(flight[half])
    for tunnel in tunnels:
        tunnel.half_close()
    for canary, flight in zip(canaries, flights):
        assert canary.ended.wait(10) and canary.got == flight
    assert [server.accepted for server in servers] == [1] * len(names)
