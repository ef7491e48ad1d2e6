"""Names: each is asked for once, and whatever a DNS server can do wrong ends in a true answer."""

import pytest

from support import dns as servers
from support.admin import get
from support.config import client, reach
from support.control import CONTROL, Control
from support.scale import count

pytestmark = pytest.mark.protocols("h1", "h2", repeats="names and addresses")


@pytest.fixture
def proxy(start, origin):
    """A proxy that may take any name to one echoing port of loopback."""
    server = origin()
    proxy = start(
        client(reach("*", server.port, addresses=["127.0.0.0/8", "::1/128"])),
        resolver={"timeout": "1s", "tries": 2},
    )
    proxy.port = server.port
    proxy.server = server
    return proxy


FAILURES = {
    "no such name": dict(code=servers.NXDOMAIN),
    "servfail": dict(code=servers.SERVFAIL),
    "refused": dict(code=servers.REFUSED),
    "no address": dict(),
    "only an alias": dict(records=[("bad.test", servers.CNAME, "target.test")]),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_name_without_address_is_a_502(proxy, dns, kind):
    dns.reply("bad.test", **FAILURES[kind])
    answer = proxy.ask(f"bad.test:{proxy.port}")
    proxy.assert_refused(answer, 502, "dns_failed", action="error")
    proxy.assert_closed(answer.id, "refused", 502)
    assert f"(id {answer.id})" in answer.reason and "dns_failed" in answer.reason


def test_a_name_is_never_asked_for_twice(proxy, dns):
    """Rebinding: a second look-up could give another address than the one that was judged."""
    dns.addresses("once.test", "127.0.0.1")
    proxy.tunnel(f"once.test:{proxy.port}").echo(b"hello")
    asked = [query.type for query in dns.asked("once.test")]
    assert sorted(asked) in (["A"], ["A", "AAAA"])


def test_a_denied_answer_is_not_asked_for_again(start, dns):
    dns.addresses("inward.test", "127.0.0.1")
    proxy = start(client({"hosts": ["inward.test"]}))
    proxy.assert_refused(proxy.ask("inward.test:443"), 403, "special_range")
    asked = [query.type for query in dns.asked("inward.test")]
    assert sorted(asked) in (["A"], ["A", "AAAA"])


def test_a_name_is_absolute(proxy, dns, monkeypatch):
    """No search list, whatever the environment says."""
    answer = proxy.ask(f"short:{proxy.port}")
    assert answer.status == 502
    assert {query.name for query in dns.queries if query.name.startswith("short")} == {"short"}


def test_the_environment_adds_no_search_list(start, dns, origin):
    server = origin()
    proxy = start(
        client(reach("*", server.port)),
        process={"environment": {"LOCALDOMAIN": "evil.test", "RES_OPTIONS": "ndots:5"}},
    )
    dns.addresses("host.evil.test", "127.0.0.1")
    assert proxy.ask(f"host:{server.port}").status == 502
    assert not dns.asked("host.evil.test")
    assert server.accepted == 0


def test_localhost_is_judged_like_any_other_name(start, dns, origin):
    server = origin()
    proxy = start(client({"hosts": ["*"], "ports": "any"}))
    for name in ("localhost", "x.localhost", "localhost."):
        answer = proxy.ask(f"{name}:{server.port}")
        proxy.assert_refused(answer, 403, "special_range")
    assert server.accepted == 0


def test_localhost_is_loopback_and_never_asked_unless_hosts_say_otherwise(start, dns, origin):
    server = origin()
    dns.addresses("localhost", "127.0.0.7")
    proxy = start(client(reach("localhost", server.port), reach("x.localhost", server.port)))
    for name in ("localhost", "x.localhost"):
        proxy.tunnel(f"{name}:{server.port}").echo(b"hello")
        assert not dns.asked(name)
    other = start(
        client(reach("localhost", server.port)), resolver={"hosts": {"localhost": ["127.0.0.9"]}}
    )
    assert other.decision(other.ask(f"localhost:{server.port}").id)["addresses"] == ["127.0.0.9"]


def test_a_written_address_is_never_asked_for(start, dns, origin):
    server = origin()
    proxy = start(client({"addresses": ["127.0.0.0/8"], "ports": [server.port]}))
    before = len(dns.queries)
    proxy.tunnel(f"127.0.0.1:{server.port}").echo(b"hello")
    assert len(dns.queries) == before


def test_aliases_are_followed_and_the_asked_name_is_judged(start, dns, origin):
    server = origin()
    dns.aliases("www.test", "cdn.test", "node.test", address="127.0.0.1")
    proxy = start(client(reach("www.test", server.port)), deny=[{"hosts": ["node.test"]}])
    tunnel = proxy.tunnel(f"www.test:{server.port}")
    tunnel.echo(b"hello")
    assert proxy.decision(tunnel.id)["request"]["host"] == "www.test"


def test_an_alias_does_not_lend_its_permission(start, dns):
    dns.aliases("evil.test", "www.test", address="127.0.0.1")
    proxy = start(client(reach("www.test", 443)))
    proxy.assert_refused(proxy.ask("evil.test:443"), 403, "no_rule")


def test_a_truncated_answer_is_asked_for_over_tcp(proxy, dns):
    dns.addresses("cut.test", "127.0.0.1", is_truncated=True)
    proxy.tunnel(f"cut.test:{proxy.port}").echo(b"hello")
    assert "tcp" in {query.transport for query in dns.asked("cut.test")}


NOISE = {
    "an empty datagram": [servers.empty_datagram],
    "a wrong id": [servers.wrong_id],
    "many wrong ids": [servers.wrong_id] * 20,
}


@pytest.mark.parametrize("kind", NOISE)
def test_noise_before_the_answer_is_ignored(proxy, dns, kind):
    dns.addresses("noisy.test", "127.0.0.1", noise=NOISE[kind])
    proxy.tunnel(f"noisy.test:{proxy.port}").echo(b"hello")


def test_half_an_answer_ends_in_an_answer_to_the_client(proxy, dns):
    dns.addresses("half.test", "127.0.0.1", noise=[servers.half_of_it])
    assert proxy.ask(f"half.test:{proxy.port}").status in (200, 502, 504)


def test_an_ipv6_name_is_reached(start, dns, origin):
    server = origin(address="::1")
    dns.addresses("six.test", "::1")
    proxy = start(client(reach("six.test", server.port, addresses=["::1/128"])))
    tunnel = proxy.tunnel(f"six.test:{server.port}")
    tunnel.close()
    assert proxy.close_record(tunnel.id)["upstream"]["address"] == "::1"


def test_a_name_with_very_many_addresses_is_bounded(proxy, dns):
    addresses = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(60)]
    dns.addresses("wide.test", *addresses, is_truncated=True)
    answer = proxy.ask(f"wide.test:{proxy.port}")
    assert answer.status == 502
    assert proxy.close_record(answer.id)["upstream"]["attempts"] <= 60


def test_a_slow_name_does_not_keep_others_waiting(proxy, dns):
    released = dns.hold("slow.test", "127.0.0.1")
    dns.addresses("fast.test", "127.0.0.1")
    waiting = [proxy.connect() for _ in range(4)]
    for requester in waiting:
        requester.send(f"CONNECT slow.test:{proxy.port} HTTP/1.1\r\n\r\n".encode())
    dns.wait_asked("slow.test")
    proxy.tunnel(f"fast.test:{proxy.port}").echo(b"hello")
    released.set()


def test_many_names_at_once_are_all_resolved(proxy, dns):
    total = count(100, 30)
    for number in range(total):
        dns.addresses(f"n{number}.test", "127.0.0.1")
    waiting = [proxy.connect() for _ in range(total)]
    for number, requester in enumerate(waiting):
        requester.send(f"CONNECT n{number}.test:{proxy.port} HTTP/1.1\r\n\r\n".encode())
    assert [requester.read_answer().status for requester in waiting] == [200] * total


def test_a_second_server_is_asked_when_the_first_is_silent(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    silent = servers.DnsServer()
    silent.reply("origin.test", is_silent=True)
    proxy = start(
        client(reach("origin.test", server.port)),
        resolver={"servers": [silent.endpoint, dns.endpoint], "timeout": "300ms"},
        control=CONTROL,
        admin={"address": "127.0.0.1:0"},
        workers=1,
    )
    proxy.tunnel(f"origin.test:{server.port}").echo(b"hello")
    control = Control(proxy)
    first, second = control.status()["dns"]
    counts = [(each["server"], each["asked"], each["answered"], each["failed"], each["warning"]) for each in (first, second)]
    assert counts[0][0] == silent.endpoint and counts[0][1] >= 1 and counts[0][2:] == (0, counts[0][1], "no_answer"), counts
    assert counts[1][0] == dns.endpoint and counts[1][1] == counts[1][2] >= 2 and counts[1][3:] == (0, None), counts
    assert first["last_error_at"] and not second["last_error"]
    assert f"dns          {silent.endpoint}: {first['asked']} asked, 0 answered, {first['failed']} failed  ! no_answer" in control.run("status").stdout
    # A reload that keeps a server keeps what is known of it.
    proxy.reload(resolver={"servers": [dns.endpoint, silent.endpoint], "timeout": "400ms"})
    after = control.status()["dns"]
    assert [each["server"] for each in after] == [dns.endpoint, silent.endpoint]
    assert after[0]["asked"] >= second["asked"] and after[1]["failed"] >= first["failed"]
    said = proxy.stderr.wait(r"metrics and health at http://(.*):(\d+)/")
    metrics = get((said[1], int(said[2])), "/metrics").body
    assert f'sallyport_dns_server_questions_total{{server="{dns.endpoint}",result="answered"}} {after[0]["answered"]}' in metrics
    assert f'sallyport_dns_server_up{{server="{silent.endpoint}"}} 0' in metrics
    silent.stop()
