"""Requests made to be read in two ways: each is refused, or passed on in exactly one meaning.

The origin is a strict reader that keeps what it saw. After every request that is to be refused stands another one,
the canary, which nobody may ever see.
"""

import pytest

from support.config import client
from support.framing import FORWARDED, REFUSED, fill_in
from support.plain import PlainClient, StrictOrigin, ok
from support.wire import Ending


@pytest.fixture(scope="module")
def site(start_shared, dns):
    """A proxy that lets everybody go to the origin, and the origin."""
    dns.addresses("origin.test", "127.0.0.1")
    rule = {"addresses": ["127.0.0.0/8"], "ports": ["any"]}
    proxy = start_shared(client({"hosts": ["*"], **rule}, rule))
    origin = StrictOrigin(lambda request: ok(request.target.encode()))
    yield proxy, origin
    origin.stop()
    assert not origin.violations, origin.violations


def test_there_are_enough_of_them():
    assert len(REFUSED) + len(FORWARDED) >= 300
    assert len(REFUSED) >= 200


@pytest.mark.parametrize("kind", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(site, kind):
    proxy, origin = site
    sent, statuses = REFUSED[kind]
    seen, violations, accepted = len(origin.requests), len(origin.violations), origin.accepted
    requester = PlainClient(proxy.connect())
    requester.send(fill_in(sent + CANARY, origin.port))
    response = requester.read()
    assert response.status in statuses, response
    assert response.get("connection") == "close"
    assert requester.end() == (b"", Ending.CLOSE_NOTIFY)
    decision = proxy.audit.wait("decision", client__port=requester.client.local_port)
    close = proxy.close_record(decision["id"])
    assert close["status"] == response.status
    assert len(proxy.audit.records("decision", client__port=requester.client.local_port)) == 1
    # The head of a request with a bad body is on its way before the body is: the origin must see it cut.
    if decision["decision"]["action"] == "allow":
        assert close["reason"] == "bad_request"
        origin.wait_accepted(accepted + 1)
        origin.wait_idle()
    new = origin.requests[seen:]
    assert all(request.is_cut and request.target != "/canary" for request in new), new
    assert all("EOFError" in text for text in origin.violations[violations:]), origin.violations
    del origin.violations[violations:]


CANARY = b"GET http://origin.test:PORT/canary HTTP/1.1\r\nHost: origin.test:PORT\r\n\r\n"


@pytest.mark.parametrize("kind", FORWARDED)
def test_what_can_be_read_in_one_way_only_is_passed_on_so(site, kind):
    proxy, origin = site
    case = FORWARDED[kind]
    seen = len(origin.requests)
    requester = PlainClient(proxy.connect())
    requester.send(fill_in(case.sent, origin.port))
    for method, target, body in case.seen:
        response = requester.read(method)
        assert response.status == 200, response
        if method != "HEAD":
            assert response.body == target.encode()
    new = origin.requests[seen:]
    assert [(each.method, each.target, each.body) for each in new] == case.seen
    for request in new:
        names = [name for name, _ in request.fields]
        assert not set(names) & case.absent, request.fields
        assert len(request.all("host")) == 1 and names.count("via") >= 1
        assert request.get("host") in (f"origin.test:{origin.port}", f"127.0.0.1:{origin.port}")
        for name, value in case.present.items():
            assert request.all(name) == value, request.fields
    requester.client.half_close()
    assert requester.end()[0] == b"", "an answer that nobody asked for"
    for record in proxy.audit.wait_count(
        len(case.seen), "decision", client__port=requester.client.local_port
    ):
        assert proxy.close_record(record["id"])["reason"] == "completed"
