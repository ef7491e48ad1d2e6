"""What a yes of the authorizer covers, and what happens between the question and the tunnel."""

import contextlib
import threading
from datetime import datetime, timedelta, timezone

import pytest

from support.authorizer import NO, YES, Authorizer, allow
from support.clocks import Clock
from support.config import client, reach
from support.control import CONTROL, Control
from support.flights import hello
from support.origin import Origin, connecting, echo, full_queue
from support.plain import PlainClient, Reader, ok, url
from support.scale import IS_SMALL, PATIENCE, eventually
from support.wire import connect_head

HERE, THERE = "127.0.0.1", "127.0.0.2"

jumps = pytest.mark.skipif(IS_SMALL, reason="the probe and a sanitizer both want to be loaded first")


@pytest.fixture
def authorizer():
    """Makes authorizers, and stops them."""
    made = []

    def make(says=lambda _: YES):
        made.append(Authorizer(says))
        return made[-1]

    yield make
    for each in made:
        each.stop()
        assert not [problem for problem in each.failures if isinstance(problem, AssertionError)]


def settings(asked, **more):
    return {"authorizer": {"url": asked.url, "timeout": "10s", "ttl_max": "1h", **more}}


def at(address, port, **more):
    """A rule that admits nothing but this address of origin.test."""
    prefix = f"{address}/{128 if ':' in address else 32}"
    return reach("origin.test", port, addresses=[prefix], **more)


# -- the question -----------------------------------------------------------------------------


def test_the_question_names_the_rule_that_asks_and_a_no_does_too(start, dns, origin, authorizer):
    dns.addresses("origin.test", HERE, THERE)
    server = origin(echo)
    said = [YES, NO]
    asked = authorizer(lambda _: said[len(asked.asked) - 1])
    proxy = start(client(at(HERE, server.port), at(THERE, server.port, ask=True)), **settings(asked))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"by the first rule, after the second has asked")
    assert asked.asked[0]["rule"] == "workers.allow[1]"
    assert asked.asked[0]["addresses"] == [HERE, THERE]
    assert proxy.decision(tunnel.id)["decision"]["rule"] == "workers.allow[0]"
    refused = proxy.ask(f"origin.test:{server.port}")
    proxy.assert_refused(refused, 403, "not_authorized", rule="workers.allow[1]")


def test_a_question_is_about_one_rule_and_the_addresses_of_another_that_asks_are_left_out(
    start, dns, origin, authorizer
):
    dns.addresses("origin.test", THERE, HERE)
    server = origin(echo)  # nobody listens there
    asked = authorizer()
    rules = [at(HERE, server.port, ask=True), at(THERE, server.port, ask=True, name="there")]
    proxy = start(client(*rules), **settings(asked))
    answer = proxy.ask(f"origin.test:{server.port}")
    assert answer.status == 502, "the other address was not in the question"
    assert [(each["rule"], each["addresses"]) for each in asked.asked] == [("there", [THERE])]
    assert server.accepted == 0


# -- what has changed before the 200 ----------------------------------------------------------


def test_a_late_address_that_needs_a_yes_after_a_reload_is_not_covered_by_that_for_others(
    start, dns, authorizer
):
    asked = authorizer()
    released = dns.hold("origin.test", HERE, "::1", held="A")
    with full_queue(HERE) as hole:
        port = hole.getsockname()[1]
        proxy = start(
            client(at("::1", port, ask=True), at(HERE, port)),
            timeouts={"attempt": "10s"},
            **settings(asked),
        )
        requester = proxy.connect()
        requester.send(connect_head(f"origin.test:{port}"))
        decision = proxy.audit.wait("decision")
        assert decision["decision"]["action"] == "allow" and asked.asked[0]["addresses"] == ["::1"]
        before = connecting(proxy, port)  # of those that fill the queue
        released.set()
        eventually(lambda: connecting(proxy, port) > before, lambda: "a connect to the late address")
        proxy.reload(client(at("::1", port, ask=True), at(HERE, port, ask=True)))
        hole.listen(64)  # room for the next retransmission
        answer = requester.read_answer()
        assert answer.status == 403 and "policy_changed" in answer.reason
        proxy.assert_closed(decision["id"], "policy_changed", status=403)
    assert len(asked.asked) == 1


@jumps
def test_a_rule_that_asks_and_takes_over_by_time_while_we_dial_lets_nothing_pass(
    start, dns, authorizer, tmp_path
):
    clock = Clock(tmp_path)
    asked = authorizer()
    now = datetime.now(timezone.utc)
    hours = {"from": f"{now - timedelta(hours=1):%H}:00", "to": f"{now + timedelta(hours=2):%H}:00"}
    dns.addresses("origin.test", HERE)
    with full_queue(HERE) as hole:
        port = hole.getsockname()[1]
        proxy = start(
            client(at(HERE, port, hours=hours), at(HERE, port, ask=True)),
            timeouts={"attempt": "10s"},
            process={"environment": clock.environment},
            **settings(asked),
        )
        requester = proxy.connect()
        requester.send(connect_head(f"origin.test:{port}"))
        decision = proxy.audit.wait("decision")
        assert decision["decision"]["rule"] == "workers.allow[0]"
        clock.jump(4 * 3600)
        proxy.stderr.wait("the machine's clock was set")
        hole.listen(64)
        answer = requester.read_answer()
        assert answer.status == 403 and "policy_changed" in answer.reason
        proxy.assert_closed(decision["id"], "policy_changed", status=403)
    assert asked.asked == []


def test_reloads_and_blocks_have_only_those_asked_again_whose_question_is_another_one_now(
    start, dns, origin, authorizer
):
    """Each tunnel would be asked about within five seconds, at a time of its own."""
    hosts = ["same.test", "renamed.test"]
    for host in hosts:
        dns.addresses(host, HERE)
    server = origin(echo)
    asked = authorizer(lambda _: allow(3600))
    rules = [reach(host, server.port, ask=True, name=host) for host in hosts]
    proxy = start(client(*rules), control=CONTROL, **settings(asked))
    tunnels = {host: [proxy.tunnel(f"{host}:{server.port}") for _ in range(8)] for host in hosts}
    first = len(asked.asked)
    Control(proxy).block("--force", "somebody")
    proxy.reloads += 1  # so a block is counted, too
    proxy.reload(client(rules[0], {**rules[1], "name": "another"}))
    eventually(
        lambda: {each["id"] for each in asked.asked[first:]} >= {tunnel.id for tunnel in tunnels["renamed.test"]},
        lambda: "a question about each tunnel of the rule that has another name",
    )
    assert {each["rule"] for each in asked.asked[first:]} == {"another"}
    for tunnel in [*tunnels["same.test"], *tunnels["renamed.test"]]:
        tunnel.echo(b"goes on")


# -- what stands inside a tunnel --------------------------------------------------------------


def test_a_name_inside_a_tunnel_whose_rule_asks_is_not_allowed(start, dns, origin, authorizer):
    for name in ("origin.test", "asked.test", "free.test"):
        dns.addresses(name, HERE)
    got = []
    server = origin(lambda conn: got.append(conn.recv(65536)))
    asked = authorizer()
    inner = {"tls": "require", "names": "listed"}
    proxy = start(
        client(
            reach("origin.test", server.port, inner=inner),
            reach("asked.test", server.port, ask=True),
            reach("free.test", server.port),
        ),
        **settings(asked),
    )
    for name, reason in (("asked.test", "inner_mismatch"), ("free.test", None)):
        tunnel = proxy.tunnel(f"origin.test:{server.port}")
        tunnel.send(hello(name))
        if reason:
            proxy.assert_closed(tunnel.id, reason)
        else:
            server.wait_idle()
    assert [each for each in got if each] == [hello("free.test")], "nothing of the first has arrived"
    assert asked.asked == []


# -- connections that had waited --------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", ["says something", "ends"])
def test_what_a_kept_connection_does_while_the_question_is_asked_is_noticed(start, dns, authorizer, meanwhile):
    dns.addresses("origin.test", HERE)
    is_asked, is_done = threading.Event(), threading.Event()
    served = []

    def says(_):
        if len(asked.asked) == 2:
            is_asked.set()
            assert is_done.wait(PATIENCE)
        return allow(60)

    def habit(conn):
        served.append([])
        mine, is_first, reader = served[-1], len(served) == 1, Reader(lambda: conn.recv(65536))
        while (request := reader.request()) is not None:
            mine.append(request.target)
            conn.sendall(ok(f"connection {len(served)}".encode()))
            if is_first:
                assert is_asked.wait(PATIENCE)
                if meanwhile == "ends":
                    conn.close()
                else:
                    conn.sendall(ok(b"what nobody has asked for"))
                is_done.set()
                return

    asked = authorizer(says)
    with contextlib.closing(Served(habit)) as server:
        proxy = start(client(at(HERE, server.port, ask=True)), **settings(asked))
        one = PlainClient(proxy.connect())
        assert one.get(url(server, "/1")).body == b"connection 1"
        assert one.get(url(server, "/2")).body == b"connection 2"
        assert served == [["/1"], ["/2"]]


class Served(Origin):
    def close(self):
        self.stop()
