"""Waiting costs nothing: in no state does a peer make the loop spin."""

import re
import threading
import time

import pytest

from support.config import client, reach
from support.inner import hello
from support.origin import CHUNK, blackhole, silence
from support.scale import eventually
from support.wire import connect_head

# Seconds of watching, and how many of CPU may be used up in them.
WINDOW, ALLOWED = 1.0, 0.15


def never_reads(conn):
    threading.Event().wait(60)


def ends_and_listens(conn):
    conn.shutdown(1)
    silence(conn)


def floods(conn):
    while True:
        conn.sendall(bytes(CHUNK))


# The names of the targets, and what tunnels to them may carry.
INNER = {
    "origin.test": {"tls": "any"},
    "named.test": {"tls": "require"},
    "tls-only.test": {"tls": "any", "plain": "deny"},
}


class Waiting:
    """One proxy, and every way of making it wait for somebody."""

    def __init__(self, start, dns, origin, hole_port):
        self.dns = dns
        self.origin = origin
        self.hole_port = hole_port
        dns.reply("silent.test", is_silent=True)
        rules = [reach("silent.test", "any")]
        for name, inner in INNER.items():
            dns.addresses(name, "127.0.0.1")
            rules.append(reach(name, "any", inner=inner))
        rules.append({"addresses": ["127.0.0.1/32"], "ports": "any", "inner": {"tls": "require"}})
        patient = dict.fromkeys(["resolve", "attempt", "connect", "linger", "handshake", "inner"], "60s")
        self.proxy = start(client(*rules), timeouts={**patient, "drain": "1ms"})

    def tunnel(self, habit, host="origin.test"):
        return self.proxy.tunnel(f"{host}:{self.origin(habit).port}")

    def for_a_handshake(self):
        requester = self.proxy.dial()
        requester.sock.sendall(requester.first_flight()[:20])

    def for_a_request(self):
        self.proxy.connect()

    def for_the_rest_of_a_head(self):
        self.proxy.connect().send(b"CONN")

    def for_dns(self):
        self.proxy.connect().send(connect_head("silent.test:443"))
        self.dns.wait_asked("silent.test")

    def for_dns_when_the_client_has_ended(self):
        requester = self.proxy.connect().send(connect_head("silent.test:443"))
        requester.half_close()
        requester.fin()

    def for_dns_with_a_full_inbox(self):
        requester = self.proxy.connect()
        requester.sock.settimeout(0.3)
        try:
            requester.send(connect_head("silent.test:443") + bytes(10_000_000))
        except TimeoutError:
            pass

    def for_a_connect(self):
        self.proxy.connect().send(connect_head(f"origin.test:{self.hole_port}"))

    def for_a_connect_when_the_client_has_ended(self):
        requester = self.proxy.connect().send(connect_head(f"origin.test:{self.hole_port}"))
        requester.half_close()
        requester.fin()

    def for_either_side_of_a_tunnel(self):
        self.tunnel(silence)

    def for_the_target_when_the_client_has_ended(self):
        self.tunnel(never_reads).half_close()

    def for_the_target_when_the_client_has_ended_tcp_too(self):
        tunnel = self.tunnel(never_reads)
        tunnel.half_close()
        tunnel.fin()

    def for_the_client_when_the_target_has_ended(self):
        assert self.tunnel(ends_and_listens).read() == b""

    def for_a_client_that_does_not_read(self):
        self.tunnel(floods).read()

    def for_a_target_that_does_not_read(self):
        tunnel = self.tunnel(never_reads)
        tunnel.sock.settimeout(0.3)
        try:
            while True:
                tunnel.send(bytes(CHUNK))
        except TimeoutError:
            pass

    def for_a_target_that_does_not_read_when_the_client_has_ended(self):
        tunnel = self.tunnel(never_reads)
        tunnel.send(bytes(CHUNK))
        tunnel.half_close()
        tunnel.fin()

    def for_the_rest_of_a_hello_inside(self):
        self.tunnel(floods, "named.test").send(hello("named.test")[:100])

    def for_dns_about_the_name_inside(self):
        self.tunnel(floods, "127.0.0.1").send(hello("silent.test"))
        self.dns.wait_asked("silent.test")

    def for_dns_about_the_name_inside_when_the_client_has_ended(self):
        tunnel = self.tunnel(floods, "127.0.0.1").send(hello("silent.test"))
        tunnel.half_close()
        tunnel.fin()

    def for_the_target_when_the_client_has_ended_after_its_hello(self):
        self.tunnel(never_reads, "named.test").send(hello("named.test")).half_close()

    def for_the_target_when_the_client_has_ended_without_a_request(self):
        self.tunnel(never_reads, "tls-only.test").half_close()

    def for_the_end_after_a_refusal(self):
        self.proxy.connect().send(b"junk\r\n\r\n")


WAITS = [name for name in vars(Waiting) if name.startswith("for_")]
# All of them at once over HTTP/2, each on connections of its own, but for what only a connection can do.
OVER_HTTP2 = [name for name in WAITS if not re.search("head|inbox|tcp|refusal|client_has_ended$", name)]
OVER_HTTP2 += ["for_the_target_when_the_client_has_ended"]


@pytest.mark.parametrize(
    "protocol, waits",
    [*(pytest.param("h1", [wait], id=wait) for wait in WAITS), pytest.param("h2", OVER_HTTP2, id="all over HTTP/2")],
    indirect=["protocol"],
    scope="module",
)
def test_the_loop_does_not_spin_while_it_waits(start, dns, origin, waits):
    with blackhole() as hole_port:
        waiting = Waiting(start, dns, origin, hole_port)
        for wait in waits * 3:
            getattr(waiting, wait)()
        assert calm(waiting.proxy)
        # There may be live tunnels, and the drain is short: they are cut, which is said by 1.
        waiting.proxy.stop(expected=None)


def calm(proxy):
    """A window in which next to no CPU was used; what came before has to settle first."""
    last = [time.monotonic(), proxy.cpu_seconds()]

    def is_calm():
        if time.monotonic() - last[0] < WINDOW:
            return None
        used = proxy.cpu_seconds() - last[1]
        last[:] = time.monotonic(), proxy.cpu_seconds()
        return used < ALLOWED

    return eventually(is_calm, "the loop to be calm", patience=4 * WINDOW)
