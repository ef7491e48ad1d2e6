"""The audit file: what is in it, how it is opened, and what happens when it cannot be written."""

import datetime
import hashlib
import json
import os
import resource
import signal
import stat
import time

import pytest

from support.config import client, reach
from support.control import CONTROL, Control
from support.scale import IS_SMALL, PATIENCE, eventually
from support.wire import connect_head

pytestmark = pytest.mark.protocols("h1", "h2", repeats="records are written")

DENIED = "nowhere.test:443"


def test_a_tunnel_leaves_a_decision_and_a_close(start, dns, origin, pki):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port, name="here")))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    tunnel.echo(b"0123456789")
    port = tunnel.local_port
    tunnel.close()
    close = proxy.close_record(tunnel.id)
    assert [record["event"] for record in proxy.audit.records()] == ["decision", "close"]
    decision = proxy.decision(tunnel.id)
    assert decision["listener"] == "main"
    assert decision["client"]["address"] == "127.0.0.1"
    assert decision["client"]["port"] == port
    assert decision["request"] == proxy.requested("origin.test", server.port)
    assert close["bytes"] == {"up": 10, "down": 10}
    assert close["ms"]["total"] >= close["ms"]["connect"] >= 0
    assert close["reason"] == "client_closed"


def test_the_decision_is_written_while_the_tunnel_lives(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)))
    tunnel = proxy.tunnel(f"origin.test:{server.port}")
    begin = time.monotonic()
    proxy.audit.wait("decision", id=tunnel.id)
    assert time.monotonic() - begin < PATIENCE / 4
    assert not proxy.audit.records("close")


def test_the_times_are_now_in_utc(start):
    before = time.time()
    proxy = start()
    record = proxy.decision(proxy.ask(DENIED).id)
    stamp = datetime.datetime.strptime(record["ts"], "%Y-%m-%dT%H:%M:%S.%fZ")
    seconds = stamp.replace(tzinfo=datetime.timezone.utc).timestamp()
    assert before - 1 <= seconds <= time.time() + 1


@pytest.mark.protocols("h1")
def test_an_unparseable_request_has_no_host(start):
    proxy = start()
    answer, _ = proxy.send_head(b"junk\r\n\r\n")
    assert answer.status == 400
    assert proxy.decision(answer.id)["request"]["host"] is None


def test_the_file_is_not_for_everybody(start):
    proxy = start()
    proxy.ask(DENIED)
    assert stat.S_IMODE(os.stat(proxy.audit.path).st_mode) == 0o640


def test_the_umask_cannot_open_it_wider(start):
    old = os.umask(0)
    try:
        proxy = start()
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(proxy.audit.path).st_mode) == 0o640


def test_a_second_run_appends(start, tmp_path):
    first = start(folder=tmp_path)
    first_id = first.ask(DENIED).id
    first.stop()
    second = start(folder=tmp_path)
    second_id = second.ask(DENIED).id
    second.stop()
    ids = [record["id"] for record in second.audit.records("decision")]
    assert ids == [first_id, second_id]


def test_a_torn_last_line_is_ended_at_start(start, tmp_path):
    torn = b'{"v":1,"ts":"2026-11-22T03:00:00.123Z","event":"deci'
    (tmp_path / "audit.jsonl").write_bytes(torn)
    proxy = start(folder=tmp_path)
    answer = proxy.ask(DENIED)
    eventually(lambda: len(proxy.audit.lines()) == 3, proxy.audit.tail)
    lines = proxy.audit.lines()
    assert lines[0] == torn
    assert [json.loads(line)["id"] for line in lines[1:]] == [answer.id, answer.id]
    (tmp_path / "audit.jsonl").write_bytes(b"\n".join(lines[1:]) + b"\n")  # for the final check


def test_sigusr1_opens_the_file_anew(start, tmp_path):
    proxy = start(folder=tmp_path)
    first = proxy.ask(DENIED)
    proxy.close_record(first.id)
    path = tmp_path / "audit.jsonl"
    path.rename(tmp_path / "audit.1")
    proxy.send_signal(signal.SIGUSR1)
    eventually(path.exists, "the new file")
    second = proxy.ask(DENIED)
    proxy.close_record(second.id)
    assert second.id.encode() not in (tmp_path / "audit.1").read_bytes()
    assert first.id.encode() not in path.read_bytes()


def test_a_file_that_cannot_be_opened_anew_keeps_the_old_one(start, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    proxy = start(folder=tmp_path, audit={"file": "logs/audit.jsonl"})
    proxy.close_record(proxy.ask(DENIED).id)
    kept = tmp_path / "kept"
    folder.rename(kept)
    proxy.send_signal(signal.SIGUSR1)
    proxy.stderr.wait("audit")
    proxy.audit.path = kept / "audit.jsonl"
    proxy.close_record(proxy.ask(DENIED).id)


def test_a_file_that_is_removed_is_made_again_though_nothing_happens(start, tmp_path):
    proxy = start(folder=tmp_path, control=CONTROL)
    control = Control(proxy)
    proxy.close_record(proxy.ask(DENIED).id)
    for times in (1, 2):
        proxy.audit.path.unlink()
        eventually(proxy.audit.path.exists, "the file again")
        last = proxy.ask(DENIED)
        proxy.close_record(last.id)
        proxy.decision(last.id)
        proxy.stderr.wait(rf"audit\.jsonl: the file was removed while it was in use.* \({times} times")
        assert control.status()["audit"]["removed"] == times
    assert "! the file was removed" in control.run("status").stdout


def test_a_file_that_another_has_replaced_is_left_for_the_new_one(start, tmp_path):
    proxy = start(folder=tmp_path)
    proxy.close_record(proxy.ask(DENIED).id)
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / "other").rename(proxy.audit.path)
    proxy.stderr.wait("the file was removed while it was in use")
    last = proxy.ask(DENIED)
    proxy.close_record(last.id)


def test_a_file_that_is_renamed_is_written_on(start, tmp_path):
    proxy = start(folder=tmp_path)
    proxy.close_record(proxy.ask(DENIED).id)
    proxy.audit.path.rename(tmp_path / "audit.1")
    os.link(tmp_path / "audit.1", tmp_path / "audit.2")  # any name will do
    (tmp_path / "audit.1").unlink()
    path, proxy.audit.path = proxy.audit.path, tmp_path / "audit.2"
    for _ in range(20):
        proxy.close_record(proxy.ask(DENIED).id)
    assert not path.exists()
    assert "removed" not in proxy.stderr.text()


def test_a_file_that_cannot_be_made_again_is_one_that_cannot_be_written(start, tmp_path):
    """No record, no tunnel; and what waited is written when there is a folder again."""
    folder = tmp_path / "logs"
    folder.mkdir()
    # In a sandbox the folder that is made again would be another one.
    proxy = start(folder=tmp_path, audit={"file": "logs/audit.jsonl"}, cage={"sandbox": "off"})
    proxy.close_record(proxy.ask(DENIED).id)
    (folder / "audit.jsonl").unlink()
    folder.rmdir()
    proxy.stderr.wait(r"audit\.jsonl: No such file or directory")
    answer = proxy.ask(DENIED)
    assert answer.status == 503
    assert "audit_full" in answer.reason
    folder.mkdir()
    proxy.stderr.wait("the file was removed while it was in use")
    assert proxy.decision(answer.id)["decision"]["reason"] == "audit_full"
    assert proxy.ask(DENIED).status == 403


@pytest.mark.parametrize("tunnels", [1, 50])
def test_a_tunnel_open_across_a_reopen_has_its_close_in_the_new_file(
    start, tmp_path, dns, origin, tunnels
):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), folder=tmp_path)
    opened = [proxy.tunnel(f"origin.test:{server.port}") for _ in range(tunnels)]
    proxy.audit.wait_count(tunnels, "decision")
    path = tmp_path / "audit.jsonl"
    path.rename(tmp_path / "audit.1")
    proxy.send_signal(signal.SIGUSR1)
    eventually(path.exists, "the new file")
    for tunnel in opened:
        tunnel.close()
    proxy.audit.wait_count(tunnels, "close")
    assert not proxy.audit.records("decision")
    joined = (tmp_path / "audit.1").read_bytes() + path.read_bytes()
    path.write_bytes(joined)


# Ending with records that could not be written is no success: exit status 1.


def test_a_full_disk_refuses_new_requests(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), audit={"file": "/dev/full"})
    target = f"origin.test:{server.port}"
    eventually(lambda: proxy.ask(target).status == 503, "a 503")
    answer = proxy.ask(target)
    assert answer.status == 503
    assert "audit_full" in answer.reason
    reached = server.accepted
    assert proxy.ask(target).status == 503
    assert server.accepted == reached
    assert "audit" in proxy.stderr.text()
    proxy.stop(expected=1)


def test_a_full_disk_does_not_cut_live_tunnels(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(client(reach("origin.test", server.port)), audit={"file": "/dev/full"})
    target = f"origin.test:{server.port}"
    tunnel = proxy.connect()
    if tunnel.ask(target).status == 200:
        eventually(lambda: proxy.ask(target).status == 503, "a 503")
        tunnel.echo(b"still here")
    proxy.stop(expected=1)


def test_a_full_disk_with_drop_goes_on(start, dns, origin):
    server = origin()
    dns.addresses("origin.test", "127.0.0.1")
    proxy = start(
        client(reach("origin.test", server.port)),
        audit={"file": "/dev/full", "on_full": "drop"},
    )
    for _ in range(20):
        tunnel = proxy.tunnel(f"origin.test:{server.port}")
        tunnel.echo(b"hello")
        tunnel.close()
    proxy.stop(expected=1)


# ThreadSanitizer's own memory is a file, which may not grow either.
may_limit_files = pytest.mark.skipif("TSAN_OPTIONS" in os.environ, reason="under ThreadSanitizer")


@may_limit_files
def test_requests_are_served_again_once_the_file_can_be_written(start, tmp_path):
    """A file that may not grow any more stands for a full disk; a new file, for room on it."""
    limit = (resource.RLIMIT_FSIZE, (16 * 1024, 16 * 1024))
    proxy = start(folder=tmp_path, process={"limits": limit})
    proxy.is_audit_whole = False  # what was refused for want of room is not in the file
    eventually(lambda: proxy.ask(DENIED).status == 503, "a 503")
    (tmp_path / "audit.jsonl").rename(tmp_path / "audit.1")
    proxy.send_signal(signal.SIGUSR1)
    eventually(lambda: proxy.ask(DENIED).status == 403, "a 403 again")
    last = proxy.ask(DENIED)
    proxy.close_record(last.id)
    for line in proxy.audit.lines():
        json.loads(line)


SMALL_FILE = {"limits": (resource.RLIMIT_FSIZE, (16 * 1024, resource.RLIM_INFINITY))}


def make_room(proxy):
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, unlimited)


@may_limit_files
def test_what_finds_no_room_waits_for_it(start):
    """Also the record that was cut in the middle: the file has whole lines only."""
    proxy = start(process=SMALL_FILE, audit={"on_full": "drop"})
    asked = [proxy.ask(DENIED) for _ in range(100)]
    assert {answer.status for answer in asked} == {403}
    assert len(proxy.audit.records("decision")) < 100
    make_room(proxy)
    proxy.audit.wait_count(100, "decision")
    proxy.audit.wait_count(100, "close")
    assert not proxy.audit.records("records_lost")


@pytest.mark.protocols("h1")  # the queue is the same
@may_limit_files
@pytest.mark.skipif(IS_SMALL, reason="20,000 requests are too many for a sanitizer")
def test_what_had_to_be_dropped_is_counted(start):
    """More than the proxy keeps in memory: the rest is lost, and the file says how many."""
    total = 20_000
    proxy = start(process=SMALL_FILE, audit={"on_full": "drop"})
    proxy.is_audit_whole = False
    requester = proxy.connect()
    for _ in range(total):
        requester.ask(DENIED)
    make_room(proxy)
    proxy.audit.wait("records_lost")
    proxy.stop()
    lost = sum(record["count"] for record in proxy.audit.records("records_lost"))
    written = len(proxy.audit.records("decision")) + len(proxy.audit.records("close"))
    assert lost > 0 and written + lost == 2 * total


@pytest.mark.protocols("h1")  # the queue is the same
@may_limit_files
@pytest.mark.skipif(IS_SMALL, reason="20,000 requests are too many for a sanitizer")
def test_what_waited_for_dns_while_the_queue_filled_has_its_record(start, dns, origin):
    """No record, no tunnel: the room is taken before the wait."""
    server = origin()
    released = dns.hold("slow.test", "127.0.0.1")
    proxy = start(
        client(reach("slow.test", server.port)),
        process=SMALL_FILE,
        limits={"refused_requests": "none"},
        timeouts={"resolve": "2m"},
        resolver={"timeout": "1m"},
    )
    waiting = proxy.connect().send(connect_head(f"slow.test:{server.port}"))
    dns.wait_asked("slow.test")
    requester = proxy.connect()
    for _ in range(20_000):
        requester.ask(DENIED)
    released.set()
    answer = waiting.read_answer()
    assert answer.status == 200
    waiting.close()
    proxy.is_audit_whole = False  # the denials found no room
    make_room(proxy)
    assert proxy.decision(answer.id)["decision"]["action"] == "allow"
    proxy.assert_closed(answer.id, "client_closed")


def test_a_record_has_room_for_what_a_reload_adds_to_it_while_the_request_waits(start, dns, origin, pki):
    server = origin()
    addresses = [each for n in range(16) for each in (f"127.100.100.{200 + n}", f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:{1000 + n}")]
    released = dns.hold("slow.test", *addresses)
    oids = [f"1.3.6.1.4.1.99999.{number}" for number in range(8)]
    long = tuple((oid, b"\x0c\x81\xdf" + b'"' * 223, False) for oid in oids)
    known = client(reach("slow.test", server.port))
    proxy = start(known, control=CONTROL)
    waiting = proxy.connect(pki.ca.leaf("worker-1", extensions=long)).send(connect_head(f"slow.test:{server.port}"))
    dns.wait_asked("slow.test")
    wants = [client(name=f"other-{n}", match=[{"extension": {"oid": oid, "text": "y"}}]) for n, oid in enumerate(oids)]
    proxy.reload(clients=[known, *wants])
    released.set()
    answer = waiting.read_answer()
    decision = proxy.decision(answer.id)
    assert decision["decision"]["action"] == "allow" and len(decision["addresses"]) == 32, decision
    told = decision["client"]["extensions"]
    assert [each["oid"] for each in told] == oids and told[0]["text"] == '"' * 223, told
    waiting.close()


def test_ids_differ_between_runs_and_workers(start, tmp_path):
    ids = []
    for run in range(3):
        folder = tmp_path / str(run)
        folder.mkdir()
        proxy = start(folder=folder)
        ids += [proxy.ask(DENIED).id for _ in range(20)]
        proxy.stop()
    assert len(set(ids)) == 60
    prefixes = {id[:8] for id in ids}
    assert len(prefixes) > 1, "nothing in the id tells runs apart"


def test_the_config_is_named_in_each_decision(start):
    proxy = start()
    record = proxy.decision(proxy.ask(DENIED).id)
    digest = hashlib.sha256(proxy.config_path.read_bytes()).hexdigest()
    assert digest.startswith(record["config"]) and len(record["config"]) >= 8


def test_an_audit_file_that_cannot_be_opened_stops_the_start(start):
    proxy = start(is_ready=False, audit={"file": "/nonexistent/audit.jsonl"})
    assert proxy.wait_exit() in (1, 3)
    assert "/nonexistent/audit.jsonl" in proxy.stderr.text()
    proxy.stop(expected=proxy.process.returncode)
