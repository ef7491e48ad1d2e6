"""What a client may use: N means N over all workers, what ends gives back, a reload keeps the counts."""

import contextlib
import threading
import time

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.origin import dead_port, full_queue, reset_after, silence
from support.plain import PlainClient, StrictOrigin, head, ok, url
from support.scale import IS_SMALL, count, eventually, spread
from support.wire import connect_head

pytestmark = pytest.mark.protocols("h1", "h2")

ALICE, BOB = "spiffe://example.test/alice", "spiffe://example.test/bob"


def limited(port, *more, name="alice", uri=ALICE, **limits):
    rules = (reach("origin.test", port), *more)
    return client(*rules, name=name, match=[{"uri": uri}], limits=limits)


def leaf(pki, uri=ALICE):
    return pki.ca.leaf(uri.rsplit("/", 1)[1], uri=(uri,))


def connect_many(proxy, total, identity):
    clients = [None] * total

    def connect(number):
        clients[number] = proxy.connect(identity)

    spread(total, connect)
    return clients


def ask_all_at_once(clients, target):
    """Every head is sent before any answer is read."""
    for requester in clients:
        requester.send(connect_head(target))
    return [requester.read_answer() for requester in clients]


def assert_limited(proxy, answer, reason):
    proxy.assert_refused(answer, 429, reason, action="error")
    assert int(answer.fields["retry-after"]) >= 1, answer
    assert answer.reason.startswith(f"Too many requests: {reason}"), answer
    assert f'details="{reason}' in answer.fields["proxy-status"], answer


def test_200_at_once_get_exactly_as_many_tunnels_as_the_limit_says(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, tunnels=37))
    total = count(200, 80)
    clients = connect_many(proxy, total, leaf(pki))
    answers = ask_all_at_once(clients, f"origin.test:{server.port}")
    good = [c for c, answer in zip(clients, answers) if answer.status == 200]
    assert len(good) == 37
    for answer in answers:
        if answer.status != 200:
            assert answer.status == 429
            assert " for alice (id " in answer.reason
    proxy.audit.wait_count(total - 37, "decision", decision__reason="limit_tunnels")
    proxy.audit.wait_count(total - 37, "close", reason="refused", status=429)
    for tunnel in good:
        tunnel.echo(b"still works")
    server.wait_accepted(37)
    assert server.accepted == 37

    # Each that ends makes room for exactly one.
    waiting = [c for c, answer in zip(clients, answers) if answer.status == 429]
    for tunnel in good[:5]:
        tunnel.close()
    proxy.audit.wait_count(5, "close", reason="client_closed")
    answers = ask_all_at_once(waiting, f"origin.test:{server.port}")
    assert sorted(answer.status for answer in answers)[:6] == [200] * 5 + [429]


def test_200_at_once_get_a_burst_and_then_the_rate(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, new_tunnels="2/s", burst=40))
    clients = connect_many(proxy, count(200, 80), leaf(pki))
    begun = time.monotonic()
    answers = ask_all_at_once(clients, f"origin.test:{server.port}")
    elapsed = time.monotonic() - begun
    admitted = sum(answer.status == 200 for answer in answers)
    assert 40 <= admitted <= 40 + 2 * elapsed + 1
    refused = next(answer for answer in answers if answer.status == 429)
    assert_limited(proxy, refused, "limit_new_tunnels")
    assert refused.fields["retry-after"] == "1"

    # Retry-After is true: nobody else asks meanwhile, and after it there is room.
    alone = clients[answers.index(refused)]
    time.sleep(int(refused.fields["retry-after"]))
    assert alone.ask(f"origin.test:{server.port}").status == 200


def test_what_policy_denies_uses_nothing_up(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    dns.addresses("other.test", "127.0.0.1")
    proxy = start(limited(server.port, tunnels=1, new_tunnels="1/s", burst=1))
    requester = proxy.connect(leaf(pki))
    for target in ["denied.test:443", "127.0.0.1:80", "other.test:80", "bad target"] * 5:
        assert requester.ask(target).status in (400, 403)
        if target == "bad target":
            requester = proxy.connect(leaf(pki))
    tunnel = proxy.tunnel(f"origin.test:{server.port}", leaf(pki))
    tunnel.echo(b"hello")


def test_those_that_wait_for_dns_hold_a_tunnel_until_the_answer_is_no(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    released = dns.hold("slow.test", "10.0.0.1")
    slow = reach("slow.test", 443)
    alice = limited(server.port, slow, tunnels=2, new_tunnels="1/s", burst=1)
    proxy = start(alice, control=CONTROL)
    control = Control(proxy)
    target = f"origin.test:{server.port}"
    waiting = [proxy.connect(leaf(pki)).send(connect_head("slow.test:443")) for _ in range(2)]
    eventually(lambda: control.status()["requests"]["resolve"] == 2, "both to be waiting")
    assert_limited(proxy, proxy.ask(target, leaf(pki)), "limit_tunnels")
    released.set()
    for requester in waiting:
        assert requester.read_answer().status == 403
    # All is given back, and the denials have used nothing up of the rate.
    proxy.tunnel(target, leaf(pki)).echo(b"hello")


def test_a_client_that_leaves_while_it_waits_for_dns_gives_its_tunnel_back(
    start, dns, origin, pki
):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    dns.reply("*.silent.test", is_silent=True)
    proxy = start(limited(server.port, reach("*.silent.test", 443), tunnels=1))
    target = f"origin.test:{server.port}"
    requester = proxy.connect(leaf(pki)).send(connect_head("left.silent.test:443"))
    dns.wait_asked("left.silent.test")
    requester.reset()
    proxy.audit.wait("close", reason="client_reset")
    proxy.tunnel(target, leaf(pki)).echo(b"hello")


@pytest.mark.skipif(IS_SMALL, reason="a thousand handshakes")
def test_one_clients_silent_zone_leaves_the_others_their_questions(start, dns, origin, pki):
    """Questions outlive those who asked, so that leaving at once does not get round the share."""
    server = origin()
    dns.addresses("fresh.test", "127.0.0.1")
    dns.reply("*.silent.test", is_silent=True)
    silent = reach("*.silent.test", 443)
    proxy = start(
        limited(server.port, silent),
        client(reach("fresh.test", server.port), name="bob", match=[{"uri": BOB}]),
        workers=1,
        resolver={"timeout": "60s"},
        timeouts={"resolve": "60s"},
    )

    def ask(number):
        requester = proxy.connect(leaf(pki)).send(connect_head(f"n{number}.silent.test:443"))
        dns.wait_asked(f"n{number}.silent.test")
        requester.reset()

    spread(1024, ask)  # two questions each: half of what there is
    one_more = proxy.ask("n-more.silent.test:443", leaf(pki))
    assert_limited(proxy, one_more, "limit_questions")
    assert " for alice (id " in one_more.reason
    proxy.tunnel(f"fresh.test:{server.port}", leaf(pki, BOB)).echo(b"another client asks")


def test_a_denial_is_told_before_a_limit(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, tunnels=1))
    proxy.tunnel(f"origin.test:{server.port}", leaf(pki))
    proxy.assert_refused(proxy.ask("denied.test:443", leaf(pki)), 403, "no_rule")
    answer = proxy.ask(f"origin.test:{server.port}", leaf(pki))
    assert_limited(proxy, answer, "limit_tunnels")


def test_a_refused_connection_goes_on_and_works_later(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, tunnels=1))
    target = f"origin.test:{server.port}"
    first = proxy.tunnel(target, leaf(pki))
    second = proxy.connect(leaf(pki))
    for _ in range(3):
        assert_limited(proxy, second.ask(target), "limit_tunnels")
    first.close()
    proxy.assert_closed(first.id, "client_closed")
    assert second.ask(target).status == 200
    second.echo(b"hello")


def test_one_client_at_its_limit_leaves_the_others_theirs(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        limited(server.port, tunnels=1),
        limited(server.port, name="bob", uri=BOB, tunnels=2),
    )
    target = f"origin.test:{server.port}"
    proxy.tunnel(target, leaf(pki))
    assert_limited(proxy, proxy.ask(target, leaf(pki)), "limit_tunnels")
    for _ in range(2):
        proxy.tunnel(target, leaf(pki, BOB)).echo(b"hello")
    assert_limited(proxy, proxy.ask(target, leaf(pki, BOB)), "limit_tunnels")


def test_the_limit_of_the_whole_proxy_counts_all_clients(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        limited(server.port),
        limited(server.port, name="bob", uri=BOB, new_tunnels="1/s", burst=4),
        limits={"tunnels": 3},
    )
    target = f"origin.test:{server.port}"
    first = proxy.tunnel(target, leaf(pki))
    tunnels = [proxy.tunnel(target, leaf(pki, BOB)) for _ in range(2)]
    waiting = proxy.connect(leaf(pki, BOB))
    for _ in range(5):
        answer = waiting.ask(target)
        assert_limited(proxy, answer, "limit_proxy_tunnels")
        assert "bob" not in answer.reason, answer
    first.close()
    proxy.assert_closed(first.id, "client_closed")
    assert waiting.ask(target).status == 200  # the refused ones took none of bob's rate
    assert len(tunnels) == 2


def test_after_ten_thousand_mixed_endings_no_tunnel_is_missing(start, dns, origin, pki):
    """On every way out exactly one is given back: then exactly as many fit as before."""
    echoing, silent, rude = origin(), origin(silence), origin(reset_after(1))
    dns.addresses("origin.test", "127.0.0.1")
    dns.addresses("far.test", "127.0.0.1")
    identity = leaf(pki)
    limit, kept, fresh = 60, count(9000, 600), count(1000, 200)
    with dead_port() as closed:
        rules = [
            reach("far.test", echoing.port, silent.port, rude.port, closed),
            reach("nothing.test", 443),
        ]
        proxy = start(limited(echoing.port, *rules, tunnels=limit))
        if proxy.protocol == "h2":  # this client takes four times as long there
            kept, fresh = kept // 3, fresh // 2
        local = threading.local()

        def refused(number):
            """On a connection that goes on: no connect, no name, no right."""
            if not hasattr(local, "client"):
                local.client = proxy.connect(identity)
            target = (f"far.test:{closed}", f"far.test:{closed}", "x.test:1")[number % 3]
            if number % 100 == 0:
                target = "nothing.test:443"
            assert local.client.ask(target).status in (502, 403)

        def ended(number):
            server = (echoing, silent, rude)[number % 3]
            tunnel = proxy.connect(identity)
            tunnel.send(connect_head(f"far.test:{server.port}"))
            way = number // 3 % 5
            if way == 0:
                tunnel.reset()  # wherever it is by now
                return
            if way == 1:
                tunnel.fin()
                tunnel.close()
                return
            assert tunnel.read_answer().status == 200
            if way == 2:
                tunnel.send(b"x" * 1000)
                tunnel.reset()
            elif way == 3:
                with contextlib.suppress(ConnectionError):  # the rude one was faster
                    tunnel.half_close()
                    tunnel.read_to_end()
            tunnel.close()

        spread(kept, refused)
        spread(fresh, ended)
        for server in (echoing, silent, rude):
            server.wait_idle()
        eventually(
            lambda: len(proxy.audit.records("close")) == kept + fresh,
            lambda: f"{kept + fresh} ends; {len(proxy.audit.records('close'))} are there",
        )
        assert not proxy.audit.records("decision", decision__reason="limit_tunnels")
        clients = connect_many(proxy, limit + 10, identity)
        answers = ask_all_at_once(clients, f"origin.test:{echoing.port}")
        assert sorted(answer.status for answer in answers) == [200] * limit + [429] * 10


def test_a_reload_keeps_the_counts_and_the_new_limit_holds_at_once(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, tunnels=5))
    target = f"origin.test:{server.port}"
    identity = leaf(pki)
    tunnels = [proxy.tunnel(target, identity) for _ in range(5)]
    assert_limited(proxy, proxy.ask(target, identity), "limit_tunnels")

    proxy.reload(limited(server.port, tunnels=7))
    tunnels += [proxy.tunnel(target, identity) for _ in range(2)]
    assert_limited(proxy, proxy.ask(target, identity), "limit_tunnels")

    proxy.reload(limited(server.port, tunnels=2))
    for tunnel in tunnels:
        tunnel.echo(b"limits are not judged again")
    for tunnel in tunnels[:5]:
        assert_limited(proxy, proxy.ask(target, identity), "limit_tunnels")
        tunnel.close()
        proxy.assert_closed(tunnel.id, "client_closed")
    assert_limited(proxy, proxy.ask(target, identity), "limit_tunnels")
    tunnels[5].close()
    proxy.assert_closed(tunnels[5].id, "client_closed")
    proxy.tunnel(target, identity).echo(b"hello")

    proxy.reload(limited(server.port))
    for _ in range(10):
        proxy.tunnel(target, identity)


def test_tunnels_of_an_unlimited_client_count_when_a_limit_comes(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port), name="alice"))
    target = f"origin.test:{server.port}"
    tunnels = [proxy.tunnel(target) for _ in range(3)]
    changed = client(reach("origin.test", server.port), name="alice", limits={"tunnels": 3})
    proxy.reload(changed)
    assert_limited(proxy, proxy.ask(target), "limit_tunnels")
    tunnels[0].close()
    proxy.assert_closed(tunnels[0].id, "client_closed")
    proxy.tunnel(target)


def test_a_client_that_a_reload_renames_has_its_limit_once(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, tunnels=3, bandwidth_up="1MB/s"))
    target = f"origin.test:{server.port}"
    identity = leaf(pki)
    tunnels = [proxy.tunnel(target, identity) for _ in range(3)]
    for name in ("carol", "dave", "alice"):
        proxy.reload(limited(server.port, name=name, tunnels=3, bandwidth_up="1MB/s"))
        for tunnel in tunnels:
            tunnel.echo(b"limits are not judged again")
        assert_limited(proxy, proxy.ask(target, identity), "limit_tunnels")
        tunnels[0].close()
        proxy.assert_closed(tunnels.pop(0).id, "client_closed")
        tunnels.append(proxy.tunnel(target, identity))
        assert_limited(proxy, proxy.ask(target, identity), "limit_tunnels")


@pytest.mark.parametrize("rates", [{}, {"bandwidth_up": "1KB/s", "bandwidth_down": "1KB/s"}])
def test_a_plain_request_whose_client_a_reload_renames_goes_by_the_new_name(
    start, dns, pki, rates
):
    """The old name's account is gone when the body goes on, or has a rate by which the rest would take minutes."""
    size = 300_000
    server = StrictOrigin(lambda request: ok(b"y" * size))
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, tunnels=1, **rates))
    requester = plain(proxy, pki)
    requester.send(head("POST", url(server), f"Content-Length: {size}") + b"x" * 40_000)
    server.wait_accepted(1)
    for name in ("carol", "dave"):
        proxy.reload(limited(server.port, name=name, tunnels=1, bandwidth_up="100MB/s"))
        # A worker that has not judged it yet leaves room for a moment.
        eventually(lambda: plain(proxy, pki).get(url(server)).status == 429, "it to be counted")
    requester.client.send(b"x" * (size - 40_000))
    answer = requester.read()
    assert (answer.status, answer.body) == (200, b"y" * size)
    assert b"x" * size in [request.body for request in server.requests]
    proxy.audit.wait("close", reason="completed", bytes__up=size)
    assert plain(proxy, pki).get(url(server)).status == 200
    server.stop()


def test_who_connects_while_a_reload_renames_its_client_counts_for_the_new_name(
    start, dns, origin, pki
):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    dns.addresses("hole.test", "127.0.0.1")
    identity = leaf(pki)
    with full_queue() as hole:
        port = hole.getsockname()[1]
        slow = reach("hole.test", port)
        proxy = start(
            limited(server.port, slow, tunnels=2), control=CONTROL, timeouts={"attempt": "10s"}
        )
        control = Control(proxy)
        tunnel = proxy.connect(identity).send(connect_head(f"hole.test:{port}"))
        request = plain(proxy, pki).send(head("GET", f"http://hole.test:{port}/"))
        proxy.audit.wait_count(2, "decision", decision__reason="rule")
        proxy.reload(limited(server.port, slow, name="carol", tunnels=2))
        hole.listen(64)  # room for the next retransmissions
        assert tunnel.read_answer().status == 200
        eventually(lambda: control.status()["requests"]["forward"] == 1, "both to be connected")
        target = f"origin.test:{server.port}"
        assert_limited(proxy, proxy.ask(target, identity), "limit_tunnels")
        request.client.reset()
        proxy.audit.wait("close", reason="client_reset")
        proxy.tunnel(target, identity).echo(b"hello")


def test_who_connects_while_a_reload_takes_its_client_out_is_refused(start, dns, pki):
    dns.addresses("hole.test", "127.0.0.1")
    identity = leaf(pki)
    with full_queue() as hole:
        port = hole.getsockname()[1]
        slow = reach("hole.test", port)
        proxy = start(limited(port, slow, tunnels=2), control=CONTROL, timeouts={"attempt": "10s"})
        control = Control(proxy)
        tunnel = proxy.connect(identity).send(connect_head(f"hole.test:{port}"))
        request = plain(proxy, pki).send(head("GET", f"http://hole.test:{port}/"))
        proxy.audit.wait_count(2, "decision", decision__reason="rule")
        proxy.reload(client(reach("hole.test", port), name="somebody", match=[{"cn": "somebody"}]))
        hole.listen(64)
        assert tunnel.read_answer().status == 403
        assert request.read().status == 403
        eventually(lambda: not control.status()["clients"], "nobody to be counted")


def test_a_client_that_was_gone_for_a_while_finds_its_tunnels_counted(start, dns, origin, pki):
    """The account goes by the name; what had to end with the name's disappearance has ended."""
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, tunnels=2))
    target = f"origin.test:{server.port}"
    tunnels = [proxy.tunnel(target, leaf(pki)) for _ in range(2)]
    proxy.reload(limited(server.port, name="bob", uri=BOB))
    for tunnel in tunnels:
        proxy.assert_closed(tunnel.id, "policy_changed")
    proxy.reload(limited(server.port, tunnels=2))
    for _ in range(2):
        proxy.tunnel(target, leaf(pki))
    assert_limited(proxy, proxy.ask(target, leaf(pki)), "limit_tunnels")


def test_a_tunnel_ends_at_its_age_though_it_is_busy(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, age="700ms", tunnels=1))
    target = f"origin.test:{server.port}"
    tunnel = proxy.tunnel(target, leaf(pki))
    try:
        while True:
            tunnel.echo(b"busy")
    except (AssertionError, ConnectionError):
        pass
    close = proxy.assert_closed(tunnel.id, "age")
    assert close["ms"]["total"] >= 700
    proxy.tunnel(target, leaf(pki))  # its place is free


def test_an_age_that_a_reload_brings_is_for_new_tunnels(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port))
    target = f"origin.test:{server.port}"
    old = proxy.tunnel(target, leaf(pki))
    proxy.reload(limited(server.port, age="300ms"))
    new = proxy.tunnel(target, leaf(pki))
    proxy.assert_closed(new.id, "age")
    old.echo(b"as it was")


def test_a_clients_idle_time_takes_the_place_of_the_general_one(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        limited(server.port, idle="400ms"),
        limited(server.port, name="bob", uri=BOB, idle="1h"),
        timeouts={"idle": "1200ms"},
    )
    target = f"origin.test:{server.port}"
    longer = proxy.tunnel(target, leaf(pki, BOB))
    for _ in range(4):  # one after the other: the general idle time has gone by as well
        shorter = proxy.tunnel(target, leaf(pki))
        assert proxy.assert_closed(shorter.id, "idle")["ms"]["total"] >= 400
    longer.echo(b"still there")


# -- plain requests: anything with a connection to a target counts -----------------------------


def plain(proxy, pki):
    return PlainClient(proxy.connect(leaf(pki)))


def test_a_plain_request_counts_as_long_as_it_lasts(start, dns, origin, pki):
    may_answer = threading.Event()
    tunnels = origin()

    def answer(_request):
        assert may_answer.wait(60)
        return ok()

    server = StrictOrigin(answer)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, reach("origin.test", tunnels.port), tunnels=1))
    waiting = plain(proxy, pki).send(head("GET", url(server)))
    server.wait_requests(1)
    refused = plain(proxy, pki).get(url(server))
    assert (refused.status, refused.get("retry-after")) == (429, "1")
    assert refused.reason.startswith("Too many requests: limit_tunnels for alice (id ")
    answer = proxy.ask(f"origin.test:{tunnels.port}", leaf(pki))
    assert_limited(proxy, answer, "limit_tunnels")

    may_answer.set()
    assert waiting.read().status == 200
    for _ in range(20):  # over the connection that waits for the next request, too
        assert waiting.get(url(server)).status == 200
    tunnel = proxy.tunnel(f"origin.test:{tunnels.port}", leaf(pki))
    assert waiting.get(url(server)).status == 429
    tunnel.close()
    proxy.assert_closed(tunnel.id, "client_closed")
    assert waiting.get(url(server)).status == 200
    server.stop()


def test_new_plain_requests_have_the_rate_of_new_tunnels(start, dns, pki):
    server = StrictOrigin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, new_tunnels="1/s", burst=5))
    requester = plain(proxy, pki)
    begun = time.monotonic()
    statuses = [requester.get(url(server)).status for _ in range(30)]
    assert 5 <= statuses.count(200) <= 5 + 1 + (time.monotonic() - begun)
    assert statuses[:5] == [200] * 5 and 429 in statuses
    server.stop()


def test_requests_of_any_kind_have_one_rate(start, dns, origin, pki):
    server, target = StrictOrigin(), origin()
    dns.addresses("origin.test", "127.0.0.1")
    rule = reach("origin.test", server.port, target.port)
    proxy = start(client(rule, name="alice", match=[{"uri": ALICE}], limits={"requests": "1/s", "requests_burst": 6}))
    requester, begun = plain(proxy, pki), time.monotonic()
    # Over one connection; what the policy denies uses nothing up.
    assert [requester.get("http://elsewhere.test/").status for _ in range(5)] == [403] * 5
    assert [requester.get(url(server)).status for _ in range(3)] == [200] * 3
    tunnels = [proxy.connect(leaf(pki)) for _ in range(10)]
    answers = [tunnel.ask(f"origin.test:{target.port}") for tunnel in tunnels]
    admitted = [answer.status for answer in answers].count(200)
    assert 3 <= admitted <= 3 + 1 + (time.monotonic() - begun)
    refused = next(answer for answer in answers if answer.status == 429)
    assert_limited(proxy, refused, "limit_requests")
    server.stop()


def test_a_request_that_is_sent_again_takes_one_tunnel(start, dns, pki):
    """The connection that had waited brings no answer; the request goes over a new one."""
    seen = set()

    def answer(request):
        if request.connection in seen:
            return None
        seen.add(request.connection)
        return ok()

    server = StrictOrigin(answer)
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, tunnels=1))
    requester = plain(proxy, pki)
    for _ in range(5):
        assert requester.get(url(server)).status == 200
    assert len(server.requests) == 9  # all but the first were sent twice
    assert plain(proxy, pki).get(url(server)).status == 200
    server.stop()


def test_a_plain_download_is_shaped_and_ends_at_its_age(start, dns, pki):
    body = b"x" * 300_000
    server = StrictOrigin(lambda request: ok(body))
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, bandwidth_down="200KB/s", age="5s"))
    begun = time.monotonic()
    assert plain(proxy, pki).get(url(server)).body == body
    assert time.monotonic() - begun >= (len(body) - 200_000 * 0.05 - 65536) / 200_000

    proxy.reload(limited(server.port, bandwidth_down="4KB/s", age="500ms"))
    plain(proxy, pki).send(head("GET", url(server)))
    assert proxy.audit.wait("close", reason="age")["bytes"]["down"] < len(body)
    server.stop()


def test_a_plain_upload_is_shaped(start, dns, pki):
    server = StrictOrigin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(limited(server.port, bandwidth_up="200KB/s"))
    body = b"x" * 300_000
    requester = plain(proxy, pki)
    begun = time.monotonic()
    requester.send(head("POST", url(server), f"Content-Length: {len(body)}") + body)
    assert requester.read().status == 200
    assert time.monotonic() - begun >= (len(body) - 200_000 * 0.05 - 65536) / 200_000
    assert server.requests[0].body == body
    server.stop()
