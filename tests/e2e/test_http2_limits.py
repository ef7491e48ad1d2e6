"""What a client may use is the same, whether its requests are streams of one connection or of several."""

import time

import pytest

from support.config import client, reach
from support.http2 import Http2
from support.origin import echo, pattern_sha256, source
from support.wire import sha256


@pytest.fixture
def sessions(start, dns, origin):
    """Makes (connections, proxy, target) for a client that has these limits."""

    def make(total, habit=echo, **limits):
        server = origin(habit)
        dns.addresses("origin.test", "127.0.0.1")
        proxy = start(client(reach("origin.test", server.port), limits=limits))
        opened = [Http2(proxy.connect(alpn=("h2",))) for _ in range(total)]
        return opened, proxy, f"origin.test:{server.port}"

    return make


def connect_all(opened, target, total):
    """`total` CONNECTs, in turn on each of the connections; every head is sent before any answer is read."""
    return [opened[number % len(opened)].connect(target) for number in range(total)]


def refused_for(streams, reason):
    """Those that were not allowed. Each was refused for this reason."""
    refused = [stream for stream in streams if stream.status != 200]
    assert all(stream.status == 429 for stream in refused)
    assert all(f'details="{reason}' in stream.fields["proxy-status"] for stream in refused)
    return refused


@pytest.mark.parametrize("connections", [1, 4])
def test_as_many_streams_are_tunnels_as_the_limit_says(sessions, connections):
    opened, proxy, target = sessions(connections, tunnels=5)
    streams = connect_all(opened, target, 12)
    assert len(refused_for(streams, "limit_tunnels")) == 7
    tunnel = next(stream for stream in streams if stream.status == 200)
    tunnel.cancel()  # makes room for exactly one
    proxy.audit.wait("close", reason="client_reset")
    assert len(refused_for(connect_all(opened, target, 4), "limit_tunnels")) == 3


def test_the_limit_of_the_whole_proxy_counts_streams(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), limits={"tunnels": 5})
    opened = [Http2(proxy.connect(alpn=("h2",)))]
    streams = connect_all(opened, f"origin.test:{server.port}", 12)
    assert len(refused_for(streams, "limit_proxy_tunnels")) == 7


def test_streams_are_no_sessions(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), workers=1, limits={"sessions": 5})
    opened = [Http2(proxy.connect(alpn=("h2",)))]
    assert not refused_for(connect_all(opened, f"origin.test:{server.port}", 12), "none")


@pytest.mark.parametrize("connections", [1, 4])
def test_new_streams_get_a_burst_and_then_the_rate(sessions, connections):
    opened, _, target = sessions(connections, new_tunnels="2/s", burst=5)
    begun = time.monotonic()
    streams = connect_all(opened, target, 20)
    admitted = 20 - len(refused_for(streams, "limit_new_tunnels"))
    assert 5 <= admitted <= 5 + 2 * (time.monotonic() - begun) + 1


@pytest.mark.parametrize("connections", [1, 2])
def test_streams_of_a_client_share_its_bandwidth(sessions, connections):
    size, rate, total = 400_000, 1_000_000, 4
    burst = 0.05 * rate + 64 * 1024 * total  # may come at once
    begun = time.monotonic()
    opened, _, target = sessions(connections, habit=source(size), bandwidth_down="1MB/s")
    for stream in connect_all(opened, target, total):
        assert stream.status == 200
        assert sha256(stream.read_to_end()[0]) == pattern_sha256(size)
    assert time.monotonic() - begun >= (total * size - burst) / rate
