"""Bytes through a tunnel: all of them, in order, both ways, and each way of ending kept apart."""

import hashlib
import socket
import threading

import pytest

from support.config import client, reach
from support.origin import (
    CHUNK,
    both_ways,
    echo_after_end,
    pattern,
    pattern_sha256,
    reset,
    reset_after,
    silence,
    source,
)
from support.scale import count, eventually
from support.wire import Ending, connect_head, sha256

pytestmark = pytest.mark.protocols("h1", "h2")

MIB = 1024 * 1024


@pytest.fixture
def tunnel_to(start, dns, origin):
    """Makes a tunnel to an origin of some habit; gives the client, the proxy and the origin."""

    def make(habit=None, **changes):
        server = origin(habit) if habit else origin()
        dns.addresses("origin.test", "127.0.0.1")
        proxy = start(client(reach("origin.test", server.port)), **changes)
        tunnel = proxy.tunnel(f"origin.test:{server.port}")
        return tunnel, proxy, server

    return make


@pytest.mark.parametrize("size", [1, 2, 255, 16383, 16384, 16385, 65536, MIB])
def test_what_goes_in_comes_out(tunnel_to, size):
    tunnel, proxy, _ = tunnel_to(echo_after_end)
    data = b"".join(pattern(size))
    tunnel.send(data)
    tunnel.half_close()
    assert tunnel.read_to_end() == (data, Ending.CLOSE_NOTIFY)
    close = proxy.close_record(tunnel.id)
    assert close["bytes"] == {"up": size, "down": size}


def test_many_small_pieces_stay_in_order(tunnel_to):
    tunnel, _, _ = tunnel_to()
    pieces = [f"{number:05d}".encode() for number in range(2000)]
    for piece in pieces:
        tunnel.send(piece)
    assert tunnel.read_exactly(10_000) == b"".join(pieces)


def test_64_mib_each_way_at_once_arrive_intact(tunnel_to):
    size = count(64 * MIB, 8 * MIB)
    tunnel, proxy, _ = tunnel_to(both_ways(size))
    received = tunnel.exchange(size)
    assert tunnel.ending is Ending.CLOSE_NOTIFY
    assert sha256(received[:size]) == pattern_sha256(size, seed=1)
    assert received[size:].decode() == pattern_sha256(size), "what reached the origin"
    close = proxy.close_record(tunnel.id)
    assert close["bytes"] == {"up": size, "down": size + 64}


def test_a_slow_reader_gets_every_byte(tunnel_to):
    size = count(32 * MIB, 4 * MIB)
    tunnel, _, server = tunnel_to(source(size))
    tunnel.read_exactly(1)
    digest = hashlib.sha256(next(pattern(1)))
    left = size - 1
    while data := tunnel.read():
        digest.update(data)
        left -= len(data)
    assert left == 0 and digest.hexdigest() == pattern_sha256(size)
    assert tunnel.ending is Ending.CLOSE_NOTIFY
    server.wait_idle()


def test_a_reader_that_stops_does_not_make_the_proxy_gather(tunnel_to):
    """Nothing is read from the target that the client does not take."""
    sent = []

    def flood(conn):
        for chunk in pattern(512 * MIB):
            conn.sendall(chunk)
            sent.append(len(chunk))

    tunnel, proxy, _ = tunnel_to(flood)
    before = proxy.resident()
    tunnel.read_exactly(1)
    standstill(sent)
    assert sum(sent) < 64 * MIB, "the proxy took far more than sockets hold"
    assert proxy.resident() - before < 16 * MIB
    tunnel.reset()
    proxy.assert_closed(tunnel.id, "client_reset")


def standstill(sent):
    """Returns once the sender has stopped making progress."""
    last = [-1, 0]

    def is_still():
        last[1] = last[1] + 1 if last[0] == len(sent) else 0
        last[0] = len(sent)
        return last[1] > 60

    eventually(is_still, "the sender to be blocked")


def test_the_client_may_end_its_direction_first(tunnel_to):
    tunnel, proxy, _ = tunnel_to(echo_after_end)
    tunnel.send(b"question")
    tunnel.half_close()
    assert tunnel.read_to_end() == (b"question", Ending.CLOSE_NOTIFY)
    proxy.assert_closed(tunnel.id, "client_closed")


def test_the_target_may_end_its_direction_first(tunnel_to):
    got = []
    is_over = threading.Event()

    def end_then_listen(conn):
        conn.sendall(b"answer first")
        conn.shutdown(socket.SHUT_WR)
        while data := conn.recv(CHUNK):
            got.append(data)
        is_over.set()

    tunnel, proxy, _ = tunnel_to(end_then_listen)
    assert tunnel.read_to_end() == (b"answer first", Ending.CLOSE_NOTIFY)
    tunnel.send(b"still ")
    tunnel.send(b"here")
    tunnel.half_close()
    assert is_over.wait(20)
    assert b"".join(got) == b"still here"
    close = proxy.assert_closed(tunnel.id, "upstream_closed")
    assert close["bytes"] == {"up": 10, "down": 12}


def test_a_reset_of_the_target_resets_the_client(tunnel_to):
    """It never becomes a clean end: half a download must not look like a whole one."""
    tunnel, proxy, _ = tunnel_to(reset_after(5))
    tunnel.send(b"hello")
    assert tunnel.read_to_end()[1] is Ending.RESET
    proxy.assert_closed(tunnel.id, "upstream_reset")


def test_a_reset_at_once_is_no_clean_end_either(start, dns, origin):
    server = origin(reset_after(0))
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    requester = proxy.connect()
    answer = requester.ask(f"origin.test:{server.port}")
    if answer.status == 200:
        assert requester.read_to_end()[1] is Ending.RESET
        proxy.assert_closed(answer.id, "upstream_reset")
    else:
        assert answer.status == 502
        proxy.assert_closed(answer.id, "connect_failed", 502)


def test_a_reset_in_the_middle_of_a_download_is_no_clean_end(tunnel_to):
    def half_a_file(conn):
        conn.sendall(b"x" * 100_000)
        conn.recv(1)
        reset(conn)

    tunnel, proxy, _ = tunnel_to(half_a_file)
    tunnel.read_exactly(100_000)
    tunnel.send(b"x")
    assert tunnel.read_to_end()[1] is Ending.RESET
    proxy.assert_closed(tunnel.id, "upstream_reset")


def test_a_reset_of_the_client_resets_the_target(tunnel_to):
    endings = []
    is_over = threading.Event()

    def listen(conn):
        try:
            silence(conn)
            endings.append("end")
        except ConnectionResetError:
            endings.append("reset")
        is_over.set()

    tunnel, proxy, _ = tunnel_to(listen)
    tunnel.reset()
    assert is_over.wait(20)
    assert endings == ["reset"]
    proxy.assert_closed(tunnel.id, "client_reset")


@pytest.mark.protocols("h1")
def test_a_fin_while_the_name_is_resolved_is_passed_on_and_the_request_answered(start, dns, origin):
    """Without close_notify: recorded as truncated, as it is in a tunnel."""
    server = origin(echo_after_end)
    released = dns.hold("truncated.test", "127.0.0.1")
    proxy = start(client(reach("truncated.test", server.port)))
    requester = proxy.connect()
    requester.send(connect_head(f"truncated.test:{server.port}") + b"said early")
    dns.wait_asked("truncated.test")
    requester.fin()
    released.set()
    answer = requester.read_answer()
    assert answer.status == 200
    assert requester.read_to_end() == (b"said early", Ending.CLOSE_NOTIFY)
    proxy.assert_closed(answer.id, "client_truncated")
    server.wait_idle()


@pytest.mark.protocols("h1")
def test_a_client_that_ends_without_close_notify_is_recorded_as_truncated(tunnel_to):
    tunnel, proxy, server = tunnel_to(echo_after_end)
    tunnel.send(b"cut")
    tunnel.fin()
    data, ending = tunnel.read_to_end()
    assert data == b"cut", "the end was passed on, and the answer came back"
    assert ending is Ending.CLOSE_NOTIFY
    proxy.assert_closed(tunnel.id, "client_truncated")
    server.wait_idle()


def test_a_broken_record_resets_the_target(tunnel_to):
    endings = []
    is_over = threading.Event()

    def listen(conn):
        try:
            silence(conn)
            endings.append("end")
        except ConnectionResetError:
            endings.append("reset")
        is_over.set()

    tunnel, proxy, _ = tunnel_to(listen)
    sealed = bytearray(tunnel.seal(b"hello"))
    sealed[-1] ^= 1
    tunnel.sock.sendall(sealed)
    assert is_over.wait(20)
    assert endings == ["reset"]
    assert proxy.close_record(tunnel.id)["reason"] in ("client_reset", "client_truncated")


def test_what_the_client_sent_before_its_end_reaches_a_slow_target(tunnel_to):
    """The end is passed on after the last byte, not before it."""
    may_read = threading.Event()
    got = hashlib.sha256()
    is_over = threading.Event()

    def late(conn):
        may_read.wait(20)
        while data := conn.recv(CHUNK):
            got.update(data)
        is_over.set()

    tunnel, _, _ = tunnel_to(late)
    size = 4 * MIB
    sender = threading.Thread(target=send_and_end, args=(tunnel, size))
    sender.start()
    may_read.set()
    sender.join()
    assert is_over.wait(20)
    assert got.hexdigest() == pattern_sha256(size)


def send_and_end(tunnel, size):
    for chunk in pattern(size):
        tunnel.send(chunk)
    tunnel.half_close()


def test_two_tunnels_of_one_client_do_not_disturb_each_other(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    first, second = (proxy.tunnel(f"origin.test:{server.port}") for _ in range(2))
    first.echo(b"one")
    second.echo(b"two")
    first.reset()
    second.echo(b"three")
    assert first.id != second.id


@pytest.mark.protocols("h1")
def test_a_tunnel_carries_tls_records_of_its_own_uncoalesced(tunnel_to):
    """git and apt stall when one outer record carries the end of one inner record and the start
    of the next, so inner records never share an outer one."""
    inner = [bytes.fromhex("170303") + size.to_bytes(2, "big") + b"x" * size for size in SIZES]

    def send_records(conn):
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conn.sendall(b"".join(inner))
        silence(conn)

    tunnel, _, _ = tunnel_to(send_records)
    total = sum(map(len, inner))
    ends = inner_ends(inner)
    at = 0
    while at < total:
        piece = tunnel.read()  # one outer record at most
        crossed = [end for end in ends if at < end < at + len(piece)]
        assert not crossed, f"an outer record of {len(piece)} bytes at {at} spans {crossed}"
        at += len(piece)


SIZES = [1, 17, 500, 1300, 16401, 4000, 5, 16000, 2, 9000] * 20


def inner_ends(inner):
    ends, at = set(), 0
    for record in inner:
        at += len(record)
        ends.add(at)
    return ends


def test_bytes_that_only_look_like_tls_pass_unchanged(tunnel_to):
    tunnel, _, _ = tunnel_to()
    too_long = b"\x16\x03\x01\xff\xff" + b"a" * 100
    for data in (too_long, b"\x17\x03\x03\x00\x00" * 50, b"\x16", b"\x17\x03"):
        tunnel.echo(data)


def test_a_worker_that_looks_before_it_sleeps_serves_the_same_over_reloads(tunnel_to):
    tunnel, proxy, _ = tunnel_to(busy_poll="1ms")
    for value in ("50us", "0us", "1ms", "1ms"):
        for number in range(20):
            tunnel.send(f"{number:05d}".encode())
            assert tunnel.read_exactly(5) == f"{number:05d}".encode()
        proxy.reload(busy_poll=value)


@pytest.mark.protocols("h1")
def test_tunnels_are_spread_over_the_workers(tunnel_to):
    """The kernel alone would give one of four 7 of 40 and another 14, say."""
    first, proxy, server = tunnel_to(workers=4)
    tunnels = [first, *(proxy.tunnel(f"origin.test:{server.port}") for _ in range(39))]
    spread = proxy.connections_of_loops()
    assert len(spread) == 4 and sum(spread) == len(tunnels)
    assert max(spread) - min(spread) <= 3, spread
    for tunnel in tunnels:
        tunnel.echo(b"wherever it is")
