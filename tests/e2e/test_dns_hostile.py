"""Whatever a DNS server sends, the asker gets a true answer, the audit says the same, nobody is reached who may
not be, and other names go on being resolved."""

import struct

import pytest

from support import dns as servers
from support.config import client, reach
from support.origin import Origin, blackhole, echo
from support.scale import count

# What waits for DNS and dials is a connection there, and a stream here. The answers are read the same.
BOTH = pytest.mark.protocols("h1", "h2")
PUBLIC = "198.18.7.7"  # stands for any address that no rule opens


@pytest.fixture(scope="module")
def server():
    server = Origin(echo)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def canary():
    """Where forged answers lead to."""
    server = Origin(echo)
    yield server
    assert server.accepted == 0
    server.stop()


@pytest.fixture(scope="module")
def proxy(start_shared, server, canary):
    """Takes any name to two ports at two addresses of loopback."""
    addresses = ["127.0.0.1/32", "127.0.0.2/32"]
    return start_shared(
        client(reach("*", server.port, canary.port, addresses=addresses)),
        resolver={"timeout": "500ms", "tries": 2},
    )


@pytest.fixture(autouse=True)
def _others_go_on(proxy, dns, server, request):
    """After each test another name still resolves, by the same resolvers."""
    yield
    name = f"control{abs(hash(request.node.name))}.test"
    dns.addresses(name, "127.0.0.1")
    for _ in range(4):  # on both workers, most likely
        assert proxy.ask(f"{name}:{server.port}").status == 200


def question_of(message):
    return servers.decode_question(message)[2]


def whole(message, answers, flags=0x8580, question=None):
    """A message with these answer records, which need not be right."""
    head = message[:2] + struct.pack("!HHHHH", flags, 1, len(answers), 0, 0)
    return head + (question or question_of(message)) + b"".join(answers)


def pointer_record(pointer, data=b"\x7f\0\0\1"):
    return struct.pack("!HHHIH", pointer, 1, 1, 60, len(data)) + data


GOOD = pointer_record(0xC00C)  # 127.0.0.1, and anybody would be glad to connect there

FORGED = {
    "another question": lambda m: whole(m, [GOOD], question=b"\5other\4test\0\0\1\0\1"),
    "another type": lambda m: whole(m, [GOOD], question=question_of(m)[:-4] + b"\0\x10\0\1"),
    "another class": lambda m: whole(m, [GOOD], question=question_of(m)[:-2] + b"\0\3"),
    "no question": lambda m: m[:2] + struct.pack("!HHHHH", 0x8580, 0, 1, 0, 0) + GOOD,
    "a query": lambda m: whole(m, [GOOD], flags=0x0100),
    "an update": lambda m: whole(m, [GOOD], flags=0xA980),
    "records that are not there": lambda m: whole(m, [GOOD]).replace(b"\0\1\0\0\0\0", b"\xff\xff\0\0\0\0"),
    "a pointer to itself": lambda m: whole(
        m, [pointer_record(0xC000 + 12 + len(question_of(m)))]
    ),
    "a pointer beyond the end": lambda m: whole(m, [pointer_record(0xFFFF)]),
    "an address of three bytes": lambda m: whole(m, [pointer_record(0xC00C, b"\x7f\0\0")]),
    "an address of sixteen bytes": lambda m: whole(m, [pointer_record(0xC00C, bytes(16))]),
    "a record cut off": lambda m: whole(m, [GOOD[:-2]]),
    "a label of a kind that does not exist": lambda m: whole(m, [b"\x80" + GOOD]),
    "a header and nothing else": lambda m: m[:2] + struct.pack("!HHHHH", 0x8580, 1, 1, 0, 0),
    "eleven bytes": lambda m: m[:11],
    "nothing": lambda m: b"",
    "zeros": lambda m: m[:2] + bytes(498),
    "the question back": lambda m: m,
}


@pytest.mark.parametrize("kind", FORGED)
def test_nonsense_is_a_502_or_a_504_and_opens_nothing(proxy, dns, canary, kind):
    name = f"forged{list(FORGED).index(kind)}.test"
    dns.reply(name, forged=FORGED[kind])
    answer = proxy.ask(f"{name}:{canary.port}")
    if answer.status == 403 and kind == "an address of sixteen bytes":  # c-ares of 2024 and later makes 0.0.0.0 of it
        proxy.assert_refused(answer, 403, "special_range")
    else:
        assert answer.status in (502, 504), answer
        proxy.assert_refused(answer, answer.status, "dns_failed", action="error")
    assert proxy.close_record(answer.id)["upstream"] is None
    assert canary.accepted == 0


STRANGERS = {
    "another name's address": [("evil.test", servers.A, "127.0.0.1")],
    "the parent's address": [("test", servers.A, "127.0.0.1")],
    "an alias of another name": [
        ("evil.test", servers.CNAME, "good.test"),
        ("good.test", servers.A, "127.0.0.1"),
    ],
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_what_belongs_to_another_name_is_not_taken(proxy, dns, canary, kind):
    name = f"stranger{list(STRANGERS).index(kind)}.test"
    dns.reply(name, records=STRANGERS[kind])
    answer = proxy.ask(f"{name}:{canary.port}")
    proxy.assert_refused(answer, 502, "dns_failed", action="error")
    assert proxy.decision(answer.id)["addresses"] is None


def loop_of(*names):
    return [(a, servers.CNAME, b) for a, b in zip(names, (*names[1:], names[0]))]


LOOPS = {
    "to itself": lambda name: loop_of(name),
    "of two": lambda name: loop_of(name, "b.test") + [(name, servers.A, "127.0.0.1")],
    "of thirty": lambda name: loop_of(name, *(f"l{n}.test" for n in range(30))),
    "a chain of thirty": lambda name: loop_of(name, *(f"c{n}.test" for n in range(30)))[:-1]
    + [("c29.test", servers.A, "127.0.0.1")],
}


@pytest.mark.parametrize("kind", LOOPS)
def test_a_chain_without_an_end_is_a_502(proxy, dns, server, kind):
    name = f"loop{list(LOOPS).index(kind)}.test"
    dns.reply(name, records=LOOPS[kind](name))
    answer = proxy.ask(f"{name}:{server.port}")
    proxy.assert_refused(answer, 502, "dns_failed", action="error")


ODD_LABEL = b'a".\n\\\0\x1b[31\xe2\x80\xa8'
ODD = bytes([len(ODD_LABEL)]) + ODD_LABEL + b"\x04test\0"


def test_an_odd_alias_is_written_down_harmlessly(proxy, dns, server):
    dns.reply("odd.test", records=[("odd.test", servers.CNAME, ODD)])
    answer = proxy.ask(f"odd.test:{server.port}")
    assert answer.status == 502
    (alias,) = proxy.decision(answer.id)["aliases"]
    assert alias.isascii() and alias.isprintable() and alias.endswith(".test"), alias
    assert "\\010" in alias and "\\027" in alias and "\\034" in alias, alias


def test_the_chain_stands_in_the_decision(proxy, dns, server):
    dns.aliases("www.chain.test", "cdn.chain.test", "edge.chain.test", address="127.0.0.1")
    tunnel = proxy.tunnel(f"www.chain.test:{server.port}")
    decision = proxy.decision(tunnel.id)
    assert decision["aliases"] == ["cdn.chain.test", "edge.chain.test"]
    assert decision["request"]["host"] == "www.chain.test"


def test_a_chain_that_does_not_fit_is_cut(proxy, dns, server):
    long = [f"{'x' * 60}.{'y' * 60}.a{n}.test" for n in range(8)]
    dns.aliases("long.test", *long, address="127.0.0.1")
    tunnel = proxy.tunnel(f"long.test:{server.port}")
    aliases = proxy.decision(tunnel.id)["aliases"]
    assert 0 < len(aliases) < len(long) and aliases == long[: len(aliases)]


def test_thousands_of_addresses_are_bounded(start, dns, server):
    # Its server is Python, too: one try takes long.
    rule = reach("*", server.port, addresses=["127.0.0.1/32", "127.0.0.2/32"])
    proxy = start(client(rule), resolver={"timeout": "20s", "tries": 1})
    addresses = [f"127.9.{n // 250}.{n % 250 + 1}" for n in range(count(2500, 1000))]
    dns.addresses("wide.test", "127.0.0.2", *addresses, is_truncated=True)
    answer = proxy.ask(f"wide.test:{server.port}")
    decision = proxy.decision(answer.id)
    assert len(decision["addresses"]) <= 32
    # Only one of them is admitted: nobody listens there, and the others are not tried.
    proxy.assert_closed(answer.id, "connect_failed", 502)
    assert proxy.close_record(answer.id)["upstream"]["attempts"] == 1


@BOTH
def test_of_a_mixed_answer_only_the_admitted_address_is_dialled(proxy, dns, server):
    closed = ["10.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", PUBLIC]
    dns.addresses("mixed.test", *closed, "127.0.0.1", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1")
    tunnel = proxy.tunnel(f"mixed.test:{server.port}")
    tunnel.close()
    assert proxy.close_record(tunnel.id)["upstream"] == {
        "address": "127.0.0.1",
        "port": server.port,
        "attempts": 1,
    }
    assert {*closed, "127.0.0.1"} <= set(proxy.decision(tunnel.id)["addresses"])


@pytest.mark.parametrize("first, then", [(PUBLIC, "127.0.0.1"), ("127.0.0.1", PUBLIC)])
def test_a_name_that_rebinds_is_judged_by_what_is_dialled(proxy, dns, server, first, then):
    """A TTL of zero: each request asks again, is judged again, and dials what it has judged."""
    name = f"rebind-{first.replace('.', '-')}.test"
    dns.rebinds(name, first, then, ttl=0)
    for address in (first, then):
        answer = proxy.ask(f"{name}:{server.port}")
        assert proxy.decision(answer.id)["addresses"] == [address]
        if address == PUBLIC:
            proxy.assert_refused(answer, 403, "special_range")
        else:
            assert answer.status == 200
            assert proxy.close_record(answer.id)["upstream"]["address"] == address


def test_a_huge_ttl_and_a_negative_one_are_taken_as_they_are_meant(start, dns, server):
    proxy = start(client(reach("*", server.port)), workers=1)
    for name, ttl, asked in (("huge.test", 2**31 - 1, 1), ("negative.test", 2**31 + 5, 2)):
        dns.addresses(name, "127.0.0.1", ttl=ttl)
        for _ in range(2):
            assert proxy.ask(f"{name}:{server.port}").status == 200
        assert sum(query.type == "A" for query in dns.asked(name)) == asked


@pytest.mark.parametrize("way", ["close", "half", "wrong_id", "nothing"])
def test_an_answer_that_tcp_never_brings_ends_in_time(proxy, dns, server, way):
    name = f"tcp-{way.replace('_', '-')}.test"
    dns.addresses(name, "127.0.0.1", is_truncated=True, breaks_tcp=way)
    answer = proxy.ask(f"{name}:{server.port}")
    assert answer.status in (502, 504)
    proxy.assert_refused(answer, answer.status, "dns_failed", action="error")
    assert "tcp" in {query.transport for query in dns.asked(name)}


def test_one_silent_family_does_not_keep_the_other_waiting(start, dns, server):
    dns.addresses("lame.test", "127.0.0.1", only="A")
    proxy = start(
        client(reach("lame.test", server.port)), resolver={"timeout": "30s", "tries": 1}
    )
    tunnel = proxy.tunnel(f"lame.test:{server.port}")
    tunnel.echo(b"hello")
    assert proxy.decision(tunnel.id)["addresses"] == ["127.0.0.1"]


@BOTH
def test_what_the_first_family_may_not_the_second_may(start, dns, origin):
    """The family that came first is denied: the verdict waits for the other."""
    six = origin(address="::1")
    released = dns.hold("second.test", "127.0.0.1", "::1", held="AAAA")
    proxy = start(client(reach("second.test", six.port, addresses=["::1/128"])))
    requester = proxy.connect()
    requester.send(f"CONNECT second.test:{six.port} HTTP/1.1\r\n\r\n".encode())
    dns.wait_asked("second.test", 2)
    dns.wait_answered("second.test", servers.A)
    released.set()
    answer = requester.read_answer()
    assert answer.status == 200
    assert proxy.decision(answer.id)["decision"]["reason"] == "rule"
    assert set(proxy.decision(answer.id)["addresses"]) == {"127.0.0.1", "::1"}


@BOTH
def test_an_address_that_comes_late_is_judged_and_joins_in(start, dns, local_address):
    """The first family is dialled at once, and is silent; of the other one, which comes then, only
    what the rule admits is dialled, and wins."""
    forbidden = local_address("fd00:99::1")
    with blackhole() as port:
        six, canary = (Origin(echo, address=address, port=port) for address in ("::1", forbidden))
        released = dns.hold("late.test", "127.0.0.1", forbidden, "::1", held="AAAA")
        proxy = start(
            client(reach("late.test", port, addresses=["127.0.0.1/32", "::1/128"])),
            timeouts={"attempt": "20s", "connect": "20s"},
        )
        requester = proxy.connect()
        requester.send(f"CONNECT late.test:{port} HTTP/1.1\r\n\r\n".encode())
        id = proxy.audit.wait("decision", request__host="late.test")["id"]
        assert proxy.decision(id)["addresses"] == ["127.0.0.1"]
        released.set()
        assert requester.read_answer().status == 200
        requester.echo(b"hello")
        requester.close()
        upstream = proxy.close_record(id)["upstream"]
        assert (upstream["address"], upstream["attempts"]) == ("::1", 2)
        assert canary.accepted == 0
        six.stop()
        canary.stop()


def test_a_storm_of_noise_changes_nothing(proxy, dns, server):
    dns.addresses("storm.test", "127.0.0.1", noise=[servers.wrong_id, servers.empty_datagram] * 30)
    proxy.tunnel(f"storm.test:{server.port}").echo(b"hello")
