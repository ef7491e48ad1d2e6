"""The sidecar over HTTP/2: which tunnels share a connection to the proxy, and what the end of one means for the others.

What is the same over both protocols is in test_sidecar.py.
"""

import contextlib
import shutil
import signal
import socket
import threading

import pytest

from support.config import client, reach
from support.origin import echo_after_end, noting_end, reset
from support.scale import PATIENCE, count, eventually
from support.sidecar import Sidecar, read_head, read_to_end, stop_all

ALLOW = client(reach("origin.test", "any"))


@pytest.fixture
def sidecar(pki, dns):
    """Starts sidecars; at the end of the test each is stopped and its run checked."""
    started = []
    dns.addresses("proxy.test", "127.0.0.1")
    dns.addresses("origin.test", "127.0.0.1")

    def start_one(proxy, *options, identity=None):
        options = ["--resolver", dns.endpoint, *options]
        started.append(Sidecar(pki, f"https://proxy.test:{proxy.address[1]}", identity, options))
        return started[-1].wait_ready()

    yield start_one
    stop_all(started)


def listener(proxy, **changes):
    return [{**proxy.config["listeners"][0], **changes}]


def echo(sock, text=b"there and back"):
    sock.sendall(text)
    got = b""
    while len(got) < len(text):
        more = sock.recv(65536)
        assert more, "ended"
        got += more
    assert got == text


def tunnels(stack, one, target, number):
    return [stack.enter_context(one.tunnel(f"origin.test:{target.port}")) for _ in range(number)]


def sessions(proxy, number):
    """Protocol and connection of the first decisions."""
    records = proxy.audit.wait_count(number, "decision")
    return [(each["request"]["protocol"], each["session"]) for each in records]


def test_tunnels_are_spread_over_the_connections_and_all_carry_bytes(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    one = sidecar(proxy, "--connections", 3)
    with contextlib.ExitStack() as stack:
        for sock in tunnels(stack, one, target, 30):
            echo(sock)
    told = sessions(proxy, 30)
    assert {protocol for protocol, _ in told} == {"h2"}
    assert len({session for _, session in told}) == 3


def test_one_after_the_other_they_use_one_connection(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    one = sidecar(proxy)
    for _ in range(5):
        with one.tunnel(f"origin.test:{target.port}") as sock:
            echo(sock)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
    assert len(set(sessions(proxy, 5))) <= 2


def test_plain_requests_and_a_sidecar_that_shall_not_keep_to_http_1(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    answer = sidecar(proxy).say(
        b"GET http://sallyport.internal/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith("HTTP/1.1 200 ")
    sidecar(proxy, "--http2", "off").ask(f"origin.test:{target.port}")
    assert [protocol for protocol, _ in sessions(proxy, 2)] == ["h1", "h1"]


def test_a_proxy_without_http_2_is_used_over_http_1(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    proxy.reload(listeners=listener(proxy, http2=False))
    one = sidecar(proxy)
    with contextlib.ExitStack() as stack:
        for sock in tunnels(stack, one, target, 3):
            echo(sock)
    assert {protocol for protocol, _ in sessions(proxy, 3)} == {"h1"}


def test_beyond_the_streams_that_the_proxy_allows_tunnels_have_connections_of_their_own(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    proxy.reload(listeners=listener(proxy, http2={"streams": 2}))
    one = sidecar(proxy, "--connections", 2)
    with contextlib.ExitStack() as stack:
        for sock in tunnels(stack, one, target, 8):
            echo(sock)
    told = [protocol for protocol, _ in sessions(proxy, 8)]
    assert told.count("h2") == 4 and told.count("h1") == 4


def test_a_refusal_keeps_the_connection_unless_something_has_followed(start, sidecar):
    proxy = start(ALLOW)
    one = sidecar(proxy)
    request = b"CONNECT denied.test:443 HTTP/1.1\r\nHost: denied.test\r\n\r\n"
    answer = one.say(request + b"early")
    assert answer.startswith("HTTP/1.1 403 Denied: no_rule for workers (id ")
    assert "connection: close" in answer and answer.endswith("\n")
    with one.dial() as sock:
        for _ in range(3):
            sock.sendall(request)
            status, fields = read_head(sock)
            assert status.startswith("HTTP/1.1 403 Denied: no_rule")
            assert sock.recv(int(fields["Content-Length"]))


def test_a_connection_that_is_killed_resets_its_own_tunnels_and_the_next_go_over_another(start, sidecar, origin):
    proxy, target = start(ALLOW), origin()
    one = sidecar(proxy, "--connections", 1)
    with contextlib.ExitStack() as stack:
        socks = tunnels(stack, one, target, 5)
        for sock in socks:
            echo(sock)
        proxy.reload(clients=[])  # ends every session of this client
        for sock in socks:
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
    proxy.reload(ALLOW)
    with one.tunnel(f"origin.test:{target.port}") as sock:
        echo(sock)


def test_a_client_that_does_not_read_stops_no_other_tunnel_of_its_connection(start, sidecar, origin):
    def flood(conn):
        with contextlib.suppress(OSError):
            while True:
                conn.sendall(bytes(65536))

    proxy, bulk, target = start(ALLOW), origin(flood), origin()
    one = sidecar(proxy, "--connections", 1)
    with one.tunnel(f"origin.test:{bulk.port}"), one.tunnel(f"origin.test:{target.port}") as sock:
        for _ in range(50):
            echo(sock, bytes(1000))


def test_a_renewed_certificate_gets_connections_of_its_own_and_tunnels_go_on(pki, start, sidecar, origin, tmp_path):
    proxy, target = start(ALLOW), origin()

    class Files:
        chain, key = str(tmp_path / "me.crt"), str(tmp_path / "me.key")

    def put(leaf):
        shutil.copy(leaf.chain, Files.chain)
        shutil.copy(leaf.key, Files.key)

    put(pki.worker)
    one = sidecar(proxy, identity=Files)
    with one.tunnel(f"origin.test:{target.port}") as old:
        echo(old)
        put(pki.ca.leaf("worker-renewed"))
        assert one.stderr.wait("renewed: ")
        with one.tunnel(f"origin.test:{target.port}") as new:
            echo(new)
            echo(old)
    names = [record["client"]["cn"] for record in proxy.audit.wait_count(2, "decision")]
    assert names == ["worker-1", "worker-renewed"]


def test_when_the_proxy_drains_tunnels_go_on_and_new_ones_go_elsewhere(start, sidecar, origin):
    first, second, target = start(ALLOW), start(ALLOW), origin()
    one = sidecar(first, "--proxy", f"https://proxy.test:{second.address[1]}")
    with one.tunnel(f"origin.test:{target.port}") as sock:
        echo(sock)
        first.send_signal(signal.SIGTERM)
        eventually(lambda: one.ask(f"origin.test:{target.port}")[0].split()[1] == "200"
                   and second.audit.records("decision"), "the second proxy to be used")
        echo(sock)
    assert first.wait_exit() == 0


def test_half_closes_and_resets_are_exact_in_both_directions(start, sidecar, origin):
    ended = []
    proxy, target, half = start(ALLOW), origin(noting_end(ended)), origin(echo_after_end)
    one = sidecar(proxy, "--connections", 1)
    with one.tunnel(f"origin.test:{target.port}") as kept, one.tunnel(f"origin.test:{half.port}") as sock:
        sock.sendall(b"said")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == "said"
        with one.tunnel(f"origin.test:{target.port}") as resetting:
            resetting.sendall(b"x")
            reset(resetting)
        eventually(lambda: ended == ["reset"], lambda: ended)
        kept.shutdown(socket.SHUT_WR)
        assert kept.recv(1) == b""
    assert ended == ["reset", "fin"]


def wait_for_more(proxy):
    many = len(proxy.audit.records("decision")) + 10
    eventually(lambda: len(proxy.audit.records("decision")) >= many, "more decisions")


def test_tunnels_come_and_go_while_the_proxy_is_killed_and_comes_back(start, sidecar, origin):
    """No answer is wrong, no tunnel hangs, and all of them work again in the end."""
    target, proxy = origin(), start(ALLOW)
    one = sidecar(proxy, "--retry-for", "1m")
    is_over, wrong = threading.Event(), []

    def come_and_go(number):
        text = b"%d " % number * 100
        while not is_over.is_set():
            try:
                with one.tunnel(f"origin.test:{target.port}") as sock:
                    for _ in range(3):
                        echo(sock, text)
            except ConnectionResetError:
                continue
            except AssertionError as problem:
                if "502" not in str(problem) and "503" not in str(problem):
                    wrong.append(problem)

    threads = [threading.Thread(target=come_and_go, args=(n,)) for n in range(count(8, 4))]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            wait_for_more(proxy)
            proxy.reload()
            place = listener(proxy, address=f"127.0.0.1:{proxy.address[1]}")
            proxy.crash()
            proxy.is_audit_whole = False
            proxy._is_checked = True  # it was killed: there is nothing more to be checked
            proxy = start(ALLOW, listeners=place)
        wait_for_more(proxy)
    finally:
        is_over.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not wrong and not any(thread.is_alive() for thread in threads)
    with one.tunnel(f"origin.test:{target.port}") as sock:
        echo(sock)
