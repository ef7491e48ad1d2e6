"""What the section `resolver` says is what the resolver does: servers, hosts, families, and what is kept."""

import pytest

from support import dns as servers
from support.config import client, reach
from support.control import CONTROL, Control
from support.origin import Origin, dead_port, echo
from support.scale import count, eventually


@pytest.fixture(scope="module")
def server():
    server = Origin(echo)
    yield server
    server.stop()


def both_families():
    """Two origins at one port; what is free for the one family need not be for the other."""
    while True:
        four = Origin(echo)
        try:
            return four, Origin(echo, address="::1", port=four.port)
        except OSError:
            four.stop()


def anywhere(server):
    return client(reach("*", server.port, addresses=["127.0.0.0/8", "::1/128"]))


def asked(dns, name, kind="A"):
    return sum(query.type == kind for query in dns.asked(name))


def test_an_answer_is_asked_for_once_and_kept(start, dns, server):
    proxy = start(anywhere(server), workers=1)
    dns.addresses("kept.test", "127.0.0.1", soa=60, ttl=60)
    for _ in range(5):
        proxy.tunnel(f"kept.test:{server.port}").echo(b"hello")
    assert asked(dns, "kept.test", "A") == asked(dns, "kept.test", "AAAA") == 1


def test_a_cache_without_entries_keeps_nothing(start, dns, server):
    proxy = start(anywhere(server), workers=1, resolver={"cache": {"entries": 0}})
    dns.addresses("fresh.test", "127.0.0.1")
    for _ in range(3):
        assert proxy.ask(f"fresh.test:{server.port}").status == 200
    assert asked(dns, "fresh.test") == 3


def test_a_ttl_of_zero_can_be_given_a_floor(start, dns, server):
    proxy = start(anywhere(server), workers=1, resolver={"cache": {"min_ttl": "60s"}})
    dns.addresses("floor.test", "127.0.0.1", ttl=0)
    for _ in range(3):
        assert proxy.ask(f"floor.test:{server.port}").status == 200
    assert asked(dns, "floor.test") == 1


def test_that_there_is_no_such_name_is_kept_as_its_soa_says(start, dns, server):
    proxy = start(anywhere(server), workers=1)
    dns.reply("soa.test", code=servers.NXDOMAIN, soa=60)
    dns.reply("bare.test", code=servers.NXDOMAIN)
    for _ in range(3):
        for name in ("soa.test", "bare.test"):
            answer = proxy.ask(f"{name}:{server.port}")
            proxy.assert_refused(answer, 502, "dns_failed", action="error")
    assert asked(dns, "soa.test") == 1
    assert asked(dns, "bare.test") == 3


def test_many_who_ask_at_once_are_one_question(start, dns, server):
    proxy = start(anywhere(server), workers=1, control=CONTROL)
    control = Control(proxy)
    released = dns.hold("herd.test", "127.0.0.1")
    herd = [proxy.connect() for _ in range(count(50, 10))]
    for requester in herd:
        requester.send(f"CONNECT herd.test:{server.port} HTTP/1.1\r\n\r\n".encode())
    dns.wait_asked("herd.test", 2)
    eventually(lambda: control.status()["requests"]["resolve"] == len(herd), "all to wait")
    released.set()
    assert {requester.read_answer().status for requester in herd} == {200}
    assert asked(dns, "herd.test") == 1


def test_a_dead_server_costs_its_time_once(start, dns, server):
    """The first server is silent; from then on the second one is asked first."""
    dead = servers.DnsServer()
    dead.reply("*.test", is_silent=True)
    names = [f"over{n}.test" for n in range(6)]
    for name in names:
        dns.addresses(name, "127.0.0.1", "::1")
    proxy = start(
        anywhere(server),
        workers=1,
        resolver={"servers": [dead.endpoint, dns.endpoint], "timeout": "1s", "tries": 2},
    )
    for name in names:
        assert proxy.ask(f"{name}:{server.port}").status == 200
    assert {query.name for query in dead.queries} == {names[0]}
    dead.stop()


def test_a_server_that_fails_is_followed_by_the_next_and_asked_again_later(start, dns, server):
    broken = servers.DnsServer()
    broken.reply("*.test", code=servers.SERVFAIL)
    proxy = start(
        anywhere(server), workers=1, resolver={"servers": [broken.endpoint, dns.endpoint]}
    )
    for name in ("fail1.test", "fail2.test"):
        dns.addresses(name, "127.0.0.1")
        assert proxy.ask(f"{name}:{server.port}").status == 200
        assert asked(broken, name) == asked(dns, name) == 1
    broken.stop()


def test_when_every_server_fails_the_client_is_told(start, dns, server):
    proxy = start(anywhere(server), resolver={"timeout": "200ms", "tries": 2})
    dns.reply("silent.settings.test", is_silent=True)
    answer = proxy.ask(f"silent.settings.test:{server.port}")
    proxy.assert_refused(answer, 504, "dns_failed", action="error")
    assert "dns_timeout" in answer.reason
    assert asked(dns, "silent.settings.test") == 2


def test_when_nobody_is_where_the_server_should_be_the_client_is_told_at_once(start, server):
    with dead_port() as port:
        proxy = start(
            anywhere(server), resolver={"servers": [f"127.0.0.1:{port}"], "timeout": "30s"}
        )
        answer = proxy.ask(f"nobody.test:{server.port}")
        proxy.assert_refused(answer, 502, "dns_failed", action="error")
        assert "dns_error" in answer.reason


def test_other_servers_take_effect_at_a_reload_and_what_was_kept_is_forgotten(start, dns, server):
    other = servers.DnsServer()
    other.addresses("moved.test", "127.0.0.2")
    dns.addresses("moved.test", "127.0.0.1")
    proxy = start(anywhere(server), workers=1)
    tunnel = proxy.tunnel(f"moved.test:{server.port}")
    proxy.reload(resolver={"servers": [other.endpoint]})
    answer = proxy.ask(f"moved.test:{server.port}")  # nobody listens there
    assert proxy.decision(answer.id)["addresses"] == ["127.0.0.2"]
    tunnel.echo(b"hello")  # and what is open stays open
    other.stop()


def test_hosts_are_not_asked_of_dns_and_open_nothing_by_themselves(start, dns, server):
    dns.addresses("db.example.org", "127.0.0.9")
    proxy = start(
        client(reach("db.example.org", server.port)),
        resolver={
            "hosts": {
                "DB.example.org.": ["127.0.0.1"],
                "closed.example.org": ["127.0.0.1"],
                "bücher.example": ["127.0.0.1"],
            }
        },
    )
    tunnel = proxy.tunnel(f"db.example.org:{server.port}")
    assert proxy.decision(tunnel.id)["addresses"] == ["127.0.0.1"]
    assert proxy.decision(tunnel.id)["aliases"] == []
    proxy.assert_refused(proxy.ask(f"closed.example.org:{server.port}"), 403, "no_rule")
    assert not dns.asked("db.example.org")
    proxy.reload(client({"hosts": ["*"], "ports": [server.port]}))
    for name in ("db.example.org", "xn--bcher-kva.example"):
        answer = proxy.ask(f"{name}:{server.port}")
        proxy.assert_refused(answer, 403, "special_range")
    assert not dns.asked("xn--bcher-kva.example")


def test_a_hosts_file_is_read_when_it_is_named_and_watched(start, dns, server, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 filed.test other.test # ours\n127.0.0.3 both.test\n")
    proxy = start(
        anywhere(server),
        resolver={"hosts_file": str(hosts), "hosts": {"both.test": ["127.0.0.1"]}},
    )
    for name in ("filed.test", "other.test", "both.test"):
        assert proxy.ask(f"{name}:{server.port}").status == 200
        assert not dns.asked(name)
    hosts.write_text("127.0.0.1 new.test\n")
    proxy.stderr.wait("reloaded")
    assert proxy.ask(f"new.test:{server.port}").status == 200
    assert proxy.ask(f"filed.test:{server.port}").status == 502
    assert dns.asked("filed.test") and not dns.asked("new.test")


def test_the_systems_hosts_file_is_not_read(start, dns, server):
    """What stands in it for everybody else is asked of DNS here."""
    with open("/etc/hosts", encoding="utf-8") as file:
        lines = [line.partition("#")[0].split() for line in file]
    names = [name for line in lines for name in line[1:] if "localhost" not in name]
    proxy = start(anywhere(server))
    for name in [*names[:3], "ip6-loopback"]:
        answer = proxy.ask(f"{name}:{server.port}")
        proxy.assert_refused(answer, 502, "dns_failed", action="error")
        assert dns.asked(name.lower())


def test_servers_come_from_resolv_conf_and_nothing_else_of_it_matters(
    start, dns, server, tmp_path, local_address
):
    local_address("127.0.0.1")  # a namespace of our own, where port 53 is free
    systems = [servers.DnsServer(f"127.0.0.5{n}", 53) for n in (3, 4)]
    conf = tmp_path / "resolv.conf"
    conf.write_text("search evil.test\nnameserver 127.0.0.53\noptions ndots:5 use-vc\n")
    proxy = start(anywhere(server), resolver={"servers": ..., "resolv_conf": str(conf)})
    for system in systems:
        system.addresses("name.test", "127.0.0.1")
        system.addresses("short.evil.test", "127.0.0.1")
    assert proxy.ask(f"name.test:{server.port}").status == 200
    assert proxy.ask(f"short:{server.port}").status == 502
    assert {query.name for query in systems[0].queries} == {"name.test", "short"}
    assert {query.transport for query in systems[0].queries} == {"udp"}
    conf.write_text("nameserver 127.0.0.54\n")  # which is watched
    proxy.stderr.wait("reloaded")
    assert proxy.ask(f"name.test:{server.port}").status == 200
    assert asked(systems[1], "name.test") == 1
    for system in systems:
        system.stop()


@pytest.mark.parametrize(
    "family, kinds, dialled",
    [
        ("any", {"A", "AAAA"}, "::1"),
        ("prefer_ipv4", {"A", "AAAA"}, "127.0.0.1"),
        ("ipv4", {"A"}, "127.0.0.1"),
        ("ipv6", {"AAAA"}, "::1"),
    ],
)
def test_the_family_says_what_is_asked_and_what_comes_first(
    start, dns, family, kinds, dialled
):
    server, six = both_families()
    name = f"{family.replace('_', '-')}.family.test"
    dns.addresses(name, "127.0.0.1", "::1")
    proxy = start(anywhere(server), resolver={"family": family})
    # Both answers are there before either is used, so that the order is that of the family.
    tunnel = proxy.tunnel(f"{name}:{server.port}")
    tunnel.close()
    dns.wait_asked(name, len(kinds))  # the answer that suffices may come before the other question
    assert {query.type for query in dns.asked(name)} == kinds
    tunnel = proxy.tunnel(f"{name}:{server.port}")
    tunnel.close()
    if len(kinds) == 1:
        assert proxy.close_record(tunnel.id)["upstream"]["address"] == dialled
    server.stop()
    six.stop()


def test_of_several_addresses_each_has_its_turn(start, dns, server):
    others = [Origin(echo, address=f"127.0.0.{n}", port=server.port) for n in (2, 3)]
    dns.addresses("many.turns.test", "127.0.0.1", "127.0.0.2", "127.0.0.3", ttl=60)
    proxy = start(anywhere(server), workers=1)
    ids = [proxy.ask(f"many.turns.test:{server.port}").id for _ in range(9)]
    used = [proxy.close_record(id)["upstream"]["address"] for id in ids]
    assert {used.count(f"127.0.0.{n}") for n in (1, 2, 3)} == {3}, used
    for other in others:
        other.stop()


def test_below_a_nat64_prefix_the_ipv4_address_is_judged(start, dns, server):
    proxy = start(
        client({"hosts": ["*"], "ports": "any"}), resolver={"nat64": ["2a00:64::/96"]}
    )
    dns.addresses("inward.nat64.test", "2a00:64::10.0.0.1")
    dns.addresses("cloud.nat64.test", "2a00:64::169.254.169.254")
    proxy.assert_refused(proxy.ask("inward.nat64.test:443"), 403, "special_range")
    proxy.assert_refused(proxy.ask("cloud.nat64.test:443"), 403, "metadata")
