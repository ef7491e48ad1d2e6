"""What a yes of the authorizer covers, and what happens between the question and the tunnel."""

import contextlib
import re
import threading
from datetime import datetime, timedelta, timezone

import pytest

from support.admin import get, read_metrics, value
from support.authorizer import NO, YES, Authorizer, allow, http
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


# -- what equal questions share ---------------------------------------------------------------


def origin_of(proxy, tunnel):
    """Where the authorizer's answer came from."""
    return proxy.decision(tunnel.id)["authorizer"]["from"]


def test_a_yes_with_a_ttl_serves_equal_requests_and_no_others(start, dns, origin, authorizer, pki):
    for name in ("origin.test", "other.test"):
        dns.addresses(name, HERE)
    server = origin(echo)
    asked = authorizer(lambda _: allow(3600))
    others = client(reach("*.test", server.port, ask=True), name="others", match=[{"cn": "worker-2"}])
    proxy = start(
        others, client(reach("*.test", server.port, ask=True)), control=CONTROL, workers=1, **settings(asked)
    )
    place, other, second = f"origin.test:{server.port}", f"other.test:{server.port}", pki.ca.leaf("worker-2")
    tunnels = [proxy.tunnel(place) for _ in range(3)]
    assert [origin_of(proxy, tunnel) for tunnel in tunnels] == ["asked", "kept", "kept"]
    assert 3590 <= proxy.decision(tunnels[2].id)["authorizer"]["ttl"] <= 3600
    assert origin_of(proxy, proxy.tunnel(other)) == "asked"
    assert origin_of(proxy, proxy.connect(second).ask(place)) == "asked"
    for method in ("GET", "HEAD"):
        one = proxy.connect()
        one.send(f"{method} http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        assert proxy.audit.wait("decision", **{"request.method": method})["authorizer"]["from"] == "asked"
    assert origin_of(proxy, proxy.tunnel(place)) == "kept"
    said = proxy.stderr.count()
    Control(proxy).block("--force", "somebody")
    proxy.reloads += 1
    proxy.stderr.wait("blocked client:somebody", after=said)
    eventually(lambda: origin_of(proxy, proxy.tunnel(place)) == "asked", lambda: "a question after the block")
    assert origin_of(proxy, proxy.tunnel(place)) == "kept"
    proxy.reload(timeouts={"idle": "1h"})
    assert origin_of(proxy, proxy.tunnel(place)) == "asked"
    status = Control(proxy).run("status").stdout
    assert re.search(r"^authorizer +none 0, no 0, yes 7, kept \d+, shared 0$", status, re.MULTILINE), status


def test_equal_questions_are_asked_once_and_go_on_when_who_asked_first_leaves(start, dns, origin, authorizer):
    dns.addresses("origin.test", HERE)
    server = origin(echo)
    released = threading.Event()

    def says(_):
        assert released.wait(PATIENCE)
        return YES

    asked = authorizer(says)
    admin = {"admin": {"address": "unix:admin.sock"}}
    proxy = start(client(reach("origin.test", server.port, ask=True)), workers=1, **settings(asked), **admin)
    waiting = [proxy.connect() for _ in range(6)]
    for one in waiting:
        one.send(connect_head(f"origin.test:{server.port}"))
        asked.wait_asked(1)
    place = proxy.stderr.wait(r"admin: metrics and health at unix:(.*)$")[1]

    def shared():
        return value(read_metrics(get(place, "/metrics").body), "sallyport_authorizer_reused_total", how="shared")

    eventually(lambda: shared() == 5, lambda: "five that wait for the same answer")
    waiting[0].reset()
    assert proxy.audit.wait("decision")["decision"]["reason"] == "client_reset"
    released.set()
    for one in waiting[1:]:
        assert one.read_answer().status == 200
        one.echo(b"with the answer to another's question")
    assert len(asked.asked) == 1
    proxy.tunnel(f"origin.test:{server.port}")
    assert len(asked.asked) == 2, "a yes without ttl is for those alone who have asked"


def test_while_nobody_answers_all_are_refused_for_that_and_the_log_says_so_once(start, dns, origin, authorizer, pki):
    dns.addresses("origin.test", HERE)
    server = origin(echo)
    says = {"flood": http(YES, "503 Service Unavailable"), "workers": YES}
    asked = authorizer(lambda question: says[question["client"]["name"]])
    flood = client(reach("origin.test", "1-65535", ask=True), name="flood", match=[{"cn": "worker-2"}])
    proxy = start(flood, client(reach("origin.test", server.port, ask=True)), workers=1, **settings(asked))
    other, place = pki.ca.leaf("worker-2"), f"origin.test:{server.port}"
    for _ in range(4):
        refused = proxy.connect(other).ask(place)
        proxy.assert_refused(refused, 503, "authorizer_failed", "error", rule="flood.allow[0]")
    assert proxy.stderr.text().count("the authorizer gives no answer: its status is not 200") == 1
    says["flood"] = None  # silence
    first = len(asked.asked)
    waiting = [proxy.connect(other) for _ in range(10)]
    for number, one in enumerate(waiting):
        one.send(connect_head(f"origin.test:{number + 1}"))
    refused = proxy.audit.wait_count(4 + 8, "decision", **{"decision.reason": "authorizer_failed"})
    assert {each["authorizer"]["from"] for each in refused[4:]} == {"nobody"}
    eventually(lambda: len(asked.asked[first:]) >= 2, "both questions to come")
    assert len(asked.asked[first:]) == 2, "no more than the client's share of what finds out whether it works"
    proxy.tunnel(place).echo(b"it does, for others")
    assert proxy.stderr.wait("the authorizer answers again")
    waiting[0].close()


def test_answers_that_are_of_no_use_to_one_client_leave_the_authorizer_up_for_others(
    start, dns, origin, authorizer, pki
):
    names = [f"{number}.test" for number in range(10)]
    for name in ("origin.test", *names):
        dns.addresses(name, HERE)
    server = origin(echo)
    released = threading.Event()
    useless = [http({}), http(YES, "500 Internal Server Error"), http(b" " * (65 << 10)), *[http({})] * 3]

    def says(question):
        if question["client"]["name"] == "odd":
            return useless[len(asked.asked) - 1]
        assert released.wait(PATIENCE)
        return YES

    asked = authorizer(says)
    odd = client(reach("origin.test", server.port, ask=True), name="odd", match=[{"cn": "worker-2"}])
    proxy = start(odd, client(reach("*.test", server.port, ask=True)), workers=1, **settings(asked))
    other = pki.ca.leaf("worker-2")
    for _ in useless:
        refused = proxy.connect(other).ask(f"origin.test:{server.port}")
        proxy.assert_refused(refused, 503, "authorizer_failed", "error", rule="odd.allow[0]")
    waiting = [proxy.connect() for _ in names]
    for name, one in zip(names, waiting):
        one.send(connect_head(f"{name}:{server.port}"))
    asked.wait_asked(len(useless) + len(names))
    released.set()
    assert [one.read_answer().status for one in waiting] == [200] * len(names)
    assert "the authorizer gives no" not in proxy.stderr.text()


@pytest.mark.parametrize("a_yes", ["kept", "under way"])
def test_no_yes_is_kept_beyond_a_no_about_the_same(start, dns, origin, authorizer, a_yes):
    """The no is about tunnels that are open, the yes about one that is not: each of the eight is asked about within 5 seconds."""
    dns.addresses("origin.test", HERE)
    server = origin(echo)
    may_say_no, may_say_yes = threading.Event(), threading.Event()

    def says(question):
        if question["rule"] == "before":
            return allow(3600)
        assert (may_say_no if question["again"] else may_say_yes).wait(PATIENCE)
        return NO if question["again"] else allow(3600)

    asked = authorizer(says)
    rule = reach("origin.test", server.port, ask=True)
    proxy = start(client({**rule, "name": "before"}), workers=1, **settings(asked))
    place = f"origin.test:{server.port}"
    tunnels = [proxy.tunnel(place) for _ in range(8)]
    proxy.reload(client({**rule, "name": "after"}))
    one = proxy.connect()
    if a_yes == "kept":
        may_say_yes.set()
    one.send(connect_head(place))
    if a_yes == "kept":
        assert one.read_answer().status == 200
        assert origin_of(proxy, proxy.tunnel(place)) == "kept"
    else:
        eventually(lambda: any(not each["again"] for each in asked.asked[1:]), lambda: "the question of the new tunnel")
    may_say_no.set()
    closed = proxy.audit.wait("close", **{"reason": "not_authorized"})
    assert closed["id"] in {tunnel.id for tunnel in tunnels}
    may_say_yes.set()
    if a_yes == "under way":
        assert one.read_answer().status == 200, "its own answer is a yes"
    assert origin_of(proxy, proxy.tunnel(place)) == "asked"


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
    names = {kind: [f"{number}.{kind}.test" for number in range(8)] for kind in ("same", "renamed")}
    for name in [*names["same"], *names["renamed"]]:
        dns.addresses(name, HERE)
    server = origin(echo)
    asked = authorizer()
    rules = [reach(f"*.{kind}.test", server.port, ask=True, name=kind) for kind in names]
    proxy = start(client(*rules), control=CONTROL, **settings(asked))
    tunnels = {kind: [proxy.tunnel(f"{name}:{server.port}") for name in names[kind]] for kind in names}
    first = len(asked.asked)
    Control(proxy).block("--force", "somebody")
    proxy.reloads += 1  # so a block is counted, too
    proxy.reload(client(rules[0], {**rules[1], "name": "another"}))
    eventually(
        lambda: {each["id"] for each in asked.asked[first:]} >= {tunnel.id for tunnel in tunnels["renamed"]},
        lambda: "a question about each tunnel of the rule that has another name",
    )
    assert {each["rule"] for each in asked.asked[first:]} == {"another"}
    for tunnel in [*tunnels["same"], *tunnels["renamed"]]:
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
            eventually(lambda: any(got), "what the second one says")
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
        return YES

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
