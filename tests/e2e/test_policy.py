"""Where a client may go, seen from outside. The fine points are in tables (tests/data)."""

import pytest

from support.config import client, listener_of, reach
from support.origin import silence
from support.wire import connect_head

pytestmark = pytest.mark.protocols("h1", "h2", repeats="decisions")


def test_a_rule_opens_its_name_and_port(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port, name="the-origin")))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"hello")
    tunnel.close()
    decision = proxy.decision(tunnel.id)
    assert decision["decision"] == {
        "action": "allow",
        "mode": "enforce",
        "would_deny": False,
        "reason": "rule",
        "rule": "the-origin",
    }
    assert decision["addresses"] == ["127.0.0.1"]
    assert decision["request"] == proxy.requested("origin.test", server.port)
    close = proxy.assert_closed(tunnel.id, "client_closed")
    assert close["upstream"] == {"address": "127.0.0.1", "port": server.port, "attempts": 1}
    assert close["bytes"] == {"up": 5, "down": 5}


def test_a_target_outside_the_allowlist_is_denied_before_dns(start, dns):
    proxy = start(client(reach("origin.test", 443)))
    answer = proxy.ask("other.test:443")
    assert answer.reason == f"Denied: no_rule for workers (id {answer.id})"
    proxy.assert_refused(answer, 403, "no_rule")
    assert proxy.decision(answer.id)["addresses"] is None
    proxy.assert_closed(answer.id, "refused", 403)
    assert proxy.close_record(answer.id)["upstream"] is None
    assert not dns.asked("other.test")


@pytest.mark.parametrize("port", [442, 444, 80, 65535])
def test_left_out_ports_mean_443(start, port):
    proxy = start(client({"hosts": ["origin.test"]}))
    proxy.assert_refused(proxy.ask(f"origin.test:{port}"), 403, "no_rule")


@pytest.mark.parametrize("spelling", ["origin.test", "ORIGIN.Test", "origin.test.", "OriGin.TEST."])
def test_case_and_a_final_dot_do_not_matter(start, dns, origin, spelling):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    tunnel = proxy.tunnel(f"{spelling}:{server.port}")
    assert proxy.decision(tunnel.id)["request"]["host"] == "origin.test"


@pytest.mark.parametrize("spelling", ["evil.test", "EVIL.test", "evil.test.", "a.evil.test"])
def test_a_denied_name_is_denied_in_every_spelling(start, dns, spelling):
    dns.addresses("evil.test", "127.0.0.1")
    proxy = start(
        client(reach("*", 443)),
        deny=[{"hosts": ["evil.test", "*.evil.test"], "name": "no-evil"}],
    )
    answer = proxy.ask(f"{spelling}:443")
    assert answer.reason == f"Denied by rule no-evil (id {answer.id})"
    proxy.assert_refused(answer, 403, "denied_by_rule", rule="no-evil")
    assert not dns.asked("evil.test")


def test_a_wildcard_is_one_or_more_labels_never_none(start, dns, origin):
    server = origin()
    for name in ("a.wild.test", "a.b.wild.test", "wild.test", "awild.test"):
        dns.addresses(name, "127.0.0.1")
    proxy = start(client(reach("*.wild.test", server.port)))
    assert proxy.ask(f"a.wild.test:{server.port}").status == 200
    assert proxy.ask(f"a.b.wild.test:{server.port}").status == 200
    assert proxy.ask(f"wild.test:{server.port}").status == 403
    assert proxy.ask(f"awild.test:{server.port}").status == 403


def test_a_clients_own_deny_wins_over_its_allow(start):
    proxy = start(client(reach("*", 443), deny=[{"hosts": ["admin.test"]}]))
    answer = proxy.ask("admin.test:443")
    assert answer.reason == f"Denied by rule workers.deny[0] (id {answer.id})"
    proxy.assert_refused(answer, 403, "denied_by_rule", rule="workers.deny[0]")


def test_a_deny_by_address_reaches_names_too(start, dns, origin):
    canary = origin(address="127.0.0.9")
    dns.addresses("origin.test", "127.0.0.9")
    proxy = start(client(reach("*", canary.port)), deny=[{"addresses": ["127.0.0.9/32"]}])
    answer = proxy.ask(f"origin.test:{canary.port}")
    proxy.assert_refused(answer, 403, "denied_by_rule", rule="deny[0]")
    assert canary.accepted == 0


SPECIAL = {
    "loopback": ("127.0.0.1", "special_range"),
    "loopback v6": ("::1", "special_range"),
    "private": ("10.1.2.3", "special_range"),
    "private 192": ("192.168.1.1", "special_range"),
    "link local": ("169.254.1.1", "special_range"),
    "cgnat": ("100.64.0.1", "special_range"),
    "reserved": ("240.0.0.1", "special_range"),
    "documentation": ("203.0.113.7", "special_range"),
    "unique local": ("fd00::1", "special_range"),
    "link local v6": ("fe80::1", "special_range"),
    "mapped": ("::ffff:127.0.0.1", "special_range"),
    "compatible": ("::127.0.0.1", "special_range"),
    "nat64": ("64:ff9b::7f00:1", "special_range"),
    "6to4": ("2002:7f00:1::1", "special_range"),
    "teredo": ("2001:0:7f00:1::", "special_range"),
    "documentation v6": ("2001:db8::1", "special_range"),
    "unspecified": ("0.0.0.0", "special_range"),
    "unspecified v6": ("::", "special_range"),
    "multicast": ("224.0.0.1", "special_range"),
    "broadcast": ("255.255.255.255", "special_range"),
    "metadata": ("169.254.169.254", "metadata"),
    "metadata v6": ("fd00:ec2::254", "metadata"),
    "metadata mapped": ("::ffff:169.254.169.254", "metadata"),
    "metadata nat64": ("64:ff9b::a9fe:a9fe", "metadata"),
    "wireserver": ("168.63.129.16", "metadata"),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_name_that_resolves_into_a_special_range_is_denied(start, dns, kind):
    address, reason = SPECIAL[kind]
    dns.addresses("inward.test", address)
    proxy = start(client({"hosts": ["*"], "ports": "any"}))
    proxy.assert_refused(proxy.ask("inward.test:443"), 403, reason)


WRITTEN = {
    "loopback": "127.0.0.1",
    "loopback v6": "[::1]",
    "private": "10.1.2.3",
    "metadata": "169.254.169.254",
    "metadata v6": "[fd00:ec2::254]",
    "nat64": "[64:ff9b::7f00:1]",
    "unspecified": "0.0.0.0",
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_special_address_written_as_the_target_is_denied(start, dns, kind):
    wide = {"addresses": ["0.0.0.0/0", "::/0"], "ports": ["any"]}
    proxy = start(client(wide))
    reason = "metadata" if "metadata" in kind else "special_range"
    proxy.assert_refused(proxy.ask(f"{WRITTEN[kind]}:443"), 403, reason)
    assert not dns.asked(WRITTEN[kind].strip("[]"))


def test_metadata_is_closed_even_to_a_rule_that_names_it(start, dns, local_address):
    canary_address = local_address("169.254.169.254")
    dns.addresses("metadata.test", canary_address)
    proxy = start(
        client(
            {"hosts": ["metadata.test"], "addresses": ["169.254.169.254/32"], "ports": "any"},
            {"addresses": ["169.254.0.0/16"], "ports": "any"},
        )
    )
    proxy.assert_refused(proxy.ask("metadata.test:80"), 403, "metadata")
    proxy.assert_refused(proxy.ask("169.254.169.254:80"), 403, "metadata")


def test_names_alone_do_not_open_addresses_and_the_other_way_round(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    by_name = start(client(reach("origin.test", server.port)))
    by_name.assert_refused(by_name.ask(f"127.0.0.1:{server.port}"), 403, "no_rule")
    by_address = start(client({"addresses": ["127.0.0.0/8"], "ports": [server.port]}))
    by_address.tunnel(f"127.0.0.1:{server.port}").echo(b"x")
    by_address.assert_refused(by_address.ask(f"origin.test:{server.port}"), 403, "no_rule")


def test_an_ipv6_target_is_reached(start, origin):
    server = origin(address="::1")
    proxy = start(client({"addresses": ["::1/128"], "ports": [server.port]}))
    tunnel = proxy.tunnel(f"[::1]:{server.port}")
    tunnel.echo(b"hello")
    assert proxy.decision(tunnel.id)["request"]["host"] == "::1"


def test_an_ordinary_address_needs_no_more_than_the_name(start, dns, origin, local_address):
    server = origin(address=local_address("93.184.216.34"))
    dns.addresses("ordinary.test", "93.184.216.34")
    proxy = start(client({"hosts": ["ordinary.test"], "ports": [server.port]}))
    proxy.tunnel(f"ordinary.test:{server.port}").echo(b"hello")


def test_only_admitted_addresses_of_a_mixed_answer_are_dialled(start, dns, origin, local_address):
    canaries = [origin(silence, address=local_address(a)) for a in ("10.9.9.9", "169.254.169.254")]
    port = canaries[0].port
    canaries.append(origin(silence, address="127.0.0.7", port=port))
    server = origin(address=local_address("93.184.216.34"), port=port)
    dns.addresses("mixed.test", "10.9.9.9", "169.254.169.254", "127.0.0.7", "93.184.216.34")
    proxy = start(client({"hosts": ["mixed.test"], "ports": [port]}))
    for _ in range(8):
        tunnel = proxy.tunnel(f"mixed.test:{port}")
        tunnel.echo(b"hello")
        tunnel.close()
        upstream = proxy.close_record(tunnel.id)["upstream"]
        assert upstream == {"address": "93.184.216.34", "port": port, "attempts": 1}
    assert server.accepted == 8
    assert [canary.accepted for canary in canaries] == [0, 0, 0]


def test_a_rule_with_addresses_keeps_a_name_to_them(start, dns, origin):
    inside, outside = origin(address="127.0.0.2"), None
    outside = origin(address="127.0.0.3", port=inside.port)
    dns.addresses("pinned.test", "127.0.0.3", "127.0.0.2")
    proxy = start(client(reach("pinned.test", inside.port, addresses=["127.0.0.2/32"])))
    proxy.tunnel(f"pinned.test:{inside.port}").echo(b"hello")
    assert outside.accepted == 0


def test_the_proxys_own_listener_is_never_a_target(start, dns):
    dns.addresses("loop.test", "127.0.0.1")
    proxy = start(client(reach("loop.test", "any"), {"addresses": ["127.0.0.0/8"], "ports": "any"}))
    port = proxy.address[1]
    proxy.assert_refused(proxy.ask(f"127.0.0.1:{port}"), 403, "own_listener")
    proxy.assert_refused(proxy.ask(f"loop.test:{port}"), 403, "own_listener")


@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0"])
def test_a_listener_on_every_address_is_own_at_each_of_them(start, pki, bind):
    listener = listener_of(pki, address=bind)
    everywhere = {"addresses": ["127.0.0.0/8", "::1/128"], "ports": "any"}
    proxy = start(client(everywhere), listeners=[listener])
    port = proxy.address[1]
    proxy.addresses = {"main": ("127.0.0.1", port)}
    targets = [f"127.0.0.1:{port}", f"127.0.0.77:{port}"] + [f"[::1]:{port}"] * ("[" in bind)
    for target in targets:
        proxy.assert_refused(proxy.ask(target), 403, "own_listener")


def test_report_mode_lets_an_ordinary_address_pass_and_says_so(start, dns, origin, local_address):
    server = origin(address=local_address("93.184.216.34"))
    dns.addresses("ordinary.test", "93.184.216.34")
    dns.addresses("inward.test", "127.0.0.1")
    dns.addresses("evil.test", "93.184.216.34")
    for mode, would_deny in (("report", True), ("open", False)):
        proxy = start(client(mode=mode), deny=[{"hosts": ["evil.test"]}])
        tunnel = proxy.tunnel(f"ordinary.test:{server.port}")
        decision = proxy.decision(tunnel.id)["decision"]
        assert (decision["action"], decision["mode"]) == ("allow", mode)
        assert decision["would_deny"] is would_deny
        proxy.assert_refused(proxy.ask("inward.test:443"), 403, "special_range")
        proxy.assert_refused(proxy.ask("evil.test:443"), 403, "denied_by_rule", rule="deny[0]")


def test_a_port_range_ends_where_it_says(start, dns):
    dns.addresses("range.test", "127.0.0.1")
    proxy = start(client(reach("range.test", "8000-8002")))
    assert [proxy.ask(f"range.test:{port}").status for port in (7999, 8003)] == [403, 403]
    assert proxy.ask("range.test:8001").status == 502


def test_the_answer_names_no_more_than_the_rule(start):
    """Nothing that the client controls comes back: no host, no field."""
    proxy = start(client())
    secret = "s3cr3t.test"
    requester = proxy.connect()
    requester.send(connect_head(f"{secret}:443", f"Proxy-Authorization: {secret}"))
    answer = requester.read_answer()
    assert answer.status == 403
    assert secret not in str(answer)
