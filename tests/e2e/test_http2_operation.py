"""HTTP/2 in operation: what is shown of streams, what ends one of them and what ends them all, and why it says so."""

import copy
import json
import threading

import pytest

from support import many_streams
from support.config import client, reach
from support.control import CONTROL, Control
from support.http2 import Http2
from support.origin import Origin, blackhole, echo, silence
from support.plain import StrictOrigin
from support.proxy import run
from support.scale import PATIENCE, count, eventually
from support.wire import Ending

CANCEL = 8


class Rig:
    """A proxy with a control socket, and clients of HTTP/2 with certificates of their own."""

    def __init__(self, proxy, target):
        self.proxy, self.target = proxy, target
        self.control = Control(proxy)

    def session(self, leaf="worker"):
        return Http2(self.proxy.connect(leaf, alpn=("h2",)))

    def id_of(self, session):
        stream = session.get("sallyport.internal", "/whoami")
        return json.loads(stream.read_to_end()[0])["session"]

    def assert_closed(self, stream, reason):
        return self.proxy.assert_closed(stream.fields["x-request-id"], reason)


@pytest.fixture(scope="module")
def echoing():
    server = Origin(echo)
    yield server
    server.stop()


def clients(port, *more):
    rule = reach("good.test", port)
    guests = client(rule, reach("slow.test", 1), name="guests", match=[{"cn": "guest"}])
    return [guests, *more, client(rule)]


@pytest.fixture(scope="module")
def rig(start_shared, dns, echoing):
    dns.addresses("good.test", "127.0.0.1")
    proxy = start_shared(*clients(echoing.port), workers=1, control=CONTROL)
    return Rig(proxy, f"good.test:{echoing.port}")


def echo_on(stream, data=b"untouched"):
    stream.send(data)
    assert stream.read(len(data)) == data


def wait_end(session):
    session.wait(lambda: False)
    assert session.ended
    return session.client.ending


# -- what is shown --------------------------------------------------------------------------------


def test_status_counts_sessions_and_streams(rig):
    session = rig.session()
    streams = [session.tunnel(rig.target) for _ in range(3)]
    plain = rig.proxy.tunnel(rig.target)
    status = rig.control.status()
    assert status["http2"] == {"sessions": 1, "streams": 3}
    assert status["requests"]["tunnel"] == 4 and status["sessions"]["serving"] == 2
    [workers] = [each for each in status["clients"] if each["name"] == "workers"]
    assert (workers["tunnels"], workers["sessions"]) == (4, 2)
    assert "http2        sessions 1, streams 3\n" in rig.control.run("status").stdout
    session.client.close()
    plain.close()
    for stream in streams:
        rig.proxy.close_record(stream.fields["x-request-id"])


def test_top_names_the_connection_of_each_stream(rig):
    session = rig.session()
    streams = [session.tunnel(rig.target) for _ in range(2)]
    plain = rig.proxy.tunnel(rig.target)
    echo_on(streams[1], b"x" * 1000)
    listed = {each["id"]: each for each in rig.control.ask(b"top\n")[0]["tunnels"]}
    first, second = (listed[stream.fields["x-request-id"]] for stream in streams)
    assert (first["protocol"], first["stream"], second["stream"]) == ("h2", streams[0].id, streams[1].id)
    assert first["session"] == second["session"] == rig.id_of(session)
    assert second["bytes"] == {"up": 1000, "down": 1000} and first["bytes"]["up"] == 0
    other = listed[plain.id]
    assert (other["protocol"], other["stream"]) == ("h1", None) and other["session"] != first["session"]
    assert first["session"] in rig.control.run("top").stdout
    session.client.close()
    plain.close()


def test_whoami_names_protocol_and_session(rig):
    session = rig.session()
    said = json.loads(session.get("sallyport.internal", "/whoami").read_to_end()[0])
    stream = session.tunnel(rig.target)
    decision = rig.proxy.decision(stream.fields["x-request-id"])
    assert (said["protocol"], said["session"]) == ("h2", decision["session"])
    session.client.close()


def test_explain_counts_streams_as_tunnels(start, dns, echoing):
    dns.addresses("good.test", "127.0.0.1")
    rule = reach("good.test", echoing.port)
    proxy = start(client(rule, limits={"tunnels": 2}), workers=1, control=CONTROL)
    rig = Rig(proxy, f"good.test:{echoing.port}")
    session = rig.session()

    def explain():
        asked = ["-c", proxy.config_path, "--live", "--json", "--cert", proxy.pki.worker.chain]
        return run("explain", *asked, "--to", rig.target)

    session.tunnel(rig.target)
    assert explain().returncode == 0
    session.tunnel(rig.target)
    assert json.loads(explain().stdout)["decision"]["reason"] == "limit_tunnels"
    assert session.connect(rig.target).status == 429


# -- what ends one stream, and what ends them all -------------------------------------------------


def test_kill_ends_one_stream_and_leaves_the_others(rig):
    session = rig.session()
    streams = [session.tunnel(rig.target) for _ in range(10)]
    assert "killed: 1" in rig.control.run("kill", streams[4].fields["x-request-id"]).stderr
    assert streams[4].read_to_end() == (b"", CANCEL)
    rig.assert_closed(streams[4], "killed")
    for stream in streams[:4] + streams[5:]:
        echo_on(stream)
    assert session.goaway is None
    session.client.close()


def test_kill_ends_a_connection_with_all_that_is_on_it(rig):
    session, other = rig.session(), rig.session()
    staying = other.tunnel(rig.target)
    streams = [session.tunnel(rig.target) for _ in range(10)]
    assert rig.control.run("kill", "session:" + rig.id_of(session)).stderr.endswith("killed: 10\n")
    assert wait_end(session) is Ending.CLOSE_NOTIFY
    assert session.goaway == 0
    for stream in streams:
        assert stream.reset == CANCEL
        rig.assert_closed(stream, "killed")
    echo_on(staying)
    other.client.close()


def test_kill_of_a_connection_knows_http11_and_idle_ones_too(rig):
    plain, idle = rig.proxy.tunnel(rig.target), rig.session()
    name = rig.proxy.decision(plain.id)["session"]
    assert rig.control.ask(f"kill session:{name}\n".encode())[0] == {"killed": 1}
    assert plain.read_to_end() == (b"", Ending.RESET)
    rig.proxy.assert_closed(plain.id, "killed")
    assert rig.control.ask(f"kill session:{rig.id_of(idle)}\n".encode())[-1]["exit"] == 0
    assert wait_end(idle) is Ending.CLOSE_NOTIFY and idle.goaway == 0
    gone = rig.control.run("kill", f"session:{name}", expected=1)
    assert f"no connection that is served has the id {name}" in gone.stderr
    rig.control.run("kill", "session:12", expected=2)


def test_kill_of_a_client_ends_its_streams_on_every_connection(rig, pki):
    guest = pki.ca.leaf("guest")
    sessions = [rig.session(guest) for _ in range(3)]
    streams = [session.tunnel(rig.target) for session in sessions for _ in range(5)]
    other = rig.session()
    staying = other.tunnel(rig.target)
    assert rig.control.ask(b"kill client:guests\n")[0] == {"killed": 15}
    for stream in streams:
        assert stream.read_to_end() == (b"", CANCEL)
        rig.assert_closed(stream, "killed")
    echo_on(sessions[0].tunnel(rig.target), b"back again")
    echo_on(staying)
    for session in sessions + [other]:
        session.client.close()


def test_a_block_ends_all_streams_with_its_reason_and_the_connection_with_goaway(rig, dns, pki):
    guest = pki.ca.leaf("guest")
    session, idle, other = rig.session(guest), rig.session(guest), rig.session()
    streams = [session.tunnel(rig.target) for _ in range(10)]
    staying = other.tunnel(rig.target)
    rig.control.block("guests")
    for stream in streams:
        assert stream.read_to_end() == (b"", CANCEL)
        rig.assert_closed(stream, "blocked")
    for each in (session, idle):
        assert wait_end(each) is Ending.CLOSE_NOTIFY
        assert each.goaway == 0
    echo_on(staying)
    rig.control.unblock("guests")
    again = rig.session(guest)
    echo_on(again.tunnel(rig.target))
    again.client.close()
    other.client.close()


def test_a_request_that_waits_for_dns_is_refused_when_its_client_is_blocked(rig, dns, pki):
    released = dns.hold("slow.test", "127.0.0.1")
    session = rig.session(pki.ca.leaf("guest"))
    tunnel, waiting = session.tunnel(rig.target), session.connect("slow.test:1")
    dns.wait_asked("slow.test")
    rig.control.block("guests")
    assert tunnel.read_to_end()[1] == CANCEL
    released.set()
    assert waiting.status == 403 and b"blocked" in waiting.read_to_end()[0]
    rig.proxy.assert_refused(Refusal(waiting), 403, "blocked")
    assert wait_end(session) is Ending.CLOSE_NOTIFY and session.goaway == 0
    rig.control.unblock("guests")


class Refusal:
    """A stream's answer as Proxy.assert_refused takes it."""

    def __init__(self, stream):
        self.status, self.fields, self.id = stream.status, stream.fields, stream.fields["x-request-id"]


def test_a_reload_ends_the_streams_that_have_lost_their_rule_and_no_others(start, dns, origin):
    servers = [origin(), origin()]
    dns.addresses("good.test", "127.0.0.1")
    both = client(*(reach("good.test", server.port) for server in servers))
    rig = Rig(start(both, workers=1, control=CONTROL), f"good.test:{servers[0].port}")
    session = rig.session()
    staying = [session.tunnel(rig.target) for _ in range(5)]
    ending = [session.tunnel(f"good.test:{servers[1].port}") for _ in range(5)]
    rig.proxy.reload(client(reach("good.test", servers[0].port), name="renamed"))
    for stream in ending:
        assert stream.read_to_end() == (b"", CANCEL)
        rig.assert_closed(stream, "policy_changed")
    for stream in staying:
        echo_on(stream)
    new = session.tunnel(rig.target)  # the same connection, and who the client is by now
    assert rig.proxy.decision(new.fields["x-request-id"])["client"]["name"] == "renamed"
    assert rig.proxy.decision(staying[0].fields["x-request-id"])["client"]["name"] == "workers"
    assert session.goaway is None


TRUST_LOST = {  # what changes in the profile, and the reason in each record
    "denied": (lambda pki, leaf: {"denied": [{"sha256": leaf.sha256}]}, "revoked"),
    "crl": (lambda pki, leaf: {"crl": [pki.ca.crl(leaf)]}, "revoked"),
    "ca": (lambda pki, leaf: {"ca": [pki.authority("Another CA").path]}, "policy_changed"),
}


@pytest.mark.parametrize("what", TRUST_LOST)
def test_a_certificate_that_is_no_longer_good_ends_all_streams_and_the_connection(start, dns, pki, echoing, what):
    change, reason = TRUST_LOST[what]
    dns.addresses("good.test", "127.0.0.1")
    rig = Rig(start(*clients(echoing.port), workers=1), f"good.test:{echoing.port}")
    leaf = pki.ca.leaf("guest")
    session = rig.session(leaf)
    streams = [session.tunnel(rig.target) for _ in range(5)]
    rig.proxy.reload(trust={"staff": change(pki, leaf)})
    for stream in streams:
        assert stream.read_to_end() == (b"", CANCEL)
        rig.assert_closed(stream, reason)
    assert wait_end(session) is Ending.CLOSE_NOTIFY and session.goaway == 0


def test_a_connection_says_goodbye_before_its_certificate_ends_and_its_streams_end_with_it(rig, pki):
    session = rig.session(pki.ca.leaf("guest", ends=7 / 86400))
    streams = [session.tunnel(rig.target) for _ in range(3)]
    session.wait(lambda: session.goaway is not None)
    assert session.goaway == 0
    for stream in streams:
        echo_on(stream)
    for stream in streams:
        assert stream.read_to_end() == (b"", CANCEL)
        rig.assert_closed(stream, "expired")
    assert wait_end(session) is Ending.CLOSE_NOTIFY


def drained_rig(start, dns, port, drain, **timeouts):
    dns.addresses("good.test", "127.0.0.1")
    proxy = start(*clients(port), workers=1, control=CONTROL, timeouts={"drain": drain, **timeouts})
    return Rig(proxy, f"good.test:{port}")


def test_a_drain_says_goodbye_twice_and_lets_streams_end(start, dns, echoing):
    rig = drained_rig(start, dns, echoing.port, "1h")
    session = rig.session()
    stream = session.tunnel(rig.target)
    rig.control.run("drain")
    session.wait(lambda: len(session.goaways) == 2)
    assert session.goaways == [2**31 - 1, stream.id]
    echo_on(stream)
    stream.send(b"", end=True)
    assert stream.read_to_end() == (b"", "end")
    assert wait_end(session) is Ending.CLOSE_NOTIFY
    session.client.close()
    assert rig.proxy.wait_exit() == 0
    rig.assert_closed(stream, "client_closed")


def test_a_request_that_comes_while_it_drains_is_answered(start, dns, echoing):
    rig = drained_rig(start, dns, echoing.port, "1h")
    session = rig.session()
    stream = session.tunnel(rig.target)
    rig.control.run("drain")
    session.wait(lambda: session.goaways)
    late = session.connect(rig.target)
    assert late.status == 503 and b"draining" in late.read_to_end()[0]
    stream.send(b"", end=True)
    assert stream.read_to_end() == (b"", "end")
    session.client.close()
    assert rig.proxy.wait_exit() == 0


def test_a_connection_whose_handshake_ends_in_a_drain_is_told_at_once(start, dns, echoing):
    rig = drained_rig(start, dns, echoing.port, "1h", request="5m", keepalive="5m")
    stream = rig.session().tunnel(rig.target)
    late = rig.proxy.dial(alpn=("h2",))
    eventually(lambda: rig.control.status()["sessions"].get("handshake") == 1, "the connection to be accepted")
    rig.control.run("drain")
    session = Http2(late.handshake())
    assert wait_end(session) is Ending.CLOSE_NOTIFY
    assert session.goaways == [0]
    stream.cancel()
    assert rig.proxy.wait_exit() == 0


def test_the_end_of_a_drain_cuts_every_stream_with_its_reason(start, dns, echoing):
    rig = drained_rig(start, dns, echoing.port, "300ms")
    session = rig.session()
    streams = [session.tunnel(rig.target) for _ in range(5)]
    rig.control.run("drain")
    assert rig.proxy.wait_exit() == 1
    for stream in streams:
        rig.assert_closed(stream, "drained")
    rig.proxy.stop(expected=1)


# -- each wait of a stream has its end ------------------------------------------------------------

BLOCK = b"x" * 65536


def fill_up(stream):
    """Sends until the proxy gives no more credit, as the target reads nothing."""
    session = stream.session
    while True:
        room = session.h2.local_flow_control_window(stream.id)
        if room == 0 and not session.wait_for(lambda: session.h2.local_flow_control_window(stream.id) > 0, 0.3):
            return
        stream.send(BLOCK[: session.h2.local_flow_control_window(stream.id)])


class Wait:
    """Of one kind: how it begins, and what comes of it: (status, reset, reason of the close record)."""

    def __init__(self, begin, status, reset, reason):
        self.begin, self.status, self.reset, self.reason = begin, status, reset, reason


def silent(world, session):
    return session.tunnel(world.silent)


def half_closed(world, session):
    stream = session.tunnel(world.deaf)
    stream.send(b"", end=True)
    return stream


def upload_blocked(world, session):
    stream = session.tunnel(world.deaf)
    fill_up(stream)
    return stream


def download_blocked(world, session):
    stream = session.tunnel(world.talking)
    stream.gives_credit = False
    return stream


def name_without_answer(world, session):
    world.dns.hold("slow.test", "127.0.0.1")
    return session.connect("slow.test:443")


def target_without_answer(world, session):
    return session.connect(world.hole)


def body_that_stops(world, session):
    stream = session.get(world.plain, method="POST", end=False)
    stream.send(b"some")
    return stream


def answer_that_does_not_come(world, session):
    return session.get(world.plain, "/never")


def hello_that_does_not_come(world, session):
    return session.tunnel(world.inner)


WAITS = {
    "idle": Wait(silent, 200, CANCEL, "idle"),
    "half_closed": Wait(half_closed, 200, CANCEL, "idle"),
    "upload_blocked": Wait(upload_blocked, 200, CANCEL, "idle"),
    "download_blocked": Wait(download_blocked, 200, CANCEL, "idle"),
    "resolve": Wait(name_without_answer, 504, None, "refused"),
    "connect": Wait(target_without_answer, 504, None, "timeout"),
    "body": Wait(body_that_stops, 408, None, "timeout"),
    "response": Wait(answer_that_does_not_come, 504, None, "timeout"),
    "inner": Wait(hello_that_does_not_come, 200, CANCEL, "inner_timeout"),
}


class World:
    pass


def talk(conn):
    while True:
        conn.sendall(BLOCK)


SHORT = {name: "400ms" for name in ("idle", "half_closed", "resolve", "connect", "inner", "linger", "keepalive", "request")}


@pytest.fixture(scope="module")
def targets(dns, echoing):
    """Targets that try a proxy's patience."""
    made = World()
    deaf = Origin(lambda conn: made.over.wait(PATIENCE))
    made.over = threading.Event()
    servers = {"silent": Origin(silence), "talking": Origin(talk), "deaf": deaf}
    plain = StrictOrigin(lambda request: made.over.wait(PATIENCE) and None)
    dns.addresses("good.test", "127.0.0.1")
    dns.addresses("inner.test", "127.0.0.1")
    ports = [server.port for server in servers.values()] + [plain.port, echoing.port]
    with blackhole() as hole:
        rules = [reach("good.test", *ports, hole), reach("slow.test", 443)]
        rules.append({**reach("inner.test", echoing.port), "inner": {"tls": "require"}})
        made.clients = [client(*rules)]
        made.dns, made.hole, made.plain = dns, f"good.test:{hole}", f"good.test:{plain.port}"
        made.inner = f"inner.test:{echoing.port}"
        made.echo = f"good.test:{echoing.port}"
        for name, server in servers.items():
            setattr(made, name, f"good.test:{server.port}")
        yield made
        made.over.set()
    for server in list(servers.values()) + [plain]:
        server.stop()


@pytest.fixture(scope="module")
def world(start_shared, targets):
    """They, and a proxy whose patience is short."""
    targets.rig = Rig(start_shared(*targets.clients, workers=1, timeouts=SHORT), None)
    return targets


@pytest.fixture
def patient(start, targets):
    """They, and a proxy whose patience is long."""
    made = copy.copy(targets)
    made.rig = Rig(start(*targets.clients, workers=1), None)
    return made


@pytest.mark.parametrize("what", WAITS)
def test_a_wait_of_a_stream_has_an_end_of_its_own(world, what):
    wait = WAITS[what]
    session = world.rig.session()
    stream = wait.begin(world, session)
    assert stream.status == wait.status
    end = stream.read_to_end()[1]
    assert end == (wait.reset or "end")
    world.rig.proxy.assert_closed(stream.fields["x-request-id"], wait.reason, wait.status)
    other = session.tunnel(world.echo)
    echo_on(other)
    session.client.close()


@pytest.mark.parametrize("has_body", [False, True], ids=["nothing", "the body"])
def test_an_answer_that_the_client_gives_no_room_for_ends(world, has_body):
    """Not even the end of a stream goes out where its window is empty."""
    session = world.rig.session()
    body = session.connect("denied.test:443").read_to_end()[0] if has_body else b""
    session.h2.update_settings({4: len(body)})  # INITIAL_WINDOW_SIZE
    session.flush()
    stream = session.connect("denied.test:443")
    stream.gives_credit = False
    assert stream.status == 403
    received, end = stream.read_to_end()
    assert (len(received), end) == (len(body), CANCEL)
    world.rig.proxy.assert_closed(stream.fields["x-request-id"], "refused", 403)
    session.client.close()


@pytest.mark.parametrize("has_asked", [False, True], ids=["request", "keepalive"])
def test_a_connection_without_streams_ends(world, has_asked):
    session = world.rig.session()
    if has_asked:
        assert session.connect("denied.test:443").status == 403
    assert wait_end(session) is Ending.CLOSE_NOTIFY
    assert session.goaway == 0


@pytest.mark.parametrize("how", ["stream", "connection"])
def test_a_client_that_leaves_while_its_upload_is_blocked_is_noticed_at_once(rig, dns, start, origin, how):
    over = threading.Event()
    deaf = origin(lambda conn: over.wait(PATIENCE))
    dns.addresses("good.test", "127.0.0.1")
    own = Rig(start(*clients(deaf.port), workers=1), f"good.test:{deaf.port}")
    session = own.session()
    stream = session.tunnel(own.target)
    fill_up(stream)
    if how == "stream":
        stream.cancel()
    else:
        session.client.reset()
    own.assert_closed(stream, "client_reset")
    over.set()


def test_very_many_streams_echo_and_all_end_when_their_client_is_blocked(start, pki, dns):
    """long_http2.py has ten thousand."""
    many_streams.play(start, pki, dns, count(10, 4), count(60, 40))

# -- fairness -------------------------------------------------------------------------------------

MIB = 1024 * 1024


def roomy(session):
    """Windows in which a stream never has to wait for its client."""
    session.h2.update_settings({4: 64 * MIB})
    session.h2.increment_flow_control_window(512 * MIB)
    session.flush()
    return session


def bulk(patient, total):
    """A connection with streams that send as much as they can, once `roomy` is called."""
    session = patient.rig.session()
    streams = [session.tunnel(patient.talking) for _ in range(total)]
    for stream in streams:
        stream.gives_credit = False
    return session, streams


def test_streams_that_move_much_share_a_connection_alike(patient):
    session, streams = bulk(patient, 32)
    roomy(session)
    total = lambda: sum(len(stream.data) for stream in streams)
    assert session.wait_for(lambda: total() > 32 * MIB, PATIENCE)
    shares = sorted(len(stream.data) for stream in streams)
    session.client.reset()
    assert shares[0] * 8 > sum(shares) / len(shares), shares


@pytest.mark.parametrize("what", ["upload_blocked", "download_blocked"])
def test_a_stream_that_stands_still_stalls_no_other(patient, what):
    session = patient.rig.session()
    still = [WAITS[what].begin(patient, session) for _ in range(8)]
    others = [session.tunnel(patient.echo) for _ in range(8)]
    for turn in range(4):
        for other in others:
            echo_on(other, b"%d" % turn * 20000)
    assert all(stream.reset is None for stream in still)
    session.client.reset()
