"""Targets in disguise: what can be read in two ways is refused before anything could dial it."""

import pytest

from support.config import client
from support.wire import connect_head

pytestmark = pytest.mark.protocols("h1", "h2", repeats="names and addresses")

# Each stands for a hole that some proxy had. PORT is that of a listening canary.
SMUGGLED = {
    "no port": "127.0.0.1",
    "an empty port": "origin.test:",
    "port 0": "origin.test:0",
    "a port with leading zeros": "origin.test:0PORT",
    "a port with a sign": "origin.test:+PORT",
    "a negative port": "origin.test:-1",
    "a port above 65535": "origin.test:65536",
    "a port that wraps at 2^16": "origin.test:WRAP16",
    "a port that wraps at 2^32": "origin.test:WRAP32",
    "a port with a fraction": "origin.test:PORT.0",
    "a port with a suffix": "origin.test:PORTabc",
    "a port range": "origin.test:PORT-PORT",
    "two ports": "origin.test:443:PORT",
    "a port in hex": "origin.test:0x1bb",
    "a name for a port": "origin.test:https",
    "userinfo": "user@origin.test:PORT",
    "userinfo with a password": "a:b@origin.test:PORT",
    "a path": "origin.test:PORT/",
    "a query": "origin.test:PORT?",
    "a fragment": "origin.test:PORT#",
    "a fragment before the port": "origin.test#:PORT",
    "a comma": "origin.test:PORT,other.test:PORT",
    "a semicolon": "origin.test:PORT;",
    "a backslash": "origin.test\\@other.test:PORT",
    "a percent escape": "%6frigin.test:PORT",
    "an escaped NUL": "origin.test%00:PORT",
    "an empty host": ":PORT",
    "nothing but a colon": ":",
    "an empty label": "origin..test:PORT",
    "a leading dot": ".origin.test:PORT",
    "two final dots": "origin.test..:PORT",
    "only a dot": ".:PORT",
    "a label of 64": "a" * 64 + ".test:PORT",
    "a name of 254": ("a" * 63 + ".") * 3 + "a" * 62 + ":PORT",
    "a leading hyphen": "-origin.test:PORT",
    "a wildcard": "*.test:PORT",
    "a star": "*",
    "a slash": "/",
    "an absolute URL": "http://origin.test:PORT/",
    "an https URL": "https://origin.test:PORT",
    "brackets round a name": "[origin.test]:PORT",
    "brackets round IPv4": "[127.0.0.1]:PORT",
    "IPv6 without brackets": "::1:PORT",
    "an open bracket": "[::1:PORT",
    "a zone": "[::1%lo]:PORT",
    "an escaped zone": "[::1%25lo]:PORT",
    "empty brackets": "[]:PORT",
    "IPv6 without a port": "[::1]",
    "mapped IPv4": "[::ffff:127.0.0.1]:PORT",
    "mapped IPv4 in hex": "[::ffff:7f00:1]:PORT",
    "octal": "0177.0.0.1:PORT",
    "octal in full": "017700000001:PORT",
    "hex": "0x7f000001:PORT",
    "hex by parts": "0x7f.0.0.1:PORT",
    "decimal": "2130706433:PORT",
    "a short address": "127.1:PORT",
    "three parts": "127.0.1:PORT",
    "five parts": "127.0.0.0.1:PORT",
    "leading zeros in an address": "127.000.000.001:PORT",
    "an address with a final dot": "127.0.0.1.:PORT",
    "a part above 255": "127.0.0.256:PORT",
    "a name that ends in a number": "origin.1:PORT",
    "a name that ends in hex": "origin.0x1:PORT",
    "full-width digits": "\uff11\uff12\uff17.0.0.1:PORT",
    "a full-width dot": "127\u30020.0.1:PORT",
    "a circled digit": "\u2460\u2461\u2466.0.0.1:PORT",
    "a non-ASCII name": "\u00f6rigin.test:PORT",
    "a vertical tab": "origin.test\x0b:PORT",
    "a delete": "origin\x7f.test:PORT",
    "an escape": "\x1b.test:PORT",
}


@pytest.fixture(scope="module")
def wide_open(start_shared, dns):
    """A proxy that lets everybody go anywhere on loopback."""
    rule = {"addresses": ["127.0.0.0/8", "::1/128"], "ports": ["any"]}
    return start_shared(client({"hosts": ["*"], **rule}, rule))


@pytest.mark.parametrize("kind", SMUGGLED)
def test_a_smuggled_target_is_refused(wide_open, dns, origin, kind):
    canary = origin()
    authority = SMUGGLED[kind]
    for word, value in {
        "WRAP16": canary.port + 2**16,
        "WRAP32": canary.port + 2**32,
        "PORT": canary.port,
    }.items():
        authority = authority.replace(word, str(value))
    asked_before = len(dns.queries)
    requester = wide_open.connect()
    requester.send(f"CONNECT {authority} HTTP/1.1\r\n\r\n".encode())
    answer = requester.read_answer()
    assert answer.status == 400, answer
    decision = wide_open.decision(answer.id)
    assert decision["decision"]["action"] == "error"
    assert decision["decision"]["reason"] in ("bad_target", "bad_request")
    assert wide_open.close_record(answer.id)["status"] == 400
    assert requester.read_to_end()[0] == b""
    assert canary.accepted == 0
    assert len(dns.queries) == asked_before


BLANKS = {
    "a blank in the target": b"CONNECT origin.test :443 HTTP/1.1\r\n\r\n",
    "a tab in the target": b"CONNECT origin.test\t:443 HTTP/1.1\r\n\r\n",
    "two blanks before it": b"CONNECT  origin.test:443 HTTP/1.1\r\n\r\n",
    "two blanks after it": b"CONNECT origin.test:443  HTTP/1.1\r\n\r\n",
    "no target": b"CONNECT HTTP/1.1\r\n\r\n",
    "an empty target": b"CONNECT  HTTP/1.1\r\nHost: origin.test:443\r\n\r\n",
    "NUL": b"CONNECT origin.test\0:443 HTTP/1.1\r\n\r\n",
    "NUL and more": b"CONNECT origin.test\0.evil.test:443 HTTP/1.1\r\n\r\n",
    "a bare CR": b"CONNECT origin.test\r:443 HTTP/1.1\r\n\r\n",
}


@pytest.mark.protocols("h1")
@pytest.mark.parametrize("kind", BLANKS)
def test_blanks_and_controls_in_the_request_line_are_refused(wide_open, kind):
    answer, (rest, _) = wide_open.send_head(BLANKS[kind])
    wide_open.assert_refused(answer, 400, "bad_request", action="error")
    assert rest == b""


GOOD = {
    "a name": "origin.test",
    "a final dot": "origin.test.",
    "an underscore": "_origin.test",
    "a leading digit": "1host.test",
    "a single label": "origin",
    "an A-label": "xn--rigin-jua.test",
    "only digits in the first label": "1234.test",
    "a label of 63": "a" * 63 + ".test",
    "a name of 253": ("a" * 63 + ".") * 3 + "a" * 61,
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_name_is_resolved_as_it_is(wide_open, dns, origin, kind):
    server = origin()
    canonical = GOOD[kind].removesuffix(".")
    dns.addresses(canonical, "127.0.0.1")
    asked_before = len(dns.queries)
    tunnel = wide_open.tunnel(f"{GOOD[kind]}:{server.port}")
    tunnel.echo(b"hello")
    assert wide_open.decision(tunnel.id)["request"]["host"] == canonical
    assert {query.name for query in dns.queries[asked_before:]} <= {canonical}
    assert dns.asked(canonical)


@pytest.mark.parametrize("port", ["1", "80", "65535"])
def test_the_edges_of_the_port_are_good(wide_open, dns, port):
    dns.addresses("origin.test", "127.0.0.99")
    answer = wide_open.ask(f"origin.test:{port}")
    assert answer.status == 502, answer
    assert wide_open.decision(answer.id)["request"]["port"] == int(port)


HOSTS = {
    "the same": ("origin.test:PORT", 200),
    "the same without a port": ("origin.test", 200),
    "another case": ("ORIGIN.test:PORT", 200),
    "a final dot": ("origin.test.:PORT", 200),
    "the proxy's own, as of ffmpeg and undici 5": ("proxy.test:8443", 200),
    "another name": ("other.test:PORT", 200),
    "another port": ("origin.test:1", 200),
    "a longer name": ("origin.test.evil.test:PORT", 200),
    "an address": ("127.0.0.1:PORT", 200),
    "an address in brackets": ("[::1]:8443", 200),
    "empty": ("", 400),
    "junk": ("origin.test:PORT:443", 400),
    "two in one": ("origin.test:PORT, other.test:PORT", 400),
    "userinfo": ("a@origin.test:PORT", 400),
    "a URL": ("http://origin.test:PORT/", 400),
    "a path": ("origin.test:PORT/x", 400),
    "a blank within": ("origin. test", 400),
    "no end of the bracket": ("[::1", 400),
    "a port that is none": ("origin.test:99999", 400),
}


@pytest.mark.protocols("h1")
@pytest.mark.parametrize("kind", HOSTS)
def test_host_is_not_compared_on_connect_but_has_to_be_one(wide_open, dns, origin, kind):
    """The target is what is judged and dialled, whatever Host says (RFC 9112, 3.2.2)."""
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    value, status = HOSTS[kind]
    host = value.replace("PORT", str(server.port))
    asked_before = len(dns.queries)
    head = f"CONNECT origin.test:{server.port} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    requester = wide_open.connect()
    requester.send(head.encode())
    answer = requester.read_answer()
    assert answer.status == status, answer
    assert {query.name for query in dns.queries[asked_before:]} <= {"origin.test"}
    if status == 200:
        server.wait_accepted()
        assert wide_open.decision(answer.id)["request"]["host"] == "origin.test"
    else:
        assert server.accepted == 0
        wide_open.assert_refused(answer, 400, "bad_request", action="error")


@pytest.mark.protocols("h1")
def test_two_hosts_are_refused(wide_open, origin, dns):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    target = f"origin.test:{server.port}"
    for second in (target, "other.test"):
        answer, _ = wide_open.send_head(connect_head(target, f"Host: {second}"))
        wide_open.assert_refused(answer, 400, "bad_request", action="error")
    assert server.accepted == 0


def test_whoever_asks_for_two_things_at_once_gets_the_first_or_nothing(wide_open, dns, origin):
    """The Host field never stands in for the target."""
    canary = origin()
    dns.addresses("origin.test", "127.0.0.1")
    for target in ("/", "*", "", "?"):
        head = f"CONNECT {target} HTTP/1.1\r\nHost: origin.test:{canary.port}\r\n\r\n"
        answer, _ = wide_open.send_head(head.encode())
        assert answer.status == 400
    assert canary.accepted == 0
