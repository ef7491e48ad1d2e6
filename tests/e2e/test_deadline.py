"""Every state has a deadline, and a peer cannot stretch it by dripping bytes."""

import contextlib
import socket
import threading
import time

import pytest

from support.config import client, reach
from support.origin import echo_after_end, silence
from support.plain import PlainClient, head, url
from support.wire import Ending, connect_head

pytestmark = pytest.mark.protocols("h1", "h2")

SHORT = "400ms"
# A deadline of 0.4 s that has not fired after this long is not kept.
FAR_TOO_LONG = 15


def drip(send, data, until):
    """Sends `data` byte by byte, again and again, until the peer has had enough."""
    while not until.is_set():
        for at in range(len(data)):
            if until.wait(0.05):
                return
            try:
                send(data[at : at + 1])
            except OSError:
                return


def end_of(sock):
    """Reads to the end; what came."""
    sock.settimeout(FAR_TOO_LONG)
    received = b""
    try:
        while data := sock.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def test_a_connection_that_says_nothing_is_closed_in_silence(start):
    proxy = start(timeouts={"handshake": SHORT})
    with socket.create_connection(proxy.address) as sock:
        assert end_of(sock) == b""
    proxy.stop()
    assert not proxy.audit.records()


def test_a_handshake_that_stops_is_closed(start):
    proxy = start(timeouts={"handshake": SHORT})
    requester = proxy.dial()
    requester.sock.sendall(requester.first_flight()[:30])
    end_of(requester.sock)
    proxy.audit.wait("handshake_refused", reason="timeout")


@pytest.mark.protocols("h1")
def test_a_handshake_that_stops_before_the_certificate_is_closed(start):
    proxy = start(timeouts={"handshake": SHORT})
    requester = proxy.dial()
    requester.sock.sendall(requester.first_flight())
    end_of(requester.sock)
    proxy.audit.wait("handshake_refused", reason="timeout")


@pytest.mark.protocols("h1")
def test_a_dripping_handshake_is_closed_all_the_same(start):
    proxy = start(timeouts={"handshake": SHORT})
    begin = time.monotonic()
    requester = proxy.dial()
    is_over = threading.Event()
    hello = requester.first_flight()
    dripper = threading.Thread(target=drip, args=(requester.sock.sendall, hello, is_over))
    dripper.start()
    end_of(requester.sock)
    took = time.monotonic() - begin
    is_over.set()
    dripper.join()
    assert 0.3 < took < len(hello) * 0.05
    proxy.audit.wait("handshake_refused", reason="timeout")


def test_a_client_without_a_request_is_closed_in_silence(start):
    proxy = start(timeouts={"request": SHORT})
    requester = proxy.connect()
    assert requester.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    proxy.stop()
    assert not proxy.audit.records()


@pytest.mark.protocols("h1")
def test_a_head_that_stops_is_a_408(start):
    proxy = start(timeouts={"request": SHORT})
    requester = proxy.connect()
    requester.send(connect_head("origin.test:443")[:-2])
    answer = requester.read_answer()
    proxy.assert_refused(answer, 408, "timeout", action="error")
    assert requester.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    assert proxy.decision(answer.id)["request"]["host"] is None


@pytest.mark.protocols("h1")
def test_a_dripping_head_is_a_408_all_the_same(start):
    proxy = start(timeouts={"request": SHORT})
    requester = proxy.connect()
    is_over = threading.Event()
    head = connect_head("origin.test:443", "A: " + "b" * 500)
    sealed = [requester.seal(bytes([byte])) for byte in head]
    sender = threading.Thread(target=drip_records, args=(requester.sock, sealed, is_over))
    begin = time.monotonic()
    sender.start()
    data = requester.read()
    is_over.set()
    sender.join()
    assert b" 408 " in data
    assert time.monotonic() - begin < FAR_TOO_LONG


def drip_records(sock, records, until):
    for record in records:
        if until.wait(0.05):
            return
        try:
            sock.sendall(record)
        except OSError:
            return


def test_between_requests_there_is_another_deadline(start):
    proxy = start(timeouts={"keepalive": SHORT, "request": "60s"})
    requester = proxy.connect()
    assert requester.ask("nowhere.test:443").status == 403
    assert requester.read_to_end() == (b"", Ending.CLOSE_NOTIFY)


def test_the_first_request_is_not_bound_by_keepalive(start):
    proxy = start(timeouts={"keepalive": "1ms", "request": "60s"})
    requester = proxy.connect()
    assert requester.ask("nowhere.test:443").status == 403


def test_a_silent_dns_server_is_a_504(start, dns):
    dns.reply("silent.test", is_silent=True)
    proxy = start(client(reach("silent.test", 443)), timeouts={"resolve": SHORT})
    answer = proxy.ask("silent.test:443")
    assert answer.status == 504
    assert proxy.decision(answer.id)["decision"]["action"] == "error"
    close = proxy.close_record(answer.id)
    assert close["status"] == 504 and close["upstream"] is None
    assert close["ms"]["resolve"] >= 300


def test_dns_tries_that_run_out_are_a_504_too(start, dns):
    dns.reply("silent.test", is_silent=True)
    proxy = start(
        client(reach("silent.test", 443)),
        resolver={"timeout": "100ms", "tries": 1},
    )
    assert proxy.ask("silent.test:443").status == 504


def test_an_idle_tunnel_is_closed(start, dns, origin):
    server = origin(silence)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), timeouts={"idle": SHORT})
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    data, ending = tunnel.read_to_end()
    assert data == b"" and ending in (Ending.CLOSE_NOTIFY, Ending.RESET)
    proxy.assert_closed(tunnel.id, "idle")
    server.wait_idle()


def test_a_byte_either_way_keeps_a_tunnel(start, dns, origin):
    """The idle deadline is counted from the last byte, not from the first."""
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), timeouts={"idle": "1s"})
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        tunnel.echo(b"x")
        threading.Event().wait(0.2)  # the pace of a chatty application
    assert not proxy.audit.records("close", id=tunnel.id)
    proxy.assert_closed(tunnel.id, "idle")


def test_a_half_closed_tunnel_has_a_deadline_of_its_own(start, dns, origin):
    server = origin(silence_after_end)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        client(reach("origin.test", server.port)),
        timeouts={"half_closed": SHORT, "idle": "60s"},
    )
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.half_close()
    tunnel.read_to_end()
    assert proxy.close_record(tunnel.id)["reason"] in ("idle", "timeout")
    server.stop()


def silence_after_end(conn):
    silence(conn)
    threading.Event().wait(FAR_TOO_LONG)


def test_a_half_closed_tunnel_with_bytes_goes_on(start, dns, origin):
    server = origin(echo_after_end)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), timeouts={"half_closed": "5s"})
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.send(b"x" * 1000)
    tunnel.half_close()
    assert tunnel.read_to_end() == (b"x" * 1000, Ending.CLOSE_NOTIFY)


@pytest.mark.protocols("h1")
def test_a_peer_that_never_ends_after_a_refusal_is_dropped(start):
    proxy = start(timeouts={"linger": SHORT})
    proxy.ask("warm.test:443")
    before = proxy.descriptors()
    with socket.create_connection(proxy.address) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400 ")
        proxy.wait_descriptors(before)


@pytest.mark.protocols("h1")
def test_a_client_that_does_not_read_its_refusal_is_dropped(start):
    proxy = start(timeouts={"linger": SHORT})
    proxy.ask("warm.test:443")
    before = proxy.descriptors()
    requester = proxy.connect()
    requester.send(b"junk\r\n\r\n")
    proxy.wait_descriptors(before)


@pytest.mark.parametrize("state", ["handshake", "request", "keepalive"])
def test_slow_clients_do_not_keep_others_waiting(start, state):
    proxy = start()
    slow = []
    for _ in range(100):
        requester = proxy.dial()
        if state == "handshake":
            requester.sock.sendall(requester.first_flight()[:10])
        elif state == "request":
            requester.handshake().send(b"CONN")
        else:
            requester.handshake().ask("nowhere.test:443")
        slow.append(requester)
    assert proxy.ask("nowhere.test:443").status == 403


def test_a_body_that_drips_is_a_408(start, dns, origin):
    """Each byte is in time for `idle`; a kilobyte a second it is not."""
    server = origin(silence)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), timeouts={"body": SHORT})
    requester = proxy.connect()
    requester.send(head("POST", url(server), "Content-Length: 1000"))
    is_over = threading.Event()
    dripper = threading.Thread(target=drip, args=(requester.send, b"x" * 1000, is_over))
    dripper.start()
    answer = PlainClient(requester).read()
    is_over.set()
    dripper.join()
    assert answer.status == 408 and "timeout" in answer.reason, answer
    proxy.audit.wait("close", reason="timeout", status=408)
    server.wait_idle()


def test_a_body_that_drips_after_the_answer_is_reset(start, dns, origin):
    """Nothing can be said any more, so that nobody takes it for an orderly end."""

    def habit(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
        silence(conn)

    server = origin(habit)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), timeouts={"body": SHORT})
    requester = proxy.connect()
    requester.send(head("POST", url(server), "Content-Length: 1000"))
    proxy.audit.wait("close", reason="timeout", status=200)
    assert requester.read_to_end()[1] is Ending.RESET


def test_a_body_that_the_target_holds_up_is_not_the_clients_fault(start, dns, origin):
    is_over = threading.Event()

    def habit(conn):
        conn.recv(10)
        is_over.wait(FAR_TOO_LONG)

    server = origin(habit)
    dns.addresses("origin.test", "127.0.0.1")
    timeouts = {"body": "100ms", "idle": "2s"}
    proxy = start(client(reach("origin.test", server.port)), timeouts=timeouts)
    requester = proxy.connect()
    requester.send(head("POST", url(server), "Content-Length: 1000000000"))
    with contextlib.suppress(ConnectionError):  # `idle` may come first
        requester.fill()
    closed = proxy.audit.wait("close")
    is_over.set()
    # `idle` has ended it, after twenty times as long.
    assert closed["reason"] == "timeout" and closed["status"] == 504, closed
    assert closed["ms"]["total"] >= 2000, closed


def test_a_reset_is_noticed_while_the_upload_is_blocked(start, dns, origin):
    """Nothing is read from the client then, and `idle` is five minutes."""
    is_over = threading.Event()

    def habit(conn):
        is_over.wait(FAR_TOO_LONG)

    server = origin(habit)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    before = proxy.descriptors()
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.fill()
    tunnel.reset()
    proxy.assert_closed(tunnel.id, "client_reset")
    proxy.wait_descriptors(before)
    is_over.set()


def test_a_reset_is_noticed_while_a_full_head_waits_for_dns(start, dns):
    """There is no room for more of what the client sends, so that nothing is read from it."""
    dns.reply("*.silent.test", is_silent=True)
    timeouts = {"resolve": "60s"}
    proxy = start(
        client(reach("*.silent.test", 443)), timeouts=timeouts, resolver={"timeout": "60s"}
    )
    requester = proxy.connect()
    requester.send(connect_head("full.silent.test:443") + b"x" * 20_000)
    dns.wait_asked("full.silent.test")
    requester.reset()
    proxy.audit.wait("close", reason="client_reset")
