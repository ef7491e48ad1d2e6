"""Another program in the place of the running one: nobody is refused, no tunnel ends, and nothing is forgotten."""

import os
import signal
import socket
import sys

import pytest

from support import admin
from support.config import client, merge, reach, write_config
from support.control import read_lines
from support.proxy import BINARY, BY_SIGNAL, run
from support.scale import PATIENCE, eventually
from support.upgrades import Knocking, is_alive, listens, open_files
from support.wire import Ending

DENIED = "nowhere.test:443"


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    dns.addresses("other.test", "127.0.0.1")
    return origin()


def configure(proxy, **changes):
    """Another configuration on the disk; nobody is told."""
    proxy.config = merge(proxy.config, changes)
    write_config(proxy.config_path, proxy.config)


# -- what goes on -----------------------------------------------------------------------------


def test_nobody_is_refused_and_no_tunnel_ends_whatever_number_of_workers_comes(upgradable, tmp_path):
    """More sockets than workers, and fewer: each queue goes on being served."""
    key = tmp_path / "audit-sign.key"
    assert run("audit", "keygen", "--name", "gate-1", key).returncode == 0
    made = upgradable(workers=2, audit={"chain": {"key": str(key)}})
    proxy = made.proxy
    first = proxy.connect()
    assert first.ask(DENIED).status == 403
    session = first.tls.session
    first.close()
    knocking = Knocking(proxy, upgradable.target)
    tunnels = []
    for workers in (3, 1, 2):
        knocking.wait_more()
        tunnels.append(proxy.tunnel(upgradable.target))
        configure(proxy, workers=workers)
        pid = made.upgrade()
        assert made.control.status()["pid"] == pid
        assert made.control.status()["workers"] == workers
        for tunnel in tunnels:
            tunnel.echo(b"after an upgrade")
    knocking.wait_more()
    knocking.stop()
    again = proxy.dial(session=session).handshake()
    assert proxy.decision(again.ask(DENIED).id)["tls"]["resumed"] is True
    assert [is_alive(old.pid) for old in made.old] == [True] * 3
    for tunnel in tunnels:
        tunnel.echo(b"still there")
        tunnel.close()
        assert proxy.close_record(tunnel.id)["reason"] == "client_closed"
    made.wait_old_ended()
    assert proxy.ask(DENIED).status == 403
    proxy.stop()
    told = run("audit", "verify", "--key", f"{key}.pub", proxy.audit.path)
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.protocols("h1", "h2")
def test_a_client_that_has_just_come_is_served_by_the_old_process(upgradable):
    made = upgradable()
    proxy = made.proxy
    fresh, kept = proxy.connect(), proxy.connect()
    begun = proxy.dial()
    assert kept.ask(DENIED).status == 403
    made.upgrade()
    assert is_alive(made.old[0].pid)
    fresh.tunnel(upgradable.target)
    fresh.echo(b"the first request of a connection")
    begun.handshake().tunnel(upgradable.target)
    begun.echo(b"a handshake was under way")
    if proxy.protocol == "h1":
        assert kept.read_to_end() == (b"", Ending.CLOSE_NOTIFY)
    fresh.close()
    begun.close()
    made.wait_old_ended()


def test_sigusr2_upgrades_and_the_main_process_of_the_service_manager_stays(upgradable, tmp_path):
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(name)
        notify.settimeout(PATIENCE)
        made = upgradable(process={"environment": {"NOTIFY_SOCKET": name}})
        assert notify.recv(4096) == b"READY=1"
        made.proxy.send_signal(signal.SIGUSR2)
        said = made.proxy.stderr.wait(r"upgrade: process \d+ serves now.*").group(0)
        made.follow(said)
        assert notify.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert notify.recv(4096) == b"READY=1"
        made.wait_old_ended()
        made.write_program("#!/bin/sh\nexit 7\n")
        assert "exit status 7" in made.fail()
        assert notify.recv(4096).startswith(b"RELOADING=1")
        assert notify.recv(4096) == b"READY=1"
        made.proxy.stop()
        assert notify.recv(4096) == b"STOPPING=1"


# -- trust ------------------------------------------------------------------------------------


def test_blocks_reloads_and_rotation_reach_every_old_process(upgradable, pki, server):
    rule = reach("origin.test", server.port)
    others = client(rule, name="others", match=[{"cn": "other"}])
    guests = client(rule, name="guests", match=[{"cn": "guest"}])
    workers = client(rule, match=[{"cn": "worker-1"}])
    made = upgradable(guests, others, workers)
    proxy = made.proxy
    guest, other = pki.ca.leaf("guest"), pki.ca.leaf("other")
    held = []
    for _ in range(2):
        tunnels = [proxy.tunnel(upgradable.target, leaf) for leaf in (guest, other, pki.worker)]
        held.append(tunnels)
        made.upgrade()
    made.control.block("guests")
    for tunnels in held:
        proxy.assert_closed(tunnels[0].id, "blocked")
        tunnels[1].echo(b"not meant")
    assert made.control.state()["blocks"][0]["block"] == "client:guests"
    configure(proxy, clients=[guests, workers])
    made.control.run("reload")
    for tunnels in held:
        proxy.assert_closed(tunnels[1].id, "policy_changed")
        tunnels[2].echo(b"nothing has changed for these")
    assert "ACCESS_DENIED" in proxy.dial(guest).refusal()

    moved = proxy.audit.path.with_suffix(".1")
    proxy.audit.path.rename(moved)
    proxy.send_signal(signal.SIGUSR1)
    eventually(proxy.audit.path.exists, "the new file")
    files = [os.stat(proxy.audit.path).st_ino]
    for process in [*made.old, made.now]:
        eventually(lambda pid=process.pid: files[0] in open_files(pid), "each process to write there")
    for tunnels in held:
        tunnels[2].close()
        assert proxy.close_record(tunnels[2].id)["reason"] == "client_closed"
    made.wait_old_ended()
    proxy.audit.path.write_bytes(moved.read_bytes() + proxy.audit.path.read_bytes())
    made.control.unblock("guests")
    proxy.tunnel(upgradable.target, guest).echo(b"again")


def test_what_the_new_configuration_takes_away_ends_in_the_old_process(upgradable, server):
    made = upgradable(client(reach("origin.test", server.port), reach("other.test", server.port)))
    proxy = made.proxy
    tunnel, other = proxy.tunnel(upgradable.target), proxy.tunnel(f"other.test:{server.port}")
    configure(proxy, clients=[client(reach("other.test", server.port))])
    made.upgrade()
    proxy.assert_closed(tunnel.id, "policy_changed")
    other.echo(b"as before")
    other.close()
    made.wait_old_ended()


def test_when_the_command_returns_the_old_process_accepts_nothing_and_goes_by_the_new_configuration(upgradable, server):
    both, other = (reach("origin.test", server.port), reach("other.test", server.port)), reach("other.test", server.port)
    made = upgradable(client(*both))
    proxy = made.proxy
    for _ in range(3):
        kept = proxy.tunnel(f"other.test:{server.port}")
        fresh = proxy.connect()  # whose first request the old process still answers
        configure(proxy, clients=[client(other)])
        said = made.control.run("upgrade").stderr
        assert not listens(made.now.pid)
        proxy.assert_refused(fresh.ask(upgradable.target), 403, "no_rule")
        made.follow(said)
        kept.close()
        configure(proxy, clients=[client(*both)])
        made.upgrade()
    made.wait_old_ended()


def test_tunnels_of_old_processes_count_are_seen_and_can_be_ended(upgradable, server):
    made = upgradable(client(reach("origin.test", server.port), limits={"tunnels": 3}))
    proxy = made.proxy
    tunnels = []
    for _ in range(2):
        tunnels.append(proxy.tunnel(upgradable.target))
        made.upgrade()
    status = made.control.status()
    assert sorted(status["old_processes"]) == sorted(old.pid for old in made.old)
    assert status["requests"]["tunnel"] == 2
    assert f"old          process {made.old[0].pid} goes on" in made.control.run("status").stdout
    assert [(each["name"], each["tunnels"]) for each in status["clients"]] == [("workers", 2)]
    tunnels.append(proxy.tunnel(upgradable.target))
    proxy.assert_refused(proxy.ask(upgradable.target), 429, "limit_tunnels", action="error")
    listed = made.control.ask(b"top\n")[0]
    assert listed["open"] == 3
    assert {each["id"] for each in listed["tunnels"]} == {each.id for each in tunnels}
    made.control.run("kill", tunnels[0].id)
    proxy.assert_closed(tunnels[0].id, "killed")
    eventually(lambda: proxy.connect().ask(upgradable.target).status == 200, "room for another tunnel")
    assert "no live request" in made.control.run("kill", "0" * 16, expected=1).stderr
    assert "killed: 3" in made.control.run("kill", "client", "workers").stderr
    proxy.assert_closed(tunnels[1].id, "killed")
    made.wait_old_ended()
    assert made.control.status()["old_processes"] == []


def test_what_is_in_use_of_a_limit_is_told_as_it_counts_over_all_processes(upgradable):
    made = upgradable(limits={"tunnels": 3, "sessions": 100}, admin={"address": "127.0.0.1:0"})
    proxy = made.proxy
    place = ("127.0.0.1", int(proxy.stderr.wait(r"metrics and health at http://127\.0\.0\.1:(\d+)/").group(1)))
    tunnels = [proxy.tunnel(upgradable.target) for _ in range(2)]
    made.upgrade()
    tunnels.append(proxy.tunnel(upgradable.target))
    proxy.assert_refused(proxy.ask(upgradable.target), 429, "limit_proxy_tunnels", action="error")

    def in_use():
        limits = made.control.status()["limits"]
        samples = admin.read_metrics(admin.get(place, "/metrics").body)
        measured = [admin.value(samples, "sallyport_limit_in_use", limit=limit) for limit in ("tunnels", "sessions")]
        return [limits["tunnels"], limits["sessions"]], measured

    eventually(lambda: in_use() == ([3, 3], [3, 3]), f"three of each, and not {in_use()}")
    assert "tunnels 3 of 3" in made.control.run("status").stdout
    tunnels[0].close()
    eventually(lambda: in_use() == ([2, 2], [2, 2]), f"two of each, and not {in_use()}")


def test_a_block_made_before_an_upgrade_holds_after_it(upgradable, pki):
    made = upgradable()
    made.control.block("sha256:" + pki.worker.sha256)
    made.upgrade()
    assert "ACCESS_DENIED" in made.proxy.dial().refusal()
    made.control.unblock("sha256:" + pki.worker.sha256)
    made.upgrade()
    assert made.proxy.ask(DENIED).status == 403


def test_old_processes_end_with_the_one_that_leads_them(upgradable):
    made = upgradable(timeouts={"drain": "300ms"})
    proxy = made.proxy
    tunnel = proxy.tunnel(upgradable.target)
    made.upgrade()
    assert is_alive(made.old[0].pid)
    proxy.send_signal(signal.SIGTERM)
    made.wait_old_ended()
    proxy.assert_closed(tunnel.id, "drained")
    assert proxy.wait_exit() == 1  # something was cut, though not by itself
    proxy.stop(expected=1)


def test_an_old_process_that_nobody_leads_drains(upgradable):
    made = upgradable(timeouts={"drain": "300ms"})
    tunnel = made.proxy.tunnel(upgradable.target)
    made.upgrade()
    made.proxy.crash()
    made.wait_old_ended()
    made.proxy.assert_closed(tunnel.id, "drained")
    made.proxy.stop(expected=BY_SIGNAL + signal.SIGKILL)


def test_metrics_and_health_can_be_asked_for_without_a_gap(upgradable):
    made = upgradable(admin={"address": "127.0.0.1:0"})
    place = made.proxy.stderr.wait(r"metrics and health at http://127\.0\.0\.1:(\d+)/").group(1)
    place = ("127.0.0.1", int(place))
    made.upgrade()
    made.wait_old_ended()
    assert admin.get(place, "/readyz").status == 200
    folder = made.proxy.audit.path.parent  # to which it may write
    first, second = folder / "first.sock", folder / "second.sock"
    for path in (first, second):
        configure(made.proxy, admin={"address": f"unix:{path}"})
        made.control.run("reload")
        made.upgrade()
        made.wait_old_ended()
        assert admin.get(str(path), "/readyz").status == 200
    assert not first.exists()
    configure(made.proxy, admin={"address": f"unix:{first}"})
    made.upgrade()
    made.wait_old_ended()
    assert admin.get(str(first), "/readyz").status == 200
    assert not second.exists()


def test_who_follows_an_old_process_learns_that_it_has_ended(upgradable):
    made = upgradable()
    tunnel = made.proxy.tunnel(upgradable.target)
    with made.control.connect(b"tail\n") as following:
        made.control.admin("tail")
        assert made.proxy.ask(DENIED).status == 403
        made.upgrade()
        tunnel.close()
        made.wait_old_ended()
        *records, last = read_lines(following)
    assert "after an upgrade" in last["message"]
    assert "decision" in [each["event"] for each in records]


def test_a_control_socket_that_somebody_has_removed_is_made_again(upgradable):
    made = upgradable()
    made.control.path.unlink()
    made.write_program("#!/bin/sh\nexit 7\n")
    made.proxy.send_signal(signal.SIGUSR2)
    made.proxy.stderr.wait("upgrade: failed.*status 7")
    good = made.proxy.config_path.read_text()
    made.change_program()
    configure(made.proxy, audit={"file": "/nowhere/audit.jsonl"})
    made.proxy.send_signal(signal.SIGUSR2)
    made.proxy.stderr.wait("upgrade: failed.*/nowhere")
    assert not made.control.path.exists()
    made.proxy.config_path.write_text(good)
    made.proxy.send_signal(signal.SIGUSR2)
    pid = made.follow(made.proxy.stderr.wait(r"upgrade: process \d+ serves now.*").group(0))
    assert made.control.status()["pid"] == pid
    made.wait_old_ended()
    assert made.control.path.exists()


# -- what does not come about -----------------------------------------------------------------

SPEAKS_OTHERWISE = f"""#!{sys.executable}
import os, socket
link = socket.socket(fileno=int(os.environ["SALLYPORT_HANDOVER"]))
link.setblocking(True)
link.recv(65536)
link.send(b"\\xff")
link.recv(65536)
while link.recv(65536):
    pass
"""

BAD_PROGRAMS = {
    "is not executable": ({"path": BINARY, "mode": 0o644}, "Permission denied"),
    "is no program": ({"text": "\0nonsense"}, "cannot be started"),
    "ends": ({"text": "#!/bin/sh\nexit 3\n"}, "exit status 3"),
    "crashes": ({"text": "#!/bin/sh\nkill -SEGV $$\n"}, "signal 11"),
    "hangs": ({"text": "#!/bin/sh\nexec sleep 1000\n"}, "did not say in time"),
    "speaks otherwise": ({"text": SPEAKS_OTHERWISE}, "does not know"),
}


def test_with_a_program_that_does_not_work_the_old_one_goes_on_and_says_why(upgradable):
    made = upgradable()
    proxy = made.proxy
    tunnel = proxy.tunnel(upgradable.target)
    before = proxy.descriptors()
    for options, reason in BAD_PROGRAMS.values():
        if "text" in options:
            made.write_program(options["text"])
        else:
            made.change_program(**options)
        patience = "300ms" if "sleep" in options.get("text", "") else "60s"
        assert reason in made.fail("--wait", patience)
        tunnel.echo(b"as before")
        assert proxy.ask(DENIED).status == 403
        assert made.control.admin("upgrade")["result"] == "failed"
        proxy.wait_descriptors(before)
    proxy.stderr.wait("upgrade: failed")
    made.upgrade()
    tunnel.echo(b"after all")
    tunnel.close()


def test_the_new_process_inherits_nothing_but_its_links(upgradable, tmp_path):
    made = upgradable()
    made.proxy.tunnel(upgradable.target).echo(b"descriptors that it must not get")
    made.write_program(
        f"#!/bin/sh\nls -l /proc/self/fd >{tmp_path}/fds\nenv >{tmp_path}/environment\n"
        f'echo "$@" >{tmp_path}/arguments\nexit 3\n'
    )
    assert "exit status 3" in made.fail()
    lines = (tmp_path / "fds").read_text().splitlines()[1:]
    targets = dict(line.split()[-3::2] for line in lines)
    environment = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines() if "=" in line)
    links = [environment.pop(name) for name in ("SALLYPORT_HANDOVER", "SALLYPORT_KEEPER")]
    assert [targets.pop(link).startswith("socket:") for link in links] == [True] * 2, lines
    own = [number for number, target in targets.items() if target.endswith("/fd")]
    assert set(targets) - set(own) == {"0", "1", "2"}, lines
    assert set(environment) - set(os.environ) <= {"PWD", "OLDPWD", "SHLVL", "_"}
    assert (tmp_path / "arguments").read_text() == f"serve -c {made.proxy.config_path}\n"


def test_with_a_configuration_that_it_does_not_take_the_old_one_goes_on_and_says_why(upgradable, tmp_path):
    made = upgradable()
    proxy = made.proxy
    good = proxy.config_path.read_text()
    configure(proxy, timeouts={"drain": "never"})
    assert "cannot be loaded" in made.fail()
    proxy.config_path.write_text(good)
    configure(proxy, timeouts={"drain": "5s"})
    control = proxy.config["control"]
    configure(proxy, control={**control, "state": str(tmp_path / "other.json")})
    assert "`control` differs" in made.fail()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        second = {**proxy.config["listeners"][0], "name": "second",
                  "address": f"127.0.0.1:{taken.getsockname()[1]}"}
        configure(proxy, control=control, listeners=[proxy.config["listeners"][0], second])
        assert "cannot listen" in made.fail()
    assert proxy.ask(DENIED).status == 403
    made.upgrade()
    assert proxy.ask(DENIED).status == 403
    assert [each["name"] for each in made.control.status()["listeners"]] == ["main", "second"]
    configure(proxy, listeners=proxy.config["listeners"][:1])
    made.upgrade()
    assert [each["name"] for each in made.control.status()["listeners"]] == ["main"]
    eventually(lambda: is_refused(second["address"]), "the address to be free again")


def is_refused(address):
    """A socket that is being closed resets who is in its queue: the next attempt tells."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False
    return False


def test_there_are_at_most_four_old_processes(upgradable):
    made = upgradable()
    tunnels = []
    for _ in range(4):
        tunnels.append(made.proxy.tunnel(upgradable.target))
        made.upgrade()
    made.change_program()
    assert "four old processes" in made.fail()
    tunnels[1].close()
    made.old[1].wait_end()
    made.proxy.stderr.wait(f"the old process {made.old[1].pid} has ended")
    made.upgrade()
    for tunnel in tunnels:
        tunnel.close()


def test_an_upgrade_that_cannot_work_is_refused(start, server):
    piped = start(process={"is_piped": True})
    piped.send_signal(signal.SIGUSR2)
    piped.stderr.wait("SIGUSR2: no upgrade: the configuration came from stdin")
    streaming = start(audit={"file": "-"})
    streaming.send_signal(signal.SIGUSR2)
    streaming.stderr.wait("SIGUSR2: no upgrade: the audit log is a stream")
    assert streaming.ask(DENIED).status == 403
