"""HTTP/2 clients that break the protocol, frame by frame. Each case says what the client sees and what the audit says,
and proves that others are served on: a tunnel on the same connection, or one on another."""

import json
import ssl

import pytest

from support import frames as h2
from support.config import base_config, client, reach
from support.frames import (
    ACK,
    CANCEL,
    COMPRESSION_ERROR,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HAS_PRIORITY,
    PADDED,
    PREFACE,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
    Frames,
    block,
    connect_fields,
    data,
    frame,
    get_fields,
    headers,
    number,
    ping,
    reset,
    settings,
    window,
)
from support.origin import Origin, blackhole, echo
from support.plain import StrictOrigin
from support.proxy import run
from support.scale import eventually
from support.wire import Client, client_context

STREAMS = 32
NEIGHBOUR, STREAM = 1, 3  # a tunnel, and what a case is about


class Rig:
    """One proxy for all cases."""

    def __init__(self, proxy, echo_port, plain):
        self.proxy, self.plain_origin = proxy, plain
        self.target = f"good.example:{echo_port}"
        self.plain = f"good.example:{plain.port}"
        self.other = None  # a connection that was there before the case's own

    def begin(self, **options):
        """A connection for a case, and another one beside it."""
        self.other = self.open()
        return self.open(**options)

    def open(self, **options):
        """A connection with a tunnel that echoes."""
        connection = Frames(self.proxy.connect(alpn=("h2",)), **options)
        connection.send(headers(NEIGHBOUR, *connect_fields(self.target)))
        self.assert_echoes(connection)
        assert connection.settings[3] == STREAMS
        return connection

    def assert_echoes(self, connection):
        seen = connection.of(NEIGHBOUR)
        seen.content = b""
        connection.send(data(NEIGHBOUR, b"echo"))
        connection.wait(lambda: len(seen.content) >= 4 or seen.is_over)
        assert (seen.status, seen.content, seen.code) == (200, b"echo", None), connection.goaway

    def assert_others_go_on(self, connection):
        """On this connection, or, where that has ended, on one that was there before and on a new one."""
        if not connection.is_ended and connection.goaway is None:
            self.assert_echoes(connection)
            return
        self.assert_echoes(self.other)
        self.other.client.close()
        self.open().client.close()

    def records(self, connection, stream):
        """The `decision` and the `close` of a stream of this connection."""
        first = self.proxy.decision(connection.of(NEIGHBOUR).fields["x-request-id"])
        decision = self.proxy.audit.wait("decision", session=first["session"], request__stream=stream)
        return decision, self.proxy.close_record(decision["id"])


@pytest.fixture(scope="module")
def rig(start_shared, dns, pki):
    listener = base_config(pki, dns.endpoint)["listeners"][0]
    server, plain = Origin(echo), StrictOrigin()
    dns.addresses("good.example", "127.0.0.1")
    dns.hold("slow.example", "127.0.0.1")
    with blackhole() as dead:
        proxy = start_shared(
            client(
                reach("good.example", server.port, plain.port, dead), reach("slow.example", server.port)
            ),
            listeners=[{**listener, "http2": {"streams": STREAMS, "memory": "1MiB"}}],
        )
        made = Rig(proxy, server.port, plain)
        made.dead = f"good.example:{dead}"
        made.slow = f"slow.example:{server.port}"
        yield made
        assert not plain.violations, plain.violations
        server.stop()
        plain.stop()


# ---- the connection ends ------------------------------------------------------------------------

TUNNEL = connect_fields("good.example:1")  # may not be asked for
HEAD = block(*TUNNEL)
MOST = 0x7FFFFFFF


def many(count, one):
    return b"".join(one(2 * number + STREAM) if callable(one) else one for number in range(count))


def refused_and(*more):
    """A request that was answered, whose stream is closed, and what follows."""
    return lambda rig: [headers(STREAM, *get_fields(rig.plain), end=True), None, *more]


def opened_and(*more):
    """A tunnel, and what follows."""
    return lambda rig: [headers(STREAM, *connect_fields(rig.target)), *more]


CONNECTION_ENDS = {
    # where frames may be
    "DATA on the connection": ([data(0, b"x")], PROTOCOL_ERROR),
    "HEADERS on the connection": ([headers(0, *TUNNEL)], PROTOCOL_ERROR),
    "PRIORITY on the connection": ([frame(h2.PRIORITY, 0, 0, bytes(5))], PROTOCOL_ERROR),
    "RST_STREAM on the connection": ([reset(0)], PROTOCOL_ERROR),
    "CONTINUATION on the connection": ([frame(h2.CONTINUATION, END_HEADERS, 0, HEAD)], PROTOCOL_ERROR),
    "SETTINGS on a stream": ([frame(h2.SETTINGS, 0, 1)], PROTOCOL_ERROR),
    "PING on a stream": ([frame(h2.PING, 0, 1, bytes(8))], PROTOCOL_ERROR),
    "GOAWAY on a stream": ([frame(h2.GOAWAY, 0, 1, bytes(8))], PROTOCOL_ERROR),
    "PUSH_PROMISE": ([frame(h2.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + HEAD)], PROTOCOL_ERROR),
    "DATA on an idle stream": ([data(STREAM, b"x")], PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": ([reset(STREAM)], PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": ([window(STREAM, 1)], PROTOCOL_ERROR),
    "CONTINUATION without HEADERS": ([frame(h2.CONTINUATION, END_HEADERS, STREAM, HEAD)], PROTOCOL_ERROR),
    "HEADERS on an even stream": ([headers(2, *TUNNEL)], PROTOCOL_ERROR),
    "DATA on an even stream": ([data(2, b"x")], PROTOCOL_ERROR),
    "a stream that goes back": ([headers(7, *TUNNEL, end=True), headers(5, *TUNNEL)], PROTOCOL_ERROR),
    "HEADERS on a stream that both have ended": (refused_and(headers(STREAM, *TUNNEL)), STREAM_CLOSED),
    "HEADERS on a stream that the client has reset": (
        opened_and(reset(STREAM), headers(STREAM, *TUNNEL)),
        STREAM_CLOSED,
    ),
    # lengths
    "a frame of more than 16 KiB": ([frame(h2.DATA, 0, 1, bytes(16385))], FRAME_SIZE_ERROR),
    "HEADERS of more than 16 KiB": ([frame(h2.HEADERS, END_HEADERS, STREAM, bytes(16385))], FRAME_SIZE_ERROR),
    "PING of 7 bytes": ([frame(h2.PING, 0, 0, bytes(7))], FRAME_SIZE_ERROR),
    "SETTINGS of 5 bytes": ([frame(h2.SETTINGS, 0, 0, bytes(5))], FRAME_SIZE_ERROR),
    "an acknowledgement of SETTINGS with content": ([settings((1, 1), flags=ACK)], FRAME_SIZE_ERROR),
    "RST_STREAM of 3 bytes": ([frame(h2.RST_STREAM, 0, 1, bytes(3))], FRAME_SIZE_ERROR),
    "GOAWAY of 7 bytes": ([frame(h2.GOAWAY, 0, 0, bytes(7))], FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of 3 bytes": ([frame(h2.WINDOW_UPDATE, 0, 0, bytes(3))], FRAME_SIZE_ERROR),
    # padding
    "DATA with more padding than content": ([frame(h2.DATA, PADDED, 1, b"\4abc")], PROTOCOL_ERROR),
    "DATA that is padded and empty": ([frame(h2.DATA, PADDED, 1)], None),
    "HEADERS with more padding than content": (
        [frame(h2.HEADERS, PADDED | END_HEADERS, STREAM, b"\xff" + HEAD)],
        PROTOCOL_ERROR,
    ),
    # windows and settings
    "a window that grows by nothing": ([window(0, 0)], PROTOCOL_ERROR),
    "a window of a stream that grows by nothing": ([window(NEIGHBOUR, 0)], PROTOCOL_ERROR),
    "PRIORITY of 4 bytes": ([frame(h2.PRIORITY, 0, NEIGHBOUR, bytes(4))], FRAME_SIZE_ERROR),
    "a window that overflows": ([window(0, MOST)], FLOW_CONTROL_ERROR),
    "a first window beyond all": ([settings((4, MOST + 1))], FLOW_CONTROL_ERROR),
    "frames that are too small": ([settings((5, 16383))], PROTOCOL_ERROR),
    "frames that are too large": ([settings((5, 1 << 24))], PROTOCOL_ERROR),
    "a push that is neither on nor off": ([settings((2, 2))], PROTOCOL_ERROR),
    "SETTINGS acknowledged twice": ([settings(flags=ACK)], PROTOCOL_ERROR),
    # heads
    "DATA within a head": ([headers(STREAM, *TUNNEL, flags=0), data(1, b"x")], PROTOCOL_ERROR),
    "PING within a head": ([headers(STREAM, *TUNNEL, flags=0), ping()], PROTOCOL_ERROR),
    "HEADERS within a head": ([headers(STREAM, *TUNNEL, flags=0), headers(5, *TUNNEL)], PROTOCOL_ERROR),
    "an unknown frame within a head": ([headers(STREAM, *TUNNEL, flags=0), frame(0xFA, 0, 0, b"x")], PROTOCOL_ERROR),
    "a head that goes on elsewhere": (
        [headers(STREAM, *TUNNEL, flags=0), frame(h2.CONTINUATION, END_HEADERS, 5)],
        PROTOCOL_ERROR,
    ),
    "HPACK with index 0": ([frame(h2.HEADERS, END_HEADERS, STREAM, b"\x80")], COMPRESSION_ERROR),
    "HPACK with an index of nothing": ([frame(h2.HEADERS, END_HEADERS, STREAM, b"\xff\x20")], COMPRESSION_ERROR),
    "HPACK with a number without end": ([frame(h2.HEADERS, END_HEADERS, STREAM, b"\xff" * 16)], COMPRESSION_ERROR),
    "HPACK with a text that is cut": ([frame(h2.HEADERS, END_HEADERS, STREAM, b"\0\5ab")], COMPRESSION_ERROR),
    "HPACK with a text of 2 GiB": (
        [frame(h2.HEADERS, END_HEADERS, STREAM, b"\0" + number(1 << 31, 7) + b"x")],
        COMPRESSION_ERROR,
    ),
    "HPACK with EOS in a text": (
        [frame(h2.HEADERS, END_HEADERS, STREAM, b"\0\x84\xff\xff\xff\xff\1x")],
        COMPRESSION_ERROR,
    ),
    "HPACK with padding that is too long": (
        [frame(h2.HEADERS, END_HEADERS, STREAM, b"\0\x83\x1f\xff\xff\1x")],
        COMPRESSION_ERROR,
    ),
    "HPACK with a table beyond the limit": (
        [frame(h2.HEADERS, END_HEADERS, STREAM, number(4097, 5, 0x20) + HEAD)],
        COMPRESSION_ERROR,
    ),
    "HPACK with a size after a field": ([frame(h2.HEADERS, END_HEADERS, STREAM, HEAD + b"\x20")], COMPRESSION_ERROR),
    # floods
    "a flood of PING": ([many(2500, ping())], ENHANCE_YOUR_CALM),
    "a flood of SETTINGS": ([many(2500, settings())], ENHANCE_YOUR_CALM),
    "a flood of WINDOW_UPDATE": ([many(2500, window(0, 1))], ENHANCE_YOUR_CALM),
    "a flood of WINDOW_UPDATE of a stream": ([many(2500, window(1, 1))], ENHANCE_YOUR_CALM),
    "a flood of empty DATA": ([many(2500, data(1))], ENHANCE_YOUR_CALM),
    "a flood of padding": ([many(2500, frame(h2.DATA, PADDED, 1, b"\0"))], ENHANCE_YOUR_CALM),
    "a flood of PRIORITY": ([many(2500, frame(h2.PRIORITY, 0, 5, bytes(4) + b"\1"))], ENHANCE_YOUR_CALM),
    "a flood of PRIORITY_UPDATE": ([many(2500, frame(16, 0, 0, b"\0\0\0\1u=1"))], ENHANCE_YOUR_CALM),
    "a flood of unknown frames": ([many(2500, frame(0xFA))], ENHANCE_YOUR_CALM),
    "a flood of CONTINUATION": (
        [headers(STREAM, *TUNNEL, flags=0), many(2500, frame(h2.CONTINUATION, 0, STREAM))],
        ENHANCE_YOUR_CALM,
    ),
    "a flood of RST_STREAM of one stream": (opened_and(many(2500, reset(STREAM))), ENHANCE_YOUR_CALM),
    "rapid resets": (
        [many(600, lambda id: headers(id, *TUNNEL) + reset(id))],
        ENHANCE_YOUR_CALM,
    ),
    "resets that are provoked by windows": (
        [many(600, lambda id: headers(id, *TUNNEL) + window(id, MOST))],
        ENHANCE_YOUR_CALM,
    ),
    "resets that are provoked by heads": (
        [many(600, lambda id: headers(id, (":method", "CONNECT"), ("Upper", "x"), end=True))],
        ENHANCE_YOUR_CALM,
    ),
    "streams beyond the limit": (
        lambda rig: [many(600, lambda id: headers(id, *connect_fields(rig.dead)))],
        ENHANCE_YOUR_CALM,
    ),
}


def pieces_of(rig, pieces):
    return pieces(rig) if callable(pieces) else pieces


def say(connection, pieces):
    """Sends the pieces, at once, so that no answer of a target comes between them; None waits for the end of the case's
    stream."""
    some = []
    for piece in [*pieces, ...]:
        if piece is not None and piece is not ...:
            some.append(piece)
            continue
        connection.send(*some)
        some = []
        if piece is None:
            connection.wait(lambda: connection.of(STREAM).is_over)


def is_nghttp2_since(*version):
    """Whether the program's nghttp2 is as new. Since 1.65 it passes over PRIORITY, wherever it is. Since 1.67 it ends the
    connection, not the stream alone, where a window of a stream overflows (RFC 9113 6.9.1 lets it choose)."""
    found = json.loads(run("version", "--json").stdout)["nghttp2"]
    return tuple(map(int, found.split("."))) >= version


@pytest.mark.parametrize("title", CONNECTION_ENDS)
def test_a_broken_protocol_ends_its_connection_and_no_other(rig, title):
    pieces, code = CONNECTION_ENDS[title]
    if title == "PRIORITY on the connection" and is_nghttp2_since(1, 65):
        pytest.skip("this nghttp2 passes over PRIORITY, wherever it is")
    if title == "resets that are provoked by windows" and is_nghttp2_since(1, 67):
        code = FLOW_CONTROL_ERROR  # at the first
    connection = rig.begin()
    say(connection, pieces_of(rig, pieces))
    connection.wait(lambda: connection.goaway is not None)
    assert connection.goaway == code or (code is None and connection.goaway), connection.goaway
    connection.wait()
    _, close = rig.records(connection, NEIGHBOUR)
    assert close["reason"] == ("h2_flood" if code == ENHANCE_YOUR_CALM else "bad_request")
    rig.assert_others_go_on(connection)


PREFACES = {
    "another protocol": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + bytes(16),
    "a preface with an error": PREFACE[:-1] + b"!" + settings(),
    "a preface without SETTINGS": PREFACE + ping(),
    "a preface with a stream at once": PREFACE + headers(1, *TUNNEL),
    "a preface with acknowledged SETTINGS": PREFACE + settings(flags=ACK),
}


@pytest.mark.parametrize("title", PREFACES)
def test_a_bad_preface_ends_the_connection_and_is_recorded(rig, title):
    before = len(rig.proxy.audit.records("decision", decision__reason="bad_request"))
    rig.other = rig.open()
    connection = Frames(rig.proxy.connect(alpn=("h2",)), preface=False)
    connection.send(PREFACES[title]).wait()
    assert connection.goaway in (PROTOCOL_ERROR, None)
    record = rig.proxy.audit.wait_count(before + 1, "decision", decision__reason="bad_request")[-1]
    assert record["request"]["protocol"] == "h2"
    rig.assert_others_go_on(connection)


def test_settings_that_are_never_acknowledged_end_the_connection(rig):
    connection = rig.begin(acknowledges=False)
    connection.wait(lambda: connection.goaway is not None)
    assert connection.goaway == h2.SETTINGS_TIMEOUT
    _, close = rig.records(connection, NEIGHBOUR)
    assert close["reason"] == "timeout"
    rig.assert_others_go_on(connection.wait())


# ---- a stream is reset --------------------------------------------------------------------------

POST = (("content-length", "3"),)


def posted_and(*more, fields=POST):
    return lambda rig: [headers(STREAM, *get_fields(rig.plain, "POST"), *fields), *more]


STREAM_ENDS = {
    "a first window that makes one overflow": (
        opened_and(window(STREAM, MOST - 65535), settings((4, 65536))),
        FLOW_CONTROL_ERROR,
    ),
    "more content than the window": (
        lambda rig: [
            headers(STREAM, *connect_fields(rig.dead)),
            *[data(STREAM, bytes(16384)) for _ in range(16)],  # some is read before the target is there
        ],
        FLOW_CONTROL_ERROR,
    ),
    "a window that overflows": (opened_and(window(STREAM, MOST)), FLOW_CONTROL_ERROR),
    "a second head in a tunnel": (opened_and(headers(STREAM, *TUNNEL)), PROTOCOL_ERROR),
    "trailers in a tunnel": (opened_and(headers(STREAM, ("a", "b"), end=True)), PROTOCOL_ERROR),
    "content after the end": (opened_and(data(STREAM, b"x", end=True), data(STREAM, b"x")), STREAM_CLOSED),
    "a head after the end": (opened_and(data(STREAM, end=True), headers(STREAM, ("a", "b"))), STREAM_CLOSED),
    "more content than was announced": (posted_and(data(STREAM, b"abcd")), PROTOCOL_ERROR),
    "less content than was announced": (posted_and(data(STREAM, b"ab", end=True)), PROTOCOL_ERROR),
    "no content where some was announced": (posted_and(data(STREAM, b"", end=True)), PROTOCOL_ERROR),
    "trailers before all that was announced": (
        posted_and(data(STREAM, b"ab"), headers(STREAM, ("a", "b"), end=True)),
        PROTOCOL_ERROR,
    ),
    "trailers that are no end": (posted_and(headers(STREAM, ("a", "b")), fields=()), PROTOCOL_ERROR),
}


@pytest.mark.parametrize("title", STREAM_ENDS)
def test_a_stream_that_is_used_wrongly_is_reset_alone(rig, title):
    pieces, code = STREAM_ENDS[title]
    connection = rig.begin()
    say(connection, pieces_of(rig, pieces))
    connection.wait(lambda: connection.of(STREAM).code is not None or connection.goaway is not None)
    ends_all = code == STREAM_CLOSED or (code == FLOW_CONTROL_ERROR and is_nghttp2_since(1, 67))
    if ends_all and connection.goaway == code:  # may be of the connection, too
        connection.wait()
    else:
        assert (connection.of(STREAM).code, connection.goaway) == (code, None), connection.of(STREAM)
    # What comes after the end may come after the end of all.
    reasons = ("bad_request", "client_closed") if code == STREAM_CLOSED else ("bad_request",)
    assert rig.records(connection, STREAM)[1]["reason"] in reasons
    rig.assert_others_go_on(connection)


# ---- a request is answered 400 ------------------------------------------------------------------

BAD_HEADS = {
    "a name in upper case": (("Upper", "x"),),
    "a name that is empty": (("", "x"),),
    "a name with a blank": (("a b", "x"),),
    "a name with a colon": (("a:b", "x"),),
    "a name with a NUL": (("a\0", "x"),),
    "a name with a line end": (("a\r\nb", "x"),),
    "a name beyond ASCII": (("\xe9", "x"),),
    "a value with a CR": (("a", "x\ry"),),
    "a value with an LF": (("a", "x\ny"),),
    "a value with a NUL": (("a", "x\0y"),),
    "a value with a head of its own": (("a", "x\r\nTransfer-Encoding: chunked\r\n"),),
    "a value after a blank": (("a", " x"),),
    "a value before a tab": (("a", "x\t"),),
    "connection": (("connection", "close"),),
    "keep-alive": (("keep-alive", "1"),),
    "proxy-connection": (("proxy-connection", "close"),),
    "transfer-encoding": (("transfer-encoding", "chunked"),),
    "upgrade": (("upgrade", "websocket"),),
    "te that is not trailers": (("te", "gzip"),),
    "an unknown pseudo-field": ((":foo", "x"),),
    "a pseudo-field of responses": ((":status", "200"),),
    "two methods": ((":method", "GET"),),
    "two schemes": ((":scheme", "http"),),
    "two authorities": ((":authority", "good.example"),),
    "two paths": ((":path", "/"),),
    "a pseudo-field after the fields": (("a", "b"), (":protocol", "x")),
    "two hosts": (("host", "good.example"), ("host", "good.example")),
    "a host that differs": (("host", "evil.example"),),
    "two content-lengths": (("content-length", "0"), ("content-length", "0")),
    "a content-length of nothing": (("content-length", "5"),),
}


def with_pseudo(**changes):
    """The pseudo-fields of a plain request, changed; None leaves one out."""

    def fields(rig):
        pseudo = {"method": "GET", "scheme": "http", "authority": rig.plain, "path": "/", **changes}
        return tuple((f":{name}", value) for name, value in pseudo.items() if value is not None)

    return fields


BAD_REQUESTS = {
    **{title: (lambda rig, more=more: get_fields(rig.plain) + more) for title, more in BAD_HEADS.items()},
    "no method": with_pseudo(method=None),
    "a method that is empty": with_pseudo(method=""),
    "a method with a blank": with_pseudo(method="GET /x"),
    "no scheme": with_pseudo(scheme=None),
    "a scheme that is empty": with_pseudo(scheme=""),
    "no path": with_pseudo(path=None),
    "a path that is empty": with_pseudo(path=""),
    "a path without a slash": with_pseudo(path="x"),
    "a path with a blank": with_pseudo(path="/ HTTP/1.1"),
    "a path with a line end": with_pseudo(path="/\r\nx"),
    "no authority": with_pseudo(authority=None),
    "an authority that is empty": with_pseudo(authority=""),
    "an authority with a slash": with_pseudo(authority="good.example/x"),
    "an authority with a blank": with_pseudo(authority="good.example x"),
    "an asterisk that is no OPTIONS": with_pseudo(path="*"),
    "CONNECT with a path": lambda rig: (*connect_fields(rig.target), (":path", "/")),
    "CONNECT with a scheme": lambda rig: (*connect_fields(rig.target), (":scheme", "http")),
    "CONNECT with a protocol": lambda rig: (*connect_fields(rig.target), (":protocol", "websocket")),
    "CONNECT without an authority": lambda rig: ((":method", "CONNECT"),),
    "CONNECT with an authority that is empty": lambda rig: connect_fields(""),
    "CONNECT with another host": lambda rig: (*connect_fields(rig.target), ("host", "evil.example:1")),
    "CONNECT with a pseudo-field after the fields": lambda rig: (
        (":method", "CONNECT"),
        ("a", "b"),
        (":authority", rig.target),
    ),
}


def ask(rig, fields, end=True):
    """The connection and what was seen of its case, when that is over."""
    connection = rig.open()
    connection.send(headers(STREAM, *fields, end=end))
    seen = connection.of(STREAM)
    connection.wait(lambda: seen.is_over or connection.goaway is not None)
    return connection, seen


@pytest.mark.parametrize("title", BAD_REQUESTS)
def test_a_malformed_request_is_answered_and_reset_alone(rig, title):
    before = len(rig.plain_origin.requests)
    connection, seen = ask(rig, BAD_REQUESTS[title](rig))
    assert (seen.status, seen.code, seen.has_end) == (400, PROTOCOL_ERROR, False), connection.goaway
    decision, close = rig.records(connection, STREAM)
    assert decision["decision"]["reason"] == "bad_request"
    assert (close["reason"], close["status"]) == ("refused", 400)
    assert len(rig.plain_origin.requests) == before
    rig.assert_others_go_on(connection)


NOT_ASKED = {  # well-formed in HTTP/2, and refused as in HTTP/1.1
    "userinfo": (with_pseudo(authority="me@good.example"), 400, "bad_target"),
    "an empty port": (with_pseudo(authority="good.example:"), 400, "bad_target"),
    "another port than there is": (with_pseudo(authority="good.example:99999"), 400, "bad_target"),
    "a fragment": (with_pseudo(path="/#x"), 400, "bad_target"),
    "https": (with_pseudo(scheme="https"), 400, "bad_request"),
    "another scheme": (with_pseudo(scheme="ftp"), 400, "bad_request"),
    "transfer_encoding": (lambda rig: (*get_fields(rig.plain), ("transfer_encoding", "chunked")), 400, "bad_request"),
    "another Expect": (lambda rig: (*get_fields(rig.plain), ("expect", "x")), 417, "bad_request"),
    "CONNECT with userinfo": (lambda rig: connect_fields("me@" + rig.target), 400, "bad_target"),
    "CONNECT without a port": (lambda rig: connect_fields("good.example"), 400, "bad_target"),
    "CONNECT with a content-length": (
        lambda rig: (*connect_fields(rig.target), ("content-length", "5")),
        400,
        "bad_request",
    ),
    "a content-length with a sign": (
        lambda rig: (*get_fields(rig.plain, "POST"), ("content-length", "+5")),
        400,
        "bad_request",
    ),
    "a content-length with a list": (
        lambda rig: (*get_fields(rig.plain, "POST"), ("content-length", "5,5")),
        400,
        "bad_request",
    ),
    "a list of more than 16 KiB": (
        lambda rig: (*get_fields(rig.plain), *[(f"a{number}", "x" * 100) for number in range(130)]),
        431,
        "bad_request",
    ),
    "a target without a rule": (lambda rig: connect_fields("evil.example:443"), 403, "no_rule"),
}


@pytest.mark.parametrize("title", NOT_ASKED)
def test_a_request_that_http_1_would_refuse_is_refused(rig, title):
    fields, status, reason = NOT_ASKED[title]
    before = len(rig.plain_origin.requests)
    connection, seen = ask(rig, fields(rig), end=False)
    assert (seen.status, connection.goaway) == (status, None)
    decision, close = rig.records(connection, STREAM)
    assert (decision["decision"]["reason"], close["status"]) == (reason, status)
    assert len(rig.plain_origin.requests) == before
    rig.assert_others_go_on(connection)


# ---- odd, and no harm ---------------------------------------------------------------------------

HARMLESS = {
    "PRIORITY of an idle stream": [frame(h2.PRIORITY, 0, 99, bytes(4) + b"\1")],
    "PRIORITY of a stream that is open": [frame(h2.PRIORITY, 0, 1, bytes(4) + b"\1")],
    "an unknown frame": [frame(0xFA, 0xFF, 0, b"x")],
    "an unknown frame of an idle stream": [frame(0xFA, 0xFF, 99, b"x")],
    "unknown settings": [settings((0xFA, 1), (0, 1))],
    "flags that mean nothing": [frame(h2.PING, 0xFE, 0, bytes(8))],
    "an acknowledgement of no PING": [ping(flags=ACK)],
    "a window that shrinks and grows": [settings((4, 0)), settings((4, 65535))],
    "frames of another size": [settings((5, 65536))],
    "a table of no size": [settings((1, 0))],
    "a table of all sizes": [settings((1, MOST))],
    "DATA with padding": [frame(h2.DATA, PADDED, 1, b"\3\0\0\0")],
    "content of a stream that was refused": [
        headers(STREAM, *connect_fields("evil.example:443")),
        data(STREAM, b"x" * 1000),
        data(STREAM, b"x" * 1000),
    ],
    "trailers of a stream that was refused": [
        headers(STREAM, *get_fields("evil.example", "POST")),
        None,
        headers(STREAM, ("a", "b"), end=True),
    ],
    "DATA of a stream that both have ended": [headers(STREAM, *TUNNEL, end=True), None, data(STREAM, b"x")],
    "DATA of a stream that the client has reset": [headers(STREAM, *TUNNEL), reset(STREAM), data(STREAM, b"x")],
    "a window of a stream that was refused": [headers(STREAM, *TUNNEL, end=True), None, window(STREAM, 1)],
    "a reset of a stream that was refused": [headers(STREAM, *TUNNEL, end=True), None, reset(STREAM)],
    "a head with padding and a priority": [
        frame(
            h2.HEADERS,
            PADDED | HAS_PRIORITY | END_HEADERS | END_STREAM,
            STREAM,
            b"\2" + bytes(4) + b"\1" + HEAD + b"\0\0",
        ),
        None,
    ],
    "a head in pieces": [
        headers(STREAM, *TUNNEL, end=True, flags=0),
        frame(h2.CONTINUATION, 0, STREAM),
        frame(h2.CONTINUATION, END_HEADERS, STREAM, block(("a", "b"))),
        None,
    ],
    "HPACK with a table that shrinks": [
        frame(h2.HEADERS, END_HEADERS | END_STREAM, STREAM, b"\x20" + HEAD),
        None,
    ],
    "streams that are passed over": [headers(STREAM, *TUNNEL, end=True), None, headers(101, *TUNNEL, end=True)],
}


@pytest.mark.parametrize("title", HARMLESS)
def test_what_is_odd_and_no_harm_is_taken(rig, title):
    connection = rig.open()
    say(connection, HARMLESS[title])
    assert connection.sync().goaway is None
    rig.assert_echoes(connection)
    connection.client.close()


def test_a_stream_too_many_is_refused_and_all_others_go_on(rig):
    connection = rig.open()
    last = NEIGHBOUR + 2 * STREAMS
    for id in range(STREAM, last + 2, 2):
        connection.send(headers(id, *connect_fields(rig.dead)))
    connection.wait(lambda: connection.of(last).is_over)
    assert connection.of(last).code == REFUSED_STREAM
    decision, close = rig.records(connection, last)
    assert decision["decision"]["reason"] == close["reason"] == "limit_streams"
    connection.send(reset(STREAM), headers(last + 2, *connect_fields(rig.target)))  # there is room at once
    connection.wait(lambda: connection.of(last + 2).status)
    assert connection.of(last + 2).status == 200
    rig.assert_echoes(connection)
    connection.client.close()


def test_crumbs_of_a_cookie_are_one_and_names_stay_apart(rig):
    fields = (*get_fields(rig.plain), ("cookie", "a=1"), ("x", "1"), ("cookie", "b=2"), ("te", "trailers"))
    connection, seen = ask(rig, fields)
    assert (seen.status, seen.has_end) == (200, True)
    request = rig.plain_origin.requests[-1]
    assert (request.get("cookie"), request.get("x"), request.get("transfer-encoding")) == ("a=1; b=2", "1", None)
    connection.client.close()


def test_a_bomb_of_indexes_is_a_list_that_is_too_large(rig):
    """4,000 bytes in the table, and then one byte for each time that they are meant."""
    connection = rig.open()
    stored = b"\x40" + h2.text("a") + h2.text("x" * 3900)
    payload = block(*get_fields(rig.plain)) + stored + b"\xbe" * 12000
    connection.send(frame(h2.HEADERS, END_HEADERS | END_STREAM, STREAM, payload))
    connection.wait(lambda: connection.of(STREAM).is_over or connection.goaway is not None)
    assert (connection.of(STREAM).status, connection.goaway) == (431, None)
    rig.assert_others_go_on(connection)


# ---- gone at every stage ------------------------------------------------------------------------

STAGES = {
    "before it is looked at": (lambda rig: connect_fields(rig.target), False),
    "while DNS is asked": (lambda rig: connect_fields(rig.slow), True),
    "while the target is dialled": (lambda rig: connect_fields(rig.dead), True),
    "in a tunnel": (lambda rig: connect_fields(rig.target), True),
    "in the body of a request": (lambda rig: (*get_fields(rig.plain, "POST"), ("content-length", "9")), True),
}


@pytest.mark.parametrize("code", (0, CANCEL, PROTOCOL_ERROR, 0xFFFFFFFF))
@pytest.mark.parametrize("title", STAGES)
def test_a_reset_at_any_stage_is_the_end_of_one_stream(rig, title, code):
    fields, waits = STAGES[title]
    connection = rig.open()
    if waits:
        connection.send(headers(STREAM, *fields(rig))).sync()
        connection.send(reset(STREAM, code))
    else:
        connection.send(headers(STREAM, *fields(rig)) + reset(STREAM, code))
    decision, close = rig.records(connection, STREAM)
    assert close["reason"] == "client_reset"
    rig.assert_others_go_on(connection)
    connection.client.close()


ENDS = {
    "TLS": lambda connection: connection.client.close(),
    "TCP": lambda connection: connection.client.fin(),
    "TCP by a reset": lambda connection: connection.client.reset(),
}
CUT = {
    "a frame's head": frame(h2.DATA, 0, 1, b"x")[:5],
    "a frame's payload": frame(h2.DATA, 0, 1, b"x" * 99)[:50],
    "a request's head": headers(STREAM, *TUNNEL, flags=0),
    "a request's fields": headers(STREAM, *TUNNEL)[:-3],
}


@pytest.mark.parametrize("what", CUT)
@pytest.mark.parametrize("end", ENDS)
def test_a_connection_that_ends_in_the_midst_takes_its_streams_along(rig, end, what):
    connection = rig.begin()
    connection.send(CUT[what]) if end == "TLS" else connection.send(CUT[what]).client.flush()
    ENDS[end](connection)
    _, close = rig.records(connection, NEIGHBOUR)
    assert close["reason"] in ("client_reset", "client_closed", "client_truncated")
    rig.assert_echoes(rig.other)


def test_a_flood_is_recorded_within_the_rate_and_then_counted(rig):
    """Every request that was begun is told of, and the disk stays empty: see docs/AUDIT.md."""
    rig.proxy.reload(limits={"refused_requests": "50/s"})
    connection = rig.open()
    rig.proxy.decision(connection.of(NEIGHBOUR).fields["x-request-id"])
    begun = len(rig.proxy.audit.records("decision"))
    counted = sum(record["count"] for record in rig.proxy.audit.records("requests_refused"))
    connection.send(many(400, lambda id: headers(id, *TUNNEL) + reset(id))).sync()
    rig.assert_echoes(connection)

    def told():
        records = len(rig.proxy.audit.records("decision")) - begun
        more = sum(record["count"] for record in rig.proxy.audit.records("requests_refused")) - counted
        return records + more >= 400 and (records, more)

    records, more = eventually(told, "every request to be told of")
    assert records + more == 400 and more >= 250, (records, more)
    connection.client.close()
    rig.proxy.reload(limits={"refused_requests": "none"})


def test_suites_that_http2_forbids_are_not_spoken(rig):
    """RFC 9113 9.2.2: TLS 1.2 with CBC is refused as a whole, and AEAD agrees on h2."""
    ca, identity = rig.proxy.pki.server_ca.path, rig.proxy.pki.worker
    options = {"maximum": ssl.TLSVersion.TLSv1_2, "alpn": ("h2", "http/1.1")}
    good = rig.proxy.connect(**options).tls
    assert good.selected_alpn_protocol() == "h2"
    assert "GCM" in good.cipher()[0] or "CHACHA20" in good.cipher()[0]
    context = client_context(ca, identity, **options)
    context.set_ciphers("ECDHE+AES+SHA:ECDHE+AES+SHA256:ECDHE+AES+SHA384:!AESGCM:@SECLEVEL=0")
    assert any("GCM" not in suite["name"] for suite in context.get_ciphers())
    with pytest.raises(ssl.SSLError):
        Client(rig.proxy.address, context).handshake()
