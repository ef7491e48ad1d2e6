"""More than there is room for: what is let in works to its end, the rest is told so or waits, and when
there is room again it is used."""

import contextlib
import resource
import select
import threading
import time

import pytest

from support.config import client, reach
from support.origin import connecting, echo, full_queue, source
from support.scale import IS_SMALL, PATIENCE, count, eventually
from support.wire import Ending, connect_head

HERE, THERE = "127.0.0.1", "127.0.0.2"


def assert_turned_away(dialed):
    """Closed at once, without a byte of TLS."""
    with pytest.raises((OSError, EOFError)):
        dialed.handshake()


def refusals(proxy, reason):
    found = proxy.audit.records("handshake_refused", reason=reason)
    return sum(record["count"] for record in found)


# -- sources ------------------------------------------------------------------------------------


def test_so_many_handshakes_of_a_source_may_be_under_way(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        client(reach("origin.test", server.port)), limits={"source": {"half_open": 10}}
    )
    target = f"origin.test:{server.port}"
    before = proxy.descriptors()
    early = [proxy.dial(source=HERE) for _ in range(10)]
    # One worker may accept later than the other.
    eventually(lambda: proxy.descriptors() >= before + 10, "all of them to be accepted")
    for one in early[:5]:
        one.sock.sendall(one.first_flight()[:20])  # and five that send nothing at all
    for _ in range(3):
        assert_turned_away(proxy.dial(source=HERE))
    record = proxy.audit.wait("handshake_refused", reason="limit_half_open")
    assert record["client"]["address"] == HERE
    assert record["listener"] == "main" and record["tls"]["version"] is None
    assert "limits.source.half_open" in record["detail"]
    eventually(lambda: refusals(proxy, "limit_half_open") == 3, "three refusals")

    proxy.tunnel(target, source=THERE).echo(b"another source")
    for one in early[5:]:
        one.handshake()
        one.tunnel(target)
        one.echo(b"those that were let in work")
    for one in early[:5]:
        one.reset()
    eventually(lambda: works(proxy, target), "room again")


def works(proxy, target, identity="worker"):
    try:
        proxy.tunnel(target, identity, source=HERE)
    except (OSError, EOFError, AssertionError):
        return False
    return True


def test_served_clients_are_not_half_open(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), limits={"source": {"half_open": 1}})
    for _ in range(20):
        proxy.tunnel(f"origin.test:{server.port}").echo(b"one after the other")
    assert not proxy.audit.records("handshake_refused")


def fail_in_loops(proxy, loops, seconds):
    """So many clients without a certificate, each of which tries again at once; tells how often they failed."""
    until = time.monotonic() + seconds
    failed = [0] * loops

    def loop(number):
        while time.monotonic() < until:
            with contextlib.suppress(OSError, EOFError):
                proxy.dial(None, source=HERE).refusal()
            failed[number] += 1

    running = [threading.Thread(target=loop, args=(number,)) for number in range(loops)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(failed)


def test_failed_handshakes_above_the_rate_slow_their_source_to_it(start):
    proxy = start(limits={"source": {"failed_handshakes": "5/s"}})
    begun = time.monotonic()
    failed = fail_in_loops(proxy, 10, 3)
    elapsed = time.monotonic() - begun
    assert failed <= 5 * (elapsed + 1) + 10
    assert refusals(proxy, "limit_failed_handshakes") == 0  # nobody is turned away
    eventually(lambda: refusals(proxy, "no_certificate") == failed, "all of them")


def test_a_broken_client_does_not_shut_out_who_shares_its_address(start, dns, origin):
    """Without a key in the configuration: the loop of a client that tries again at once, five hundred times a second."""
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), limits={"source": ...})
    target = f"origin.test:{server.port}"
    looping = threading.Thread(target=fail_in_loops, args=(proxy, 8, count(4, 6)))
    looping.start()
    opened = 0
    while looping.is_alive():
        proxy.tunnel(target, source=HERE).echo(b"good all the time")
        opened += 1
    assert opened > 0
    proxy.tunnel(target, source=THERE).echo(b"another source")
    turned_away = refusals(proxy, "limit_failed_handshakes") + refusals(proxy, "limit_half_open")
    assert turned_away == 0


def test_without_a_key_one_source_may_have_2000_half_open(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), limits={"source": ...})
    early = [proxy.dial(source=HERE) for _ in range(2050)]
    eventually(lambda: refusals(proxy, "limit_half_open") == 50, "fifty that find no room")
    proxy.tunnel(f"origin.test:{server.port}", source=THERE).echo(b"another source")
    for one in early:
        one.close()


def test_a_client_that_is_held_back_may_leave(start):
    proxy = start(limits={"source": {"failed_handshakes": "1/s"}})
    before = proxy.descriptors()
    for _ in range(4):
        proxy.dial(None, source=HERE).refusal()
    for _ in range(20):
        early = proxy.dial(None, source=HERE)
        early.sock.sendall(early.first_flight())
        early.reset()
    proxy.wait_descriptors(before)


def test_a_client_that_breaks_off_by_itself_has_failed_nothing(start, dns, origin):
    """As browsers do while somebody looks for the right certificate."""
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        client(reach("origin.test", server.port)),
        limits={"source": {"failed_handshakes": "1/s"}},
    )
    for _ in range(20):
        browser = proxy.dial(source=HERE)
        browser.sock.sendall(browser.first_flight())
        assert browser.sock.recv(1)  # the server's flight, with its CertificateRequest
        browser.close()
    proxy.tunnel(f"origin.test:{server.port}", source=HERE).echo(b"hello")
    eventually(lambda: refusals(proxy, "client_aborted") == 20, "twenty records or counts")
    assert refusals(proxy, "limit_failed_handshakes") == 0


def test_refusals_are_counted_over_all_workers(start):
    """Ten records of their own a second for one source and reason, however many workers there are."""
    proxy = start(workers=4)
    total = count(100, 60)
    for _ in range(total):
        proxy.dial(None, source=HERE).refusal()
    eventually(lambda: refusals(proxy, "no_certificate") == total, "all of them")
    by_second = {}
    for record in proxy.audit.records("handshake_refused", reason="no_certificate"):
        if record["count"] == 1 and record["detail"] != "counted over a second":
            second = record["ts"][:19]
            by_second[second] = by_second.get(second, 0) + 1
    # A window of the proxy may begin in the middle of a second of the clock.
    assert max(by_second.values()) <= 20, by_second


# -- the whole proxy ----------------------------------------------------------------------------


def crowd(server, total):
    """So many clients, known by their certificates."""
    return [
        client(reach("origin.test", server.port), name=f"c{n}", match=[{"cn": f"crowd-{n}"}])
        for n in range(total)
    ]


def leaves(pki, total):
    return [pki.ca.leaf(f"crowd-{n}") for n in range(total)]


def test_so_many_sessions_and_no_more(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(*crowd(server, 25), limits={"sessions": 25})
    target = f"origin.test:{server.port}"
    one_each = leaves(pki, 25)
    sessions = [proxy.tunnel(target, leaf) for leaf in one_each]
    for _ in range(5):
        assert_turned_away(proxy.dial(one_each[0]))
    eventually(lambda: refusals(proxy, "limit_sessions") == 5, "five refusals")
    for session in sessions:
        session.echo(b"those that were let in work")
    for session in sessions[:3]:
        session.close()
    eventually(lambda: works(proxy, target, one_each[0]), "room again")

    proxy.reload(limits={"sessions": 1})
    for session in sessions[3:10]:
        session.echo(b"live ones stay")
    assert_turned_away(proxy.dial(one_each[0]))
    proxy.reload(limits={"sessions": 1000})
    proxy.tunnel(target, one_each[0]).echo(b"at once")


def test_sessions_on_two_workers_are_counted_exactly(start):
    """Of those who have shown no certificate yet, who are nobody's share."""
    limit, total = 30, count(200, 80)
    proxy = start(limits={"sessions": limit})
    before = proxy.descriptors()
    dialed = [proxy.dial() for _ in range(total)]
    eventually(
        lambda: refusals(proxy, "limit_sessions") == total - limit
        and proxy.descriptors() == before + limit,
        "all others",
    )
    for one in dialed:
        one.reset()


@pytest.mark.protocols("h1", "h2")
def test_idle_connections_of_one_client_make_room_for_others(start, dns, origin, pki):
    """They count for no `tunnels`; the longest idle ones of who has most go first."""
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(*crowd(server, 7), limits={"sessions": 8}, workers=1)
    target = f"origin.test:{server.port}"
    greedy, *others = leaves(pki, 7)
    idle = [proxy.connect(greedy) for _ in range(20)]
    # Its own new ones have taken the place of its oldest, which ended in an orderly way.
    assert idle[0].read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    if proxy.protocol == "h2":  # a request that was on its way may be sent again: nothing was done about it
        assert idle[0].session.goaways[-1:] == [0] and idle[0].session.goaway == 0
    for leaf in others:
        eventually(lambda leaf=leaf: works(proxy, target, leaf), "room for the others")
    assert idle[-1].tunnel(target).status == 200


@pytest.mark.protocols("h1", "h2")
def test_a_client_with_more_connections_than_are_left_gets_no_more(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(*crowd(server, 2), limits={"sessions": 10}, workers=1)
    target = f"origin.test:{server.port}"
    greedy, other = leaves(pki, 2)
    tunnels = [proxy.tunnel(target, greedy) for _ in range(5)]
    assert not works(proxy, target, greedy)
    record = proxy.audit.wait("handshake_refused", reason="limit_sessions")
    assert "limits.sessions" in record["detail"], record
    proxy.tunnel(target, other).echo(b"the last to ask finds room")
    for tunnel in tunnels:
        tunnel.echo(b"those that are there stay")
    tunnels[0].close()
    eventually(lambda: works(proxy, target, greedy), "room again")


# -- descriptors --------------------------------------------------------------------------------


def test_before_descriptors_run_out_accepting_stops_and_then_goes_on(start, dns, origin, pki):
    limit = 160
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    few = {"limits": (resource.RLIMIT_NOFILE, (limit, limit))}
    proxy = start(*crowd(server, limit), process=few)
    target = f"origin.test:{server.port}"
    proxy.ask("warm.test:443")
    many = leaves(pki, limit)  # nobody has more than his share

    waiting = [proxy.dial(leaf) for leaf in many]  # far more than there is room for
    for one in waiting:
        one.sock.sendall(one.first_flight())
    said = proxy.stderr.wait("no new connections until some have ended")
    assert said
    served = []
    while len(served) < 30:
        served += take_served(waiting, target)
    # Everyone that was let in reaches its target: no descriptor is missing for that.
    for tunnel in served:
        tunnel.echo(b"live ones continue")
    assert proxy.descriptors() < limit
    # Each that ends lets others in, until all have had their turn.
    done = 0
    while waiting or served:
        for tunnel in served:
            tunnel.echo(b"still")
            tunnel.close()
            done += 1
        served = take_served(waiting, target)
    assert done == limit
    assert "out of descriptors" not in proxy.stderr.text()
    assert "Too many open files" not in proxy.stderr.text()
    assert not proxy.audit.records("close", reason="connect_failed")
    proxy.audit.wait_count(limit, "close", status=200)


def take_served(waiting, target):
    """Those of `waiting` whose handshake the proxy has answered, as tunnels; waits for at least one."""
    if not waiting:
        return []
    ready = select.select([one.sock for one in waiting], [], [], PATIENCE)[0]
    assert ready, "nobody is served"
    served = [one for one in waiting if one.sock in ready]
    for one in served:
        waiting.remove(one)
        one.handshake()
        one.tunnel(target)
    return served


def test_a_client_has_its_share_of_the_connects_that_are_under_way(start, dns):
    """Each request has its first one, and beside these one client has half of what a worker allows."""
    limit, requests, places = 512, 4, 512 // 64
    silent = [f"127.0.0.{last}" for last in range(2, 6)]
    few = {"limits": (resource.RLIMIT_NOFILE, (limit, limit))}
    dns.addresses("silent.test", *silent)
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(full_queue(silent[0])).getsockname()[1]
        for address in silent[1:]:
            stack.enter_context(full_queue(address, port))
        proxy = start(
            client(reach("silent.test", port)),
            workers=1,
            timeouts={"attempt": "3s", "connect": "3s"},
            process=few,
        )
        before = connecting(proxy, port)  # of those that fill the queues
        asking = [proxy.connect().send(connect_head(f"silent.test:{port}")) for _ in range(requests)]
        most = 0
        while len(proxy.audit.records("close", reason="timeout")) < requests:
            most = max(most, connecting(proxy, port) - before)
        assert most == requests + places // 2
        for requester in asking:
            assert requester.read_answer().status == 504


# -- memory -------------------------------------------------------------------------------------


@pytest.mark.protocols("h1", "h2")
@pytest.mark.skipif(IS_SMALL, reason="a sanitizer alone takes more than any limit here")
def test_above_the_limit_of_memory_new_work_is_refused_until_it_is_free_again(start, dns, origin):
    slow = origin(source(5_000_000))
    quick = origin(echo)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        client(reach("origin.test", slow.port, quick.port)),
        workers=8,  # each has spare buffers of its own
        limits={"memory": "24MiB"},
        timeouts={"request": "1m"},
    )
    early = proxy.tunnel(f"origin.test:{quick.port}")
    idle = proxy.connect()
    hungry = []
    refused = None
    while refused is None:
        assert len(hungry) < 2000, proxy.resident()
        try:
            one = proxy.connect()
            answer = one.ask(f"origin.test:{slow.port}")  # and then reads nothing
        except (OSError, EOFError):
            refused = "connection"
            break
        if answer.status == 429:
            refused = answer
        hungry.append(one)
    said = proxy.stderr.wait("more memory in use than limits.memory allows")
    assert said
    answer = idle.ask(f"origin.test:{quick.port}")
    if answer.status == 429:  # it may be free again by now
        assert answer.reason.startswith("Too many requests: limit_memory (id ")
        proxy.assert_refused(answer, 429, "limit_memory", action="error")
    early.echo(b"live ones continue")
    for one in hungry:
        one.reset()
    assert proxy.stderr.wait("below limits.memory again")
    eventually(lambda: works(proxy, f"origin.test:{quick.port}"), "room again")
    # What the crowd needed does not stay with the workers: there is room below a lower limit, too.
    proxy.reload(limits={"memory": "16MiB"})
    assert proxy.stderr.wait("28MiB at least with 8 workers")
    eventually(lambda: works(proxy, f"origin.test:{quick.port}"), "room below a lower limit")
    proxy.stop()
    turned_away = proxy.audit.records("handshake_refused", reason="limit_memory")
    refused = proxy.audit.records("decision", decision__reason="limit_memory")
    assert turned_away or refused
