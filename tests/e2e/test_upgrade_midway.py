"""What happens to the running process while another one is about to take its place: nothing of it is lost."""

import errno
import os
import re
import signal
import sys

import pytest

from support.config import client, merge, reach, write_config
from support.proxy import BINARY
from support.scale import PATIENCE, count, eventually
from support.upgrades import is_alive, open_files

DENIED = "nowhere.test:443"


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


def open_gate(path):
    """The writing end of a named pipe, once somebody reads it."""

    def try_open():
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as problem:
            assert problem.errno == errno.ENXIO, problem
            return None

    return open(eventually(try_open, "the new process to come to its gate"), "w", encoding="ascii")


class Held:
    """An upgrade by SIGUSR2 whose new process waits, before its first step, until it is let go."""

    def __init__(self, made, folder):
        self.made = made
        self._gate, self._pid = folder / "gate", folder / "pid"
        os.mkfifo(self._gate)
        made.write_program(f'#!/bin/sh\necho $$ >{self._pid}\nread line <{self._gate}\nexec {BINARY} "$@"\n')
        made.proxy.send_signal(signal.SIGUSR2)
        self._open = open_gate(self._gate)
        self.pid = int(self._pid.read_text())

    def let_go(self):
        self._open.write("\n")
        self._open.close()

    def prepare(self, file):
        """Lets it go, and stops the old process until the new one has read the configuration and opened `file`."""
        self.made.now.send_signal(signal.SIGSTOP)
        self.let_go()
        eventually(lambda: os.stat(file).st_ino in open_files(self.pid), "the new process to be prepared")

    def finish(self):
        """Lets the old process go on; the new one is the proxy from now on."""
        self.made.now.send_signal(signal.SIGCONT)
        self.made.follow(self.made.proxy.stderr.wait(r"upgrade: process \d+ serves now.*").group(0))


def test_what_is_revoked_while_the_new_process_waits_is_refused_by_it(upgradable, pki, tmp_path):
    revoked = pki.ca.leaf("to-be-revoked")
    path = tmp_path / "list.crl"
    lists = [pki.ca.crl(), pki.ca.crl(revoked, number=2)]
    path.write_bytes(open(lists[0], "rb").read())
    made = upgradable(trust={"staff": {"ca": [pki.ca.path], "crl": [str(path)]}})
    proxy = made.proxy
    proxy.tunnel(upgradable.target, revoked).echo(b"it is good yet")
    held = Held(made, tmp_path)
    held.prepare(proxy.audit.path)
    new = path.with_suffix(".new")
    new.write_bytes(open(lists[1], "rb").read())
    new.rename(path)
    held.finish()
    eventually(lambda: made.control.status()["reloads"]["good"] > 0, "the new process to look again")
    assert "REVOKED" in proxy.dial(revoked).refusal()


def test_a_reload_and_a_rotation_asked_of_the_old_process_reach_the_new_one(upgradable, pki, server, tmp_path):
    rule = reach("origin.test", server.port)
    guests = client(rule, name="guests", match=[{"cn": "guest"}])
    made = upgradable(guests, client(rule, match=[{"cn": "worker-1"}]))
    proxy = made.proxy
    held = Held(made, tmp_path)
    held.prepare(proxy.audit.path)
    proxy.config = merge(proxy.config, {"clients": proxy.config["clients"][1:]})
    write_config(proxy.config_path, proxy.config)
    moved = proxy.audit.path.with_suffix(".1")
    proxy.audit.path.rename(moved)
    proxy.send_signal(signal.SIGHUP)
    proxy.send_signal(signal.SIGUSR1)
    held.finish()
    eventually(proxy.audit.path.exists, "a new audit log")
    eventually(
        lambda: os.stat(proxy.audit.path).st_ino in open_files(proxy.pid)
        and os.stat(moved).st_ino not in open_files(proxy.pid),
        "the new process to write there",
    )
    guest = pki.ca.leaf("guest")

    def refused():
        answer = proxy.ask(DENIED, guest)
        return "no_client" in answer.reason and answer.id

    last = eventually(refused, "the reload")
    eventually(lambda: proxy.audit.path.read_text().count(last) >= 2, "both records of the last request")
    proxy.audit.path.write_bytes(moved.read_bytes() + proxy.audit.path.read_bytes())


def test_a_new_process_that_is_told_to_end_before_it_serves_leaves_the_old_one_in_its_place(upgradable, tmp_path):
    made = upgradable()
    proxy = made.proxy
    held = Held(made, tmp_path)
    held.prepare(proxy.audit.path)
    os.kill(held.pid, signal.SIGTERM)
    made.now.send_signal(signal.SIGCONT)
    proxy.stderr.wait("upgrade: failed.*was told to end before it served")
    assert proxy.ask(DENIED).status == 403
    made.upgrade()
    assert proxy.ask(DENIED).status == 403


def test_a_drain_that_is_announced_during_an_upgrade_ends_that_and_comes(upgradable, tmp_path):
    made = upgradable()
    proxy = made.proxy
    held = Held(made, tmp_path)
    made.control.run("drain", "--lame-duck", "1h")
    proxy.stderr.wait("upgrade: failed.*the proxy is to end")
    eventually(lambda: not is_alive(held.pid), "the new process to be gone")
    assert made.control.status()["state"] == "lame_duck"
    proxy.send_signal(signal.SIGTERM)
    assert proxy.wait_exit() == 0


def test_a_reload_asked_for_during_an_upgrade_that_fails_is_made_afterwards(upgradable, pki, server, tmp_path):
    rule = reach("origin.test", server.port)
    guests = client(rule, name="guests", match=[{"cn": "guest"}])
    made = upgradable(guests, client(rule, match=[{"cn": "worker-1"}]))
    proxy = made.proxy
    held = Held(made, tmp_path)
    tunnel = proxy.tunnel(upgradable.target, pki.ca.leaf("guest"))
    proxy.config = merge(proxy.config, {"clients": proxy.config["clients"][1:]})
    write_config(proxy.config_path, proxy.config)
    proxy.send_signal(signal.SIGHUP)
    proxy.stderr.wait("SIGHUP: an upgrade is under way")
    os.kill(held.pid, signal.SIGKILL)
    proxy.assert_closed(tunnel.id, "policy_changed")


# The new process, up to the moment when it is about to serve. Signals end it, and it says which.
ABOUT_TO_SERVE = """#!{python}
import os, signal, socket
BEGIN, PREPARED, COMMIT, SERVING = 5, 6, 11, 12
link = socket.socket(fileno=int(os.environ["SALLYPORT_HANDOVER"]))
link.setblocking(True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
while link.recv(65536)[0] != BEGIN:
    pass
link.send(bytes([PREPARED]))
while link.recv(65536)[0] != COMMIT:
    pass
open("{gate}").read()
link.send(bytes([SERVING]))
got = signal.sigtimedwait([signal.SIGTERM], {patience})
os.write(2, b"the new process got %d\\n" % (0 if got is None else got.si_signo))
"""


def test_a_stop_that_comes_when_the_new_process_is_about_to_serve_stops_it_too(upgradable, tmp_path):
    made = upgradable()
    proxy = made.proxy
    tunnel = proxy.tunnel(upgradable.target)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    made.write_program(ABOUT_TO_SERVE.format(python=sys.executable, gate=gate, patience=PATIENCE))
    proxy.send_signal(signal.SIGUSR2)
    with open_gate(gate):
        proxy.send_signal(signal.SIGTERM)
        proxy.stderr.wait("draining")
    proxy.stderr.wait(f"the new process got {int(signal.SIGTERM)}")
    tunnel.echo(b"it drains")
    tunnel.close()
    assert proxy.wait_exit() == 0


def test_upgrades_may_follow_each_other_at_once(upgradable, tmp_path):
    """The new process reads its files once more when it begins to serve. That takes a while here, and is no obstacle."""
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"127.0.0.1 host-{i}.test\n" for i in range(count(90_000, 5_000))))
    made = upgradable(resolver={"hosts_file": str(hosts)})
    for _ in range(3):
        said = made.control.run("upgrade").stderr
        made.note(int(re.search(r"process (\d+) serves now", said).group(1)))
    assert made.proxy.ask(DENIED).status == 403
    made.wait_old_ended()
