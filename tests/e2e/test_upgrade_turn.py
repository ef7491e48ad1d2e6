"""Whose turn it is to serve, when the new process of an upgrade is late, or one of the two ends: exactly one serves."""

import signal
import threading

import pytest

from support.scale import IS_SMALL, eventually
from support.stops import KEEPER_SERVING, READY, SERVING, Stops
from support.upgrades import listens

pytestmark = pytest.mark.skipif(IS_SMALL, reason="the probe and a sanitizer both want to be loaded first")


@pytest.fixture
def server(dns, origin):
    dns.addresses("origin.test", "127.0.0.1")
    return origin()


class Late:
    """An upgrade whose new process has stopped before it says a certain word."""

    def __init__(self, upgradable, stops, word, patience):
        self.made = upgradable(process={"environment": stops.environment})
        self.old = self.made.now
        self.tunnel = self.made.proxy.tunnel(upgradable.target)
        self.status = None
        stops.stop_before(word)
        self._command = threading.Thread(target=self._run, args=(patience,), daemon=True)
        self._command.start()
        self.new = stops.wait()

    def _run(self, patience):
        said = self.made.control.run("upgrade", "--wait", patience, expected=(0, 1, 4))
        self.status = said.returncode

    def result(self):
        """The exit status of the command."""
        self._command.join(30)
        assert self.status is not None, "the command hangs"
        return self.status

    def end_tunnel(self):
        self.tunnel.close()
        self.made.proxy.close_record(self.tunnel.id)
        self.tunnel = None

    def go_on(self):
        self.new.send_signal(signal.SIGCONT)

    def assert_old_serves(self):
        self.new.wait_end()
        self._assert_serves(self.old)

    def wait_old_retired(self):
        eventually(lambda: not listens(self.old.pid), "the old process to listen no more")

    def assert_new_serves(self):
        self.wait_old_retired()
        self.made.proxy.stderr.wait(f"this process, {self.new.pid}, serves")
        assert "drain" not in self.made.proxy.stderr.text()
        self.made.note(self.new.pid)
        self._assert_serves(self.new)

    def _assert_serves(self, process):
        """And alone: who is blocked is refused at once, by each process that accepts."""
        assert self.made.control.status()["pid"] == process.pid
        if self.tunnel:
            self.tunnel.echo(b"as before")
            self.end_tunnel()
        self.made.control.block("sha256:" + self.made.proxy.pki.worker.sha256)
        for _ in range(20):
            assert "ACCESS_DENIED" in self.made.proxy.dial().refusal()


@pytest.fixture
def late(upgradable, tmp_path):
    return lambda word, patience: Late(upgradable, Stops(tmp_path), word, patience)


def test_a_new_process_that_is_not_ready_in_time_never_serves(late):
    upgrade = late(READY, "300ms")
    assert upgrade.result() == 1
    upgrade.assert_old_serves()


@pytest.mark.parametrize("word", [KEEPER_SERVING, SERVING])
def test_a_new_process_whose_turn_it_is_serves_however_late_it_says_so(late, word):
    upgrade = late(word, "300ms")
    upgrade.wait_old_retired()
    upgrade.go_on()
    assert upgrade.result() == 0
    upgrade.assert_new_serves()


@pytest.mark.parametrize("word", [READY, KEEPER_SERVING])
def test_if_the_new_process_dies_before_it_serves_the_old_one_goes_on(late, word):
    upgrade = late(word, "60s")
    upgrade.new.send_signal(signal.SIGKILL)
    assert upgrade.result() == 1
    upgrade.assert_old_serves()


@pytest.mark.parametrize("word", [READY, KEEPER_SERVING, SERVING])
def test_if_the_old_process_dies_before_the_new_one_serves_that_one_serves(late, word):
    upgrade = late(word, "60s")
    upgrade.end_tunnel()
    upgrade.old.send_signal(signal.SIGKILL)
    assert upgrade.result() == 4
    upgrade.go_on()
    upgrade.assert_new_serves()
