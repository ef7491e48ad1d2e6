"""Request heads: what clients really send, what attackers send, what a refusal leaves behind."""

import random

import pytest

from support.config import client, reach
from support.origin import greet
from support.wire import Ending, connect_head

TARGET = "origin.test:443"
HEAD = b"CONNECT origin.test:443 HTTP/1.1\r\n"

BAD = {
    "a bare LF after the request line": (HEAD[:-2] + b"\nA: b\r\n\r\n", 400),
    "bare LFs everywhere": (b"CONNECT origin.test:443 HTTP/1.1\n\n", 400),
    "a bare LF after a field": (HEAD + b"A: b\nC: d\r\n\r\n", 400),
    "a bare CR in a field": (HEAD + b"A: b\rC: d\r\n\r\n", 400),
    "a blank before the colon": (HEAD + b"Host : origin.test:443\r\n\r\n", 400),
    "a tab before the colon": (HEAD + b"Host\t: origin.test:443\r\n\r\n", 400),
    "an empty field name": (HEAD + b": b\r\n\r\n", 400),
    "a field without a colon": (HEAD + b"Host\r\n\r\n", 400),
    "a folded field": (HEAD + b"Host: origin.test:443\r\n\tmore\r\n\r\n", 400),
    "a first line that is folded": (HEAD + b" Host: origin.test:443\r\n\r\n", 400),
    "NUL in a value": (HEAD + b"A: b\0c\r\n\r\n", 400),
    "NUL in a name": (HEAD + b"A\0: b\r\n\r\n", 400),
    "a control in a value": (HEAD + b"A: \x01\r\n\r\n", 400),
    "a separator in a name": (HEAD + b"A(b): c\r\n\r\n", 400),
    "a name with a byte above ASCII": (HEAD + b"\xc3\xa9: c\r\n\r\n", 400),
    "no version": (b"CONNECT origin.test:443\r\n\r\n", 400),
    "version 0.9": (b"CONNECT origin.test:443 HTTP/0.9\r\n\r\n", 400),
    "version 2.0": (b"CONNECT origin.test:443 HTTP/2.0\r\n\r\n", 400),
    "version 1.10": (b"CONNECT origin.test:443 HTTP/1.10\r\n\r\n", 400),
    "a version in lower case": (b"CONNECT origin.test:443 http/1.1\r\n\r\n", 400),
    "another protocol": (b"CONNECT origin.test:443 ICAP/1.0\r\n\r\n", 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a request line of NULs": (bytes(20) + b"\r\n\r\n", 400),
    "TLS inside": (bytes.fromhex("16030100050100000100") + b"\r\n\r\n", 400),
    "an empty method": (b" origin.test:443 HTTP/1.1\r\n\r\n", 400),
    "GET of a path": (b"GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", 400),
    "OPTIONS": (b"OPTIONS * HTTP/1.1\r\nHost: origin.test\r\n\r\n", 400),
    "connect in lower case": (b"connect origin.test:443 HTTP/1.1\r\n\r\n", 400),
    "a method of its own": (b"BREW origin.test:443 HTTP/1.1\r\n\r\n", 400),
    "CONNECT with a body": (HEAD + b"Content-Length: 5\r\n\r\nhello", 400),
    "a length with a sign": (HEAD + b"Content-Length: +0\r\n\r\n", 400),
    "an empty length": (HEAD + b"Content-Length: \r\n\r\n", 400),
    "two lengths": (HEAD + b"Content-Length: 0\r\nContent-Length: 1\r\n\r\n", 400),
    "a chunked CONNECT": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a request line that is too long": (
        b"CONNECT " + b"a" * 20_000 + b":443 HTTP/1.1\r\n\r\n",
        431,
    ),
    "a field that is too long": (HEAD + b"A: " + b"b" * 20_000 + b"\r\n\r\n", 431),
    "a head without an end": (HEAD + b"A: b\r\n" * 4_000, 431),
    "too many fields": (HEAD + b"A: b\r\n" * 101 + b"\r\n", 431),
    "a megabyte of one field": (HEAD + b"A: " + b"b" * 1_000_000 + b"\r\n\r\n", 431),
}


@pytest.fixture(scope="module")
def proxy(start_shared):
    """Denies every target that is well said, so that nothing is ever dialled."""
    return start_shared(client())


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_head_is_answered_and_closed(proxy, kind):
    head, status = BAD[kind]
    requester = proxy.connect()
    requester.send(head)
    answer = requester.read_answer()
    assert answer.status == status, answer
    rest, ending = requester.read_to_end()
    assert (rest, ending) == (b"", Ending.CLOSE_NOTIFY)
    decision = proxy.decision(answer.id)
    assert decision["decision"]["action"] == "error"
    assert decision["decision"]["reason"] in ("bad_request", "bad_target")
    close = proxy.close_record(answer.id)
    assert (close["status"], close["reason"]) == (status, "refused")


LINE = b"CONNECT origin.test:PORT HTTP/1.1\r\n"

SLOPPY = {
    "HTTP/1.0 without any field": b"CONNECT origin.test:PORT HTTP/1.0\r\n\r\n",
    "HTTP/1.1 without Host": LINE + b"\r\n",
    "Host without a port": LINE + b"Host: origin.test\r\n\r\n",
    "connection: close": LINE + b"connection: close\r\n\r\n",
    "Proxy-Connection: close": LINE + b"Proxy-Connection: close\r\n\r\n",
    "no blank after the colon": LINE + b"Host:origin.test:PORT\r\n\r\n",
    "blanks round a value": LINE + b"Host: \t origin.test:PORT \r\n\r\n",
    "an empty line first": b"\r\n" + LINE + b"\r\n",
    "an empty value": LINE + b"User-Agent:\r\n\r\n",
    "bytes above ASCII in a value": LINE + b"A: \xc3\xa9\r\n\r\n",
    "a name of 300 bytes": LINE + b"n" * 300 + b": v\r\n\r\n",
    "a hundred fields": LINE + b"A: b\r\n" * 100 + b"\r\n",
    "a length of nothing": LINE + b"Content-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("kind", SLOPPY)
def test_what_clients_really_send_is_understood(start, dns, origin, kind):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    wide = start(client(reach("origin.test", server.port)))
    tunnel = wide.connect()
    tunnel.send(SLOPPY[kind].replace(b"PORT", str(server.port).encode()))
    assert tunnel.read_answer().status == 200
    tunnel.echo(b"hello")


def test_a_head_byte_by_byte_is_understood(proxy):
    requester = proxy.connect()
    for byte in connect_head(TARGET):
        requester.send(bytes([byte]))
    assert requester.read_answer().status == 403


def test_a_head_in_records_of_every_split_is_understood(proxy):
    head = connect_head(TARGET)
    for at in range(1, len(head), 7):
        requester = proxy.connect()
        requester.send(head[:at])
        requester.send(head[at:])
        assert requester.read_answer().status == 403
        requester.close()


def test_early_bytes_in_the_same_record_reach_the_target(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    wide = start(client(reach("origin.test", server.port)))
    early = b"client speaks first" * 100
    tunnel = wide.connect()
    assert tunnel.ask(f"origin.test:{server.port}", extra=early).status == 200
    assert tunnel.read_exactly(len(early)) == early
    tunnel.echo(b"and goes on")


@pytest.mark.protocols("h1", "h2")
@pytest.mark.parametrize("size", [1, 1000, 16_000, 300_000])
def test_early_bytes_that_come_during_the_dial_stay_in_order(start, dns, origin, size):
    server = origin()
    released = dns.hold("held.test", "127.0.0.1")
    wide = start(client(reach("held.test", server.port)))
    early = random.Random(size).randbytes(100 + size)
    tunnel = wide.connect()
    head = connect_head(f"held.test:{server.port}")
    tunnel.send(head[:20])
    tunnel.send(head[20:] + early[:100])
    dns.wait_asked("held.test")
    unsent = tunnel.send_what_fits(early[100:])
    released.set()
    assert tunnel.read_answer().status == 200
    tunnel.send_rest(unsent)
    assert tunnel.read_exactly(len(early)) == early


def test_a_server_that_speaks_first_is_heard_behind_the_200(start, dns, origin):
    server = origin(greet(b"220 ready\r\n"))
    dns.addresses("origin.test", "127.0.0.1")
    wide = start(client(reach("origin.test", server.port)))
    tunnel = wide.tunnel(f"origin.test:{server.port}")
    assert tunnel.read_exactly(11) == b"220 ready\r\n"


def test_a_refused_connect_leaves_the_connection_usable(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    wide = start(client(reach("origin.test", server.port)))
    requester = wide.connect()
    ids = [requester.ask("other.test:443").id for _ in range(5)]
    tunnel_id = requester.tunnel(f"origin.test:{server.port}").id
    requester.echo(b"hello")
    assert len(set(ids + [tunnel_id])) == 6
    for id in ids:
        wide.assert_closed(id, "refused", 403)


CLOSING = {
    "HTTP/1.0": b"CONNECT other.test:443 HTTP/1.0\r\n\r\n",
    "Connection: close": connect_head("other.test:443", "Connection: close"),
    "connection: Close among others": connect_head("other.test:443", "connection: x, Close"),
}


@pytest.mark.parametrize("kind", CLOSING)
def test_a_refusal_closes_when_the_client_asks_for_it(proxy, kind):
    answer, (rest, ending) = proxy.send_head(CLOSING[kind])
    assert answer.status == 403
    assert answer.fields["connection"] == "close"
    assert (rest, ending) == (b"", Ending.CLOSE_NOTIFY)


def test_http_1_0_with_keep_alive_stays_open(proxy):
    requester = proxy.connect()
    head = b"CONNECT other.test:443 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    for _ in range(3):
        requester.send(head)
        assert requester.read_answer().status == 403


PIPELINED = {
    "a byte": b"x",
    "a request": connect_head(TARGET),
    "many requests": connect_head(TARGET) * 500,
}


@pytest.mark.parametrize("kind", PIPELINED)
def test_bytes_behind_a_refused_connect_close_it(proxy, kind):
    """They belonged to a tunnel that is not there; they are never read as a request."""
    requester = proxy.connect()
    answer = requester.ask("other.test:443", extra=PIPELINED[kind])
    assert answer.status == 403
    assert requester.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    proxy.close_record(answer.id)  # all of it is in the file by now
    assert len(proxy.audit.records("decision", client__port=requester.local_port)) == 1


@pytest.mark.parametrize("size", [2048, 4096, 8192, 16_383, 16_384])
def test_bytes_behind_a_refused_head_that_fills_the_buffer_close_it(start_shared, size):
    """A buffer without room says nothing about what waits after it."""
    proxy = start_shared(client(), limits={"head": "16KiB"})
    head = b"CONNECT other.test:443 HTTP/1.1\r\n"
    while len(head) < size - 8000:
        head += b"A: " + b"b" * 4000 + b"\r\n"
    head += b"A: " + b"b" * (size - len(head) - 7) + b"\r\n\r\n"
    assert len(head) == size
    requester = proxy.connect()
    requester.send(head + b"GET http://sallyport.internal/whoami HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = requester.read_answer()
    assert answer.status == 403
    assert requester.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    proxy.close_record(answer.id)
    assert len(proxy.audit.records("decision", client__port=requester.local_port)) == 1


def test_a_refusal_is_readable_however_much_the_client_still_sends(proxy):
    """Closing on unread bytes would reset, and the answer would be lost."""
    for _ in range(20):
        requester = proxy.connect()
        requester.send(connect_head("other.test:443", "Connection: close") + b"x" * 200_000)
        assert requester.read_answer().status == 403
        assert requester.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
        requester.close()


def test_an_answer_says_why_in_its_fields(proxy):
    answer = proxy.ask(TARGET)
    assert answer.reason == f"Denied: no_rule for workers (id {answer.id})"
    assert "no_rule" in answer.fields["proxy-status"]
    assert "error=" in answer.fields["proxy-status"]


def test_the_longest_rule_name_still_leaves_room_for_the_id(start):
    name = "r" * 32
    wordy = start(client(name="c" * 32), deny=[{"hosts": ["evil.test"], "name": name}])
    for target in ("evil.test:443", "other.test:443"):
        answer = wordy.ask(target)
        assert answer.status == 403 and answer.reason.endswith(f"(id {answer.id})")
