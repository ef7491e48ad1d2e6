"""HTTP/2: many tunnels on one connection, and what each end of one means."""

import json
import queue
import threading

import pytest

from support.config import base_config, client, reach
from support.http2 import Http2
from support.origin import echo, reset
from support.plain import StrictOrigin, ok
from support.scale import PATIENCE


@pytest.fixture
def session(start, dns, origin, pki):
    """Makes a connection to a proxy that may reach an origin; gives the connection, the proxy and the target."""

    def make(habit=echo, http2=None, **changes):
        if http2 is not None:
            listener = base_config(pki, dns.endpoint)["listeners"][0]
            changes["listeners"] = [{**listener, "http2": http2}]
        server = origin(habit)
        dns.addresses("good.example", "127.0.0.1")
        proxy = start(client(reach("good.example", server.port)), **changes)
        return Http2(proxy.connect(alpn=("h2", "http/1.1"))), proxy, f"good.example:{server.port}"

    return make


def test_a_tunnel_echoes(session):
    connection, proxy, target = session()
    stream = connection.tunnel(target)
    stream.send(b"hello")
    assert stream.read(5) == b"hello"
    stream.send(b"", end=True)
    assert stream.read_to_end() == (b"", "end")
    first = proxy.decision(stream.fields["x-request-id"])
    second = proxy.decision(connection.tunnel(target).fields["x-request-id"])
    assert first["session"] == second["session"] and first["request"]["protocol"] == "h2"
    assert (first["request"]["stream"], second["request"]["stream"]) == (1, 3)
    proxy.assert_closed(stream.fields["x-request-id"], "client_closed")


def test_hundred_tunnels_share_a_connection(session):
    connection, proxy, target = session()
    streams = [connection.tunnel(target) for _ in range(100)]
    for number, stream in enumerate(streams):
        stream.send(b"%3d" % number)
    for number, stream in enumerate(streams):
        assert stream.read(3) == b"%3d" % number
    assert len({stream.fields["x-request-id"] for stream in streams}) == 100


def test_bulk_goes_both_ways(session):
    connection, proxy, target = session()
    stream = connection.tunnel(target)
    sent = bytes(range(256)) * 4096
    for at in range(0, len(sent), 65536):
        stream.send(sent[at : at + 65536])
        assert stream.read(65536) == sent[at : at + 65536]


def test_a_denied_target_is_answered_and_recorded(session):
    connection, proxy, _ = session()
    stream = connection.connect("evil.example:443")
    assert stream.status == 403
    body, end = stream.read_to_end()
    assert b"no_rule" in body and end == "end"
    assert proxy.decision(stream.fields["x-request-id"])["decision"]["reason"] == "no_rule"


def test_a_malformed_request_is_400_and_others_go_on(session):
    connection, proxy, target = session()
    tunnel = connection.tunnel(target)
    bad = connection.request([(":method", "CONNECT"), (":authority", target), ("host", "b.example:1")], end=False)
    assert bad.status == 400
    tunnel.send(b"x")
    assert tunnel.read(1) == b"x"




def test_without_http2_a_client_gets_what_it_got_before(start, pki, dns):
    listener = {**base_config(pki, dns.endpoint)["listeners"][0], "http2": False}
    proxy = start(client(reach("good.example", 443)), listeners=[listener])
    assert proxy.connect(alpn=("h2", "http/1.1")).tls.selected_alpn_protocol() == "http/1.1"


def test_an_old_connection_takes_no_more_requests_and_its_tunnels_go_on(session):
    connection, proxy, target = session(http2={"age": "1s"})
    stream = connection.tunnel(target)
    connection.wait(lambda: connection.goaway is not None)
    assert connection.goaway == 0
    stream.send(b"still here")
    assert stream.read(10) == b"still here"
    stream.send(b"", end=True)
    assert stream.read_to_end() == (b"", "end")
    connection.wait(lambda: False)
    assert connection.ended


def test_a_drain_says_goodbye_to_an_idle_connection(session):
    connection, proxy, target = session()
    stream = connection.tunnel(target)
    stream.send(b"", end=True)
    assert stream.read_to_end() == (b"", "end")
    proxy.process.terminate()
    connection.wait(lambda: connection.ended)
    assert connection.goaway == 0




def test_a_flood_is_the_reason_in_the_record_of_each_tunnel(session):
    connection, proxy, target = session()
    streams = [connection.tunnel(target) for _ in range(3)]
    for _ in range(3000):
        connection.h2.ping(b"12345678")
    connection.flush()
    connection.wait(lambda: connection.goaway is not None)
    assert connection.goaway == 11  # ENHANCE_YOUR_CALM
    for stream in streams:
        proxy.assert_closed(stream.fields["x-request-id"], "h2_flood")


# ---- plain requests -----------------------------------------------------------------------------


@pytest.fixture
def plain(start, dns):
    """Makes a connection to a proxy in front of an origin that reads strictly; what it saw was no violation."""
    made = []

    def make(*arguments, **options):
        made.append(StrictOrigin(*arguments, **options))
        dns.addresses("good.example", "127.0.0.1")
        proxy = start(client(reach("good.example", made[-1].port)))
        connection = Http2(proxy.connect(alpn=("h2", "http/1.1")))
        return connection, proxy, made[-1], f"good.example:{made[-1].port}"

    yield make
    for each in made:
        each.stop()
        assert not each.violations, each.violations


def test_a_plain_request_is_passed_on_and_its_answer_comes_back(plain):
    connection, proxy, origin, authority = plain(lambda request: ok(b"hello", "X-Own: yes"))
    stream = connection.get(authority, "/a?b", fields=[("x-mine", "1"), ("cookie", "a=1"), ("cookie", "b=2")])
    assert stream.status == 200
    assert stream.read_to_end() == (b"hello", "end")
    assert stream.fields["x-own"] == "yes" and "connection" not in stream.fields
    [request] = origin.requests
    assert (request.method, request.target, request.get("host")) == ("GET", "/a?b", authority)
    assert (request.get("x-mine"), request.get("cookie")) == ("1", "a=1; b=2")
    [close] = proxy.audit.wait_count(1, "close")
    assert (close["status"], close["reason"]) == (200, "completed")


def test_a_body_without_a_length_is_passed_on_in_chunks(plain):
    connection, _, origin, authority = plain(lambda request: ok(b"done"))
    stream = connection.get(authority, method="POST", end=False)
    for piece in (b"a" * 1000, b"b" * 100_000, b"c"):
        stream.send(piece)
    stream.send(b"", end=True)
    assert stream.status == 200
    assert origin.requests[0].body == b"a" * 1000 + b"b" * 100_000 + b"c"


def test_requests_go_on_after_one_another_on_a_connection(plain):
    connection, proxy, _, authority = plain(lambda request: ok(b"x" * 70_000))
    streams = [connection.get(authority, f"/{number}") for number in range(20)]
    assert all(stream.read_to_end() == (b"x" * 70_000, "end") for stream in streams)
    assert len(proxy.audit.wait_count(20, "close")) == 20


def test_the_largest_head_that_a_target_may_send_is_passed_on(plain):
    fields = [f"x-{number}: {'v' * 150}" for number in range(199)]  # and Content-Length
    connection, _, _, authority = plain(lambda request: ok(b"hello", *fields))
    stream = connection.get(authority)
    assert stream.status == 200
    assert stream.read_to_end() == (b"hello", "end")
    assert stream.fields["x-198"] == "v" * 150


def test_https_is_answered_with_what_would_have_been_right(plain):
    connection, proxy, origin, authority = plain()
    stream = connection.request(
        [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", "/")]
    )
    assert stream.status == 400
    assert b"CONNECT" in stream.read_to_end()[0]
    assert not origin.requests


def test_whoami_answers_over_http2(plain):
    connection, _, _, _ = plain()
    stream = connection.get("sallyport.internal", "/whoami")
    assert stream.status == 200
    assert json.loads(stream.read_to_end()[0])["client"]


# ---- ends ---------------------------------------------------------------------------------------

CANCEL, CONNECT_ERROR = 8, 10


class Watched:
    """An origin's habit that says how its client ended, and ends as it is told to."""

    def __init__(self, end=None):
        self.end, self.go = end, threading.Event()
        self.ends = queue.Queue()

    def __call__(self, conn):
        conn.sendall(b"hi")
        if self.end:
            assert self.go.wait(PATIENCE)
            self.end(conn)
            return
        try:
            while conn.recv(65536):
                pass
            self.ends.put("fin")
        except ConnectionResetError:
            self.ends.put("reset")


def greeted(session, watched):
    connection, proxy, target = session(watched)
    stream = connection.tunnel(target)
    assert stream.read(2) == b"hi"
    return connection, proxy, stream


CLIENT_ENDS = {
    "its direction": (lambda connection, stream: stream.send(b"", end=True), "fin"),
    "by a reset": (lambda connection, stream: stream.cancel(), "reset"),
    "by a reset without an error": (lambda connection, stream: stream.cancel(0), "reset"),
    "the connection by a reset": (lambda connection, stream: connection.client.reset(), "reset"),
    "the connection": (lambda connection, stream: connection.client.close(), "reset"),
}


@pytest.mark.parametrize("what", CLIENT_ENDS)
def test_the_target_sees_how_a_client_ends(session, what):
    end, expected = CLIENT_ENDS[what]
    watched = Watched()
    connection, proxy, stream = greeted(session, watched)
    end(connection, stream)
    assert watched.ends.get(timeout=PATIENCE) == expected
    proxy.close_record(stream.fields["x-request-id"])


TARGET_ENDS = {"its direction": (lambda conn: conn.close(), "end"), "by a reset": (reset, CONNECT_ERROR)}


@pytest.mark.parametrize("what", TARGET_ENDS)
def test_the_client_sees_how_a_target_ends(session, what):
    end, expected = TARGET_ENDS[what]
    watched = Watched(end)
    connection, proxy, stream = greeted(session, watched)
    other = connection.connect("evil.example:443")
    watched.go.set()
    assert stream.read_to_end()[1] == expected
    assert other.status == 403
    if expected == "end":  # the other direction goes on until the client ends it, too
        stream.send(b"", end=True)
    proxy.close_record(stream.fields["x-request-id"])


def test_a_reload_that_takes_the_rule_away_cancels_the_stream_alone(session):
    watched = Watched()
    connection, proxy, stream = greeted(session, watched)
    proxy.reload(client(reach("other.example", 443)))
    assert stream.read_to_end()[1] == CANCEL
    assert watched.ends.get(timeout=PATIENCE) == "reset"
    proxy.assert_closed(stream.fields["x-request-id"], "policy_changed")
    assert connection.connect("evil.example:443").status == 403


def test_a_request_that_has_been_passed_on_is_never_said_to_be_undone(session):
    """REFUSED_STREAM would have the client send it again (RFC 9113 8.7)."""
    passed_on = threading.Event()

    def swallow(conn):
        while conn.recv(65536):
            passed_on.set()

    connection, proxy, target = session(swallow)
    stream = connection.get(target, method="POST")
    assert passed_on.wait(PATIENCE)
    proxy.reload(client(reach("other.example", 443)))
    assert stream.read_to_end() == (b"", CANCEL)
