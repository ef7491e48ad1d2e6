"""Blocks: refused at once, on every way in, without the CA; over reloads and restarts."""

import json
import os
import signal
import ssl
import threading

import pytest
from cryptography.hazmat.primitives import hashes

from support.config import client, listener_of, reach, write_config
from support.control import CONTROL, Control
from support.origin import full_queue, silence
from support.proxy import BY_SIGNAL
from support.scale import count, eventually
from support.wire import Ending, connect_head

pytestmark = pytest.mark.protocols("h1", "h2")

DENIED = "nowhere.test:443"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


@pytest.fixture
def guest(pki):
    return pki.ca.leaf("guest")


@pytest.fixture
def controlled(start, server):
    """A proxy with a control socket and two clients: `guests` (the leaf `guest`) and `workers`."""

    def make(*clients, **changes):
        rule = reach("origin.test", server.port)
        guests = client(rule, name="guests", match=[{"cn": "guest"}])
        proxy = start(*(clients or (guests, client(rule))), **{"control": CONTROL, **changes})
        proxy.control = Control(proxy)
        proxy.target = f"origin.test:{server.port}"
        return proxy

    return make


def assert_shut_out(proxy, leaf, **options):
    """A handshake is refused, and the record says whose."""
    assert "ACCESS_DENIED" in proxy.dial(leaf, **options).refusal()
    record = proxy.audit.wait("handshake_refused", reason="blocked")
    assert record["presented"]["sha256"] == leaf.sha256


def ways_of(pki):
    """Every way to name the leaf `guest`."""
    leaf = pki.ca.leaf("guest")
    issuer = ("--issuer", "CN=Clients CA", "--serial", "00" + leaf.serial)
    return leaf, {"name": ("guests",), "digest": (f"sha256:{leaf.sha256}",), "serial": issuer}


WAYS = pytest.mark.parametrize("way", ["name", "digest", "serial"])


@WAYS
def test_a_block_shuts_out_and_an_unblock_lets_in_again(controlled, pki, way):
    leaf, ways = ways_of(pki)
    proxy = controlled()
    tunnel, other = proxy.tunnel(proxy.target, leaf), proxy.tunnel(proxy.target)
    idle = proxy.connect(leaf)
    idle.ask(DENIED)
    proxy.control.block(*ways[way])
    proxy.assert_closed(tunnel.id, "blocked")
    assert tunnel.read_to_end() == (b"", Ending.RESET)
    proxy.assert_cut_off(idle, proxy.target, "blocked")
    assert_shut_out(proxy, leaf)
    other.echo(b"untouched")
    proxy.tunnel(proxy.target).echo(b"welcome")
    proxy.control.unblock(*ways[way])
    proxy.tunnel(proxy.target, leaf).echo(b"back again")


def test_a_blocked_ca_takes_everybody_below_it_along(controlled, pki, server):
    middle = pki.authority("Blocked Middle CA", issuer=pki.ca)
    leaf = middle.leaf("below", sends=(middle,))
    proxy = controlled()
    tunnel, other = proxy.tunnel(proxy.target, leaf), proxy.tunnel(proxy.target)
    proxy.control.block("sha256:" + middle.certificate.fingerprint(hashes.SHA256()).hex())
    proxy.assert_closed(tunnel.id, "blocked")
    assert_shut_out(proxy, leaf)
    other.echo(b"untouched")


def test_a_serial_counts_with_its_issuer_only(controlled, guest):
    proxy = controlled()
    tunnel = proxy.tunnel(proxy.target, guest)
    proxy.control.block("--issuer", "CN=Other CA", "--serial", guest.serial)
    tunnel.echo(b"untouched")
    proxy.tunnel(proxy.target, guest).echo(b"welcome")


@VERSIONS
@WAYS
def test_a_ticket_taken_before_a_block_opens_nothing(controlled, pki, version, way):
    leaf, ways = ways_of(pki)
    proxy = controlled()
    only = {"minimum": version, "maximum": version}
    first = proxy.connect(leaf, **only)
    first.ask(DENIED)
    session = first.tls.session
    assert session.has_ticket
    first.close()
    proxy.control.block(*ways[way])
    again = proxy.dial(leaf, session=session, **only)
    assert "ACCESS_DENIED" in again.refusal()
    record = proxy.audit.wait("handshake_refused", reason="blocked")
    assert record["tls"]["resumed"] is False
    proxy.control.unblock(*ways[way])
    again = proxy.dial(leaf, session=session, **only).handshake()
    again.ask(DENIED)
    assert again.tls.session_reused


@VERSIONS
def test_a_handshake_held_open_across_a_block_comes_to_nothing(controlled, guest, version, server):
    proxy = controlled()
    held = proxy.dial(guest, minimum=version, maximum=version)
    held.sock.sendall(held.first_flight())
    eventually(lambda: proxy.control.status()["sessions"]["handshake"] == 1, "the handshake")
    proxy.control.block("guests")
    assert "ACCESS_DENIED" in held.refusal()
    proxy.audit.wait("handshake_refused", reason="blocked")
    assert server.accepted == 0


def test_a_dns_answer_held_open_across_a_block_opens_nothing(controlled, guest, dns, server):
    released = dns.hold("slow.test", "127.0.0.1")
    proxy = controlled(client(reach("slow.test", server.port)))
    requester = proxy.connect(guest)
    requester.send(connect_head(f"slow.test:{server.port}"))
    dns.wait_asked("slow.test")
    proxy.control.block(f"sha256:{guest.sha256}")
    released.set()
    proxy.assert_refused(requester.read_answer(), 403, "blocked")
    assert server.accepted == 0


def test_a_connect_held_open_across_a_block_opens_nothing(controlled, guest, dns):
    dns.addresses("hole.test", "127.0.0.1")
    with full_queue() as hole:
        port = hole.getsockname()[1]
        proxy = controlled(client(reach("hole.test", port)), timeouts={"attempt": "10s"})
        requester = proxy.connect(guest)
        requester.send(connect_head(f"hole.test:{port}"))
        decision = proxy.audit.wait("decision")
        proxy.control.block("workers")
        hole.listen(64)  # room for the next retransmission
        answer = requester.read_answer()
        assert answer.status == 403 and "blocked" in answer.reason
        proxy.assert_closed(decision["id"], "blocked", status=403)


def test_a_block_ends_every_tunnel_of_its_client_and_nobody_elses(controlled, guest):
    proxy = controlled()
    ending = [proxy.tunnel(proxy.target, guest) for _ in range(20)]
    staying = [proxy.tunnel(proxy.target) for _ in range(count(500, 50))]
    proxy.control.block("guests")
    for tunnel in ending:
        proxy.assert_closed(tunnel.id, "blocked")
    for tunnel in staying:
        tunnel.echo(b"untouched")


def test_a_block_ends_a_forwarded_request_too(controlled, guest, dns, origin):
    quiet = origin(silence)
    dns.addresses("quiet.test", "127.0.0.1")
    proxy = controlled(client(reach("quiet.test", quiet.port)))
    requester = proxy.connect(guest)
    place = f"quiet.test:{quiet.port}"
    requester.send(f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
    eventually(lambda: proxy.control.status()["requests"]["forward"] == 1, "the request")
    proxy.control.block("workers")
    assert proxy.audit.wait("close")["reason"] == "blocked"
    assert requester.read_to_end()[1] is Ending.RESET


def test_an_anonymous_client_can_be_blocked_by_its_name(controlled, pki, server):
    listener = listener_of(pki, client_certificate="optional")
    anybody = client(
        reach("origin.test", server.port), name="anybody", match=[{"anonymous": True}]
    )
    proxy = controlled(anybody, listeners=[listener])
    tunnel = proxy.tunnel(proxy.target, None)
    proxy.control.block("anybody")
    proxy.assert_closed(tunnel.id, "blocked")
    proxy.assert_refused(proxy.ask(proxy.target, None), 403, "blocked")


def test_where_refusals_are_said_in_http_a_block_is_too(controlled, pki, guest):
    listener = listener_of(pki, refuse_with="http")
    proxy = controlled(listeners=[listener])
    proxy.control.block("guests")
    answer = proxy.connect(guest).ask(proxy.target)
    assert answer.status == 403 and "blocked" in answer.reason
    assert proxy.audit.wait("handshake_refused", reason="blocked")["id"] == answer.id


def test_a_block_acts_while_the_audit_cannot_be_written(controlled, guest):
    """Each command is a record; what keeps trust must not wait for room on a disk."""
    proxy = controlled(audit={"file": "/dev/full"})
    held = proxy.connect(guest)
    for _ in range(400):  # more than the audit keeps of commands
        assert proxy.control.ask(b"unblock client:guests\n")[-1]["exit"] == 1
    proxy.control.block("guests")
    if proxy.protocol == "h2":
        proxy.assert_cut_off(held, DENIED, "blocked")
    else:
        answer = held.ask(DENIED)
        assert answer.status == 503 or "blocked" in answer.reason
    assert "ACCESS_DENIED" in proxy.dial(guest).refusal()
    audit = proxy.control.status()["audit"]
    assert audit["failing"] and audit["full"] and audit["lost"] > 0
    assert "! cannot be written" in proxy.control.run("status").stdout
    proxy.stop(expected=1)


def test_a_block_acts_while_the_proxy_drains(controlled, guest):
    proxy = controlled(timeouts={"drain": "1h"})
    ending, staying = proxy.tunnel(proxy.target, guest), proxy.tunnel(proxy.target)
    proxy.control.run("drain")
    proxy.control.block("guests")
    proxy.assert_closed(ending.id, "blocked")
    staying.echo(b"untouched")
    staying.close()
    assert proxy.wait_exit() == 0


# -- what is said -----------------------------------------------------------------------------


def test_a_name_that_nobody_has_is_no_block(controlled):
    proxy = controlled()
    result = proxy.control.block("guest", expected=1)
    assert "did you mean `guests`? (--force blocks" in result.stderr
    assert proxy.control.status()["blocks"] == []
    assert proxy.control.admin("block")["result"] == "failed"


def test_a_name_that_nobody_has_yet_can_be_forced(controlled, server):
    proxy = controlled()
    proxy.control.block("--force", "late")
    (block,) = proxy.control.status()["blocks"]
    assert block["block"] == "client:late" and "no client" in block["warning"]
    tunnel = proxy.tunnel(proxy.target)
    proxy.config["clients"] = [client(reach("origin.test", server.port), name="late")]
    write_config(proxy.config_path, proxy.config)
    proxy.control.run("reload")
    proxy.assert_closed(tunnel.id, "blocked")


def test_blocks_are_listed_with_who_and_when(controlled):
    proxy = controlled()
    proxy.control.block("guests")
    (block,) = proxy.control.status()["blocks"]
    assert block["block"] == "client:guests" and block["uid"] == os.getuid()
    assert "client:guests" in proxy.control.run("status").stdout
    record = proxy.control.admin("block", result="ok")
    assert record["argument"] == "client:guests"
    assert record["by"]["uid"] == os.getuid()


def test_a_second_block_and_a_second_unblock_say_so(controlled):
    proxy = controlled()
    proxy.control.block("guests")
    assert "already" in proxy.control.block("guests").stderr
    proxy.control.unblock("guests")
    assert "not blocked" in proxy.control.unblock("guests", expected=1).stderr


@pytest.mark.parametrize(
    "who",
    [
        ("sha256:00",),
        ("sha256:" + "g" * 64,),
        ("--serial", "01"),
        ("--issuer", "CN=a"),
        ("--issuer", "CN=a", "--serial", "x"),
        ("--issuer", "nonsense", "--serial", "1"),
        ("a b",),
        ("two", "names"),
        (),
    ],
)
def test_who_cannot_be_read_is_usage(controlled, who):
    proxy = controlled()
    proxy.control.block(*who, expected=2)
    assert proxy.control.state()["blocks"] == []


# -- reloads and restarts ---------------------------------------------------------------------


def test_a_block_holds_over_a_reload(controlled, guest):
    proxy = controlled()
    proxy.control.block("guests")
    proxy.control.run("reload")
    assert_shut_out(proxy, guest)


def test_blocks_and_reloads_at_the_same_time_lose_no_block(controlled, pki):
    proxy = controlled()
    blocked = [f"{number:064x}" for number in range(20)]
    stop = threading.Event()

    def reload():
        while not stop.is_set():
            assert proxy.control.ask(b"reload\n")[-1]["exit"] == 0

    thread = threading.Thread(target=reload)
    thread.start()
    for digest in blocked:
        assert proxy.control.ask(b"block sha256:" + digest.encode() + b"\n")[-1]["exit"] == 0
    stop.set()
    thread.join()
    assert [one["block"] for one in proxy.control.status()["blocks"]] == [
        f"sha256:{digest}" for digest in blocked
    ]


def again(proxy, start, **changes):
    """The same proxy after its end, in the same folder."""
    proxy.stop()
    second = start(
        *proxy.config["clients"], folder=proxy.folder, **{"control": CONTROL, **changes}
    )
    second.control = Control(second)
    return second


def test_a_block_holds_over_a_restart(controlled, start, pki):
    leaf, ways = ways_of(pki)
    proxy = controlled()
    for who in ways.values():
        proxy.control.block(*who)
    proxy = again(proxy, start)
    assert len(proxy.control.status()["blocks"]) == 3
    assert_shut_out(proxy, leaf)
    for who in ways.values():
        proxy.control.unblock(*who)
    proxy = again(proxy, start)
    proxy.connect(leaf).ask(DENIED)


def test_a_block_survives_a_kill(controlled, start, guest):
    proxy = controlled()
    proxy.control.block("guests")
    proxy.crash()
    second = start(*proxy.config["clients"], folder=proxy.folder, control=CONTROL)
    assert_shut_out(second, guest)
    proxy.stop(expected=BY_SIGNAL + signal.SIGKILL)


def test_the_state_is_its_owners_alone(controlled):
    proxy = controlled()
    proxy.control.block("guests")
    assert proxy.control.state_path.stat().st_mode & 0o777 == 0o600


def test_a_state_that_cannot_be_written_is_said_and_the_block_holds_all_the_same(
    controlled, guest, tmp_path
):
    folder = tmp_path / "state"
    folder.mkdir()
    proxy = controlled(control={**CONTROL, "state": str(folder / "state.json")})
    folder.rename(tmp_path / "gone")
    tunnel = proxy.tunnel(proxy.target, guest)
    result = proxy.control.block("guests", expected=1)
    assert "until the next restart" in result.stderr
    proxy.assert_closed(tunnel.id, "blocked")
    assert_shut_out(proxy, guest)
    proxy.send_signal(signal.SIGHUP)  # which writes nothing there, and takes the blocks along
    proxy.stderr.wait("reloaded: ")
    assert_shut_out(proxy, guest)
    assert "state.json" in proxy.control.status()["control"]["problem"]
    assert "! blocks hold only" in proxy.control.run("status").stdout
    assert proxy.control.admin("block")["result"] == "failed"
    (tmp_path / "gone").rename(folder)
    proxy.control.block("guests")
    assert proxy.control.status()["control"]["problem"] is None
    assert json.loads((folder / "state.json").read_text())["blocks"]


STATES = {
    "nothing": "",
    "half of it": '{"v":1,"blocks":[\n{"block":"client:guests","since":1,"uid":0}',
    "no list": '{"v":1}\n',
    "a list that is none": '{"v":1,"blocks":{}}\n',
    "another version": '{"v":2,"blocks":[]}\n',
    "no version": '{"blocks":[]}\n',
    "an unknown key": '{"v":1,"blocks":[],"more":1}\n',
    "an unknown kind": '{"v":1,"blocks":[{"block":"user:x","since":1,"uid":0}]}\n',
    "a digest cut short": '{"v":1,"blocks":[{"block":"sha256:00","since":1,"uid":0}]}\n',
    "no time": '{"v":1,"blocks":[{"block":"client:x","uid":0}]}\n',
    "a time that is none": '{"v":1,"blocks":[{"block":"client:x","since":-1,"uid":0}]}\n',
    "the same twice": '{"v":1,"blocks":['
    + ",".join(['{"block":"client:x","since":1,"uid":0}'] * 2)
    + "]}\n",
    "two of them": '{"v":1,"blocks":[]}\n{"v":1,"blocks":[]}\n',
    "no UTF-8": '{"v":1,"blocks":["\udcff"]}\n',
    "NUL": '{"v":1,"blocks":[]}\n\0',
}


@pytest.mark.parametrize("kind", STATES)
def test_a_state_that_cannot_be_read_stops_the_start(start, tmp_path, kind):
    path = tmp_path / "state.json"
    path.write_text(STATES[kind], encoding="utf-8", errors="surrogateescape")
    proxy = start(is_ready=False, control={**CONTROL, "state": str(path)})
    assert proxy.wait_exit() == 3
    assert str(path) in proxy.stderr.text() and "ready" not in proxy.stdout.text()
    assert path.read_text(encoding="utf-8", errors="surrogateescape") == STATES[kind]
    proxy.stop(expected=3)


def test_a_state_cut_anywhere_never_means_that_nobody_is_blocked(start, tmp_path):
    path = tmp_path / "state.json"
    whole = '{"v":1,"blocks":[\n{"block":"client:guests","since":1,"uid":0}\n]}\n'
    for length in range(0, len(whole) - 1, count(7, 20)):
        path.write_text(whole[:length])
        proxy = start(is_ready=False, control={**CONTROL, "state": str(path)})
        assert proxy.wait_exit() == 3, whole[:length]
        proxy.stop(expected=3)


@pytest.mark.parametrize("kind", ["a folder", "a dangling link"])
def test_a_state_that_is_no_file_stops_the_start(start, tmp_path, kind):
    path = tmp_path / "state.json"
    if kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to("gone.json")
    proxy = start(is_ready=False, control={**CONTROL, "state": str(path)})
    assert proxy.wait_exit() == 3
    proxy.stop(expected=3)


def test_a_first_start_writes_an_empty_state(controlled):
    proxy = controlled()
    assert proxy.control.state() == {"v": 1, "blocks": []}
