"""What goes wrong: targets that do not answer, clients that leave at each stage. Each leaves a true
record behind, and no descriptor."""

import itertools
import socket
import threading

import pytest

from support.config import client, reach
from support.origin import blackhole, dead_port, reset_after, silence
from support.scale import count, eventually
from support.wire import connect_head

QUICK = {"attempt": "300ms", "connect": "600ms", "resolve": "600ms", "linger": "300ms"}


@pytest.mark.protocols("h1", "h2")
def test_a_refusing_target_is_a_502(start, dns):
    dns.addresses("dead.test", "127.0.0.1")
    with dead_port() as port:
        proxy = start(client(reach("dead.test", port)))
        requester = proxy.connect()
        answer = requester.ask(f"dead.test:{port}")
        assert answer.status == 502
        assert proxy.decision(answer.id)["decision"]["action"] == "allow"
        close = proxy.assert_closed(answer.id, "connect_failed", 502)
        assert close["upstream"] == {"address": "127.0.0.1", "port": port, "attempts": 1}
        assert close["bytes"] == {"up": 0, "down": 0}


@pytest.mark.protocols("h1", "h2")
def test_an_unreachable_target_is_a_502(start, dns):
    """An ordinary address, in a network that has none."""
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        pytest.skip("needs a network namespace of its own that has only lo")
    dns.addresses("far.test", "93.184.216.35")
    proxy = start(client({"hosts": ["far.test"]}))
    answer = proxy.ask("far.test:443")
    assert answer.status == 502
    proxy.assert_closed(answer.id, "connect_failed", 502)


@pytest.mark.protocols("h1", "h2")
def test_a_silent_target_is_a_504(start, dns):
    dns.addresses("hole.test", "127.0.0.1")
    with blackhole() as port:
        proxy = start(client(reach("hole.test", port)), timeouts=QUICK)
        answer = proxy.ask(f"hole.test:{port}")
        assert answer.status == 504
        close = proxy.close_record(answer.id)
        assert close["status"] == 504 and close["reason"] in ("connect_failed", "timeout")
        assert close["ms"]["connect"] >= 250


@pytest.mark.protocols("h1", "h2")
def test_the_next_address_is_tried_when_one_refuses(start, dns, origin):
    server = origin(address="127.0.0.3")
    dns.addresses("many.test", "127.0.0.2", "127.0.0.3")
    proxy = start(client(reach("many.test", server.port)))
    attempts = set()
    for _ in range(4):
        tunnel = proxy.tunnel(f"many.test:{server.port}")
        tunnel.echo(b"hello")
        tunnel.close()
        upstream = proxy.close_record(tunnel.id)["upstream"]
        assert upstream["address"] == "127.0.0.3"
        attempts.add(upstream["attempts"])
    assert attempts <= {1, 2}


def test_the_next_address_is_tried_when_one_is_silent(start, dns, origin):
    server = origin(address="127.0.0.3")
    dns.addresses("many.test", "127.0.0.2", "127.0.0.3")
    with blackhole("127.0.0.2", server.port):
        proxy = start(client(reach("many.test", server.port)), timeouts={"attempt": "300ms"})
        tunnel = proxy.tunnel(f"many.test:{server.port}")
        tunnel.echo(b"hello")


@pytest.mark.protocols("h1", "h2")
def test_the_other_family_is_tried(start, dns, origin):
    server = origin(address="127.0.0.1")
    dns.addresses("both.test", "::1", "127.0.0.1")
    rule = reach("both.test", server.port, addresses=["127.0.0.0/8", "::1/128"])
    proxy = start(client(rule))
    proxy.tunnel(f"both.test:{server.port}").echo(b"hello")


@pytest.mark.protocols("h1", "h2")
def test_after_a_failed_connect_the_connection_goes_on(start, dns, origin):
    server = origin()
    dns.addresses("dead.test", "127.0.0.1")
    dns.addresses("origin.test", "127.0.0.1")
    with dead_port() as port:
        proxy = start(client(reach("dead.test", port), reach("origin.test", server.port)))
        requester = proxy.connect()
        assert requester.ask(f"dead.test:{port}").status == 502
        requester.tunnel(f"origin.test:{server.port}")
        requester.echo(b"hello")


def test_200_at_once_to_a_dead_target_all_fail_and_leave_nothing(start, dns):
    dns.addresses("dead.test", "127.0.0.1")
    total = count(200, 60)
    with dead_port() as port:
        proxy = start(client(reach("dead.test", port)))
        proxy.ask("warm.test:443")
        before = proxy.descriptors()
        statuses = in_parallel(total, lambda: proxy.ask(f"dead.test:{port}").status)
        assert statuses == [502] * total
        proxy.audit.wait_count(total, "close", reason="connect_failed")
        proxy.wait_descriptors(before)


def test_200_at_once_to_a_silent_target_all_time_out_and_leave_nothing(start, dns):
    dns.addresses("hole.test", "127.0.0.1")
    total = count(200, 60)
    with blackhole() as port:
        proxy = start(client(reach("hole.test", port)), timeouts=QUICK)
        proxy.ask("warm.test:443")
        before = proxy.descriptors()
        statuses = in_parallel(total, lambda: proxy.ask(f"hole.test:{port}").status)
        assert statuses == [504] * total
        proxy.audit.wait_count(total, "close", status=504)
        proxy.wait_descriptors(before)


def in_parallel(total, work):
    results = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(total)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# -- clients that leave -------------------------------------------------------------------------


def leave_by_reset(requester):
    requester.reset()


def leave_by_fin(requester):
    requester.sock.close()


def leave_politely(requester):
    requester.close()


LEAVING = {"reset": leave_by_reset, "fin": leave_by_fin, "close_notify": leave_politely}
each_way = pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())


numbers = itertools.count()


class Stage:
    """A proxy with everything a client can be waiting for when it leaves."""

    def __init__(self, start, dns, origin, hole_port):
        self.dns = dns
        self.server = origin(silence)
        dns.addresses("origin.test", "127.0.0.1")
        dns.addresses("hole.test", "127.0.0.1")
        dns.reply("*.silent.test", is_silent=True)
        self.hole_port = hole_port
        self.proxy = start(
            client(
                reach("origin.test", self.server.port),
                reach("hole.test", hole_port),
                reach("*.silent.test", 443),
            ),
            # Who ends politely may still want the answer, so that these are waited for.
            timeouts={"attempt": "2s", "connect": "2s", "resolve": "2s"},
        )
        self.proxy.ask("warm.test:443")

    def in_handshake(self):
        requester = self.proxy.dial()
        requester.sock.sendall(requester.first_flight())
        requester.sock.recv(1)
        return requester

    def in_hello(self):
        requester = self.proxy.dial()
        requester.sock.sendall(requester.first_flight()[:50])
        return requester

    def before_head(self):
        return self.proxy.connect()

    def in_head(self):
        return self.proxy.connect().send(connect_head("origin.test:443")[:20])

    def in_resolve(self):
        name = f"{next(numbers)}.silent.test"  # a question under way is not asked a second time
        requester = self.proxy.connect().send(connect_head(f"{name}:443"))
        self.dns.wait_asked(name)
        return requester

    def in_dial(self):
        decided = len(self.proxy.audit.records("decision"))
        target = f"hole.test:{self.hole_port}"
        requester = self.proxy.connect().send(connect_head(target))
        eventually(lambda: len(self.proxy.audit.records("decision")) > decided, "the decision")
        return requester

    def in_tunnel(self):
        return self.proxy.tunnel(f"origin.test:{self.server.port}")

    def in_transfer(self):
        requester = self.in_tunnel()
        requester.send(b"x" * 100_000)
        return requester


STAGES = [name for name in vars(Stage) if not name.startswith("__")]


@each_way
@pytest.mark.protocols("h1", "h2")
@pytest.mark.parametrize("stage", STAGES)
def test_a_client_that_leaves_takes_everything_with_it(start, dns, origin, stage, leave):
    with blackhole() as hole_port:
        theatre = Stage(start, dns, origin, hole_port)
        before = theatre.proxy.descriptors()
        for _ in range(count(10, 4)):
            leave(getattr(theatre, stage)())
        theatre.proxy.wait_descriptors(before)
        theatre.server.wait_idle()
        theatre.proxy.stop()  # which checks that every decision has its close


def test_leaving_before_the_head_leaves_no_record(start):
    proxy = start()
    proxy.connect().close()
    proxy.connect().reset()
    proxy.ask("warm.test:443")
    proxy.stop()
    assert len(proxy.audit.records()) == 2


def test_leaving_the_handshake_is_recorded_as_aborted(start):
    """Browsers do it while somebody picks a certificate; it is no failed authentication."""
    proxy = start()
    requester = proxy.dial()
    requester.sock.sendall(requester.first_flight())
    requester.sock.recv(1)
    requester.sock.close()
    record = proxy.audit.wait("handshake_refused")
    assert record["reason"] == "client_aborted"


@pytest.mark.protocols("h1", "h2")
def test_an_answer_that_arrives_after_the_client_left_harms_nobody(start, dns, origin):
    server = origin()
    released = dns.hold("late.test", "127.0.0.1")
    proxy = start(client(reach("late.test", server.port)))
    gone = proxy.connect().send(connect_head(f"late.test:{server.port}"))
    dns.wait_asked("late.test")
    gone.reset()
    record = proxy.audit.wait("close")
    assert record["upstream"] is None
    released.set()
    dns.addresses("late.test", "127.0.0.1")
    proxy.tunnel(f"late.test:{server.port}").echo(b"hello")
    assert server.accepted == 1


def test_a_hundred_resets_of_the_target_leave_nothing(start, dns, origin):
    server = origin(reset_after(1))
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    proxy.ask("warm.test:443")
    before = proxy.descriptors()

    def one():
        tunnel = proxy.tunnel(f"origin.test:{server.port}")
        tunnel.send(b"x")
        return tunnel.read_to_end()[1].value

    total = count(100, 30)
    assert in_parallel(total, one) == ["reset"] * total
    proxy.audit.wait_count(total, "close", reason="upstream_reset")
    proxy.wait_descriptors(before)


def test_without_descriptors_the_proxy_lives_and_recovers(start, dns, origin):
    """It stops accepting for a moment instead of spinning or dying."""
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    import resource

    proxy = start(
        client(reach("origin.test", server.port)),
        process={"limits": (resource.RLIMIT_NOFILE, (64, 64))},
    )
    crowd = [socket.create_connection(proxy.address, 20) for _ in range(100)]
    for sock in crowd:
        sock.close()
    eventually(lambda: proxy.descriptors() < 40, "the crowd to be gone")
    proxy.tunnel(f"origin.test:{server.port}").echo(b"hello")
