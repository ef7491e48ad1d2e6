"""Requests that are denied or fail, faster than the audit should grow: above the rate they are counted, and their
answers come late. What is allowed is neither."""

import time

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.plain import PlainClient
from support.scale import count, eventually
from support.wire import Ending, connect_head

URI = "spiffe://example.test/alice"
ALICE = {"name": "alice", "match": [{"uri": URI}]}
DENIED = "denied.test:443"


def leaf(pki, uri=URI):
    return pki.ca.leaf(uri.rsplit("/", 1)[1], uri=(uri,))


def ask_on(requesters, target):
    """One request on each connection, all sent before an answer is read."""
    for requester in requesters:
        requester.send(connect_head(target))
    return [requester.read_answer() for requester in requesters]


def counted(proxy, **wanted):
    return sum(record["count"] for record in proxy.audit.records("requests_refused", **wanted))


def wait_recorded(proxy, total):
    """Waits until each of `total` refused requests has records of its own, or is counted, and tells how many are."""

    def recorded():
        own = len(proxy.audit.records("decision", decision__action="deny"))
        return own + counted(proxy)

    eventually(lambda: recorded() >= total, lambda: f"{total} of them, not {recorded()}")
    assert recorded() == total
    return counted(proxy)


@pytest.mark.protocols("h1", "h2")
def test_denials_above_the_rate_are_counted_and_not_written(start, pki):
    proxy = start(client(**ALICE), limits={"refused_requests": "1/s"})
    requesters = [proxy.connect(leaf(pki)) for _ in range(20)]
    begun = time.monotonic()
    answers = ask_on(requesters, DENIED)
    elapsed = time.monotonic() - begun
    assert {answer.status for answer in answers} == {403}  # the true answer, though late
    assert all("no_rule" in answer.reason for answer in answers)
    above = wait_recorded(proxy, 20)
    assert above >= 20 - 1 - elapsed - 1
    record = proxy.audit.wait("requests_refused")
    assert record["client"] == "alice"
    assert record["source"] == "127.0.0.1"
    assert record["reason"] == "no_rule"
    proxy.audit.wait_count(20 - above, "close", reason="refused")


def test_the_default_bounds_what_one_client_can_write(start, pki):
    """200 a second, and as many at once."""
    proxy = start(client(**ALICE), limits={"refused_requests": ...})
    requesters = [proxy.connect(leaf(pki)) for _ in range(40)]
    begun = time.monotonic()
    total = 0
    while total < count(800, 400):
        assert {answer.status for answer in ask_on(requesters, DENIED)} == {403}
        total += len(requesters)
    elapsed = time.monotonic() - begun
    above = wait_recorded(proxy, total)
    assert total - above <= 200 * (elapsed + 1) + 1


def test_a_certificate_that_fits_no_client_is_bounded_by_its_source(start, pki):
    proxy = start(client(**ALICE), limits={"refused_requests": "1/s"})
    stranger = leaf(pki, "spiffe://example.test/stranger")
    here = [proxy.connect(stranger, source="127.0.0.1") for _ in range(10)]
    assert {answer.status for answer in ask_on(here, DENIED)} == {403}
    eventually(lambda: counted(proxy, reason="no_client") > 0, "a count")
    record = proxy.audit.wait("requests_refused")
    assert (record["client"], record["source"]) == (None, "127.0.0.1")
    there = proxy.connect(stranger, source="127.0.0.2").ask(DENIED)
    assert proxy.decision(there.id)["decision"]["reason"] == "no_client"  # another source has its own rate


def test_what_is_allowed_goes_on_at_once_and_is_recorded_whole(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        client(reach("origin.test", server.port), **ALICE), limits={"refused_requests": "1/s"}
    )
    denied = [proxy.connect(leaf(pki)) for _ in range(10)]
    assert {answer.status for answer in ask_on(denied, DENIED)} == {403}
    for _ in range(5):
        tunnel = proxy.tunnel(f"origin.test:{server.port}", leaf(pki))
        tunnel.echo(b"hello")
        tunnel.close()
        proxy.assert_closed(tunnel.id, "client_closed")
        assert proxy.decision(tunnel.id)["decision"]["action"] == "allow"


def test_one_clients_denials_leave_the_others_their_records(start, pki):
    bob = "spiffe://example.test/bob"
    proxy = start(
        client(**ALICE),
        client(name="bob", match=[{"uri": bob}]),
        limits={"refused_requests": "1/s"},
    )
    ask_on([proxy.connect(leaf(pki)) for _ in range(10)], DENIED)
    answer = proxy.ask(DENIED, leaf(pki, bob))
    assert proxy.decision(answer.id)["client"]["name"] == "bob"


def test_each_reason_is_counted_alone(start, pki):
    proxy = start(client(**ALICE), limits={"refused_requests": "1/s"})
    requesters = [proxy.connect(leaf(pki)) for _ in range(10)]
    ask_on(requesters[:5], DENIED)
    ask_on(requesters[5:], "a b:443")
    eventually(lambda: counted(proxy, reason="bad_request") + counted(proxy, reason="bad_target"), "bad")
    eventually(lambda: counted(proxy, reason="no_rule"), "denied")


def test_a_target_that_is_dead_is_recorded_whole_and_answered_late(start, dns, pki, origin):
    """An allow was recorded before the dialling, so its close is written; the loop is slowed."""
    server = origin()
    port = server.port
    server.stop()
    dns.addresses("dead.test", "127.0.0.1")
    proxy = start(client(reach("dead.test", port), **ALICE), limits={"refused_requests": "1/s"})
    requester = proxy.connect(leaf(pki))
    begun = time.monotonic()
    answers = [requester.ask(f"dead.test:{port}") for _ in range(4)]
    assert {answer.status for answer in answers} == {502}
    assert time.monotonic() - begun >= 1.9  # one at once, and one a second; one may find a second's room
    for answer in answers:
        proxy.assert_closed(answer.id, "connect_failed", 502)
    assert not proxy.audit.records("requests_refused")


def test_the_proxys_own_page_is_slowed_likewise(start, pki):
    proxy = start(client(**ALICE), limits={"refused_requests": "1/s"})
    requester = PlainClient(proxy.connect(leaf(pki)))
    begun = time.monotonic()
    for _ in range(4):
        assert requester.get("http://sallyport.internal/whoami").status == 200
    assert time.monotonic() - begun >= 1.9
    proxy.audit.wait_count(4, "decision", decision__reason="whoami")
    proxy.audit.wait_count(4, "close")


@pytest.mark.protocols("h1", "h2")
def test_clients_that_leave_without_an_answer_are_counted_too(start, pki):
    proxy = start(client(**ALICE), limits={"refused_requests": "1/s"})
    for _ in range(10):
        requester = proxy.connect(leaf(pki))
        requester.send(b"CONNECT").begin_head()
        proxy.wait_read()
        requester.reset()
    eventually(lambda: counted(proxy) >= 5, "the rest of ten")


@pytest.mark.protocols("h1", "h2")
def test_an_answer_that_is_held_back_ends_with_the_proxy(start, pki):
    proxy = start(client(**ALICE), limits={"refused_requests": "1/s"}, control=CONTROL)
    requesters = [proxy.connect(leaf(pki)) for _ in range(5)]
    for requester in requesters:
        requester.send(connect_head(DENIED))

    def are_all_judged():
        waiting = Control(proxy).status()["requests"]["refuse"]
        return waiting + len(proxy.audit.records("decision")) >= 5

    eventually(are_all_judged, "one with a record, the others held back")
    proxy.stop()
    own = len(proxy.audit.records("decision"))
    assert own + counted(proxy) == 5


@pytest.mark.protocols("h1", "h2")
@pytest.mark.parametrize("limit", ["none", "1000000/s"])
def test_it_can_be_switched_off(start, pki, limit):
    proxy = start(client(**ALICE), limits={"refused_requests": limit})
    requesters = [proxy.connect(leaf(pki)) for _ in range(10)]
    for _ in range(50):
        ask_on(requesters, DENIED)
    proxy.audit.wait_count(500, "decision", decision__reason="no_rule")
    proxy.audit.wait_count(500, "close", reason="refused")
    assert counted(proxy) == 0


@pytest.mark.protocols("h1", "h2")
def test_what_comes_while_the_answer_to_a_connect_waits_is_no_request(start, pki):
    """It was meant for the tunnel, as what stands after the head at once."""
    proxy = start(client(**ALICE), limits={"refused_requests": "1/s"}, control=CONTROL)
    first, requester = (proxy.connect(leaf(pki)) for _ in range(2))
    assert first.ask(DENIED).status == 403
    requester.send(connect_head(DENIED))
    eventually(lambda: Control(proxy).status()["requests"]["refuse"] == 1, "a late answer")
    requester.send(b"GET http://sallyport.internal/whoami HTTP/1.1\r\nHost: a\r\n\r\n")
    assert requester.read_answer().status == 403
    assert requester.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
