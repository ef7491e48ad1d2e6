"""What the proxy passes on is read alike by real servers: nginx, Apache, and HAProxy where it is installed.

Each request of the table that is passed on goes through the proxy to a strict origin; the bytes that came out go to
each server, which says what it took them for.
"""

import re

import pytest

from support.config import client
from support.framing import FORWARDED, fill_in
from support.plain import Message, PlainClient, StrictOrigin, ok
from support.readers import KINDS, RealServer

LAST = b"GET /last HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def passed_on(start_shared, dns):
    """name: the requests as the strict origin saw them."""
    dns.addresses("origin.test", "127.0.0.1")
    rule = {"addresses": ["127.0.0.0/8"], "ports": ["any"]}
    proxy = start_shared(client({"hosts": ["*"], **rule}, rule))
    origin = StrictOrigin(lambda request: ok())
    result = {}
    for name, case in FORWARDED.items():
        seen = len(origin.requests)
        requester = PlainClient(proxy.connect())
        requester.send(fill_in(case.sent, origin.port))
        for method, _, _ in case.seen:
            assert requester.read(method).status == 200
        requester.client.close()
        result[name] = origin.requests[seen:]
    origin.stop()
    assert not origin.violations
    return result


@pytest.fixture(scope="module", params=KINDS)
def server(request, tmp_path_factory):
    made = RealServer(request.param, tmp_path_factory.mktemp(request.param))
    yield made
    made.stop()


def as_path(target):
    """What servers make of the path before they look for it; that is not what this is about."""
    return re.sub("/+", "/", target)


def disagreement(requests, statuses, seen):
    """How the server's reading differs, or None. It may refuse a request, and a request may be the last of
    its connection; but what it reads it reads as we do."""
    for request, status in zip(requests, statuses):
        if status >= 400:
            continue
        if not seen:
            return f"{request.raw[:200]!r} was answered and not read"
        method, target, body = seen.pop(0)
        if (method, as_path(target), body) != (
            request.method,
            as_path(request.target),
            request.body,
        ):
            return f"{request.raw[:200]!r} was read as {method} {target} with {body!r}"
    if seen:
        return f"{seen} was read where nothing is"
    if len(statuses) < len(requests):
        last = requests[len(statuses) - 1]
        if statuses[-1] < 400 and last.get("connection") != "close":
            return f"stopped behind {last.raw[:200]!r}"
    return None


# Servers answer this one themselves.
OWN = {"OPTIONS of the whole server"}


def test_real_servers_read_what_the_strict_origin_read(passed_on, server):
    different = []
    refused = set()
    for name, requests in passed_on.items():
        if name in OWN:
            continue
        raw = b"".join(each.raw for each in requests) + LAST
        requests = [*requests, Message(("GET", "/last"), [("connection", "close")], raw=LAST)]
        seen, statuses, rest = server.read(raw, [each.method for each in requests])
        assert statuses, name
        problem = disagreement(requests, statuses, seen)
        if problem or rest:
            different.append((name, problem, statuses, rest[:200]))
        if max(statuses) >= 400:
            refused.add(name)
    assert not different, different
    assert not server.origin.violations, server.origin.violations
    assert len(refused) < len(passed_on) / 4, refused
