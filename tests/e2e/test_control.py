"""The control socket: who may ask, what is answered, and that nobody there can do harm."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading

import pytest

from support import admin
from support.config import client, listener_of, reach, write_config
from support.control import CONTROL, Control, read_lines
from support.proxy import BINARY, BY_SIGNAL, Lines, run
from support.scale import PATIENCE, count, eventually
from support.wire import Ending, connect_head

DENIED = "nowhere.test:443"
NOBODY = 65534


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


@pytest.fixture
def controlled(start, server):
    """Starts a proxy with a control socket; gives it with its `control`."""

    def make(*clients, **changes):
        given = clients or (client(reach("origin.test", server.port)),)
        proxy = start(*given, **{"control": CONTROL, **changes})
        proxy.control = Control(proxy)
        proxy.target = f"origin.test:{server.port}"
        return proxy

    return make


# -- the socket -------------------------------------------------------------------------------


def test_the_socket_is_its_owners_alone_and_gone_at_the_end(controlled):
    proxy = controlled()
    status = os.stat(proxy.control.path)
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600
    proxy.stop()
    assert not proxy.control.path.exists()


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def run_as_nobody(proxy, command):
    """Asks as another user, who may come as far as the socket: only its own mode is left to stop it.

    The program is copied there: where it was built, in a home, others may not be able to read it.
    """
    path = proxy.control.path
    for folder in path.parents:
        if folder.stat().st_uid == os.geteuid() and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o011)
    program = shutil.copy(BINARY, path.parent)
    return run(command, "--control", path, program=program, preexec_fn=become_nobody)


def needs_another_user():
    if os.geteuid() != 0:
        pytest.skip("needs to be root, to become somebody else")
    with open("/proc/self/uid_map", encoding="ascii") as file:
        if not any(int(line.split()[2]) > NOBODY for line in file):
            pytest.skip("there is no other user in this namespace")


def test_another_user_may_not_connect(controlled):
    needs_another_user()
    proxy = controlled()
    result = run_as_nobody(proxy, "status")
    assert result.returncode == 4
    assert "permission denied" in result.stderr


def test_another_user_is_refused_even_where_the_mode_lets_it_in(controlled):
    needs_another_user()
    proxy = controlled()
    proxy.control.path.chmod(0o666)
    result = run_as_nobody(proxy, "drain")
    assert result.returncode == 1, result.stderr
    record = proxy.audit.wait("admin", result="refused")
    assert record["by"]["uid"] == NOBODY and record["command"] is None
    assert proxy.control.status()["state"] == "serving"


def test_a_socket_that_was_left_behind_is_taken_over(controlled, tmp_path):
    first = controlled()
    first.crash()
    first.audit.path.unlink()
    assert first.control.path.exists()
    second = controlled(control={**CONTROL, "socket": str(first.control.path)})
    assert run("status", "--control", first.control.path).returncode == 0
    assert second.process.poll() is None
    first.stop(expected=BY_SIGNAL + signal.SIGKILL)


def test_a_path_that_was_removed_is_made_again_by_sighup(controlled):
    proxy = controlled()
    control = proxy.control
    listener = control.connect(b"tail\n")
    proxy.audit.wait("admin", command="tail")
    control.path.unlink()
    assert control.run("status", expected=4).stdout == ""
    proxy.send_signal(signal.SIGHUP)
    eventually(control.path.exists, "the path")
    assert stat.S_IMODE(control.path.stat().st_mode) == 0o600
    control.run("reload")
    assert b'"event":"admin"' in listener.recv(65536)  # who was there is still served
    listener.close()
    proxy.config_path.write_text("nonsense")
    control.path.unlink()
    proxy.send_signal(signal.SIGHUP)
    eventually(control.path.exists, "the path, though the configuration is bad")
    proxy.stop()
    assert not control.path.exists()


def test_a_living_socket_is_never_taken_away(controlled, start):
    first = controlled()
    second = start(is_ready=False, control={**CONTROL, "socket": str(first.control.path)})
    assert second.wait_exit() == 1
    assert "another sallyport" in second.stderr.text()
    second.stop(expected=1)
    assert first.control.status()["pid"] == first.pid


def test_what_is_no_socket_stays_where_it_is(start, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    proxy = start(is_ready=False, control={**CONTROL, "socket": str(path)})
    assert proxy.wait_exit() == 1
    assert "not a socket" in proxy.stderr.text() and path.read_text() == "data"
    proxy.stop(expected=1)


def test_a_socket_of_somebody_else_at_the_path_is_not_removed_at_the_end(controlled):
    proxy = controlled()
    proxy.control.path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(proxy.control.path))
        proxy.stop()
        assert proxy.control.path.exists()


def test_a_folder_that_is_not_there_stops_the_start(start, tmp_path):
    path = tmp_path / "gone" / "control.sock"
    proxy = start(is_ready=False, control={**CONTROL, "socket": str(path)})
    assert proxy.wait_exit() == 1
    assert str(path) in proxy.stderr.text()
    proxy.stop(expected=1)


# -- the protocol -----------------------------------------------------------------------------

HOSTILE = {
    "nothing": b"\n",
    "no such command": b"explode\n",
    "a command in capitals": b"STATUS\n",
    "too many blanks": b"kill  id:0000000000000000\n",
    "a blank at the end": b"status \n",
    "a blank in front": b" status\n",
    "a carriage return": b"status\r\n",
    "NUL": b"status\0\n",
    "an argument too many": b"status now\n",
    "an argument too few": b"kill\n",
    "force where there is none": b"unblock force client:workers\n",
    "a line that never ends": b"block " + b"x" * 7000,
    "a line too long": b"block " + b"x" * 7000 + b"\n",
    "two requests": b"status\nstatus\n",
    "an id that is none": b"kill id:12\n",
    "a client without a name": b"kill client:\n",
    "a count that is none": b"top many\n",
    "a count of nothing": b"top 0\n",
    "a count too large": b"top 99999999999999999999\n",
    "no UTF-8": b"block client:\xff\xfe\n",
    "a name with a slash": b"block client:../x\n",
    "a digest too short": b"block sha256:00\n",
    "a serial without issuer": b"block serial:01\n",
    "an issuer that is none": b"block serial:01 issuer:=\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.fixture(scope="module")
def shared(start_shared):
    proxy = start_shared(control=CONTROL)
    proxy.control = Control(proxy)
    return proxy


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_request_is_refused_and_recorded(shared, kind):
    before = len(shared.audit.records("admin", result="refused"))
    last = shared.control.ask(HOSTILE[kind])[-1]
    assert last["exit"] == 2 and last["message"], last
    eventually(
        lambda: len(shared.audit.records("admin", result="refused")) == before + 1, "its record"
    )


def test_a_client_that_says_nothing_harms_nobody(controlled):
    proxy = controlled()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(proxy.control.path))
        assert proxy.control.status()["state"] == "serving"


def test_more_clients_than_there_is_room_for_wait_for_theirs(controlled):
    proxy = controlled()
    silent = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for one in silent:
        one.setblocking(False)
        try:
            one.connect(str(proxy.control.path))
        except BlockingIOError:
            break
    assert proxy.ask(DENIED).status == 403
    for one in silent:
        one.close()
    assert proxy.control.status()["state"] == "serving"


def test_one_who_does_not_read_the_answer_stalls_nobody(controlled):
    proxy = controlled()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            deaf.connect(str(proxy.control.path))
            deaf.sendall(b"status\n")
    assert proxy.control.status()["state"] == "serving"


def test_a_request_may_come_byte_by_byte_and_half_close(controlled):
    proxy = controlled()
    with socket.socket(socket.AF_UNIX) as slow:
        slow.settimeout(PATIENCE)
        slow.connect(str(proxy.control.path))
        for byte in b"status\n":
            slow.sendall(bytes([byte]))
        slow.shutdown(socket.SHUT_WR)
        status, last = read_lines(slow)
    assert status["pid"] == proxy.pid and last["exit"] == 0


# -- the commands -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["status", "top", "tail", "reload", "drain", "upgrade"])
def test_without_a_proxy_the_exit_is_4(tmp_path, command):
    result = run(command, "--control", tmp_path / "control.sock")
    assert result.returncode == 4
    assert "is sallyport running?" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("-c", "x", "--control", "y"), ("--control", "y", "z")])
def test_a_command_that_cannot_be_understood_is_usage(arguments):
    result = run("status", *arguments)
    assert result.returncode == 2 and "--help" in result.stderr


def test_a_configuration_without_a_socket_is_said(start):
    proxy = start()
    result = run("status", "-c", proxy.config_path)
    assert result.returncode == 3 and "control: {socket: control.sock, state: state.json}" in result.stderr


def test_a_configuration_that_is_not_there_is_not_a_proxy_that_is_not_there(tmp_path):
    result = run("status", "-c", tmp_path / "none.yaml")
    assert result.returncode == 3 and "No such file" in result.stderr, result.stderr


def test_a_mistake_in_the_configuration_leaves_the_proxy_in_reach(controlled):
    """Of all times then: somebody may have to be blocked."""
    proxy = controlled()
    listed = "version: 1\ncontrol: {socket: control.sock, state: state.json}\n"
    for broken in (listed + "x: y\n\tx: [\n", listed + "\tx: [\n", listed.replace("{", "{\n  ") + "a: 'b\n"):
        proxy.config_path.write_text(broken)
        for command in (("status",), ("block", "workers"), ("unblock", "workers")):
            result = run(*command, "-c", proxy.config_path)
            assert result.returncode == 0, result.stderr
            assert f"sallyport.yaml cannot be read as a whole (`sallyport check` says why); this asks at {proxy.control.path}" in result.stderr
        result = run("reload", "-c", proxy.config_path)
        assert result.returncode == 3 and "not valid YAML" in result.stderr
    proxy.config_path.write_text("version: 1\ncontrol: {socket: control.sock\nx: [\n")
    result = run("status", "-c", proxy.config_path)
    assert result.returncode == 3 and "--control SOCKET" in result.stderr
    result = run("status", "-c", proxy.config_path.parent / "gone.yaml")
    assert result.returncode == 3 and "No such file" in result.stderr and "--control SOCKET" in result.stderr


def test_status_tells_what_is_there(controlled, pki):
    proxy = controlled()
    tunnels = [proxy.tunnel(proxy.target) for _ in range(3)]
    idle = proxy.connect()
    idle.ask(DENIED)
    status = proxy.control.status()
    assert (status["pid"], status["state"], status["workers"]) == (proxy.pid, "serving", 2)
    host, port = proxy.address
    assert status["listeners"] == [{"name": "main", "address": f"{host}:{port}", "trust": "staff"}]
    assert status["requests"]["tunnel"] == 3 and status["sessions"]["serving"] == 4
    assert status["clients"] == [{"name": "workers", "sessions": 4, "tunnels": 3}]
    assert status["counters"]["tunnels"] == 3 and status["counters"]["requests"] == 4
    limits = status["limits"]
    assert (limits["sessions"], limits["tunnels"]) == (4, 3)
    assert limits["sessions_max"] is None and limits["descriptors_max"] > 0
    assert {one["kind"] for one in status["certificates"]} == {"server", "anchor"}
    assert status["audit"]["lost"] == 0 and not status["audit"]["full"]
    assert status["blocks"] == [] and status["reloads"]["last"] is None
    assert proxy.control.admin("status")["by"] == {"uid": os.getuid(), "pid": os.getpid()}
    for one in tunnels:
        one.close()
    eventually(lambda: proxy.control.status()["requests"]["tunnel"] == 0, "the end of the tunnels")


def test_status_counts_who_is_no_client_apart(controlled):
    proxy = controlled(client(name="others", match=[{"cn": "somebody else"}]))
    stranger = proxy.connect()
    assert stranger.ask(DENIED).status == 403
    status = proxy.control.status()
    assert status["sessions_of_no_client"] == 1 and status["clients"] == []


def test_status_says_what_ends_soon(controlled, pki):
    proxy = controlled(trust={"staff": {"crl": [pki.ca.crl(begins=-20, ends=2.5)]}})
    (crl,) = proxy.control.status()["crls"]
    assert crl["warning"] == "ends soon" and crl["days_left"] == 2
    assert "! ends soon" in proxy.control.run("status").stdout
    assert json.loads(proxy.control.run("status", "--json").stdout)["crls"] == [crl]


def test_top_lists_the_tunnels_with_the_most_bytes_first(controlled):
    proxy = controlled()
    small, large = proxy.tunnel(proxy.target), proxy.tunnel(proxy.target)
    small.echo(b"x")
    large.echo(b"x" * 5000)
    answer = proxy.control.ask(b"top\n")[0]
    assert answer["open"] == 2
    assert [one["id"] for one in answer["tunnels"]] == [large.id, small.id]
    first = answer["tunnels"][0]
    assert first["client"] == "workers" and first["bytes"] == {"up": 5000, "down": 5000}
    assert (first["host"], first["upstream"]) == ("origin.test", "127.0.0.1")
    assert [one["id"] for one in proxy.control.ask(b"top 1\n")[0]["tunnels"]] == [large.id]
    assert large.id in proxy.control.run("top", "--count", "1").stdout
    assert json.loads(proxy.control.run("top", "--json").stdout)["open"] == 2


def test_many_ask_at_once_and_each_gets_its_answer(controlled):
    proxy = controlled()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(proxy.control.status())) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [one["pid"] for one in answers] == [proxy.pid] * 20


def test_reload_answers_when_every_worker_has_the_new_rules(controlled, server):
    proxy = controlled(client())
    requester = proxy.connect()
    assert requester.ask(proxy.target).status == 403
    proxy.config["clients"] = [client(reach("origin.test", server.port))]
    write_config(proxy.config_path, proxy.config)
    assert "generation 1" in proxy.control.run("reload").stderr
    requester.tunnel(proxy.target)
    last = proxy.control.status()["reloads"]["last"]
    assert last["good"] and "generation 1" in last["message"]
    assert proxy.control.admin("reload")["result"] == "ok"


def test_reload_answers_with_the_error_and_the_old_rules_stay(controlled):
    proxy = controlled()
    good = proxy.config_path.read_text()
    proxy.config_path.write_text('{\n "nonsense": 1\n}')
    result = run("reload", "--control", proxy.control.path)
    assert result.returncode == 3
    assert f"{proxy.config_path}:2:2" in result.stderr and "nonsense" in result.stderr
    proxy.tunnel(proxy.target).echo(b"as before")
    reloads = proxy.control.status()["reloads"]
    assert (reloads["good"], reloads["failed"]) == (0, 1)
    assert ":1:1: the configuration has no" in reloads["last"]["message"]
    assert any("nonsense" in one["message"] for one in reloads["last"]["findings"])
    shown = run("status", "--control", proxy.control.path).stdout
    assert "! failed" in shown and ":1:1: the configuration has no" in shown
    record = proxy.control.admin("reload")
    assert record["result"] == "failed" and ":1:1: " in record["detail"]
    proxy.config_path.write_text(good)
    proxy.control.run("reload")


def test_a_finding_of_a_reload_has_its_hint_as_in_check(controlled):
    proxy = controlled()
    text = proxy.config_path.read_text()
    proxy.config_path.write_text(text.replace('"version"', '"versoin"'))
    result = proxy.control.run("reload", expected=3)
    assert "\n    hint: did you mean `version`?" in result.stderr


def test_reloads_asked_for_at_once_are_each_answered(controlled):
    proxy = controlled()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(proxy.control.ask(b"reload\n")[-1]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [one["exit"] for one in answers] == [0] * 8


def test_others_are_answered_while_a_large_configuration_is_read(controlled):
    proxy = controlled()
    text = proxy.config_path.read_text()
    large = "# nothing but a comment, over and over again\n" * count(400_000, 60_000)
    proxy.config_path.write_text(text + "\n" + large)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(proxy.control.ask(b"reload\n")[-1]))
    thread.start()
    eventually(lambda: proxy.control.status()["reloads"]["under_way"], "the reload to begin")
    proxy.tunnel(proxy.target).echo(b"as before")
    proxy.control.block("workers")
    thread.join(PATIENCE)
    assert answers[0]["exit"] == 0
    assert [one["block"] for one in proxy.control.status()["blocks"]] == ["client:workers"]
    assert "ACCESS_DENIED" in proxy.dial().refusal()


def test_a_reload_cannot_change_control_and_says_so(controlled):
    proxy = controlled()
    proxy.config["control"] = {"socket": "other.sock", "state": "other.json"}
    write_config(proxy.config_path, proxy.config)
    result = run("reload", "--control", proxy.control.path)
    assert result.returncode == 0 and "`control` cannot change" in result.stderr
    assert proxy.control.status()["control"]["socket"] == str(proxy.control.path)
    assert not (proxy.folder / "other.sock").exists()


def test_drain_does_what_sigterm_does(controlled):
    proxy = controlled()
    tunnel = proxy.tunnel(proxy.target)
    for _ in range(6):  # on whichever worker: one that has nothing to do ends at once
        proxy.ask(DENIED)
    proxy.control.run("drain")
    eventually(lambda: proxy.control.status()["state"] == "draining", "the state")
    since = proxy.control.status()["draining_since"]
    assert re.search(rf", draining since {since}; started 0d ", proxy.control.run("status").stdout)
    tunnel.echo(b"still there")
    counters = proxy.control.status()["counters"]
    assert (counters["tunnels"], counters["connections"]) == (1, 7)
    assert proxy.control.ask(b"reload\n")[-1]["exit"] == 1
    tunnel.close()
    assert proxy.wait_exit() == 0
    proxy.stop()
    assert proxy.control.admin("drain")["result"] == "ok"


@pytest.mark.parametrize("is_cut", [False, True])
def test_drain_can_wait_for_the_end_and_says_whether_anything_was_cut(controlled, is_cut):
    proxy = controlled(timeouts={"drain": "300ms" if is_cut else "60s"})
    tunnel = proxy.tunnel(proxy.target)
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.settimeout(PATIENCE)
        waiting.connect(str(proxy.control.path))
        waiting.sendall(b"drain wait\n")
        eventually(lambda: not is_listening(proxy), "the drain")
        if not is_cut:
            tunnel.echo(b"still there")
            tunnel.close()
        answer = read_lines(waiting)[-1]
    assert answer == {"exit": int(is_cut), "message": f"drained: {int(is_cut)} requests or tunnels had to be cut"}
    assert proxy.wait_exit() == int(is_cut)
    proxy.stop(expected=int(is_cut))


def is_listening(proxy):
    """A socket that is being closed resets who is in its queue: the next attempt tells."""
    try:
        socket.create_connection(proxy.address, PATIENCE).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        return True
    return True


def test_a_lame_duck_serves_on_but_says_that_it_is_not_ready(controlled):
    proxy = controlled(admin={"address": "127.0.0.1:0"})
    port = int(proxy.stderr.wait(r"metrics and health at http://127\.0\.0\.1:(\d+)/").group(1))
    place = ("127.0.0.1", port)
    assert admin.get(place, "/readyz").status == 200
    said = proxy.control.run("drain", "--lame-duck", "1h").stderr
    assert "new connections are accepted" in said
    page = admin.get(place, "/readyz")
    assert page.status == 503 and "about to drain" in page.body
    assert proxy.control.status()["state"] == "lame_duck"
    proxy.tunnel(proxy.target).echo(b"as before")
    assert proxy.control.ask(b"upgrade\n")[-1]["exit"] == 1
    proxy.control.run("drain", "--lame-duck", "1ms")  # it is announced already
    assert proxy.control.status()["state"] == "lame_duck"
    assert proxy.control.ask(b"drain lame_duck:2h\n")[-1]["exit"] == 2
    proxy.stop()
    assert proxy.audit.records("admin", command="drain", result="ok")


def test_a_lame_duck_drains_when_its_time_is_over(controlled):
    proxy = controlled(timeouts={"drain": "60s"})
    tunnel = proxy.tunnel(proxy.target)
    proxy.control.run("drain", "--lame-duck", "100ms")
    eventually(lambda: not is_listening(proxy), "the drain")
    tunnel.echo(b"still there")
    tunnel.close()
    assert proxy.wait_exit() == 0


def test_a_reload_that_waits_when_a_drain_begins_is_answered_at_once(controlled):
    proxy = controlled(timeouts={"drain": "60s"})
    tunnel = proxy.tunnel(proxy.target)
    large = "# nothing but a comment, over and over again\n" * count(400_000, 60_000)
    proxy.config_path.write_text(proxy.config_path.read_text() + "\n" + large)
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        for one in (first, second):  # the second waits until the first is done
            one.settimeout(PATIENCE)
            one.connect(str(proxy.control.path))
            one.sendall(b"reload\n")
            proxy.control.status()
        proxy.control.ask(b"drain\n")
        answer = read_lines(second)[-1]
        assert "draining" in answer["message"] or answer["exit"] == 0  # 0: the first was done early
        assert read_lines(first)[-1]["exit"] == 0
    tunnel.echo(b"still there")
    tunnel.close()
    assert proxy.wait_exit() == 0
    proxy.stop()


def test_a_refused_client_that_says_nothing_does_not_hold_a_drain_up(controlled, pki):
    stranger = pki.authority("Other CA").leaf("stranger")
    listeners = [listener_of(pki, refuse_with="http")]
    patient = {"handshake": "1h", "request": "1h", "drain": "1h"}
    proxy = controlled(listeners=listeners, timeouts=patient)
    silent = proxy.connect(stranger)
    proxy.audit.wait("handshake_refused", reason="unknown_ca")
    assert proxy.control.status()["sessions"]["refusing"] == 1
    proxy.control.run("drain")
    assert silent.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    silent.close()
    assert proxy.wait_exit() == 0
    proxy.stop()


# -- kill -------------------------------------------------------------------------------------


def test_kill_ends_one_tunnel_and_leaves_the_others(controlled):
    proxy = controlled()
    others = [proxy.tunnel(proxy.target) for _ in range(count(100, 20))]
    ending = proxy.tunnel(proxy.target)
    assert "killed: 1" in proxy.control.run("kill", ending.id).stderr
    proxy.assert_closed(ending.id, "killed")
    assert ending.read_to_end() == (b"", Ending.RESET)
    for other in others:
        other.echo(b"untouched")
    assert proxy.control.admin("kill")["argument"] == f"id:{ending.id}"


def test_kill_ends_all_of_a_clients_tunnels_on_every_worker(controlled, server, pki):
    rule = reach("origin.test", server.port)
    guests = client(rule, name="guests", match=[{"cn": "guest"}])
    proxy = controlled(guests, client(rule))
    guest = pki.ca.leaf("guest")
    ending = [proxy.tunnel(proxy.target, guest) for _ in range(20)]
    staying = [proxy.tunnel(proxy.target) for _ in range(20)]
    assert proxy.control.ask(b"kill client:guests\n")[0] == {"killed": 20}
    for tunnel in ending:
        proxy.assert_closed(tunnel.id, "killed")
    for tunnel in staying:
        tunnel.echo(b"untouched")
    proxy.tunnel(proxy.target, guest).echo(b"back again")


def test_kill_ends_a_request_that_waits_for_dns(controlled, server, dns):
    released = dns.hold("slow.test", "127.0.0.1")
    proxy = controlled(client(reach("slow.test", server.port)))
    requester = proxy.connect()
    requester.send(connect_head(f"slow.test:{server.port}"))
    dns.wait_asked("slow.test")
    assert proxy.control.ask(b"kill client:workers\n")[0] == {"killed": 1}
    released.set()
    assert requester.read_to_end()[1] is Ending.RESET
    assert proxy.audit.wait("close")["reason"] == "killed"
    assert server.accepted == 0


def test_kill_of_nobody_says_so(controlled):
    proxy = controlled()
    assert "no live request" in proxy.control.run("kill", "0" * 16, expected=1).stderr
    refused = proxy.control.run("kill", "12", "--json", expected=2)
    assert json.loads(refused.stdout)["exit"] == 2
    missing = proxy.control.run("kill", "client", "worker", expected=1)
    assert "did you mean `workers`" in missing.stderr
    bare = proxy.control.run("kill", "workers", expected=2)
    assert "`workers` is neither an id" in bare.stderr and "client:NAME" in bare.stderr
    proxy.control.run("kill", "client", "workers")


@pytest.mark.parametrize("words", [["client", "workers"], ["client:workers"]])
def test_kill_takes_a_client_in_both_spellings(controlled, words):
    proxy = controlled()
    ending = proxy.tunnel(proxy.target)
    assert "killed: 1" in proxy.control.run("kill", *words).stderr
    proxy.assert_closed(ending.id, "killed")


@pytest.mark.parametrize("words", [[], ["client:"], ["client", ""], ["client:a", "b"], ["id:12"], ["a", "b"]])
def test_kill_of_what_is_no_id_and_no_client_is_wrong_usage(controlled, words):
    proxy = controlled()
    tunnel = proxy.tunnel(proxy.target)
    proxy.control.run("kill", *words, expected=2)
    tunnel.echo(b"untouched")


def test_a_client_that_hangs_up_before_its_answer_harms_nobody(controlled):
    proxy = controlled()
    for request in (b"status\n", b"reload\n", b"top\n", b"kill client:workers\n"):
        with socket.socket(socket.AF_UNIX) as hasty:
            hasty.connect(str(proxy.control.path))
            hasty.sendall(request)
    proxy.audit.wait_count(4, "admin")
    assert proxy.control.status()["state"] == "serving"


def test_the_stop_answers_who_still_waits(controlled):
    proxy = controlled()
    proxy.tunnel(proxy.target)
    proxy.send_signal(signal.SIGINT)
    assert proxy.wait_exit() == 0
    result = subprocess.run(
        [BINARY, "status", "--control", proxy.control.path],
        check=False,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert result.returncode == 4
    proxy.stop()


# -- tail -------------------------------------------------------------------------------------


@pytest.fixture
def follow(controlled):
    """A proxy, and what `tail` of it prints, from its own record on."""
    started = []

    def make(**changes):
        proxy = controlled(**changes)
        process = subprocess.Popen(
            [BINARY, "tail", "-c", str(proxy.config_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        lines = Lines(process.stdout)
        proxy.control.admin("tail")
        lines.wait('"command":"tail"')
        return proxy, process, lines

    yield make
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def test_tail_prints_the_records_as_they_come_and_ends_with_the_proxy(follow):
    proxy, process, lines = follow()
    answers = [proxy.ask(DENIED) for _ in range(20)]
    lines.wait(answers[-1].id)
    proxy.stop()
    assert process.wait(PATIENCE) == 0
    lines.join()
    shown = [json.loads(line) for line in lines.text().split("\n") if line]
    assert shown == proxy.audit.records()[-len(shown) :]
    assert {answer.id for answer in answers} <= {one.get("id") for one in shown}


def test_tail_follows_over_rotation_and_to_another_file(follow):
    proxy, _, lines = follow()
    first = proxy.ask(DENIED)
    lines.wait(first.id)
    proxy.audit.path.rename(proxy.folder / "old.jsonl")
    proxy.send_signal(signal.SIGUSR1)
    eventually(proxy.audit.path.exists, "the new file")
    second = proxy.ask(DENIED)
    lines.wait(second.id)
    proxy.reload(audit={"file": "third.jsonl"})
    third = proxy.ask(DENIED)
    lines.wait(third.id)
    proxy.is_audit_whole = False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tail_ends_well_when_it_is_interrupted(follow, number):
    proxy, process, _ = follow()
    process.send_signal(number)
    assert process.wait(PATIENCE) == 0
    proxy.ask(DENIED)


def test_a_listener_that_does_not_listen_holds_nobody_up(controlled):
    proxy = controlled()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(proxy.control.path))
        deaf.sendall(b"tail\n")
        proxy.control.admin("tail")
        requester = proxy.connect()
        for _ in range(count(2000, 200)):
            requester.ask(DENIED)
        assert proxy.control.status()["audit"]["lost"] == 0
        deaf.settimeout(PATIENCE)
        data = b""
        while data.count(b'"event":"close"') < count(2000, 200):
            data += deaf.recv(65536)


def test_listeners_that_leave_make_room_for_others(controlled):
    proxy = controlled()
    for _ in range(3):
        listeners = [socket.socket(socket.AF_UNIX) for _ in range(32)]
        for one in listeners:
            one.connect(str(proxy.control.path))
            one.sendall(b"tail\n")
        for one in listeners:
            one.close()
        assert proxy.control.status()["state"] == "serving"


def test_an_audit_that_is_no_file_cannot_be_followed(controlled, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    proxy = controlled(audit={"file": str(path)})
    assert "not a regular file" in proxy.control.run("tail", expected=1).stderr
    proxy.stop()
    os.close(reader)
