"""A thousand at once: every tunnel works, every one is recorded, none leaves anything behind."""

import resource
import socket
import threading

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.origin import echo_after_end, silence
from support.scale import IS_SMALL, count, eventually, spread


def test_a_thousand_tunnels_in_parallel(start, dns, origin):
    total = count(1000, 200)
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    proxy.ask("warm.test:443")
    before = proxy.descriptors()
    target = f"origin.test:{server.port}"

    tunnels = [None] * total

    def open_one(number):
        tunnels[number] = proxy.tunnel(target)

    spread(total, open_one)
    server.wait_accepted(total)
    assert server.live == total
    spread(total, lambda number: tunnels[number].echo(f"tunnel {number}".encode() * 50))
    spread(total, lambda number: tunnels[number].close())

    server.wait_idle()
    proxy.wait_descriptors(before)
    decisions = proxy.audit.wait_count(total, "decision", decision__action="allow")
    closes = proxy.audit.wait_count(total, "close", status=200)
    assert {record["id"] for record in decisions} == {record["id"] for record in closes}
    assert {record["reason"] for record in closes} == {"client_closed"}
    assert not proxy.audit.records("records_lost")


def test_a_thousand_short_tunnels_one_after_the_other(start, dns, origin):
    total = count(1000, 200)
    server = origin(echo_after_end)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    proxy.ask("warm.test:443")
    before = proxy.descriptors()

    def one(number):
        tunnel = proxy.tunnel(f"origin.test:{server.port}")
        words = f"tunnel {number}".encode()
        tunnel.send(words)
        tunnel.half_close()
        assert tunnel.read_to_end()[0] == words
        tunnel.close()

    spread(total, one)
    proxy.wait_descriptors(before)
    proxy.audit.wait_count(total, "close", status=200)


def test_tunnels_cut_all_at_once_leave_nothing(start, dns, origin):
    total = count(500, 100)
    server = origin(silence)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    proxy.ask("warm.test:443")
    before = proxy.descriptors()
    tunnels = [None] * total

    def open_one(number):
        tunnels[number] = proxy.tunnel(f"origin.test:{server.port}")

    spread(total, open_one)
    server.stop()
    for tunnel in tunnels[: total // 2]:
        tunnel.reset()
    for tunnel in tunnels[total // 2 :]:
        tunnel.close()
    proxy.wait_descriptors(before)
    proxy.audit.wait_count(total, "close", status=200)


@pytest.mark.skipif(IS_SMALL, reason="sanitizers keep freed memory for a while")
def test_memory_does_not_grow_with_the_number_of_tunnels_that_were(start, dns, origin):
    server = origin(echo_after_end)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))

    def one(_number):
        tunnel = proxy.tunnel(f"origin.test:{server.port}")
        tunnel.half_close()
        tunnel.read_to_end()
        tunnel.close()

    spread(200, one)
    settled = proxy.resident()
    spread(1000, one)
    assert proxy.resident() - settled < 4 * 1024 * 1024


def test_a_worker_that_is_empty_after_a_crowd_begins_anew_and_serves_as_before(start, dns, origin):
    total = 1100  # with more than 1,023 at once a worker begins again when all have gone
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), workers=1)
    target = f"origin.test:{server.port}"
    first = proxy.loops()
    tunnels = [None] * total

    def open_one(number):
        tunnels[number] = proxy.tunnel(target)

    spread(total, open_one)
    server.wait_accepted(total)
    spread(total, lambda number: tunnels[number].close())
    server.wait_idle()
    eventually(lambda: proxy.loops() - first, lambda: f"another loop than {first}")
    eventually(lambda: len(proxy.loops()) == len(first), lambda: f"the old one of {first} to go")

    proxy.ask(target)
    dns.addresses("new.test", "127.0.0.1")
    proxy.reload(client(reach("new.test", server.port)))
    tunnel = proxy.tunnel(f"new.test:{server.port}")
    tunnel.echo(b"as before")
    assert proxy.ask(target).status == 403
    tunnel.close()
    proxy.stop()
    assert len(proxy.audit.records("close", status=200)) == total + 2


def open_crowd(proxy):
    """More connections than the 1,023 after which a worker begins again, all accepted."""
    crowd = [socket.create_connection(proxy.address) for _ in range(1100)]
    eventually(lambda: proxy.descriptors() > len(crowd), "all to be accepted")
    return crowd


def test_a_worker_that_cannot_begin_anew_says_so_and_does_when_it_can(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), workers=1)
    first = proxy.loops()
    crowd = open_crowd(proxy)
    _, most = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (0, most))
    for one in crowd:
        one.close()
    proxy.stderr.wait("worker 0 keeps the memory of closed connections .*: .*cannot make an event loop")
    for _attempt in range(2):  # each is a thread
        tried = proxy.threads()
        eventually(lambda: proxy.threads() - tried, "another attempt")  # pylint: disable=cell-var-from-loop
    assert proxy.loops() == first
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (most, most))
    eventually(lambda: proxy.loops() - first, lambda: f"another loop than {first}")
    proxy.tunnel(f"origin.test:{server.port}").echo(b"as before")
    assert proxy.stderr.text().count("keeps the memory") == 1


def test_a_worker_begins_anew_while_it_is_asked_and_reloaded(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    rules = client(reach("origin.test", server.port))
    proxy = start(rules, workers=1, control=CONTROL)
    control = Control(proxy)
    is_over = threading.Event()
    problems = []

    def again_and_again(work):
        try:
            while not is_over.is_set():
                work()
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)

    busy = [
        threading.Thread(target=again_and_again, args=(work,))
        for work in (control.status, lambda: proxy.reload(rules))
    ]
    for thread in busy:
        thread.start()
    for _turn in range(2):
        first = proxy.loops()
        for one in open_crowd(proxy):
            one.close()
        eventually(lambda: proxy.loops() - first, lambda: f"another loop than {first}")
        tunnel = proxy.tunnel(f"origin.test:{server.port}")
        tunnel.echo(b"as before")
        tunnel.close()
    is_over.set()
    for thread in busy:
        thread.join()
    assert not problems
    assert proxy.reloads > 0
