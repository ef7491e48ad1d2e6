"""Bandwidth is shaped, not cut: every byte arrives, none too early, and tunnels share alike.

What is asserted about time is a lower bound that holds by construction (the rate, less what may come at
once), never how fast something has to be.
"""

import select
import threading
import time

import pytest

from support.config import client, reach
from support.origin import pattern_sha256, silence, source
from support.scale import PATIENCE
from support.wire import sha256

BURST_S = 0.05  # of the rate may come at once
PIECE = 64 * 1024  # more, for each tunnel


def shaped(port, name="alice", match=({"any": True},), **limits):
    return client(reach("origin.test", port), name=name, match=match, limits=limits)


def least_seconds(size, rate, tunnels=1):
    return (size - rate * BURST_S - PIECE * tunnels) / rate


@pytest.mark.protocols("h1", "h2")
def test_down_takes_as_long_as_the_rate_says_and_loses_nothing(start, dns, origin):
    size, rate = 600_000, 400_000
    server = origin(source(size))
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(shaped(server.port, bandwidth_down="400KB/s"))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    data, _ = tunnel.read_to_end()
    assert sha256(data) == pattern_sha256(size)
    tunnel.close()
    close = proxy.close_record(tunnel.id)
    assert close["bytes"]["down"] == size
    assert close["ms"]["total"] >= 1000 * least_seconds(size, rate)


@pytest.mark.protocols("h1", "h2")
def test_up_takes_as_long_as_the_rate_says_and_loses_nothing(start, dns, origin):
    size, rate = 600_000, 400_000
    server = origin()  # echoes: what comes back is not limited
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(shaped(server.port, bandwidth_up="400KB/s"))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    assert sha256(tunnel.exchange(size)) == pattern_sha256(size)
    tunnel.close()
    close = proxy.close_record(tunnel.id)
    assert close["bytes"] == {"up": size, "down": size}
    assert close["ms"]["total"] >= 1000 * least_seconds(size, rate)


def test_bytes_behind_the_head_are_paid_for_as_well(start, dns, origin):
    """A new connection for each few bytes gets nobody round the rate."""
    server = origin(silence)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(shaped(server.port, bandwidth_up="20KB/s"))
    early, rounds = b"x" * 8000, 6
    begun = time.monotonic()
    for _ in range(rounds):
        tunnel = proxy.connect()
        tunnel.ask(f"origin.test:{server.port}", early)
        tunnel.send(b"y")
        tunnel.half_close()
        tunnel.read_to_end()
        tunnel.close()
    # The last one had to wait until those before it were paid for.
    assert time.monotonic() - begun >= (rounds - 1) * len(early) / 20_000 - BURST_S


def test_tunnels_of_a_client_share_its_bandwidth_over_all_workers(start, dns, origin):
    """Eight tunnels on two workers: together no faster than the rate, and none left behind."""
    tunnels, rate, total = 8, 1_000_000, 1_600_000
    go = threading.Event()

    def habit(conn):
        assert go.wait(PATIENCE)
        source(10 * total)(conn)

    server = origin(habit)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(shaped(server.port, bandwidth_down="1MB/s"))
    opened = [proxy.tunnel(f"origin.test:{server.port}") for _ in range(tunnels)]
    server.wait_accepted(tunnels)
    begun = time.monotonic()
    go.set()
    received = read_together(opened, total)
    elapsed = time.monotonic() - begun
    assert sum(received) >= total
    assert elapsed >= least_seconds(total, rate, tunnels)
    assert min(received) >= max(received) / 2, received
    for tunnel in opened:
        tunnel.reset()


def read_together(tunnels, total):
    """Reads from all of them as bytes come, until there are `total`; gives how many each has."""
    received = [0] * len(tunnels)
    by_socket = {tunnel.sock: number for number, tunnel in enumerate(tunnels)}
    while sum(received) < total:
        readable, _, _ = select.select(list(by_socket), [], [], 20)
        assert readable, received
        for sock in readable:
            number = by_socket[sock]
            tunnels[number]._pull()
            received[number] += len(tunnels[number]._take_plain())
    return received


@pytest.mark.protocols("h1", "h2")
def test_a_reload_changes_the_rate_of_live_tunnels(start, dns, origin):
    """At the first rate it would take a quarter of an hour."""
    size = 16_000_000
    server = origin(source(size))
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(shaped(server.port, bandwidth_down="16KB/s"))
    tunnels = [proxy.tunnel(f"origin.test:{server.port}") for _ in range(4)]
    for tunnel in tunnels:
        assert tunnel.read()
    proxy.reload(shaped(server.port, bandwidth_down="100MB/s"))
    for tunnel in tunnels[:2]:
        data, _ = tunnel.read_to_end()
        assert len(data) > size / 2
    proxy.reload(shaped(server.port))
    for tunnel in tunnels[2:]:
        data, _ = tunnel.read_to_end()
        assert len(data) > size / 2


def test_a_tunnel_that_waits_for_its_share_is_not_idle(start, dns, origin):
    size = 12_000
    server = origin(source(size))
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(shaped(server.port, bandwidth_down="4KB/s", idle="300ms"))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    assert len(tunnel.read_to_end()[0]) == size
    tunnel.close()
    close = proxy.close_record(tunnel.id)
    assert close["reason"] in ("upstream_closed", "client_closed"), close
    assert close["ms"]["total"] > 1000


@pytest.mark.protocols("h1", "h2")
def test_the_other_direction_and_other_clients_are_not_shaped(start, dns, origin, pki):
    """One client has nothing left; the other moves a thousand times as much meanwhile."""
    size = 4_000_000
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        shaped(server.port, bandwidth_down="2KB/s", match=[{"cn": "slow"}]),
        shaped(server.port, name="bob"),
    )
    slow = proxy.tunnel(f"origin.test:{server.port}", pki.ca.leaf("slow"))
    slow.send(b"x" * 100_000)  # up: at once
    quick = proxy.tunnel(f"origin.test:{server.port}")
    assert len(quick.exchange(size)) == size
    quick.close()
    assert proxy.close_record(quick.id)["bytes"] == {"up": size, "down": size}
    slow.reset()
    close = proxy.close_record(slow.id)
    assert close["bytes"]["up"] == 100_000
    assert close["bytes"]["down"] < 100_000


def test_shaped_tunnels_cut_in_the_middle_leave_nothing(start, dns, origin):
    server = origin(source(10_000_000))
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(shaped(server.port, bandwidth_down="10KB/s", tunnels=20))
    proxy.ask("warm.test:443")
    before = proxy.descriptors()
    target = f"origin.test:{server.port}"
    for _ in range(3):
        tunnels = [proxy.tunnel(target) for _ in range(20)]
        for tunnel in tunnels:
            tunnel.reset()
        server.wait_idle()
        proxy.wait_descriptors(before)


def test_waiting_costs_no_processor_time(start, dns, origin):
    """Fifty tunnels that wait their turn for seconds: no loop is busy."""
    server = origin(source(10_000_000))
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(shaped(server.port, bandwidth_down="100KB/s"))
    tunnels = [proxy.tunnel(f"origin.test:{server.port}") for _ in range(50)]
    stop = threading.Event()
    reader = threading.Thread(target=drain, args=(tunnels, stop))
    reader.start()
    before, begun = proxy.cpu_seconds(), time.monotonic()
    server.wait_accepted(50)
    read_until(proxy, begun + 1.5)
    spent = proxy.cpu_seconds() - before
    elapsed = time.monotonic() - begun
    stop.set()
    reader.join()
    assert spent < 0.25 * elapsed
    for tunnel in tunnels:
        tunnel.reset()


def drain(tunnels, stop):
    sockets = [tunnel.sock for tunnel in tunnels]
    while not stop.is_set():
        for sock in select.select(sockets, [], [], 0.05)[0]:
            sock.recv(65536)


def read_until(proxy, deadline):
    while time.monotonic() < deadline:
        proxy.audit.records("decision")
        time.sleep(0.05)
