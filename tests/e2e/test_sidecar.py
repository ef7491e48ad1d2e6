"""`sallyport connect`: local programs that know nothing of TLS or certificates, through the proxy."""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import threading
import time

import pytest

from support.config import client, reach
from support.origin import echo_after_end, noting_end, pattern, pattern_sha256, reset, source, take_head
from support.pki import CLIENT_AUTH, SERVER_AUTH, pin_of
from support.plain import PlainClient, Reader, StrictOrigin, head, ok, url
from support.proxy import cpu_seconds, run
from support.scale import PATIENCE, count, eventually
from support.sidecar import Sidecar, TlsServer, read_head, read_to_end, stop_all
from support.web import PAGE, Website

ALLOW = client(reach("origin.test", "any"))


@pytest.fixture(params=["auto", "off"], ids=["h2", "h1"])
def http2(request):
    """Whether tunnels share connections to the proxy: see --http2."""
    return request.param


@pytest.fixture
def sidecar(pki, dns, tmp_path, http2):
    """Starts sidecars; at the end of the test each is stopped and its run checked."""
    started = []
    dns.addresses("proxy.test", "127.0.0.1")
    dns.addresses("origin.test", "127.0.0.1")

    def start_one(proxy, identity=None, options=(), host="proxy.test", **more):
        port = proxy if isinstance(proxy, int) else proxy.address[1]
        options = ["--resolver", dns.endpoint, "--http2", http2, *options]
        started.append(Sidecar(pki, f"https://{host}:{port}", identity, options, **more))
        return started[-1].wait_ready()

    yield start_one
    stop_all(started)


def connect(host, port):
    return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()


# -- what goes through --------------------------------------------------------------------------


def test_bytes_go_through_both_ways_and_the_audit_names_the_certificate(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    with sidecar(proxy).tunnel(f"origin.test:{target.port}") as sock:
        sock.sendall(b"there and back")
        assert sock.recv(100) == b"there and back"
    decision = proxy.audit.wait("decision")
    assert decision["decision"]["action"] == "allow"
    assert decision["client"]["san_uri"] == ["spiffe://example.test/worker/1"]
    assert proxy.audit.wait("close", id=decision["id"])["bytes"] == {"up": 14, "down": 14}


def test_the_proxys_answer_is_passed_on_with_its_fields(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    status, fields = sidecar(proxy).ask(f"origin.test:{target.port}")
    assert status == "HTTP/1.1 200 Connection established"
    assert fields["Proxy-Status"] == "sallyport"
    assert proxy.decision(fields["X-Request-Id"])["decision"]["action"] == "allow"


def test_a_refusal_is_passed_on_word_for_word_and_the_connection_goes_on(start, sidecar):
    proxy = start(ALLOW)
    with sidecar(proxy).dial() as sock:
        for _ in range(2):
            sock.sendall(connect("denied.test", 443))
            status, fields = read_head(sock)
            id = fields["X-Request-Id"]
            assert status == f"HTTP/1.1 403 Denied: no_rule for workers (id {id})"
            assert fields["Proxy-Status"].startswith("sallyport; error=http_request_denied")
            body = sock.recv(int(fields["Content-Length"]))
            assert b"no_rule" in body
            assert proxy.decision(id)["decision"]["reason"] == "no_rule"


def test_half_a_tunnel_stays_open_when_the_other_half_ends(start, sidecar, origin):
    proxy, target = start(ALLOW), origin(echo_after_end)
    with sidecar(proxy).tunnel(f"origin.test:{target.port}") as sock:
        sock.sendall(b"said before the end")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == "said before the end"


def test_a_reset_of_the_target_is_a_reset_for_the_local_client(start, sidecar, origin):
    proxy, target = start(ALLOW), origin(lambda conn: (conn.recv(1), reset(conn)))
    with sidecar(proxy).tunnel(f"origin.test:{target.port}") as sock:
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_reset_of_the_local_client_resets_the_target(start, sidecar, origin):
    ended = []
    proxy, target = start(ALLOW), origin(noting_end(ended))
    with sidecar(proxy).tunnel(f"origin.test:{target.port}") as sock:
        sock.sendall(b"x")
        reset(sock)
    eventually(lambda: ended == ["reset"], lambda: ended)


def test_many_megabytes_arrive_whole(start, sidecar, origin):
    size = count(64, 8) * 1024 * 1024
    proxy, target = start(ALLOW), origin(source(size))
    digest = hashlib.sha256()
    with sidecar(proxy).tunnel(f"origin.test:{target.port}") as sock:
        while data := sock.recv(1 << 20):
            digest.update(data)
    assert digest.hexdigest() == pattern_sha256(size)


def test_a_proxy_that_is_killed_in_the_middle_is_no_orderly_end(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    with sidecar(proxy).tunnel(f"origin.test:{target.port}") as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        proxy.crash()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    proxy.is_audit_whole = False
    proxy._is_checked = True  # it was killed: there is nothing more to be checked


def test_tls_inside_goes_through_from_end_to_end(pki, start, sidecar):
    site = Website(pki)
    proxy = start(ALLOW)
    context = ssl.create_default_context(cafile=pki.server_ca.path)
    with sidecar(proxy).tunnel(f"origin.test:{site.port}") as sock:
        with context.wrap_socket(sock, server_hostname="origin.test") as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n")
            assert PAGE.decode() in read_to_end(tls)
    site.stop()


@pytest.mark.parametrize("http2", ["off"], indirect=True)
def test_connections_after_the_first_resume_its_session(start, sidecar):
    proxy = start(ALLOW, workers=1)
    one = sidecar(proxy)
    resumed = []
    for _ in range(3):
        _, fields = one.ask("denied.test:443")
        resumed.append(proxy.decision(fields["X-Request-Id"])["tls"]["resumed"])
    assert resumed == [False, True, True]


def test_many_clients_at_once_do_not_get_each_others_bytes(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    one = sidecar(proxy, options=["--workers", 2])
    wrong = []

    def talk(number):
        text = f"{number}:".encode() * 500
        with one.tunnel(f"origin.test:{target.port}") as sock:
            for _ in range(5):
                sock.sendall(text)
                got = b""
                while len(got) < len(text):
                    got += sock.recv(65536)
                if got != text:
                    wrong.append(number)

    threads = [threading.Thread(target=talk, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not wrong and not any(thread.is_alive() for thread in threads)


# -- plain http:// requests ---------------------------------------------------------------------


class Plain(PlainClient):
    """Requests over one plain connection to the sidecar, read strictly."""

    def __init__(self, one):
        self.sock = one.dial()
        self.reader = Reader(lambda: self.sock.recv(65536))

    def send(self, data):
        self.sock.sendall(data)
        return self


@pytest.fixture
def plain():
    """Makes plain clients of a sidecar, and hangs up at the end."""
    made = []

    def make(one):
        made.append(Plain(one))
        return made[-1]

    yield make
    for each in made:
        each.sock.close()


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


def test_requests_share_a_connection_and_so_do_two_origins(start, sidecar, server, dns, plain):
    dns.addresses("other.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", "any"), reach("other.test", "any")))
    first, second = server(lambda _: ok(b"first")), server(lambda _: ok(b"second"))
    talker = plain(sidecar(proxy))
    for _ in range(3):
        assert talker.get(url(first)).body == b"first"
        assert talker.get(url(second, host="other.test")).body == b"second"
    assert (first.accepted, second.accepted) == (1, 1)
    assert first.requests[0].get("via") == "1.1 sallyport"  # the proxy alone reads HTTP
    proxy.audit.wait_count(6, "decision")


@pytest.mark.parametrize("size", [0, 1, 1000, 1 << 20])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_bodies_go_both_ways_whole(size, is_chunked, start, sidecar, server, plain):
    origin = server(lambda request: ok(request.body))
    talker = plain(sidecar(start(ALLOW)))
    body = b"".join(pattern(size))
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    chunk = b"%x\r\n%b\r\n" % (size, body) if size else b""
    sent = chunk + b"0\r\n\r\n" if is_chunked else body
    for _ in range(2):
        assert talker.send(head("POST", url(origin), framing) + sent).read().body == body


def test_a_client_that_waits_for_100_gets_it(start, sidecar, origin, plain):
    def habit(conn):
        take_head(conn)
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        conn.sendall(ok(conn.recv(5)))

    target, talker = origin(habit), plain(sidecar(start(ALLOW)))
    talker.send(head("POST", url(target), "Content-Length: 5", "Expect: 100-continue"))
    assert talker.read().status == 100
    assert talker.send(b"hello").read().body == b"hello"


def test_a_refused_request_is_told_and_the_next_one_goes_on(start, sidecar, server, plain):
    proxy, origin = start(ALLOW), server()
    talker = plain(sidecar(proxy))
    refused = talker.get("http://denied.test/")
    assert refused.status == 403 and b"no_rule" in refused.body
    assert proxy.decision(refused.get("x-request-id"))["decision"]["reason"] == "no_rule"
    assert talker.get(url(origin)).body == b"yes"


def test_the_proxy_says_who_we_are(start, sidecar, plain):
    answer = plain(sidecar(start(ALLOW))).get("http://sallyport.internal/whoami")
    assert answer.status == 200 and json.loads(answer.body)["client"] == "workers"


def test_what_can_be_read_in_two_ways_is_refused_and_never_passed_on(start, sidecar, server):
    proxy, origin = start(ALLOW), server()
    fields = ("Content-Length: 5", "Transfer-Encoding: chunked")
    answer = sidecar(proxy).say(head("POST", url(origin), *fields) + b"0\r\n\r\nGET /x")
    assert answer.startswith("HTTP/1.1 400 ") and answer.count("HTTP/1.1 ") == 1
    assert origin.requests == []


def test_a_response_that_is_cut_off_is_no_whole_one(start, sidecar, origin, plain):
    def habit(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        reset(conn)

    target, talker = origin(habit), plain(sidecar(start(ALLOW)))
    talker.send(head("GET", url(target)))
    with pytest.raises(ConnectionResetError):
        talker.read()


# -- why the proxy cannot be used ---------------------------------------------------------------


def assert_failure(answer, status, cause, text):
    """The answer says so in its status line, its Proxy-Status and its body."""
    line, rest = answer.split("\r\n", 1)
    assert line.startswith(f"HTTP/1.1 {status} Sidecar: "), answer
    assert text in line and len(line) <= len("HTTP/1.1 502 ") + 80, line
    assert f'details="{cause}"' in rest and "Connection: close" in rest, answer
    assert "What to do: " in rest and "?." not in rest, answer


def ask_failing(one):
    return one.say(connect("origin.test", 443))


def test_a_proxy_that_is_not_there_is_a_502_and_a_line_in_the_log(sidecar):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        one = sidecar(holder.getsockname()[1])
        assert_failure(ask_failing(one), 502, "connection_refused", "refuses connections")
        port = holder.getsockname()[1]
        assert one.stderr.wait(f"error https://proxy.test:{port}: connection_refused: the proxy refuses connections")


def test_a_name_that_does_not_exist_is_a_502(sidecar):
    one = sidecar(443, host="nowhere.test")
    assert_failure(ask_failing(one), 502, "dns_not_found", "name does not exist")


def test_a_dns_server_that_is_silent_is_a_502(sidecar, dns):
    dns.reply("silent.test", is_silent=True)
    one = sidecar(443, host="silent.test")
    assert_failure(ask_failing(one), 502, "dns_failed", "cannot be resolved")


def test_a_port_that_speaks_plain_http_is_told(sidecar, origin):
    def answer_plainly(conn):
        conn.recv(1000)
        conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    one = sidecar(origin(answer_plainly).port)
    assert_failure(ask_failing(one), 502, "plain_http", "plain HTTP, not TLS")


def test_a_port_that_speaks_something_else_is_told(sidecar, origin):
    one = sidecar(origin(lambda conn: conn.sendall(b"SSH-2.0-x\r\n")).port)
    assert_failure(ask_failing(one), 502, "not_tls", "does not speak TLS")


def test_a_port_that_closes_at_once_is_told(sidecar, origin):
    one = sidecar(origin(lambda conn: conn.recv(1000)).port)
    assert_failure(ask_failing(one), 502, "closed", "closed the connection")


PROXY_FAULTS = {
    "proxy_unknown_ca": {"ca": "Other CA"},
    "proxy_expired": {"begins": -20, "ends": -10},
    "proxy_not_yet_valid": {"begins": 10},
    "proxy_bad_purpose": {"usages": (CLIENT_AUTH,)},
    "proxy_name_mismatch": {"dns": ("other.test",)},
}


def bad_server(pki, ca=None, dns=("proxy.test",), usages=(SERVER_AUTH,), **options):
    authority = pki.authority(ca) if ca else pki.server_ca
    return authority.leaf("bad-server", dns=dns, usages=usages, **options)


@pytest.mark.parametrize("cause", PROXY_FAULTS)
def test_a_proxy_whose_certificate_is_not_good_gets_nothing(cause, pki, sidecar):
    server = TlsServer(bad_server(pki, **PROXY_FAULTS[cause]), pki.ca.path)
    assert_failure(ask_failing(sidecar(server.port)), 502, cause, "the proxy's certificate")
    eventually(lambda: server.failed, "the handshake to fail")
    assert server.received == []
    server.stop()


def test_the_address_of_the_proxy_has_to_be_in_its_certificate(pki, start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    assert sidecar(proxy, host="127.0.0.1").ask(f"origin.test:{target.port}")[0].split()[1] == "200"
    one = sidecar(proxy, host="127.0.0.2")
    assert_failure(ask_failing(one), 502, "connection_refused", "refuses")


def refused_client(pki, cause):
    if cause == "unknown_ca":
        return pki.authority("Other CA").leaf("stranger")
    if cause == "expired":
        return pki.ca.leaf("old", begins=-20, ends=-10)
    if cause == "not_yet_valid":
        return pki.ca.leaf("early", begins=10)
    if cause == "bad_purpose":
        return pki.ca.leaf("server-only", usages=(SERVER_AUTH,))
    return pki.ca.leaf("revoked-1")


@pytest.mark.parametrize(
    "cause", ["unknown_ca", "expired", "not_yet_valid", "bad_purpose", "revoked"]
)
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_certificate_that_the_proxy_refuses_is_told_with_its_cause(
    cause, version, pki, start, sidecar
):
    leaf = refused_client(pki, cause)
    changes = {"trust": {"staff": {"crl": [pki.ca.crl(leaf)]}}} if cause == "revoked" else {}
    proxy = start(ALLOW, **changes)
    proxy.reload(listeners=[{**proxy.config["listeners"][0], "tls": {"min": version, "max": version}}])
    one = sidecar(proxy, leaf)
    for _ in range(5):  # readable every time
        assert_failure(ask_failing(one), 502, cause, "your certificate")
    assert proxy.audit.wait("handshake_refused")["reason"] == cause
    assert one.stderr.wait(f"{cause}: ")


def test_a_refused_client_can_read_the_answer_while_it_sends_a_body(pki, start, sidecar):
    proxy = start(ALLOW)
    one = sidecar(proxy, refused_client(pki, "expired"))
    body = b"".join(pattern(128 * 1024))
    head = b"POST http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n"
    request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    assert_failure(one.say(request), 502, "expired", "has expired")


def test_the_longest_head_that_a_proxy_can_take_goes_through(start, sidecar):
    proxy = start(ALLOW, limits={"head": "64KiB"})
    one = sidecar(proxy)
    long = b"GET http://sallyport.internal/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: "
    assert one.say(long + b"c" * 65_000 + b"\r\n\r\n").startswith("HTTP/1.1 200 ")
    assert one.say(long + b"c" * 65_536 + b"\r\n\r\n").startswith("HTTP/1.1 431 Sidecar")


def test_a_proxy_that_was_killed_is_told_and_one_that_is_back_is_used(start, sidecar, origin):
    target = origin()
    proxy = start(ALLOW)
    one = sidecar(proxy)
    with one.tunnel(f"origin.test:{target.port}"):
        pass
    port = proxy.address[1]
    proxy.stop()
    assert_failure(ask_failing(one), 502, "connection_refused", "refuses connections")
    address = {"address": f"127.0.0.1:{port}"}
    again = start(ALLOW, listeners=[{**proxy.config["listeners"][0], **address}])
    with one.tunnel(f"origin.test:{target.port}") as sock:
        sock.sendall(b"again")
        assert sock.recv(5) == b"again"
    assert again.audit.wait("decision")["decision"]["action"] == "allow"


def test_a_proxy_that_has_moved_is_found_again(start, sidecar, dns, origin):
    target = origin()
    proxy = start(ALLOW)
    dns.addresses("moving.test", "127.0.0.9")  # nobody there
    leaf_name = sidecar(proxy, host="proxy.test")
    assert leaf_name.ask(f"origin.test:{target.port}")[0].split()[1] == "200"
    dns.addresses("proxy.test", "127.0.0.9")
    proxy_port = proxy.address[1]
    with leaf_name.tunnel(f"origin.test:{target.port}"):
        pass  # the address of some seconds ago is used again
    assert len({query.type for query in dns.asked("proxy.test")}) == 2
    assert proxy_port


def test_the_address_of_a_proxy_that_restarts_is_kept_while_dns_fails(start, sidecar, dns, origin):
    target = origin()
    proxy = start(ALLOW)
    one = sidecar(proxy)
    assert one.ask(f"origin.test:{target.port}")[0].split()[1] == "200"
    dns.reply("proxy.test", code=2)
    proxy.stop()
    assert_failure(ask_failing(one), 502, "connection_refused", "refuses connections")
    address = {"address": f"127.0.0.1:{proxy.address[1]}"}
    start(ALLOW, listeners=[{**proxy.config["listeners"][0], **address}])
    assert one.ask(f"origin.test:{target.port}")[0].split()[1] == "200"


# -- a pinned key -------------------------------------------------------------------------------

OTHER_KEY = "sha256//" + base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize("http2", ["off"], indirect=True)
def test_a_pinned_key_lets_through_in_both_spellings_and_in_resumed_sessions(pki, start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    for pin in (pki.server.pin, pki.server.spki_sha256):
        one = sidecar(proxy, options=["--pin", OTHER_KEY, "--pin", pin])
        for _ in range(3):
            assert one.ask(f"origin.test:{target.port}")[0].split()[1] == "200"
    assert any(each["tls"]["resumed"] for each in proxy.audit.records("decision"))


def test_a_proxy_whose_key_is_not_pinned_gets_nothing_though_its_ca_is_good(pki, start, sidecar):
    proxy, other = start(ALLOW), start(ALLOW)
    one = sidecar(proxy, options=["--pin", OTHER_KEY, *also(other), "--retry-for", "10m"])
    assert_failure(ask_failing(one), 502, "proxy_pin_mismatch", "is not one of the pinned keys")
    assert one.stderr.wait(re.escape(f"(its key is {pki.server.pin})"))
    for each in (proxy, other):
        each.stop()
        assert each.audit.records("decision") == []


def test_the_key_of_an_issuer_is_not_the_key_of_the_proxy(pki, start, sidecar):
    one = sidecar(start(ALLOW), options=["--pin", pin_of(pki.server_ca.certificate)])
    assert_failure(ask_failing(one), 502, "proxy_pin_mismatch", "is not one of the pinned keys")


def test_a_pin_takes_the_place_of_no_other_check(pki, sidecar):
    leaf = bad_server(pki, dns=("other.test",))
    server = TlsServer(leaf, pki.ca.path)
    one = sidecar(server.port, options=["--pin", leaf.pin])
    assert_failure(ask_failing(one), 502, "proxy_name_mismatch", "another name")
    server.stop()


# -- several proxies, and one that restarts -----------------------------------------------------


@pytest.fixture
def free_port():
    """A port that nobody listens on, and that nobody else gets."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def also(proxy, host="proxy.test"):
    """The option for another proxy."""
    port = proxy if isinstance(proxy, int) else proxy.address[1]
    return ["--proxy", f"https://{host}:{port}"]


ABSENT = {
    "refuses connections": lambda origin, free_port: (free_port, "proxy.test"),
    "has no such name": lambda origin, free_port: (443, "nowhere.test"),
    "closes at once": lambda origin, free_port: (origin(lambda conn: None).port, "proxy.test"),
    "resets": lambda origin, free_port: (origin(reset).port, "proxy.test"),
}


@pytest.mark.parametrize("kind", ABSENT)
def test_where_a_proxy_cannot_be_reached_the_next_one_is_used(kind, start, sidecar, origin, free_port):
    proxy, target = start(ALLOW), origin()
    port, host = ABSENT[kind](origin, free_port)
    one = sidecar(port, host=host, options=also(proxy))
    for _ in range(3):
        assert one.ask(f"origin.test:{target.port}")[0].split()[1] == "200"
    assert one.stderr.wait(f"from now on through https://proxy.test:{proxy.address[1]}$")
    assert one.stderr.text().count("from now on") == 1


def test_when_the_proxy_in_use_goes_the_first_one_is_tried_again(start, sidecar, origin):
    first, second, target = start(ALLOW), start(ALLOW), origin()
    place = first.config["listeners"][0]
    one = sidecar(first, options=also(second))
    for begun, others in ((first, second), (second, None)):
        status, fields = one.ask(f"origin.test:{target.port}")
        assert status.split()[1] == "200"
        assert begun.decision(fields["X-Request-Id"])
        if others:
            begun.stop()
    port = first.address[1]
    again = start(ALLOW, listeners=[{**place, "address": f"127.0.0.1:{port}"}])
    second.stop()
    _, fields = one.ask(f"origin.test:{target.port}")
    assert again.decision(fields["X-Request-Id"])


def test_when_none_can_be_reached_the_answer_and_the_log_say_so(sidecar, free_port):
    one = sidecar(443, host="nowhere.test", options=also(free_port))
    assert_failure(ask_failing(one), 502, "connection_refused", "refuses connections")
    assert one.stderr.wait(f"https://proxy.test:{free_port}: connection_refused: ")


@pytest.mark.parametrize("cause", PROXY_FAULTS)
def test_a_proxy_that_is_not_what_it_should_be_is_not_passed_over(cause, pki, start, sidecar):
    server = TlsServer(bad_server(pki, **PROXY_FAULTS[cause]), pki.ca.path)
    other = start(ALLOW)
    one = sidecar(server.port, options=[*also(other), "--retry-for", "10m"])
    assert_failure(ask_failing(one), 502, cause, "the proxy's certificate")
    other.stop()
    assert other.audit.records() == []
    server.stop()


@pytest.mark.parametrize("cause", ["unknown_ca", "expired"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_no_of_one_proxy_is_not_taken_to_the_next(cause, version, pki, start, sidecar):
    tls = {"min": version, "max": version}
    first, other = start(ALLOW), start(ALLOW)
    first.reload(listeners=[{**first.config["listeners"][0], "tls": tls}])
    options = [*also(other), "--retry-for", "10m"]
    one = sidecar(first, refused_client(pki, cause), options)
    assert_failure(ask_failing(one), 502, cause, "your certificate")
    other.stop()
    assert other.audit.records() == []


def test_a_proxy_that_restarts_is_waited_for(start, sidecar, origin, free_port):
    target = origin()
    one = sidecar(free_port, options=["--retry-for", "10m"])
    with one.dial() as sock:
        sock.sendall(connect("origin.test", target.port) + b"early")
        assert one.stderr.wait(r"connection_refused\); trying again, for 600000 ms at most$")
        proxy = start(ALLOW)
        place = {**proxy.config["listeners"][0], "address": f"127.0.0.1:{free_port}"}
        proxy.reload(listeners=[place])
        assert read_head(sock)[0].startswith("HTTP/1.1 200 ")
        assert sock.recv(5) == b"early"
    assert len(proxy.audit.wait_count(1, "decision")) == 1


def test_waiting_for_a_proxy_ends_when_its_time_is_over(sidecar, free_port):
    one = sidecar(free_port, options=["--retry-for", "1s"])
    assert_failure(ask_failing(one), 502, "connection_refused", "refuses connections")
    assert one.stderr.wait("trying again, for 1000 ms at most")


@pytest.mark.parametrize("leave", [lambda conn: None, reset], ids=["closes at once", "resets"])
def test_waiting_for_a_proxy_that_ends_connections_costs_no_processor_time(leave, sidecar, origin):
    """What is left of the connection that came to nothing wakes no loop."""
    server = origin(leave)
    one = sidecar(server.port, options=["--retry-for", "10m"])
    with one.dial() as sock:
        sock.sendall(connect("origin.test", 443))
        server.wait_accepted(1)
        before, begun = cpu_seconds(one.process.pid), time.monotonic()
        server.wait_accepted(4)
        spent, elapsed = cpu_seconds(one.process.pid) - before, time.monotonic() - begun
        one.stop(signal.SIGINT)
    assert spent < 0.25 * elapsed


def test_a_sidecar_that_waits_for_a_proxy_can_be_stopped(sidecar, free_port):
    one = sidecar(free_port, options=["--retry-for", "10m"])
    with one.dial() as sock:
        sock.sendall(connect("origin.test", 443))
        assert one.stderr.wait("trying again")
        one.stop(signal.SIGINT)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.parametrize("early", [b"", b"early"], ids=["nothing unread", "bytes unread"])
@pytest.mark.parametrize("leave", [lambda sock: sock.close(), reset], ids=["closes", "resets"])
def test_a_client_that_leaves_while_a_proxy_is_waited_for_is_not_waited_for(leave, early, sidecar, free_port):
    one = sidecar(free_port, options=["--retry-for", "10m", "--drain", "10m"])
    with one.dial() as sock:
        sock.sendall(connect("origin.test", 443))
        assert one.stderr.wait("trying again")
        sock.sendall(early)
        leave(sock)
    one.stop()
    assert "stopped; nothing was cut" in one.stderr.text()


def test_a_client_that_has_ended_its_side_is_answered_and_no_longer_waited_with(sidecar, free_port):
    one = sidecar(free_port, options=["--retry-for", "10m"])
    with one.dial() as sock:
        sock.sendall(connect("origin.test", 443))
        assert one.stderr.wait("trying again")
        sock.shutdown(socket.SHUT_WR)
        assert read_head(sock)[0].startswith("HTTP/1.1 502 ")


def test_proxies_that_restart_one_after_the_other_fail_no_request_but_one_met_by_the_drain(start, sidecar, origin):
    target = origin()
    proxies = [start(ALLOW), start(ALLOW)]
    one = sidecar(proxies[0], options=[*also(proxies[1]), "--retry-for", "10m"])
    answers, is_over = [], threading.Event()

    def ask():
        while not is_over.is_set():
            with one.dial() as sock:
                sock.sendall(connect("origin.test", target.port))
                answers.append(read_head(sock)[0])

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for proxy in proxies:
            place = {**proxy.config["listeners"][0], "address": f"127.0.0.1:{proxy.address[1]}"}
            proxy.send_signal(signal.SIGTERM)
            assert proxy.wait_exit() == 0
            start(ALLOW, listeners=[place])
            many = len(answers) + 20
            eventually(lambda: len(answers) > many, "requests to go on")
    finally:
        is_over.set()
        asking.join()
    failed = [answer for answer in answers if answer.split()[1] != "200"]
    assert len(failed) <= len(proxies), failed
    told = ("503 Service unavailable: draining", "502 Sidecar: the proxy closed the connection (closed)")
    assert all(any(words in answer for words in told) for answer in failed), failed


# -- renewed files ------------------------------------------------------------------------------


def test_a_renewed_certificate_is_used_without_a_restart(pki, start, sidecar, tmp_path):
    proxy = start(ALLOW)
    old = refused_client(pki, "expired")
    chain, key = tmp_path / "me.crt", tmp_path / "me.key"
    shutil.copy(old.chain, chain)
    shutil.copy(old.key, key)

    class Files:
        pass

    files = Files()
    files.chain, files.key = str(chain), str(key)
    one = sidecar(proxy, files)
    assert one.stderr.wait("has expired")
    assert_failure(ask_failing(one), 502, "expired", "has expired")
    shutil.copy(pki.worker.chain, str(chain) + ".new")  # a certificate without its key, for a while
    os.replace(str(chain) + ".new", chain)
    shutil.copy(pki.worker.key, str(key) + ".new")
    os.replace(str(key) + ".new", key)
    assert one.stderr.wait("renewed: ")
    status, fields = one.ask("denied.test:443")
    assert status.startswith("HTTP/1.1 403 ")
    assert proxy.decision(fields["X-Request-Id"])["client"]["cn"] == "worker-1"


def test_a_connection_of_plain_requests_is_ended_between_two_of_them_after_a_renewal(
    pki, start, sidecar, server, plain, tmp_path
):
    proxy, origin = start(ALLOW), server()
    chain, key = tmp_path / "me.crt", tmp_path / "me.key"

    class Files:
        pass

    def put(leaf):
        shutil.copy(leaf.chain, chain)
        shutil.copy(leaf.key, key)

    files = Files()
    files.chain, files.key = str(chain), str(key)
    put(pki.worker)
    one = sidecar(proxy, files)
    talker = plain(one)
    assert talker.get(url(origin)).status == 200
    put(pki.ca.leaf("worker-renewed"))
    assert one.stderr.wait("renewed: ")
    assert talker.sock.recv(1) == b""
    assert plain(one).get(url(origin)).status == 200
    names = [record["client"]["cn"] for record in proxy.audit.wait_count(2, "decision")]
    assert names == ["worker-1", "worker-renewed"]


def test_a_tunnel_outlives_a_renewal(pki, start, sidecar, origin, tmp_path):
    proxy, target = start(ALLOW), origin()
    chain = tmp_path / "me.pem"

    class Files:
        pass

    def put(leaf):
        with open(leaf.chain, "rb") as first, open(leaf.key, "rb") as second:
            chain.write_bytes(first.read() + second.read())
        chain.chmod(0o600)

    files = Files()
    files.chain = files.key = str(chain)
    put(pki.worker)
    one = sidecar(proxy, files)
    with one.tunnel(f"origin.test:{target.port}") as sock:
        put(pki.ca.leaf("worker-renewed"))
        assert one.stderr.wait("renewed: ")
        one.ask("denied.test:443")
        sock.sendall(b"still here")
        assert sock.recv(100) == b"still here"


def test_files_that_became_useless_change_nothing_but_the_log(pki, start, sidecar, tmp_path):
    proxy = start(ALLOW)
    chain = tmp_path / "me.crt"
    shutil.copy(pki.worker.chain, chain)

    class Files:
        pass

    files = Files()
    files.chain, files.key = str(chain), pki.worker.key
    one = sidecar(proxy, files)
    chain.write_text("no certificate any more\n")
    one.process.send_signal(signal.SIGHUP)
    assert one.stderr.wait("the old ones stay in force: .*me.crt")
    assert one.ask("denied.test:443")[0].startswith("HTTP/1.1 403 ")


# -- its own answers ----------------------------------------------------------------------------


def test_the_pac_file_sends_everything_to_the_sidecar(start, sidecar):
    one = sidecar(start(ALLOW))
    answer = one.say(b"GET /proxy.pac HTTP/1.1\r\nHost: whatever\r\n\r\n")
    head, body = answer.split("\r\n\r\n", 1)
    assert head.startswith("HTTP/1.1 200 ")
    assert "application/x-ns-proxy-autoconfig" in head
    assert f'return "PROXY 127.0.0.1:{one.port}";' in body
    assert "FindProxyForURL(url, host)" in body


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404 Sidecar: this is a proxy"),
        (b"POST /proxy.pac HTTP/1.1\r\nHost: x\r\n\r\n", "404 Sidecar: this is a proxy"),
        (b"GET /proxy.pac/../x HTTP/1.1\r\nHost: x\r\n\r\n", "404 "),
        (b"nonsense\r\n\r\n", "400 Sidecar: bad request"),
        (b"GET http://a.test/ HTTP/2.0\r\n\r\n", "400 Sidecar: bad request"),
        (b"CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 "),
        (b"CONNECT a.test:443 HTTP/1.1\nHost: a\n\n", "400 Sidecar: bad request, line ending"),
        (b"CONNECT a.test:443 HTTP/1.1\r\nx: " + b"y" * 9000 + b"\r\n\r\n", "431 "),
        (b"GET http://a.test/ HTTP/1.1\r\nx: " + b"y" * 66_000 + b"\r\n\r\n", "431 "),
        (b"\x15\x03\x01\x00\x02\x02\x28\r\n", "400 Sidecar: bad request"),
    ],
)
def test_what_is_not_for_the_proxy_is_answered_here(request_bytes, status, start, sidecar):
    proxy = start(ALLOW)
    answer = sidecar(proxy).say(request_bytes)
    assert answer.startswith(f"HTTP/1.1 {status}"), answer
    assert "Connection: close" in answer
    proxy.stop()
    assert proxy.audit.records() == []  # the proxy has not heard of it


@pytest.mark.parametrize("first", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"\x16"])
def test_tls_to_the_plain_port_gets_an_answer_that_can_be_read(first, start, sidecar):
    proxy = start(ALLOW)
    one = sidecar(proxy)
    answer = one.say(first)
    assert_failure(answer, 400, "tls_to_sidecar", "port speaks plain HTTP, not TLS")
    assert "http:// instead of https://" in answer
    assert one.stderr.wait("tls_to_sidecar: .*http:// instead of https://")
    proxy.stop()
    assert proxy.audit.records() == []


def test_a_tls_client_of_the_plain_port_fails_at_once_and_the_log_tells_why(start, sidecar):
    one = sidecar(start(ALLOW))
    with one.dial() as sock, pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        ssl.create_default_context().wrap_socket(sock, server_hostname="localhost")
    assert one.stderr.wait("tls_to_sidecar: ")


def test_a_head_in_pieces_is_one_head(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    with sidecar(proxy).dial() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in connect("origin.test", target.port):
            sock.sendall(bytes([byte]))
        assert read_head(sock)[0].startswith("HTTP/1.1 200 ")


def test_bytes_behind_the_head_belong_to_the_tunnel(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    with sidecar(proxy).dial() as sock:
        sock.sendall(connect("origin.test", target.port) + b"early")
        assert read_head(sock)[0].startswith("HTTP/1.1 200 ")
        assert sock.recv(5) == b"early"


# -- how it is started and ended ----------------------------------------------------------------


def arguments(pki, **changes):
    values = {
        "proxy": "https://proxy.test:8443",
        "cert": pki.worker.chain,
        "key": pki.worker.key,
        "ca": pki.server_ca.path,
        "listen": "127.0.0.1:0",
        **changes,
    }
    words = []
    for name, value in values.items():
        words += [] if value is None else [f"--{name}", value]
    return words


@pytest.mark.parametrize(
    "changes, complaint",
    [
        ({"proxy": None}, "--proxy, --cert, --key and --ca are needed"),
        ({"cert": None}, "are needed"),
        ({"ca": None}, "are needed"),
        ({"proxy": "http://proxy.test:8443"}, "begin with https://"),
        ({"proxy": "https://proxy.test"}, "has no port"),
        ({"proxy": "https://proxy.test:8443/path"}, "nothing else"),
        ({"proxy": "https://me:secret@proxy.test:8443"}, "nothing else"),
        ({"proxy": "https://proxy.test:0"}, "nothing else"),
        ({"listen": "0.0.0.0:0"}, "--allow-remote"),
        ({"listen": "192.0.2.1:0"}, "--allow-remote"),
        ({"listen": "[::]:0"}, "--allow-remote"),
        ({"listen": "localhost:3128"}, "--listen: "),
        ({"workers": "0"}, "--workers: "),
        ({"workers": "two"}, "--workers: "),
        ({"idle": "5"}, "--idle: "),
        ({"pin": "junk"}, "--pin: 'junk' is not a pin"),
        ({"retry-for": "5"}, "--retry-for: "),
        ({"retry-for": "11m"}, "--retry-for: no longer than 10m"),
        ({"max-connections": "-1"}, "--max-connections: "),
        ({"http2": "on"}, "--http2: 'on' is neither auto nor off"),
        ({"connections": "0"}, "--connections: "),
        ({"connections": "65"}, "--connections: "),
        ({"upstream": "x"}, "unknown option"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_write(changes, complaint, pki):
    result = run("connect", *arguments(pki, **changes))
    assert result.returncode == 2, result.stderr
    assert complaint in result.stderr and result.stdout == ""


def test_more_proxies_than_are_kept_are_wrong_usage(pki):
    more = ["--proxy", "https://proxy.test:8443"] * 8
    result = run("connect", *arguments(pki), *more)
    assert result.returncode == 2 and "--proxy: no more than 8" in result.stderr


@pytest.mark.parametrize(
    "option, content, cause",
    [
        ("cert", "junk", "cert_file"),
        ("key", "junk", "key_file"),
        ("ca", "junk", "ca_file"),
        ("cert", None, "cert_file"),
        ("key", None, "key_file"),
        ("ca", None, "ca_file"),
    ],
)
def test_files_that_cannot_be_used_are_exit_3(option, content, cause, pki, tmp_path):
    path = tmp_path / "file.pem"
    if content:
        path.write_text(content)
        path.chmod(0o600)
    result = run("connect", *arguments(pki, **{option: str(path)}))
    assert result.returncode == 3, result.stderr
    assert f"{cause}: " in result.stderr and "file.pem" in result.stderr


def test_the_key_of_another_certificate_is_exit_3(pki):
    result = run("connect", *arguments(pki, key=pki.ca.leaf("someone-else").key))
    assert result.returncode == 3 and "key_mismatch: " in result.stderr


def test_a_key_that_others_can_read_is_exit_3(pki, tmp_path):
    path = tmp_path / "open.key"
    shutil.copy(pki.worker.key, path)
    path.chmod(0o644)
    result = run("connect", *arguments(pki, key=str(path)))
    assert result.returncode == 3 and "chmod 600" in result.stderr


def test_a_listener_for_others_needs_to_be_meant(start, sidecar, local_address):
    proxy = start(ALLOW)
    one = sidecar(proxy, options=["--listen", "0.0.0.0:0", "--allow-remote"])
    assert one.stderr.wait("warning: anybody who reaches 0.0.0.0:0 acts under your certificate")


def test_an_address_that_is_taken_is_exit_1(pki, start, sidecar):
    one = sidecar(start(ALLOW))
    result = run("connect", *arguments(pki, listen=f"127.0.0.1:{one.port}"))
    assert result.returncode == 1 and str(one.port) in result.stderr


def test_sigterm_waits_for_tunnels_and_takes_no_new_ones(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    one = sidecar(proxy)
    with one.dial() as waiting, one.tunnel(f"origin.test:{target.port}") as sock:
        sock.sendall(b"a")
        assert sock.recv(1) == b"a"
        one.process.send_signal(signal.SIGTERM)
        assert waiting.recv(1) == b""  # nothing was asked: ended
        with pytest.raises(OSError):
            one.dial()
        sock.sendall(b"b")
        assert sock.recv(1) == b"b"
    one.stop()


def test_sigterm_ends_connections_between_two_plain_requests(start, sidecar, server, plain):
    origin = server()
    one = sidecar(start(ALLOW))
    talker = plain(one)
    assert talker.get(url(origin)).status == 200
    one.stop()
    assert talker.sock.recv(1) == b""


def test_sigterm_ends_connections_whose_connect_was_refused(start, sidecar):
    one = sidecar(start(ALLOW))
    with one.dial() as sock:
        sock.sendall(connect("denied.test", 443))
        _, fields = read_head(sock)
        sock.recv(int(fields["Content-Length"]))
        one.stop()
        assert sock.recv(1) == b""


def test_a_renewal_does_not_end_a_websocket(pki, start, sidecar, origin, plain, tmp_path):
    def habit(conn):
        take_head(conn)
        conn.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: x\r\n\r\n"
        )
        while data := conn.recv(65536):
            conn.sendall(data)

    target, chain = origin(habit), tmp_path / "me.pem"

    class Files:
        pass

    def put(leaf):
        with open(leaf.chain, "rb") as first, open(leaf.key, "rb") as second:
            chain.write_bytes(first.read() + second.read())
        chain.chmod(0o600)

    files = Files()
    files.chain = files.key = str(chain)
    put(pki.worker)
    one = sidecar(start(ALLOW), files)
    idle, talker = plain(one), plain(one)
    idle.get("http://sallyport.internal/whoami")
    fields = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: k")
    talker.send(head("GET", url(target).replace("http://", "ws://"), *fields))
    assert talker.read().status == 101
    put(pki.ca.leaf("worker-renewed"))
    assert idle.sock.recv(1) == b""  # ended because of the renewal, and it was quiet for as long
    talker.send(b"frame")
    assert talker.sock.recv(100) == b"frame"


def test_sigterm_waits_for_the_answer_to_a_request(start, sidecar, origin, plain):
    released = threading.Event()

    def habit(conn):
        conn.recv(65536)
        released.wait(PATIENCE)
        conn.sendall(ok(b"late"))

    target = origin(habit)
    one = sidecar(start(ALLOW))
    talker = plain(one)
    talker.send(head("GET", url(target)))
    target.wait_accepted()
    one.process.send_signal(signal.SIGTERM)
    assert one.stderr.wait("draining")
    released.set()
    assert talker.read().body == b"late"


def test_sigterm_cuts_what_lasts_longer_than_its_patience(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    one = sidecar(proxy, options=["--drain", "200ms"])
    with one.tunnel(f"origin.test:{target.port}") as sock:
        one.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    one.stop(expected=1)


def test_sigint_ends_it_at_once(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    one = sidecar(proxy)
    with one.tunnel(f"origin.test:{target.port}"):
        one.stop(signal.SIGINT)


def test_a_silent_tunnel_ends_after_its_idle_time(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    with sidecar(proxy, options=["--idle", "1500ms"]).tunnel(f"origin.test:{target.port}") as sock:
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_too_many_connections_are_told(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    one = sidecar(proxy, options=["--max-connections", "1"])
    with one.tunnel(f"origin.test:{target.port}"):
        assert one.say(connect("origin.test", 443)).startswith(
            "HTTP/1.1 503 Sidecar: too many connections"
        )
