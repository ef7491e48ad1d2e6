"""Plain http:// requests: passed on to the origin and back, one decision and one close each."""

import json
import resource
import threading

import pytest

from support.config import client, listener_of, reach
from support.origin import blackhole, dead_port, pattern, reset, take_head
from support.plain import PlainClient, StrictOrigin, head, ok, url
from support.scale import IS_SMALL, eventually
from support.wire import Ending, connect_head

pytestmark = pytest.mark.protocols("h1", "h2", repeats="bodies and answers")
HTTP_1 = pytest.mark.protocols("h1")  # its syntax, or its limits

OPEN = {"hosts": ["origin.test", "other.test"], "addresses": ["127.0.0.0/8"], "ports": ["any"]}


@pytest.fixture
def server():
    """Makes strict origins; nothing that one of them saw may have been a violation."""
    made = []

    def make(*arguments, **options):
        made.append(StrictOrigin(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()
        assert not each.violations, each.violations


@pytest.fixture(scope="module")
def proxy(start_shared, dns):
    dns.addresses("origin.test", "127.0.0.1")
    dns.addresses("other.test", "127.0.0.1")
    return start_shared(client(OPEN))


def plain(proxy, **options):
    return PlainClient(proxy.connect(**options))


def decisions(proxy, requester):
    """Those of all requests of a connection, in order."""
    port = requester.client.local_port
    return proxy.audit.wait_count(requester.asked, "decision", client__port=port)


def last(proxy, requester):
    """The decision and the close of the last request of a connection."""
    decision = decisions(proxy, requester)[-1]
    return decision, proxy.close_record(decision["id"])


def closing(proxy):
    """What Connection says of an answer after which this client may send no more. HTTP/2 has the end of a stream."""
    return "close" if proxy.protocol == "h1" else None


METHODS = "GET POST PUT PATCH DELETE OPTIONS PROPFIND REPORT M-SEARCH BREW".split()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_passed_on(proxy, server, method):
    origin = server(lambda request: ok(b"hello", "X-Own: yes"))
    requester = plain(proxy)
    response = requester.send(head(method, url(origin, "/a/b?c=d"), "Accept: */*")).read()
    assert (response.status, response.body, response.get("x-own")) == (200, b"hello", "yes")
    [request] = origin.requests
    assert (request.method, request.target) == (method, "/a/b?c=d")
    assert request.get("host") == f"origin.test:{origin.port}"
    assert request.get("via") == "1.1 sallyport"
    assert response.get("via") == "1.1 sallyport"
    decision, close = last(proxy, requester)
    assert decision["request"] == proxy.requested("origin.test", origin.port, method)
    assert (decision["decision"]["action"], decision["decision"]["reason"]) == ("allow", "rule")
    assert (close["status"], close["reason"]) == (200, "completed")
    assert close["bytes"] == {"up": 0, "down": 5}
    assert close["upstream"]["address"] == "127.0.0.1"


@HTTP_1
def test_nothing_of_path_or_query_is_logged(proxy, server):
    origin = server()
    requester = plain(proxy)
    assert requester.get(url(origin, "/secret-path?secret-query")).status == 200
    last(proxy, requester)
    assert b"secret" not in proxy.audit.path.read_bytes()


def cookie(size):
    """A Cookie field with which a GET of PATH has a head of `size` bytes."""
    return lambda target: "Cookie: " + "c" * (size - len(head("GET", target, "Cookie: ")))


WIDE_HEADS = {  # limits.head, the head's bytes, the status
    "a cookie of 20 KiB": (None, 20 * 1024, 200),
    "as much as is let in": (None, 32 * 1024, 200),
    "a byte more": (None, 32 * 1024 + 1, 431),
    "much more": (None, 200_000, 431),
    "as much as can be let in": ("64KiB", 64 * 1024, 200),
    "more than can be let in": ("64KiB", 64 * 1024 + 1, 431),
    "as much as the least": ("16KiB", 16 * 1024, 200),
    "more than the least": ("16KiB", 16 * 1024 + 1, 431),
}


@HTTP_1
@pytest.mark.parametrize("kind", WIDE_HEADS)
def test_a_head_may_be_as_long_as_the_limit_says(start, dns, server, kind):
    limit, size, status = WIDE_HEADS[kind]
    origin = server()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(OPEN), **({"limits": {"head": limit}} if limit else {}))
    requester = plain(proxy)
    field = cookie(size)(url(origin))
    requester.send(head("GET", url(origin), field))
    assert requester.read().status == status
    if status == 200:
        assert origin.requests[-1].get("cookie") == field.removeprefix("Cookie: ")
        assert requester.get(url(origin)).status == 200
    else:
        assert not origin.requests
        assert last(proxy, requester)[0]["decision"]["reason"] == "bad_request"


@HTTP_1
@pytest.mark.parametrize("letters, status", [(5_400, 200), (5_500, 431)])
def test_a_long_path_counts_as_it_is_passed_on(proxy, server, letters, status):
    """Each letter is six bytes there: 32 KiB of them are the limit."""
    origin = server()
    requester = plain(proxy)
    target = url(origin, "/") + "\u00e9" * letters
    requester.send(f"GET {target} HTTP/1.1\r\nHost: origin.test\r\n\r\n".encode("utf-8"))
    assert requester.read().status == status
    seen = [request.target for request in origin.requests]
    assert seen == (["/" + "%C3%A9" * letters] if status == 200 else [])


@HTTP_1
@pytest.mark.parametrize("count, status", [(254, 200), (256, 431)])
def test_a_head_has_a_field_for_128_bytes(proxy, server, count, status):
    origin = server()
    requester = plain(proxy)
    requester.send(head("GET", url(origin), *["A: b"] * count))
    assert requester.read().status == status
    assert len(origin.requests) == (status == 200)


@HTTP_1
@pytest.mark.parametrize("size", [16 * 1024 + 1, 60_000])
def test_the_head_of_a_connect_stays_small_whatever_the_limit(start, size):
    proxy = start(client(OPEN), limits={"head": "64KiB"})
    answer = proxy.connect()
    answer.send(b"CONNECT origin.test:443 HTTP/1.1\r\n" + b"A: bcd\r\n" * 50)
    answer.send(b"A: " + b"b" * 7_000 + b"\r\n" + b"A: " + b"b" * size + b"\r\n\r\n")
    assert answer.read_answer().status == 431


@HTTP_1
def test_a_reload_to_a_lower_limit_does_not_hurt_a_head_that_was_taken(start, dns, server):
    origin = server()
    released = dns.hold("held.test", "127.0.0.1")
    rule = {**OPEN, "hosts": ["held.test"]}
    proxy = start(client(rule), limits={"head": "64KiB"})
    requester = plain(proxy)
    target = url(origin, host="held.test")
    requester.send(head("GET", target, cookie(60_000)(target)))
    dns.wait_asked("held.test")
    proxy.reload(limits={"head": "16KiB"})
    released.set()
    assert requester.read().status == 200
    requester.send(head("GET", target, cookie(20_000)(target)))
    assert requester.read().status == 431


def test_head_has_no_body(proxy, server):
    origin = server(lambda request: ok(b"five!").split(b"five!")[0])
    requester = plain(proxy)
    for _ in range(3):
        response = requester.send(head("HEAD", url(origin))).read("HEAD")
        assert (response.status, response.get("content-length")) == (200, "5")


def test_both_sides_stay_open(proxy, server):
    origin = server()
    requester = plain(proxy)
    for _ in range(20):
        assert requester.get(url(origin)).body == b"yes"
    assert origin.accepted == 1
    records = [proxy.close_record(each["id"]) for each in decisions(proxy, requester)]
    assert [record["upstream"]["attempts"] for record in records] == [1] + [0] * 19


def test_two_origins_share_a_connection_of_the_client(proxy, server):
    first, second = server(lambda _: ok(b"first")), server(lambda _: ok(b"second"))
    requester = plain(proxy)
    for _ in range(3):
        assert requester.get(url(first)).body == b"first"
        assert requester.get(url(second, host="other.test")).body == b"second"
    assert (first.accepted, second.accepted) == (1, 1)
    assert {request.get("host") for request in second.requests} == {f"other.test:{second.port}"}


def test_another_name_of_the_same_address_gets_a_connection_of_its_own(proxy, server):
    origin = server()
    requester = plain(proxy)
    requester.get(url(origin))
    requester.get(url(origin, host="other.test"))
    assert [request.connection for request in origin.requests] == [1, 2]


@HTTP_1
def test_the_pool_is_small(proxy, server):
    origins = [server() for _ in range(6)]
    requester = plain(proxy)
    for origin in origins * 2:
        assert requester.get(url(origin)).status == 200
    origins[0].wait_accepted(2)
    eventually(lambda: sum(origin.live for origin in origins) <= 4, "the others to be closed")


@HTTP_1
def test_waiting_connections_leave_descriptors_for_others(start, dns, server):
    origin = server()
    dns.addresses("origin.test", "127.0.0.1")
    limits = (resource.RLIMIT_NOFILE, (512, 512))
    tight = start(client(OPEN), workers=1, process={"limits": limits})
    requesters = [plain(tight) for _ in range(8)]
    for _ in range(2):
        for requester in requesters:
            assert requester.get(url(origin)).status == 200
    eventually(lambda: origin.live == 4, lambda: f"4 of 512 to be kept; {origin.live} are")


@HTTP_1
def test_pipelined_requests_are_answered_in_order(proxy, server):
    origin = server(lambda request: ok(request.target.encode()))
    requester = plain(proxy)
    requester.send(b"".join(head("GET", url(origin, f"/{i}")) for i in range(30)))
    assert [requester.read().body for _ in range(30)] == [b"/%d" % i for i in range(30)]
    assert [request.target for request in origin.requests] == [f"/{i}" for i in range(30)]


def test_a_tunnel_may_follow_plain_requests(proxy, server, origin):
    plain_origin, echo = server(), origin()
    requester = plain(proxy)
    requester.get(url(plain_origin))
    assert requester.client.ask(f"origin.test:{echo.port}").status == 200
    requester.client.echo(b"bytes")


BODIES = [0, 1, 1000, 16_384, 70_000, 1_000_000]


@pytest.mark.parametrize("size", BODIES)
def test_a_body_with_a_length_goes_both_ways(proxy, server, size):
    origin = server(lambda request: ok(request.body))
    body = b"".join(pattern(size))
    requester = plain(proxy)
    for _ in range(2):
        requester.send(head("POST", url(origin), f"Content-Length: {size}") + body)
        response = requester.read()
        assert response.body == body
    assert all(request.body == body for request in origin.requests)
    assert last(proxy, requester)[1]["bytes"] == {"up": size, "down": size}


def chunked(body, size, trailers=b"", extension=b""):
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return (
        b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts)
        + b"0\r\n"
        + trailers
        + b"\r\n"
    )


@pytest.mark.parametrize("size", BODIES)
def test_a_chunked_body_goes_both_ways(proxy, server, size):
    body = b"".join(pattern(size))
    step = max(1, size // 7)
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, step)
    origin = server(lambda request: answer)
    requester = plain(proxy)
    for _ in range(2):
        requester.send(head("POST", url(origin), "Transfer-Encoding: chunked"))
        requester.send(chunked(body, step, extension=b";a=b"))
        assert requester.read().body == body
    assert all(request.body == body for request in origin.requests)
    assert origin.accepted == 2  # a POST never uses a connection that has waited


def test_trailers_are_passed_on_but_not_those_that_frame_or_route(proxy, server):
    trailers = b"Digest: abc\r\nContent-Length: 3\r\nHost: evil.test\r\nX-Mine: 1\r\n"
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    origin = server(lambda request: answer + chunked(b"hello", 5, trailers))
    requester = plain(proxy)
    fields = ("Transfer-Encoding: chunked", "Trailer: Digest", "TE: trailers", "Connection: TE")
    requester.send(head("POST", url(origin), *fields) + chunked(b"hello", 2, trailers))
    response = requester.read()
    assert (response.body, response.trailers) == (b"hello", [("digest", "abc"), ("x-mine", "1")])
    [request] = origin.requests
    assert (request.body, request.trailers) == (b"hello", [("digest", "abc"), ("x-mine", "1")])
    assert (request.get("trailer"), request.get("te")) == ("Digest", "trailers")


def test_a_body_that_ends_with_the_connection_is_chunked_for_the_client(proxy, origin):
    def habit(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

    server = origin(habit)
    requester = plain(proxy)
    for _ in range(2):
        response = requester.get(url(server))
        assert (response.body, response.get("transfer-encoding")) == (b"hello", "chunked")
    assert server.accepted == 2


@HTTP_1
def test_an_http_1_0_client_gets_no_chunks(proxy, server):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello", 2)
    origin = server(lambda request: answer)
    requester = plain(proxy)
    requester.send(f"GET {url(origin)} HTTP/1.0\r\n\r\n".encode())
    response = requester.read()
    assert response.body == b"hello" and response.get("transfer-encoding") is None
    assert response.get("connection") == "close"
    assert requester.end() == (b"", Ending.CLOSE_NOTIFY)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_what_has_no_body_has_none(proxy, server, status):
    origin = server(lambda request: f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode())
    requester = plain(proxy)
    for _ in range(3):
        assert requester.get(url(origin)).status == int(status[:3])
    assert origin.accepted == 1


def test_interim_responses_are_passed_on(proxy, server):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    origin = server(lambda request: hints + b"HTTP/1.1 100 Continue\r\n\r\n" + ok())
    requester = plain(proxy)
    requester.send(head("GET", url(origin)))
    assert requester.read().get("link") == "</a>"
    assert requester.read().body == b"yes"  # 100 was not asked for


@HTTP_1
def test_a_client_of_http_1_0_gets_no_interim_response(proxy, server):
    origin = server(lambda request: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok())
    requester = plain(proxy)
    requester.send(f"GET {url(origin)} HTTP/1.0\r\n\r\n".encode())
    assert requester.read().status == 200


def test_expect_waits_for_the_origin(proxy, origin):
    def habit(conn):
        data, _ = take_head(conn)
        assert b"Expect: 100-continue\r\n" in data, data
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = conn.recv(5)
        conn.sendall(ok(body))

    server = origin(habit)
    requester = plain(proxy)
    requester.send(head("POST", url(server), "Content-Length: 5", "Expect: 100-continue"))
    assert requester.read().status == 100
    assert requester.send(b"hello").read().body == b"hello"


def test_expect_that_is_refused_closes(proxy, origin):
    def habit(conn):
        conn.recv(65536)
        conn.sendall(ok(b"no", status="403 No"))
        while conn.recv(65536):
            pass

    server = origin(habit)
    requester = plain(proxy)
    requester.send(head("POST", url(server), "Content-Length: 5", "Expect: 100-continue"))
    response = requester.read()
    assert (response.status, response.get("connection")) == (403, closing(proxy))
    assert requester.end() == (b"", Ending.CLOSE_NOTIFY)


@HTTP_1
def test_websocket_becomes_a_tunnel(proxy, origin):
    def habit(conn):
        data, _ = take_head(conn)
        assert b"Upgrade: websocket\r\nConnection: Upgrade\r\n" in data, data
        conn.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: x\r\n\r\nfirst"
        )
        while data := conn.recv(65536):
            conn.sendall(data)

    server = origin(habit)
    requester = plain(proxy)
    target = url(server).replace("http://", "ws://")
    fields = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: k")
    requester.send(head("GET", target, *fields))
    response = requester.read()
    assert (response.status, response.get("upgrade")) == (101, "websocket")
    assert response.get("sec-websocket-accept") == "x"
    assert requester.reader.take(5) == b"first"
    requester.send(b"\x81\x05hello" * 1000)
    assert requester.reader.take(7000) == b"\x81\x05hello" * 1000
    requester.client.half_close()
    assert requester.end() == (b"", Ending.CLOSE_NOTIFY)
    close = last(proxy, requester)[1]
    assert (close["status"], close["bytes"]["up"]) == (101, 7000)


SWITCHES = {
    "nobody asked": ([], "websocket"),
    "to something else": (["Upgrade: websocket", "Connection: Upgrade"], "h2c"),
    "asked for something else": (["Upgrade: h2c", "Connection: Upgrade"], "h2c"),
    "asked without the option": (["Upgrade: websocket"], "websocket"),
}


@HTTP_1
@pytest.mark.parametrize("kind", SWITCHES)
def test_a_switch_that_was_not_agreed_on_is_a_bad_gateway(proxy, server, kind):
    fields, protocol = SWITCHES[kind]
    answer = f"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\nGET"
    origin = server(lambda request: answer.encode())
    requester = plain(proxy)
    assert requester.get(url(origin), *fields).status == 502
    assert last(proxy, requester)[1]["reason"] == "bad_response"


BAD_RESPONSES = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length and a coding": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a coding in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded field": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a blank before the colon": b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000,
    "a line without end": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 40_000,
    "half a head": b"HTTP/1.1 200 OK\r\nA: b",
    "407": b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
    "interim without end": b"HTTP/1.1 102 Wait\r\n\r\n" * 100,
    "a body on an interim": b"HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("kind", BAD_RESPONSES)
def test_a_response_that_is_not_plainly_one_is_a_bad_gateway(proxy, origin, kind):
    def habit(conn):
        conn.recv(65536)
        conn.sendall(BAD_RESPONSES[kind])

    server = origin(habit)
    requester = plain(proxy)
    response = requester.get(url(server))
    while response.status < 200:
        response = requester.read()
    assert response.status == 502, response
    assert response.get("proxy-status").startswith("sallyport; error=http_protocol_error")
    close = last(proxy, requester)[1]
    assert (close["status"], close["reason"]) == (502, "bad_response")
    server.wait_idle()


CUT = {
    "with a length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello",
    "between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "before the trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "with a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
}


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("kind", CUT)
def test_a_response_cut_short_does_not_look_whole(proxy, origin, kind, version):
    def habit(conn):
        conn.recv(65536)
        conn.sendall(CUT[kind])

    server = origin(habit)
    requester = plain(proxy)
    requester.send(f"GET {url(server)} {version}\r\nHost: origin.test\r\n\r\n".encode())
    data, ending = requester.end()
    assert ending is Ending.RESET and not data.endswith(b"0\r\n\r\n"), (data, ending)
    close = last(proxy, requester)[1]
    bad = kind == "with a bad chunk"
    assert close["reason"] == ("bad_response" if bad else "upstream_closed")


def test_a_reset_of_the_origin_resets_the_client(proxy, origin):
    def habit(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
        go.wait(20)
        reset(conn)

    go = threading.Event()
    server = origin(habit)
    requester = plain(proxy)
    requester.send(head("GET", url(server)))
    requester.reader.line()
    go.set()
    assert requester.end()[1] is Ending.RESET
    assert last(proxy, requester)[1]["reason"] == "upstream_reset"


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_an_origin_without_answer_is_a_bad_gateway(proxy, origin, how):
    def habit(conn):
        conn.recv(65536)
        if how == "reset":
            reset(conn)

    server = origin(habit)
    requester = plain(proxy)
    response = requester.get(url(server))
    assert response.status == 502 and response.get("connection") is None
    assert last(proxy, requester)[1]["reason"] == f"upstream_{how}"
    assert server.accepted == 1, "nothing is sent twice over new connections"
    assert requester.get(url(server)).status == 502, "the client's connection goes on"


def test_a_connection_that_ended_while_it_waited_is_not_used(proxy, server):
    origin = server(lambda request: ok() if request.target == "/stay" else None)
    closing = server(lambda request: ok(b"bye", "Connection: close"))
    requester = plain(proxy)
    for _ in range(3):
        assert requester.get(url(closing)).body == b"bye"
    assert closing.accepted == 3
    assert requester.get(url(origin, "/stay")).status == 200


def test_a_repeatable_request_is_sent_again_when_the_waiting_connection_dies(proxy, origin):
    """The origin takes the second request of its first connection, and ends without a word."""
    connections = []

    def habit(conn):
        connections.append(conn)
        is_first = len(connections) == 1
        while data := conn.recv(65536):
            if is_first and b"/second" in data:
                return
            conn.sendall(ok(b"first" if is_first else b"again"))

    server = origin(habit)
    requester = plain(proxy)
    assert requester.get(url(server, "/first")).body == b"first"
    assert requester.get(url(server, "/second")).body == b"again"
    assert server.accepted == 2
    decision, close = last(proxy, requester)
    assert (close["status"], close["reason"], close["upstream"]["attempts"]) == (200, "completed", 1)


def test_a_request_that_is_half_answered_is_not_sent_again(proxy, origin):
    connections = []

    def habit(conn):
        connections.append(conn)
        while data := conn.recv(65536):
            if b"/second" in data:
                conn.sendall(b"HTTP/1.1 2")
                return
            conn.sendall(ok())

    server = origin(habit)
    requester = plain(proxy)
    assert requester.get(url(server)).status == 200
    assert requester.get(url(server, "/second")).status == 502
    assert server.accepted == 1


def test_what_comes_unasked_makes_a_connection_useless(proxy, origin):
    """A response that nobody has asked for must never become the answer to the next request."""

    def habit(conn):
        while conn.recv(65536):
            conn.sendall(ok(b"mine") + ok(b"poison"))

    server = origin(habit)
    requester = plain(proxy)
    for _ in range(3):
        assert requester.get(url(server)).body == b"mine"
    assert server.accepted == 3


def test_a_request_with_a_body_where_none_belongs_is_the_last_of_its_connection(proxy, server):
    """An origin that ignores it would take the body for the next request."""
    origin = server()
    requester = plain(proxy)
    smuggled = b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n"
    requester.send(head("GET", url(origin), f"Content-Length: {len(smuggled)}") + smuggled)
    assert requester.read().status == 200
    assert requester.get(url(origin)).status == 200
    first, second = origin.requests
    assert (first.get("connection"), first.body) == ("close", smuggled)
    assert second.connection == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_denied_request_keeps_the_connection(proxy, server, method):
    origin = server()
    requester = plain(proxy)
    for i in range(5):
        body = b"x" * i
        fields = [f"Content-Length: {i}"] if i else []
        requester.send(head(method, f"http://denied.test:{origin.port}/", *fields) + body)
        response = requester.read()
        assert response.status == 403 and response.get("connection") is None
        assert "no_rule" in response.reason
    assert requester.get(url(origin)).status == 200
    assert origin.accepted == 1


def test_a_denied_request_whose_body_is_not_here_closes(proxy):
    requester = plain(proxy)
    requester.send(head("POST", "http://denied.test/", "Content-Length: 100000") + b"x" * 10)
    response = requester.read()
    assert (response.status, response.get("connection")) == (403, closing(proxy))
    if proxy.protocol == "h1":
        requester.send(b"x" * 1000)
    assert requester.end() == (b"", Ending.CLOSE_NOTIFY)


def test_a_denied_head_has_no_body(proxy):
    requester = plain(proxy)
    for _ in range(3):
        response = requester.send(head("HEAD", "http://denied.test/")).read("HEAD")
        assert response.status == 403


@HTTP_1
def test_pipelined_denials_are_answered_in_order(proxy):
    requester = plain(proxy)
    requester.send(b"".join(head("GET", f"http://d{i}.test/") for i in range(200)))
    ids = [requester.read().get("x-request-id") for _ in range(200)]
    assert len(set(ids)) == 200
    hosts = [proxy.decision(id)["request"]["host"] for id in ids]
    assert hosts == [f"d{i}.test" for i in range(200)]


@HTTP_1
def test_port_80_has_to_be_allowed_by_name(start, dns, local_address, server):
    local_address("127.0.0.9")
    dns.addresses("web.test", "127.0.0.9")
    origin = server(address="127.0.0.9", port=80)
    rule = {"hosts": ["web.test"], "addresses": ["127.0.0.0/8"]}
    closed = start(client(rule))
    assert plain(closed).get("http://web.test/").status == 403
    opened = start(client({**rule, "ports": [80]}))
    assert plain(opened).get("http://web.test/").status == 200
    assert origin.requests[0].get("host") == "web.test"


def test_an_address_is_judged_for_plain_requests_too(start, dns, server):
    origin = server()
    dns.addresses("origin.test", "127.0.0.1")
    narrow = start(client({"hosts": ["origin.test"], "ports": ["any"]}))
    requester = plain(narrow)
    response = requester.get(url(origin))
    assert response.status == 403 and "special_range" in response.reason
    assert plain(narrow).get(f"http://127.0.0.1:{origin.port}/").status == 403
    assert origin.accepted == 0


def test_a_waiting_connection_is_not_used_after_a_reload(start, dns, server):
    origin = server()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", origin.port)))
    requester = plain(proxy)
    assert requester.get(url(origin)).status == 200
    proxy.reload(client(reach("origin.test", origin.port)))
    assert requester.get(url(origin)).status == 200
    assert [request.connection for request in origin.requests] == [1, 2]
    proxy.reload(client(reach("else.test", origin.port)))
    assert requester.get(url(origin)).status == 403


def test_a_response_under_way_ends_when_its_right_does(start, dns, origin):
    def habit(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
        conn.recv(65536)

    server = origin(habit)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    requester = plain(proxy)
    requester.send(head("GET", url(server)))
    requester.reader.line()
    proxy.reload(client(reach("else.test", server.port)))
    assert requester.end()[1] is Ending.RESET
    assert last(proxy, requester)[1]["reason"] == "policy_changed"


def test_a_target_that_refuses_the_connection_is_a_bad_gateway(proxy):
    requester = plain(proxy)
    with dead_port() as port:
        response = requester.get(f"http://origin.test:{port}/")
    assert response.status == 502 and "connect_failed" in response.reason
    assert last(proxy, requester)[1]["reason"] == "connect_failed"


def test_a_target_that_does_not_answer_the_dial_times_out(start, dns):
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(OPEN), timeouts={"attempt": "300ms", "connect": "400ms"})
    with blackhole() as port:
        assert plain(proxy).get(f"http://origin.test:{port}/").status == 504


def test_a_slow_origin_and_a_slow_body_are_told_apart(start, dns, origin):
    def habit(conn):
        while conn.recv(65536):
            pass

    server = origin(habit)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(OPEN), timeouts={"idle": "1s"})
    requester = plain(proxy)
    response = requester.get(url(server))
    assert response.status == 504 and "the target gave no answer in" in response.reason
    assert last(proxy, requester)[1]["reason"] == "timeout"
    requester = plain(proxy)
    response = requester.send(head("POST", url(server), "Content-Length: 5")).read()
    assert response.status == 408
    assert requester.end() == (b"", Ending.CLOSE_NOTIFY)
    server.wait_idle()


def test_a_response_that_stalls_is_reset(start, dns, origin):
    def habit(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
        conn.recv(65536)

    server = origin(habit)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(OPEN), timeouts={"idle": "1s"})
    requester = plain(proxy)
    requester.send(head("GET", url(server)))
    data, ending = requester.end()
    assert data.endswith(b"hello") and ending is Ending.RESET
    assert last(proxy, requester)[1]["reason"] == "idle"


def silent(conn):
    while conn.recv(65536):
        pass


STAGES = {
    "before the body": head("POST", "URL", "Content-Length: 100", host="origin.test"),
    "within the body": head("POST", "URL", "Content-Length: 100", host="origin.test") + b"hello",
    "within a chunk": (
        head("POST", "URL", "Transfer-Encoding: chunked", host="origin.test") + b"ff\r\nhello"
    ),
}


def leave_in(stage, proxy, origin, how, reason):
    server = origin(silent)
    before = len(proxy.audit.lines())  # an earlier client may have had the same port
    requester = plain(proxy)
    requester.send(STAGES[stage].replace(b"URL", url(server).encode()))
    server.wait_accepted()
    decision = proxy.audit.wait("decision", after=before, client__port=requester.client.local_port)
    getattr(requester.client, how)()
    proxy.assert_closed(decision["id"], reason, None)
    server.wait_idle()


@pytest.mark.parametrize("stage", STAGES)
def test_a_client_that_resets_ends_the_request(proxy, origin, stage):
    leave_in(stage, proxy, origin, "reset", "client_reset")


@HTTP_1
@pytest.mark.parametrize("stage", STAGES)
def test_a_client_that_ends_tcp_ends_the_request(proxy, origin, stage):
    leave_in(stage, proxy, origin, "fin", "client_truncated")


def test_a_client_that_ends_in_the_middle_of_its_body_ends_the_request(proxy, origin):
    server = origin(silent)
    requester = plain(proxy)
    requester.send(head("POST", url(server), "Content-Length: 100") + b"hello")
    server.wait_accepted()
    requester.client.half_close()
    assert requester.end()[1] is Ending.RESET
    # Over HTTP/2 the length that was announced is broken (RFC 9113 8.1.1).
    assert last(proxy, requester)[1]["reason"] == ("client_closed" if proxy.protocol == "h1" else "bad_request")
    server.wait_idle()


def test_a_client_that_resets_while_it_waits_for_the_answer_ends_the_request(proxy, origin):
    server = origin(silent)
    before = len(proxy.audit.lines())
    requester = plain(proxy)
    requester.send(head("GET", url(server)))
    server.wait_accepted()
    decision = proxy.audit.wait("decision", after=before, client__port=requester.client.local_port)
    requester.client.reset()
    proxy.assert_closed(decision["id"], "client_reset", None)
    server.wait_idle()


def end_before_the_answer(proxy, origin, how):
    go = threading.Event()

    def habit(conn):
        conn.recv(65536)
        go.wait(20)
        conn.sendall(ok())

    server = origin(habit)
    requester = plain(proxy)
    requester.send(head("GET", url(server)))
    getattr(requester.client, how)()
    server.wait_accepted()
    go.set()
    response = requester.read()
    assert (response.body, response.get("connection")) == (b"yes", closing(proxy))
    assert last(proxy, requester)[1]["reason"] == "completed"


def test_a_client_that_has_said_all_still_gets_its_answer(proxy, origin):
    end_before_the_answer(proxy, origin, "half_close")


@HTTP_1
def test_a_client_that_has_ended_tcp_still_gets_its_answer(proxy, origin):
    end_before_the_answer(proxy, origin, "fin")


def test_an_early_answer_reaches_the_client(proxy, origin):
    """The origin refuses a large body before it has read it."""

    def habit(conn):
        conn.recv(100)
        conn.sendall(ok(b"too large", "Connection: close", status="413 No"))
        while conn.recv(65536):
            pass

    server = origin(habit)
    requester = plain(proxy)
    requester.send(head("POST", url(server), "Content-Length: 200000") + b"x" * 1000)
    response = requester.read()
    assert (response.status, response.body) == (413, b"too large")
    assert response.get("connection") == closing(proxy)
    assert requester.end() == (b"", Ending.CLOSE_NOTIFY)


@HTTP_1
def test_a_bad_body_is_never_passed_on_as_whole(proxy, server):
    origin = server()
    requester = plain(proxy)
    requester.send(head("POST", url(origin), "Transfer-Encoding: chunked") + b"5\r\nhello\r\nx\r\n")
    response = requester.read()
    assert (response.status, response.get("connection")) == (400, "close")
    assert last(proxy, requester)[1]["reason"] == "bad_request"
    origin.wait_accepted()
    origin.wait_idle()
    assert all(request.is_cut for request in origin.requests)
    origin.violations.clear()


@HTTP_1
def test_memory_is_bounded_for_a_body_that_nobody_takes(proxy, origin):
    stop = threading.Event()

    def habit(conn):
        conn.recv(10)
        stop.wait(20)

    server = origin(habit)
    requester = plain(proxy)
    requester.send(head("POST", url(server), "Content-Length: 1000000000"))
    before = proxy.resident()
    requester.client.sock.settimeout(0.5)
    sealed = requester.client.seal(b"x" * 16_000)
    sent = 0
    try:
        for _ in range(4000):
            requester.client.sock.sendall(sealed)
            sent += 16_000
            sealed = requester.client.seal(b"x" * 16_000)
    except TimeoutError:
        pass
    assert sent < 30_000_000
    if not IS_SMALL:  # a sanitizer keeps what has been freed
        assert proxy.resident() - before < 4_000_000
    stop.set()


def test_memory_is_bounded_for_a_response_that_nobody_takes(proxy, origin):
    sent = []

    def habit(conn):
        conn.recv(65536)
        conn.settimeout(0.5)
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        try:
            while len(sent) < 4000:
                conn.sendall(chunk)
                sent.append(len(chunk))
        except TimeoutError:
            sent.append(0)

    server = origin(habit)
    before = proxy.resident()
    requester = plain(proxy)
    requester.send(head("GET", url(server)))
    server.wait_accepted()
    server.wait_idle()
    assert sent[-1] == 0 and sum(sent) < 30_000_000
    if not IS_SMALL:
        assert proxy.resident() - before < 4_000_000


@HTTP_1
def test_no_descriptor_is_left_behind(start, dns, server, origin):
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(OPEN))
    plain(proxy).get("http://sallyport.internal/whoami")
    before = proxy.descriptors()
    good, broken = server(), origin(reset)
    for _ in range(20):
        requester = plain(proxy)
        assert requester.get(url(good)).status == 200
        assert requester.get(url(broken)).status == 502
        requester.client.close()
    proxy.wait_descriptors(before)
    good.wait_idle()


def test_whoami_tells_a_client_who_it_is(proxy, pki):
    requester = plain(proxy)
    response = requester.get("http://sallyport.internal/whoami")
    assert (response.status, response.get("content-type")) == (200, "application/json")
    who = json.loads(response.body)
    assert (who["client"], who["mode"], who["trust"]) == ("workers", "enforce", "staff")
    assert (who["listener"], who["address"]) == ("main", "127.0.0.1")
    assert who["certificate"]["subject"] and who["certificate"]["sha256"]
    assert who["tls"]["version"] == "1.3" and who["days_left"] >= 0
    assert who["id"] == response.get("x-request-id")
    assert who["limits"]["tunnels"] is None
    decision, close = last(proxy, requester)
    assert decision["decision"]["reason"] == "whoami"
    assert (close["status"], close["reason"], close["upstream"]) == (200, "completed", None)
    response = requester.send(head("HEAD", "http://sallyport.internal/whoami")).read("HEAD")
    assert response.status == 200


def test_whoami_is_nobodys_who_has_lost_his_right(start, pki):
    proxy = start(client())
    requester = plain(proxy)
    who = json.loads(requester.get("http://sallyport.internal/whoami").body)
    denied = [{"sha256": who["certificate"]["sha256"]}]
    proxy.reload(trust={"staff": {"ca": [pki.ca.path], "denied": denied}})
    if proxy.protocol == "h2":  # the connection ends with its right
        proxy.assert_cut_off(requester.client, None, None)
        return
    response = requester.get("http://sallyport.internal/whoami")
    assert response.status == 403 and "denied_certificate" in response.reason, response
    assert requester.end() == (b"", Ending.CLOSE_NOTIFY)


def test_whoami_says_what_is_left_of_the_limits(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    limits = {"tunnels": 5, "bandwidth_down": "50MB/s"}
    limited = start(client(OPEN, limits=limits))
    limited.tunnel(f"origin.test:{server.port}")
    who = json.loads(plain(limited).get("http://sallyport.internal/whoami").body)["limits"]
    assert (who["tunnels"], who["tunnels_open"], who["tunnels_left"]) == (5, 1, 4)
    assert (who["bandwidth_down"], who["bandwidth_up"]) == (50_000_000, None)


def test_a_forwarded_request_counts_while_it_lasts(start, dns, origin, server):
    silent_server, good = origin(silent), server()
    dns.addresses("origin.test", "127.0.0.1")
    limited = start(client(OPEN, limits={"tunnels": 1}))
    waiting = plain(limited).send(head("GET", url(silent_server)))
    silent_server.wait_accepted()
    requester = plain(limited)
    response = requester.get(url(good))
    assert response.status == 429 and response.get("retry-after"), response
    waiting.client.reset()
    limited.audit.wait("close", reason="client_reset")  # the place is free before it is recorded
    for _ in range(5):
        assert requester.get(url(good)).status == 200
    assert good.accepted == 1


def test_whoami_answers_a_client_that_no_entry_fits(start):
    nobody = start(client(match=[{"cn": "somebody else"}]))
    response = plain(nobody).get("http://sallyport.internal/whoami")
    assert response.status == 200
    who = json.loads(response.body)
    assert (who["client"], who["mode"]) == (None, None)


@HTTP_1
def test_whoami_tells_those_without_certificate_only_when_they_are_clients(start, pki):
    listeners = [listener_of(pki, client_certificate="optional")]
    open_door = start(client(name="guests", match=[{"anonymous": True}]), listeners=listeners)
    requester = PlainClient(open_door.connect(None))
    who = json.loads(requester.get("http://sallyport.internal/whoami").body)
    assert (who["client"], who["certificate"], who["days_left"]) == ("guests", None, None)
    closed = start(client(), listeners=listeners)
    requester = PlainClient(closed.connect(None))
    response = requester.get("http://sallyport.internal/whoami")
    assert response.status == 403 and "no_client" in response.reason


OWN = {
    "another path": (head("GET", "http://sallyport.internal/"), 404),
    "a query": (head("GET", "http://sallyport.internal/whoami?a"), 404),
    "another port": (head("GET", "http://sallyport.internal:8080/whoami"), 404),
    "a name below": (head("GET", "http://x.sallyport.internal/whoami"), 404),
    "a tunnel": (connect_head("sallyport.internal:443"), 404),
    "a tunnel to port 80": (connect_head("sallyport.internal:80"), 404),
    "a tunnel to a name below": (connect_head("a.b.sallyport.internal:443"), 404),
    "upper case and a final dot": (connect_head("SALLYPORT.internal.:443"), 404),
    "POST": (head("POST", "http://sallyport.internal/whoami"), 405),
}


@HTTP_1
@pytest.mark.parametrize("kind", OWN)
def test_the_own_name_is_never_resolved_or_dialled(start, dns, kind):
    everything = start(client({"hosts": ["*"], "ports": ["any"], "addresses": ["127.0.0.0/8"]}))
    request, status = OWN[kind]
    requester = plain(everything)
    requester.send(request)
    assert requester.read().status == status
    assert not [name for name in dns.queries if "sallyport" in str(name)]


TOLD = {
    "origin-form": (b"GET / HTTP/1.1\r\nHost: proxy.test\r\n\r\n", b"forward proxy"),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: proxy.test\r\n\r\n", b"forward proxy"),
    "https": (head("GET", "https://origin.test/"), b"CONNECT"),
    "ftp": (head("GET", "ftp://origin.test/"), b"forward proxy"),
    "an authority": (b"GET origin.test:80 HTTP/1.1\r\nHost: origin.test\r\n\r\n", b"forward proxy"),
}


@HTTP_1
@pytest.mark.parametrize("kind", TOLD)
def test_what_is_no_request_to_a_proxy_is_told_so(proxy, kind):
    request, words = TOLD[kind]
    requester = plain(proxy)
    response = requester.send(request).read()
    assert response.status == 400 and words in response.body, response
    assert requester.end() == (b"", Ending.CLOSE_NOTIFY)
    assert last(proxy, requester)[0]["decision"]["action"] == "error"
