"""The wall clock jumps: it was set, or the machine has slept. What ends by it ends, and nothing else."""

import pytest

from support.clocks import Clock
from support.config import client, reach
from support.scale import IS_SMALL

ORIGIN = "origin.test"
DAY_S = 86400

pytestmark = pytest.mark.skipif(IS_SMALL, reason="the probe and a sanitizer both want to be loaded first")


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


@pytest.fixture
def proxy(start, dns, origin, clock):
    server = origin()
    dns.addresses(ORIGIN, "127.0.0.1")
    proxy = start(
        client(reach(ORIGIN, server.port)), process={"environment": clock.environment}
    )
    proxy.target = f"{ORIGIN}:{server.port}"
    return proxy


def test_a_tunnel_ends_when_the_clock_jumps_over_the_end_of_its_certificate(proxy, clock, pki):
    short, long = pki.ca.leaf("ends-tomorrow", ends=1), pki.ca.leaf("ends-in-a-month", ends=30)
    ending = [proxy.tunnel(proxy.target, short) for _ in range(8)]
    staying = proxy.tunnel(proxy.target, long)
    clock.jump(2 * DAY_S)
    for tunnel in ending:
        proxy.assert_closed(tunnel.id, "expired")
    staying.echo(b"untouched")


def test_a_tunnel_whose_end_came_nearer_ends_then(proxy, clock, pki):
    tunnel = proxy.tunnel(proxy.target, pki.ca.leaf("ends-a-moment-later", ends=1))
    clock.jump(DAY_S - 4)
    proxy.stderr.wait("the machine's clock was set")
    tunnel.echo(b"still good")
    proxy.assert_closed(tunnel.id, "expired")


def test_a_clock_that_is_set_back_a_little_ends_nothing(proxy, clock, pki):
    tunnel = proxy.tunnel(proxy.target, pki.ca.leaf("ends-tomorrow", ends=1))
    clock.jump(-600)
    proxy.stderr.wait("the machine's clock was set")
    tunnel.echo(b"untouched")
    said = proxy.stderr.count()
    clock.jump(2 * DAY_S)
    proxy.stderr.wait("the machine's clock was set", after=said)
    proxy.assert_closed(tunnel.id, "expired")
