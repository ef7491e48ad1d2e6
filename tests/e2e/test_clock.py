"""The wall clock jumps: it was set, or the machine has slept. What ends by it ends, and nothing else."""

import pytest

from support.clocks import Clock
from support.config import client, reach
from support.control import CONTROL, Control
from support.scale import IS_SMALL

ORIGIN = "origin.test"
DAY_S = 86400

pytestmark = pytest.mark.skipif(IS_SMALL, reason="the probe and a sanitizer both want to be loaded first")


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


@pytest.fixture
def proxy(start, dns, origin, clock, tmp_path):
    server = origin()
    dns.addresses(ORIGIN, "127.0.0.1")
    allowed = tmp_path / "allowed"
    allowed.write_text(f"{ORIGIN}\n")
    rule = reach(ORIGIN, server.port)
    rule["hosts"] = [{"file": str(allowed)}]
    proxy = start(client(rule), control=CONTROL, process={"environment": clock.environment})
    proxy.target, proxy.allowed = f"{ORIGIN}:{server.port}", allowed
    return proxy


@pytest.mark.protocols("h1", "h2")
def test_a_tunnel_ends_when_the_clock_jumps_over_the_end_of_its_certificate(proxy, clock, pki):
    short, long = pki.ca.leaf("ends-tomorrow", ends=1), pki.ca.leaf("ends-in-a-month", ends=30)
    ending = [proxy.tunnel(proxy.target, short) for _ in range(8)]
    staying = proxy.tunnel(proxy.target, long)
    clock.jump(2 * DAY_S)
    for tunnel in ending:
        proxy.assert_closed(tunnel.id, "expired")
    staying.echo(b"untouched")


@pytest.mark.protocols("h1", "h2")
def test_a_tunnel_whose_end_came_nearer_ends_then(proxy, clock, pki):
    tunnel = proxy.tunnel(proxy.target, pki.ca.leaf(f"ends-a-moment-later-{proxy.protocol}", ends=1))
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


def test_the_end_of_a_served_certificate_and_of_a_ca_is_told_when_it_comes(proxy, clock):
    clock.jump(28 * DAY_S)
    proxy.stderr.wait("listener main: the certificate CN=proxy.test expires in .* hours; renew it")
    clock.jump(3 * DAY_S)
    proxy.stderr.wait("listener main: the certificate CN=proxy.test has expired: clients go on")
    clock.jump(980 * DAY_S)
    proxy.stderr.wait("trust.staff: the CA CN=Clients CA has expired: nobody is accepted under it")
    certificates = Control(proxy).status()["certificates"]
    assert [entry for entry in certificates if entry["kind"] == "anchor"][0]["days_left"] < 0


def test_a_reload_that_goes_on_failing_is_told_every_hour_until_it_is_mended(proxy, clock):
    control = Control(proxy)
    assert control.status()["reloads"]["failing_since"] is None
    proxy.allowed.write_text("no host name!\n")
    proxy.stderr.wait("reload failed")
    since = control.status()["reloads"]["failing_since"]
    assert since and f"! what is on the disk is refused since {since}" in control.run("status").stdout
    clock.jump(3000)
    proxy.stderr.wait("the machine's clock was set")
    for _ in range(2):
        said = proxy.stderr.count()
        clock.jump(3601)
        assert proxy.stderr.wait("reload still fails, for .* minutes now: .*no host name", after=said)
    assert proxy.stderr.text().count("reload still fails") == 2
    assert control.status()["reloads"]["failing_since"] == since
    proxy.allowed.write_text(f"{ORIGIN}\n")
    proxy.stderr.wait("reloaded:")
    assert control.status()["reloads"]["failing_since"] is None
    said = proxy.stderr.count()
    clock.jump(3601)
    proxy.stderr.wait("the machine's clock was set", after=said)
    control.status()
    assert proxy.stderr.text().count("reload still fails") == 2
